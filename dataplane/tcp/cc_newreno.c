// SPDX-License-Identifier: Apache-2.0
//
// NewReno's window (RFC 5681): one segment more per round trip, half of it on loss.
#include "tcp/cc.h"

static void newreno_grow(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_acked)
{
	struct tcp_cc_state *cc = &tcp_cold(tcp, conn)->cc;

	// RFC 5681 3.1, equation 3 by counting bytes (RFC 3465).
	cc->acked_credit += n_acked;
	if (cc->acked_credit < conn->cwnd)
		return;
	cc->acked_credit -= conn->cwnd;
	conn->cwnd += conn->mss;
}

static uint32_t newreno_reduce(struct tcp *tcp, struct tcp_conn *conn)
{
	uint32_t half = conn->cwnd / 2;
	uint32_t least = 2u * conn->mss;

	tcp_cold(tcp, conn)->cc.acked_credit = 0;
	return half < least ? least : half;
}

static void newreno_undo(struct tcp *tcp, struct tcp_conn *conn)
{
	tcp_cold(tcp, conn)->cc.acked_credit = 0;
}

const struct tcp_cc_ops tcp_cc_newreno = {
	.name = "newreno", .grow = newreno_grow, .reduce = newreno_reduce, .undo = newreno_undo};
