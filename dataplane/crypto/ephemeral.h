// SPDX-License-Identifier: Apache-2.0
//
// Ready key pairs for key agreement: X25519 and P-256, made ahead in full batches, used once.
//
//   slots   [ .... | oldest ready ... newest ready | .... ]     a ring: taken at the old end, made at the
//   new
//
// They need nothing from a peer, so they never wait: an empty pool makes a batch of eight on the spot. Taking
// a pair moves it out and wipes its place. No pair outlives a second or a break in time (random.h): older
// ones are wiped unused. So that an idle worker does not make what nobody takes, the pool fills up to what
// was taken in the last second, at least to one batch.
#pragma once

#include "crypto/lanes.h"

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

// Holds up to `capacity` pairs, at least 64. NULL when the arena has no room.
struct ephemeral_pool *ephemeral_pool_create(
	struct arena *arena, enum ephemeral_kind kind, uint32_t capacity, struct lanes *lanes);

// Moves a pair out: never used before, never handed out again.
void ephemeral_pool_take(struct ephemeral_pool *pool, uint64_t now_us,
	uint8_t out_private_key[EPHEMERAL_PRIVATE_LEN], uint8_t *out_share);

// Wipes what is too old or from before a break.
void ephemeral_pool_expire(struct ephemeral_pool *pool, uint64_t now_us);

// Makes one batch if the pool is below its high mark (urgent: its low mark, a quarter). True if it made one.
bool ephemeral_pool_refill(struct ephemeral_pool *pool, uint64_t now_us, bool urgent);

// When the oldest pair has to be wiped; UINT64_MAX when there is none.
uint64_t ephemeral_pool_expires_us(const struct ephemeral_pool *pool);

// Pairs ready.
uint32_t ephemeral_pool_count(const struct ephemeral_pool *pool);

void ephemeral_pool_wipe(struct ephemeral_pool *pool);
