// SPDX-License-Identifier: Apache-2.0
//
// Peers whose SYN we answered and whose acknowledgement is still to come: SYN-RECEIVED of the passive open,
// in 88 bytes instead of a connection. A bounded table; when it is full, answers are cookies (syn_cookie.h)
// and leave nothing behind. It knows nothing of segments: handshake.c reads and writes the entries.
//
//   chains  hash -> entry -> entry
//   stages  [answered once] [twice] ... each a list, oldest first: all of one stage wait equally long, so the
//           first of each list is the next one due
#pragma once

#include "base/pool.h"
#include "net/addr.h"
#include "tcp/seq.h"

enum {
	SYN_STAGES = 5 // SYN-ACKs sent before giving up, at 0, 1, 3, 7, 15 s; forgotten at 31 s
};

enum syn_entry_flag {
	SYN_ENTRY_TIMESTAMPS = 0x01,
	SYN_ENTRY_SACK = 0x02,
	SYN_ENTRY_WSCALE = 0x04,
	SYN_ENTRY_ECN = 0x08
};

struct syn_entry {
	struct flow_key key;
	uint32_t hash;
	struct seq irs;
	struct seq iss;
	uint32_t ts_recent;
	uint32_t ts_offset;
	uint32_t deadline_ms;
	uint32_t hash_next;
	uint32_t older;
	uint32_t newer;
	uint16_t peer_mss;
	uint8_t snd_wscale : 4;
	uint8_t stage : 4;
	uint8_t flags; // enum syn_entry_flag
};

_Static_assert(sizeof(struct syn_entry) <= 84, "half-open peers are cheap");

struct syn_stage {
	uint32_t oldest;
	uint32_t newest;
};

struct syn_cache {
	struct pool pool;
	uint32_t *chains;
	uint32_t mask;
	struct syn_stage stages[SYN_STAGES];
};

size_t syn_cache_footprint(uint32_t n_max);
bool syn_cache_init(struct syn_cache *cache, struct arena *arena, uint32_t n_max);

struct syn_entry *syn_cache_find(const struct syn_cache *cache, uint32_t hash, const struct flow_key *key);

// A new entry in stage 0; the caller fills in the rest. NULL when the table is full.
struct syn_entry *syn_cache_insert(struct syn_cache *cache, uint32_t hash, const struct flow_key *key);
void syn_cache_remove(struct syn_cache *cache, struct syn_entry *entry);

// Moves the entry to the end of the following stage; false when it was in the last one.
bool syn_cache_advance(struct syn_cache *cache, struct syn_entry *entry);

// The first of a stage, or NULL.
static inline struct syn_entry *syn_cache_oldest(const struct syn_cache *cache, uint32_t stage)
{
	return cache->stages[stage].oldest == POOL_NONE ? NULL
							: pool_at(&cache->pool, cache->stages[stage].oldest);
}
