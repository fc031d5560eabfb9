// SPDX-License-Identifier: Apache-2.0
//
// What net needs to know of the network: built whole by the main thread, checked whole, immutable while any
// worker uses it.
#pragma once

#include "net/addr.h"
#include "net/flow_hash.h"

#include <stddef.h>

struct port;

enum {
	NET_PORTS_MAX = 16,
	NET_ADDRESSES_MAX = 4096,
	NET_ROUTES_MAX = 1024,
	NET_NEIGHBORS_MAX = 1 << 20,
	NET_TX_QUEUE_MAX = 1 << 16,
	NET_MTU_MIN = 1280 // RFC 8200 5; one figure for both families
};

struct net_port_config {
	struct port *port;
	uint16_t vlan; // 1 to 4094: frames carry this tag; 0: untagged
	uint16_t mtu;  // largest IP packet, at most the port's
};

// An address of ours and the network that it is in. The network is on-link.
struct net_address_config {
	struct ip_addr addr;
	uint8_t prefix_len; // of 128; IPv4: 96 + n
	uint8_t port_idx;
};

// A static route; prefix_len 0 (IPv6) or 96 (IPv4) is a default route. The gateway is on-link on the port;
// all zero: the destination itself is on-link.
struct net_route_config {
	struct ip_addr destination;
	struct ip_addr gateway;
	uint8_t prefix_len;
	uint8_t port_idx;
};

struct net_config {
	uint32_t n_ports;
	uint32_t n_addresses;
	uint32_t n_routes;
	struct net_port_config ports[NET_PORTS_MAX];
	const struct net_address_config *addresses;
	const struct net_route_config *routes;
	uint32_t neighbors_max;        // entries of each worker's table; 0: 1024
	uint32_t tx_queue_len;         // packets that wait per port for the NIC; 0: 1024
	uint32_t pending_per_neighbor; // packets that wait for an unresolved neighbour; 0: 8
	uint32_t pending_max;          // ... and for all of them together; 0: 512
	struct flow_secret
		flow_secret; // the same for all workers, from the system's random numbers, new at each start
};

// Everything that could be wrong with it, before anything is built from it. False: `reason` says what and
// where.
bool net_config_check(const struct net_config *config, char *reason, size_t reason_len);

// The configuration with its zeros replaced by what they stand for, and tx_queue_len rounded up to a power of
// two.
struct net_config net_config_with_defaults(const struct net_config *config);
