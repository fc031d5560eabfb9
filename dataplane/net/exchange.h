// SPDX-License-Identifier: Apache-2.0
//
// What crosses from worker to worker inside net: one single-writer single-reader ring per ordered pair
// (DESIGN.md section 4). A full ring drops and counts; nobody ever waits. One exchange exists per process,
// made before the workers run.
//
//   FRAME      a received frame for its owner: from the worker that polls a shared port, or an ICMP error or
//   an
//              ARP or ND frame that the NIC put elsewhere than where it is handled
//   TRANSMIT   a complete frame for the worker that drives a shared port
//   WANT       a worker needs a neighbour resolved (to worker 0, which runs resolution for all)
//   NEIGHBOR   what worker 0 knows of a neighbour (to everyone who asked)
//   ADDRESS    whether an address of ours may be used (worker 0 to all)
#pragma once

#include "net/addr.h"

#include <stddef.h>

struct arena;
struct rte_mbuf;

enum exchange_kind {
	EXCHANGE_FRAME,
	EXCHANGE_TRANSMIT,
	EXCHANGE_WANT,
	EXCHANGE_NEIGHBOR,
	EXCHANGE_ADDRESS
};

struct exchange_message {
	uint8_t kind; // enum exchange_kind
	uint8_t port_idx;
	bool resolved;  // NEIGHBOR: mac is valid; otherwise nobody answered
	bool forwarded; // FRAME: handed on by net_forward
	uint8_t mac[6];
	union {
		struct rte_mbuf *mbuf; // FRAME, TRANSMIT: the reader's
		struct ip_addr addr;   // WANT, NEIGHBOR, ADDRESS
	};
};

struct exchange;

// Bytes of arena that an exchange takes.
size_t exchange_footprint(uint32_t n_workers, uint32_t ring_len);

// ring_len is a power of two, messages per pair. NULL when the arena has no room. The rings are in our own
// memory; mbufs are only named in them.
struct exchange *exchange_init(struct arena *arena, uint32_t n_workers, uint32_t ring_len);

// By worker `from` only. False when the ring is full: the message was not taken, its mbuf is still the
// caller's.
bool exchange_push(
	struct exchange *exchange, uint32_t from, uint32_t to, const struct exchange_message *message);

// By worker `to` only: up to n messages from worker `from`.
uint32_t exchange_pop(
	struct exchange *exchange, uint32_t from, uint32_t to, struct exchange_message *out, uint32_t n);

// Frees every mbuf that is still in a ring; at stop, when no worker runs any more.
void exchange_drain(struct exchange *exchange);
