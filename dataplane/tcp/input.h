// SPDX-License-Identifier: Apache-2.0
//
// Where segments enter: runs of one flow are looked up once, then a table of [state][flags] names the handler
// (input.c). Combinations that make no sense have no handler and are dropped and counted. The handlers:
//
//   handshake.c   LISTEN, SYN-SENT, SYN-RECEIVED, the SYN cache
//   steps.c       the numbered steps of RFC 9293 3.10.7.4 for everything else
//   reply.c       what is answered without a connection
#pragma once

#include "tcp/options.h"
#include "tcp/stack.h"

// One segment on its way through the handlers. Whoever keeps the mbuf takes it out of segment->mbuf; what is
// still there at the end is freed.
struct tcp_rx {
	struct tcp *tcp;
	struct segment *segment;
	struct tcp_conn *conn; // from SYN_SENT on
	union {
		struct syn_entry *syn;               // SYN_CACHED
		struct time_wait_entry *time_wait;   // TIME_WAIT
		const struct tcp_listener *listener; // LISTEN
	};
	struct tcp_options options;
	struct seq seq;
	struct seq ack;
	uint32_t len; // payload, after trimming
	uint8_t flags;
};

// Hands the segment to the handler for that state; for handshake.c, when a connection has just come to be.
void tcp_input_dispatch(struct tcp_rx *rx, enum tcp_state state);
