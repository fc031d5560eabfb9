// SPDX-License-Identifier: Apache-2.0
//
// TCP options, from bytes and to bytes. Parsing touches nothing but its result.
#pragma once

#include "base/span.h"
#include "tcp/seq.h"
#include "tcp/wire.h"

enum {
	TCP_HAS_MSS = 0x01,
	TCP_HAS_WSCALE = 0x02,
	TCP_HAS_SACK_PERMITTED = 0x04,
	TCP_HAS_TIMESTAMPS = 0x08,
	TCP_HAS_SACK = 0x10
};

// The numbers [start, end).
struct tcp_sack_block {
	struct seq start;
	struct seq end;
};

struct tcp_options {
	uint8_t present; // TCP_HAS_*
	uint8_t wscale;  // at most TCP_WSCALE_MAX
	uint8_t n_sack_blocks;
	uint16_t mss;
	uint32_t ts_value;
	uint32_t ts_echo;
	struct tcp_sack_block sack_blocks[TCP_SACK_BLOCKS_MAX];
};

// Reads the options of one segment. Unknown kinds are skipped (RFC 9293 3.1); an option whose length lies
// ends the parsing, and what stood in front of it holds. False when that happened.
bool tcp_options_parse(struct span bytes, struct tcp_options *out_options)
	__attribute__((warn_unused_result));

// Writes the options in `options->present` to `out`, padded to a multiple of four; returns the length. The
// room is always enough: more SACK blocks than fit beside the others are left away.
uint32_t tcp_options_write(const struct tcp_options *options, uint8_t out[static TCP_OPTIONS_LEN_MAX]);

// How many SACK blocks fit into one segment.
static inline uint32_t tcp_sack_blocks_max(bool timestamps)
{
	return timestamps ? 3 : 4;
}
