// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of choosing: weights, the three ways to balance, and the table of consistent hashing.
//
// The table is Maglev's (Eisenbud et al., NSDI 2016, 3.4): each server has its own permutation of the slots,
// and the servers take turns, as often as their weight says, to fill the next slot of theirs that is free.
// Adding or removing one server moves few of the slots of the others. It depends on addresses, ports and
// weights only, not on the order of the configuration nor on which server is up, so that all workers agree:
// for a server that can't be had, further hashes of the same source are looked up, and only its own sources
// move.
#pragma once

#include "proxy/upstream.h"

enum {
	BALANCE_WEIGHT_UNIT = 256 // what a weight of 1 is worth when slow start is over
};

// The weight that counts now: from 1/16 of the configured one after coming up to all of it.
uint32_t balance_weight(
	const struct upstream_server *server, const struct upstream_pool_config *config, uint64_t now_us);

// Fills the pool's table; what fits below n_slots_max.
void balance_fill_table(const struct upstream *upstream, struct upstream_pool *pool, uint32_t n_slots_max);

// A server's position in the pool among those whose bit is set in `eligible`, or UPSTREAM_NONE.
struct balance_eligible {
	uint64_t bits[UPSTREAM_SERVERS_MAX / 64];
	uint32_t n;
};

static inline bool balance_is_eligible(const struct balance_eligible *eligible, uint32_t position)
{
	return (eligible->bits[position / 64] >> (position % 64) & 1) != 0;
}

uint32_t balance_choose(struct upstream *upstream, struct upstream_pool *pool,
	const struct balance_eligible *eligible, uint64_t source_hash, uint64_t now_us);
