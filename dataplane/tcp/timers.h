// SPDX-License-Identifier: Apache-2.0
//
// A connection's deadlines, all on one timer of the wheel. Moving a deadline back (every acknowledgement does
// that to the retransmission timer) only writes a number: the wheel's timer fires at the old time, finds
// nothing due, and starts again for the earliest deadline that is left.
#pragma once

#include "tcp/stack.h"

// Sets or moves a deadline.
void tcp_timer_set(struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer_slot slot, uint64_t deadline_us);

static inline void tcp_timer_clear(struct tcp_conn *conn, enum tcp_timer_slot slot)
{
	conn->deadlines[slot] = 0;
}

static inline bool tcp_timer_running(const struct tcp_conn *conn, enum tcp_timer_slot slot)
{
	return conn->deadlines[slot] != 0;
}
