// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream.h"

#include "base/assert.h"
#include "proxy/admission.h"
#include "proxy/balance.h"

enum {
	EJECTIONS_MAX = 4, // doublings
	ARENA_ALIGN = 64
};

void upstream_pool_config_default(struct upstream_pool_config *config)
{
	*config = (struct upstream_pool_config){
		.balance = UPSTREAM_ROUND_ROBIN,
		.check_interval_us = 2000000,
		.check_interval_down_us = 2000000,
		.check_timeout_us = 1000000,
		.retries = 3,
		.rise = 2,
		.fall = 3,
		.eject_failures = 3,
		.eject_us = 10000000,
	};
}

// Of servers whose owner gave none.
static const struct server_terms no_terms;

size_t upstream_footprint(const struct upstream_sizes *sizes)
{
	return pool_footprint(sizes->n_servers, sizeof(struct upstream_server)) +
	       sizes->n_pools *
		       (sizeof(struct upstream_pool) + sizes->table_max * sizeof(uint16_t) + ARENA_ALIGN) +
	       sizeof(struct tally_server_row) + sizeof(uint32_t) + 3 * (size_t)ARENA_ALIGN;
}

bool upstream_init(struct upstream *upstream, struct arena *arena, const struct upstream_sizes *sizes)
{
	*upstream = (struct upstream){.n_pools = sizes->n_pools,
		.n_workers = sizes->n_workers != 0 ? sizes->n_workers : 1,
		.table_max = sizes->table_max,
		.check_due_us = UINT64_MAX};
	if (!pool_init(&upstream->servers, arena, sizes->n_servers, sizeof(struct upstream_server)))
		return false;
	upstream->pools = arena_alloc(arena, sizes->n_pools * sizeof(struct upstream_pool), ARENA_ALIGN);
	upstream->tallies = arena_alloc(arena, sizeof *upstream->tallies, ARENA_ALIGN);
	upstream->holds = arena_alloc(arena, sizeof *upstream->holds, ARENA_ALIGN);
	if (upstream->pools == NULL || upstream->tallies == NULL || upstream->holds == NULL)
		return false;
	for (uint32_t i = 0; i < sizes->n_pools && sizes->table_max != 0; i++) {
		upstream->pools[i].table = arena_alloc(
			arena, sizes->table_max * sizeof(uint16_t), ARENA_ALIGN);
		if (upstream->pools[i].table == NULL)
			return false;
	}
	return true;
}

static struct upstream_server *server_at(struct upstream *upstream, uint32_t server_idx)
{
	SLUICE_ASSERT(pool_in_use(&upstream->servers, server_idx));
	return pool_at(&upstream->servers, server_idx);
}

void upstream_show_state(const struct upstream *upstream, const struct upstream_server *server)
{
	enum {
		DOWN,
		UP,
		EJECTED,
		DRAINING
	} state = UP;

	if (server->state == UPSTREAM_DOWN)
		state = DOWN;
	else if (server->drain)
		state = DRAINING;
	else if (server->ejected_until_us != 0)
		state = EJECTED;
	tally_server_set(upstream_row(upstream, server), TALLY_SERVER_STATE, state);
	tally_server_set(upstream_row(upstream, server), TALLY_SERVER_WEIGHT, server->weight);
}

// --- configuration ---

static bool same_server(const struct upstream_server_config *a, const struct ip_addr *addr, uint16_t port)
{
	return a->port == port && ip_addr_equal(&a->addr, addr);
}

static uint32_t find_server(struct upstream *upstream, const struct upstream_pool *pool,
	const struct upstream_server_config *config)
{
	for (uint32_t i = 0; i < pool->n_servers; i++) {
		const struct upstream_server *server = server_at(upstream, pool->servers[i]);

		if (same_server(config, &server->addr, server->port))
			return pool->servers[i];
	}
	return UPSTREAM_NONE;
}

// Whether the new servers make sense and have room, before anything is changed.
static bool check_servers(struct upstream *upstream, const struct upstream_pool *pool,
	const struct upstream_server_config *servers, uint32_t n_servers)
{
	uint32_t n_new = 0;

	if (n_servers > UPSTREAM_SERVERS_MAX)
		return false;
	for (uint32_t i = 0; i < n_servers; i++) {
		if (servers[i].weight > UPSTREAM_WEIGHT_MAX)
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (same_server(&servers[i], &servers[j].addr, servers[j].port))
				return false;
		if (find_server(upstream, pool, &servers[i]) == UPSTREAM_NONE)
			n_new++;
	}
	return n_new <= pool_n_free(&upstream->servers);
}

static void schedule_check(struct upstream *upstream, struct upstream_server *server, uint64_t due_us)
{
	server->check_due_us = due_us;
	if (due_us < upstream->check_due_us)
		upstream->check_due_us = due_us;
}

static uint32_t new_server(
	struct upstream *upstream, uint32_t pool_idx, const struct upstream_server_config *config)
{
	struct upstream_server *server = pool_alloc(&upstream->servers);

	SLUICE_ASSERT(server != NULL);
	terms_hold(&upstream->holds[no_terms.idx]);
	*server = (struct upstream_server){.addr = config->addr,
		.port = config->port,
		.pool_idx = pool_idx,
		.terms = &no_terms,
		.generation = ++upstream->generation,
		.state = UPSTREAM_UP, // until a check says otherwise
		.check_due_us = UINT64_MAX};
	if (upstream->pools[pool_idx].config.check_interval_us != 0)
		schedule_check(upstream, server, 0);
	return pool_index(&upstream->servers, server);
}

// A server that left its pool goes when its last connection does.
static void free_if_unused(struct upstream *upstream, struct upstream_server *server)
{
	if (server->pool_idx != UPSTREAM_NONE || server->n_connections != 0)
		return;
	terms_let_go(&upstream->holds[server->terms->idx]);
	pool_free(&upstream->servers, server);
}

// Connections that are open go with the server from one row of counters to the other.
static void set_terms(
	struct upstream *upstream, struct upstream_server *server, const struct server_terms *terms)
{
	const uint32_t n = server->n_connections;

	if (server->terms == terms)
		return;
	if (server->terms->tally_idx != terms->tally_idx && n != 0) {
		tally_server_add(upstream_row(upstream, server), TALLY_SERVER_CLOSED, n);
		tally_server_add(&upstream->tallies[terms->tally_idx], TALLY_SERVER_CONNECTIONS, n);
	}
	terms_hold(&upstream->holds[terms->idx]);
	terms_let_go(&upstream->holds[server->terms->idx]);
	server->terms = terms;
}

static void forsake(struct upstream *upstream, uint32_t server_idx)
{
	struct upstream_server *server = server_at(upstream, server_idx);

	server->pool_idx = UPSTREAM_NONE;
	server->check_due_us = UINT64_MAX;
	free_if_unused(upstream, server);
}

// A server that gets nothing new keeps its place in the hash table, so that the others keep their sources.
static void set_share(const struct upstream *upstream, struct upstream_server *server,
	const struct upstream_server_config *config)
{
	server->weight = config->weight != 0 ? config->weight : 1;
	server->connections_max = admission_share(config->connections_max, upstream->n_workers);
	server->drain = config->drain || config->weight == 0;
	upstream_show_state(upstream, server);
}

bool upstream_set_pool(struct upstream *upstream, uint32_t pool_idx,
	const struct upstream_pool_config *config, const struct upstream_server_config *servers,
	uint32_t n_servers)
{
	struct upstream_pool *pool = &upstream->pools[pool_idx];
	uint32_t indices[UPSTREAM_SERVERS_MAX];

	SLUICE_ASSERT(pool_idx < upstream->n_pools);
	if (!check_servers(upstream, pool, servers, n_servers))
		return false;
	pool->config = *config;
	pool->in_use = true;
	for (uint32_t i = 0; i < pool->n_servers; i++)
		server_at(upstream, pool->servers[i])->kept = false;
	for (uint32_t i = 0; i < n_servers; i++) {
		struct upstream_server *server;

		indices[i] = find_server(upstream, pool, &servers[i]);
		if (indices[i] == UPSTREAM_NONE)
			indices[i] = new_server(upstream, pool_idx, &servers[i]);
		server = server_at(upstream, indices[i]);
		set_terms(upstream, server, servers[i].terms != NULL ? servers[i].terms : &no_terms);
		server->backup = servers[i].backup;
		server->current_weight = 0;
		server->kept = true;
		if (config->check_interval_us != 0 && server->check_due_us == UINT64_MAX &&
			!server->check_out)
			schedule_check(upstream, server, 0);
		if (config->check_interval_us == 0) {
			server->check_due_us = UINT64_MAX;
			server->check_out = false;
			server->state = UPSTREAM_UP; // nobody would ever find it up again
		}
		set_share(upstream, server, &servers[i]);
	}
	for (uint32_t i = 0; i < pool->n_servers; i++)
		if (!server_at(upstream, pool->servers[i])->kept)
			forsake(upstream, pool->servers[i]);
	memcpy(pool->servers, indices, n_servers * sizeof indices[0]);
	pool->n_servers = n_servers;
	pool->next_tie = 0;
	pool->n_table = 0;
	if (config->balance == UPSTREAM_SOURCE_HASH)
		balance_fill_table(upstream, pool, upstream->table_max);
	return true;
}

void upstream_retire_pool(struct upstream *upstream, uint32_t pool_idx)
{
	struct upstream_pool *pool = &upstream->pools[pool_idx];

	SLUICE_ASSERT(pool_idx < upstream->n_pools);
	pool->config.check_interval_us = 0;
	for (uint32_t i = 0; i < pool->n_servers; i++) {
		struct upstream_server *server = server_at(upstream, pool->servers[i]);

		server->check_due_us = UINT64_MAX;
		server->check_out = false; // nobody waits for its answer
	}
}

void upstream_remove_pool(struct upstream *upstream, uint32_t pool_idx)
{
	struct upstream_pool *pool = &upstream->pools[pool_idx];

	SLUICE_ASSERT(pool_idx < upstream->n_pools);
	for (uint32_t i = 0; i < pool->n_servers; i++)
		forsake(upstream, pool->servers[i]);
	pool->n_servers = 0;
	pool->n_table = 0;
	pool->in_use = false;
}

// --- connections ---

static bool was_tried(const struct upstream_choice *choice, uint32_t server_idx)
{
	for (uint32_t i = 0; i < choice->n_tried; i++)
		if (choice->tried[i] == server_idx)
			return true;
	return false;
}

// Which servers would do, and in which order: the first wish that some server fulfils decides.
struct wish {
	bool backup;
	bool ejected_too;
};

static const struct wish wishes[] = {{false, false}, {false, true}, {true, false}, {true, true}};

static void find_eligible(struct upstream *upstream, const struct upstream_choice *choice, uint64_t now_us,
	struct wish wish, struct balance_eligible *out)
{
	const struct upstream_pool *pool = &upstream->pools[choice->pool_idx];

	*out = (struct balance_eligible){0};
	for (uint32_t i = 0; i < pool->n_servers; i++) {
		const struct upstream_server *server = server_at(upstream, pool->servers[i]);
		bool full = server->connections_max != 0 && server->n_connections >= server->connections_max;

		if (server->state != UPSTREAM_UP || server->drain || full || server->backup != wish.backup ||
			(!wish.ejected_too && server->ejected_until_us > now_us) ||
			was_tried(choice, pool->servers[i]))
			continue;
		out->bits[i / 64] |= UINT64_C(1) << (i % 64);
		out->n++;
	}
}

static bool pool_is_full(struct upstream *upstream, const struct upstream_pool *pool)
{
	uint32_t limit = admission_share(pool->config.connections_max, upstream->n_workers);
	uint32_t n = 0;

	for (uint32_t i = 0; limit != 0 && i < pool->n_servers; i++)
		n += server_at(upstream, pool->servers[i])->n_connections;
	return limit != 0 && n >= limit;
}

uint32_t upstream_choose(struct upstream *upstream, struct upstream_choice *choice, uint64_t now_us)
{
	struct upstream_pool *pool = &upstream->pools[choice->pool_idx];
	struct balance_eligible eligible;
	struct upstream_server *server;
	uint32_t position;

	SLUICE_ASSERT(choice->pool_idx < upstream->n_pools);
	SLUICE_ASSERT(pool->config.retries <= UPSTREAM_RETRIES_MAX);
	if (choice->n_tried > pool->config.retries || pool->n_servers == 0 || pool_is_full(upstream, pool))
		return UPSTREAM_NONE;
	eligible.n = 0;
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0] && eligible.n == 0; i++)
		find_eligible(upstream, choice, now_us, wishes[i], &eligible);
	position = balance_choose(upstream, pool, &eligible, choice->source_hash, now_us);
	if (position == UPSTREAM_NONE)
		return UPSTREAM_NONE;
	server = server_at(upstream, pool->servers[position]);
	server->n_connections++;
	tally_server_add(upstream_row(upstream, server), TALLY_SERVER_CONNECTIONS, 1);
	choice->tried[choice->n_tried++] = pool->servers[position];
	return pool->servers[position];
}

enum upstream_change upstream_connected(struct upstream *upstream, uint32_t server_idx, uint64_t now_us)
{
	struct upstream_server *server = server_at(upstream, server_idx);
	bool returned = server->n_ejections != 0 && server->n_failures != 0;

	server->n_failures = 0;
	server->n_ejections = 0;
	server->ejected_until_us = 0;
	if (returned) {
		server->up_since_us = now_us;
		upstream_show_state(upstream, server);
	}
	return returned ? UPSTREAM_RETURNED : UPSTREAM_NO_CHANGE;
}

enum upstream_change upstream_connect_failed(struct upstream *upstream, uint32_t server_idx, uint64_t now_us)
{
	struct upstream_server *server = server_at(upstream, server_idx);
	enum upstream_change change = UPSTREAM_NO_CHANGE;

	tally_server_add(upstream_row(upstream, server), TALLY_SERVER_CONNECTS_FAILED, 1);
	if (server->n_failures < UINT16_MAX)
		server->n_failures++;
	if (server->pool_idx != UPSTREAM_NONE) {
		const struct upstream_pool_config *config = &upstream->pools[server->pool_idx].config;

		// One failure is enough for a server that was ejected and is being tried again.
		if (config->eject_failures != 0 && server->ejected_until_us <= now_us &&
			(server->n_failures >= config->eject_failures || server->n_ejections != 0)) {
			server->ejected_until_us = now_us + (config->eject_us << server->n_ejections);
			if (server->n_ejections < EJECTIONS_MAX)
				server->n_ejections++;
			change = UPSTREAM_EJECTED;
			tally_server_add(upstream_row(upstream, server), TALLY_SERVER_EJECTIONS, 1);
			upstream_show_state(upstream, server);
		}
	}
	upstream_release(upstream, server_idx);
	return change;
}

void upstream_release(struct upstream *upstream, uint32_t server_idx)
{
	struct upstream_server *server = server_at(upstream, server_idx);

	SLUICE_ASSERT(server->n_connections != 0);
	server->n_connections--;
	tally_server_add(upstream_row(upstream, server), TALLY_SERVER_CLOSED, 1);
	free_if_unused(upstream, server);
}
