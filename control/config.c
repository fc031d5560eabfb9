// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <stdlib.h>
#include <string.h>

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	memory_zone_free(&config->zone);
	free(config);
}

// What operators may change live lies over these.
static void note_configured(struct config *config)
{
	config->configured_limits = config->limits;
	for (size_t i = 0; i < config->n_backends; i++)
		for (size_t j = 0; j < config->backends[i].n_servers; j++)
			config->backends[i].servers[j].configured_weight =
				config->backends[i].servers[j].weight;
}

// Cross-references are looked at only when every value is there and allowed: otherwise one mistake would be
// reported many times, and the checks would meet what can't be.
static struct config *finish(struct config *config, bool read_well, struct config_errors *errors)
{
	if (read_well)
		config_check(config, errors);
	if (errors->n == 0) {
		note_configured(config);
		return config;
	}
	config_free(config);
	return NULL;
}

struct config *config_load(const char *path, struct config_errors *errors)
{
	struct config *config = memory_alloc(1, sizeof *config);

	return finish(config, config_read_file(config, path, errors), errors);
}

struct config *config_parse(const char *name, const char *text, size_t len, struct config_errors *errors)
{
	struct config *config = memory_alloc(1, sizeof *config);

	return finish(config, config_read_text(config, name, text, len, errors), errors);
}

static bool same_workers(const struct config_dataplane *a, const struct config_dataplane *b)
{
	return a->n_workers == b->n_workers &&
	       memcmp(a->workers, b->workers, a->n_workers * sizeof a->workers[0]) == 0;
}

static bool same_routes(const struct config_port *a, const struct config_port *b)
{
	if (a->n_routes != b->n_routes)
		return false;
	for (size_t i = 0; i < a->n_routes; i++)
		if (!address_equal(&a->routes[i].to.address, &b->routes[i].to.address) ||
			a->routes[i].to.len != b->routes[i].to.len ||
			!address_equal(&a->routes[i].via, &b->routes[i].via))
			return false;
	return true;
}

static bool same_port(const struct config_port *a, const struct config_port *b)
{
	if (strcmp(a->name, b->name) != 0 || strcmp(a->device, b->device) != 0 || a->mtu != b->mtu ||
		a->vlan != b->vlan || a->n_addresses != b->n_addresses || a->n_gateways != b->n_gateways ||
		!same_routes(a, b))
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		if (!address_equal(&a->addresses[i].address, &b->addresses[i].address) ||
			a->addresses[i].len != b->addresses[i].len)
			return false;
	for (size_t i = 0; i < a->n_gateways; i++)
		if (!address_equal(&a->gateways[i], &b->gateways[i]))
			return false;
	return true;
}

static bool same_user(const struct config_dataplane *a, const struct config_dataplane *b)
{
	return strcmp(a->user != NULL ? a->user : "", b->user != NULL ? b->user : "") == 0;
}

bool config_needs_restart(const struct config *running, const struct config *next, const char **out_key)
{
	const struct config_dataplane *a = &running->dataplane;
	const struct config_dataplane *b = &next->dataplane;
	bool ports_differ = a->n_ports != b->n_ports;

	for (size_t i = 0; i < a->n_ports && !ports_differ; i++)
		ports_differ = !same_port(&a->ports[i], &b->ports[i]);
	*out_key = strcmp(a->name, b->name) != 0       ? "dataplane.name"
		   : !same_workers(a, b)               ? "dataplane.workers"
		   : a->memory != b->memory            ? "dataplane.memory"
		   : a->poll != b->poll                ? "dataplane.poll"
		   : a->huge_pages != b->huge_pages    ? "dataplane.huge-pages"
		   : strcmp(a->socket, b->socket) != 0 ? "dataplane.socket"
		   : !same_user(a, b)                  ? "dataplane.user"
		   : ports_differ                      ? "dataplane.ports"
						       : NULL;
	return *out_key != NULL;
}
