// SPDX-License-Identifier: Apache-2.0
//
// Multicast listener discovery: says which solicited-node groups we are in, so that switches that snoop keep
// sending us the questions of neighbour discovery (RFC 4861 7.2.1). Version 2 (RFC 3810), and version 1 (RFC
// 2710) for as long as a router asks in it. Listener side only; worker 0 only.
//
//   link up ------------------> report now, and once more within a second
//   query of a router --------> report within the time that it allows; a later query doesn't put it off
//
// Every report names all groups of its port: there are as many as addresses, and each may be asked for.
#pragma once

#include "base/counters.h"
#include "net/net_timer.h"
#include "net/packet.h"

struct net;
struct net_port;

// A port's part of it.
struct mld {
	struct net_timer timer;
	uint8_t n_changes;    // reports of the new state that are still to be sent
	bool asked;           // a query waits for its answer
	uint64_t v1_until_us; // a router that knows only version 1 was heard
	uint64_t reported_us; // when the last report left
};

// The port's link came up. Does nothing on a port without IPv6 addresses.
void mld_start(struct net *net, struct net_port *port);

// Takes a listener query whose checksum was verified and that came with the router alert option. Returns why
// it is refused (the mbuf stays the caller's) or PACKET_OK (it was discarded).
enum counter mld_receive(struct net *net, struct packet *packet);

void mld_timeout(struct net *net, struct net_port *port);
