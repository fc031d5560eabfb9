// SPDX-License-Identifier: Apache-2.0
#include "proxy/balance.h"

#include "base/assert.h"

enum {
	SLOW_START_PARTS = 16,
	HASH_TRIES = 8
};

uint32_t balance_weight(
	const struct upstream_server *server, const struct upstream_pool_config *config, uint64_t now_us)
{
	uint32_t full = (uint32_t)server->weight * BALANCE_WEIGHT_UNIT;
	uint64_t age_us = now_us - server->up_since_us;
	uint64_t grown;

	if (server->up_since_us == 0 || age_us >= config->slow_start_us)
		return full;
	grown = full / SLOW_START_PARTS +
		(uint64_t)full * (SLOW_START_PARTS - 1) / SLOW_START_PARTS * age_us / config->slow_start_us;
	return (uint32_t)grown;
}

static struct upstream_server *server_of(
	const struct upstream *upstream, const struct upstream_pool *pool, uint32_t position)
{
	return pool_at(&upstream->servers, pool->servers[position]);
}

// Every server gains its weight, the richest is chosen and pays what all have gained (nginx's algorithm):
// each gets its share, spread evenly.
static uint32_t choose_round_robin(struct upstream *upstream, struct upstream_pool *pool,
	const struct balance_eligible *eligible, uint64_t now_us)
{
	uint32_t best = UPSTREAM_NONE;
	int64_t best_weight = 0;
	int64_t total = 0;

	for (uint32_t i = 0; i < pool->n_servers; i++) {
		struct upstream_server *server = server_of(upstream, pool, i);
		int32_t weight;

		if (!balance_is_eligible(eligible, i))
			continue;
		weight = (int32_t)balance_weight(server, &pool->config, now_us);
		server->current_weight += weight;
		total += weight;
		if (best == UPSTREAM_NONE || server->current_weight > best_weight) {
			best = i;
			best_weight = server->current_weight;
		}
	}
	if (best != UPSTREAM_NONE)
		server_of(upstream, pool, best)->current_weight -= (int32_t)total;
	return best;
}

// The fewest connections per weight, with the new one counted; among equals the next in turn.
static uint32_t choose_least_connections(struct upstream *upstream, struct upstream_pool *pool,
	const struct balance_eligible *eligible, uint64_t now_us)
{
	uint32_t best = UPSTREAM_NONE;
	uint64_t best_load = 0, best_weight = 1;

	for (uint32_t n = 0; n < pool->n_servers; n++) {
		uint32_t i = (pool->next_tie + n) % pool->n_servers;
		const struct upstream_server *server = server_of(upstream, pool, i);
		uint64_t load = (uint64_t)server->n_connections + 1;
		uint64_t weight;

		if (!balance_is_eligible(eligible, i))
			continue;
		weight = balance_weight(server, &pool->config, now_us);
		// load / weight < best_load / best_weight
		if (best == UPSTREAM_NONE || load * best_weight < best_load * weight) {
			best = i;
			best_load = load;
			best_weight = weight;
		}
	}
	if (best != UPSTREAM_NONE)
		pool->next_tie = (best + 1) % pool->n_servers;
	return best;
}

// splitmix64's finaliser: every bit of the result depends on every bit of the argument.
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static uint32_t choose_by_source(
	const struct upstream_pool *pool, const struct balance_eligible *eligible, uint64_t source_hash)
{
	uint64_t hash = mix(source_hash);

	if (pool->n_table == 0 || eligible->n == 0)
		return UPSTREAM_NONE;
	for (int i = 0; i < HASH_TRIES; i++) {
		uint32_t position = pool->table[(uint64_t)(uint32_t)(hash >> 32) * pool->n_table >> 32];

		if (balance_is_eligible(eligible, position))
			return position;
		hash = mix(hash + UINT64_C(0x9e3779b97f4a7c15));
	}
	// Nearly all are gone: the nearest that is not.
	for (uint32_t n = 0; n < pool->n_servers; n++) {
		uint32_t position = (uint32_t)((hash + n) % pool->n_servers);

		if (balance_is_eligible(eligible, position))
			return position;
	}
	return UPSTREAM_NONE;
}

uint32_t balance_choose(struct upstream *upstream, struct upstream_pool *pool,
	const struct balance_eligible *eligible, uint64_t source_hash, uint64_t now_us)
{
	switch (pool->config.balance) {
	case UPSTREAM_LEAST_CONNECTIONS:
		return choose_least_connections(upstream, pool, eligible, now_us);
	case UPSTREAM_SOURCE_HASH:
		return choose_by_source(pool, eligible, source_hash);
	default:
		return choose_round_robin(upstream, pool, eligible, now_us);
	}
}

// --- the table ---

// Primes, so that every step but 0 walks all slots. Maglev wants a hundred slots per server.
static uint32_t table_size(uint32_t n_servers, uint32_t n_slots_max)
{
	static const uint32_t primes[] = {251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521};
	uint32_t size = 0;

	for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++) {
		if (primes[i] > n_slots_max)
			break;
		size = primes[i];
		if (size >= 100 * n_servers)
			break;
	}
	return size;
}

struct permutation {
	uint32_t next; // the next slot that it wants
	uint32_t step;
	uint32_t credit;
};

static struct permutation permutation_of(const struct upstream_server *server, uint32_t n_slots)
{
	uint64_t hash = mix(server->addr.words[0] ^ mix(server->addr.words[1] ^ mix(server->port)));

	return (struct permutation){
		.next = (uint32_t)(hash % n_slots), .step = (uint32_t)(mix(hash) % (n_slots - 1)) + 1};
}

static void take_slot(struct upstream_pool *pool, struct permutation *permutation, uint16_t position)
{
	while (pool->table[permutation->next] != UINT16_MAX)
		permutation->next = (permutation->next + permutation->step) % pool->n_table;
	pool->table[permutation->next] = position;
}

// Servers take turns in the order of their addresses, not of the configuration.
static void order_servers(const struct upstream *upstream, const struct upstream_pool *pool, uint16_t *order)
{
	for (uint32_t i = 0; i < pool->n_servers; i++) {
		const struct upstream_server *server = server_of(upstream, pool, i);
		uint32_t at = i;

		while (at > 0) {
			const struct upstream_server *other = server_of(upstream, pool, order[at - 1]);
			int difference = memcmp(server->addr.bytes, other->addr.bytes, IP_ADDR_LEN);

			if (difference > 0 || (difference == 0 && server->port > other->port))
				break;
			order[at] = order[at - 1];
			at--;
		}
		order[at] = (uint16_t)i;
	}
}

void balance_fill_table(const struct upstream *upstream, struct upstream_pool *pool, uint32_t n_slots_max)
{
	struct permutation permutations[UPSTREAM_SERVERS_MAX];
	uint16_t order[UPSTREAM_SERVERS_MAX];
	uint32_t heaviest = 0, n_filled = 0;

	pool->n_table = pool->n_servers == 0 ? 0 : table_size(pool->n_servers, n_slots_max);
	order_servers(upstream, pool, order);
	for (uint32_t i = 0; i < pool->n_servers && pool->n_table != 0; i++) {
		const struct upstream_server *server = server_of(upstream, pool, i);

		permutations[i] = permutation_of(server, pool->n_table);
		heaviest = server->weight > heaviest ? server->weight : heaviest;
	}
	for (uint32_t i = 0; i < pool->n_table; i++)
		pool->table[i] = UINT16_MAX;
	while (n_filled < pool->n_table) {
		for (uint32_t n = 0; n < pool->n_servers && n_filled < pool->n_table; n++) {
			struct permutation *permutation = &permutations[order[n]];

			permutation->credit += server_of(upstream, pool, order[n])->weight;
			if (permutation->credit < heaviest)
				continue;
			permutation->credit -= heaviest;
			take_slot(pool, permutation, order[n]);
			n_filled++;
		}
	}
}
