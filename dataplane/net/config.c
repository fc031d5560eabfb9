// SPDX-License-Identifier: Apache-2.0
#include "net/config.h"

#include "net/neighbor.h"
#include "net/port.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

struct complaint {
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static bool complain(
	struct complaint complaint, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(complaint.text, complaint.len, format, arguments);
	va_end(arguments);
	return false;
}

struct addr_text {
	char text[INET6_ADDRSTRLEN];
};

static struct addr_text text_of(const struct ip_addr *addr)
{
	struct addr_text out;

	if (ip_addr_is_v4(addr))
		(void)inet_ntop(AF_INET, addr->bytes + IP_ADDR_V4_OFFSET, out.text, sizeof out.text);
	else
		(void)inet_ntop(AF_INET6, addr->bytes, out.text, sizeof out.text);
	return out;
}

static bool check_port(const struct net_config *config, uint32_t idx, struct complaint complaint)
{
	const struct net_port_config *port = &config->ports[idx];

	if (port->port == NULL)
		return complain(complaint, "port %u: not opened", idx);
	if (port->mtu < NET_MTU_MIN || port->mtu > port->port->info.mtu)
		return complain(complaint, "port %u (%s): MTU %u is not between %u and the port's %u", idx,
			port->port->info.name, port->mtu, NET_MTU_MIN, port->port->info.mtu);
	if (port->vlan > 4094)
		return complain(complaint, "port %u (%s): VLAN %u is not between 1 and 4094", idx,
			port->port->info.name, port->vlan);
	for (uint32_t i = 0; i < idx; i++)
		if (config->ports[i].port == port->port)
			return complain(complaint, "ports %u and %u are the same device (%s)", i, idx,
				port->port->info.name);
	return true;
}

static bool prefix_fits(const struct ip_addr *addr, uint8_t prefix_len)
{
	return prefix_len <= 128 && (!ip_addr_is_v4(addr) || prefix_len >= IP_ADDR_V4_PREFIX_LEN);
}

static bool check_address(const struct net_config *config, uint32_t idx, struct complaint complaint)
{
	const struct net_address_config *address = &config->addresses[idx];
	struct addr_text text = text_of(&address->addr);

	if (address->port_idx >= config->n_ports)
		return complain(complaint, "address %s: there is no port %u", text.text, address->port_idx);
	if (!ip_addr_is_unicast(&address->addr))
		return complain(complaint, "address %s: not a unicast address", text.text);
	if (!prefix_fits(&address->addr, address->prefix_len) || address->prefix_len == 0)
		return complain(complaint, "address %s: prefix length %u (of 128) does not fit", text.text,
			address->prefix_len);
	for (uint32_t i = 0; i < idx; i++)
		if (ip_addr_equal(&config->addresses[i].addr, &address->addr))
			return complain(complaint, "address %s is there twice", text.text);
	return true;
}

static bool is_zero(const struct ip_addr *addr)
{
	return (addr->words[0] | addr->words[1]) == 0;
}

// A gateway is reached without a gateway: it is in a network of an address of ours on that port, or
// link-local.
static bool gateway_on_link(const struct net_config *config, const struct net_route_config *route)
{
	if (ip_addr_is_link_local(&route->gateway))
		return true;
	for (uint32_t i = 0; i < config->n_addresses; i++) {
		const struct net_address_config *address = &config->addresses[i];

		if (address->port_idx == route->port_idx && !ip_addr_equal(&address->addr, &route->gateway) &&
			ip_addr_in_prefix(&route->gateway, &address->addr, address->prefix_len))
			return true;
	}
	return false;
}

static bool check_route(const struct net_config *config, uint32_t idx, struct complaint complaint)
{
	const struct net_route_config *route = &config->routes[idx];
	struct addr_text destination = text_of(&route->destination);
	struct addr_text gateway = text_of(&route->gateway);

	if (route->port_idx >= config->n_ports)
		return complain(
			complaint, "route to %s: there is no port %u", destination.text, route->port_idx);
	if (!prefix_fits(&route->destination, route->prefix_len))
		return complain(complaint, "route to %s: prefix length %u (of 128) does not fit",
			destination.text, route->prefix_len);
	if (is_zero(&route->gateway))
		return true;
	if (ip_addr_is_v4(&route->gateway) != ip_addr_is_v4(&route->destination))
		return complain(complaint, "route to %s: gateway %s is of the other address family",
			destination.text, gateway.text);
	if (!ip_addr_is_unicast(&route->gateway) || !gateway_on_link(config, route))
		return complain(complaint, "route to %s: gateway %s is in no network of port %u",
			destination.text, gateway.text, route->port_idx);
	return true;
}

bool net_config_check(const struct net_config *config, char *reason, size_t reason_len)
{
	struct complaint complaint = {.text = reason, .len = reason_len};

	if (config->n_ports == 0 || config->n_ports > NET_PORTS_MAX)
		return complain(complaint, "%u ports; there must be 1 to %u", config->n_ports, NET_PORTS_MAX);
	if (config->n_addresses > NET_ADDRESSES_MAX || config->n_routes > NET_ROUTES_MAX)
		return complain(complaint, "%u addresses and %u routes; at most %u and %u are possible",
			config->n_addresses, config->n_routes, NET_ADDRESSES_MAX, NET_ROUTES_MAX);
	if (config->neighbors_max > NET_NEIGHBORS_MAX || config->tx_queue_len > NET_TX_QUEUE_MAX)
		return complain(complaint,
			"%u neighbours and %u packets in a queue; at most %u and %u are possible",
			config->neighbors_max, config->tx_queue_len, NET_NEIGHBORS_MAX, NET_TX_QUEUE_MAX);
	if (config->pending_per_neighbor > NEIGHBOR_PENDING_MAX)
		return complain(complaint, "%u packets waiting per neighbour; at most %u are possible",
			config->pending_per_neighbor, NEIGHBOR_PENDING_MAX);
	for (uint32_t i = 0; i < config->n_ports; i++)
		if (!check_port(config, i, complaint))
			return false;
	for (uint32_t i = 0; i < config->n_addresses; i++)
		if (!check_address(config, i, complaint))
			return false;
	for (uint32_t i = 0; i < config->n_routes; i++)
		if (!check_route(config, i, complaint))
			return false;
	return true;
}

static uint32_t power_of_two_from(uint32_t value)
{
	uint32_t power = 1;

	while (power < value)
		power *= 2;
	return power;
}

struct net_config net_config_with_defaults(const struct net_config *config)
{
	struct net_config out = *config;

	if (out.neighbors_max == 0)
		out.neighbors_max = 1024;
	if (out.tx_queue_len == 0)
		out.tx_queue_len = 1024;
	out.tx_queue_len = power_of_two_from(out.tx_queue_len);
	if (out.pending_per_neighbor == 0)
		out.pending_per_neighbor = 8;
	if (out.pending_max == 0)
		out.pending_max = 512;
	return out;
}
