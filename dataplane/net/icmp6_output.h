// SPDX-License-Identifier: Apache-2.0
//
// ICMPv6 messages of our own that go straight to a link address: neighbour discovery and multicast listener
// reports. They ask no route and no neighbour.
#pragma once

#include "net/addr.h"

struct net;
struct net_port;
struct rte_mbuf;

struct icmp6_envelope {
	const struct ip_addr *source;
	const struct ip_addr *destination;
	const uint8_t *mac;
	uint8_t hop_limit;
	bool router_alert; // with the hop-by-hop option of RFC 2711, for routers to look at it
};

// Sends a message that starts at the mbuf's data and whose checksum field is zero.
void icmp6_output(
	struct net *net, struct net_port *port, struct rte_mbuf *m, const struct icmp6_envelope *envelope);
