// SPDX-License-Identifier: Apache-2.0
//
// IPv6 neighbour discovery: RFC 4861 for neighbours, RFC 4862 5.4 for duplicates. Routers' messages are
// ignored: routes are configured. Worker 0 only.
#pragma once

#include "base/counters.h"
#include "net/packet.h"

struct net;

// Takes an ICMPv6 message of type 133 to 137 whose checksum was verified. Returns why it is refused (the mbuf
// stays the caller's) or PACKET_OK (it was answered or discarded).
enum counter nd_receive(struct net *net, struct packet *packet);

// Asks for a neighbour; `mac` is where a unicast question goes, NULL for its solicited-node group.
void nd_solicit(struct net *net, struct net_port *port, const struct ip_addr *target, const uint8_t mac[6]);

// Tells all nodes our link address.
void nd_announce(struct net *net, struct net_port *port, const struct ip_addr *own);

// Asks whether anyone else has this address, from the unspecified address.
void nd_detect(struct net *net, struct net_port *port, const struct ip_addr *own);

// The group in which an address is asked for (RFC 4291 2.7.1).
struct ip_addr nd_solicited_node_of(const struct ip_addr *addr);

// Whether it is all-nodes or a solicited-node group (RFC 4291 2.7.1): the only groups that we are in.
bool nd_is_our_group(const struct ip_addr *addr);
