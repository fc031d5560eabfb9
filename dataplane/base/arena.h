// SPDX-License-Identifier: Apache-2.0
//
// Memory of our own: where everything lives that is secret or holds state, apart from DPDK's, which a memif
// peer or a secondary process can map. An arena is one anonymous mapping made at start, on huge pages where
// the system has them, locked, left out of core dumps, zeroed in a forked child, and never grown. It hands
// out pieces once and takes none back: what comes and goes is a pool on top of it.
//
// Pages are touched by the thread that makes the arena, which therefore runs on the NUMA node that shall own
// them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *start;
	size_t capacity;
	size_t used;
	bool huge;   // explicit huge pages were to be had
	bool locked; // mlock succeeded
};

// False when the mapping can't be made; errno says why.
bool arena_init(struct arena *arena, size_t capacity);

// A zeroed piece, aligned to `align` (a power of two, at least 64 so that owners never share a cache line).
// NULL when the arena has no room left: sizes are computed beforehand, so callers treat that as a start-up
// error.
void *arena_alloc(struct arena *arena, size_t len, size_t align);

// Wipes and unmaps everything that was handed out.
void arena_destroy(struct arena *arena);
