// SPDX-License-Identifier: Apache-2.0
//
// Field arithmetic against OpenSSL's integers, lane by lane, with operands at the ends of the bounds that the
// headers state. Compiled once for each body and field: TEST_FIELD is 25519, 256 or 384.
#include "base/wipe.h"
#include "mb_fixture.h"
#include "seam/cmocka_all.h"

#include <openssl/bn.h>

#if TEST_FIELD == 25519
#include "crypto/mb/field25519.h"
#define N_DIGITS   FE_DIGITS
#define DIGIT_BITS FE_DIGIT_BITS
#elif TEST_FIELD == 256
#include "crypto/mb/curve_p256.h"
#include "crypto/mb/point_nist.h"
#define N_DIGITS   NIST_DIGITS
#define DIGIT_BITS VEC_DIGIT_BITS
#else
#include "crypto/mb/curve_p384.h"
#include "crypto/mb/point_nist.h"
#define N_DIGITS   NIST_DIGITS
#define DIGIT_BITS VEC_DIGIT_BITS
#endif

enum {
	N_ROUNDS = 100
};

static BN_CTX *context;

// Digits of eight lanes in memory.
struct numbers {
	uint64_t digit[N_DIGITS][VEC_LANES];
};

static struct fe load(const struct numbers *numbers)
{
	struct fe out;

	for (int i = 0; i < N_DIGITS; i++)
		out.d[i] = vec_load(numbers->digit[i]);
	return out;
}

// The integer in one lane; digits may be signed.
static BIGNUM *value(struct fe a, int lane)
{
	BIGNUM *sum = BN_new(), *digit = BN_new();
	uint64_t stored[VEC_LANES];

	for (int i = N_DIGITS - 1; i >= 0; i--) {
		vec_store(stored, a.d[i]);
		assert_true(BN_lshift(sum, sum, DIGIT_BITS));
		assert_true(BN_set_word(digit, stored[lane] >> 63 != 0 ? 0 - stored[lane] : stored[lane]));
		assert_true(stored[lane] >> 63 != 0 ? BN_sub(sum, sum, digit) : BN_add(sum, sum, digit));
	}
	BN_free(digit);
	return sum;
}

// Whether every digit is below 2^52, as multiplication needs it.
static bool is_factor(struct fe a)
{
	vmask below = VEC_ALL;

	for (int i = 0; i < N_DIGITS; i++)
		below &= vec_lt(a.d[i], vec_set1(VEC_DIGIT_MASK + 1));
	return below == VEC_ALL;
}

// Asserts a = b mod m in all lanes, where b is computed by an operation on x and y, and frees nothing.
typedef int operation(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *context);

static void check(struct fe result, struct fe x, struct fe y, operation *reference, const BIGNUM *m)
{
	for (int lane = 0; lane < VEC_LANES; lane++) {
		BIGNUM *a = value(x, lane), *b = value(y, lane), *r = value(result, lane),
		       *expected = BN_new();

		assert_true(reference(expected, a, b, m, context));
		assert_true(BN_nnmod(r, r, m, context));
		assert_int_equal(BN_cmp(r, expected), 0);
		BN_free(a);
		BN_free(b);
		BN_free(r);
		BN_free(expected);
	}
}

#if TEST_FIELD == 25519

// Carried elements: digits up to 2^51 + 2^16 - 1.
static struct numbers draw(struct stream *stream)
{
	struct numbers out;

	for (int i = 0; i < N_DIGITS; i++) {
		for (int lane = 0; lane < VEC_LANES; lane++) {
			uint64_t choice = stream_next(stream) % 8;
			uint64_t most = (UINT64_C(1) << 51) + 0xffff;

			out.digit[i][lane] = choice == 0   ? most
					     : choice == 1 ? 0
							   : stream_next(stream) % (most + 1);
		}
	}
	return out;
}

static BIGNUM *prime(void)
{
	BIGNUM *p = BN_new();

	assert_true(BN_set_bit(p, 255) && BN_sub_word(p, 19));
	return p;
}

static int reference_square(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx)
{
	(void)b;
	return BN_mod_sqr(r, a, m, ctx);
}

static void test_operations(void **state)
{
	struct stream stream = {41};
	BIGNUM *p = prime();

	(void)state;
	for (int round = 0; round < N_ROUNDS; round++) {
		struct numbers x = draw(&stream), y = draw(&stream);
		struct fe a = load(&x), b = load(&y), product;

		if (round == 0) { // every digit at its bound
			for (int i = 0; i < N_DIGITS; i++)
				a.d[i] = b.d[i] = vec_set1((UINT64_C(1) << 51) + 0xffff);
		}
		product = fe_mul(a, b);
		check(product, a, b, BN_mod_mul, p);
		assert_true(is_factor(fe_carry(product)));
		check(fe_carry(product), a, b, BN_mod_mul, p);
		check(fe_sqr(a), a, b, reference_square, p);
		// Sums and differences of raw products.
		assert_true(is_factor(fe_add(product, product)));
		assert_true(is_factor(fe_sub(product, fe_sqr(b))));
		check(fe_sub(product, fe_sqr(b)), product, fe_sqr(b), BN_mod_sub, p);
		check(fe_add(product, fe_sqr(b)), product, fe_sqr(b), BN_mod_add, p);
	}
	BN_free(p);
}

// The canonical form: equal to BN's for values around 0, p and 2^255, and zero for p alone.
static void test_canonical(void **state)
{
	BIGNUM *p = prime();
	struct fe near = fe_small(0);

	(void)state;
	for (uint64_t i = 0; i < 64; i++) {
		for (int j = 1; j < N_DIGITS; j++)
			near.d[j] = vec_set1(FE_DIGIT_MASK);
		near.d[0] = vec_set1(FE_DIGIT_MASK - 32 + i);
		check(fe_canonical(near), near, fe_small(0), BN_mod_add, p);
		assert_int_equal(fe_is_zero(near), i == 14 ? VEC_ALL : 0); // p = 2^255 - 19
		for (int lane = 0; lane < VEC_LANES; lane++) {
			BIGNUM *canonical = value(fe_canonical(near), lane);

			assert_true(BN_cmp(canonical, p) < 0);
			BN_free(canonical);
		}
	}
	BN_free(p);
}

static void test_inversion(void **state)
{
	struct stream stream = {42};
	BIGNUM *p = prime();
	struct fe elements[8], originals[8];

	(void)state;
	for (unsigned n = 1; n <= 8; n++) {
		for (unsigned i = 0; i < n; i++) {
			struct numbers x = draw(&stream);

			originals[i] = elements[i] = load(&x);
		}
		fe_invert_all(elements, n);
		for (unsigned i = 0; i < n; i++)
			check(fe_small(1), elements[i], originals[i], BN_mod_mul, p);
	}
	// A zero in one lane of one element leaves the others alone.
	elements[0] = originals[0];
	elements[1] = fe_select(0x10, fe_small(0), originals[1]);
	fe_invert_all(elements, 2);
	check(fe_small(1), elements[0], originals[0], BN_mod_mul, p);
	BN_free(p);
}

#else

// Elements below `times` * m with carried digits.
static struct fe draw(struct stream *stream, const struct modulus *m, uint64_t times)
{
	struct numbers out;
	struct fe sum;
	vmask below;

	for (int i = 0; i < N_DIGITS; i++) {
		for (int lane = 0; lane < VEC_LANES; lane++) {
			uint64_t choice = stream_next(stream) % 8;

			out.digit[i][lane] = choice == 0   ? VEC_DIGIT_MASK
					     : choice == 1 ? 0
							   : stream_next(stream) & VEC_DIGIT_MASK;
			if (i == N_DIGITS - 1)
				out.digit[i][lane] &= (UINT64_C(1) << NIST_TOP_BITS) - 1;
		}
	}
	sum = mod_subtract_once(m, load(&out), &below);
	return fe_carry(raw_add_modulus(m, sum, stream_next(stream) % times));
}

static BIGNUM *modulus_of(const struct modulus *m)
{
	return value(fe_constant(m->digits), 0);
}

static BIGNUM *r_inverse(const BIGNUM *m)
{
	BIGNUM *r = BN_new();

	assert_true(BN_set_bit(r, DIGIT_BITS * N_DIGITS));
	assert_non_null(BN_mod_inverse(r, r, m, context));
	return r;
}

static BIGNUM *factor; // 1/R

static int reference_montgomery(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx)
{
	return BN_mod_mul(r, a, b, m, ctx) && BN_mod_mul(r, r, factor, m, ctx);
}

static int reference_montgomery_square(
	BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx)
{
	(void)b;
	return reference_montgomery(r, a, a, m, ctx);
}

// Asserts 0 <= a < bound m / 16 in all lanes.
static void check_below(struct fe a, const BIGNUM *m, unsigned sixteenths)
{
	for (int lane = 0; lane < VEC_LANES; lane++) {
		BIGNUM *x = value(a, lane), *most = BN_dup(m);

		assert_true(BN_lshift(x, x, 4) && BN_mul_word(most, sixteenths));
		assert_true(!BN_is_negative(x) && BN_cmp(x, most) < 0);
		BN_free(x);
		BN_free(most);
	}
}

static void check_modulus(const struct modulus *m)
{
	struct stream stream = {43};
	BIGNUM *prime = modulus_of(m);
	vmask below;

	factor = r_inverse(prime);
	for (int round = 0; round < N_ROUNDS; round++) {
		struct fe a = draw(&stream, m, 4), b = draw(&stream, m, 4);

		check(mod_mul(m, a, b), a, b, reference_montgomery, prime);
		check_below(mod_mul(m, a, b), prime, 32);
		assert_true(is_factor(mod_mul(m, a, b)));
		check(mod_sqr(m, a), a, a, reference_montgomery_square, prime);
		check(mod_leave(m, mod_enter(m, a)), a, fe_constant((uint64_t[N_DIGITS]){1}), BN_mod_mul,
			prime);
		check_below(mod_leave(m, mod_enter(m, a)), prime, 16);
	}
	(void)mod_subtract_once(m, fe_constant(m->digits), &below);
	assert_int_equal(below, 0);
	(void)mod_subtract_once(m, fe_constant(m->minus_2), &below);
	assert_int_equal(below, VEC_ALL);
	assert_int_equal(mod_is_zero(m, fe_constant(m->digits)), VEC_ALL);
	assert_int_equal(mod_is_zero(m, fe_constant(m->one)), 0);
	BN_free(factor);
	BN_free(prime);
}

static void test_field(void **state)
{
	(void)state;
	check_modulus(&field);
}

static void test_order(void **state)
{
	(void)state;
	check_modulus(&order);
}

// Elements times their inverses are one; shared among n, with a zero in one lane.
static void check_inversion(const struct modulus *m)
{
	struct stream stream = {44};
	BIGNUM *prime = modulus_of(m);
	struct fe elements[4], originals[4], zero = fe_constant((uint64_t[N_DIGITS]){0});

	factor = r_inverse(prime);
	for (unsigned n = 1; n <= 4; n++) {
		for (unsigned i = 0; i < n; i++)
			originals[i] = elements[i] = draw(&stream, m, 2);
		mod_invert_all(m, elements, n);
		for (unsigned i = 0; i < n; i++)
			check(fe_constant(m->one), elements[i], originals[i], reference_montgomery, prime);
	}
	elements[0] = originals[0];
	elements[1] = fe_select(0x10, zero, originals[1]);
	mod_invert_all(m, elements, 2);
	check(fe_constant(m->one), elements[0], originals[0], reference_montgomery, prime);
	BN_free(factor);
	BN_free(prime);
}

static void test_inversion(void **state)
{
	(void)state;
	check_inversion(&field);
	check_inversion(&order);
}

// Two inversions at once give what each gives alone.
static void test_inversion_of_two(void **state)
{
	struct stream stream = {47};
	BIGNUM *primes[2] = {modulus_of(&field), modulus_of(&order)};
	struct fe a[3], b[3], a_originals[3], b_originals[3];

	(void)state;
	for (unsigned n = 1; n <= 3; n++) {
		for (unsigned i = 0; i < n; i++) {
			a_originals[i] = a[i] = draw(&stream, &field, 2);
			b_originals[i] = b[i] = draw(&stream, &order, 2);
		}
		mod_invert_all_two(&field, a, &order, b, n);
		for (unsigned i = 0; i < n; i++) {
			factor = r_inverse(primes[0]);
			check(fe_constant(field.one), a[i], a_originals[i], reference_montgomery, primes[0]);
			BN_free(factor);
			factor = r_inverse(primes[1]);
			check(fe_constant(order.one), b[i], b_originals[i], reference_montgomery, primes[1]);
			BN_free(factor);
		}
	}
	BN_free(primes[0]);
	BN_free(primes[1]);
}

static int reference_first(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *ctx)
{
	(void)b;
	return BN_nnmod(r, a, m, ctx);
}

// fe_tighten of everything that the point formulas give it: from -24 to 24, uncarried, digits of both signs.
static void test_tighten(void **state)
{
	struct stream stream = {45};
	BIGNUM *prime = modulus_of(&field);

	(void)state;
	for (int round = 0; round < N_ROUNDS; round++) {
		struct fe a = draw(&stream, &field, 4), b = draw(&stream, &field, 4), raw;

		for (unsigned bits = 0; bits <= 2; bits++) {
			raw = raw_sub(a, raw_shl(b, bits));
			check(fe_tighten(raw), raw, raw, reference_first, prime);
			check_below(fe_tighten(raw), prime, 33);
			assert_true(is_factor(fe_tighten(raw)));
			raw = raw_sub(raw_shl(a, bits), b);
			check(fe_tighten(raw), raw, raw, reference_first, prime);
			check_below(fe_tighten(raw), prime, 33);
		}
	}
	BN_free(prime);
}

// The products that share a reduction, and the differences that become negative on the way.
static void test_joint_products(void **state)
{
	struct stream stream = {46};
	BIGNUM *prime = modulus_of(&field);

	(void)state;
	factor = r_inverse(prime);
	for (int round = 0; round < N_ROUNDS; round++) {
		struct fe a = draw(&stream, &field, 5), b = draw(&stream, &field, 2);
		struct fe c = draw(&stream, &field, 2), d = draw(&stream, &field, 2);
		struct fe ab = mod_mul(&field, a, b);

		check(fe_tighten(mod_mul_sub_mul_raw(&field, a, b, c, d)), ab, mod_mul(&field, c, d),
			BN_mod_sub, prime);
		check(fe_tighten(mod_mul_sub_8sqr_raw(&field, a, b, c)), ab, raw_shl(mod_sqr(&field, c), 3),
			BN_mod_sub, prime);
	}
	BN_free(factor);
	BN_free(prime);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#if TEST_FIELD == 25519
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_canonical),
#else
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_tighten),
		cmocka_unit_test(test_joint_products),
		cmocka_unit_test(test_inversion_of_two),
#endif
		cmocka_unit_test(test_inversion),
	};
	int failed;

	if (MB_BODY_IFMA && mb_kernels_select() == NULL)
		return 77;
	context = BN_CTX_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	BN_CTX_free(context);
	return failed;
}
