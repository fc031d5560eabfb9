// SPDX-License-Identifier: Apache-2.0
#include "tcp/ack.h"

#include "tcp/cc.h"
#include "tcp/lifecycle.h"
#include "tcp/loss_timer.h"
#include "tcp/mtu.h"
#include "tcp/output.h"
#include "tcp/recovery.h"
#include "tcp/reply.h"

// Everything before ack->ack has arrived.
static void advance(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack)
{
	struct seq data_end = seq_min(ack->ack, conn->snd_end);
	uint32_t n_data = seq_lt(conn->snd_una, data_end) ? seq_len(data_end, conn->snd_una) : 0;

	ack->n_acked = seq_len(ack->ack, conn->snd_una);
	tcp_scoreboard_acked(tcp, conn, ack);
	conn->snd_una = ack->ack;
	conn->backoff = 0;
	tcp_cold(tcp, conn)->progress_ms = tcp->now_ms;
	if (n_data != 0) {
		tcp_send_queue_release(tcp, conn, n_data);
		tcp_conn_event(tcp, conn, TCP_EVENT_WRITABLE);
	}
	tcp_mtu_acked(tcp, conn);
}

// RFC 9293 3.10.7.4: the window of the segment with the highest seq, and among those the highest ack.
static bool update_window(const struct tcp_rx *rx)
{
	struct tcp_conn *conn = rx->conn;
	uint32_t window = (uint32_t)rx->segment->window << conn->snd_wscale;
	bool changed = window != conn->snd_wnd;

	if (!seq_lt(conn->snd_wl1, rx->seq) &&
		!(seq_eq(conn->snd_wl1, rx->seq) && seq_leq(conn->snd_wl2, rx->ack)))
		return false;
	conn->snd_wnd = window;
	conn->snd_wl1 = rx->seq;
	conn->snd_wl2 = rx->ack;
	if (window > conn->snd_wnd_max)
		conn->snd_wnd_max = window;
	// An open window is progress, for the user timeout.
	if (changed && window != 0 && seq_eq(conn->snd_una, conn->snd_nxt))
		tcp_cold(rx->tcp, conn)->progress_ms = rx->tcp->now_ms;
	return changed;
}

static void measure(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_ack *ack)
{
	if (ack->has_rtt) {
		tcp_rtt_sample(tcp, conn, ack->rtt_us);
	} else if (ack->has_ts && ack->n_acked != 0) {
		// RFC 7323 4.1: an echo tells the time of a repetition too, in milliseconds.
		uint32_t rtt_ms = tcp_ts_now(tcp, conn) - ack->ts_echo;

		if (rtt_ms < 60000)
			tcp_rtt_sample(tcp, conn, rtt_ms * 1000);
	}
}

static bool all_is_well(
	const struct tcp_conn *conn, const struct tcp_conn_cold *cold, const struct tcp_ack *ack)
{
	return conn->recovery == TCP_RECOVERY_OPEN && (conn->sacked_bytes | conn->lost_bytes) == 0 &&
	       ack->n_acked != 0 && ack->dsack_bytes == 0 && !ack->sacked && !ack->ecn_echo &&
	       cold->tlp == TCP_TLP_NONE;
}

// What the acknowledgement means for recovery, window and timers.
static void judge(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack)
{
	uint32_t reorder_us = 0;

	measure(tcp, conn, ack);
	if (all_is_well(conn, tcp_cold(tcp, conn), ack)) {
		conn->n_dupacks = 0;
		tcp_cc_acked(tcp, conn, ack);
	} else {
		tcp_recovery_acked(tcp, conn, ack, &reorder_us);
	}
	if (reorder_us != 0)
		tcp_loss_timer_start_reorder(tcp, conn, reorder_us);
	else if (ack->n_acked != 0 || ack->sacked)
		tcp_loss_timer_restart(tcp, conn);
}

// RFC 5961 5.2: an acknowledgement of what was never sent, or of what is older than any window was.
static bool acceptable(const struct tcp_rx *rx)
{
	const struct tcp_conn *conn = rx->conn;

	return seq_leq(rx->ack, conn->snd_nxt) &&
	       seq_diff(conn->snd_una, rx->ack) <=
		       (int32_t)(conn->snd_wnd_max > 65535 ? conn->snd_wnd_max : 65535);
}

bool tcp_ack_segment(struct tcp_rx *rx)
{
	struct tcp *tcp = rx->tcp;
	struct tcp_conn *conn = rx->conn;
	struct tcp_ack ack = {.ack = rx->ack,
		.prior_una = conn->snd_una,
		.prior_flight = tcp_in_flight(conn),
		.ts_echo = rx->options.ts_echo,
		.has_ts = (conn->flags & TCP_CONN_TIMESTAMPS) != 0 &&
			  (rx->options.present & TCP_HAS_TIMESTAMPS) != 0};
	bool window_changed;

	if (!acceptable(rx)) {
		tcp_count(tcp, COUNTER_TCP_ACK_UNACCEPTABLE);
		tcp_challenge(tcp, conn);
		return false;
	}
	if (seq_lt(rx->ack, conn->snd_una)) {
		tcp_count(tcp, COUNTER_TCP_ACK_OLD);
		return true;
	}
	if (!seq_eq(rx->ack, conn->snd_una))
		advance(tcp, conn, &ack);
	window_changed = update_window(rx);
	if ((rx->options.present & TCP_HAS_SACK) != 0 && (conn->flags & TCP_CONN_SACK) != 0)
		tcp_scoreboard_sacked(tcp, conn, &rx->options, &ack);
	ack.duplicate = ack.n_acked == 0 && rx->len == 0 && !window_changed &&
			(rx->flags & SEGMENT_FIN) == 0 && !seq_eq(conn->snd_una, conn->snd_nxt);
	if (ack.duplicate)
		tcp_count(tcp, COUNTER_TCP_DUPLICATE_ACK);
	ack.ecn_echo = (rx->flags & SEGMENT_ECE) != 0 && (conn->flags & TCP_CONN_ECN) != 0;
	if (ack.n_acked != 0 || ack.sacked || ack.duplicate || ack.dsack_bytes != 0 || ack.ecn_echo)
		judge(tcp, conn, &ack);
	if (conn->lost_bytes != 0 || tcp_unsent(conn) != 0)
		tcp_conn_want_output(tcp, conn);
	tcp_tell_room(tcp, conn);
	return true;
}
