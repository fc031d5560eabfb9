// SPDX-License-Identifier: Apache-2.0
#include "net/route.h"

#include "net/config.h"
#include "net/own_address.h"

size_t route_table_footprint(const struct net_config *config)
{
	return (config->n_routes + config->n_addresses + config->n_ports) * sizeof(struct route) + 64;
}

static bool is_zero(const struct ip_addr *addr)
{
	return (addr->words[0] | addr->words[1]) == 0;
}

static bool same_route(const struct route *a, const struct route *b)
{
	return a->prefix_len == b->prefix_len && a->port_idx == b->port_idx &&
	       ip_addr_in_prefix(&a->destination, &b->destination, a->prefix_len);
}

// Inserts behind the routes of the same or a longer prefix. What stands there first wins: on-link networks
// come before static routes.
static void insert(struct route_table *table, const struct route *route)
{
	uint32_t place = table->n;

	for (uint32_t i = 0; i < table->n; i++)
		if (same_route(&table->items[i], route))
			return;
	while (place > 0 && table->items[place - 1].prefix_len < route->prefix_len)
		place--;
	memmove(&table->items[place + 1], &table->items[place], (table->n - place) * sizeof *route);
	table->items[place] = *route;
	table->n++;
}

bool route_table_init(struct route_table *table, struct arena *arena, const struct net_config *config,
	const struct own_addresses *own)
{
	*table = (struct route_table){0};
	table->items = arena_alloc(arena, route_table_footprint(config), 64);
	if (table->items == NULL)
		return false;
	for (uint32_t i = 0; i < own->n; i++) {
		const struct own_address *address = &own->items[i];
		struct route route = {.destination = address->addr,
			.prefix_len = address->prefix_len,
			.port_idx = address->port_idx};

		insert(table, &route);
	}
	for (uint32_t i = 0; i < config->n_routes; i++) {
		const struct net_route_config *static_route = &config->routes[i];
		struct route route = {.destination = static_route->destination,
			.gateway = static_route->gateway,
			.prefix_len = static_route->prefix_len,
			.port_idx = static_route->port_idx};

		insert(table, &route);
	}
	return true;
}

const struct route *route_find(
	const struct route_table *table, const struct ip_addr *remote, uint8_t port_idx)
{
	bool is_v4 = ip_addr_is_v4(remote);

	for (uint32_t i = 0; i < table->n; i++) {
		const struct route *route = &table->items[i];

		if (port_idx != ROUTE_ANY_PORT && route->port_idx != port_idx)
			continue;
		// An IPv6 default route must not catch mapped addresses.
		if (is_v4 != ip_addr_is_v4(&route->destination))
			continue;
		if (ip_addr_in_prefix(remote, &route->destination, route->prefix_len))
			return route;
	}
	return NULL;
}

bool route_next_hop(const struct route *route, const struct ip_addr *remote, struct ip_addr *out)
{
	if (!is_zero(&route->gateway)) {
		*out = route->gateway;
		return true;
	}
	// The network's first and last address mean the network itself and everyone in it, but for /31 (RFC
	// 3021) and /32.
	if (ip_addr_is_v4(remote) && route->prefix_len >= IP_ADDR_V4_PREFIX_LEN && route->prefix_len < 127) {
		uint32_t host_mask = UINT32_MAX >> (route->prefix_len - IP_ADDR_V4_PREFIX_LEN);
		uint32_t host = __builtin_bswap32(ip_addr_v4(remote)) & host_mask;

		if (host == 0 || host == host_mask)
			return false;
	}
	*out = *remote;
	return true;
}
