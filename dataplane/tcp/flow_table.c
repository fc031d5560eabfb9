// SPDX-License-Identifier: Apache-2.0
#include "tcp/flow_table.h"

#include "base/assert.h"
#include "base/pool.h"
#include "tcp/conn.h"

static uint32_t n_slots_for(uint32_t n_conns)
{
	uint32_t n = 16;

	while (n / 2 < n_conns)
		n *= 2;
	return n;
}

size_t flow_table_footprint(uint32_t n_conns)
{
	return (size_t)n_slots_for(n_conns) * sizeof(struct flow_table_slot) + 64;
}

bool flow_table_init(struct flow_table *table, struct arena *arena, const struct pool *conns)
{
	uint32_t n = n_slots_for(conns->n_items);

	table->slots = arena_alloc(arena, (size_t)n * sizeof(struct flow_table_slot), 64);
	if (table->slots == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++)
		table->slots[i].idx = POOL_NONE;
	table->conns = conns;
	table->mask = n - 1;
	table->n_used = 0;
	return true;
}

uint32_t flow_table_find(const struct flow_table *table, uint32_t hash, const struct flow_key *key)
{
	for (uint32_t i = hash & table->mask; table->slots[i].idx != POOL_NONE; i = (i + 1) & table->mask) {
		const struct tcp_conn *conn;

		if (table->slots[i].hash != hash)
			continue;
		conn = pool_at(table->conns, table->slots[i].idx);
		if (flow_key_equal(&conn->key, key))
			return table->slots[i].idx;
	}
	return POOL_NONE;
}

void flow_table_insert(struct flow_table *table, uint32_t hash, uint32_t idx)
{
	uint32_t i = hash & table->mask;

	SLUICE_ASSERT(table->n_used <= table->mask / 2);
	while (table->slots[i].idx != POOL_NONE)
		i = (i + 1) & table->mask;
	table->slots[i] = (struct flow_table_slot){.hash = hash, .idx = idx};
	table->n_used++;
}

void flow_table_remove(struct flow_table *table, uint32_t hash, uint32_t idx)
{
	uint32_t hole = hash & table->mask;

	while (table->slots[hole].idx != idx) {
		SLUICE_ASSERT(table->slots[hole].idx != POOL_NONE);
		hole = (hole + 1) & table->mask;
	}
	// Whatever follows without a gap moves back, unless that would put it in front of its home slot.
	for (uint32_t i = (hole + 1) & table->mask; table->slots[i].idx != POOL_NONE;
		i = (i + 1) & table->mask) {
		uint32_t from_home = (i - table->slots[i].hash) & table->mask;
		uint32_t from_hole = (i - hole) & table->mask;

		if (from_home < from_hole)
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole].idx = POOL_NONE;
	table->n_used--;
}
