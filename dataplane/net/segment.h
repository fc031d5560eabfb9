// SPDX-License-Identifier: Apache-2.0
//
// What net hands to tcp: one received TCP segment, flat. Everything that a header says was checked against
// the packet's real length, both checksums verified, the destination is an address of ours on that port and
// the source can be answered. Nothing was checked that needs a connection.
//
//   mbuf memory   | Ethernet | VLAN | IP | TCP header | options |  payload  | (padding, trimmed) |
//                 ^ data - headers                    ^ options ^ data, data_len = pkt_len = payload_len
//
// A received mbuf is always one piece (nb_segs == 1, refcnt == 1, not a clone), also when payload_len is 0.
// Whoever holds the segment owns the mbuf and frees it; the header bytes below the payload stay untouched
// while it lives, so `options` may be read as long as the mbuf is held.
#pragma once

#include "net/addr.h"

struct rte_mbuf;

// Flags of the TCP header as in segment.flags (RFC 9293 3.1).
enum {
	SEGMENT_FIN = 0x01,
	SEGMENT_SYN = 0x02,
	SEGMENT_RST = 0x04,
	SEGMENT_PSH = 0x08,
	SEGMENT_ACK = 0x10,
	SEGMENT_URG = 0x20,
	SEGMENT_ECE = 0x40,
	SEGMENT_CWR = 0x80
};

// ECN field of the IP header (RFC 3168 5), in segment.ecn and net_output_tcp.
enum {
	SEGMENT_ECN_NOT_ECT = 0,
	SEGMENT_ECN_ECT1 = 1,
	SEGMENT_ECN_ECT0 = 2,
	SEGMENT_ECN_CE = 3
};

struct segment {
	struct rte_mbuf *mbuf;
	struct flow_key key;
	uint32_t hash;   // net_flow_hash of key
	uint32_t seq;    // host byte order, as all numbers here
	uint32_t ack;    // as it stands in the header, whether or not the ACK flag is set
	uint16_t window; // not scaled
	uint16_t payload_len;
	uint8_t flags;
	uint8_t ecn;
	uint8_t options_len; // 0 to 40, a multiple of 4
	uint8_t port_idx;
	bool forwarded; // came from another worker through net_forward: not to be forwarded again
	const uint8_t *options;
};

_Static_assert(sizeof(struct segment) <= 88, "a burst of 64 stays within the first-level cache");
