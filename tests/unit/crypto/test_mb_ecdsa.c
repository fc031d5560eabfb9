// SPDX-License-Identifier: Apache-2.0
//
// ECDSA: prepared nonces, completion and verification on P-256 and P-384 against OpenSSL, both bodies.
// Arguments: struct random_rounds.
#include "mb_fixture.h"
#include "seam/cmocka_all.h"

static struct random_rounds rounds = {.n = 3, .seed = 21};

static const struct mb_kernels *bodies[2];
static unsigned n_bodies;

static void for_each(void (*check)(const struct mb_kernels *kernels, enum mb_curve curve))
{
	for (unsigned body = 0; body < n_bodies; body++) {
		check(bodies[body], MB_P256);
		check(bodies[body], MB_P384);
	}
}

// Signatures and what they are made of; checks point into the rows.
struct signatures {
	enum mb_curve curve;
	struct rows private_keys, nonces, public_keys, digests, r, s;
	struct mb_ecdsa_check checks[MB_REQUESTS_MAX];
};

static void random_scalar(struct stream *stream, enum mb_curve curve, uint8_t *out)
{
	stream_bytes(stream, out, mb_curve_len(curve));
	out[0] &= 0x7f;
}

static void signatures_init(struct signatures *set, enum mb_curve curve)
{
	set->curve = curve;
	rows_init(&set->private_keys, 0);
	rows_init(&set->nonces, 0);
	rows_init(&set->public_keys, 0);
	rows_init(&set->digests, 0);
	rows_init(&set->r, 0);
	rows_init(&set->s, 0);
	for (unsigned i = 0; i < MB_REQUESTS_MAX; i++)
		set->checks[i] = (struct mb_ecdsa_check){
			set->digests.in[i], set->r.in[i], set->s.in[i], set->public_keys.in[i]};
}

// n signatures by the kernels, all inputs random.
static void signatures_make(struct signatures *set, struct stream *stream, const struct mb_kernels *kernels,
	enum mb_curve curve, unsigned n)
{
	static const struct mb_ecdsa_nonce empty;
	struct mb_ecdsa_nonce nonces[MB_REQUESTS_MAX];
	struct mb_ecdsa_key key;

	signatures_init(set, curve);
	for (unsigned i = 0; i < n; i++) {
		random_scalar(stream, curve, set->private_keys.bytes[i]);
		random_scalar(stream, curve, set->nonces.bytes[i]);
		stream_bytes(stream, set->digests.bytes[i], mb_curve_len(curve));
		assert_true(
			reference_multiple(curve, set->public_keys.bytes[i], set->private_keys.in[i], NULL));
	}
	assert_int_equal(nist_prepare(kernels, curve, nonces, &set->nonces, n), UINT64_MAX >> (64 - n));
	for (unsigned i = 0; i < n; i++) {
		assert_true(mb_ecdsa_key_set(&key, curve, set->private_keys.in[i]));
		assert_true(mb_ecdsa_complete(
			&key, &nonces[i], set->digests.in[i], set->r.bytes[i], set->s.bytes[i]));
		assert_memory_equal(&nonces[i], &empty, sizeof(empty));
	}
}

static void check_random(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {rounds.seed};
	struct signatures set;

	for (unsigned round = 0; round < rounds.n; round++) {
		unsigned limit = nist_limit(curve);
		unsigned n = round == 0 ? limit : 1 + (unsigned)(stream_next(&stream) % limit);

		if (!random_round_has(&rounds, round, kernels))
			continue;
		signatures_make(&set, &stream, kernels, curve, n);
		for (unsigned i = 0; i < n; i++)
			assert_true(reference_verify(curve, &set.checks[i]));
		assert_int_equal(nist_verify(kernels, curve, set.checks, n), UINT64_MAX >> (64 - n));
	}
}

static void test_random(void **state)
{
	(void)state;
	for_each(check_random);
}

// s = k^-1 (z + r d) for operands at the ends of their ranges, computed by the reference from the same r.
static void check_completion_at_the_ends(const struct mb_kernels *kernels, enum mb_curve curve)
{
	size_t len = mb_curve_len(curve);
	uint8_t ends[4][MB_SCALAR_LEN_MAX] = {{0}}; // 1, order - 1, and for digests 0 and all ones
	uint8_t expected[MB_SCALAR_LEN_MAX], r[MB_SCALAR_LEN_MAX], s[MB_SCALAR_LEN_MAX];
	struct mb_ecdsa_nonce nonce;
	struct mb_ecdsa_key key;
	struct rows scalars;

	ends[0][len - 1] = 1;
	order_minus(curve, ends[1], 1);
	memset(ends[3], 0xff, len);
	for (unsigned i = 0; i < 16; i++) {
		rows_init(&scalars, 0);
		memcpy(scalars.bytes[0], ends[i / 8], len);
		assert_int_equal(nist_prepare(kernels, curve, &nonce, &scalars, 1), 1);
		assert_true(mb_ecdsa_key_set(&key, curve, ends[i / 4 % 2]));
		assert_true(mb_ecdsa_complete(&key, &nonce, ends[i % 4], r, s));
		order_multiply(curve, expected, r, ends[i / 4 % 2]);
		order_add(curve, expected, expected, ends[i % 4]);
		order_invert(curve, scalars.bytes[1], ends[i / 8]);
		order_multiply(curve, expected, expected, scalars.bytes[1]);
		assert_memory_equal(s, expected, len);
	}
}

static void test_completion_at_the_ends(void **state)
{
	(void)state;
	for_each(check_completion_at_the_ends);
}

// z = -r d gives s = 0, which no verifier accepts: refused, nothing left in the outputs, nonce gone.
static void check_zero_s(const struct mb_kernels *kernels, enum mb_curve curve)
{
	static const struct mb_ecdsa_nonce empty;
	size_t len = mb_curve_len(curve);
	struct stream stream = {22};
	struct mb_ecdsa_nonce nonce, again;
	struct mb_ecdsa_key key;
	struct rows scalars, out;
	uint8_t d[MB_SCALAR_LEN_MAX], z[MB_SCALAR_LEN_MAX];

	rows_init(&scalars, 0);
	rows_init(&out, 0);
	random_scalar(&stream, curve, scalars.bytes[0]);
	random_scalar(&stream, curve, d);
	assert_int_equal(nist_prepare(kernels, curve, &nonce, &scalars, 1), 1);
	again = nonce;
	assert_true(mb_ecdsa_key_set(&key, curve, d));
	assert_true(mb_ecdsa_complete(&key, &nonce, d, out.bytes[0], out.bytes[1]));
	order_multiply(curve, z, out.bytes[0], d);
	order_negate(curve, z, z);
	rows_init(&out, 0xaa);
	assert_false(mb_ecdsa_complete(&key, &again, z, out.bytes[0], out.bytes[1]));
	assert_true(row_is_zero(&out, 0, len) && row_is_zero(&out, 1, len));
	assert_memory_equal(&again, &empty, sizeof(empty));
	// A nonce that was used up, or never prepared, does not sign.
	assert_false(mb_ecdsa_complete(&key, &again, d, out.bytes[0], out.bytes[1]));
}

static void test_zero_s(void **state)
{
	(void)state;
	for_each(check_zero_s);
}

static void test_keys_out_of_range(void **state)
{
	struct mb_ecdsa_key key;
	uint8_t d[MB_SCALAR_LEN_MAX];

	(void)state;
	for (int i = 0; i < 2; i++) {
		enum mb_curve curve = i == 0 ? MB_P256 : MB_P384;

		memset(d, 0, sizeof(d));
		assert_false(mb_ecdsa_key_set(&key, curve, d));
		order_plus(curve, d, 0);
		assert_false(mb_ecdsa_key_set(&key, curve, d));
		order_plus(curve, d, 1);
		assert_false(mb_ecdsa_key_set(&key, curve, d));
		memset(d, 0xff, sizeof(d));
		assert_false(mb_ecdsa_key_set(&key, curve, d));
		order_minus(curve, d, 1);
		assert_true(mb_ecdsa_key_set(&key, curve, d));
	}
}

static void test_digest_lengths(void **state)
{
	uint8_t digest[64], out[MB_SCALAR_LEN_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(i + 1);
	mb_ecdsa_digest(MB_P256, out, digest, 64);
	assert_memory_equal(out, digest, 32);
	mb_ecdsa_digest(MB_P384, out, digest, 32);
	assert_int_equal(out[15], 0);
	assert_memory_equal(out + 16, digest, 32);
	mb_ecdsa_digest(MB_P256, out, digest, 0);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(out[i], 0);
}

// Nonces out of range in each lane, three groups: only they fail, and leave zeros.
static void check_bad_nonces(const struct mb_kernels *kernels, enum mb_curve curve)
{
	static const struct mb_ecdsa_nonce empty;
	struct stream stream = {23};
	struct mb_ecdsa_nonce expected[24], nonces[24];
	struct rows scalars;
	unsigned n = nist_limit(curve) < 24 ? nist_limit(curve) : 24;
	uint64_t all = (UINT64_C(1) << n) - 1;

	rows_init(&scalars, 0);
	for (unsigned i = 0; i < n; i++)
		random_scalar(&stream, curve, scalars.bytes[i]);
	assert_int_equal(nist_prepare(kernels, curve, expected, &scalars, n), all);
	for (unsigned bad = 0; bad < n; bad++) {
		uint8_t saved[MB_SCALAR_LEN_MAX];

		memcpy(saved, scalars.bytes[bad], sizeof(saved));
		if (bad % 2 == 0)
			memset(scalars.bytes[bad], 0, sizeof(saved));
		else
			order_plus(curve, scalars.bytes[bad], bad / 2);
		memset(nonces, 0xaa, sizeof(nonces));
		assert_int_equal(
			nist_prepare(kernels, curve, nonces, &scalars, n), all & ~(UINT64_C(1) << bad));
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(&nonces[i], i == bad ? &empty : &expected[i], sizeof(empty));
		memcpy(scalars.bytes[bad], saved, sizeof(saved));
	}
}

static void test_bad_nonces(void **state)
{
	(void)state;
	for_each(check_bad_nonces);
}

enum spoil {
	SPOIL_DIGEST,
	SPOIL_R,
	SPOIL_S,
	SPOIL_R_ZERO,
	SPOIL_S_ZERO,
	SPOIL_R_IS_ORDER,
	SPOIL_S_IS_ORDER,
	SPOIL_R_ONES,
	SPOIL_S_ONES,
	SPOIL_KEY_FORM,
	SPOIL_KEY_OFF_CURVE,
	SPOIL_KEY_NEGATED,
	N_SPOILS
};

static void spoil(struct signatures *set, unsigned i, enum spoil how)
{
	size_t len = mb_curve_len(set->curve);
	uint8_t *r = set->r.bytes[i], *s = set->s.bytes[i], *key = set->public_keys.bytes[i];

	switch (how) {
	case SPOIL_DIGEST:
		set->digests.bytes[i][len / 2] ^= 1;
		break;
	case SPOIL_R:
		r[len - 1] ^= 1;
		break;
	case SPOIL_S:
		s[len - 1] ^= 1;
		break;
	case SPOIL_R_ZERO:
		memset(r, 0, len);
		break;
	case SPOIL_S_ZERO:
		memset(s, 0, len);
		break;
	case SPOIL_R_IS_ORDER:
		order_plus(set->curve, r, 0);
		break;
	case SPOIL_S_IS_ORDER:
		order_plus(set->curve, s, 0);
		break;
	case SPOIL_R_ONES:
		memset(r, 0xff, len);
		break;
	case SPOIL_S_ONES:
		memset(s, 0xff, len);
		break;
	case SPOIL_KEY_FORM:
		key[0] = 2;
		break;
	case SPOIL_KEY_OFF_CURVE:
		key[2 * len] ^= 1;
		break;
	default: { // the key of order - d
		uint8_t negated[MB_SCALAR_LEN_MAX];

		order_negate(set->curve, negated, set->private_keys.in[i]);
		assert_true(reference_multiple(set->curve, key, negated, NULL));
		break;
	}
	}
}

// Each way to spoil a signature, in each lane: that one fails, all others are still good.
static void check_bad_signatures(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {24};
	struct signatures set, good;

	signatures_make(&good, &stream, kernels, curve, MB_LANES);
	for (int how = 0; how < N_SPOILS; how++) {
		for (unsigned bad = 0; bad < MB_LANES; bad++) {
			signatures_init(&set, curve);
			for (unsigned i = 0; i < MB_LANES; i++) {
				memcpy(set.private_keys.bytes[i], good.private_keys.bytes[i], ROW_LEN);
				memcpy(set.public_keys.bytes[i], good.public_keys.bytes[i], ROW_LEN);
				memcpy(set.digests.bytes[i], good.digests.bytes[i], ROW_LEN);
				memcpy(set.r.bytes[i], good.r.bytes[i], ROW_LEN);
				memcpy(set.s.bytes[i], good.s.bytes[i], ROW_LEN);
			}
			spoil(&set, bad, (enum spoil)how);
			assert_int_equal(
				nist_verify(kernels, curve, set.checks, MB_LANES), 0xff & ~(1u << bad));
		}
	}
}

static void test_bad_signatures(void **state)
{
	(void)state;
	for_each(check_bad_signatures);
}

// From a, b with R = (a + b) G, u1 = a and u2 = b / d: r = x(R), s = r d / b, z = a s. Only a and b decide
// which additions of points meet in verification.
static void signature_of_sum(
	struct signatures *set, unsigned i, const uint8_t *a, const uint8_t *b, const uint8_t *d)
{
	size_t len = mb_curve_len(set->curve);
	uint8_t sum[MB_SCALAR_LEN_MAX], point[POINT_LEN_MAX], inverse[MB_SCALAR_LEN_MAX];

	order_add(set->curve, sum, a, b);
	if (!reference_multiple(set->curve, point, sum, NULL))
		memset(point, 1, sizeof(point)); // R at infinity: any r
	memset(inverse, 0, len);
	inverse[len - 1] = 1;
	order_multiply(set->curve, set->r.bytes[i], point + 1, inverse); // x mod order
	order_invert(set->curve, inverse, b);
	order_multiply(set->curve, set->s.bytes[i], set->r.bytes[i], d);
	order_multiply(set->curve, set->s.bytes[i], set->s.bytes[i], inverse);
	order_multiply(set->curve, set->digests.bytes[i], a, set->s.bytes[i]);
	assert_true(reference_multiple(set->curve, set->public_keys.bytes[i], d, NULL));
}

// u1 G and u2 Q equal, opposite, and u1 = 0: the cases that addition formulas stumble over.
static void check_special_sums(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {25};
	struct signatures set;
	uint64_t done;

	signatures_init(&set, curve);
	for (unsigned i = 0; i < MB_LANES; i++) {
		uint8_t a[MB_SCALAR_LEN_MAX], b[MB_SCALAR_LEN_MAX], d[MB_SCALAR_LEN_MAX];

		random_scalar(&stream, curve, a);
		random_scalar(&stream, curve, b);
		random_scalar(&stream, curve, d);
		if (i % 4 == 1)
			memcpy(b, a, sizeof(b));
		if (i % 4 == 2)
			order_negate(curve, b, a);
		if (i % 4 == 3)
			memset(a, 0, sizeof(a));
		signature_of_sum(&set, i, a, b, d);
	}
	done = nist_verify(kernels, curve, set.checks, MB_LANES);
	for (unsigned i = 0; i < MB_LANES; i++) {
		assert_int_equal(done >> i & 1, i % 4 != 2);
		assert_int_equal(done >> i & 1, reference_verify(curve, &set.checks[i]));
	}
}

static void test_special_sums(void **state)
{
	(void)state;
	for_each(check_special_sums);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_completion_at_the_ends),
		cmocka_unit_test(test_zero_s),
		cmocka_unit_test(test_keys_out_of_range),
		cmocka_unit_test(test_digest_lengths),
		cmocka_unit_test(test_bad_nonces),
		cmocka_unit_test(test_bad_signatures),
		cmocka_unit_test(test_special_sums),
	};

	random_rounds_parse(&rounds, argc, argv);
	n_bodies = mb_bodies(bodies);
	return random_rounds_end(cmocka_run_group_tests(tests, NULL, NULL));
}
