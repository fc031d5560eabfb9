// SPDX-License-Identifier: Apache-2.0
#include "crypto/ephemeral.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/lane_engine.h"
#include "crypto/random.h"
#include "crypto/scalar.h"
#include "crypto/stock.h"

struct pair {
	uint8_t private_key[EPHEMERAL_PRIVATE_LEN];
	uint8_t share[EPHEMERAL_SHARE_MAX_LEN];
};

struct ephemeral_pool {
	struct stock stock; // of struct pair
	struct lane_engine *engine;
	enum ephemeral_kind kind;
};

size_t ephemeral_share_len(enum ephemeral_kind kind)
{
	return kind == EPHEMERAL_X25519 ? MB_X25519_LEN : MB_P256_POINT_LEN;
}

static uint32_t at_least(uint32_t capacity)
{
	return capacity < STOCK_CAPACITY_MIN ? STOCK_CAPACITY_MIN : capacity;
}

size_t ephemeral_pool_footprint(uint32_t capacity)
{
	return sizeof(struct ephemeral_pool) + 64 + stock_footprint(at_least(capacity), sizeof(struct pair));
}

struct ephemeral_pool *ephemeral_pool_create(
	struct arena *arena, enum ephemeral_kind kind, uint32_t capacity, struct lanes *lanes)
{
	struct ephemeral_pool *pool = arena_alloc(arena, sizeof *pool, 64);

	if (pool == NULL || !stock_init(&pool->stock, arena, at_least(capacity), sizeof(struct pair)))
		return NULL;
	pool->kind = kind;
	pool->engine = lanes_engine(lanes);
	// TLS clients offer X25519 first nearly always.
	pool->stock.reserve = kind == EPHEMERAL_X25519 ? STOCK_BATCH : 0;
	pool->stock.random = pool->engine->random;
	pool->stock.counters = pool->engine->counters;
	return pool;
}

static bool make_scalar(const struct ephemeral_pool *pool, struct pair *pair)
{
	if (pool->kind == EPHEMERAL_X25519)
		return scalar_x25519_public(pair->share, pair->private_key);
	return scalar_nist_public(pool->engine->scalar, MB_P256, pair->share, pair->private_key);
}

static uint64_t make_by_kernel(const struct ephemeral_pool *pool, struct pair *pairs, unsigned n)
{
	uint8_t *shares[STOCK_BATCH];
	const uint8_t *private_keys[STOCK_BATCH];

	for (unsigned i = 0; i < n; i++) {
		shares[i] = pairs[i].share;
		private_keys[i] = pairs[i].private_key;
	}
	if (pool->kind == EPHEMERAL_X25519)
		return pool->engine->kernels->x25519_keygen(shares, private_keys, n);
	return pool->engine->kernels->p256_keygen(shares, private_keys, n);
}

// Makes up to n pairs: a P-256 scalar that is out of range (2^-32) is thrown away, not reduced, so that all
// are equally likely.
static void make(struct ephemeral_pool *pool, unsigned n, uint64_t now_us)
{
	struct pair pairs[STOCK_BATCH];
	uint64_t made = 0;

	SLUICE_ASSERT(n <= STOCK_BATCH);
	for (unsigned i = 0; i < n; i++)
		random_bytes(pool->stock.random, pairs[i].private_key, sizeof pairs[i].private_key);
	if (pool->engine->kernels != NULL)
		made = make_by_kernel(pool, pairs, n);
	else
		for (unsigned i = 0; i < n; i++)
			made |= (uint64_t)make_scalar(pool, &pairs[i]) << i;
	for (unsigned i = 0; i < n; i++)
		if ((made >> i & 1) != 0)
			stock_put(&pool->stock, &pairs[i], now_us);
	wipe(pairs, n * sizeof pairs[0]);
	if (pool->stock.counters != NULL)
		counter_inc(pool->stock.counters, COUNTER_CRYPTO_POOL_BATCHES);
}

void ephemeral_pool_take(struct ephemeral_pool *pool, uint64_t now_us,
	uint8_t out_private_key[EPHEMERAL_PRIVATE_LEN], uint8_t *out_share)
{
	struct pair pair;

	stock_expire(&pool->stock, now_us);
	while (!stock_take(&pool->stock, &pair))
		make(pool, pool->engine->kernels != NULL ? STOCK_BATCH_NOW : 1, now_us);
	memcpy(out_private_key, pair.private_key, sizeof pair.private_key);
	memcpy(out_share, pair.share, ephemeral_share_len(pool->kind));
	wipe(&pair, sizeof pair);
}

void ephemeral_pool_expire(struct ephemeral_pool *pool, uint64_t now_us)
{
	stock_expire(&pool->stock, now_us);
}

bool ephemeral_pool_refill(struct ephemeral_pool *pool, uint64_t now_us, bool urgent)
{
	uint32_t n;

	stock_expire(&pool->stock, now_us);
	n = stock_wanted(&pool->stock, now_us, urgent);
	if (n == 0)
		return false;
	make(pool, pool->engine->kernels != NULL ? n : 1, now_us);
	return true;
}

uint64_t ephemeral_pool_expires_us(const struct ephemeral_pool *pool)
{
	return stock_expires_us(&pool->stock);
}

uint32_t ephemeral_pool_count(const struct ephemeral_pool *pool)
{
	return pool->stock.n;
}

void ephemeral_pool_wipe(struct ephemeral_pool *pool)
{
	stock_wipe(&pool->stock);
}
