// SPDX-License-Identifier: Apache-2.0
//
// Congestion control: how large the window is while nothing is lost, and how far it falls when something is.
// An algorithm is a table of functions. What all of them share is here: slow start with HyStart++ (RFC 9406),
// the initial window (RFC 6928), the restart after idle (RFC 5681 4.1), and growing only while the window is
// what limits us (RFC 9293 leaves it open, RFC 7661 4.3 and Linux agree). How the window moves during
// recovery is recovery.c's (PRR, RFC 6937).
#pragma once

#include "tcp/scoreboard.h"

struct tcp_cc_ops {
	const char *name;
	// Congestion avoidance: n_acked bytes arrived, the window was in use.
	void (*grow)(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_acked);
	// Congestion: the new slow start threshold. Called once per event, with the window as it was.
	uint32_t (*reduce)(struct tcp *tcp, struct tcp_conn *conn);
	// The reduction was a mistake; cwnd and ssthresh are restored.
	void (*undo)(struct tcp *tcp, struct tcp_conn *conn);
};

extern const struct tcp_cc_ops tcp_cc_cubic;
extern const struct tcp_cc_ops tcp_cc_newreno;

static inline const struct tcp_cc_ops *tcp_cc(const struct tcp *tcp)
{
	return tcp->config.cc == TCP_CC_CUBIC ? &tcp_cc_cubic : &tcp_cc_newreno;
}

// The window of a new connection, and of one that restarts after idle.
void tcp_cc_init(struct tcp *tcp, struct tcp_conn *conn);
uint32_t tcp_cc_initial_window(const struct tcp_conn *conn);

// An acknowledgement outside recovery.
void tcp_cc_acked(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_ack *ack);

// Something is to be sent after a pause.
void tcp_cc_restart_after_idle(struct tcp *tcp, struct tcp_conn *conn);

static inline bool tcp_cc_in_slow_start(const struct tcp_conn *conn)
{
	return conn->cwnd < conn->ssthresh;
}
