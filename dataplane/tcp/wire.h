// SPDX-License-Identifier: Apache-2.0
//
// TCP on the wire: the header of RFC 9293 3.1 and the options in use. Fields are in network byte order; the
// flags are net/segment.h's.
#pragma once

#include <stdint.h>

enum {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,            // RFC 9293 3.7.1
	TCP_OPTION_WSCALE = 3,         // RFC 7323 2
	TCP_OPTION_SACK_PERMITTED = 4, // RFC 2018 2
	TCP_OPTION_SACK = 5,           // RFC 2018 3
	TCP_OPTION_TIMESTAMPS = 8      // RFC 7323 3
};

enum {
	TCP_HEADER_LEN = 20,
	TCP_OPTIONS_LEN_MAX = 40,
	TCP_TIMESTAMPS_LEN = 12, // two NOPs in front keep the values aligned (RFC 7323 appendix A)
	TCP_WSCALE_MAX = 14,     // RFC 7323 2.3
	TCP_MSS_DEFAULT = 536,   // RFC 9293 3.7.1, IPv4
	TCP_MSS_DEFAULT_IPV6 = 1220,
	TCP_SACK_BLOCKS_MAX = 4
};

struct tcp_header {
	uint16_t src_port;
	uint16_t dst_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t data_offset; // in words of four bytes, in the upper half
	uint8_t flags;
	uint16_t window;
	uint16_t checksum;
	uint16_t urgent;
} __attribute__((packed));

struct tcp_timestamps_option {
	uint8_t nop[2];
	uint8_t kind;
	uint8_t len;
	uint32_t value;
	uint32_t echo;
} __attribute__((packed));

_Static_assert(sizeof(struct tcp_header) == TCP_HEADER_LEN, "RFC 9293 3.1");
_Static_assert(sizeof(struct tcp_timestamps_option) == TCP_TIMESTAMPS_LEN, "RFC 7323 appendix A");
