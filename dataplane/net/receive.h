// SPDX-License-Identifier: Apache-2.0
//
// From frames to segments.
#pragma once

#include "net/segment.h"

struct net;
struct net_port;
struct rte_mbuf;

// Where frames come from: the wire, another worker that found that they are ours, or one whose tcp found so
// (net_forward).
enum receive_origin {
	RECEIVE_WIRE,
	RECEIVE_PASSED,
	RECEIVE_FORWARDED
};

// Takes n frames received on a port; all of them are used up. Writes one segment for each TCP packet (at most
// n) and returns how many.
uint32_t receive_frames(struct net *net, struct net_port *port, struct rte_mbuf **frames, uint32_t n,
	enum receive_origin origin, struct segment *out);

// Makes a segment's mbuf a frame again, as it was received.
void receive_undo(struct segment *segment);
