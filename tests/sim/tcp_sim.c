// SPDX-License-Identifier: Apache-2.0
//
// The deterministic simulation of tcp: for each seed a wire with its own kinds of harm, two stacks with their
// own settings, and some flows with their own habits. Every byte that arrives must be the right one, every
// transfer must end, no stall may last longer than the bound below, the invariants hold after every turn, and
// no buffer is left behind.
//
//   tcp_sim [FIRST_SEED [COUNT [SEED...]]]      one seed that failed replays alone: tcp_sim SEED 1
//
// The stall bound: retransmissions are at most rto_max (2 s here) apart. With 30 % loss each way a round trip
// fails with probability 0.51, so that 60 failures in a row, 120 s, do not happen (10^-17).
#include "base/assert.h"
#include "seam/clock_virtual.h"
#include "twin.h"

#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FLOWS_MAX = 6,
	PORT = 7000,
	CLIENT_PORT_FIRST = 10000,
	APP_BUFFER_LEN = 17000,
	STALL_BOUND_US = 120 * 1000 * 1000,
	END_BOUND_S = 7200,
	HALF_OPEN_LIFE_US = 30 * 1000 * 1000
};

// One end of one flow: what its owner wants to do and has done.
struct end {
	struct tcp_handle handle;
	bool alive;  // the handle is ours
	bool open;   // the handshake is over
	bool dead;   // the stack said so, or we gave it up
	bool closed; // we called tcp_close
	bool peer_fin;
	bool shut;
	uint32_t n_to_send, n_sent, n_received;
	uint32_t chunk;     // bytes per tcp_send
	uint32_t appetite;  // bytes consumed per turn at most
	uint64_t hungry_us; // when it reads again
	uint64_t wake_us;   // when it has to be asked without anything else happening
	uint32_t rest_us;   // how long it waits between reads
};

struct flow {
	struct end ends[2]; // client, server
	uint32_t seed;
	uint64_t start_us;
	uint64_t open_us; // when an end last learnt that it is connected
	bool started;
	bool aborts; // one end gives up in the middle
};

struct sim {
	struct twin twin;
	struct twin_options options;
	struct flow flows[FLOWS_MAX];
	uint32_t n_flows;
	bool v6;
	bool icmp_lies;
	uint64_t random;
	uint64_t progress_us;
};

static struct sim sim;
static uint64_t current_seed;

static void on_abort(int signal_number)
{
	char line[64];
	int len = snprintf(line, sizeof line, "failed: tcp_sim %llu 1\n", (unsigned long long)current_seed);

	(void)signal_number;
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

// splitmix64.
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(next_random(&sim.random) % n);
}

static bool chance(uint32_t percent)
{
	return below(100) < percent;
}

static uint32_t one_of(const uint32_t *choices, uint32_t n)
{
	return choices[below(n)];
}

#define ONE_OF(...) \
	one_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

// The byte at a place of a stream, by flow and direction.
static uint8_t stream_byte(const struct flow *flow, uint32_t side, uint32_t at)
{
	uint32_t x = (at + 1) * 0x9e3779b1u ^ flow->seed ^ side * 0x85ebca6bu;

	return (uint8_t)(x >> 24 ^ x >> 9);
}

static struct port_mem_wire random_wire(void)
{
	struct port_mem_wire wire = {.delay_us = ONE_OF(20, 100, 1000, 5000, 20000, 100000)};

	if (chance(70))
		wire.loss_ppm = ONE_OF(100, 1000, 10000, 50000, 100000, 300000);
	if (chance(40))
		wire.duplicate_ppm = ONE_OF(1000, 10000, 100000);
	if (chance(40)) {
		wire.reorder_ppm = ONE_OF(1000, 20000, 200000);
		wire.reorder_us = ONE_OF(50, 500, 5000, 50000);
	}
	if (chance(40))
		wire.jitter_us = below(wire.delay_us) + 1;
	if (chance(60)) {
		wire.rate_bps = ONE_OF(1000000, 10000000, 100000000, 1000000000);
		wire.queue_len = ONE_OF(5, 20, 100, 1000);
	}
	return wire;
}

static struct tcp_config random_tcp(uint32_t side)
{
	struct tcp_config config;

	tcp_config_default(&config, 16);
	config.n_listeners = 16;
	config.n_syn_cache = ONE_OF(1, 64);
	config.n_time_wait = ONE_OF(8, 64);
	config.n_sent = ONE_OF(20, 100, 4096);
	config.n_send_items = ONE_OF(20, 100, 4096);
	config.n_ranges = ONE_OF(4, 64, 1024);
	config.ranges_max = ONE_OF(2, 32, 256);
	config.sent_max = ONE_OF(10, 1000);
	config.receive_memory = ONE_OF(200000, 4000000, 100000000);
	config.send_buffer = ONE_OF(20000, 65536, 1000000);
	config.receive_window_initial = ONE_OF(3000, 16384, 65535);
	config.receive_window_max = ONE_OF(65535, 300000, 4000000);
	config.rto_max_ms = 2000;
	config.user_timeout_ms = 0;
	config.connect_timeout_ms = 1000000;
	config.time_wait_ms = 60000;
	config.fin_wait_2_ms = 300000;
	config.keepalive_idle_ms = chance(20) ? 3000 : 0;
	config.keepalive_interval_ms = 1000;
	config.keepalive_probes = 100;
	config.delayed_ack_ms = ONE_OF(1, 40, 200);
	config.cc = chance(50) ? TCP_CC_CUBIC : TCP_CC_NEWRENO;
	config.timestamps = chance(80);
	config.sack = chance(80);
	config.window_scaling = chance(80);
	config.ecn = chance(50);
	config.nagle = chance(20);
	config.pacing = chance(70);
	config.mtu_probe_interval_ms = ONE_OF(100, 10000);
	for (uint32_t i = 0; i < sizeof config.secret; i++)
		config.secret[i] = (uint8_t)(below(256) + side);
	return config;
}

static void random_end(struct end *end)
{
	end->n_to_send = chance(15) ? 0 : chance(85) ? below(20000) : below(300000);
	end->chunk = ONE_OF(1, 100, 1448, 5000, 16384);
	if (end->chunk == 1 && end->n_to_send > 1000)
		end->n_to_send = below(1000);
	end->appetite = ONE_OF(500, 5000, 1000000);
	end->rest_us = chance(30) ? ONE_OF(100, 5000, 200000) : 0;
	// A glacial reader makes a long transfer and nothing else.
	if (end->appetite == 500 && end->rest_us > 5000)
		end->rest_us = 5000;
}

static void random_sim(uint64_t seed)
{
	static const uint32_t capabilities[] = {0, PORT_CAN_TX_CHECKSUM | PORT_CAN_RX_CHECKSUM,
		PORT_CAN_MULTI_SEGMENT, PORT_CAN_TX_CHECKSUM | PORT_CAN_MULTI_SEGMENT | PORT_CAN_TSO};

	memset(&sim, 0, sizeof sim);
	sim.random = seed * UINT64_C(0x2545f4914f6cdd1d);
	sim.options.seed = next_random(&sim.random);
	sim.options.mtu = (uint16_t)ONE_OF(1280, 1500, 1500, 1500);
	for (uint32_t i = 0; i < 2; i++) {
		sim.options.capabilities[i] = capabilities[below(4)];
		sim.options.wire[i] = random_wire();
		sim.options.tcp[i] = random_tcp(i);
	}
	sim.options.corrupt_ppm = chance(40) ? ONE_OF(1000, 10000, 50000) : 0;
	sim.v6 = chance(40);
	sim.icmp_lies = chance(30);
	sim.n_flows = 1 + below(FLOWS_MAX);
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		struct flow *flow = &sim.flows[i];

		flow->seed = (uint32_t)next_random(&sim.random);
		flow->start_us = below(1000000);
		flow->aborts = chance(10);
		random_end(&flow->ends[0]);
		random_end(&flow->ends[1]);
	}
}

static struct tcp *tcp_of(uint32_t side)
{
	return sim.twin.stacks[side].tcp;
}

static void start_flow(uint32_t idx)
{
	struct twin_stack *stacks = sim.twin.stacks;
	struct flow *flow = &sim.flows[idx];
	struct tcp_connect request = {.local = sim.v6 ? stacks[0].v6 : stacks[0].v4,
		.remote = sim.v6 ? stacks[1].v6 : stacks[1].v4,
		.local_port = (uint16_t)(CLIENT_PORT_FIRST + idx),
		.remote_port = PORT,
		.user = idx};
	struct tcp_conn *conn;

	SLUICE_ASSERT(tcp_connect(stacks[0].tcp, &request, clock_now_us(), &conn) == TCP_CONNECT_STARTED);
	flow->started = true;
	flow->ends[0].handle = tcp_conn_handle(stacks[0].tcp, conn);
	flow->ends[0].alive = true;
}

// Sends what the stack takes now. Some buffers are handed in as two pieces.
static void end_write(struct flow *flow, uint32_t side, struct tcp_conn *conn)
{
	struct end *end = &flow->ends[side];
	struct tcp *tcp = tcp_of(side);

	while (end->n_sent < end->n_to_send) {
		uint32_t len = end->n_to_send - end->n_sent;
		struct rte_mbuf *mbuf;
		uint8_t *data;

		len = len < end->chunk ? len : end->chunk;
		if (tcp_send_space(tcp, conn) < len)
			return;
		mbuf = twin_app_buffer();
		if (mbuf == NULL) {
			end->wake_us = clock_now_us() + 1000;
			return;
		}
		data = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)(len + 3));
		SLUICE_ASSERT(data != NULL);
		for (uint32_t i = 0; i < len; i++)
			data[3 + i] = stream_byte(flow, side, end->n_sent + i);
		if (!tcp_send(tcp, conn, mbuf, 3, len)) {
			rte_pktmbuf_free(mbuf);
			return;
		}
		end->n_sent += len;
		sim.progress_us = clock_now_us();
	}
	if (!end->shut && end->open) {
		tcp_shutdown(tcp, conn);
		end->shut = true;
	}
}

static void end_read(struct flow *flow, uint32_t side, struct tcp_conn *conn)
{
	struct end *end = &flow->ends[side];
	struct tcp_piece pieces[64];
	uint32_t n, n_read = 0;

	if (tcp_readable(conn) == 0)
		return;
	if (clock_now_us() < end->hungry_us) {
		end->wake_us = end->hungry_us;
		return;
	}
	n = tcp_peek(conn, pieces, 64);
	for (uint32_t i = 0; i < n && n_read < end->appetite; i++) {
		uint32_t len = pieces[i].len < end->appetite - n_read ? pieces[i].len
								      : end->appetite - n_read;

		for (uint32_t k = 0; k < len; k++)
			SLUICE_ASSERT(pieces[i].data[k] == stream_byte(flow, 1 - side, end->n_received + k));
		end->n_received += len;
		n_read += len;
	}
	tcp_consume(tcp_of(side), conn, n_read);
	end->hungry_us = clock_now_us() + end->rest_us;
	if (tcp_readable(conn) != 0)
		end->wake_us = end->hungry_us;
	sim.progress_us = clock_now_us();
}

static void end_give_up(struct flow *flow, uint32_t side, struct tcp_conn *conn)
{
	struct end *end = &flow->ends[side];

	end->alive = false;
	end->dead = true;
	tcp_close(tcp_of(side), conn);
}

// What the owner of one end does in a turn.
static void end_work(struct flow *flow, uint32_t side)
{
	struct end *end = &flow->ends[side];
	struct tcp_conn *conn;

	if (!end->alive)
		return;
	conn = tcp_conn_at(tcp_of(side), end->handle);
	SLUICE_ASSERT(conn != NULL);
	end->wake_us = UINT64_MAX;
	end_read(flow, side, conn);
	end_write(flow, side, conn);
	// The reset may be lost, and an idle server has no way to know.
	if (flow->aborts && side == 1 && flow->ends[0].dead &&
		clock_now_us() - sim.progress_us > STALL_BOUND_US / 2) {
		end->alive = false;
		end->dead = true;
		tcp_abort(tcp_of(side), conn);
		return;
	}
	if (flow->aborts && side == 0 && end->n_received + end->n_sent > end->n_to_send / 2 + 1) {
		end->alive = false;
		end->dead = true;
		tcp_abort(tcp_of(side), conn);
		return;
	}
	// Both streams are complete from here: read to the peer's FIN, and our own FIN queued.
	if (end->peer_fin && tcp_readable(conn) == 0 && end->shut) {
		if (!flow->aborts)
			SLUICE_ASSERT(end->n_received == flow->ends[1 - side].n_to_send);
		end_give_up(flow, side, conn);
	}
}

static struct flow *flow_of_ready(uint32_t side, const struct tcp_ready *ready)
{
	struct tcp_conn_info info;
	uint32_t idx;

	if (side == 0)
		return &sim.flows[ready->user];
	tcp_conn_info(tcp_of(side), ready->conn, &info);
	idx = info.key.remote_port - CLIENT_PORT_FIRST;
	SLUICE_ASSERT(idx < sim.n_flows);
	return &sim.flows[idx];
}

// The third segment of the handshake was lost, and the client, which believes itself connected, had nothing
// to send for longer than the server remembers a half-open peer (the SYN cache for 31 s, a cookie for a
// minute).
static bool half_open_forgotten(const struct flow *flow, uint32_t side)
{
	return side == 0 && flow->ends[0].open && !flow->ends[1].open &&
	       clock_now_us() - flow->open_us >= HALF_OPEN_LIFE_US;
}

static void take_events(uint32_t side)
{
	struct tcp_ready ready[16];
	uint32_t n = tcp_ready_burst(tcp_of(side), ready, 16);

	for (uint32_t i = 0; i < n; i++) {
		struct flow *flow = flow_of_ready(side, &ready[i]);
		struct end *end = &flow->ends[side];

		if ((ready[i].events & TCP_EVENT_ACCEPTED) != 0) {
			SLUICE_ASSERT(side == 1 && (!end->alive || flow->aborts));
			end->alive = true;
			end->handle = ready[i].handle;
		}
		if ((ready[i].events & (TCP_EVENT_ACCEPTED | TCP_EVENT_CONNECTED)) != 0) {
			end->open = true;
			flow->open_us = clock_now_us();
		}
		if ((ready[i].events & TCP_EVENT_PEER_FIN) != 0)
			end->peer_fin = true;
		if ((ready[i].events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0) {
			if (half_open_forgotten(flow, side))
				flow->aborts = true;
			// Only a flow whose owner gives up may be reset.
			SLUICE_ASSERT(flow->aborts && end->alive);
			end_give_up(flow, side, ready[i].conn);
		}
	}
}

// Whatever an attacker on another path can send: ICMP errors that guess or even know a number in flight.
static void tell_icmp_lies(uint32_t side)
{
	struct net_icmp_error error = {.kind = NET_ICMP_PACKET_TOO_BIG, .mtu = (uint16_t)(68 + below(1500))};
	struct twin_stack *stack = &sim.twin.stacks[side];
	struct tcp_conn_info info;
	struct tcp_conn *conn;
	uint32_t cursor = below(4);

	conn = tcp_conn_next(stack->tcp, &cursor);
	if (conn == NULL)
		return;
	tcp_conn_info(stack->tcp, conn, &info);
	error.key = info.key;
	error.hash = net_flow_hash(stack->net, &info.key);
	error.kind = (uint8_t)below(3);
	error.seq = (uint32_t)next_random(&sim.random);
	if (info.state < 4)
		return; // an opening connection may be refused by ICMP
	if (chance(50))
		error.seq = info.snd_una + (info.n_unacked != 0 ? below(info.n_unacked) : 0);
	tcp_input_icmp(stack->tcp, &error, 1, clock_now_us());
}

static void turn(uint32_t side)
{
	twin_receive(&sim.twin, side);
	if (sim.icmp_lies && chance(1))
		tell_icmp_lies(side);
	take_events(side);
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		struct flow *flow = &sim.flows[i];

		if (side == 0 && !flow->started && clock_now_us() >= flow->start_us)
			start_flow(i);
		end_work(flow, side);
	}
	twin_send(&sim.twin, side);
	tcp_check_invariants(tcp_of(side));
}

static bool all_done(void)
{
	uint32_t cursor = 0;

	for (uint32_t i = 0; i < sim.n_flows; i++) {
		const struct flow *flow = &sim.flows[i];

		if (!flow->ends[0].dead || (!flow->ends[1].dead && !flow->aborts) || flow->ends[1].alive)
			return false;
	}
	return tcp_conn_next(tcp_of(0), &cursor) == NULL &&
	       (cursor = 0, tcp_conn_next(tcp_of(1), &cursor) == NULL);
}

// When one side has something to do: its stack, or the owners of its ends.
static uint64_t next_us(uint32_t side)
{
	uint64_t next = twin_side_next_us(&sim.twin, side);

	for (uint32_t i = 0; i < sim.n_flows; i++) {
		const struct flow *flow = &sim.flows[i];

		if (side == 0 && !flow->started && flow->start_us < next)
			next = flow->start_us;
		if (flow->ends[side].alive && flow->ends[side].wake_us < next)
			next = flow->ends[side].wake_us;
	}
	return next;
}

static void run_seed(uint64_t seed)
{
	current_seed = seed;
	random_sim(seed);
	twin_open(&sim.twin, &sim.options);
	SLUICE_ASSERT(tcp_listen(tcp_of(1), NULL, PORT, 1));
	for (uint32_t i = 0; i < sim.n_flows; i++)
		sim.flows[i].start_us += clock_now_us();
	sim.progress_us = clock_now_us();
	while (!all_done()) {
		uint64_t next[2];

		// Whoever has nothing to do would do nothing.
		for (uint32_t side = 0; side < 2; side++)
			if (next_us(side) <= clock_now_us())
				turn(side);
		next[0] = next_us(0);
		next[1] = next_us(1);
		next[0] = next[0] < next[1] ? next[0] : next[1];
		SLUICE_ASSERT(clock_now_us() < (uint64_t)END_BOUND_S * 1000000);
		SLUICE_ASSERT(clock_now_us() - sim.progress_us < STALL_BOUND_US);
		clock_virtual_set_now(next[0] > clock_now_us() ? next[0] : clock_now_us() + 1);
	}
	twin_close(&sim.twin);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 100;

	(void)signal(SIGABRT, on_abort);
	twin_start(8191, 1500, APP_BUFFER_LEN, 0);
	for (uint64_t i = 0; i < n; i++)
		run_seed(first + i);
	for (int i = 3; i < argc; i++)
		run_seed(strtoull(argv[i], NULL, 0));
	printf("%llu seeds from %llu passed\n", (unsigned long long)n, (unsigned long long)first);
	return 0;
}
