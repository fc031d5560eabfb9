// SPDX-License-Identifier: Apache-2.0
#include "crypto/mb/ecdsa.h"

#include <string.h>

#include "base/wipe.h"
#include "crypto/mb/scalar64.h"
#include "mb_tables.h"

_Static_assert(SCALAR64_LIMBS_MAX == MB_SCALAR_LIMBS_MAX, "the same limbs");

struct group_order {
	uint64_t limbs[MB_SCALAR_LIMBS_MAX];
	uint64_t r2[MB_SCALAR_LIMBS_MAX]; // 2^(128 n_limbs) mod order
	uint64_t n0;
};

static const struct group_order p256_order = {P256_N_LIMBS, P256_N_R2_LIMBS, P256_N_N0_LIMB};
static const struct group_order p384_order = {P384_N_LIMBS, P384_N_R2_LIMBS, P384_N_N0_LIMB};

static const struct group_order *order_of(enum mb_curve curve)
{
	return curve == MB_P256 ? &p256_order : &p384_order;
}

static void limbs_read(uint64_t *out, const uint8_t *bytes, unsigned n_limbs)
{
	for (unsigned i = 0; i < n_limbs; i++) {
		uint64_t word;

		memcpy(&word, bytes + 8 * (n_limbs - 1 - i), sizeof(word));
		out[i] = __builtin_bswap64(word);
	}
}

static void limbs_write(uint8_t *out_bytes, const uint64_t *limbs, unsigned n_limbs)
{
	for (unsigned i = 0; i < n_limbs; i++) {
		uint64_t word = __builtin_bswap64(limbs[i]);

		memcpy(out_bytes + 8 * (n_limbs - 1 - i), &word, sizeof(word));
	}
}

// All ones unless the number is zero.
static uint64_t limbs_nonzero(const uint64_t *limbs, unsigned n_limbs)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < n_limbs; i++)
		bits |= limbs[i];
	return 0 - ((bits | (0 - bits)) >> 63);
}

static void limbs_keep(uint64_t *limbs, uint64_t keep, unsigned n_limbs)
{
	for (unsigned i = 0; i < n_limbs; i++)
		limbs[i] &= keep;
}

bool mb_ecdsa_key_set(struct mb_ecdsa_key *out_key, enum mb_curve curve, const uint8_t *d)
{
	const struct group_order *order = order_of(curve);
	unsigned n_limbs = (unsigned)mb_curve_len(curve) / 8;
	uint64_t limbs[MB_SCALAR_LIMBS_MAX] = {0}, reduced[MB_SCALAR_LIMBS_MAX] = {0};
	uint64_t valid;

	limbs_read(limbs, d, n_limbs);
	scalar64_subtract_once(reduced, limbs, 0, order->limbs, n_limbs);
	valid = limbs_nonzero(limbs, n_limbs);
	for (unsigned i = 0; i < n_limbs; i++)
		reduced[i] ^= limbs[i]; // zero if d was below the order
	valid &= ~limbs_nonzero(reduced, n_limbs);
	memset(out_key, 0, sizeof(*out_key));
	out_key->curve = curve;
	scalar64_mul(out_key->d, limbs, order->r2, order->limbs, order->n0, n_limbs);
	limbs_keep(out_key->d, valid, n_limbs);
	wipe(limbs, sizeof(limbs));
	wipe(reduced, sizeof(reduced));
	return valid & 1;
}

void mb_ecdsa_digest(enum mb_curve curve, uint8_t *out, const uint8_t *digest, size_t digest_len)
{
	size_t len = mb_curve_len(curve);
	size_t taken = digest_len < len ? digest_len : len;

	memset(out, 0, len - taken);
	memcpy(out + len - taken, digest, taken);
}

// s = k^-1 (z + r d). Montgomery factors cancel: (r * d R) / R = r d, and (k^-1 R) (z + r d) / R. z may
// exceed the order, but not twice.
static inline void complete(const struct mb_ecdsa_key *key, const struct mb_ecdsa_nonce *nonce, uint64_t *s,
	const uint8_t *digest, const struct group_order *order, unsigned n_limbs)
{
	uint64_t z[MB_SCALAR_LIMBS_MAX], rd[MB_SCALAR_LIMBS_MAX];

	limbs_read(z, digest, n_limbs);
	scalar64_subtract_once(z, z, 0, order->limbs, n_limbs);
	scalar64_mul(rd, nonce->r, key->d, order->limbs, order->n0, n_limbs);
	scalar64_add(z, z, rd, order->limbs, n_limbs);
	scalar64_mul(s, z, nonce->inverse, order->limbs, order->n0, n_limbs);
	wipe(rd, sizeof(rd));
	wipe(z, sizeof(z));
}

bool mb_ecdsa_complete(const struct mb_ecdsa_key *key, struct mb_ecdsa_nonce *nonce, const uint8_t *digest,
	uint8_t *out_r, uint8_t *out_s)
{
	unsigned n_limbs = key->curve == MB_P256 ? 4 : 6;
	uint64_t s[MB_SCALAR_LIMBS_MAX], valid;

	if (key->curve == MB_P256)
		complete(key, nonce, s, digest, &p256_order, 4);
	else
		complete(key, nonce, s, digest, &p384_order, 6);
	valid = limbs_nonzero(s, n_limbs) & limbs_nonzero(nonce->r, n_limbs);
	limbs_keep(s, valid, n_limbs);
	limbs_keep(nonce->r, valid, n_limbs);
	limbs_write(out_r, nonce->r, n_limbs);
	limbs_write(out_s, s, n_limbs);
	wipe(nonce, sizeof(*nonce));
	return valid & 1;
}
