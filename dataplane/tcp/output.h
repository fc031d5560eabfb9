// SPDX-License-Identifier: Apache-2.0
//
// What a connection sends, once per turn: lost data first, then new data as far as congestion window, the
// peer's window and pacing allow, then the acknowledgement if nothing carried it.
#pragma once

#include "tcp/stack.h"

void tcp_output(struct tcp *tcp, struct tcp_conn *conn);

// Bytes that are queued and that the peer's window or the congestion's keeps from leaving with the next
// output.
uint32_t tcp_backlog(const struct tcp_conn *conn);

// After a change of either: an owner who waits for the backlog's end is told of it.
void tcp_tell_room(struct tcp *tcp, struct tcp_conn *conn);
