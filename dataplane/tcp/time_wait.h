// SPDX-License-Identifier: Apache-2.0
//
// TIME-WAIT without the connection: 64 bytes per closed flow, so that a minute of 30,000 closes a second fits
// into 115 MB. The table is bounded: when it is full the caller lets the oldest entry go, which is the one
// whose late segments are least likely to exist still.
//
//   chains  hash -> entry -> entry          age list  oldest ... newest (all wait equally long)
#pragma once

#include "base/pool.h"
#include "net/addr.h"
#include "tcp/seq.h"

struct time_wait_entry {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t local_port;
	uint16_t remote_port;
	struct seq snd_nxt;
	struct seq rcv_nxt;
	uint32_t ts_recent;
	uint32_t deadline_ms : 31;
	uint32_t timestamps : 1;
	uint32_t hash_next;
	uint32_t older;
	uint32_t newer;
};

_Static_assert(sizeof(struct time_wait_entry) == 64, "one cache line");

struct time_wait {
	struct pool pool;
	uint32_t *chains;
	uint32_t mask;
	uint32_t oldest;
	uint32_t newest;
};

size_t time_wait_footprint(uint32_t n_max);
bool time_wait_init(struct time_wait *table, struct arena *arena, uint32_t n_max);

struct time_wait_entry *time_wait_find(
	const struct time_wait *table, uint32_t hash, const struct flow_key *key);

// A new entry for the flow, its key filled in, the youngest of all. NULL when the table is full.
struct time_wait_entry *time_wait_insert(struct time_wait *table, uint32_t hash, const struct flow_key *key);

// hash is that of the entry's flow.
void time_wait_remove(struct time_wait *table, uint32_t hash, struct time_wait_entry *entry);

// Makes the entry the youngest again (its waiting starts over).
void time_wait_renew(struct time_wait *table, struct time_wait_entry *entry);

// The oldest entry, or NULL.
static inline struct time_wait_entry *time_wait_oldest(const struct time_wait *table)
{
	return table->oldest == POOL_NONE ? NULL : pool_at(&table->pool, table->oldest);
}

static inline struct flow_key time_wait_key(const struct time_wait_entry *entry)
{
	return (struct flow_key){.local = entry->local,
		.remote = entry->remote,
		.local_port = entry->local_port,
		.remote_port = entry->remote_port};
}
