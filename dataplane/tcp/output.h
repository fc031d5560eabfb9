// SPDX-License-Identifier: Apache-2.0
//
// What a connection sends, once per turn: lost data first, then new data as far as congestion window, the
// peer's window and pacing allow, then the acknowledgement if nothing carried it.
#pragma once

#include "tcp/stack.h"

void tcp_output(struct tcp *tcp, struct tcp_conn *conn);
