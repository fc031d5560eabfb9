// SPDX-License-Identifier: Apache-2.0
//
// The last step of the way out: complete frames gather per port and leave in bursts.
//
//   transmit_frame -> [ refused by the NIC, then new ones ] -> transmit_flush --+--> NIC queue
//                                                                              \--> ring to the port's driver
//
// The queue is bounded; a frame that finds it full after one more try at the NIC is dropped and counted. So
// is the first one when the NIC has taken nothing for a tenth of a second: there are drivers that refuse a
// certain frame for ever, and no frame may hold up all others.
#pragma once

#include "base/arena.h"

struct net;
struct net_port;
struct rte_mbuf;

struct transmit_queue {
	struct rte_mbuf **mbufs;
	uint32_t mask;
	uint32_t head; // next to write; head - tail frames wait
	uint32_t tail;
	uint64_t stuck_us; // since when the NIC has taken nothing of what waits; 0: it takes
};

// capacity is a power of two. False when the arena has no room.
bool transmit_init(struct transmit_queue *queue, struct arena *arena, uint32_t capacity);

// Takes a frame that starts at its Ethernet header.
void transmit_frame(struct net *net, struct net_port *port, struct rte_mbuf *m);

void transmit_flush(struct net *net, struct net_port *port);

// Frees what waits.
void transmit_stop(struct transmit_queue *queue);
