// SPDX-License-Identifier: Apache-2.0
#include "tcp/steps.h"

#include "tcp/ack.h"
#include "tcp/emit.h"
#include "tcp/handshake.h"
#include "tcp/lifecycle.h"
#include "tcp/receive_queue.h"
#include "tcp/reply.h"
#include "tcp/timers.h"

#include <rte_mbuf.h>

enum {
	PAWS_IDLE_MAX_MS = 24 * 24 * 3600 * 1000 // RFC 7323 5.5: the timestamp clock may have wrapped
};

static void ack_now(struct tcp_rx *rx)
{
	rx->conn->flags |= TCP_CONN_ACK_NOW;
	tcp_conn_want_output(rx->tcp, rx->conn);
}

// RFC 7323 5.3, R1. True: the segment is too old.
static bool paws_refuses(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;

	if ((rx->flags & SEGMENT_RST) != 0)
		return false;
	if ((rx->options.present & TCP_HAS_TIMESTAMPS) == 0) {
		tcp_count(tcp, COUNTER_TCP_NO_TIMESTAMP); // RFC 7323 3.2: dropped in silence
		return true;
	}
	if ((int32_t)(rx->options.ts_value - conn->ts_recent) >= 0 ||
		tcp->now_ms - tcp_cold(tcp, conn)->received_ms > PAWS_IDLE_MAX_MS)
		return false;
	tcp_count(tcp, COUNTER_TCP_PAWS);
	if (rx->len != 0) {
		tcp_receive_duplicate(tcp, conn, rx->seq, seq_add(rx->seq, rx->len));
		ack_now(rx);
	} else {
		tcp_challenge(tcp, conn);
	}
	return true;
}

// RFC 9293 3.10.7.4, the table of acceptable segments. A closed window still lets acknowledgements in; their
// data is trimmed away later.
static bool in_window(const struct tcp_rx *rx)
{
	const struct tcp_conn *conn = rx->conn;
	uint32_t window = seq_len(conn->rcv_adv, conn->rcv_nxt);
	struct seq end = seq_add(rx->seq, rx->len + ((rx->flags & SEGMENT_FIN) != 0 ? 1u : 0u));

	if (seq_eq(rx->seq, conn->rcv_nxt))
		return true;
	if (seq_in(rx->seq, conn->rcv_nxt, window))
		return true;
	return seq_lt(rx->seq, conn->rcv_nxt) && seq_lt(conn->rcv_nxt, end);
}

// An unacceptable segment is answered with where we stand.
static void answer_unacceptable(struct tcp_rx *rx)
{
	struct tcp_conn *conn = rx->conn;
	uint32_t len = rx->len + ((rx->flags & SEGMENT_FIN) != 0 ? 1u : 0u);

	if ((rx->flags & SEGMENT_RST) != 0) {
		tcp_count(rx->tcp, COUNTER_TCP_RESET_IGNORED);
		return;
	}
	tcp_count(rx->tcp, COUNTER_TCP_OUT_OF_WINDOW);
	if (len == 0 && !seq_eq(seq_add(rx->seq, 1), conn->rcv_nxt)) {
		tcp_challenge(rx->tcp, conn); // an old acknowledgement, or a guess
		return;
	}
	if (rx->len != 0 && seq_leq(seq_add(rx->seq, rx->len), conn->rcv_nxt))
		tcp_receive_duplicate(rx->tcp, conn, rx->seq, seq_add(rx->seq, rx->len));
	ack_now(rx); // repeated data, or a keepalive or window probe
}

static bool step_1_sequence(struct tcp_rx *rx)
{
	struct tcp_conn *conn = rx->conn;
	struct tcp_conn_cold *cold = tcp_cold(rx->tcp, conn);
	bool timestamps = (conn->flags & TCP_CONN_TIMESTAMPS) != 0;

	if (timestamps && paws_refuses(rx))
		return false;
	if (!in_window(rx)) {
		answer_unacceptable(rx);
		return false;
	}
	// RFC 7323 4.3: only what covers the last acknowledgement that we sent.
	if (timestamps && (rx->options.present & TCP_HAS_TIMESTAMPS) != 0 &&
		seq_leq(rx->seq, conn->rcv_acked) && (int32_t)(rx->options.ts_value - conn->ts_recent) >= 0)
		conn->ts_recent = rx->options.ts_value;
	cold->received_ms = rx->tcp->now_ms;
	cold->n_probes = 0;
	return true;
}

// RFC 5961 3.2: only the exact number resets; anything else in the window is answered.
static bool step_2_reset(struct tcp_rx *rx)
{
	if ((rx->flags & SEGMENT_RST) == 0)
		return true;
	if (!seq_eq(rx->seq, rx->conn->rcv_nxt)) {
		tcp_count(rx->tcp, COUNTER_TCP_RESET_IN_WINDOW);
		tcp_challenge(rx->tcp, rx->conn);
		return false;
	}
	tcp_count(rx->tcp, COUNTER_TCP_RESET_RECEIVED);
	tcp_conn_die(rx->tcp, rx->conn, TCP_EVENT_RESET);
	return false;
}

// The third step is about security labels, which nobody uses. RFC 5961 4.2: a SYN never does any harm.
static bool step_4_syn(struct tcp_rx *rx)
{
	if ((rx->flags & SEGMENT_SYN) == 0)
		return true;
	tcp_count(rx->tcp, COUNTER_TCP_SYN_IN_WINDOW);
	tcp_challenge(rx->tcp, rx->conn);
	return false;
}

// What our acknowledged FIN changes.
static bool fin_is_acked(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;

	switch ((enum tcp_state)conn->state) {
	case TCP_FIN_WAIT_1:
		tcp_conn_set_state(tcp, conn, TCP_FIN_WAIT_2);
		// An orphan does not wait for ever.
		if ((conn->flags & TCP_CONN_ORPHAN) != 0)
			tcp_timer_set(tcp, conn, TCP_TIMER_KEEP,
				tcp->now_us + (uint64_t)tcp->config.fin_wait_2_ms * 1000);
		return true;
	case TCP_CLOSING:
		tcp_conn_enter_time_wait(tcp, conn);
		return false;
	case TCP_LAST_ACK:
		tcp_conn_die(tcp, conn, TCP_EVENT_CLOSED);
		return false;
	default:
		return true;
	}
}

static bool step_5_ack(struct tcp_rx *rx)
{
	if ((rx->flags & SEGMENT_ACK) == 0) {
		tcp_count(rx->tcp, COUNTER_TCP_BAD_FLAGS);
		return false;
	}
	if (rx->conn->state == TCP_SYN_RECEIVED && !tcp_handshake_acked(rx)) {
		tcp_count(rx->tcp, COUNTER_TCP_ACK_UNACCEPTABLE);
		tcp_reply_reset(rx->tcp, rx->segment);
		return false;
	}
	if (!tcp_ack_segment(rx))
		return false;
	return !tcp_fin_acked(rx->conn) || fin_is_acked(rx);
}

// RFC 9293 3.8.5: urgent data is data; the pointer is not looked at.
static void step_6_urgent(struct tcp_rx *rx)
{
	if ((rx->flags & SEGMENT_URG) != 0)
		tcp_count(rx->tcp, COUNTER_TCP_URGENT_IGNORED);
}

// RFC 3168 6.1.3: we echo congestion until the peer says that it has reacted.
static void note_ecn(struct tcp_rx *rx)
{
	struct tcp_conn *conn = rx->conn;

	if ((conn->flags & TCP_CONN_ECN) == 0)
		return;
	if ((rx->flags & SEGMENT_CWR) != 0)
		conn->flags &= ~(uint32_t)TCP_CONN_ECN_ECHO;
	if (rx->segment->ecn == SEGMENT_ECN_CE && rx->len != 0) {
		conn->flags |= TCP_CONN_ECN_ECHO;
		ack_now(rx);
		tcp_count(rx->tcp, COUNTER_TCP_ECN_RECEIVED);
	}
}

// Cuts the segment to what is new and fits into the window. A FIN behind a cut goes too.
static void trim(struct tcp_rx *rx)
{
	struct tcp_conn *conn = rx->conn;
	struct rte_mbuf *mbuf = rx->segment->mbuf;
	struct seq edge = conn->rcv_adv;
	struct seq end;

	if (seq_lt(rx->seq, conn->rcv_nxt)) {
		uint32_t n = seq_len(conn->rcv_nxt, rx->seq);

		n = n < rx->len ? n : rx->len;
		if (n != 0) {
			tcp_receive_duplicate(rx->tcp, conn, rx->seq, seq_add(rx->seq, n));
			rte_pktmbuf_adj(mbuf, (uint16_t)n);
		}
		rx->len -= n;
		rx->seq = seq_add(rx->seq, n);
		ack_now(rx);
	}
	if ((conn->flags & TCP_CONN_FIN_SEEN) != 0)
		edge = seq_min(edge, tcp_cold(rx->tcp, conn)->fin_seq);
	end = seq_add(rx->seq, rx->len);
	if (seq_lt(edge, end)) {
		uint32_t n = seq_lt(edge, rx->seq) ? rx->len : seq_len(end, edge);

		rte_pktmbuf_trim(mbuf, (uint16_t)n);
		rx->len -= n;
		rx->flags &= (uint8_t)~SEGMENT_FIN;
		tcp_count(rx->tcp, COUNTER_TCP_BEYOND_WINDOW);
		ack_now(rx);
	}
}

// RFC 9293 3.8.6.3: every second segment is acknowledged at once, one alone a little later; and at once what
// is out of order (RFC 5681 4.2) or ends something that the sender wrote (PSH).
static void schedule_ack(struct tcp_rx *rx)
{
	struct tcp_conn *conn = rx->conn;

	if ((conn->flags & TCP_CONN_ACK_LATER) != 0 || (rx->flags & SEGMENT_PSH) != 0) {
		ack_now(rx);
		return;
	}
	conn->flags |= TCP_CONN_ACK_LATER;
	tcp_timer_set(rx->tcp, conn, TCP_TIMER_ACK,
		rx->tcp->now_us + (uint64_t)rx->tcp->config.delayed_ack_ms * 1000);
}

// Takes the payload. False: the connection is gone.
static bool step_7_text(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;
	struct rte_mbuf *mbuf = rx->segment->mbuf;

	note_ecn(rx);
	if (rx->len == 0)
		return true;
	if (conn->state > TCP_FIN_WAIT_2 || (conn->flags & TCP_CONN_FIN_RECEIVED) != 0)
		return true; // nothing comes after a FIN: what claims to is dropped
	trim(rx);
	if (rx->len == 0)
		return true;
	if ((conn->flags & TCP_CONN_ORPHAN) != 0) {
		// RFC 1122 4.2.2.13: nobody will read it.
		tcp_count(tcp, COUNTER_TCP_DATA_AFTER_CLOSE);
		tcp_reply_abort(tcp, conn);
		tcp_conn_die(tcp, conn, TCP_EVENT_RESET);
		return false;
	}
	if (!seq_eq(rx->seq, conn->rcv_nxt)) {
		tcp_count(tcp, COUNTER_TCP_OUT_OF_ORDER);
		rx->segment->mbuf = NULL;
		tcp_receive_out_of_order(tcp, conn, mbuf, rx->seq, rx->len);
		ack_now(rx);
		return true;
	}
	if (conn->range_head != POOL_NONE)
		ack_now(rx); // a hole is filled
	if (!tcp_receive_in_order(tcp, conn, mbuf, rx->len)) {
		rx->flags &= (uint8_t)~SEGMENT_FIN;
		ack_now(rx);
		return true;
	}
	rx->segment->mbuf = NULL;
	schedule_ack(rx);
	tcp_conn_event(tcp, conn, TCP_EVENT_READABLE);
	return true;
}

static void step_8_fin(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	struct tcp_tx ack = {.seq = conn->snd_nxt};

	if ((rx->flags & SEGMENT_FIN) != 0 && (conn->flags & TCP_CONN_FIN_SEEN) == 0) {
		conn->flags |= TCP_CONN_FIN_SEEN;
		cold->fin_seq = seq_add(rx->seq, rx->len);
		ack_now(rx); // in order or not
	}
	if ((conn->flags & (TCP_CONN_FIN_SEEN | TCP_CONN_FIN_RECEIVED)) != TCP_CONN_FIN_SEEN ||
		!seq_eq(conn->rcv_nxt, cold->fin_seq))
		return;
	conn->flags |= TCP_CONN_FIN_RECEIVED;
	conn->rcv_nxt = seq_add(conn->rcv_nxt, 1);
	conn->rcv_adv = seq_max(conn->rcv_adv, conn->rcv_nxt);
	tcp_conn_event(tcp, conn, TCP_EVENT_PEER_FIN);
	ack_now(rx); // the FIN may have come long before what stood in front of it
	switch ((enum tcp_state)conn->state) {
	case TCP_ESTABLISHED:
		tcp_conn_set_state(tcp, conn, TCP_CLOSE_WAIT);
		break;
	case TCP_FIN_WAIT_1:
		tcp_conn_set_state(tcp, conn, TCP_CLOSING);
		break;
	case TCP_FIN_WAIT_2:
		// The connection ends here, so its last acknowledgement can't wait for the turn's end.
		(void)tcp_emit(tcp, conn, &ack);
		tcp_conn_enter_time_wait(tcp, conn);
		break;
	default:
		break;
	}
}

void tcp_rx_steps(struct tcp_rx *rx)
{
	if (!step_1_sequence(rx) || !step_2_reset(rx) || !step_4_syn(rx) || !step_5_ack(rx))
		return;
	step_6_urgent(rx);
	if (step_7_text(rx))
		step_8_fin(rx);
}
