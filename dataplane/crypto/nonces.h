// SPDX-License-Identifier: Apache-2.0
//
// Prepared halves of ECDSA signatures: (k^-1, r) pairs (FIPS 186-5 6.4.1), made ahead eight at a time.
//
// A pair used twice, or known to anyone, gives the private key away. Therefore: k comes from the worker's own
// generator (random.h: getrandom, RDRAND, a hash of the loaded keys); taking a pair moves it out and wipes
// its place before it is used; no pair outlives a second, a fork or a break in time. Where that is not
// trusted, signing can be configured to draw k per signature, hedged with key and message (crypto.h), and no
// pool is filled at all.
#pragma once

#include "crypto/lanes.h"

struct random;
struct nonce_pool;

enum nonce_curve {
	NONCE_P256,
	NONCE_P384,
	N_NONCE_CURVES
};

enum {
	NONCE_NUMBER_MAX_LEN = 48,
	NONCE_LIFE_US = 1000000
};

// Numbers modulo the curve's order, in network byte order, 32 or 48 bytes.
struct nonce {
	uint8_t k_inverse[NONCE_NUMBER_MAX_LEN];
	uint8_t r[NONCE_NUMBER_MAX_LEN];
};

size_t nonce_pool_footprint(uint32_t capacity);

// NULL when the arena has no room.
struct nonce_pool *nonce_pool_create(
	struct arena *arena, enum nonce_curve curve, uint32_t capacity, struct lanes *lanes);

// Moves a pair out. False when none is ready (the caller then signs through a lane); a P-256 pool makes a
// batch on the spot instead, which fits a slice.
bool nonce_pool_take(
	struct nonce_pool *pool, struct random *random, uint64_t now_us, struct nonce *out_nonce);

// Drops what is too old and works on at most one batch (one slice of it for P-384) if fewer than the high
// mark are ready. True if it worked.
bool nonce_pool_refill(struct nonce_pool *pool, struct random *random, uint64_t now_us);

uint32_t nonce_pool_count(const struct nonce_pool *pool);

void nonce_pool_wipe(struct nonce_pool *pool);
