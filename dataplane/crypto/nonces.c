// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonces.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/lane_engine.h"
#include "crypto/random.h"
#include "crypto/stock.h"

struct nonce_pool {
	struct stock stock; // of struct mb_ecdsa_nonce
	struct lane_engine *engine;
	enum mb_curve curve;
};

static uint32_t at_least(uint32_t capacity)
{
	return capacity < STOCK_CAPACITY_MIN ? STOCK_CAPACITY_MIN : capacity;
}

size_t nonce_pool_footprint(uint32_t capacity)
{
	return sizeof(struct nonce_pool) + 64 +
	       stock_footprint(at_least(capacity), sizeof(struct mb_ecdsa_nonce));
}

struct nonce_pool *nonce_pool_create(
	struct arena *arena, enum mb_curve curve, uint32_t capacity, struct lanes *lanes)
{
	struct nonce_pool *pool = arena_alloc(arena, sizeof *pool, 64);

	SLUICE_ASSERT(lanes_engine(lanes)->kernels != NULL);
	if (pool == NULL ||
		!stock_init(&pool->stock, arena, at_least(capacity), sizeof(struct mb_ecdsa_nonce)))
		return NULL;
	pool->curve = curve;
	pool->engine = lanes_engine(lanes);
	// Most certificates that are not RSA are of P-256.
	pool->stock.reserve = curve == MB_P256 ? STOCK_BATCH : 0;
	pool->stock.random = pool->engine->random;
	pool->stock.counters = pool->engine->counters;
	return pool;
}

// Makes up to n pairs. A k that is out of range (2^-32 for P-256) is thrown away, not reduced: the slightest
// bias in k gives the private key away in time.
static void make(struct nonce_pool *pool, unsigned n, uint64_t now_us)
{
	const struct mb_kernels *kernels = pool->engine->kernels;
	uint8_t k[STOCK_BATCH][MB_SCALAR_LEN_MAX];
	struct mb_ecdsa_nonce nonces[STOCK_BATCH];
	const uint8_t *k_at[STOCK_BATCH];
	struct mb_ecdsa_nonce *nonce_at[STOCK_BATCH];
	uint64_t made;

	if (pool->curve == MB_P384 && n > MB_LANES)
		n = MB_LANES;
	SLUICE_ASSERT(n <= STOCK_BATCH);
	for (unsigned i = 0; i < n; i++) {
		random_bytes(pool->stock.random, k[i], mb_curve_len(pool->curve));
		k_at[i] = k[i];
		nonce_at[i] = &nonces[i];
	}
	made = pool->curve == MB_P256 ? kernels->p256_ecdsa_prepare(nonce_at, k_at, n)
				      : kernels->p384_ecdsa_prepare(nonce_at, k_at, n);
	for (unsigned i = 0; i < n; i++)
		if ((made >> i & 1) != 0)
			stock_put(&pool->stock, &nonces[i], now_us);
	wipe(k, sizeof k);
	wipe(nonces, n * sizeof nonces[0]);
	if (pool->stock.counters != NULL)
		counter_inc(pool->stock.counters, COUNTER_CRYPTO_POOL_BATCHES);
}

void nonce_pool_take(struct nonce_pool *pool, uint64_t now_us, struct mb_ecdsa_nonce *out_nonce)
{
	stock_expire(&pool->stock, now_us);
	while (!stock_take(&pool->stock, out_nonce))
		make(pool, STOCK_BATCH_NOW, now_us);
}

void nonce_pool_expire(struct nonce_pool *pool, uint64_t now_us)
{
	stock_expire(&pool->stock, now_us);
}

bool nonce_pool_refill(struct nonce_pool *pool, uint64_t now_us, bool urgent)
{
	uint32_t n;

	stock_expire(&pool->stock, now_us);
	n = stock_wanted(&pool->stock, now_us, urgent);
	if (n == 0)
		return false;
	make(pool, n, now_us);
	return true;
}

uint64_t nonce_pool_expires_us(const struct nonce_pool *pool)
{
	return stock_expires_us(&pool->stock);
}

uint32_t nonce_pool_count(const struct nonce_pool *pool)
{
	return pool->stock.n;
}

void nonce_pool_wipe(struct nonce_pool *pool)
{
	stock_wipe(&pool->stock);
}
