// SPDX-License-Identifier: Apache-2.0
//
// ICMP (RFC 792) and ICMPv6 (RFC 4443): echo is answered, errors about our TCP segments go to icmp_error.h,
// neighbour discovery to nd.h, everything else is counted and dropped.
#pragma once

#include "base/counters.h"
#include "net/packet.h"

struct net;

// Takes a packet whose IP header was checked. Returns why it is refused (the mbuf stays the caller's) or
// PACKET_OK (it was answered, passed on or discarded).
enum counter icmp_receive(struct net *net, struct packet *packet);
