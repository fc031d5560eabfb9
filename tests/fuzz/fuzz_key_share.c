// SPDX-License-Identifier: Apache-2.0
//
// Key shares as peers send them. The first byte chooses the group, the rest is the share: the kernels (plain
// body) and OpenSSL agree on which are accepted and what secret they give.
#include "base/assert.h"
#include "crypto/crypto.h"
#include "crypto/group.h"
#include "crypto/scalar.h"
#include "seam/clock_virtual.h"
#include "seam/random_seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct arena arena;
static struct crypto crypto;
static struct scalar *scalar;

static void set_up(void)
{
	const struct crypto_settings settings = {
		.lanes = {.body = SELECT_LANES_PLAIN}, .n_aead_slots = 1, .n_ready = 32};

	if (scalar != NULL)
		return;
	random_seeded_set(1);
	scalar = scalar_create();
	SLUICE_ASSERT(scalar != NULL && arena_init(&arena, crypto_footprint(&settings)));
	SLUICE_ASSERT(crypto_init(&crypto, &arena, &settings, NULL));
}

static bool reference(const struct key_exchange *exchange, const uint8_t *share, uint8_t *secret)
{
	switch (exchange->group->id) {
	case GROUP_X25519:
		return scalar_x25519_shared(secret, exchange->private_key, share);
	case GROUP_SECP256R1:
		return scalar_nist_ecdh(scalar, MB_P256, secret, exchange->private_key, share);
	default:
		return scalar_nist_ecdh(scalar, MB_P384, secret, exchange->private_key, share);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct key_exchange exchange;
	enum key_exchange_status status;
	const struct group *group;
	uint8_t secret[GROUP_SECRET_MAX_LEN];

	set_up();
	if (len == 0)
		return 0;
	group = group_at(data[0] % N_GROUPS);
	key_exchange_init(&exchange, NULL);
	status = key_exchange_accept(&crypto, &exchange, group, span_of(data + 1, len - 1));
	if (len - 1 != group->client_share_len) {
		SLUICE_ASSERT(status == KEY_EXCHANGE_BAD_SHARE);
		key_exchange_destroy(&crypto, &exchange);
		return 0;
	}
	while (lanes_n_pending(crypto.lanes) != 0)
		(void)lanes_run(crypto.lanes, clock_tsc(), true);
	while (lanes_pop_completed(crypto.lanes) != NULL)
		continue;
	status = key_exchange_poll(&exchange);
	SLUICE_ASSERT(status == KEY_EXCHANGE_DONE || status == KEY_EXCHANGE_BAD_SHARE);
	SLUICE_ASSERT(reference(&exchange, data + 1, secret) == (status == KEY_EXCHANGE_DONE));
	SLUICE_ASSERT(memcmp(secret, exchange.secret, group->secret_len) == 0);
	key_exchange_destroy(&crypto, &exchange);
	return 0;
}
