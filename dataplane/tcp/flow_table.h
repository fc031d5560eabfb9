// SPDX-License-Identifier: Apache-2.0
//
// Which connection a flow belongs to: an open-addressed table of {hash, connection index}, probed linearly,
// at most half full. The hash is net's, keyed with a secret (net/flow_hash.h), so that nobody outside can aim
// flows at one place. Deleting moves later entries back, so that there are no tombstones and lookups stay
// short however long the table lives. It owns nothing; keys are compared in the connections themselves.
#pragma once

#include "base/arena.h"
#include "net/addr.h"

struct pool;

struct flow_table_slot {
	uint32_t hash;
	uint32_t idx; // POOL_NONE: empty
};

struct flow_table {
	struct flow_table_slot *slots;
	const struct pool *conns;
	uint32_t mask;
	uint32_t n_used;
};

size_t flow_table_footprint(uint32_t n_conns);
bool flow_table_init(struct flow_table *table, struct arena *arena, const struct pool *conns);

// POOL_NONE when there is no such connection.
uint32_t flow_table_find(const struct flow_table *table, uint32_t hash, const struct flow_key *key);

// The flow is not in the table (asserted by tests); there is always room, since no more connections exist
// than it was sized for.
void flow_table_insert(struct flow_table *table, uint32_t hash, uint32_t idx);
void flow_table_remove(struct flow_table *table, uint32_t hash, uint32_t idx);

static inline void flow_table_prefetch(const struct flow_table *table, uint32_t hash)
{
	__builtin_prefetch(&table->slots[hash & table->mask]);
}
