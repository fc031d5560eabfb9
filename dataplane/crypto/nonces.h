// SPDX-License-Identifier: Apache-2.0
//
// Prepared halves of ECDSA signatures: (k^-1, r) pairs (FIPS 186-5 6.4.1), made ahead in full batches.
//
// A pair used twice, or known to anyone, gives the private key away. Therefore: k comes from the worker's own
// generator (random.h: getrandom, RDRAND, a hash of the loaded keys); taking a pair moves it out and wipes
// its place before it is used; no pair outlives a second, a fork or a break in time. Where that is not
// trusted, signing can be configured to draw k per signature, hedged with key and message (crypto.h), and
// there is no pool at all. Without kernels there is none either.
#pragma once

#include "crypto/lanes.h"
#include "crypto/mb/ecdsa.h"

struct nonce_pool;

enum {
	N_NONCE_POOLS = 2 // one per enum mb_curve
};

size_t nonce_pool_footprint(uint32_t capacity);

// Holds up to `capacity` pairs, at least 64. NULL when the arena has no room.
struct nonce_pool *nonce_pool_create(
	struct arena *arena, enum mb_curve curve, uint32_t capacity, struct lanes *lanes);

// Moves a pair out; mb_ecdsa_complete wipes it. An empty pool makes a batch of eight on the spot.
void nonce_pool_take(struct nonce_pool *pool, uint64_t now_us, struct mb_ecdsa_nonce *out_nonce);

// Wipes what is too old or from before a break.
void nonce_pool_expire(struct nonce_pool *pool, uint64_t now_us);

// Makes one batch if the pool is below its high mark (urgent: its low mark). True if it made one. A pool that
// nobody takes from stays empty.
bool nonce_pool_refill(struct nonce_pool *pool, uint64_t now_us, bool urgent);

// When the oldest pair has to be wiped; UINT64_MAX when there is none.
uint64_t nonce_pool_expires_us(const struct nonce_pool *pool);

uint32_t nonce_pool_count(const struct nonce_pool *pool);

void nonce_pool_wipe(struct nonce_pool *pool);
