// SPDX-License-Identifier: Apache-2.0
#include "tcp/input.h"

#include "base/assert.h"
#include "tcp/handshake.h"
#include "tcp/lifecycle.h"
#include "tcp/mtu.h"
#include "tcp/reply.h"
#include "tcp/steps.h"

#include <rte_mbuf.h>

// The four flags that decide, packed.
enum {
	F = 1,
	S = 2,
	R = 4,
	A = 8,
	N_FLAG_SETS = 16
};

enum {
	SACK_STEPS_PER_TURN = 1 << 16,
	BUFFERS_LOOK = 1024 // segments
};

static uint32_t flag_set(uint8_t flags)
{
	return (flags & (SEGMENT_FIN | SEGMENT_SYN | SEGMENT_RST)) | ((flags & SEGMENT_ACK) != 0 ? A : 0u);
}

_Static_assert((int)SEGMENT_FIN == (int)F && (int)SEGMENT_SYN == (int)S && (int)SEGMENT_RST == (int)R,
	"the low three bits are the header's");

// RFC 9293 3.10.7.1: nobody is here.
static void refuse(struct tcp_rx *rx)
{
	tcp_count(rx->tcp, COUNTER_TCP_NO_CONNECTION);
	tcp_reply_reset(rx->tcp, rx->segment);
}

static void ignore_reset(struct tcp_rx *rx)
{
	tcp_count(rx->tcp, COUNTER_TCP_RESET_IGNORED);
}

#define SYNCHRONIZED_ROW \
	{ \
		[A] = tcp_rx_steps, [F | A] = tcp_rx_steps, [R] = tcp_rx_steps, \
		[R | A] = tcp_rx_steps, [S] = tcp_rx_steps, [S | A] = tcp_rx_steps \
	}

// What is not named here is dropped and counted as bad flags: no flag at all, SYN with FIN, RST with SYN or
// FIN, FIN without ACK, and whatever a state has no use for.
static void (*const entry_table[N_TCP_STATES][N_FLAG_SETS])(struct tcp_rx *rx) = {
	[TCP_CLOSED] = {[0] = refuse,
		[F] = refuse,
		[S] = refuse,
		[A] = refuse,
		[F | A] = refuse,
		[S | A] = refuse,
		[R] = ignore_reset,
		[R | A] = ignore_reset},
	[TCP_LISTEN] = {[S] = tcp_rx_listen_syn,
		[A] = tcp_rx_listen_ack,
		[F | A] = tcp_rx_listen_ack,
		[S | A] = refuse,
		[R] = ignore_reset,
		[R | A] = ignore_reset},
	[TCP_SYN_CACHED] = {[S] = tcp_rx_cached_syn,
		[S | A] = tcp_rx_cached_syn,
		[A] = tcp_rx_cached_ack,
		[F | A] = tcp_rx_cached_ack,
		[R] = tcp_rx_cached_reset,
		[R | A] = tcp_rx_cached_reset},
	[TCP_SYN_SENT] = {[S] = tcp_rx_syn_sent,
		[S | A] = tcp_rx_syn_sent,
		[A] = tcp_rx_syn_sent,
		[F | A] = tcp_rx_syn_sent,
		[R] = tcp_rx_syn_sent,
		[R | A] = tcp_rx_syn_sent},
	[TCP_SYN_RECEIVED] = {[S] = tcp_rx_syn_received_syn,
		[S | A] = tcp_rx_syn_received_syn,
		[A] = tcp_rx_steps,
		[F | A] = tcp_rx_steps,
		[R] = tcp_rx_steps,
		[R | A] = tcp_rx_steps},
	[TCP_ESTABLISHED] = SYNCHRONIZED_ROW,
	[TCP_FIN_WAIT_1] = SYNCHRONIZED_ROW,
	[TCP_FIN_WAIT_2] = SYNCHRONIZED_ROW,
	[TCP_CLOSE_WAIT] = SYNCHRONIZED_ROW,
	[TCP_CLOSING] = SYNCHRONIZED_ROW,
	[TCP_LAST_ACK] = SYNCHRONIZED_ROW,
	[TCP_TIME_WAIT] = {[S] = tcp_rx_time_wait,
		[A] = tcp_rx_time_wait,
		[F | A] = tcp_rx_time_wait,
		[S | A] = tcp_rx_time_wait,
		[R] = tcp_rx_time_wait,
		[R | A] = tcp_rx_time_wait},
};

void tcp_input_dispatch(struct tcp_rx *rx, enum tcp_state state)
{
	void (*handler)(struct tcp_rx *) = entry_table[state][flag_set(rx->flags)];

	if (handler != NULL)
		handler(rx);
	else
		tcp_count(rx->tcp, COUNTER_TCP_BAD_FLAGS);
}

// The options of nearly every segment: two NOPs and timestamps. Anything else is parsed.
static void take_options(struct tcp_rx *rx)
{
	const struct segment *segment = rx->segment;

	if (segment->options_len == sizeof(struct tcp_timestamps_option)) {
		struct tcp_timestamps_option option;

		memcpy(&option, segment->options, sizeof option);
		if (option.nop[0] == TCP_OPTION_NOP && option.nop[1] == TCP_OPTION_NOP &&
			option.kind == TCP_OPTION_TIMESTAMPS && option.len == 10) {
			rx->options.present = TCP_HAS_TIMESTAMPS;
			rx->options.ts_value = __builtin_bswap32(option.value);
			rx->options.ts_echo = __builtin_bswap32(option.echo);
			return;
		}
	}
	if (segment->options_len != 0 &&
		!tcp_options_parse(span_of(segment->options, segment->options_len), &rx->options))
		tcp_count(rx->tcp, COUNTER_TCP_BAD_OPTIONS);
}

// A segment that belongs to no connection: what else may know its flow. Sets what the handler needs.
static enum tcp_state find_state(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	const struct segment *segment = rx->segment;

	rx->time_wait = time_wait_find(&tcp->time_wait, segment->hash, &segment->key);
	if (rx->time_wait != NULL)
		return TCP_TIME_WAIT;
	rx->syn = syn_cache_find(&tcp->syn_cache, segment->hash, &segment->key);
	if (rx->syn != NULL)
		return TCP_SYN_CACHED;
	rx->listener = tcp_listeners_find(&tcp->listeners, &segment->key.local, segment->key.local_port);
	return rx->listener != NULL ? TCP_LISTEN : TCP_CLOSED;
}

static bool is_conn_of(const struct tcp_conn *conn, const struct segment *segment)
{
	return conn != NULL && !tcp_conn_dead(conn) && conn->hash == segment->hash &&
	       flow_key_equal(&conn->key, &segment->key);
}

// Processes one segment; `conn` is the previous one's connection, because flows come in runs. Returns the
// connection, or NULL.
static struct tcp_conn *input_one(struct tcp *tcp, struct segment *segment, struct tcp_conn *conn)
{
	struct tcp_rx rx;

	if (!is_conn_of(conn, segment)) {
		uint32_t idx = flow_table_find(&tcp->flows, segment->hash, &segment->key);

		conn = idx != POOL_NONE ? pool_at(&tcp->conns, idx) : NULL;
		if (conn == NULL && net_forward(tcp->net, segment))
			return NULL;
	}
	rx.tcp = tcp;
	rx.segment = segment;
	rx.conn = conn;
	rx.seq = seq_of(segment->seq);
	rx.ack = seq_of(segment->ack);
	rx.len = segment->payload_len;
	rx.flags = segment->flags;
	rx.options.present = 0;
	take_options(&rx);
	tcp_input_dispatch(&rx, conn != NULL ? (enum tcp_state)conn->state : find_state(&rx));
	if (segment->mbuf != NULL)
		rte_pktmbuf_free_seg(segment->mbuf);
	return rx.conn;
}

// Whether data may still be kept. Whatever pins received buffers (receive queues, what was passed on by
// reference and is not acknowledged yet), a quarter of them is left for acknowledgements, without which
// nothing would ever be given back. Counting means a look at every core's cache, so it is done now and then.
static void look_at_buffers(struct tcp *tcp, const struct rte_mempool *pool, uint32_t n)
{
	if (tcp->buffers_left < n) {
		const uint32_t n_free = rte_mempool_avail_count(pool);
		const uint32_t n_kept = pool->size / 4;

		tcp->buffers_left = n_free > n_kept ? n_free - n_kept : 0;
		if (tcp->buffers_left > BUFFERS_LOOK)
			tcp->buffers_left = BUFFERS_LOOK;
		tcp->buffers_low = tcp->buffers_left < n;
	}
	tcp->buffers_left -= n < tcp->buffers_left ? n : tcp->buffers_left;
}

void tcp_input_burst(struct tcp *tcp, struct segment *segments, uint32_t n, uint64_t now_us)
{
	struct tcp_conn *conn = NULL;

	tcp_set_now(tcp, now_us);
	tcp->sack_steps = SACK_STEPS_PER_TURN;
	counter_add(tcp->counters, COUNTER_TCP_RX_SEGMENTS, n);
	if (n != 0)
		look_at_buffers(tcp, segments[0].mbuf->pool, n);
	for (uint32_t i = 0; i < n; i++)
		flow_table_prefetch(&tcp->flows, segments[i].hash);
	for (uint32_t i = 0; i < n; i++) {
		if (i + 1 < n)
			__builtin_prefetch(segments[i + 1].mbuf);
		conn = input_one(tcp, &segments[i], conn);
	}
}

// RFC 5927 4.1: an ICMP error is about us only when it quotes something that is in flight.
static void input_icmp_one(struct tcp *tcp, const struct net_icmp_error *error)
{
	uint32_t idx = flow_table_find(&tcp->flows, error->hash, &error->key);
	struct tcp_conn *conn = idx != POOL_NONE ? pool_at(&tcp->conns, idx) : NULL;
	struct seq seq = seq_of(error->seq);

	if (conn == NULL || !seq_in(seq, conn->snd_una, seq_len(conn->snd_nxt, conn->snd_una))) {
		tcp_count(tcp, COUNTER_TCP_ICMP_IGNORED);
		return;
	}
	switch ((enum net_icmp_kind)error->kind) {
	case NET_ICMP_PACKET_TOO_BIG:
		if (tcp_conn_synchronized(conn))
			tcp_mtu_too_big(tcp, conn, error->mtu);
		return;
	case NET_ICMP_UNREACHABLE_HARD:
		// RFC 5461 4.1: hard only while the connection is being opened.
		if (conn->state == TCP_SYN_SENT) {
			tcp_count(tcp, COUNTER_TCP_CONNECT_REFUSED);
			tcp_conn_die(tcp, conn, TCP_EVENT_RESET);
			return;
		}
		break;
	case NET_ICMP_UNREACHABLE_SOFT:
		break;
	}
	tcp_count(tcp, COUNTER_TCP_ICMP_IGNORED); // transient: our timers decide
}

void tcp_input_icmp(struct tcp *tcp, const struct net_icmp_error *errors, uint32_t n, uint64_t now_us)
{
	tcp_set_now(tcp, now_us);
	for (uint32_t i = 0; i < n; i++)
		input_icmp_one(tcp, &errors[i]);
}
