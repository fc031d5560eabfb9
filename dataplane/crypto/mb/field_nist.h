// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic modulo the primes of a NIST curve (its field p and its order n), eight lanes, Montgomery form,
// digits of radix 2^52. A template: p256.c and p384.c define NIST_DIGITS and NIST_BITS and include it once.
//
// R = 2^(52 NIST_DIGITS). Let w = 2^NIST_BITS / R, a small fraction (1/16 for P-256, 2^-32 for P-384). All
// moduli m here lie just below 2^NIST_BITS. An element is a value below m / w with carried digits (each below
// 2^52); bounds are given in units of m: "a < 4" means a < 4 m.
//
//   Montgomery product: a b / R + q m / R with q < R, so below (a b w + 1): for P-256, 4 * 4 gives below 2.
//   tight: below 2 + 2^-20, what fe_tighten makes of anything signed.
//   raw: an element whose digits aren't carried: signed, each of magnitude below 2^60.
//
// Multiplication takes carried digits only, so every sum is carried once before it is a factor; formulas in
// curve_nist.h collect sums of raw values to carry them together.
#pragma once

#include "crypto/mb/marshal.h"
#include "crypto/mb/vec.h"

// Eight digits are too many to inline their products wherever one is needed.
#if NIST_DIGITS > 5
#define NIST_FIELD static __attribute__((noinline))
#else
#define NIST_FIELD VEC_FIELD
#endif

struct fe {
	vec d[NIST_DIGITS];
};

// A product before its reduction: columns of weight 2^52i, signed, each of magnitude below 2^60.
struct wide {
	vec t[2 * NIST_DIGITS];
};

// One prime. Only compile-time constants, so that inlining leaves nothing of it.
struct modulus {
	uint64_t digits[NIST_DIGITS];
	uint64_t n0;                   // -1/m mod 2^52
	uint64_t one[NIST_DIGITS];     // R mod m
	uint64_t r2[NIST_DIGITS];      // R^2 mod m
	uint64_t minus_2[NIST_DIGITS]; // m - 2
};

VEC_INLINE struct fe fe_constant(const uint64_t digits[NIST_DIGITS])
{
	struct fe out;

	for (int i = 0; i < NIST_DIGITS; i++)
		out.d[i] = vec_set1(digits[i]);
	return out;
}

VEC_INLINE struct fe fe_select(vmask mask, struct fe yes, struct fe no)
{
	for (int i = 0; i < NIST_DIGITS; i++)
		no.d[i] = vec_select(mask, yes.d[i], no.d[i]);
	return no;
}

// raw -> carried, for a value that is not negative and below 2^(52 NIST_DIGITS).
VEC_INLINE struct fe fe_carry(struct fe a)
{
	const vec mask = vec_set1(VEC_DIGIT_MASK);

	for (int i = 0; i + 1 < NIST_DIGITS; i++) {
		a.d[i + 1] = vec_add(a.d[i + 1], vec_sar(a.d[i], VEC_DIGIT_BITS));
		a.d[i] = vec_and(a.d[i], mask);
	}
	return a;
}

// Sums of raw values; the result is raw.
VEC_INLINE struct fe raw_add(struct fe a, struct fe b)
{
	for (int i = 0; i < NIST_DIGITS; i++)
		a.d[i] = vec_add(a.d[i], b.d[i]);
	return a;
}

VEC_INLINE struct fe raw_sub(struct fe a, struct fe b)
{
	for (int i = 0; i < NIST_DIGITS; i++)
		a.d[i] = vec_sub(a.d[i], b.d[i]);
	return a;
}

// a * 2^bits.
VEC_INLINE struct fe raw_shl(struct fe a, unsigned bits)
{
	for (int i = 0; i < NIST_DIGITS; i++)
		a.d[i] = vec_shl(a.d[i], bits);
	return a;
}

// a + times * m.
VEC_INLINE struct fe raw_add_modulus(const struct modulus *m, struct fe a, uint64_t times)
{
	for (int i = 0; i < NIST_DIGITS; i++) {
		if (m->digits[i] != 0)
			a.d[i] = vec_add(a.d[i], vec_set1(times * m->digits[i]));
	}
	return a;
}

// The columns of a * b, carried digits: at most 2 NIST_DIGITS terms below 2^52 in each.
VEC_INLINE struct wide wide_mul(struct fe a, struct fe b)
{
	struct wide out;

	for (int i = 0; i < 2 * NIST_DIGITS; i++)
		out.t[i] = vec_zero();
	for (int i = 0; i < NIST_DIGITS; i++) {
		for (int j = 0; j < NIST_DIGITS; j++) {
			out.t[i + j] = vec_madlo(out.t[i + j], a.d[i], b.d[j]);
			out.t[i + j + 1] = vec_madhi(out.t[i + j + 1], a.d[i], b.d[j]);
		}
	}
	return out;
}

// The columns of a^2: mixed products once, doubled, then the squares.
VEC_INLINE struct wide wide_sqr(struct fe a)
{
	struct wide out;

	for (int i = 0; i < 2 * NIST_DIGITS; i++)
		out.t[i] = vec_zero();
	for (int i = 0; i < NIST_DIGITS; i++) {
		for (int j = i + 1; j < NIST_DIGITS; j++) {
			out.t[i + j] = vec_madlo(out.t[i + j], a.d[i], a.d[j]);
			out.t[i + j + 1] = vec_madhi(out.t[i + j + 1], a.d[i], a.d[j]);
		}
	}
	for (int i = 0; i < 2 * NIST_DIGITS; i++)
		out.t[i] = vec_shl(out.t[i], 1);
	for (int i = 0; i < NIST_DIGITS; i++) {
		out.t[2 * i] = vec_madlo(out.t[2 * i], a.d[i], a.d[i]);
		out.t[2 * i + 1] = vec_madhi(out.t[2 * i + 1], a.d[i], a.d[i]);
	}
	return out;
}

// a - b * 2^bits.
VEC_INLINE struct wide wide_sub_shl(struct wide a, struct wide b, unsigned bits)
{
	for (int i = 0; i < 2 * NIST_DIGITS; i++)
		a.t[i] = vec_sub(a.t[i], vec_shl(b.t[i], bits));
	return a;
}

// Montgomery reduction: t / R mod m, raw, from signed columns; below t / R + 1 and above t / R.
//
// Each step adds q m, q = t_i n0 mod 2^52, which makes digit i zero, and moves digit i's carry up.
// Multiplication ignores what is above 52 bits, so q needs no mask. Where n0 = 1 (P-256's p = -1 mod 2^52), q
// is t_i itself, and t + q m = t - q + q (m + 1): digit i vanishes by subtraction, and m + 1 has two zero
// digits.
VEC_INLINE struct fe wide_reduce(const struct modulus *m, struct wide t)
{
	struct fe out;

	for (int i = 0; i < NIST_DIGITS; i++) {
		vec q = t.t[i];

		if (m->n0 != 1) {
			q = m->n0 == (UINT64_C(1) << 32) + 1 ? vec_add(q, vec_shl(q, 32))
							     : vec_madlo(vec_zero(), q, vec_set1(m->n0));
			t.t[i] = vec_madlo(t.t[i], q, vec_set1(m->digits[0]));
			t.t[i + 1] = vec_madhi(t.t[i + 1], q, vec_set1(m->digits[0]));
		}
		t.t[i + 1] = vec_add(t.t[i + 1], vec_sar(t.t[i], VEC_DIGIT_BITS));
		for (int j = 1; j < NIST_DIGITS; j++) {
			uint64_t digit = m->digits[j] + (m->n0 == 1 && j == 1 ? 1 : 0);

			if (digit == 0)
				continue;
			t.t[i + j] = vec_madlo(t.t[i + j], q, vec_set1(digit));
			t.t[i + j + 1] = vec_madhi(t.t[i + j + 1], q, vec_set1(digit));
		}
	}
	for (int i = 0; i < NIST_DIGITS; i++)
		out.d[i] = t.t[NIST_DIGITS + i];
	return out;
}

// a b / R and a^2 / R mod m, raw.
NIST_FIELD struct fe mod_mul_raw(const struct modulus *m, struct fe a, struct fe b)
{
	return wide_reduce(m, wide_mul(a, b));
}

NIST_FIELD struct fe mod_sqr_raw(const struct modulus *m, struct fe a)
{
	return wide_reduce(m, wide_sqr(a));
}

// The same, carried.
NIST_FIELD struct fe mod_mul(const struct modulus *m, struct fe a, struct fe b)
{
	return fe_carry(wide_reduce(m, wide_mul(a, b)));
}

NIST_FIELD struct fe mod_sqr(const struct modulus *m, struct fe a)
{
	return fe_carry(wide_reduce(m, wide_sqr(a)));
}

// (a b - c d) / R and (a b - 8 c^2) / R mod m, raw: one reduction for two products.
NIST_FIELD struct fe mod_mul_sub_mul_raw(
	const struct modulus *m, struct fe a, struct fe b, struct fe c, struct fe d)
{
	return wide_reduce(m, wide_sub_shl(wide_mul(a, b), wide_mul(c, d), 0));
}

NIST_FIELD struct fe mod_mul_sub_8sqr_raw(const struct modulus *m, struct fe a, struct fe b, struct fe c)
{
	return wide_reduce(m, wide_sub_shl(wide_mul(a, b), wide_sqr(c), 3));
}

// Into Montgomery form, a < 16.
VEC_INLINE struct fe mod_enter(const struct modulus *m, struct fe a)
{
	return mod_mul(m, a, fe_constant(m->r2));
}

// a - m where that is not negative, else a; the mask of lanes in which a < m.
VEC_INLINE struct fe mod_subtract_once(const struct modulus *m, struct fe a, vmask *out_below)
{
	struct fe less = fe_carry(raw_sub(a, fe_constant(m->digits)));

	*out_below = vec_test(less.d[NIST_DIGITS - 1], vec_set1(UINT64_C(1) << 63));
	return fe_select(*out_below, a, less);
}

// Out of Montgomery form: the representative below m. a * 1 / R is below a w / m + 1, that is at most m.
static inline struct fe mod_leave(const struct modulus *m, struct fe a)
{
	static const uint64_t one[NIST_DIGITS] = {1};
	vmask below;

	return mod_subtract_once(m, mod_mul(m, a, fe_constant(one)), &below);
}

static inline vmask digits_are_zero(struct fe a)
{
	vec bits = vec_zero();

	for (int i = 0; i < NIST_DIGITS; i++)
		bits = vec_or(bits, a.d[i]);
	return vec_eq(bits, vec_zero());
}

// Lanes in which a is 0 mod m; any carried a.
static inline vmask mod_is_zero(const struct modulus *m, struct fe a)
{
	return digits_are_zero(mod_leave(m, a));
}

// Bit number `at` of a public number.
static inline unsigned public_bit(const uint64_t digits[NIST_DIGITS], int at)
{
	return at < 0 ? 0 : (unsigned)(digits[at / VEC_DIGIT_BITS] >> at % VEC_DIGIT_BITS) & 1;
}

// Four bits of a public number from `at`, a multiple of four (52 is one too, so they lie in one digit).
static inline unsigned public_bits4(const uint64_t digits[NIST_DIGITS], int at)
{
	return (unsigned)(digits[at / VEC_DIGIT_BITS] >> at % VEC_DIGIT_BITS) & 15;
}

#define POW_WINDOW 5

// 1/a = a^(m - 2), and 0 for 0: a sliding window over the exponent, which is public, so branches and indices
// may follow it. The order of squarings is a chain; nothing in it can overlap.
static inline struct fe mod_invert(const struct modulus *m, struct fe a)
{
	struct fe odd[1 << (POW_WINDOW - 1)]; // a, a^3, a^5 ...
	struct fe square = mod_sqr(m, a);
	struct fe result = fe_constant(m->one);
	int at = NIST_BITS - 1;

	odd[0] = a;
	for (int i = 1; i < 1 << (POW_WINDOW - 1); i++)
		odd[i] = mod_mul(m, odd[i - 1], square);
	while (at >= 0) {
		unsigned value = 0;
		int low = at - POW_WINDOW + 1;

		if (public_bit(m->minus_2, at) == 0) {
			result = mod_sqr(m, result);
			at--;
			continue;
		}
		while (public_bit(m->minus_2, low) == 0)
			low++;
		for (; at >= low; at--) {
			value = value << 1 | public_bit(m->minus_2, at);
			result = mod_sqr(m, result);
		}
		result = mod_mul(m, result, odd[value >> 1]);
	}
	return result;
}

// 1/a mod m and 1/b mod k at once: two chains that don't depend on each other, interleaved so that one
// computes while the other waits for its last product. Windows of four bits, which fit both exponents.
static inline void mod_invert_two(
	const struct modulus *m, struct fe *a, const struct modulus *k, struct fe *b)
{
	struct fe a_powers[16], b_powers[16];
	struct fe x = fe_constant(m->one), y = fe_constant(k->one);

	a_powers[1] = *a;
	b_powers[1] = *b;
	for (int i = 2; i < 16; i++) {
		a_powers[i] = mod_mul(m, a_powers[i - 1], *a);
		b_powers[i] = mod_mul(k, b_powers[i - 1], *b);
	}
	for (int at = NIST_BITS - 4; at >= 0; at -= 4) {
		unsigned a_window = public_bits4(m->minus_2, at), b_window = public_bits4(k->minus_2, at);

		for (int i = 0; i < 4; i++) {
			x = mod_sqr(m, x);
			y = mod_sqr(k, y);
		}
		if (a_window != 0)
			x = mod_mul(m, x, a_powers[a_window]);
		if (b_window != 0)
			y = mod_mul(k, y, b_powers[b_window]);
	}
	*a = x;
	*b = y;
}

// Montgomery's trick: n inverses for one inversion and 3 (n - 1) multiplications. The products of the first
// elements, a zero replaced by one first, lane by lane, so that it spoils no other; the last product is what
// is to be inverted ...
static inline void mod_invert_begin(
	const struct modulus *m, struct fe elements[], struct fe out_prefix[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		elements[i] = fe_select(mod_is_zero(m, elements[i]), fe_constant(m->one), elements[i]);
		out_prefix[i] = i == 0 ? elements[0] : mod_mul(m, out_prefix[i - 1], elements[i]);
	}
}

// ... and, from its inverse, each element's.
static inline void mod_invert_end(const struct modulus *m, struct fe elements[], const struct fe prefix[],
	struct fe inverse, unsigned n)
{
	for (unsigned i = n - 1; i > 0; i--) {
		struct fe own = mod_mul(m, inverse, prefix[i - 1]);

		inverse = mod_mul(m, inverse, elements[i]);
		elements[i] = own;
	}
	elements[0] = inverse;
}

// Inverts n elements modulo m.
static inline void mod_invert_all(const struct modulus *m, struct fe elements[], unsigned n)
{
	struct fe prefix[VEC_LANES];

	mod_invert_begin(m, elements, prefix, n);
	mod_invert_end(m, elements, prefix, mod_invert(m, prefix[n - 1]), n);
}

// Inverts n elements modulo m and n others modulo k.
static inline void mod_invert_all_two(
	const struct modulus *m, struct fe a[], const struct modulus *k, struct fe b[], unsigned n)
{
	struct fe a_prefix[VEC_LANES], b_prefix[VEC_LANES];

	mod_invert_begin(m, a, a_prefix, n);
	mod_invert_begin(k, b, b_prefix, n);
	mod_invert_two(m, &a_prefix[n - 1], k, &b_prefix[n - 1]);
	mod_invert_end(m, a, a_prefix, a_prefix[n - 1], n);
	mod_invert_end(k, b, b_prefix, b_prefix[n - 1], n);
}

// Big-endian strings of NIST_BITS / 8 bytes as digits, not reduced, not in Montgomery form.
static inline struct fe digits_read(const uint8_t *const strings[], size_t offset, unsigned n_lanes)
{
	struct lane_words words;
	struct fe out;

	lane_words_read(&words, NIST_BITS / 64, BIG_ENDIAN_BYTES, strings, offset, n_lanes);
	digits_from_words(out.d, NIST_DIGITS, VEC_DIGIT_BITS, &words);
	return out;
}

// Writes canonical digits as big-endian strings, zeros in the lanes not in keep.
static inline void digits_write(
	uint8_t *const out_strings[], size_t offset, unsigned n_lanes, struct fe a, vmask keep)
{
	struct lane_words words;

	for (int i = 0; i < NIST_DIGITS; i++)
		a.d[i] = vec_keep(keep, a.d[i]);
	words_from_digits(&words, NIST_BITS / 64, a.d, NIST_DIGITS, VEC_DIGIT_BITS);
	lane_words_write(&words, NIST_BITS / 64, BIG_ENDIAN_BYTES, out_strings, offset, n_lanes);
}
