// SPDX-License-Identifier: Apache-2.0
#include "crypto/crypto.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "crypto/lane_engine.h"

enum {
	AEAD_SLOTS_DEFAULT = 4096,
	READY_DEFAULT = 256
};

static uint32_t n_aead_slots(const struct crypto_settings *settings)
{
	return settings->n_aead_slots != 0 ? settings->n_aead_slots : (uint32_t)AEAD_SLOTS_DEFAULT;
}

static uint32_t n_ready(const struct crypto_settings *settings)
{
	return settings->n_ready != 0 ? settings->n_ready : (uint32_t)READY_DEFAULT;
}

size_t crypto_footprint(const struct crypto_settings *settings)
{
	return lanes_footprint() + N_EPHEMERAL_KINDS * ephemeral_pool_footprint(n_ready(settings)) +
	       N_NONCE_POOLS * nonce_pool_footprint(n_ready(settings)) +
	       aead_cache_footprint(n_aead_slots(settings));
}

static bool make_pools(struct crypto *crypto, struct arena *arena, const struct crypto_settings *settings)
{
	for (unsigned kind = 0; kind < N_EPHEMERAL_KINDS; kind++) {
		crypto->ephemeral[kind] = ephemeral_pool_create(
			arena, (enum ephemeral_kind)kind, n_ready(settings), crypto->lanes);
		if (crypto->ephemeral[kind] == NULL)
			return false;
	}
	if (lanes_engine(crypto->lanes)->kernels == NULL)
		return true;
	for (unsigned curve = 0; curve < N_NONCE_POOLS; curve++) {
		crypto->nonces[curve] = nonce_pool_create(
			arena, (enum mb_curve)curve, n_ready(settings), crypto->lanes);
		if (crypto->nonces[curve] == NULL)
			return false;
	}
	return true;
}

bool crypto_init(struct crypto *crypto, struct arena *arena, const struct crypto_settings *settings,
	struct counters *counters)
{
	memset(crypto, 0, sizeof *crypto);
	crypto->counters = counters;
	crypto->prepared_signatures_off = settings->prepared_signatures_off;
	crypto->now_us = clock_now_us();
	crypto->now_tsc = clock_tsc();
	if (!random_init(&crypto->random))
		return false;
	crypto->lanes = lanes_create(arena, &settings->lanes, &crypto->random, counters);
	return crypto->lanes != NULL && make_pools(crypto, arena, settings) &&
	       aead_cache_init(&crypto->aead, arena, n_aead_slots(settings), counters);
}

void crypto_begin_turn(struct crypto *crypto, uint64_t now_us, uint64_t now_tsc)
{
	crypto->now_us = now_us;
	crypto->now_tsc = now_tsc;
	if (random_check(&crypto->random, now_us) && crypto->counters != NULL)
		counter_inc(crypto->counters, COUNTER_CRYPTO_RESEEDED);
	for (unsigned kind = 0; kind < N_EPHEMERAL_KINDS; kind++)
		ephemeral_pool_expire(crypto->ephemeral[kind], now_us);
	for (unsigned curve = 0; curve < N_NONCE_POOLS; curve++)
		if (crypto->nonces[curve] != NULL)
			nonce_pool_expire(crypto->nonces[curve], now_us);
}

// One batch of the first pool that wants one.
static bool refill_one(struct crypto *crypto, bool urgent)
{
	for (unsigned kind = 0; kind < N_EPHEMERAL_KINDS; kind++)
		if (ephemeral_pool_refill(crypto->ephemeral[kind], crypto->now_us, urgent))
			return true;
	for (unsigned curve = 0; curve < N_NONCE_POOLS; curve++)
		if (crypto->nonces[curve] != NULL && !crypto->prepared_signatures_off &&
			nonce_pool_refill(crypto->nonces[curve], crypto->now_us, urgent))
			return true;
	return false;
}

bool crypto_refill(struct crypto *crypto, uint64_t budget_tsc, bool urgent)
{
	uint64_t started_tsc = clock_tsc();

	do {
		if (!refill_one(crypto, urgent))
			return false;
	} while (clock_tsc() - started_tsc < budget_tsc);
	return true;
}

static void wipe_nonces(struct crypto *crypto)
{
	for (unsigned curve = 0; curve < N_NONCE_POOLS; curve++)
		if (crypto->nonces[curve] != NULL)
			nonce_pool_wipe(crypto->nonces[curve]);
}

void crypto_prepare_signatures(struct crypto *crypto, bool on)
{
	crypto->prepared_signatures_off = !on;
	if (!on)
		wipe_nonces(crypto);
}

void crypto_note_key(struct crypto *crypto, const struct private_key *key)
{
	uint8_t digest[32];

	private_key_digest(key, digest);
	random_mix(&crypto->random, span_of(digest, sizeof digest));
	wipe(digest, sizeof digest);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t crypto_next_us(const struct crypto *crypto)
{
	uint64_t next_us = UINT64_MAX;

	if (lanes_n_pending(crypto->lanes) != 0)
		return crypto->now_us;
	for (unsigned kind = 0; kind < N_EPHEMERAL_KINDS; kind++)
		next_us = earlier(next_us, ephemeral_pool_expires_us(crypto->ephemeral[kind]));
	for (unsigned curve = 0; curve < N_NONCE_POOLS; curve++)
		if (crypto->nonces[curve] != NULL)
			next_us = earlier(next_us, nonce_pool_expires_us(crypto->nonces[curve]));
	return next_us;
}

void crypto_destroy(struct crypto *crypto)
{
	for (unsigned kind = 0; kind < N_EPHEMERAL_KINDS; kind++)
		ephemeral_pool_wipe(crypto->ephemeral[kind]);
	wipe_nonces(crypto);
	aead_cache_wipe(&crypto->aead);
	lanes_destroy(crypto->lanes);
	random_wipe(&crypto->random);
}
