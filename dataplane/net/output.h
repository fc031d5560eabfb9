// SPDX-License-Identifier: Apache-2.0
//
// The way out: where a destination is reached, and what turns a TCP segment into frames.
#pragma once

#include "net/addr.h"

struct net;
struct rte_mbuf;

enum net_path_capability {
	NET_PATH_CHECKSUM = 1 << 1,
	NET_PATH_TSO = 1 << 2,
	NET_PATH_MULTI_SEGMENT = 1 << 3
};

// A destination resolved to port and next hop. A connection keeps one per leg; it stays valid while the
// configuration does. Copying it is fine. The neighbour's entry is only a hint that net renews by itself.
struct net_path {
	uint32_t neighbor_idx;
	uint32_t neighbor_generation;
	uint16_t mtu;          // largest IP packet (headers included) on this port
	uint16_t capabilities; // enum net_path_capability
	uint8_t segments_max;  // mbufs in one chain
	uint8_t port_idx;
	bool is_v4;
};

_Static_assert(sizeof(struct net_path) == 16, "part of every connection");

// Longest prefix, then gateway, then port. False: no route, or local is not an address of ours on that port
// (strong end system, RFC 1122 3.3.4.2), or the two are of different families; nothing is written then.
bool net_path_find(
	struct net *net, const struct ip_addr *local, const struct ip_addr *remote, struct net_path *out);

// The address of ours from which to reach `remote` (for connections without a configured source): the first
// usable one on the port of its route, one in the same network first. False: no route or no address.
bool net_source_find(struct net *net, const struct ip_addr *remote, struct ip_addr *out);

// A transmit buffer: empty, data starting at NET_TX_HEADROOM, so that TCP header (at most 60 bytes) and
// everything below it can be prepended. NULL when the pool is empty (counted). Free with rte_pktmbuf_free if
// it is not sent.
enum {
	NET_TX_HEADROOM = 128
};
struct rte_mbuf *net_mbuf_alloc(struct net *net);

// Fills the array or nothing. True: n buffers as above.
bool net_mbuf_alloc_burst(struct net *net, struct rte_mbuf **out, uint16_t n);

// Sends one TCP segment. m starts at the TCP header, whose checksum field is zero; pkt_len is the TCP header
// and payload; from here on the reference is net's. net prepends IP and Ethernet headers (58 bytes of
// headroom at most), fills in the TCP checksum or has the NIC do it, and queues the frame for net_flush, or
// for its neighbour's resolution.
//
//   ecn       the two bits of the IP header (segment.h)
//   tso_mss   0: m is one segment, its IP packet within path->mtu (asserted). Otherwise m is cut into
//   segments
//             of that much payload: only where the path has NET_PATH_TSO; pkt_len at most 65,495.
//
// A caller that keeps a second reference (a retransmission queue, rte_mbuf_refcnt) finds afterwards: payload
// and TCP header unchanged but for the checksum field; bytes below the TCP header, data_off, data_len,
// pkt_len, ol_flags and the *_len and tso_segsz fields changed. It must not send the same mbuf again before
// the first transmission has given its reference back (refcnt 1 again): copy it then. Chains longer than the
// path takes are copied into one buffer (counted), so that they are correct everywhere, if slower.
//
// Nothing is returned: what can't be sent is dropped and counted, and TCP's own timers notice.
void net_output_tcp(struct net *net, struct net_path *path, const struct flow_key *key, struct rte_mbuf *m,
	uint8_t ecn, uint16_t tso_mss);
