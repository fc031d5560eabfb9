// SPDX-License-Identifier: Apache-2.0
//
// Raw segments against a stack that has a listener, half-open peers, and connections in several states. The
// input is a sequence of records that name a flow, flags, numbers relative to what the connection expects,
// options and a payload length, and of commands of the owner and of the clock. ASan, the invariants after
// every step and the count of buffers at the end find what goes wrong.
#include "base/arena.h"
#include "base/assert.h"
#include "base/counters.h"
#include "base/reader.h"
#include "seam/clock_virtual.h"
#include "seam/net_stub.h"
#include "tcp/tcp.h"

#include <rte_mbuf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	N_BUFFERS = 255,
	N_FLOWS = 8,
	STEPS_MAX = 200,
	PORT = 80,
	CONNECT_PORT = 5000
};

// Made once: EAL's memory and mappings are slow to make.
static struct net *nets[2]; // a plain port, and one that cuts segments
static struct net *net;
static struct arena arena;
static struct counters counters;

// The flows' numbers as a well-behaved peer would know them.
struct flow {
	struct flow_key key;
	uint32_t seq, ack;
};

static struct flow flows[N_FLOWS];

static void configure(struct tcp_config *config, uint8_t choice)
{
	tcp_config_default(config, 16);
	config->n_listeners = 4;
	config->n_syn_cache = 2;
	config->n_time_wait = 2;
	config->n_sent = 64;
	config->n_send_items = 64;
	config->n_ranges = 8;
	config->ranges_max = 4;
	config->receive_memory = 400000;
	config->keepalive_idle_ms = 5000;
	config->user_timeout_ms = 20000;
	config->timestamps = (choice & 1) != 0;
	config->sack = (choice & 2) != 0;
	config->cc = (choice & 4) != 0 ? TCP_CC_CUBIC : TCP_CC_NEWRENO;
	config->mtu_probe_interval_ms = 100;
}

static struct flow_key key_of(uint8_t idx)
{
	bool active = idx >= N_FLOWS / 2;

	return (struct flow_key){.local = ip_addr_v4_of(192, 0, 2, 1),
		.remote = ip_addr_v4_of(192, 0, 2, 2),
		.local_port = active ? (uint16_t)(CONNECT_PORT + idx) : PORT,
		.remote_port = active ? PORT : (uint16_t)(4000 + idx)};
}

// What the stack sent tells the peer's next numbers.
static void drain(void)
{
	static struct net_stub_sent sent;

	while (net_stub_take(net, &sent)) {
		for (uint32_t i = 0; i < N_FLOWS; i++) {
			if (!flow_key_equal(&flows[i].key, &sent.key))
				continue;
			flows[i].ack = sent.seq + sent.payload_len +
				       ((sent.flags & (SEGMENT_SYN | SEGMENT_FIN)) != 0 ? 1 : 0);
			if ((sent.flags & SEGMENT_ACK) != 0)
				flows[i].seq = sent.ack;
		}
	}
}

// A small distance, to either side.
static uint32_t near(struct reader *reader)
{
	int32_t distance = (int16_t)reader_u16(reader);

	return (uint32_t)distance;
}

static void segment_in(struct tcp *tcp, struct reader *reader)
{
	static const uint8_t zeros[2000];
	struct flow *flow = &flows[reader_u8(reader) % N_FLOWS];
	struct segment segment = {.key = flow->key, .flags = reader_u8(reader)};
	uint8_t options_len = (uint8_t)(reader_u8(reader) % 11 * 4);
	struct span options;
	uint16_t payload_len;

	segment.seq = flow->seq + near(reader);
	segment.ack = flow->ack + near(reader);
	segment.window = reader_u16(reader);
	payload_len = reader_u16(reader) % 1461;
	segment.ecn = reader_u8(reader) & 3;
	options = reader_bytes(reader, options_len);
	if (!reader_ok(reader))
		return;
	if (net_stub_segment(net, &segment, options.data, options_len, zeros, payload_len))
		tcp_input_burst(tcp, &segment, 1, clock_now_us());
}

static void connect_out(struct tcp *tcp, uint8_t idx)
{
	struct tcp_connect request = {.local = ip_addr_v4_of(192, 0, 2, 1),
		.remote = ip_addr_v4_of(192, 0, 2, 2),
		.local_port = (uint16_t)(CONNECT_PORT + N_FLOWS / 2 + idx % (N_FLOWS / 2)),
		.remote_port = PORT};
	struct tcp_conn *conn;

	if (tcp_connect(tcp, &request, clock_now_us(), &conn) != TCP_CONNECT_STARTED)
		return;
}

static void send_some(struct tcp *tcp, struct tcp_conn *conn, uint16_t len)
{
	struct rte_mbuf *m = net_stub_buffer(net);

	if (m == NULL)
		return;
	len = (uint16_t)(len % 1400 + 1);
	(void)rte_pktmbuf_append(m, len);
	if (!tcp_send(tcp, conn, m, 0, len))
		rte_pktmbuf_free(m);
}

// The owner does something to the connection that the input names.
static void owner_does(struct tcp *tcp, struct reader *reader)
{
	uint8_t what = reader_u8(reader);
	uint32_t cursor = reader_u8(reader) % 16;
	uint16_t amount = reader_u16(reader);
	struct tcp_conn *conn = tcp_conn_next(tcp, &cursor);

	if (conn == NULL || tcp_conn_at(tcp, tcp_conn_handle(tcp, conn)) == NULL)
		return;
	switch (what % 6) {
	case 0:
		send_some(tcp, conn, amount);
		break;
	case 1:
		tcp_consume(tcp, conn, amount < tcp_readable(conn) ? amount : tcp_readable(conn));
		break;
	case 2:
		tcp_shutdown(tcp, conn);
		break;
	case 3:
		tcp_close(tcp, conn);
		break;
	case 4:
		tcp_abort(tcp, conn);
		break;
	default:
		tcp_set_nagle(tcp, conn, (amount & 1) != 0);
		break;
	}
}

static void icmp_in(struct tcp *tcp, struct reader *reader)
{
	const struct flow *flow = &flows[reader_u8(reader) % N_FLOWS];
	struct net_icmp_error error = {.key = flow->key, .kind = reader_u8(reader) % 3};

	error.seq = flow->ack - reader_u16(reader);
	error.mtu = reader_u16(reader);
	error.hash = net_flow_hash(net, &error.key);
	tcp_input_icmp(tcp, &error, 1, clock_now_us());
}

static void step(struct tcp *tcp, struct reader *reader)
{
	struct tcp_ready ready[8];
	uint8_t what = reader_u8(reader);

	switch (what % 8) {
	default:
		segment_in(tcp, reader);
		break;
	case 4:
		owner_does(tcp, reader);
		break;
	case 5:
		connect_out(tcp, reader_u8(reader));
		break;
	case 6:
		clock_virtual_advance((uint64_t)reader_u16(reader) * (what >= 128 ? 1000 : 10));
		break;
	case 7:
		icmp_in(tcp, reader);
		break;
	}
	(void)tcp_ready_burst(tcp, ready, 8);
	tcp_timers(tcp, clock_now_us());
	tcp_output_flush(tcp, clock_now_us());
	drain();
	tcp_check_invariants(tcp);
}

static struct net *open_once(bool cuts, size_t arena_len)
{
	if (arena.start == NULL)
		SLUICE_ASSERT(arena_init(&arena, arena_len));
	memset(arena.start, 0, arena.used);
	arena.used = 0;
	if (nets[cuts] == NULL)
		nets[cuts] = net_stub_open(1500, cuts ? NET_PATH_MULTI_SEGMENT | NET_PATH_TSO : 0, N_BUFFERS);
	return nets[cuts];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader reader = reader_over(span_of(data, len));
	uint8_t choice = reader_u8(&reader);
	struct tcp_config config;
	struct tcp *tcp;

	configure(&config, choice);
	clock_virtual_reset();
	clock_virtual_advance(1000000);
	net = open_once((choice & 8) != 0, tcp_footprint(&config));
	tcp = tcp_init(&config, &arena, net, &counters, clock_now_us());
	SLUICE_ASSERT(tcp != NULL && tcp_listen(tcp, NULL, PORT, 0));
	for (uint8_t i = 0; i < N_FLOWS; i++)
		flows[i] = (struct flow){.key = key_of(i)};
	for (uint32_t i = 0; i < STEPS_MAX && reader_left(&reader) != 0; i++)
		step(tcp, &reader);
	tcp_stop(tcp);
	net_stub_check(net);
	return 0;
}
