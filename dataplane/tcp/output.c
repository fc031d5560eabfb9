// SPDX-License-Identifier: Apache-2.0
#include "tcp/output.h"

#include "tcp/cc.h"
#include "tcp/emit.h"
#include "tcp/handshake.h"
#include "tcp/lifecycle.h"
#include "tcp/loss_timer.h"
#include "tcp/mtu.h"
#include "tcp/recovery.h"
#include "tcp/timers.h"

enum {
	TSO_LEN_MAX = 64000,
	PACE_RTT_MIN_US = 1000,   // below this the wheel's tick is too coarse, and queues are short
	PACE_BURST_SEGMENTS = 10, // what may go out at once after a pause (RFC 6928)
	// Buffers come back with acknowledgements: thousands of connections that ask in every turn would only
	// delay these.
	STARVED_RETRY_US = 1000
};

// What one connection is sending in this turn.
struct output {
	struct tcp *tcp;
	struct tcp_conn *conn;
	struct tcp_conn_cold *cold;
	uint32_t seg_max; // payload of one segment, SACK blocks subtracted
	bool sent_any;
	bool burst;   // this turn's first transmission came after a pause: ten segments may go at once
	bool starved; // a buffer or entry was missing: try again a little later
};

// Microseconds that n_bytes take at the pace: the window per round trip, doubled in slow start, a fifth more
// afterwards, so that pacing never is the limit.
static uint32_t pace_us(const struct tcp_conn *conn, uint32_t n_bytes)
{
	uint64_t window = (uint64_t)conn->cwnd * (tcp_cc_in_slow_start(conn) ? 20 : 12);

	return (uint32_t)((uint64_t)n_bytes * 10 * (conn->srtt8_us / 8) / window);
}

static bool paced(const struct tcp *tcp, const struct tcp_conn *conn)
{
	return tcp->config.pacing && conn->srtt8_us / 8 >= PACE_RTT_MIN_US;
}

// Whether sending has to wait; starts the timer that continues it.
static bool pace_wait(struct output *o)
{
	int32_t wait_us = (int32_t)(o->cold->pace_next_us - (uint32_t)o->tcp->now_us);

	if (!paced(o->tcp, o->conn) || wait_us <= 0)
		return false;
	// A deadline from before a long pause says nothing.
	if (wait_us > 10000000)
		return false;
	tcp_timer_set(o->tcp, o->conn, TCP_TIMER_PACE, o->tcp->now_us + (uint32_t)wait_us);
	return true;
}

static void pace_sent(struct output *o, uint32_t n_bytes)
{
	uint32_t now_us = (uint32_t)o->tcp->now_us;
	uint32_t credit_us;

	if (!paced(o->tcp, o->conn))
		return;
	credit_us = o->burst ? pace_us(o->conn, (PACE_BURST_SEGMENTS - 1) * o->conn->mss)
			     : 1u << TIMER_TICK_SHIFT;
	if ((int32_t)(o->cold->pace_next_us - (now_us - credit_us)) < 0 ||
		(int32_t)(o->cold->pace_next_us - now_us) > 10000000)
		o->cold->pace_next_us = now_us - credit_us;
	o->cold->pace_next_us += pace_us(o->conn, n_bytes);
}

// The most that one transmission may carry.
static uint32_t burst_max(const struct output *o)
{
	uint32_t segments;

	if ((o->cold->path.capabilities & NET_PATH_TSO) == 0)
		return o->seg_max;
	segments = TSO_LEN_MAX / o->seg_max;
	// Paced connections send about a millisecond's worth at a time.
	if (paced(o->tcp, o->conn)) {
		uint32_t per_ms = (uint32_t)((uint64_t)o->conn->cwnd * 2000 / (o->conn->srtt8_us / 8));

		per_ms = per_ms / o->seg_max + 2;
		segments = segments < per_ms ? segments : per_ms;
	}
	return segments * o->seg_max;
}

// Sends one lost entry, or the first part of it. False: stop.
static bool resend(struct output *o, struct tcp_sent *sent)
{
	struct tcp_conn *conn = o->conn;
	uint32_t len = seq_len(sent->end, sent->start);
	uint32_t n_data = len - ((sent->flags & TCP_SENT_FIN) != 0 ? 1u : 0u);
	struct tcp_tx tx = {.seq = sent->start, .seg_max = o->seg_max, .cursor = sent->cursor};
	int32_t n;

	tx.len = n_data < o->seg_max ? n_data : o->seg_max;
	if (tx.len == n_data && (sent->flags & TCP_SENT_FIN) != 0)
		tx.flags = (uint8_t)(SEGMENT_FIN | (n_data != 0 ? SEGMENT_PSH : 0));
	n = tcp_emit(o->tcp, conn, &tx);
	if (n < 0) {
		o->starved = true;
		return false;
	}
	if ((uint32_t)n < n_data || ((uint32_t)n == n_data && len > n_data && tx.flags == 0)) {
		// Only a part went out. Without room for a second entry the whole counts as sent; a timeout
		// repairs the rest.
		if ((uint32_t)n != len)
			(void)tcp_scoreboard_split(o->tcp, conn, sent, seq_add(sent->start, (uint32_t)n));
	}
	tcp_scoreboard_retransmitted(o->tcp, conn, sent);
	tcp_recovery_sent(o->tcp, conn, seq_len(sent->end, sent->start), true);
	o->sent_any = true;
	tcp_count(o->tcp, COUNTER_TCP_RETRANSMITTED);
	return true;
}

// Everything that is lost, as far as the congestion window allows. False: stop for this turn.
static bool output_lost(struct output *o)
{
	struct tcp_sent *sent;

	while ((sent = tcp_scoreboard_first_lost(o->tcp, o->conn)) != NULL) {
		uint32_t flight = tcp_in_flight(o->conn);

		// One segment may go out with nothing in flight, however small the window.
		if (flight != 0 && flight + o->conn->mss > o->conn->cwnd)
			return false;
		if (pace_wait(o))
			return false;
		if (!resend(o, sent))
			return false;
		pace_sent(o, o->seg_max);
	}
	return true;
}

// How much of what is queued may be sent now; 0: nothing. RFC 9293 3.8.6.2.1 (sender's SWS avoidance) and
// RFC 1122 4.2.3.4 (Nagle).
static uint32_t sendable(struct output *o, uint32_t limit)
{
	struct tcp_conn *conn = o->conn;
	uint32_t queued = tcp_unsent(conn);
	uint32_t flight = tcp_in_flight(conn);
	uint32_t cwnd = conn->cwnd > flight ? conn->cwnd - flight : 0;
	uint32_t out = seq_len(conn->snd_nxt, conn->snd_una);
	uint32_t wnd = conn->snd_wnd > out ? conn->snd_wnd - out : 0;
	uint32_t len = queued < wnd ? queued : wnd;

	if (cwnd <= len) {
		conn->flags |= TCP_CONN_CWND_LIMITED;
		len = cwnd;
	}
	len = len < limit ? len : limit;
	if (len >= o->seg_max)
		return len - (len < queued ? len % o->seg_max : 0);
	if (len == 0)
		return 0;
	if (len == queued)
		return (conn->flags & TCP_CONN_NAGLE) != 0 && out != 0 &&
				       (conn->flags & TCP_CONN_SHUTDOWN) == 0
			       ? 0
			       : len;
	// A piece: only when the peer's window is small by itself, not because ours is.
	return len == wnd && len >= conn->snd_wnd_max / 2 ? len : 0;
}

// Sends the next len bytes. False: stop.
static bool send_new(struct output *o, uint32_t len, uint8_t entry_flags)
{
	struct tcp_conn *conn = o->conn;
	bool was_idle = seq_eq(conn->snd_una, conn->snd_nxt);
	bool last = len == tcp_unsent(conn);
	struct tcp_tx tx = {.seq = conn->snd_nxt,
		.len = len,
		.seg_max = (entry_flags & TCP_SENT_PROBE) != 0 ? len : o->seg_max,
		.cursor = tcp_send_next(conn),
		.ect = (conn->flags & TCP_CONN_ECN) != 0 && len != 0};
	bool fin = last && (conn->flags & TCP_CONN_SHUTDOWN) != 0;
	int32_t n;
	struct seq end;

	tx.flags = (uint8_t)((last && len != 0 ? SEGMENT_PSH : 0) | (fin ? SEGMENT_FIN : 0));
	if ((conn->flags & TCP_CONN_ECN_CWR_DUE) != 0 && len != 0)
		tx.flags |= SEGMENT_CWR;
	if (!tcp_scoreboard_has_room(o->tcp, conn)) {
		o->starved = was_idle; // otherwise the next acknowledgement makes room
		return false;
	}
	n = tcp_emit(o->tcp, conn, &tx);
	if (n < 0) {
		o->starved = true;
		return false;
	}
	fin = fin && (uint32_t)n == len;
	end = seq_add(conn->snd_nxt, (uint32_t)n + (fin ? 1 : 0));
	if (was_idle)
		o->cold->progress_ms = o->tcp->now_ms;
	tcp_scoreboard_push(o->tcp, conn, end, tx.cursor, (uint8_t)(entry_flags | (fin ? TCP_SENT_FIN : 0)));
	if (n != 0) {
		struct tcp_send_cursor cursor = tcp_send_cursor_advance(o->tcp, tx.cursor, (uint32_t)n);

		conn->send_next = cursor.item;
		conn->send_next_offset = cursor.offset;
		conn->flags &= ~(uint32_t)TCP_CONN_ECN_CWR_DUE;
	}
	if (fin)
		conn->flags |= TCP_CONN_FIN_SENT;
	tcp_recovery_sent(o->tcp, conn, seq_len(end, conn->snd_nxt), false);
	conn->snd_nxt = end;
	o->cold->sent_last_ms = o->tcp->now_ms;
	o->sent_any = true;
	o->burst = o->burst || was_idle;
	pace_sent(o, (uint32_t)n);
	return true;
}

static bool fin_due(const struct tcp_conn *conn)
{
	return (conn->flags & (TCP_CONN_SHUTDOWN | TCP_CONN_FIN_SENT)) == TCP_CONN_SHUTDOWN;
}

// A packet size probe in place of the next segments, when one is due and there is data enough.
static bool output_mtu_probe(struct output *o)
{
	uint32_t len = tcp_mtu_probe_due(o->tcp, o->conn);
	struct seq start = o->conn->snd_nxt;

	if (len == 0 || o->seg_max != o->conn->mss || sendable(o, len) < o->seg_max ||
		tcp_unsent(o->conn) < len + o->conn->mss || tcp_in_flight(o->conn) + len > o->conn->cwnd ||
		seq_len(start, o->conn->snd_una) + len > o->conn->snd_wnd)
		return true;
	if (!send_new(o, len, TCP_SENT_PROBE))
		return false;
	tcp_mtu_probe_sent(o->tcp, o->conn, start, len);
	return true;
}

static void output_new(struct output *o)
{
	struct tcp_conn *conn = o->conn;
	uint32_t len;

	conn->flags &= ~(uint32_t)TCP_CONN_CWND_LIMITED;
	if (tcp_unsent(conn) == 0 && !fin_due(conn))
		return;
	if (seq_eq(conn->snd_una, conn->snd_nxt))
		tcp_cc_restart_after_idle(o->tcp, conn);
	if (o->cold->mtu < o->cold->mtu_max && !output_mtu_probe(o))
		return;
	while ((len = sendable(o, burst_max(o))) != 0) {
		if (pace_wait(o) || !send_new(o, len, 0))
			return;
	}
	if (tcp_unsent(conn) == 0 && fin_due(conn))
		(void)send_new(o, 0, 0);
}

// RFC 8985 7.3: new data if there is any, otherwise the last segment again.
static void output_tlp(struct output *o)
{
	struct tcp_conn *conn = o->conn;
	uint32_t queued = tcp_unsent(conn);
	uint32_t out = seq_len(conn->snd_nxt, conn->snd_una);
	struct tcp_sent *tail;

	conn->flags &= ~(uint32_t)TCP_CONN_TLP_DUE;
	if (conn->sent_tail == POOL_NONE || conn->recovery != TCP_RECOVERY_OPEN || conn->lost_bytes != 0)
		return;
	if (queued != 0 && conn->snd_wnd > out) {
		uint32_t len = queued < o->seg_max ? queued : o->seg_max;

		(void)send_new(o, len < conn->snd_wnd - out ? len : conn->snd_wnd - out, 0);
		o->cold->tlp = TCP_TLP_NEW_DATA;
	} else {
		tail = tcp_sent_at(o->tcp, conn->sent_tail);
		if (seq_len(tail->end, tail->start) > o->seg_max) {
			if (!tcp_scoreboard_split(o->tcp, conn, tail, seq_add(tail->end, -o->seg_max)))
				return;
			tail = tcp_sent_at(o->tcp, conn->sent_tail);
		}
		if ((tail->flags & TCP_SENT_SACKED) != 0 || !resend(o, tail))
			return;
		o->cold->tlp = TCP_TLP_RETRANSMISSION;
	}
	o->cold->tlp_end = conn->snd_nxt;
	tcp_count(o->tcp, COUNTER_TCP_TLP_SENT);
}

// A window or keepalive probe: RFC 9293 3.8.4 and 3.8.6.1. With a window that is merely too small for sending
// in a sensible way, the override of 3.8.6.2.1: as much as fits. Otherwise a segment without data, one number
// too old, which the peer must answer with its window.
static void output_probe(struct output *o)
{
	struct tcp_conn *conn = o->conn;
	struct tcp_tx tx = {.seq = seq_add(conn->snd_una, -1u), .seg_max = o->seg_max};
	uint32_t out = seq_len(conn->snd_nxt, conn->snd_una);
	uint32_t queued = tcp_unsent(conn);

	conn->flags &= ~(uint32_t)TCP_CONN_PROBE_DUE;
	if (out == 0 && queued != 0 && conn->snd_wnd != 0) {
		uint32_t len = queued < conn->snd_wnd ? queued : conn->snd_wnd;

		(void)send_new(o, len < o->seg_max ? len : o->seg_max, 0);
		return;
	}
	if (tcp_emit(o->tcp, conn, &tx) < 0)
		o->starved = true;
}

// Nothing is in flight and something waits: is it the peer's window that holds it back?
static void maybe_persist(struct output *o)
{
	struct tcp_conn *conn = o->conn;

	if (!seq_eq(conn->snd_una, conn->snd_nxt) || tcp_unsent(conn) == 0 || o->starved ||
		tcp_timer_running(conn, TCP_TIMER_PACE))
		return;
	tcp_loss_timer_start_persist(o->tcp, conn);
}

uint32_t tcp_backlog(const struct tcp_conn *conn)
{
	uint32_t unsent = tcp_unsent(conn);
	uint32_t flight = tcp_in_flight(conn);
	uint32_t out = seq_len(conn->snd_nxt, conn->snd_una);
	uint32_t cwnd = conn->cwnd > flight ? conn->cwnd - flight : 0;
	uint32_t wnd = conn->snd_wnd > out ? conn->snd_wnd - out : 0;
	uint32_t room = cwnd < wnd ? cwnd : wnd;

	return unsent > room ? unsent - room : 0;
}

void tcp_tell_room(struct tcp *tcp, struct tcp_conn *conn)
{
	if ((conn->flags & TCP_CONN_WANT_ROOM) == 0 || tcp_backlog(conn) != 0)
		return;
	conn->flags &= ~(uint32_t)TCP_CONN_WANT_ROOM;
	tcp_conn_event(tcp, conn, TCP_EVENT_WRITABLE);
}

void tcp_output(struct tcp *tcp, struct tcp_conn *conn)
{
	struct output o = {.tcp = tcp, .conn = conn, .cold = tcp_cold(tcp, conn)};

	if (conn->state <= TCP_SYN_RECEIVED) {
		tcp_handshake_output(tcp, conn);
		return;
	}
	if (tcp_conn_dead(conn))
		return;
	o.seg_max = conn->mss - tcp_emit_sack_len(tcp, conn);
	tcp_timer_clear(conn, TCP_TIMER_PACE);
	if ((conn->flags & TCP_CONN_PROBE_DUE) != 0)
		output_probe(&o);
	if ((conn->flags & TCP_CONN_TLP_DUE) != 0)
		output_tlp(&o);
	if (output_lost(&o))
		output_new(&o);
	tcp_tell_room(tcp, conn); // a timer may have made it
	if (o.sent_any)
		tcp_loss_timer_sent(tcp, conn);
	else
		maybe_persist(&o);
	if ((conn->flags & TCP_CONN_ACK_NOW) != 0) {
		struct tcp_tx tx = {.seq = conn->snd_nxt};

		if (tcp_emit(tcp, conn, &tx) < 0)
			o.starved = true;
	}
	if (o.starved)
		tcp_timer_set(tcp, conn, TCP_TIMER_PACE, tcp->now_us + STARVED_RETRY_US);
}
