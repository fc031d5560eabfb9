// SPDX-License-Identifier: Apache-2.0
//
// A pool of equal objects named by 32-bit index. It is sized at start, never grows, and belongs to one
// thread.
//
//   items   [ 0 | 1 | 2 | ... | n_items-1 ]       one array, item_size bytes each
//   next    [ per item: the next free index, or POOL_IN_USE ]
//
// Free items form a list through `next`, last freed first (its lines are still in the cache). Because the
// list is apart from the objects, a freed object can be poisoned whole, and freeing twice is noticed.
#pragma once

#include "base/arena.h"

struct pool {
	uint8_t *items;
	uint32_t *next;
	uint32_t item_size; // bytes, a multiple of the alignment
	uint32_t n_items;
	uint32_t n_used;
	uint32_t free_head; // POOL_NONE when every item is in use
};

// No index: an empty reference.
#define POOL_NONE UINT32_MAX

// Bytes of arena that a pool takes, for sizing; includes alignment losses.
size_t pool_footprint(uint32_t n_items, size_t item_size);

// Takes the pool's memory from the arena; items are aligned to 64 bytes when item_size is a multiple of it,
// otherwise to the largest power of two that divides item_size. False when the arena has no room.
bool pool_init(struct pool *pool, struct arena *arena, uint32_t n_items, size_t item_size);

// An item whose bytes are whatever its last owner left (all zero the first time), or NULL when none is free.
void *pool_alloc(struct pool *pool);

// Gives an item back. It must have come from this pool and be in use (asserted). Secrets are wiped by the
// caller.
void pool_free(struct pool *pool, void *item);

static inline void *pool_at(const struct pool *pool, uint32_t idx)
{
	return pool->items + (size_t)idx * pool->item_size;
}

static inline uint32_t pool_index(const struct pool *pool, const void *item)
{
	return (uint32_t)((size_t)((const uint8_t *)item - pool->items) / pool->item_size);
}

// Whether idx names an item in use: for indices that come from elsewhere (commands, cursors).
bool pool_in_use(const struct pool *pool, uint32_t idx);

static inline uint32_t pool_n_free(const struct pool *pool)
{
	return pool->n_items - pool->n_used;
}
