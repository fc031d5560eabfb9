// SPDX-License-Identifier: Apache-2.0
//
// What is done about loss: which acknowledgements begin and end an episode, how the window moves in it, and
// how it is undone when it turns out that nothing was lost.
//
//            ECN echo                 loss found (RACK, third duplicate)
//   OPEN ----------------> CWR ---------------> FAST
//    | ^                    |                    | |
//    | +---- snd_una passes recover -------------+ | timeout
//    |                      (window = ssthresh)    v
//    +------------- timeout --------------------> LOSS ---- snd_una passes recover, or undone ---> OPEN
//
//   CWR, FAST   the window shrinks to ssthresh in proportion to what arrives (PRR, RFC 6937)
//   LOSS        one segment, then slow start; F-RTO (RFC 5682) first sends new data to see whether the
//               timeout was real
//   undo        DSACKs for all repetitions (RFC 3708), an echoed timestamp older than the first repetition
//               (Eifel, RFC 3522), or F-RTO
#pragma once

#include "tcp/scoreboard.h"

// The judgement of one acknowledgement when something is or may be lost. RACK's wish to look again is left in
// *out_reorder_us (0: none).
void tcp_recovery_acked(
	struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack, uint32_t *out_reorder_us);

// The retransmission timer has expired (RFC 6298 5.4 to 5.7).
void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *conn);

// RACK's reordering timer has expired. Returns in how many microseconds to look again.
uint32_t tcp_recovery_reorder_timeout(struct tcp *tcp, struct tcp_conn *conn);

// Accounts for what output sent.
void tcp_recovery_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_bytes, bool repeated);
