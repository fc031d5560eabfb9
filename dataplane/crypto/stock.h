// SPDX-License-Identifier: Apache-2.0
//
// The bookkeeping of things made ahead, used once and short-lived: what ephemeral.c and nonces.c have in
// common. A ring of equal items, oldest first, each with the time when it was made. Internal to crypto.
//
//   items   [ .... | oldest ... newest | .... ]     taken and expired at the old end, made at the new end
//
// Items are secret: whatever leaves the ring is wiped in its place. The ring remembers the epoch of the
// generator (random.h) that its items were drawn in, and drops them all when that has changed.
#pragma once

#include "base/arena.h"
#include "base/counters.h"

struct random;

enum {
	STOCK_LIFE_US = 1000000,
	STOCK_BATCH = 32, // made at once when there is time
	STOCK_CAPACITY_MIN = 2 * STOCK_BATCH,
	STOCK_BATCH_NOW = 8 // made when none is ready and one is wanted
};

struct stock {
	uint8_t *items;
	uint64_t *made_us; // per item
	size_t item_len;
	uint32_t capacity;
	uint32_t reserve; // kept ready even when nothing is taken
	uint32_t oldest;
	uint32_t n;
	uint32_t epoch; // of the generator
	// Demand: what was taken in the current period and in the one before.
	uint64_t period_us;
	uint32_t n_taken;
	uint32_t n_taken_before;
	struct random *random;
	struct counters *counters; // may be NULL
};

size_t stock_footprint(uint32_t capacity, size_t item_len);

// capacity is at least STOCK_CAPACITY_MIN. False when the arena has no room. The caller then sets reserve,
// random and counters.
bool stock_init(struct stock *stock, struct arena *arena, uint32_t capacity, size_t item_len);

// Wipes items that are too old, and all when the generator's epoch has changed.
void stock_expire(struct stock *stock, uint64_t now_us);

// Moves the oldest item out and wipes its place; false when there is none. Expire first.
bool stock_take(struct stock *stock, void *out_item);

// How many items to make now: 0 or a batch. urgent: only when fewer than the low mark are left.
uint32_t stock_wanted(struct stock *stock, uint64_t now_us, bool urgent);

// Puts an item behind the newest; there must be room.
void stock_put(struct stock *stock, const void *item, uint64_t now_us);

// When the oldest has to be wiped; UINT64_MAX when there is none.
uint64_t stock_expires_us(const struct stock *stock);

void stock_wipe(struct stock *stock);
