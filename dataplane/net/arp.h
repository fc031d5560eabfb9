// SPDX-License-Identifier: Apache-2.0
//
// ARP: RFC 826, with conflict detection by RFC 5227. Worker 0 only.
#pragma once

#include "base/counters.h"
#include "net/addr.h"

struct net;
struct net_port;
struct rte_mbuf;

// Takes a frame whose link header was checked. Returns why it is refused (the mbuf stays the caller's) or
// PACKET_OK (it was answered or discarded).
enum counter arp_receive(struct net *net, struct net_port *port, struct rte_mbuf *m);

// Asks for a neighbour; `mac` is where a unicast question goes, NULL for broadcast.
void arp_solicit(struct net *net, struct net_port *port, const struct ip_addr *target, const uint8_t mac[6]);

// Tells everyone our link address, and asks whether anyone else has this address.
void arp_announce(struct net *net, struct net_port *port, const struct ip_addr *own);
void arp_probe(struct net *net, struct net_port *port, const struct ip_addr *own);
