// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

#include "base/assert.h"

#include <string.h>

#define POOL_IN_USE (UINT32_MAX - 1)

enum {
	POOL_ALIGN = 64,
	POOL_POISON = 0xdb
};

size_t pool_footprint(uint32_t n_items, size_t item_size)
{
	return (size_t)n_items * (item_size + sizeof(uint32_t)) + 2 * POOL_ALIGN;
}

bool pool_init(struct pool *pool, struct arena *arena, uint32_t n_items, size_t item_size)
{
	*pool = (struct pool){.item_size = (uint32_t)item_size, .n_items = n_items, .free_head = POOL_NONE};
	if (item_size == 0 || item_size > UINT32_MAX || n_items >= POOL_IN_USE)
		return false;
	pool->items = arena_alloc(arena, (size_t)n_items * item_size, POOL_ALIGN);
	pool->next = arena_alloc(arena, (size_t)n_items * sizeof *pool->next, POOL_ALIGN);
	if (pool->items == NULL || pool->next == NULL)
		return false;
	for (uint32_t i = 0; i < n_items; i++)
		pool->next[i] = i + 1 < n_items ? i + 1 : POOL_NONE;
	if (n_items != 0)
		pool->free_head = 0;
	return true;
}

void *pool_alloc(struct pool *pool)
{
	uint32_t idx = pool->free_head;

	if (idx == POOL_NONE)
		return NULL;
	pool->free_head = pool->next[idx];
	pool->next[idx] = POOL_IN_USE;
	pool->n_used++;
	return pool_at(pool, idx);
}

void pool_free(struct pool *pool, void *item)
{
	uint32_t idx = pool_index(pool, item);

	SLUICE_ASSERT(pool_in_use(pool, idx) && pool_at(pool, idx) == item);
#ifdef SLUICE_DEBUG
	memset(item, POOL_POISON, pool->item_size);
#endif
	pool->next[idx] = pool->free_head;
	pool->free_head = idx;
	pool->n_used--;
}

bool pool_in_use(const struct pool *pool, uint32_t idx)
{
	return idx < pool->n_items && pool->next[idx] == POOL_IN_USE;
}
