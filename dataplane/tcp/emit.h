// SPDX-License-Identifier: Apache-2.0
//
// Segments as they leave: header, options and payload into mbufs, and to net.
//
//   where the path takes chains   [headroom | TCP header | small pieces] -> [indirect: part of the owner's
//   mbuf] -> ... elsewhere                     [headroom | TCP header | copied payload]
#pragma once

#include "tcp/options.h"
#include "tcp/send_queue.h"
#include "tcp/stack.h"

// One transmission of a connection.
struct tcp_tx {
	struct seq seq;
	uint32_t len;     // payload wanted; more than seg_max only where the path has TSO
	uint32_t seg_max; // payload of one segment on the wire
	struct tcp_send_cursor cursor;
	uint8_t flags; // beside ACK; FIN and PSH only go out with the last wanted byte
	bool ect;      // marks it as ECN-capable (RFC 3168 6.1.5: new data only)
};

// Bytes that the options of the next segment take beyond the timestamps: SACK blocks that are due.
uint32_t tcp_emit_sack_len(const struct tcp *tcp, const struct tcp_conn *conn);

// Sends it with acknowledgement, window and options as they stand. Returns the payload bytes that went out
// (the first of those wanted), or -1 when there was no buffer; then nothing happened.
int32_t tcp_emit(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_tx *tx);

// A segment without a connection, or without its state: numbers and flags are given.
struct tcp_control {
	const struct flow_key *key;
	struct seq seq;
	struct seq ack;
	uint16_t window; // as it goes into the header
	uint8_t flags;
	uint8_t ecn;
	struct tcp_options options;
};

// Dropped (counted) when there is no route or no buffer.
void tcp_emit_control(struct tcp *tcp, const struct tcp_control *control);
