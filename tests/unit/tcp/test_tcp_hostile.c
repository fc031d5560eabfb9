// SPDX-License-Identifier: Apache-2.0
//
// Peers that mean harm, where a script would need thousands of lines: numbers that are to be guessed, SACK
// blocks that make us search or split, acknowledgements that never come.
#include "base/arena.h"
#include "base/assert.h"
#include "base/counters.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"
#include "seam/net_stub.h"
#include "tcp/isn.h"
#include "tcp/options.h"
#include "tcp/stack.h"

#include <rte_mbuf.h>

enum {
	PORT = 80,
	PEER_PORT = 4000,
	PEER_ISN = 1000,
	MSS = 1000
};

static struct net *net;
static struct arena arena;
static struct counters counters;
static struct tcp *tcp;
static struct tcp_conn *conn;
static uint32_t our_isn;

static struct flow_key key_of(uint16_t peer_port)
{
	return (struct flow_key){.local = ip_addr_v4_of(192, 0, 2, 1),
		.remote = ip_addr_v4_of(192, 0, 2, 2),
		.local_port = PORT,
		.remote_port = peer_port};
}

static void open_stack(struct tcp_config *config)
{
	clock_virtual_reset();
	clock_virtual_advance(1000000);
	memset(&counters, 0, sizeof counters);
	config->pacing = false;
	net = net_stub_open(1500, NET_PATH_MULTI_SEGMENT, 16383);
	assert_true(arena_init(&arena, tcp_footprint(config)));
	tcp = tcp_init(config, &arena, net, &counters, clock_now_us());
	assert_non_null(tcp);
	assert_true(tcp_listen(tcp, NULL, PORT, 0));
}

static void close_stack(void)
{
	tcp_stop(tcp);
	net_stub_close(net);
	arena_destroy(&arena);
}

static void flush(void)
{
	static struct net_stub_sent sent;

	tcp_output_flush(tcp, clock_now_us());
	tcp_check_invariants(tcp);
	while (net_stub_take(net, &sent))
		if ((sent.flags & SEGMENT_SYN) != 0)
			our_isn = sent.seq;
}

static void arrives_with(
	uint8_t flags, uint32_t seq, uint32_t ack, const struct tcp_options *options, uint16_t len)
{
	static const uint8_t payload[MSS];
	struct segment segment = {.key = key_of(PEER_PORT),
		.seq = PEER_ISN + seq,
		.ack = our_isn + ack,
		.window = 65535,
		.flags = flags};
	uint8_t bytes[TCP_OPTIONS_LEN_MAX];

	assert_true(net_stub_segment(
		net, &segment, bytes, (uint8_t)tcp_options_write(options, bytes), payload, len));
	tcp_input_burst(tcp, &segment, 1, clock_now_us());
}

static void arrives(uint8_t flags, uint32_t seq, uint32_t ack, const struct tcp_options *options)
{
	arrives_with(flags, seq, ack, options, 0);
}

// A connection with SACK and a large window, and n_segments of ours in flight.
static void open_connection(struct tcp_config *config, uint32_t n_segments)
{
	const struct tcp_options syn = {
		.present = TCP_HAS_MSS | TCP_HAS_SACK_PERMITTED | TCP_HAS_WSCALE, .mss = MSS, .wscale = 10};
	const struct tcp_options none = {.present = 0};
	struct tcp_ready ready;

	open_stack(config);
	arrives(SEGMENT_SYN, 0, 0, &syn);
	flush();
	clock_virtual_advance(40000);
	arrives(SEGMENT_ACK, 1, 1, &none);
	assert_int_equal(tcp_ready_burst(tcp, &ready, 1), 1);
	conn = ready.conn;
	conn->cwnd = 100000000; // as if it had grown
	for (uint32_t i = 0; i < n_segments; i++) {
		struct rte_mbuf *m = net_stub_buffer(net);

		assert_non_null(m);
		assert_non_null(rte_pktmbuf_append(m, MSS));
		assert_true(tcp_send(tcp, conn, m, 0, MSS));
		if (i % 32 == 31)
			flush();
	}
	flush();
	assert_int_equal(conn->snd_nxt.value - conn->snd_una.value, n_segments * MSS);
}

static struct tcp_sack_block block_of(uint32_t start, uint32_t end)
{
	return (struct tcp_sack_block){.start = seq_of(our_isn + start), .end = seq_of(our_isn + end)};
}

// Blocks in the middle of a long scoreboard, over and over: the search has a budget, and what is honest works
// on.
static void sack_flood_is_not_searched_for(void **state)
{
	struct tcp_config config;
	struct tcp_options lies = {.present = TCP_HAS_SACK, .n_sack_blocks = 4};
	struct segment burst[64];
	uint8_t bytes[TCP_OPTIONS_LEN_MAX];
	uint32_t options_len;

	(void)state;
	tcp_config_default(&config, 16);
	config.send_buffer = 16 << 20;
	open_connection(&config, 4000);
	for (uint32_t i = 0; i < 4; i++)
		lies.sack_blocks[i] = block_of(1 + (1990 + 3 * i) * MSS, 1 + (1991 + 3 * i) * MSS);
	options_len = tcp_options_write(&lies, bytes);
	for (uint32_t i = 0; i < 64; i++) {
		burst[i] = (struct segment){.key = key_of(PEER_PORT),
			.seq = PEER_ISN + 1,
			.ack = our_isn + 1,
			.window = 65535,
			.flags = SEGMENT_ACK};
		assert_true(net_stub_segment(net, &burst[i], bytes, (uint8_t)options_len, NULL, 0));
	}
	tcp_input_burst(tcp, burst, 64, clock_now_us());
	assert_true(counter_get(&counters, COUNTER_TCP_SACK_BUDGET) > 0);
	tcp_check_invariants(tcp);
	arrives(SEGMENT_ACK, 1, 1 + 4000 * MSS, &(struct tcp_options){.present = 0});
	assert_int_equal(conn->snd_una.value, conn->snd_nxt.value);
	flush();
	close_stack();
}

// Every second byte is reported: a segment that did not arrive whole did not arrive, and no entry is made for
// it.
static void sack_of_single_bytes_splits_nothing(void **state)
{
	struct tcp_config config;

	(void)state;
	tcp_config_default(&config, 16);
	open_connection(&config, 10);
	assert_int_equal(tcp->sent.n_used, 10);
	for (uint32_t at = 3; at < 10 * MSS - 8; at += 8) {
		struct tcp_options option = {.present = TCP_HAS_SACK, .n_sack_blocks = 4};

		for (uint32_t i = 0; i < 4; i++)
			option.sack_blocks[i] = block_of(at + 2 * i, at + 2 * i + 1);
		arrives(SEGMENT_ACK, 1, 1, &option);
	}
	assert_int_equal(tcp->sent.n_used, 10);
	assert_int_equal(conn->sacked_bytes, 0);
	// A block that covers one segment whole and two others in part counts for the one.
	arrives(SEGMENT_ACK, 1, 1,
		&(struct tcp_options){.present = TCP_HAS_SACK,
			.n_sack_blocks = 1,
			.sack_blocks = {block_of(1 + 4 * MSS + 500, 1 + 6 * MSS + 500)}});
	assert_int_equal(conn->sacked_bytes, MSS);
	tcp_check_invariants(tcp);
	close_stack();
}

// A peer that acknowledges nothing holds no more than the bounds: bytes, references, transmissions.
static void what_waits_is_bounded(void **state)
{
	struct tcp_config config;
	struct rte_mbuf *m;

	(void)state;
	tcp_config_default(&config, 16);
	config.send_buffer = 20 * MSS;
	open_connection(&config, 20);
	m = net_stub_buffer(net);
	assert_non_null(rte_pktmbuf_append(m, MSS));
	assert_int_equal(tcp_send_space(tcp, conn), 0);
	assert_false(tcp_send(tcp, conn, m, 0, 1));
	rte_pktmbuf_free(m);
	close_stack();
}

// RFC 6528: numbers of one flow grow with the clock, those of others say nothing about them, nor do those of
// another secret.
static void initial_numbers(void **state)
{
	struct tcp_config config;
	struct flow_key a = key_of(1), b = key_of(2);
	struct tcp_isn first, later, other;

	(void)state;
	tcp_config_default(&config, 16);
	open_stack(&config);
	first = tcp_isn_for(tcp, &a);
	other = tcp_isn_for(tcp, &b);
	assert_int_equal(first.iss.value, tcp_isn_for(tcp, &a).iss.value);
	assert_int_not_equal(first.iss.value, other.iss.value);
	assert_int_not_equal(first.ts_offset, other.ts_offset);
	clock_virtual_advance(4000);
	tcp_set_now(tcp, clock_now_us());
	later = tcp_isn_for(tcp, &a);
	assert_int_equal(later.iss.value - first.iss.value, 1000);
	assert_int_equal(later.ts_offset, first.ts_offset);
	close_stack();
	config.secret[0] = 1;
	open_stack(&config);
	assert_int_not_equal(tcp_isn_for(tcp, &a).iss.value, first.iss.value);
	close_stack();
}

static void cookies_say_what_the_syn_said(void **state)
{
	static const uint16_t sizes[] = {64, 100, 536, 1219, 1400, 1459, 1460, 9000};
	static const uint16_t kept[] = {64, 64, 536, 1200, 1400, 1440, 1460, 8940};
	struct tcp_config config;
	struct flow_key key = key_of(PEER_PORT);

	(void)state;
	tcp_config_default(&config, 16);
	open_stack(&config);
	for (uint32_t i = 0; i < 8; i++) {
		for (uint32_t variant = 0; variant < 4; variant++) {
			struct syn_cookie facts = {.mss = sizes[i],
				.wscale = 7,
				.has_wscale = (variant & 1) != 0,
				.sack = (variant & 2) != 0};
			struct syn_cookie back;
			struct seq cookie = syn_cookie_make(tcp, &key, seq_of(5), &facts);

			assert_true(syn_cookie_check(tcp, &key, seq_of(5), cookie, &back));
			assert_int_equal(back.mss, kept[i]);
			assert_int_equal(back.has_wscale, facts.has_wscale);
			assert_int_equal(back.wscale, facts.has_wscale ? 7 : 0);
			assert_int_equal(back.sack, facts.sack);
		}
	}
	close_stack();
}

// Another flow, another first number of the peer's, any flipped bit, or two minutes later: no cookie of ours.
static void cookies_are_not_guessed(void **state)
{
	const struct syn_cookie facts = {.mss = 1460, .wscale = 7, .has_wscale = true, .sack = true};
	struct tcp_config config;
	struct flow_key key = key_of(PEER_PORT), other = key_of(PEER_PORT + 1);
	struct syn_cookie back;
	struct seq cookie;

	(void)state;
	tcp_config_default(&config, 16);
	open_stack(&config);
	cookie = syn_cookie_make(tcp, &key, seq_of(5), &facts);
	assert_false(syn_cookie_check(tcp, &other, seq_of(5), cookie, &back));
	assert_false(syn_cookie_check(tcp, &key, seq_of(6), cookie, &back));
	for (uint32_t bit = 0; bit < 32; bit++)
		assert_false(syn_cookie_check(tcp, &key, seq_of(5), seq_of(cookie.value ^ 1u << bit), &back));
	clock_virtual_advance(67108864);
	tcp_set_now(tcp, clock_now_us());
	assert_true(syn_cookie_check(tcp, &key, seq_of(5), cookie, &back));
	clock_virtual_advance(67108864);
	tcp_set_now(tcp, clock_now_us());
	assert_false(syn_cookie_check(tcp, &key, seq_of(5), cookie, &back));
	close_stack();
}

// A configuration that comes between a SYN and what completes it gives its listeners other tags, or none.
static void half_open_peers_belong_to_the_listener_of_now(void **state)
{
	const struct tcp_options syn = {.present = TCP_HAS_MSS, .mss = MSS};
	const struct tcp_options none = {.present = 0};
	struct net_stub_sent sent;
	struct tcp_config config;
	struct tcp_ready ready;

	(void)state;
	tcp_config_default(&config, 16);
	open_stack(&config);
	arrives(SEGMENT_SYN, 0, 0, &syn);
	flush();
	assert_true(tcp_unlisten(tcp, NULL, PORT));
	assert_true(tcp_listen(tcp, NULL, PORT, 7));
	arrives(SEGMENT_ACK, 1, 1, &none);
	assert_int_equal(tcp_ready_burst(tcp, &ready, 1), 1);
	assert_int_equal(ready.tag, 7);
	close_stack();
	open_stack(&config);
	arrives(SEGMENT_SYN, 0, 0, &syn);
	flush();
	assert_true(tcp_unlisten(tcp, NULL, PORT));
	arrives(SEGMENT_ACK, 1, 1, &none);
	assert_int_equal(tcp_ready_burst(tcp, &ready, 1), 0);
	tcp_output_flush(tcp, clock_now_us());
	assert_true(net_stub_take(net, &sent));
	assert_int_equal(sent.flags & SEGMENT_RST, SEGMENT_RST);
	tcp_check_invariants(tcp);
	close_stack();
}

// Whatever pins the buffers: data waits, and an acknowledgement, which gives buffers back, is always taken.
static void a_quarter_of_the_buffers_is_for_acknowledgements(void **state)
{
	static struct rte_mbuf *pinned[16383];
	const struct tcp_options none = {.present = 0};
	struct tcp_config config;
	uint32_t n_pinned = 0;

	(void)state;
	tcp_config_default(&config, 16);
	open_connection(&config, 4);
	pinned[n_pinned++] = net_stub_buffer(net);
	while (rte_mempool_avail_count(pinned[0]->pool) >= pinned[0]->pool->size / 4)
		pinned[n_pinned++] = net_stub_buffer(net);
	for (int i = 0; i < 1100; i++) // they are not counted at each segment
		arrives(SEGMENT_ACK, 1, 1, &none);
	arrives_with(SEGMENT_ACK, 1, 1 + MSS, &none, 100);
	assert_int_equal(tcp_readable(conn), 0);
	assert_int_equal(counter_get(&counters, COUNTER_TCP_NO_RECEIVE_MEMORY), 1);
	assert_int_equal(conn->snd_nxt.value - conn->snd_una.value, 3 * MSS);
	rte_pktmbuf_free_bulk(pinned, n_pinned);
	arrives_with(SEGMENT_ACK, 1, 1 + MSS, &none, 100);
	assert_int_equal(tcp_readable(conn), 100);
	tcp_abort(tcp, conn);
	close_stack();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sack_flood_is_not_searched_for),
		cmocka_unit_test(sack_of_single_bytes_splits_nothing),
		cmocka_unit_test(what_waits_is_bounded),
		cmocka_unit_test(initial_numbers),
		cmocka_unit_test(cookies_say_what_the_syn_said),
		cmocka_unit_test(cookies_are_not_guessed),
		cmocka_unit_test(a_quarter_of_the_buffers_is_for_acknowledgements),
		cmocka_unit_test(half_open_peers_belong_to_the_listener_of_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
