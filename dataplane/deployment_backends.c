// SPDX-License-Identifier: Apache-2.0
//
// Backends of a snapshot: their servers, and the addresses of ours that these are reached from. A backend's
// place is the number that its name has in the table of terms, the same in all snapshots in use.
#include "base/assert.h"
#include "decoding.h"

enum {
	MS = 1000, // microseconds
};

// The address of ours that a server is reached from: one of the network that it is in, else any of its
// family.
static bool choose_source(const struct net_config *net, const struct ip_addr *server, struct ip_addr *out)
{
	const struct net_address_config *any = NULL;

	for (uint32_t i = 0; i < net->n_addresses; i++) {
		const struct net_address_config *address = &net->addresses[i];

		if (ip_addr_is_v4(&address->addr) != ip_addr_is_v4(server))
			continue;
		if (ip_addr_in_prefix(server, &address->addr, address->prefix_len)) {
			*out = address->addr;
			return true;
		}
		if (any == NULL && !ip_addr_is_link_local(&address->addr))
			any = address;
	}
	if (any != NULL)
		*out = any->addr;
	return any != NULL;
}

static const struct server_terms *use_server_terms(
	struct decoding *decoding, const struct snapshot_server *record, const char *backend)
{
	struct deployment *deployment = decoding->deployment;
	char name[sizeof record->name + 1] = "";
	const struct server_terms *terms;

	if (deployment->n_server_terms == DEPLOYMENT_SERVERS_MAX)
		return NULL;
	memcpy(name, record->name, sizeof record->name);
	terms = terms_use_server(decoding->terms,
		&(struct tally_server_id){
			.backend = backend, .name = name, .address = record->address, .port = record->port});
	if (terms != NULL)
		deployment->server_terms[deployment->n_server_terms++] = terms;
	return terms;
}

static bool read_server(struct decoding *decoding, const char *backend, struct upstream_server_config *out)
{
	struct snapshot_server record;
	struct span tail;

	if (!decoding_next(decoding, SNAPSHOT_SERVER, &record, sizeof record, &tail))
		return false;
	*out = (struct upstream_server_config){
		.addr = ip_addr_from_bytes(record.address), .port = record.port, .weight = record.weight};
	if (!ip_addr_is_unicast(&out->addr) || record.port == 0 || record.weight > UPSTREAM_WEIGHT_MAX ||
		record.backup > 1 || record.drain > 1)
		return refuse(decoding->reason,
			"snapshot: backend '%s': a server's address, port, weight or use is impossible",
			backend);
	out->terms = use_server_terms(decoding, &record, backend);
	if (out->terms == NULL)
		return refuse(decoding->reason,
			"snapshot: backend '%s': too many servers, those included that left earlier and "
			"still have connections",
			backend);
	out->connections_max = record.connections;
	out->backup = record.backup != 0;
	out->drain = record.drain != 0;
	return true;
}

static struct upstream_pool_config pool_config(const struct snapshot_backend *record)
{
	struct upstream_pool_config config;

	upstream_pool_config_default(&config);
	config.balance = (enum upstream_balance)record->balance;
	config.connections_max = record->connections;
	config.slow_start_us = (uint64_t)record->slow_start_ms * MS;
	config.check_interval_us = record->check == SNAPSHOT_CHECK_TCP
					   ? (uint64_t)record->check_interval_ms * MS
					   : 0;
	config.check_interval_down_us = config.check_interval_us;
	if (record->check_timeout_ms != 0)
		config.check_timeout_us = (uint64_t)record->check_timeout_ms * MS;
	config.retries = record->retries < UPSTREAM_RETRIES_MAX ? record->retries : UPSTREAM_RETRIES_MAX;
	config.rise = record->rise != 0 ? record->rise : config.rise;
	config.fall = record->fall != 0 ? record->fall : config.fall;
	return config;
}

// The source addresses that the snapshot names, as many as the proxy spreads over.
static bool read_sources(
	struct decoding *decoding, const struct snapshot_backend *backend, struct proxy_backend *out)
{
	struct snapshot_source source;
	struct span tail;

	for (uint32_t i = 0; i < backend->n_sources; i++) {
		if (!decoding_next(decoding, SNAPSHOT_SOURCE, &source, sizeof source, &tail))
			return false;
		if (i < PROXY_SOURCES_MAX)
			out->locals[out->n_locals++] = ip_addr_from_bytes(source.address);
	}
	return true;
}

static bool has_family(const struct deployment_pool *pool, bool is_v4)
{
	for (uint32_t i = 0; i < pool->n_servers; i++)
		if (ip_addr_is_v4(&pool->servers[i].addr) == is_v4)
			return true;
	return false;
}

// Every server is reached from somewhere, and every source that was named reaches some server.
static bool settle_sources(struct decoding *decoding, const struct snapshot_backend *record,
	const struct deployment_pool *pool, struct proxy_backend *out)
{
	for (uint32_t i = 0; i < out->n_locals; i++)
		if (!has_family(pool, ip_addr_is_v4(&out->locals[i])))
			return refuse(decoding->reason,
				"snapshot: backend '%s': source %u is not of its servers' family",
				record->name, i + 1);
	for (uint32_t i = 0; i < pool->n_servers; i++) {
		const struct ip_addr *server = &pool->servers[i].addr;

		if (proxy_backend_source(out, server, 0) != PROXY_SOURCES_MAX)
			continue;
		if (record->n_sources != 0)
			return refuse(decoding->reason,
				"snapshot: backend '%s': no source is of the family of server %u",
				record->name, i + 1);
		if (!choose_source(decoding->net, server, &out->locals[out->n_locals++]))
			return refuse(decoding->reason,
				"snapshot: backend '%s': no address of ours is of its servers' family",
				record->name);
	}
	return true;
}

// The place of a backend, which is its name's.
static struct proxy_backend *use_place(struct decoding *decoding, uint32_t idx)
{
	struct deployment *deployment = decoding->deployment;
	const char *name = decoding->backends[idx].name;
	const uint32_t pool_idx = terms_use_backend(decoding->terms, name);

	if (pool_idx == POOL_NONE) {
		(void)refuse(decoding->reason,
			"snapshot: backend '%s': handshakes under earlier snapshots still use too many "
			"others; try again",
			name);
		return NULL;
	}
	decoding->pool_idxs[idx] = pool_idx;
	deployment->pools[idx].idx = pool_idx;
	deployment->n_pools++;
	if (pool_idx >= deployment->proxy.n_backends)
		deployment->proxy.n_backends = pool_idx + 1;
	return &decoding->places[pool_idx];
}

static bool read_backend(struct decoding *decoding, uint32_t idx)
{
	struct deployment_pool *pool = &decoding->deployment->pools[idx];
	struct snapshot_backend *record = &decoding->backends[idx];
	struct proxy_backend *place;
	struct span tail;

	if (!decoding_next(decoding, SNAPSHOT_BACKEND, record, sizeof *record, &tail))
		return false;
	if (memchr(record->name, 0, sizeof record->name) == NULL || record->balance > SNAPSHOT_SOURCE_HASH ||
		record->proxy > SNAPSHOT_PROXY_V2)
		return refuse(decoding->reason, "snapshot: backend %u: a field is out of bounds", idx);
	if (record->n_servers == 0 || record->n_servers > UPSTREAM_SERVERS_MAX)
		return refuse(decoding->reason, "snapshot: backend '%s': %u servers; 1 to %d are possible",
			record->name, record->n_servers, UPSTREAM_SERVERS_MAX);
	place = use_place(decoding, idx);
	if (place == NULL)
		return false;
	if (place->n_locals != 0)
		return refuse(decoding->reason, "snapshot: backend '%s' is there twice", record->name);
	pool->config = pool_config(record);
	pool->n_servers = record->n_servers;
	pool->servers = decoding_take(decoding, record->n_servers, sizeof *pool->servers);
	place->name = decoding_keep_name(decoding, record->name);
	if (pool->servers == NULL || place->name == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	for (uint32_t i = 0; i < record->n_servers; i++)
		if (!read_server(decoding, record->name, &pool->servers[i]))
			return false;
	place->proxy_protocol = (enum proxy_protocol_version)record->proxy;
	return read_sources(decoding, record, place) && settle_sources(decoding, record, pool, place);
}

bool decoding_read_backends(struct decoding *decoding)
{
	struct deployment *deployment = decoding->deployment;
	const uint32_t n = decoding->head.n_backends;

	decoding->places = decoding_take(decoding, TERMS_BACKENDS, sizeof *decoding->places);
	decoding->pool_idxs = decoding_take(decoding, n + 1, sizeof *decoding->pool_idxs);
	decoding->backends = decoding_take(decoding, n + 1, sizeof *decoding->backends);
	deployment->pools = decoding_take(decoding, n + 1, sizeof *deployment->pools);
	deployment->server_terms = decoding_take(
		decoding, DEPLOYMENT_SERVERS_MAX, sizeof *deployment->server_terms);
	if (decoding->places == NULL || decoding->pool_idxs == NULL || decoding->backends == NULL ||
		deployment->pools == NULL || deployment->server_terms == NULL)
		return refuse(decoding->reason, "snapshot: memory is short");
	deployment->proxy.backends = decoding->places;
	for (uint32_t i = 0; i < n; i++)
		if (!read_backend(decoding, i))
			return false;
	return true;
}
