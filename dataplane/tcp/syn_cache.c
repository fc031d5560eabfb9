// SPDX-License-Identifier: Apache-2.0
#include "tcp/syn_cache.h"

#include "base/assert.h"

static uint32_t n_chains_for(uint32_t n_max)
{
	uint32_t n = 16;

	while (n < n_max)
		n *= 2;
	return n;
}

size_t syn_cache_footprint(uint32_t n_max)
{
	return pool_footprint(n_max, sizeof(struct syn_entry)) + n_chains_for(n_max) * sizeof(uint32_t) + 64;
}

bool syn_cache_init(struct syn_cache *cache, struct arena *arena, uint32_t n_max)
{
	uint32_t n_chains = n_chains_for(n_max);

	cache->chains = arena_alloc(arena, n_chains * sizeof(uint32_t), 64);
	if (cache->chains == NULL)
		return false;
	for (uint32_t i = 0; i < n_chains; i++)
		cache->chains[i] = POOL_NONE;
	for (uint32_t i = 0; i < SYN_STAGES; i++)
		cache->stages[i] = (struct syn_stage){.oldest = POOL_NONE, .newest = POOL_NONE};
	cache->mask = n_chains - 1;
	return pool_init(&cache->pool, arena, n_max, sizeof(struct syn_entry));
}

static struct syn_entry *entry_at(const struct syn_cache *cache, uint32_t idx)
{
	return pool_at(&cache->pool, idx);
}

struct syn_entry *syn_cache_find(const struct syn_cache *cache, uint32_t hash, const struct flow_key *key)
{
	uint32_t idx = cache->chains[hash & cache->mask];

	while (idx != POOL_NONE) {
		struct syn_entry *entry = entry_at(cache, idx);

		if (entry->hash == hash && flow_key_equal(&entry->key, key))
			return entry;
		idx = entry->hash_next;
	}
	return NULL;
}

static void stage_unlink(struct syn_cache *cache, struct syn_entry *entry)
{
	struct syn_stage *stage = &cache->stages[entry->stage];

	if (entry->older == POOL_NONE)
		stage->oldest = entry->newer;
	else
		entry_at(cache, entry->older)->newer = entry->newer;
	if (entry->newer == POOL_NONE)
		stage->newest = entry->older;
	else
		entry_at(cache, entry->newer)->older = entry->older;
}

static void stage_push(struct syn_cache *cache, struct syn_entry *entry)
{
	struct syn_stage *stage = &cache->stages[entry->stage];
	uint32_t idx = pool_index(&cache->pool, entry);

	entry->older = stage->newest;
	entry->newer = POOL_NONE;
	if (stage->newest == POOL_NONE)
		stage->oldest = idx;
	else
		entry_at(cache, stage->newest)->newer = idx;
	stage->newest = idx;
}

struct syn_entry *syn_cache_insert(struct syn_cache *cache, uint32_t hash, const struct flow_key *key)
{
	struct syn_entry *entry = pool_alloc(&cache->pool);
	uint32_t *chain = &cache->chains[hash & cache->mask];

	if (entry == NULL)
		return NULL;
	*entry = (struct syn_entry){.key = *key, .hash = hash, .hash_next = *chain};
	*chain = pool_index(&cache->pool, entry);
	stage_push(cache, entry);
	return entry;
}

void syn_cache_remove(struct syn_cache *cache, struct syn_entry *entry)
{
	uint32_t idx = pool_index(&cache->pool, entry);
	uint32_t *link = &cache->chains[entry->hash & cache->mask];

	while (*link != idx) {
		SLUICE_ASSERT(*link != POOL_NONE);
		link = &entry_at(cache, *link)->hash_next;
	}
	*link = entry->hash_next;
	stage_unlink(cache, entry);
	pool_free(&cache->pool, entry);
}

bool syn_cache_advance(struct syn_cache *cache, struct syn_entry *entry)
{
	if (entry->stage + 1 == SYN_STAGES)
		return false;
	stage_unlink(cache, entry);
	entry->stage = (entry->stage + 1u) & 0xfu;
	stage_push(cache, entry);
	return true;
}
