// SPDX-License-Identifier: Apache-2.0
//
// Montgomery arithmetic of both bodies against OpenSSL's integers, at the edges of what its bounds allow.
#include <openssl/bn.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define MB_BODY_IFMA 0
#include "crypto/mb/kernels.h"
#include "crypto/mb/mont.h"
#include "seam/cmocka_all.h"

// The other body's.
void mont_mul_ifma(const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a,
	const struct mont_digit *b);
void mont_sqr_ifma(const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a);
void mont_product_ifma(struct mont_digit *out, const struct mont_digit *a, const struct mont_digit *b,
	const struct mont_digit *c, unsigned n_digits);

struct body {
	void (*mul)(const struct mont_modulus *, struct mont_digit *, const struct mont_digit *,
		const struct mont_digit *);
	void (*sqr)(const struct mont_modulus *, struct mont_digit *, const struct mont_digit *);
	void (*product)(struct mont_digit *, const struct mont_digit *, const struct mont_digit *,
		const struct mont_digit *, unsigned);
};

static const struct body bodies[] = {
	{mont_mul_plain, mont_sqr_plain, mont_product_plain},
	{mont_mul_ifma, mont_sqr_ifma, mont_product_ifma},
};

static unsigned n_bodies = 1;

#define DIGITS_MAX MONT_DIGITS_MAX

// Moduli of n digits with 16 bits to spare, as the smallest of ours has.
struct fixture {
	unsigned n;
	struct mont_modulus modulus;
	struct mont_digit m[DIGITS_MAX], a[DIGITS_MAX], b[DIGITS_MAX], out[2 * DIGITS_MAX];
	struct mont_digit expected[2 * DIGITS_MAX], scratch[2 * DIGITS_MAX];
	BN_CTX *context;
};

static uint64_t random_u64(void)
{
	uint64_t value;

	assert_int_equal(RAND_bytes((uint8_t *)&value, sizeof(value)), 1);
	return value;
}

// Random digits, or (depending on kind) runs of all ones and zeros, which carry furthest.
static void fill(struct mont_digit *out, unsigned n, unsigned n_bits, unsigned kind)
{
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		for (unsigned i = 0; i < n; i++) {
			uint64_t digit = (kind + lane) % 4 == 0   ? VEC_DIGIT_MASK
					 : (kind + lane) % 4 == 1 ? 0 - (random_u64() & 1)
								  : random_u64();
			unsigned below = i * VEC_DIGIT_BITS;
			unsigned left = below < n_bits ? n_bits - below : 0;

			digit &= VEC_DIGIT_MASK;
			out[i].lane[lane] = left >= VEC_DIGIT_BITS ? digit
								   : digit & ((UINT64_C(1) << left) - 1);
		}
	}
}

static BIGNUM *number(const struct mont_digit *digits, unsigned n, unsigned lane)
{
	uint8_t bytes[2 * DIGITS_MAX * VEC_DIGIT_BITS / 8];
	unsigned len = n * VEC_DIGIT_BITS / 8;

	mont_digits_get(&digits[0].lane[lane], n, VEC_LANES, bytes, len);
	return BN_bin2bn(bytes, (int)len, NULL);
}

static void set_modulus(struct fixture *f, unsigned kind)
{
	unsigned n_bits = f->n * VEC_DIGIT_BITS - 16;

	fill(f->m, f->n, n_bits, kind);
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		f->m[0].lane[lane] |= 1;
		f->m[f->n - 1].lane[lane] |= UINT64_C(1) << (VEC_DIGIT_BITS - 17);
		f->modulus.minus_inverse.lane[lane] = mont_minus_inverse(f->m[0].lane[lane]);
	}
}

static struct fixture *fixture_new(unsigned n)
{
	struct fixture *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);

	assert_non_null(f);
	memset(f, 0, sizeof(*f));
	f->n = n;
	f->context = BN_CTX_new();
	f->modulus = (struct mont_modulus){.n_digits = n, .digits = f->m, .scratch = f->scratch};
	return f;
}

static void fixture_free(struct fixture *f)
{
	BN_CTX_free(f->context);
	free(f);
}

// out R = a b modulo m, and out below m + a b / R, for each lane.
static void check_product(const struct fixture *f, const struct mont_digit *a, const struct mont_digit *b)
{
	for (unsigned lane = 0; lane < VEC_LANES; lane++) {
		BIGNUM *m = number(f->m, f->n, lane), *out = number(f->out, f->n, lane);
		BIGNUM *x = number(a, f->n, lane), *y = number(b, f->n, lane), *bound = BN_new();

		assert_true(BN_mul(x, x, y, f->context));
		assert_true(BN_rshift(bound, x, (int)(f->n * VEC_DIGIT_BITS)));
		assert_true(BN_add(bound, bound, m));
		assert_true(BN_cmp(out, bound) <= 0);
		assert_true(BN_lshift(out, out, (int)(f->n * VEC_DIGIT_BITS)));
		assert_true(BN_mod_sub(x, x, out, m, f->context));
		assert_true(BN_is_zero(x));
		BN_free(m);
		BN_free(out);
		BN_free(x);
		BN_free(y);
		BN_free(bound);
	}
	for (unsigned i = 0; i < f->n; i++) {
		for (unsigned lane = 0; lane < VEC_LANES; lane++)
			assert_true(f->out[i].lane[lane] <= VEC_DIGIT_MASK);
	}
}

static void products_are_right_within_their_bounds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_bodies * 7 * 8; i++) {
		struct fixture *f = fixture_new(20 + i / n_bodies % 7 * 10);
		const struct body *body = &bodies[i % n_bodies];
		// Up to 2^7 m.
		unsigned n_bits = f->n * VEC_DIGIT_BITS - 16 + 7;

		set_modulus(f, i / 7);
		fill(f->a, f->n, n_bits, i / 14);
		fill(f->b, f->n, n_bits, i / 28);
		body->mul(&f->modulus, f->out, f->a, f->b);
		check_product(f, f->a, f->b);
		body->sqr(&f->modulus, f->out, f->a);
		check_product(f, f->a, f->a);
		// The lowest and the highest numbers that are carried at all.
		fill(f->a, f->n, f->n * VEC_DIGIT_BITS, 0);
		memset(f->b, 0, sizeof(f->b));
		f->b[0].lane[i % VEC_LANES] = 1;
		body->mul(&f->modulus, f->out, f->a, f->b);
		check_product(f, f->a, f->b);
		fixture_free(f);
	}
}

static void results_may_replace_operands(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_bodies * 7; i++) {
		struct fixture *f = fixture_new(20 + i / n_bodies * 10);
		const struct body *body = &bodies[i % n_bodies];
		size_t len = f->n * sizeof(struct mont_digit);

		set_modulus(f, 2);
		fill(f->a, f->n, f->n * VEC_DIGIT_BITS - 16, 2);
		fill(f->b, f->n, f->n * VEC_DIGIT_BITS - 16, 1);
		body->mul(&f->modulus, f->expected, f->a, f->b);
		memcpy(f->out, f->a, len);
		body->mul(&f->modulus, f->out, f->out, f->b);
		assert_memory_equal(f->out, f->expected, len);
		memcpy(f->out, f->b, len);
		body->mul(&f->modulus, f->out, f->a, f->out);
		assert_memory_equal(f->out, f->expected, len);

		// A square is the same number whichever function makes it.
		body->mul(&f->modulus, f->expected, f->a, f->a);
		memcpy(f->out, f->a, len);
		body->sqr(&f->modulus, f->out, f->out);
		assert_memory_equal(f->out, f->expected, len);
		fixture_free(f);
	}
}

static void plain_products_are_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_bodies * 3 * 4; i++) {
		struct fixture *f = fixture_new(20 + i / n_bodies % 3 * 10);

		fill(f->a, f->n, f->n * VEC_DIGIT_BITS, i);
		fill(f->b, f->n, f->n * VEC_DIGIT_BITS, i / 4);
		fill(f->m, f->n, f->n * VEC_DIGIT_BITS, i / 2);
		bodies[i % n_bodies].product(f->out, f->a, f->b, f->m, f->n);
		for (unsigned lane = 0; lane < VEC_LANES; lane++) {
			BIGNUM *a = number(f->a, f->n, lane), *b = number(f->b, f->n, lane);
			BIGNUM *c = number(f->m, f->n, lane), *out = number(f->out, 2 * f->n, lane);

			assert_true(BN_mul(a, a, b, f->context) && BN_add(a, a, c));
			assert_int_equal(BN_cmp(a, out), 0);
			BN_free(a);
			BN_free(b);
			BN_free(c);
			BN_free(out);
		}
		fixture_free(f);
	}
}

static void comparisons_and_sums(void **state)
{
	struct fixture *f = fixture_new(20);

	(void)state;
	set_modulus(f, 2);
	// One above, equal to, and one below the modulus, in turn.
	memcpy(f->a, f->m, sizeof(f->a));
	for (unsigned lane = 0; lane < VEC_LANES; lane++)
		f->a[lane % 3 == 1 ? 0 : 19].lane[lane] += lane % 3 == 0 ? 1 : lane % 3 == 1 ? 0 : UINT64_MAX;
	assert_int_equal(mont_less_plain(f->a, f->m, 20), 0x24);
	assert_int_equal(mont_equal_plain(f->a, f->m, 20), 0x92);
	mont_normalise_plain(&f->modulus, f->out, f->a);
	assert_int_equal(mont_less_plain(f->out, f->m, 20), 0xff);
	mont_sub_plain(&f->modulus, f->b, f->a, f->a);
	mont_add_plain(f->expected, f->m, f->m, 20);
	assert_memory_equal(f->b, f->expected, 20 * sizeof(struct mont_digit));
	mont_choose_plain(f->out, 0x0f, f->a, f->m, 20);
	assert_int_equal(mont_equal_plain(f->out, f->a, 20) & 0x0f, 0x0f);
	assert_int_equal(mont_equal_plain(f->out, f->m, 20) & 0xf0, 0xf0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_are_right_within_their_bounds),
		cmocka_unit_test(results_may_replace_operands),
		cmocka_unit_test(plain_products_are_right),
		cmocka_unit_test(comparisons_and_sums),
	};

	if (mb_kernels_select() != NULL)
		n_bodies = 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
