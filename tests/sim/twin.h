// SPDX-License-Identifier: Apache-2.0
//
// Two whole stacks, tcp over net over port_mem, on the two ends of one wire, in virtual time.
//
//   stacks[0] 192.0.2.1  2001:db8::1 ====== wire ====== stacks[1] 192.0.2.2  2001:db8::2
//                                                       with its fellow workers, if any, behind the same port
//
// A turn of a stack is the worker's: receive, ICMP, (the test's own work), timers, flush. The test moves time
// to the next thing that is due anywhere. Buffers come from pools that are counted at the end: a leak fails.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/log_ring.h"
#include "net/net.h"
#include "net/port_mem.h"
#include "tcp/tcp.h"

enum {
	TWIN_WORKERS_MAX = 4
};

struct twin_stack {
	struct net *net;
	struct tcp *tcp;
	struct port *wire_end;
	struct twin_port {
		struct port port;
		struct port *inner;
		uint64_t random;
		uint32_t corrupt_ppm;
		uint32_t misdirect_ppm;
		uint64_t n_misdirected;
	} port;
	struct counters counters;
	struct log_ring log;
	struct ip_addr v4, v6;
	struct net_config config;
};

struct twin_options {
	uint64_t seed;
	uint16_t mtu;
	uint32_t capabilities[2];
	// One bit of a frame is flipped, behind the wire: one, because the Internet checksum does not notice
	// every pair, and what it does not notice TCP can't repair.
	uint32_t corrupt_ppm;
	struct port_mem_wire wire[2]; // in front of which the stacks learn to know each other without loss
	struct tcp_config tcp[2];
	uint32_t n_workers; // of the second end; 0: 1. They share its one queue, unless
	bool rss;           // it has one for each, over which it spreads flows, and
	// puts so many bursts of a million into a queue where they do not belong: NICs do that while their
	// tables are changed, and with packets whose ports they can't see.
	uint32_t misdirect_ppm;
};

struct twin {
	struct twin_stack stacks[2];
	struct twin_stack others[TWIN_WORKERS_MAX - 1]; // the second end's workers beside stacks[1], if any
	struct exchange *exchange;
	struct arena *arena; // kept from twin to twin
	const struct twin_options *options;
};

// Starts EAL and makes the pools, once per process. app_buffer_len is the data room of twin_app_buffer.
// cache_len is that of the pools' per-core caches; 0 where buffers are counted to the last one while it runs.
void twin_start(uint32_t n_buffers, uint16_t mtu_max, uint16_t app_buffer_len, uint32_t cache_len);

void twin_open(struct twin *twin, const struct twin_options *options);

// Frees everything and asserts that every buffer came back.
void twin_close(struct twin *twin);

// A buffer for sending, of the length that twin_start was given; NULL when there is none.
struct rte_mbuf *twin_app_buffer(void);

// The parts of a turn, in this order, with the test's work between them.
void twin_receive(struct twin *twin, uint32_t side);
void twin_send(struct twin *twin, uint32_t side);

// When something is due at the earliest: frames that arrive and timers, of one stack or of both.
uint64_t twin_side_next_us(const struct twin *twin, uint32_t side);
uint64_t twin_next_us(const struct twin *twin);

// The same for one worker of the second end, whose twin_side_next_us is that of worker 0.
void twin_worker_receive(struct twin *twin, uint32_t worker);
void twin_worker_send(struct twin *twin, uint32_t worker);

static inline struct twin_stack *twin_worker(struct twin *twin, uint32_t worker)
{
	return worker == 0 ? &twin->stacks[1] : &twin->others[worker - 1];
}

uint64_t twin_worker_next_us(const struct twin *twin, uint32_t worker);

static inline uint64_t twin_count(const struct twin *twin, uint32_t side, enum counter id)
{
	return counter_get(&twin->stacks[side].counters, id);
}
