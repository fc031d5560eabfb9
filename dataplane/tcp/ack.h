// SPDX-License-Identifier: Apache-2.0
//
// Acknowledgements from the peer: RFC 9293 3.10.7.4, fifth step, for synchronized states.
#pragma once

#include "tcp/input.h"

// Judges the acknowledgement number, frees what it covers, feeds recovery and congestion control, and takes
// over the window. False: the segment is dropped (already answered where it has to be).
bool tcp_ack_segment(struct tcp_rx *rx) __attribute__((warn_unused_result));

// Whether our FIN was sent and is acknowledged.
static inline bool tcp_fin_acked(const struct tcp_conn *conn)
{
	return (conn->flags & TCP_CONN_FIN_SENT) != 0 && seq_lt(conn->snd_end, conn->snd_una);
}
