// SPDX-License-Identifier: Apache-2.0
//
// What tcp costs: two stacks on port_mem in virtual time, the time-stamp counter read around the calls of
// tcp, and around tcp's calls of net_output_tcp to subtract what net and the wire take (they are
// bench-net's).
//
//     bench-tcp [--json] [--quick] [--only TEXT] [--held N]
//
//   tcp_segment_tsc       an in-order data segment of 1,448 bytes, in on one connection and out on another,
//   with
//                         their acknowledgements out and in: the cost of one proxied segment
//   tcp_segment_scattered_tsc  a segment of 500 bytes on each of 32,768 connections in no order, so that
//   nothing
//                         of them is in the near caches: in, its acknowledgement out, both ends together
//   tcp_pure_ack_tsc      building one and taking one
//   tcp_open_close_*      a connection from SYN to the last acknowledgement of its FIN, without data
//   tcp_bytes_per_idle_connection, tcp_held   N connections opened and held
//   tcp_goodput_virtual_* Mbit/s over a lossy wire, see bench_tcp.h
#include "bench_tcp.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/output.h"
#include "seam/clock_virtual.h"
#include "twin.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	// Short samples and many: whatever interrupts one spoils only that one.
	SAMPLES = 63,
	SAMPLES_QUICK = 15,
	SEGMENTS_PER_SAMPLE = 5000,
	SEGMENTS_WARM_UP = 30000,
	ACKS_PER_SAMPLE = 2000,
	OPENS_PER_SAMPLE = 960,
	OPENS_AT_ONCE = 32,
	RECORD_LEN = 16384,
	TURN_US = 20,
	PORT = 7000,
	HELD_DEFAULT = 1000000,
	HELD_QUICK = 50000,
	PORTS_PER_LISTENER = 28000,
	SCATTERED = 32768,
	SCATTERED_STRIDE = 12345, // prime to it
	SCATTERED_AT_ONCE = 32,
	SCATTERED_PER_SAMPLE = 2048,
	SAMPLES_MAX = 64
};

// Ticks that each side's tcp has used, by kind of call.
struct spent {
	uint64_t input, owner, output;
};

void __real_net_output_tcp(struct net *net, struct net_path *path, const struct flow_key *key,
	struct rte_mbuf *m, uint8_t ecn, uint16_t tso_mss);
void __wrap_net_output_tcp(struct net *net, struct net_path *path, const struct flow_key *key,
	struct rte_mbuf *m, uint8_t ecn, uint16_t tso_mss);

static uint64_t output_tsc; // spent below tcp

void __wrap_net_output_tcp(struct net *net, struct net_path *path, const struct flow_key *key,
	struct rte_mbuf *m, uint8_t ecn, uint16_t tso_mss)
{
	uint64_t start = rte_rdtsc();

	__real_net_output_tcp(net, path, key, m, ecn, tso_mss);
	output_tsc += rte_rdtsc() - start;
}

static struct twin twin;
static struct twin_options options;
static struct spent spent[2];

static struct tcp *tcp_of(uint32_t side)
{
	return twin.stacks[side].tcp;
}

static void receive(uint32_t side)
{
	struct twin_stack *stack = &twin.stacks[side];
	struct segment segments[NET_RX_BURST_MIN];
	uint64_t now_us = clock_now_us();
	uint32_t n = net_rx_burst(stack->net, now_us, segments, NET_RX_BURST_MIN);
	uint64_t start = rte_rdtsc();

	output_tsc = 0;
	tcp_input_burst(stack->tcp, segments, n, now_us);
	spent[side].input += rte_rdtsc() - start - output_tsc;
}

static void send_out(uint32_t side)
{
	struct twin_stack *stack = &twin.stacks[side];
	uint64_t now_us = clock_now_us();
	uint64_t start = rte_rdtsc();

	output_tsc = 0;
	tcp_timers(stack->tcp, now_us);
	tcp_output_flush(stack->tcp, now_us);
	spent[side].output += rte_rdtsc() - start - output_tsc;
	net_timers(stack->net, now_us);
	net_flush(stack->net, now_us);
}

static void open_twin(uint32_t n_conns, uint32_t capabilities)
{
	memset(&options, 0, sizeof options);
	options.seed = 1;
	options.mtu = 1500;
	for (uint32_t i = 0; i < 2; i++) {
		struct tcp_config *config = &options.tcp[i];

		options.capabilities[i] = capabilities;
		tcp_config_default(config, n_conns);
		config->n_syn_cache = 4096;
		config->n_time_wait = 65536;
		config->n_sent = 65536;
		config->n_send_items = 65536;
		config->n_ranges = 1024;
		config->receive_window_initial = 1 << 20;
		config->send_buffer = 1 << 20;
		config->receive_window_max = 1 << 20;
		config->time_wait_ms = 1000;
		config->keepalive_idle_ms = 0;
		config->ecn = false;
		config->secret[0] = (uint8_t)(i + 1);
	}
	twin_open(&twin, &options);
	memset(spent, 0, sizeof spent);
}

static void report(struct measure *measure, const char *name, double *samples, uint32_t n)
{
	const struct measure_row row = {.name = name, .lanes = 1};
	double none[SAMPLES_MAX] = {0};

	measure_samples(measure, &row, samples, none, n);
}

// --- bulk ---

static struct tcp_handle ends[2];

static void connect_one(void)
{
	struct tcp_connect request = {
		.local = twin.stacks[0].v4, .remote = twin.stacks[1].v4, .remote_port = PORT};
	struct tcp_ready ready;
	struct tcp_conn *conn;

	SLUICE_ASSERT(tcp_listen(tcp_of(1), NULL, PORT, 0));
	SLUICE_ASSERT(tcp_connect(tcp_of(0), &request, clock_now_us(), &conn) == TCP_CONNECT_STARTED);
	ends[0] = tcp_conn_handle(tcp_of(0), conn);
	while (tcp_ready_burst(tcp_of(1), &ready, 1) == 0) {
		clock_virtual_advance(TURN_US);
		for (uint32_t side = 0; side < 2; side++) {
			receive(side);
			send_out(side);
		}
	}
	ends[1] = ready.handle;
}

// The sender's owner: keeps the queue full with records that are sent again and again.
static void owner_send(struct rte_mbuf *record)
{
	struct tcp_ready ready[8];
	struct tcp_conn *conn = tcp_conn_at(tcp_of(0), ends[0]);
	uint64_t start = rte_rdtsc();

	(void)tcp_ready_burst(tcp_of(0), ready, 8);
	while (tcp_send_space(tcp_of(0), conn) >= RECORD_LEN) {
		rte_mbuf_refcnt_update(record, 1);
		SLUICE_ASSERT(tcp_send(tcp_of(0), conn, record, 0, RECORD_LEN));
	}
	spent[0].owner += rte_rdtsc() - start;
}

static void owner_receive(void)
{
	struct tcp_ready ready[8];
	struct tcp_piece pieces[64];
	struct tcp_conn *conn = tcp_conn_at(tcp_of(1), ends[1]);
	uint64_t start = rte_rdtsc();

	(void)tcp_ready_burst(tcp_of(1), ready, 8);
	(void)tcp_peek(conn, pieces, 64);
	tcp_consume(tcp_of(1), conn, tcp_readable(conn));
	spent[1].owner += rte_rdtsc() - start;
}

// Until so many data segments have arrived; returns how many acknowledgements the sender took meanwhile.
static uint64_t bulk(struct rte_mbuf *record, uint64_t n_segments)
{
	uint64_t end = twin_count(&twin, 1, COUNTER_TCP_RX_SEGMENTS) + n_segments;
	uint64_t acks = twin_count(&twin, 0, COUNTER_TCP_RX_SEGMENTS);

	while (twin_count(&twin, 1, COUNTER_TCP_RX_SEGMENTS) < end) {
		clock_virtual_advance(TURN_US);
		receive(0);
		owner_send(record);
		send_out(0);
		clock_virtual_advance(TURN_US);
		receive(1);
		owner_receive();
		send_out(1);
	}
	return twin_count(&twin, 0, COUNTER_TCP_RX_SEGMENTS) - acks;
}

static void bulk_rows(struct measure *measure, uint32_t n_samples, uint32_t capabilities, const char *suffix)
{
	double segment[SAMPLES_MAX], in[SAMPLES_MAX], out[SAMPLES_MAX];
	struct rte_mbuf *record;
	char name[64];

	(void)snprintf(name, sizeof name, "tcp_segment_tsc%s", suffix);
	if (!measure_wants(measure, name))
		return;
	open_twin(64, capabilities);
	connect_one();
	record = twin_app_buffer();
	SLUICE_ASSERT(record != NULL && rte_pktmbuf_append(record, RECORD_LEN) != NULL);
	(void)bulk(record, SEGMENTS_WARM_UP); // the window opens, the caches warm up
	for (uint32_t i = 0; i < n_samples; i++) {
		uint64_t before = twin_count(&twin, 1, COUNTER_TCP_RX_SEGMENTS);
		uint64_t n;

		memset(spent, 0, sizeof spent);
		(void)bulk(record, SEGMENTS_PER_SAMPLE);
		n = twin_count(&twin, 1, COUNTER_TCP_RX_SEGMENTS) - before;
		in[i] = (double)(spent[1].input + spent[1].owner + spent[1].output) / (double)n;
		out[i] = (double)(spent[0].input + spent[0].owner + spent[0].output) / (double)n;
		segment[i] = in[i] + out[i];
	}
	report(measure, name, segment, n_samples);
	(void)snprintf(name, sizeof name, "tcp_segment_in_tsc%s", suffix);
	report(measure, name, in, n_samples);
	(void)snprintf(name, sizeof name, "tcp_segment_out_tsc%s", suffix);
	report(measure, name, out, n_samples);
	rte_pktmbuf_free(record);
	twin_close(&twin);
}

// One segment each way at a time, so that every one is acknowledged by a segment of its own.
static void ack_rows(struct measure *measure, uint32_t n_samples)
{
	double samples[SAMPLES_MAX];
	struct rte_mbuf *record;

	if (!measure_wants(measure, "tcp_pure_ack_tsc"))
		return;
	open_twin(64, PORT_CAN_MULTI_SEGMENT);
	connect_one();
	record = twin_app_buffer();
	SLUICE_ASSERT(record != NULL && rte_pktmbuf_append(record, RECORD_LEN) != NULL);
	for (uint32_t i = 0; i < n_samples; i++) {
		uint64_t before = twin_count(&twin, 0, COUNTER_TCP_RX_SEGMENTS);

		memset(spent, 0, sizeof spent);
		for (uint32_t k = 0; k < ACKS_PER_SAMPLE; k++) {
			struct tcp_conn *conn = tcp_conn_at(tcp_of(0), ends[0]);

			rte_mbuf_refcnt_update(record, 1);
			SLUICE_ASSERT(tcp_send(tcp_of(0), conn, record, 0, 500));
			send_out(0);
			clock_virtual_advance(TURN_US);
			receive(1);
			owner_receive();
			send_out(1);
			clock_virtual_advance(TURN_US);
			receive(0);
		}
		samples[i] = (double)(spent[1].output + spent[0].input) /
			     (double)(twin_count(&twin, 0, COUNTER_TCP_RX_SEGMENTS) - before);
	}
	report(measure, "tcp_pure_ack_tsc", samples, n_samples);
	rte_pktmbuf_free(record);
	twin_close(&twin);
}

// --- opening and closing ---

// Both owners close as soon as they can: the opener first.
static uint32_t close_ready(uint32_t side)
{
	struct tcp_ready ready[64];
	uint64_t start = rte_rdtsc();
	uint32_t n = tcp_ready_burst(tcp_of(side), ready, 64);
	uint32_t n_closed = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint16_t wanted = side == 0 ? TCP_EVENT_CONNECTED : TCP_EVENT_PEER_FIN;

		if ((ready[i].events & wanted) == 0)
			continue;
		tcp_close(tcp_of(side), ready[i].conn);
		n_closed++;
	}
	spent[side].owner += rte_rdtsc() - start;
	return n_closed;
}

static void open_some(uint32_t n)
{
	struct tcp_connect request = {
		.local = twin.stacks[0].v4, .remote = twin.stacks[1].v4, .remote_port = PORT};
	struct tcp_conn *conn;
	uint64_t start = rte_rdtsc();

	for (uint32_t i = 0; i < n; i++)
		SLUICE_ASSERT(tcp_connect(tcp_of(0), &request, clock_now_us(), &conn) == TCP_CONNECT_STARTED);
	spent[0].owner += rte_rdtsc() - start;
}

static void open_close_batch(uint32_t n)
{
	uint32_t n_closed = 0;

	open_some(n);
	while (n_closed < n) {
		receive(0);
		(void)close_ready(0);
		send_out(0);
		clock_virtual_advance(TURN_US);
		receive(1);
		n_closed += close_ready(1);
		send_out(1);
		clock_virtual_advance(TURN_US);
	}
}

static void open_close_rows(struct measure *measure, uint32_t n_samples)
{
	double active[SAMPLES_MAX], passive[SAMPLES_MAX];

	if (!measure_wants(measure, "tcp_open_close_passive_tsc"))
		return;
	open_twin(4096, 0);
	SLUICE_ASSERT(tcp_listen(tcp_of(1), NULL, PORT, 0));
	for (uint32_t i = 0; i < n_samples; i++) {
		memset(spent, 0, sizeof spent);
		for (uint32_t k = 0; k < OPENS_PER_SAMPLE; k += OPENS_AT_ONCE)
			open_close_batch(OPENS_AT_ONCE);
		active[i] = (double)(spent[0].input + spent[0].owner + spent[0].output);
		passive[i] = (double)(spent[1].input + spent[1].owner + spent[1].output);
		active[i] /= (OPENS_PER_SAMPLE + OPENS_AT_ONCE - 1) / OPENS_AT_ONCE * OPENS_AT_ONCE;
		passive[i] /= (OPENS_PER_SAMPLE + OPENS_AT_ONCE - 1) / OPENS_AT_ONCE * OPENS_AT_ONCE;
		clock_virtual_advance(2000000); // TIME-WAIT passes
		for (uint32_t k = 0; k < 200; k++)
			send_out(0);
	}
	report(measure, "tcp_open_close_passive_tsc", passive, n_samples);
	report(measure, "tcp_open_close_active_tsc", active, n_samples);
	twin_close(&twin);
}

// --- many ---

// Opens n connections; the handles of both sides go where there is an array, in no common order.
static void open_many(uint32_t n, struct tcp_handle *out_handles[2])
{
	uint32_t n_open = 0, n_accepted = 0, n_listeners = 0;

	while (n_accepted < n) {
		struct tcp_ready ready[64];
		uint32_t n_ready;

		for (uint32_t i = 0; i < OPENS_AT_ONCE && n_open < n; i++, n_open++) {
			struct tcp_connect request = {.local = twin.stacks[0].v4,
				.remote = twin.stacks[1].v4,
				.local_port = (uint16_t)(20000 + n_open % PORTS_PER_LISTENER),
				.remote_port = (uint16_t)(PORT + n_open / PORTS_PER_LISTENER)};
			struct tcp_conn *conn;

			if (n_open % PORTS_PER_LISTENER == 0)
				SLUICE_ASSERT(
					tcp_listen(tcp_of(1), NULL, (uint16_t)(PORT + n_listeners++), 0));
			SLUICE_ASSERT(tcp_connect(tcp_of(0), &request, clock_now_us(), &conn) ==
				      TCP_CONNECT_STARTED);
			if (out_handles != NULL)
				out_handles[0][n_open] = tcp_conn_handle(tcp_of(0), conn);
		}
		for (uint32_t side = 0; side < 2; side++) {
			receive(side);
			send_out(side);
			clock_virtual_advance(TURN_US);
		}
		(void)tcp_ready_burst(tcp_of(0), ready, 64);
		n_ready = tcp_ready_burst(tcp_of(1), ready, 64);
		for (uint32_t i = 0; i < n_ready && out_handles != NULL; i++)
			out_handles[1][n_accepted + i] = ready[i].handle;
		n_accepted += n_ready;
	}
}

// One turn of a worker that has a segment for each of a few connections.
static void scattered_turn(struct rte_mbuf *record, const struct tcp_handle *handles, uint32_t first)
{
	struct tcp_ready ready[SCATTERED_AT_ONCE];
	struct tcp_piece piece;
	uint64_t start = rte_rdtsc();
	uint32_t n_ready;

	for (uint32_t i = 0; i < SCATTERED_AT_ONCE; i++) {
		uint32_t at = (uint32_t)((uint64_t)(first + i) * SCATTERED_STRIDE % SCATTERED);

		rte_mbuf_refcnt_update(record, 1);
		SLUICE_ASSERT(tcp_send(tcp_of(0), tcp_conn_at(tcp_of(0), handles[at]), record, 0, 500));
	}
	spent[0].owner += rte_rdtsc() - start;
	send_out(0);
	clock_virtual_advance(TURN_US);
	receive(1);
	start = rte_rdtsc();
	n_ready = tcp_ready_burst(tcp_of(1), ready, SCATTERED_AT_ONCE);
	for (uint32_t i = 0; i < n_ready; i++) {
		(void)tcp_peek(ready[i].conn, &piece, 1);
		tcp_consume(tcp_of(1), ready[i].conn, tcp_readable(ready[i].conn));
	}
	spent[1].owner += rte_rdtsc() - start;
	clock_virtual_advance(50000); // acknowledgements that were put off
	send_out(1);
	receive(0);
	(void)tcp_ready_burst(tcp_of(0), ready, SCATTERED_AT_ONCE);
}

static void scattered_rows(struct measure *measure, uint32_t n_samples)
{
	static struct tcp_handle handles[2][SCATTERED];
	struct tcp_handle *out_handles[2] = {handles[0], handles[1]};
	double samples[SAMPLES_MAX];
	struct rte_mbuf *record;
	uint32_t first = 0;

	if (!measure_wants(measure, "tcp_segment_scattered_tsc"))
		return;
	open_twin(SCATTERED, PORT_CAN_MULTI_SEGMENT);
	open_many(SCATTERED, out_handles);
	record = twin_app_buffer();
	SLUICE_ASSERT(record != NULL && rte_pktmbuf_append(record, RECORD_LEN) != NULL);
	for (uint32_t i = 0; i < n_samples; i++) {
		memset(spent, 0, sizeof spent);
		for (uint32_t k = 0; k < SCATTERED_PER_SAMPLE; k += SCATTERED_AT_ONCE)
			scattered_turn(record, handles[0], first += SCATTERED_AT_ONCE);
		samples[i] = 0;
		for (uint32_t side = 0; side < 2; side++)
			samples[i] += (double)(spent[side].input + spent[side].owner + spent[side].output);
		samples[i] /= SCATTERED_PER_SAMPLE;
	}
	SLUICE_ASSERT(twin_count(&twin, 0, COUNTER_TCP_RETRANSMITTED) == 0);
	report(measure, "tcp_segment_scattered_tsc", samples, n_samples);
	rte_pktmbuf_free(record);
	twin_close(&twin);
}

static void held_rows(struct measure *measure, uint32_t n_held)
{
	struct tcp_config one, two;

	if (!measure_wants(measure, "tcp_held"))
		return;
	open_twin(n_held, 0);
	one = options.tcp[0];
	two = one;
	one.n_conns = 1 << 19;
	two.n_conns = 1 << 20;
	measure_value(measure, "tcp_bytes_per_idle_connection", "bytes",
		(double)(tcp_footprint(&two) - tcp_footprint(&one)) / (1 << 19));
	open_many(n_held, NULL);
	measure_value(measure, "tcp_held", "connections",
		(double)(twin_count(&twin, 1, COUNTER_TCP_ESTABLISHED) -
			 twin_count(&twin, 1, COUNTER_TCP_ENDED)));
	twin_close(&twin);
}

int main(int argc, char **argv)
{
	struct measure_options measure_options = {.n_samples = SAMPLES};
	uint32_t n_held = HELD_DEFAULT;
	struct measure *measure;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			measure_options.json = true;
		else if (strcmp(argv[i], "--quick") == 0)
			measure_options.n_samples = SAMPLES_QUICK, n_held = HELD_QUICK;
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			measure_options.only = argv[++i];
		else if (strcmp(argv[i], "--held") == 0 && i + 1 < argc)
			n_held = (uint32_t)strtoul(argv[++i], NULL, 10);
		else
			return 2;
	}
	twin_start(16383, 1500, RECORD_LEN + 512, 256);
	measure = measure_create(&measure_options);
	bulk_rows(measure, measure_options.n_samples, PORT_CAN_MULTI_SEGMENT, "");
	bulk_rows(measure, measure_options.n_samples, 0, "_copied");
	bulk_rows(measure, measure_options.n_samples,
		PORT_CAN_TX_CHECKSUM | PORT_CAN_MULTI_SEGMENT | PORT_CAN_TSO, "_tso");
	scattered_rows(measure, measure_options.n_samples);
	ack_rows(measure, measure_options.n_samples);
	open_close_rows(measure, measure_options.n_samples);
	held_rows(measure, n_held);
	bench_tcp_goodput_rows(measure, measure_options.n_samples == SAMPLES_QUICK);
	measure_finish(measure);
	return 0;
}
