// SPDX-License-Identifier: Apache-2.0
//
// What config_check finds in ports, addresses and routes: everything that would make the dataplane refuse to
// start, or start and reach nobody.
#include "config.h"

#include <stdio.h>
#include <string.h>

enum {
	PATH_MAX_LEN = 192
};

struct checking {
	const struct config *config;
	struct config_errors *errors;
};

static bool on_link(const struct config_port *port, const struct address *address)
{
	for (size_t i = 0; i < port->n_addresses; i++)
		if (prefix_holds(&port->addresses[i], address))
			return true;
	return false;
}

bool config_is_own_address(const struct config *config, const struct address *address)
{
	const struct config_dataplane *dataplane = &config->dataplane;

	for (size_t i = 0; i < dataplane->n_ports; i++)
		for (size_t j = 0; j < dataplane->ports[i].n_addresses; j++)
			if (address_equal(&dataplane->ports[i].addresses[j].address, address))
				return true;
	return false;
}

static bool port_reaches(const struct config_port *port, const struct address *address)
{
	if (on_link(port, address))
		return true;
	for (size_t i = 0; i < port->n_gateways; i++)
		if (address_is_v4(&port->gateways[i]) == address_is_v4(address))
			return true;
	for (size_t i = 0; i < port->n_routes; i++)
		if (prefix_holds(&port->routes[i].to, address))
			return true;
	return false;
}

bool config_is_reachable(const struct config *config, const struct address *address)
{
	for (size_t i = 0; i < config->dataplane.n_ports; i++)
		if (port_reaches(&config->dataplane.ports[i], address))
			return true;
	return false;
}

static void check_workers(const struct checking *checking)
{
	const struct config_dataplane *dataplane = &checking->config->dataplane;
	char path[PATH_MAX_LEN];

	if (dataplane->n_workers == 0)
		config_fault(checking->config, checking->errors, "dataplane.workers",
			"found an empty list; allowed: 1 to 64 CPU cores");
	for (size_t i = 0; i < dataplane->n_workers; i++) {
		for (size_t j = 0; j < i; j++) {
			if (dataplane->workers[i] != dataplane->workers[j])
				continue;
			(void)snprintf(path, sizeof path, "dataplane.workers[%zu]", i);
			config_fault(checking->config, checking->errors, path,
				"found core %llu twice; allowed: one worker on a core",
				(unsigned long long)dataplane->workers[i]);
		}
	}
}

// Whether another port, or the same one before, has the address.
static void check_address_once(const struct checking *checking, size_t port_idx, size_t address_idx)
{
	const struct config_port *ports = checking->config->dataplane.ports;
	const struct address *address = &ports[port_idx].addresses[address_idx].address;
	char path[PATH_MAX_LEN];

	for (size_t i = 0; i <= port_idx; i++) {
		const size_t n = i == port_idx ? address_idx : ports[i].n_addresses;

		for (size_t j = 0; j < n; j++) {
			char text[ADDRESS_TEXT_MAX];

			if (!address_equal(&ports[i].addresses[j].address, address))
				continue;
			address_format(address, text);
			(void)snprintf(path, sizeof path, "dataplane.ports[%zu].addresses[%zu]", port_idx,
				address_idx);
			config_fault(checking->config, checking->errors, path,
				"found %s, which port '%s' has already", text, ports[i].name);
			return;
		}
	}
}

static void check_addresses(const struct checking *checking, size_t port_idx)
{
	const struct config_port *port = &checking->config->dataplane.ports[port_idx];
	char path[PATH_MAX_LEN];
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < port->n_addresses; i++) {
		prefix_format(&port->addresses[i], text);
		(void)snprintf(path, sizeof path, "dataplane.ports[%zu].addresses[%zu]", port_idx, i);
		if (!address_is_unicast(&port->addresses[i].address))
			config_fault(checking->config, checking->errors, path,
				"found %s; allowed: an address that a single machine can have", text);
		else
			check_address_once(checking, port_idx, i);
	}
}

// A next hop must be a neighbour, and not ourselves. Link-local IPv6 gateways are neighbours of every port.
static void check_next_hop(const struct checking *checking, const struct config_port *port, const char *path,
	const struct address *via)
{
	char text[ADDRESS_TEXT_MAX];
	const bool link_local = via->bytes[0] == 0xfe && (via->bytes[1] & 0xc0) == 0x80;

	address_format(via, text);
	if (config_is_own_address(checking->config, via))
		config_fault(checking->config, checking->errors, path,
			"found %s, which is a port's own address", text);
	else if (!address_is_unicast(via) || (!link_local && !on_link(port, via)))
		config_fault(checking->config, checking->errors, path,
			"found %s; allowed: an address on one of the networks of port '%s'", text,
			port->name);
}

static void check_gateways(const struct checking *checking, size_t port_idx)
{
	const struct config_port *ports = checking->config->dataplane.ports;
	const struct config_port *port = &ports[port_idx];
	char path[PATH_MAX_LEN];

	for (size_t i = 0; i < port->n_gateways; i++) {
		const bool v4 = address_is_v4(&port->gateways[i]);

		(void)snprintf(path, sizeof path, "dataplane.ports[%zu].gateways[%zu]", port_idx, i);
		check_next_hop(checking, port, path, &port->gateways[i]);
		for (size_t j = 0; j <= port_idx; j++)
			for (size_t k = 0; k < (j == port_idx ? i : ports[j].n_gateways); k++)
				if (address_is_v4(&ports[j].gateways[k]) == v4)
					config_fault(checking->config, checking->errors, path,
						"found a second default gateway for %s; port '%s' has one "
						"already",
						v4 ? "IPv4" : "IPv6", ports[j].name);
	}
}

static void check_routes(const struct checking *checking, size_t port_idx)
{
	const struct config_port *port = &checking->config->dataplane.ports[port_idx];
	char path[PATH_MAX_LEN];
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < port->n_routes; i++) {
		const struct config_route *route = &port->routes[i];
		const struct address network = prefix_network(&route->to);

		prefix_format(&route->to, text);
		(void)snprintf(path, sizeof path, "dataplane.ports[%zu].routes[%zu].to", port_idx, i);
		if (!address_equal(&network, &route->to.address))
			config_fault(checking->config, checking->errors, path,
				"found %s, which has bits after its prefix; allowed: a network's address",
				text);
		(void)snprintf(path, sizeof path, "dataplane.ports[%zu].routes[%zu].via", port_idx, i);
		if (address_is_v4(&route->to.address) != address_is_v4(&route->via))
			config_fault(checking->config, checking->errors, path,
				"found an address of the other family than %s", text);
		else
			check_next_hop(checking, port, path, &route->via);
	}
}

static void check_port_names(const struct checking *checking, size_t port_idx)
{
	const struct config_port *ports = checking->config->dataplane.ports;
	char path[PATH_MAX_LEN];

	for (size_t i = 0; i < port_idx; i++) {
		if (strcmp(ports[i].name, ports[port_idx].name) == 0) {
			(void)snprintf(path, sizeof path, "dataplane.ports[%zu].name", port_idx);
			config_fault(checking->config, checking->errors, path,
				"found '%s', the name of an earlier port", ports[port_idx].name);
		}
		if (strcmp(ports[i].device, ports[port_idx].device) == 0) {
			(void)snprintf(path, sizeof path, "dataplane.ports[%zu].device", port_idx);
			config_fault(checking->config, checking->errors, path,
				"found the device of port '%s'; allowed: one port on a device",
				ports[i].name);
		}
	}
	if (strlen(ports[port_idx].device) > 255) {
		(void)snprintf(path, sizeof path, "dataplane.ports[%zu].device", port_idx);
		config_fault(checking->config, checking->errors, path,
			"found %zu characters; allowed: at most 255", strlen(ports[port_idx].device));
	}
}

void config_check_network(const struct config *config, struct config_errors *errors)
{
	const struct checking checking = {.config = config, .errors = errors};
	size_t n_addresses = 0;
	size_t n_routes = 0;

	check_workers(&checking);
	for (size_t i = 0; i < config->dataplane.n_ports; i++) {
		const struct config_port *port = &config->dataplane.ports[i];

		check_port_names(&checking, i);
		check_addresses(&checking, i);
		check_gateways(&checking, i);
		check_routes(&checking, i);
		n_addresses += port->n_addresses;
		n_routes += port->n_routes + port->n_gateways;
	}
	if (n_addresses > 1024)
		config_fault(
			config, errors, "dataplane.ports", "found %zu addresses; allowed: 1024", n_addresses);
	if (n_routes > 1024)
		config_fault(config, errors, "dataplane.ports", "found %zu routes; allowed: 1024", n_routes);
}
