// SPDX-License-Identifier: Apache-2.0
//
// Ed25519 signatures (RFC 8032 5.1.6), eight lanes: the points by the comb on edwards25519, the hashes and
// the arithmetic modulo the group order, which are short, one lane at a time.
#include "crypto/mb/ed25519.h"

#include "base/wipe.h"
#include "crypto/mb/body.h"
#include "crypto/mb/ed25519_scalar.h"
#include "crypto/mb/edwards25519.h"

#define STACK_WIPE_LEN 24576
#include "crypto/mb/stack_wipe.h"

// Encodes k * B for one group: y, with the lowest bit of x on top (RFC 8032 5.1.2). The scalars may be any
// value below 2^255; those that are even become odd by adding the order, which gives the same point.
static void group_base_multiple(struct fe *out_y, struct fe *out_z, struct fe *out_x,
	const uint8_t *const scalars[], unsigned n_lanes)
{
	struct edwards_point point;
	struct lane_words words;
	vec k[5];

	lane_words_read(&words, 4, LITTLE_ENDIAN_BYTES, scalars, 0, n_lanes);
	digits_from_words(k, 5, VEC_DIGIT_BITS, &words);
	edwards_add_order(k, (vmask)~vec_test(k[0], vec_set1(1)));
	point = edwards_base_multiple(k);
	*out_x = fe_carry(point.x);
	*out_y = fe_carry(point.y);
	*out_z = fe_carry(point.z);
	wipe(&words, sizeof(words));
	wipe(k, sizeof(k));
	wipe(&point, sizeof(point));
}

// out[i] = the encoding of scalars[i] * B; 32 bytes each.
static __attribute__((noinline)) void base_multiples(
	uint8_t *const out[], const uint8_t *const scalars[], unsigned n)
{
	unsigned n_groups = groups_of(n);
	struct fe x[VEC_LANES], y[VEC_LANES], z[VEC_LANES];

	for (unsigned group = 0; group < n_groups; group++)
		group_base_multiple(
			&y[group], &z[group], &x[group], scalars + VEC_LANES * group, group_lanes(n, group));
	fe_invert_all(z, n_groups);
	for (unsigned group = 0; group < n_groups; group++) {
		struct fe sign = fe_canonical(fe_mul_carried(x[group], z[group]));
		struct fe encoded = fe_canonical(fe_mul_carried(y[group], z[group]));
		struct lane_words words;

		words_from_digits(&words, 4, encoded.d, FE_DIGITS, FE_DIGIT_BITS);
		vec_store(words.word[3], vec_or(vec_load(words.word[3]), vec_shl(sign.d[0], 63)));
		lane_words_write(
			&words, 4, LITTLE_ENDIAN_BYTES, out + VEC_LANES * group, 0, group_lanes(n, group));
	}
	wipe(x, sizeof(x));
	wipe(y, sizeof(y));
	wipe(z, sizeof(z));
}

void MB_SYMBOL(ed25519_public)(uint8_t out_public[MB_ED25519_KEY_LEN], const uint8_t scalar[32])
{
	base_multiples(&out_public, &scalar, 1);
	stack_wipe();
}

uint64_t MB_SYMBOL(ed25519_sign)(uint8_t *const out_signatures[], const struct mb_ed25519_key *const keys[],
	const struct span messages[], unsigned n)
{
	uint8_t nonces[MB_REQUESTS_MAX][32];
	const uint8_t *scalars[MB_REQUESTS_MAX];

	SLUICE_ASSERT(n >= 1 && n <= MB_REQUESTS_MAX);
	for (unsigned i = 0; i < n; i++) {
		mb_ed25519_nonce(nonces[i], keys[i], messages[i]);
		scalars[i] = nonces[i];
	}
	base_multiples(out_signatures, scalars, n);
	for (unsigned i = 0; i < n; i++)
		mb_ed25519_respond(out_signatures[i], keys[i], nonces[i], messages[i]);
	wipe(nonces, sizeof(nonces));
	stack_wipe();
	return requests_all(n);
}
