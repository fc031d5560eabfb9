// SPDX-License-Identifier: Apache-2.0
//
// The retransmission timer and its relatives: one deadline whose meaning is conn->timer_kind.
//
//   PROBE    all is well, and the tail may be lost: two round trips without an acknowledgement (RFC 8985 7.2)
//   RTO      RFC 6298
//   REORDER  RACK waits for what may only be late (RFC 8985 6.3)
//   PERSIST  nothing is in flight and the peer's window is closed (RFC 9293 3.8.6.1)
#pragma once

#include "tcp/stack.h"

// A round-trip time was measured (RFC 6298 2).
void tcp_rtt_sample(struct tcp *tcp, struct tcp_conn *conn, uint32_t rtt_us);

// Microseconds until a retransmission is due, backoff included.
uint64_t tcp_rto_us(const struct tcp *tcp, const struct tcp_conn *conn);

// After an acknowledgement that said something new: PROBE or RTO from now on, or nothing.
void tcp_loss_timer_restart(struct tcp *tcp, struct tcp_conn *conn);

// RTO from now on, whatever else might be better.
void tcp_loss_timer_start_rto(struct tcp *tcp, struct tcp_conn *conn);

void tcp_loss_timer_start_reorder(struct tcp *tcp, struct tcp_conn *conn, uint32_t in_us);

// Starts PERSIST unless it runs.
void tcp_loss_timer_start_persist(struct tcp *tcp, struct tcp_conn *conn);

// After output: data is in flight.
void tcp_loss_timer_sent(struct tcp *tcp, struct tcp_conn *conn);
