// SPDX-License-Identifier: Apache-2.0
//
// Ready key pairs for key agreement: X25519 and P-256, made ahead eight at a time, used once.
//
// They need nothing from a peer, so they never wait: an empty pool makes a full batch on the spot. Taking a
// pair moves it out and wipes its place. No pair outlives a second or a break in time (random.h): older ones
// are wiped unused.
#pragma once

#include "crypto/lanes.h"

struct random;
struct ephemeral_pool;

enum ephemeral_kind {
	EPHEMERAL_X25519,
	EPHEMERAL_P256,
	N_EPHEMERAL_KINDS
};

enum {
	EPHEMERAL_PRIVATE_LEN = 32,
	EPHEMERAL_SHARE_MAX_LEN = 65,
	EPHEMERAL_LIFE_US = 1000000
};

// 32 or 65 bytes.
size_t ephemeral_share_len(enum ephemeral_kind kind);

size_t ephemeral_pool_footprint(uint32_t capacity);

// Holds up to `capacity` pairs (rounded up to eights). NULL when the arena has no room.
struct ephemeral_pool *ephemeral_pool_create(
	struct arena *arena, enum ephemeral_kind kind, uint32_t capacity, struct lanes *lanes);

// Moves a pair out: never used before, never handed out again.
void ephemeral_pool_take(struct ephemeral_pool *pool, struct random *random, uint64_t now_us,
	uint8_t private_key[EPHEMERAL_PRIVATE_LEN], uint8_t *out_share);

// Drops what is too old and makes at most one batch of eight if fewer than the high mark are ready. True if
// it made one.
bool ephemeral_pool_refill(struct ephemeral_pool *pool, struct random *random, uint64_t now_us);

// Pairs ready.
uint32_t ephemeral_pool_count(const struct ephemeral_pool *pool);

void ephemeral_pool_wipe(struct ephemeral_pool *pool);
