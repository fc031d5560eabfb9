// SPDX-License-Identifier: Apache-2.0
//
// An in-process wire with a port at each end, for simulations, unit tests and benchmarks. Frames are copied
// into the receiving end's pool when they are sent, and are delivered when base/clock says that they have
// arrived. All chance comes from the seed, so that a run replays.
//
//   end 0 sends -> loss, corruption, duplication, rate, queue, delay, jitter, reordering -> end 1 receives
//   end 1 sends -> the same with settings of its own                                     -> end 0 receives
//
// Ends play a NIC with the capabilities that they are given: they fill in checksums, cut TSO segments, mark
// receive verdicts and spread over queues by RSS, all before the wire does its harm.
//
// Not thread-safe: both ends are driven by one thread, or by threads that take turns.
#pragma once

#include "net/port.h"

#include <stddef.h>

struct rte_mempool;

// What one direction of the wire does to frames. All zero: a perfect wire without delay or limit.
struct port_mem_wire {
	uint32_t loss_ppm; // probabilities per million frames
	uint32_t duplicate_ppm;
	uint32_t corrupt_ppm; // one to three random bits are flipped
	uint32_t reorder_ppm; // the frame is held back by reorder_us
	uint32_t reorder_us;
	uint32_t delay_us;
	uint32_t jitter_us; // uniform, added to the delay; order is kept unless reorder strikes
	uint64_t rate_bps;  // 0: unlimited; counts Ethernet frames without preamble
	// Frames on the wire or waiting for it; 0: 4096. More are dropped, as a switch does. A later change
	// may not ask for more than 4096 or what the wire was opened with.
	uint32_t queue_len;
};

struct port_mem_end {
	uint8_t mac[PORT_MAC_LEN];
	uint16_t mtu;
	uint16_t n_queues; // more than one needs PORT_CAN_RSS
	uint32_t capabilities;
	uint8_t rss_key[PORT_RSS_KEY_MAX];
	struct rte_mempool *rx_pool;
	struct port_mem_wire wire; // what happens to the frames that this end sends
};

struct port_mem_config {
	uint64_t seed;
	struct port_mem_end ends[2];
};

struct port_mem_stats {
	uint64_t sent, delivered, lost, duplicated, corrupted, reordered, queue_full, no_mbuf;
};

// Takes memory from malloc: simulations only. False when there is none.
bool port_mem_open(const struct port_mem_config *config, struct port *out_ends[2]);

// Changes the wire that follows `end`'s transmissions; frames on their way keep their times.
void port_mem_set_wire(struct port *end, const struct port_mem_wire *wire);

// Takes the link down or up on both ends. Frames sent while it is down are lost.
void port_mem_set_link(struct port *end, bool up);

// What became of the frames that `end` sent.
void port_mem_wire_stats(const struct port *end, struct port_mem_stats *out_stats);

// When the next frame arrives at `end` (clock_now_us's base): UINT64_MAX when none is on its way. A
// simulation moves its virtual clock there.
uint64_t port_mem_next_us(const struct port *end);
