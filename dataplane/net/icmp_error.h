// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors about TCP segments of ours: what they quote is checked for everything that can be known without
// the connection, and queued for tcp (net.h, struct net_icmp_error) on the worker that owns the flow.
#pragma once

#include "base/counters.h"
#include "net/packet.h"

struct net;

// Takes an ICMP error whose checksum was verified. Returns why it is refused (the mbuf stays the caller's) or
// PACKET_OK (it was queued or passed on, and the mbuf discarded or passed on).
enum counter icmp_error_receive(struct net *net, struct packet *packet);
