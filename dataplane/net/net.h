// SPDX-License-Identifier: Apache-2.0
//
// The network edge of one worker: everything between its port queues and TCP. Ethernet, VLAN, ARP, neighbour
// discovery, IPv4, IPv6 and ICMP live below this header; above it are segments (segment.h), paths and output
// (output.h).
//
//   port queues --\                           /--> struct segment[]                 to tcp
//   other workers --> net_rx_burst (parse) ---+--> ARP, ND, echo: answered here
//                                              \--> ICMP errors: net_icmp_errors    to tcp
//   tcp --> net_output_tcp (output.h) --> transmit queue --> net_flush --+--> port queue
//                                                                        \--> worker that drives the port
//
// All functions but net_init and net_footprint are called by the owning worker only. A turn calls, in order:
// net_rx_burst, net_icmp_errors, (tcp), net_timers, net_flush.
#pragma once

#include "net/config.h"
#include "net/segment.h"

#include <stddef.h>

struct arena;
struct counters;
struct exchange;
struct log_ring;
struct net;
struct rte_mempool;

struct net_setup {
	const struct net_config *config; // outlives the instance
	struct counters *counters;
	struct log_ring *log;
	struct exchange *exchange;   // NULL with one worker
	struct rte_mempool *tx_pool; // what net_mbuf_alloc takes from, this worker's
	uint32_t worker_idx;
	uint32_t n_workers;
};

// Bytes of arena that an instance takes.
size_t net_footprint(const struct net_config *config);

// NULL when the arena has no room. The configuration has passed net_config_check (asserted where cheap).
// Which queue of which port the worker drives follows from the port: its own queue where the port has one per
// worker, otherwise worker (port_idx % n_workers) drives queue 0 for all.
struct net *net_init(const struct net_setup *setup, struct arena *arena, uint64_t now_us);

// Frees every mbuf that the instance holds (transmit arrays, packets that wait for neighbours). The arena's
// owner takes back the memory.
void net_stop(struct net *net);

enum {
	NET_RX_BURST_MIN = 64
};

// One receive step: polls this worker's queues and the rings from other workers, at most 64 frames from each
// source, answers what net answers itself, and returns the TCP segments, at most n_max (at least
// NET_RX_BURST_MIN). Sources that found no room are polled first next time. Segments of one flow are in the
// order of their arrival; equal flows often stand next to each other.
uint32_t net_rx_burst(struct net *net, uint64_t now_us, struct segment *out, uint32_t n_max);

// Hands a segment to the worker that should have got it, for tcp to call when it finds no connection for it
// here. True: it belongs to another worker and was passed on or (ring full) dropped, the mbuf is not the
// caller's any more. False: this worker is its owner, or it came from another worker already; the caller goes
// on as with any segment without a connection.
bool net_forward(struct net *net, struct segment *segment);

enum net_icmp_kind {
	NET_ICMP_PACKET_TOO_BIG,   // mtu holds the next hop's IP MTU (RFC 1191, RFC 8201)
	NET_ICMP_UNREACHABLE_HARD, // protocol or port unreachable, administratively prohibited (RFC
				   // 5461 2.1, 2.2)
	NET_ICMP_UNREACHABLE_SOFT  // network or host unreachable, time exceeded: transient
};

// An ICMP error about a segment that we are said to have sent. What net verified: checksum, that the quoted
// packet is TCP, unfragmented, from one of our addresses on that port, and sent to the same address as the
// error was; that the MTU is smaller than the quoted packet and not below the protocol's minimum (68 or
// 1280). What tcp has to verify (RFC 5927 4.1, RFC 8201 4): that the connection exists, that seq is in
// flight; and it bounds how far the MTU may fall.
struct net_icmp_error {
	struct flow_key key; // the connection's key: local is the quoted packet's source
	uint32_t hash;
	uint32_t seq; // of the quoted segment
	uint16_t mtu; // PACKET_TOO_BIG only
	uint8_t kind; // enum net_icmp_kind
	uint8_t port_idx;
};

// Takes up to n errors that have arrived for flows of this worker; returns how many. The queue holds 64; more
// are dropped and counted.
uint32_t net_icmp_errors(struct net *net, struct net_icmp_error *out, uint32_t n);

// The hash that segments carry, for flows that we open.
uint32_t net_flow_hash(const struct net *net, const struct flow_key *key);

// Which worker receives the segments of this flow when they arrive at that port. For choosing the local port
// of a connection that we open: the first one for which this is net_worker_idx(net). Costs a flow hash
// without RSS, a Toeplitz hash in software with it.
uint32_t net_worker_of(const struct net *net, uint8_t port_idx, const struct flow_key *key);

uint32_t net_worker_idx(const struct net *net);

// Whether it is an address of ours that may be used now (IPv6: duplicate address detection has passed);
// *out_port_idx (if not NULL) is its port.
bool net_address_usable(const struct net *net, const struct ip_addr *addr, uint8_t *out_port_idx);

// Everything that is due: neighbour resolution, probes and expiry, duplicate address detection,
// announcements, link state. At most 64 timers a call.
void net_timers(struct net *net, uint64_t now_us);

// When net_timers has something to do at the earliest; how long an idle worker may sleep.
uint64_t net_next_timer_us(const struct net *net);

// Sends what has gathered: transmit arrays to the ports. What a NIC refuses stays queued, in order and
// bounded.
void net_flush(struct net *net, uint64_t now_us);

// For operators: neighbours of this worker's table, one per call. *cursor starts at 0; false at the end.
struct net_neighbor_info {
	struct ip_addr addr;
	uint8_t mac[6];
	uint8_t port_idx;
	uint8_t state;   // enum neighbor_state, neighbor.h
	uint64_t age_us; // since it was last confirmed
};
bool net_neighbor_next(
	const struct net *net, uint64_t now_us, uint32_t *cursor, struct net_neighbor_info *out);
