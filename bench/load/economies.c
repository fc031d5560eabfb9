// SPDX-License-Identifier: Apache-2.0
#include "load/economies.h"

#include "base/assert.h"
#include "crypto/verify.h"

#include <stdlib.h>

struct share {
	uint8_t private_key[EPHEMERAL_PRIVATE_LEN];
	uint8_t share[EPHEMERAL_SHARE_MAX_LEN];
};

static struct state {
	struct economies settings;
	struct share *shares[N_EPHEMERAL_KINDS];
	uint32_t next[N_EPHEMERAL_KINDS];
	uint64_t n_seen;
	uint64_t n_verified;
	uint64_t n_unverified;
} state;

void __real_ephemeral_pool_take(
	struct ephemeral_pool *pool, uint64_t now_us, uint8_t *out_private_key, uint8_t *out_share);
enum verify_status __real_verify_start(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span *message_and_signature);
enum verify_status __real_verify_start_digest(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span *digest_and_signature);
void __wrap_ephemeral_pool_take(
	struct ephemeral_pool *pool, uint64_t now_us, uint8_t *out_private_key, uint8_t *out_share);
enum verify_status __wrap_verify_start(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span *message_and_signature);
enum verify_status __wrap_verify_start_digest(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span *digest_and_signature);

void economies_begin(const struct economies *economies)
{
	state = (struct state){.settings = *economies};
	for (uint32_t kind = 0; kind < N_EPHEMERAL_KINDS && economies->n_shares != 0; kind++) {
		state.shares[kind] = calloc(economies->n_shares, sizeof(struct share));
		SLUICE_ASSERT(state.shares[kind] != NULL);
		for (uint32_t i = 0; i < economies->n_shares; i++)
			__real_ephemeral_pool_take(economies->crypto->ephemeral[kind],
				economies->crypto->now_us, state.shares[kind][i].private_key,
				state.shares[kind][i].share);
	}
}

void economies_end(void)
{
	for (uint32_t kind = 0; kind < N_EPHEMERAL_KINDS; kind++)
		free(state.shares[kind]);
	state = (struct state){.n_verified = state.n_verified, .n_unverified = state.n_unverified};
}

void __wrap_ephemeral_pool_take(
	struct ephemeral_pool *pool, uint64_t now_us, uint8_t *out_private_key, uint8_t *out_share)
{
	enum ephemeral_kind kind = state.settings.crypto != NULL &&
						   pool == state.settings.crypto->ephemeral[EPHEMERAL_P256]
					   ? EPHEMERAL_P256
					   : EPHEMERAL_X25519;
	const struct share *share;

	if (state.shares[kind] == NULL) {
		__real_ephemeral_pool_take(pool, now_us, out_private_key, out_share);
		return;
	}
	share = &state.shares[kind][state.next[kind]++ % state.settings.n_shares];
	memcpy(out_private_key, share->private_key, sizeof share->private_key);
	memcpy(out_share, share->share, ephemeral_share_len(kind));
}

// Whether the next signature is checked: eight in a row, which come about together and fill the lanes, and
// then none for as long as the option says.
static bool is_due(void)
{
	if (state.settings.verify_every != 0 &&
		state.n_seen++ % ((uint64_t)LANES * state.settings.verify_every) < LANES) {
		state.n_verified++;
		return true;
	}
	state.n_unverified++;
	return false;
}

// What verify_start calls itself is inside its own file, where nothing is wrapped: no signature is counted
// twice.
enum verify_status __wrap_verify_start(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span *message_and_signature)
{
	if (!is_due())
		return VERIFY_GOOD;
	return __real_verify_start(crypto, verification, key, scheme, message_and_signature);
}

enum verify_status __wrap_verify_start_digest(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span *digest_and_signature)
{
	if (!is_due())
		return VERIFY_GOOD;
	return __real_verify_start_digest(crypto, verification, key, scheme, digest_and_signature);
}

uint64_t economies_n_verified(void)
{
	return state.n_verified;
}

uint64_t economies_n_unverified(void)
{
	return state.n_unverified;
}
