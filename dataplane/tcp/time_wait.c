// SPDX-License-Identifier: Apache-2.0
#include "tcp/time_wait.h"

#include "base/assert.h"

static uint32_t n_chains_for(uint32_t n_max)
{
	uint32_t n = 16;

	while (n < n_max)
		n *= 2;
	return n;
}

size_t time_wait_footprint(uint32_t n_max)
{
	return pool_footprint(n_max, sizeof(struct time_wait_entry)) +
	       n_chains_for(n_max) * sizeof(uint32_t) + 64;
}

bool time_wait_init(struct time_wait *table, struct arena *arena, uint32_t n_max)
{
	uint32_t n_chains = n_chains_for(n_max);

	table->chains = arena_alloc(arena, n_chains * sizeof(uint32_t), 64);
	if (table->chains == NULL)
		return false;
	for (uint32_t i = 0; i < n_chains; i++)
		table->chains[i] = POOL_NONE;
	table->mask = n_chains - 1;
	table->oldest = POOL_NONE;
	table->newest = POOL_NONE;
	return pool_init(&table->pool, arena, n_max, sizeof(struct time_wait_entry));
}

static struct time_wait_entry *entry_at(const struct time_wait *table, uint32_t idx)
{
	return pool_at(&table->pool, idx);
}

struct time_wait_entry *time_wait_find(
	const struct time_wait *table, uint32_t hash, const struct flow_key *key)
{
	uint32_t idx = table->chains[hash & table->mask];

	while (idx != POOL_NONE) {
		struct time_wait_entry *entry = entry_at(table, idx);

		if (entry->local_port == key->local_port && entry->remote_port == key->remote_port &&
			ip_addr_equal(&entry->remote, &key->remote) &&
			ip_addr_equal(&entry->local, &key->local))
			return entry;
		idx = entry->hash_next;
	}
	return NULL;
}

static void age_unlink(struct time_wait *table, struct time_wait_entry *entry)
{
	if (entry->older == POOL_NONE)
		table->oldest = entry->newer;
	else
		entry_at(table, entry->older)->newer = entry->newer;
	if (entry->newer == POOL_NONE)
		table->newest = entry->older;
	else
		entry_at(table, entry->newer)->older = entry->older;
}

static void age_push(struct time_wait *table, struct time_wait_entry *entry)
{
	uint32_t idx = pool_index(&table->pool, entry);

	entry->older = table->newest;
	entry->newer = POOL_NONE;
	if (table->newest == POOL_NONE)
		table->oldest = idx;
	else
		entry_at(table, table->newest)->newer = idx;
	table->newest = idx;
}

void time_wait_remove(struct time_wait *table, uint32_t hash, struct time_wait_entry *entry)
{
	uint32_t idx = pool_index(&table->pool, entry);
	uint32_t *link = &table->chains[hash & table->mask];

	while (*link != idx) {
		SLUICE_ASSERT(*link != POOL_NONE);
		link = &entry_at(table, *link)->hash_next;
	}
	*link = entry->hash_next;
	age_unlink(table, entry);
	pool_free(&table->pool, entry);
}

void time_wait_renew(struct time_wait *table, struct time_wait_entry *entry)
{
	age_unlink(table, entry);
	age_push(table, entry);
}

struct time_wait_entry *time_wait_insert(struct time_wait *table, uint32_t hash, const struct flow_key *key)
{
	struct time_wait_entry *entry = pool_alloc(&table->pool);
	uint32_t *chain = &table->chains[hash & table->mask];

	if (entry == NULL)
		return NULL;
	*entry = (struct time_wait_entry){.local = key->local,
		.remote = key->remote,
		.local_port = key->local_port,
		.remote_port = key->remote_port,
		.hash_next = *chain};
	*chain = pool_index(&table->pool, entry);
	age_push(table, entry);
	return entry;
}
