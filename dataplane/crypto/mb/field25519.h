// SPDX-License-Identifier: Apache-2.0
//
// The field of 2^255 - 19, eight lanes, five digits of radix 2^51.
//
// Bounds. Two kinds of element, told apart by name:
//   carried: every digit below 2^51 + 2^16. What multiplication takes (its factors must stay below 2^52).
//   raw:     every digit below 2^60. What multiplication gives: its carry is left to whoever needs it, so
//   that
//            sums and differences of products are carried once and not twice.
// Values are not reduced below p before fe_canonical.
//
// A product has digits lo(a_i b_j) at i+j and hi(a_i b_j) at i+j+1 with weight 2, because IFMA splits at bit
// 52 and the radix is 2^51. Digits from five on come back times 19. 25 lo + 25 hi multiply-adds and ~45
// simple operations; a square has 15 + 15.
#pragma once

#include "crypto/mb/marshal.h"
#include "crypto/mb/vec.h"

#define FE_DIGITS     5
#define FE_DIGIT_BITS 51
#define FE_DIGIT_MASK ((UINT64_C(1) << FE_DIGIT_BITS) - 1)

struct fe {
	vec d[FE_DIGITS];
};

VEC_INLINE struct fe fe_small(uint64_t value)
{
	return (struct fe){{vec_set1(value), vec_zero(), vec_zero(), vec_zero(), vec_zero()}};
}

// 19 * a.
VEC_INLINE vec times19(vec a)
{
	return vec_add(vec_add(vec_shl(a, 4), vec_shl(a, 1)), a);
}

// raw -> carried. All digits carry at once: a digit gains at most 19 * 2^(61 - 51).
VEC_FIELD struct fe fe_carry(struct fe a)
{
	const vec mask = vec_set1(FE_DIGIT_MASK);
	vec carry[FE_DIGITS];

	for (int i = 0; i < FE_DIGITS; i++) {
		carry[i] = vec_shr(a.d[i], FE_DIGIT_BITS);
		a.d[i] = vec_and(a.d[i], mask);
	}
	a.d[0] = vec_add(a.d[0], times19(carry[FE_DIGITS - 1]));
	for (int i = 1; i < FE_DIGITS; i++)
		a.d[i] = vec_add(a.d[i], carry[i - 1]);
	return a;
}

// raw + raw -> carried.
VEC_FIELD struct fe fe_add(struct fe a, struct fe b)
{
	for (int i = 0; i < FE_DIGITS; i++)
		a.d[i] = vec_add(a.d[i], b.d[i]);
	return fe_carry(a);
}

// raw - raw -> carried. 2^10 p is added, whose digits are above 2^60, so that no digit becomes negative.
VEC_FIELD struct fe fe_sub(struct fe a, struct fe b)
{
	const vec bias0 = vec_set1((FE_DIGIT_MASK - 18) << 10);
	const vec bias = vec_set1(FE_DIGIT_MASK << 10);

	a.d[0] = vec_sub(vec_add(a.d[0], bias0), b.d[0]);
	for (int i = 1; i < FE_DIGITS; i++)
		a.d[i] = vec_sub(vec_add(a.d[i], bias), b.d[i]);
	return fe_carry(a);
}

// Digits 0 to 9 of a product to raw: digit i + 5 has weight 2^255 = 19 at digit i.
VEC_INLINE struct fe fe_fold(const vec product[2 * FE_DIGITS])
{
	struct fe out;

	for (int i = 0; i < FE_DIGITS; i++)
		out.d[i] = vec_add(product[i], times19(product[i + FE_DIGITS]));
	return out;
}

// carried * carried -> raw: a digit is at most 77 lo parts and 95 twofold hi parts, below 2^59.
VEC_FIELD struct fe fe_mul(struct fe a, struct fe b)
{
	vec lo[2 * FE_DIGITS], hi[2 * FE_DIGITS];

	for (int i = 0; i < 2 * FE_DIGITS; i++)
		lo[i] = hi[i] = vec_zero();
	for (int i = 0; i < FE_DIGITS; i++) {
		for (int j = 0; j < FE_DIGITS; j++) {
			lo[i + j] = vec_madlo(lo[i + j], a.d[i], b.d[j]);
			hi[i + j + 1] = vec_madhi(hi[i + j + 1], a.d[i], b.d[j]);
		}
	}
	for (int i = 0; i < 2 * FE_DIGITS; i++)
		lo[i] = vec_add(lo[i], vec_shl(hi[i], 1));
	return fe_fold(lo);
}

// carried^2 -> raw, the same bounds. The hi parts of squares have the weight of the lo parts of mixed
// products (2), so they share accumulators: lo_even + 2 (lo_mixed + hi_even) + 4 hi_mixed.
VEC_FIELD struct fe fe_sqr(struct fe a)
{
	vec one[2 * FE_DIGITS], two[2 * FE_DIGITS], four[2 * FE_DIGITS];

	for (int i = 0; i < 2 * FE_DIGITS; i++)
		one[i] = two[i] = four[i] = vec_zero();
	for (int i = 0; i < FE_DIGITS; i++) {
		one[2 * i] = vec_madlo(one[2 * i], a.d[i], a.d[i]);
		two[2 * i + 1] = vec_madhi(two[2 * i + 1], a.d[i], a.d[i]);
		for (int j = i + 1; j < FE_DIGITS; j++) {
			two[i + j] = vec_madlo(two[i + j], a.d[i], a.d[j]);
			four[i + j + 1] = vec_madhi(four[i + j + 1], a.d[i], a.d[j]);
		}
	}
	for (int i = 0; i < 2 * FE_DIGITS; i++)
		one[i] = vec_add(one[i], vec_shl(vec_add(two[i], vec_shl(four[i], 1)), 1));
	return fe_fold(one);
}

// a + b * factor, carried -> raw; factor below 2^20.
VEC_INLINE struct fe fe_add_small_multiple(struct fe a, struct fe b, uint64_t factor)
{
	const vec multiplier = vec_set1(factor);
	vec hi[FE_DIGITS];

	for (int i = 0; i < FE_DIGITS; i++) {
		a.d[i] = vec_madlo(a.d[i], b.d[i], multiplier);
		hi[i] = vec_shl(vec_madhi(vec_zero(), b.d[i], multiplier), 1);
	}
	a.d[0] = vec_add(a.d[0], times19(hi[FE_DIGITS - 1]));
	for (int i = 1; i < FE_DIGITS; i++)
		a.d[i] = vec_add(a.d[i], hi[i - 1]);
	return a;
}

VEC_INLINE struct fe fe_mul_carried(struct fe a, struct fe b)
{
	return fe_carry(fe_mul(a, b));
}

// yes where the mask's bit is set, no elsewhere.
VEC_INLINE struct fe fe_select(vmask mask, struct fe yes, struct fe no)
{
	for (int i = 0; i < FE_DIGITS; i++)
		no.d[i] = vec_select(mask, yes.d[i], no.d[i]);
	return no;
}

// a^(2^n), carried -> carried.
static inline struct fe fe_sqr_times(struct fe a, unsigned n)
{
	while (n-- > 0)
		a = fe_carry(fe_sqr(a));
	return a;
}

// a^(p - 2), that is 1/a, and 0 for 0: 254 squarings and 11 multiplications, the chain of Bernstein's
// curve25519 paper. carried -> carried.
static inline struct fe fe_invert(struct fe a)
{
	struct fe a2 = fe_sqr_times(a, 1);
	struct fe a9 = fe_mul_carried(fe_sqr_times(a2, 2), a);
	struct fe a11 = fe_mul_carried(a9, a2);
	struct fe x5 = fe_mul_carried(fe_sqr_times(a11, 1), a9); // a^(2^5 - 1), and so on
	struct fe x10 = fe_mul_carried(fe_sqr_times(x5, 5), x5);
	struct fe x20 = fe_mul_carried(fe_sqr_times(x10, 10), x10);
	struct fe x40 = fe_mul_carried(fe_sqr_times(x20, 20), x20);
	struct fe x50 = fe_mul_carried(fe_sqr_times(x40, 10), x10);
	struct fe x100 = fe_mul_carried(fe_sqr_times(x50, 50), x50);
	struct fe x200 = fe_mul_carried(fe_sqr_times(x100, 100), x100);
	struct fe x250 = fe_mul_carried(fe_sqr_times(x200, 50), x50);

	return fe_mul_carried(fe_sqr_times(x250, 5), a11);
}

// carried -> the one representative below p, digits below 2^51.
static inline struct fe fe_canonical(struct fe a)
{
	const vec mask = vec_set1(FE_DIGIT_MASK);
	vec quotient = vec_set1(19);

	a = fe_carry(a);                    // value below 2^255 + 2^52 < 2 p
	for (int i = 0; i < FE_DIGITS; i++) // 1 if a >= p: the carry out of a + 19
		quotient = vec_shr(vec_add(a.d[i], quotient), FE_DIGIT_BITS);
	a.d[0] = vec_add(a.d[0], times19(quotient));
	for (int i = 0; i + 1 < FE_DIGITS; i++) {
		a.d[i + 1] = vec_add(a.d[i + 1], vec_shr(a.d[i], FE_DIGIT_BITS));
		a.d[i] = vec_and(a.d[i], mask);
	}
	a.d[FE_DIGITS - 1] = vec_and(a.d[FE_DIGITS - 1], mask);
	return a;
}

// Lanes in which a carried element is zero.
static inline vmask fe_is_zero(struct fe a)
{
	vec bits = vec_zero();

	a = fe_canonical(a);
	for (int i = 0; i < FE_DIGITS; i++)
		bits = vec_or(bits, a.d[i]);
	return vec_eq(bits, vec_zero());
}

// Inverts n elements at the price of one inversion and 3 (n - 1) multiplications (Montgomery's trick);
// carried in and out. A zero is replaced by one first, lane by lane, so that it spoils no other.
static inline void fe_invert_all(struct fe elements[], unsigned n)
{
	struct fe prefix[VEC_LANES], inverse;

	for (unsigned i = 0; i < n; i++) {
		elements[i] = fe_select(fe_is_zero(elements[i]), fe_small(1), elements[i]);
		prefix[i] = i == 0 ? elements[0] : fe_mul_carried(prefix[i - 1], elements[i]);
	}
	inverse = fe_invert(prefix[n - 1]);
	for (unsigned i = n - 1; i > 0; i--) {
		struct fe own = fe_mul_carried(inverse, prefix[i - 1]);

		inverse = fe_mul_carried(inverse, elements[i]);
		elements[i] = own;
	}
	elements[0] = inverse;
}

// Reads little-endian strings of 32 bytes, ignoring bit 255 (RFC 7748 5). carried.
static inline struct fe fe_read(const uint8_t *const strings[], unsigned n_lanes)
{
	struct lane_words words;
	struct fe out;

	lane_words_read(&words, 4, LITTLE_ENDIAN_BYTES, strings, 0, n_lanes);
	digits_from_words(out.d, FE_DIGITS, FE_DIGIT_BITS, &words);
	return out;
}
