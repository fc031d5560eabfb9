// SPDX-License-Identifier: Apache-2.0
//
// A received packet while it is parsed: where its layers lie, and what the IP header says. Lives on the stack
// of receive.c.
#pragma once

#include "base/span.h"
#include "net/addr.h"

struct net_port;
struct own_address;
struct rte_mbuf;

struct packet {
	struct rte_mbuf *mbuf; // data starts at the link header until the packet is handed on
	struct net_port *port;
	uint8_t *ip;
	uint8_t *transport;     // behind the IP header
	uint32_t transport_len; // bytes there, by the IP header, all within the mbuf
	struct ip_addr source;
	struct ip_addr destination;
	struct own_address *own; // the destination; NULL: multicast
	uint8_t protocol;
	uint8_t hop_limit;
	uint8_t ecn;
	bool is_query;     // of multicast listener discovery, with the router alert option
	bool link_unicast; // sent to our link address
	bool passed;       // from another worker, which found that it is ours
	bool forwarded;    // ... by net_forward
};

static inline struct span packet_transport(const struct packet *packet)
{
	return span_of(packet->transport, packet->transport_len);
}
