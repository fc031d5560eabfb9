// SPDX-License-Identifier: Apache-2.0
//
// Routes: on-link networks of our addresses and the static routes, longest prefix first, a flat array that is
// searched from the top. Connections keep what they found (struct net_path), so that only a new one searches.
#pragma once

#include "base/arena.h"
#include "net/addr.h"

struct net_config;
struct own_addresses;

struct route {
	struct ip_addr destination;
	struct ip_addr gateway; // all zero: on-link
	uint8_t prefix_len;
	uint8_t port_idx;
};

struct route_table {
	struct route *items;
	uint32_t n;
};

size_t route_table_footprint(const struct net_config *config);

// Networks that several addresses share stand in the table once.
bool route_table_init(struct route_table *table, struct arena *arena, const struct net_config *config,
	const struct own_addresses *own);

// The route to an address, or NULL. Link-local destinations are on-link everywhere: `port_idx` says where;
// for others a port_idx other than ROUTE_ANY_PORT restricts the search to that port.
#define ROUTE_ANY_PORT UINT8_MAX
const struct route *route_find(
	const struct route_table *table, const struct ip_addr *remote, uint8_t port_idx);

// The neighbour to which packets for `remote` go. False: it is the network's own or broadcast address (IPv4).
bool route_next_hop(const struct route *route, const struct ip_addr *remote, struct ip_addr *out);
