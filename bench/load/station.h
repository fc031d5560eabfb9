// SPDX-License-Identifier: Apache-2.0
//
// What the generator stands on: EAL, one or two ports, and on them net, tcp, crypto and tls of the dataplane,
// assembled as in a worker (worker.h), on one core.
//
// Client connections are legs (proxy/leg.h), the proxy's own way of putting TLS on a TCP connection. Of a
// struct proxy they need buffers, a pool of TLS connections, and scratch: `legs` has these and nothing else.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/log_ring.h"
#include "crypto/crypto.h"
#include "load/options.h"
#include "net/net.h"
#include "proxy/proxy.h"
#include "tls/engine.h"

enum {
	STATION_BURST = 256
};

struct station {
	const struct load_options *options;
	struct arena arena;
	struct counters counters;
	struct log_ring log;
	struct net_config net_config;
	struct net_address_config *addresses;
	struct net_route_config routes[2];
	struct port *ports[LOAD_DEVICES_MAX];
	struct rte_mempool *rx_pool, *tx_pool, *record_pool;
	struct net *net;
	struct tcp *tcp;
	struct crypto crypto;
	struct tls_engine tls;
	struct proxy legs;
	struct segment segments[STATION_BURST];
	uint64_t now_us;
	uint64_t now_tsc;
};

// Ends the process with a reason when something is not to be had.
void station_open(struct station *station, const struct load_options *options);

// First half of a turn: receives, and runs lanes. Returns the number of things that happened.
uint64_t station_receive(struct station *station);

// Second half: timers, and what is to be sent leaves. Returns the number of packets that left.
uint64_t station_send(struct station *station);

// Whether every port has a link and every address of ours may be used.
bool station_is_up(struct station *station);

// Gives everything back. Returns the number of packet buffers that have leaked.
uint64_t station_close(struct station *station);

// The address at a place in a range.
struct ip_addr station_address(const struct load_range *range, uint32_t idx);
