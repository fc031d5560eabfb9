// SPDX-License-Identifier: Apache-2.0
#include "tcp/cc.h"

// RFC 9406 4.3. L is infinite (no limit per acknowledgement) because output is paced.
enum {
	MIN_RTT_THRESH_US = 4000,
	MAX_RTT_THRESH_US = 16000,
	MIN_RTT_DIVISOR = 8,
	N_RTT_SAMPLE = 8,
	CSS_GROWTH_DIVISOR = 4,
	CSS_ROUNDS = 5
};

// Far beyond any window, and far from overflow.
#define SSTHRESH_INFINITE UINT32_C(0x40000000)

// RFC 6928 2.
uint32_t tcp_cc_initial_window(const struct tcp_conn *conn)
{
	uint32_t mss = conn->mss;
	uint32_t floor = 2 * mss > 14600 ? 2 * mss : 14600;

	return 10 * mss < floor ? 10 * mss : floor;
}

void tcp_cc_init(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	conn->cwnd = tcp_cc_initial_window(conn);
	conn->ssthresh = SSTHRESH_INFINITE;
	cold->hystart.round_end = conn->snd_nxt;
	cold->hystart.round_min_us = UINT32_MAX;
	cold->hystart.last_round_min_us = UINT32_MAX;
	cold->sent_last_ms = tcp->now_ms;
	// RFC 5681 3.1: whoever lost the SYN begins with one segment.
	if (cold->n_syn_sent > 1)
		conn->cwnd = conn->mss;
}

void tcp_cc_restart_after_idle(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint32_t idle_ms = tcp->now_ms - cold->sent_last_ms;
	uint32_t window = tcp_cc_initial_window(conn);

	if (idle_ms < conn->rto_us / 1000 || conn->cwnd <= window || conn->recovery != TCP_RECOVERY_OPEN)
		return;
	// The old window is remembered as a threshold (RFC 2861's decay without its halving loop).
	if (conn->ssthresh < conn->cwnd - conn->cwnd / 4)
		conn->ssthresh = conn->cwnd - conn->cwnd / 4;
	conn->cwnd = window;
	cold->cc.epoch_ms = 0;
	cold->hystart.round_end = conn->snd_nxt;
	cold->hystart.n_samples = 0;
	conn->flags &= ~(uint32_t)TCP_CONN_SLOW_START_CSS;
	tcp_count(tcp, COUNTER_TCP_IDLE_RESTART);
}

static void leave_slow_start(struct tcp *tcp, struct tcp_conn *conn)
{
	conn->ssthresh = conn->cwnd;
	conn->flags &= ~(uint32_t)TCP_CONN_SLOW_START_CSS;
	tcp_count(tcp, COUNTER_TCP_HYSTART_EXIT);
}

// A round has ended with the window that it began with.
static void hystart_round(struct tcp *tcp, struct tcp_conn *conn, struct tcp_hystart *hystart)
{
	hystart->round_end = conn->snd_nxt;
	hystart->last_round_min_us = hystart->round_min_us;
	hystart->round_min_us = UINT32_MAX;
	hystart->n_samples = 0;
	if ((conn->flags & TCP_CONN_SLOW_START_CSS) != 0 && ++hystart->n_css_rounds >= CSS_ROUNDS)
		leave_slow_start(tcp, conn);
}

// RFC 9406 4.2: does this round's smallest round-trip time say that a queue is building?
static void hystart_sample(struct tcp_conn *conn, struct tcp_hystart *hystart, uint32_t rtt_us)
{
	uint32_t thresh_us;

	if (rtt_us < hystart->round_min_us)
		hystart->round_min_us = rtt_us;
	if (hystart->n_samples < N_RTT_SAMPLE) {
		hystart->n_samples++;
		if (hystart->n_samples < N_RTT_SAMPLE)
			return;
	}
	if ((conn->flags & TCP_CONN_SLOW_START_CSS) != 0) {
		// It was not a queue: back to full speed.
		if (hystart->round_min_us < hystart->css_baseline_us) {
			hystart->css_baseline_us = UINT32_MAX;
			conn->flags &= ~(uint32_t)TCP_CONN_SLOW_START_CSS;
		}
		return;
	}
	if (hystart->last_round_min_us == UINT32_MAX)
		return;
	thresh_us = hystart->last_round_min_us / MIN_RTT_DIVISOR;
	thresh_us = thresh_us < MIN_RTT_THRESH_US ? MIN_RTT_THRESH_US : thresh_us;
	thresh_us = thresh_us > MAX_RTT_THRESH_US ? MAX_RTT_THRESH_US : thresh_us;
	if (hystart->round_min_us < hystart->last_round_min_us + thresh_us)
		return;
	hystart->css_baseline_us = hystart->round_min_us;
	hystart->n_css_rounds = 0;
	conn->flags |= TCP_CONN_SLOW_START_CSS;
}

// Returns the bytes that slow start did not use, because the threshold was reached.
static uint32_t slow_start(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_ack *ack)
{
	struct tcp_hystart *hystart = &tcp_cold(tcp, conn)->hystart;
	uint32_t n = ack->n_delivered;
	uint32_t room;

	if (ack->has_rtt)
		hystart_sample(conn, hystart, ack->rtt_us);
	if ((conn->flags & TCP_CONN_SLOW_START_CSS) != 0)
		n /= CSS_GROWTH_DIVISOR;
	room = conn->ssthresh - conn->cwnd;
	if (n > room) {
		conn->cwnd = conn->ssthresh;
		return n - room;
	}
	conn->cwnd += n;
	return 0;
}

void tcp_cc_acked(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_ack *ack)
{
	struct tcp_hystart *hystart = &tcp_cold(tcp, conn)->hystart;
	uint32_t n = ack->n_delivered;

	if (tcp_cc_in_slow_start(conn) && seq_lt(hystart->round_end, ack->ack))
		hystart_round(tcp, conn, hystart);
	// In slow start a window of which half was in use may still double.
	if ((conn->flags & TCP_CONN_CWND_LIMITED) == 0 &&
		(!tcp_cc_in_slow_start(conn) || ack->prior_flight < conn->cwnd / 2))
		return;
	if (conn->cwnd >= SSTHRESH_INFINITE)
		return;
	if (tcp_cc_in_slow_start(conn))
		n = slow_start(tcp, conn, ack);
	if (n != 0)
		tcp_cc(tcp)->grow(tcp, conn, n);
}
