// SPDX-License-Identifier: Apache-2.0
//
// Answers to what does not fit: resets, challenge acknowledgements, answers from TIME-WAIT. All are limited
// in rate, so that nobody can use us as an amplifier or read our state from how we answer.
#pragma once

#include "tcp/input.h"

// RFC 9293 3.10.7.1: a reset that the sender of the segment will find acceptable. Never in answer to a reset.
void tcp_reply_reset(struct tcp *tcp, const struct segment *segment);

// RFC 5961 7: an acknowledgement that tells a real peer where we stand and an attacker nothing. At most one
// per connection in half a second, and within the worker's limit.
void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn);

// Whether the limit of the whole worker has room for one more; counts when it has not.
bool tcp_challenge_allowed(struct tcp *tcp);

// The reset that ends a connection of ours (RFC 9293 3.10.5).
void tcp_reply_abort(struct tcp *tcp, const struct tcp_conn *conn);
