// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct net, for net's own files. One worker owns all of it.
#pragma once

#include "base/counters.h"
#include "base/timer_wheel.h"
#include "net/exchange.h"
#include "net/mld.h"
#include "net/neighbor.h"
#include "net/net.h"
#include "net/own_address.h"
#include "net/port.h"
#include "net/route.h"
#include "net/transmit.h"

struct rte_mbuf;

// One worker's view of a port. Either the port has a queue for this worker (shared is false, driver is this
// worker), or all workers share queue 0: the driver polls it, spreads what it receives and sends what the
// others hand it.
struct net_port {
	struct port *device;
	const struct own_address *last_local; // the destination that the last packet had
	uint8_t mac[6];
	uint8_t idx;
	uint8_t link_len; // 14, or 18 with a VLAN
	uint16_t vlan;
	uint16_t queue;
	uint16_t mtu;
	uint16_t segments_max;
	uint32_t capabilities; // of port_capability
	uint32_t driver;
	bool shared;
	bool link_up;
	struct transmit_queue transmit;
	struct mld mld;
};

enum {
	NET_DROPS_MAX = 64,
	NET_ICMP_ERRORS_MAX = 64,
	NET_TIMERS_PER_CALL = 64,
	NET_LINK_POLL_US = 500 * 1000
};

struct net {
	struct counters *counters;
	uint64_t now_us;
	uint32_t worker_idx;
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t n_drops;
	uint32_t next_source; // where the next net_rx_burst starts: ports first, then workers
	struct exchange *exchange;
	struct rte_mempool *tx_pool;
	struct log_ring *log;
	struct rte_mbuf *drops[NET_DROPS_MAX]; // refused and counted, freed in bulk
	struct net_port ports[NET_PORTS_MAX];
	struct own_addresses own;
	struct route_table routes;
	struct neighbor_table neighbors;
	struct timer_wheel timers;
	struct net_timer link_timer;
	struct net_config config; // with defaults filled in
	uint32_t n_icmp_errors;
	struct net_icmp_error icmp_errors[NET_ICMP_ERRORS_MAX];
};

// Parsers return why a packet is refused: a counter, or this.
#define PACKET_OK N_COUNTERS

// Takes an mbuf to free at the end of the burst.
void net_discard(struct net *net, struct rte_mbuf *m);

// The same, counted.
static inline void net_drop(struct net *net, struct rte_mbuf *m, enum counter reason)
{
	counter_inc(net->counters, reason);
	net_discard(net, m);
}

void net_discard_flush(struct net *net);

// Hands a frame to another worker; drops and counts when the ring is full. The frame starts at its Ethernet
// header.
void net_pass_frame(
	struct net *net, uint32_t to, const struct net_port *port, struct rte_mbuf *m, bool forwarded);

// Worker 0 keeps the neighbour table of record, announces and defends our addresses.
static inline bool net_is_resolver(const struct net *net)
{
	return net->worker_idx == 0;
}
