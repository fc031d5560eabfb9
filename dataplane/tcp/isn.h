// SPDX-License-Identifier: Apache-2.0
//
// Numbers that an outsider must not guess: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323
// 5.4, RFC 6191), and SYN cookies.
//
// A cookie is an initial sequence number that carries what a SYN said, so that nothing has to be remembered
// until the handshake's third segment brings it back:
//
//   31                              8 7       5 4       2   1      0
//   |  SipHash of flow, irs, byte, t  |  mss   |  wscale  | sack | t |     the low byte XORed with 8 further
//                                                                          bits of the hash's key stream
//
// t is the low bit of the 64-second period in which it was made; a cookie lives for 64 to 128 seconds. With
// timestamps, our echoed timestamp must also lie in that time, which an outsider who guesses the 24 bits of
// the hash still has to know.
#pragma once

#include "net/addr.h"
#include "tcp/seq.h"

struct tcp;

struct tcp_isn {
	struct seq iss;
	uint32_t ts_offset; // added to the millisecond clock; the same for the same flow at all times
};

struct tcp_isn tcp_isn_for(const struct tcp *tcp, const struct flow_key *key);

struct syn_cookie {
	uint16_t mss;
	uint8_t wscale;
	bool has_wscale;
	bool sack;
};

// Rounds down to what a cookie can say: the mss to the next smaller of eight, the shift to one of seven.
struct seq syn_cookie_make(
	const struct tcp *tcp, const struct flow_key *key, struct seq irs, const struct syn_cookie *facts);

// False: not a cookie of ours for that flow, or too old.
bool syn_cookie_check(const struct tcp *tcp, const struct flow_key *key, struct seq irs, struct seq cookie,
	struct syn_cookie *out_facts) __attribute__((warn_unused_result));
