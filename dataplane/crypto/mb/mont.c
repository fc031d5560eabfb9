// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>

#include "crypto/mb/mont.h"

#define T MONT_TILE

// Loops over the digits of a tile are unrolled whole, so that acc is registers and not an array. The plain
// body has no registers to win.
#if MB_BODY_IFMA
#define UNROLL _Pragma("GCC unroll 20")
#else
#define UNROLL
#endif

// The same digits as if they were others, so that each row of a tile loads them again: a load costs nothing
// beside two multiplications, whereas ten registers for them would push acc onto the stack.
VEC_INLINE const struct mont_digit *reloaded(const struct mont_digit *digits)
{
	__asm__("" : "+r"(digits));
	return digits;
}

// acc[0] ... acc[T] += x factor for one tile x and one digit.
VEC_INLINE void row_mul(vec *acc, const struct mont_digit *x, vec factor)
{
	x = reloaded(x);
	UNROLL
	for (int j = 0; j < T; j++) {
		vec digit = vec_load(x[j].lane);

		acc[j] = vec_madlo(acc[j], digit, factor);
		acc[j + 1] = vec_madhi(acc[j + 1], digit, factor);
	}
}

// acc += x y for one tile each. Inlined with all indices known, acc is 20 registers.
VEC_INLINE void tile_mul(vec acc[2 * T], const struct mont_digit *x, const struct mont_digit *y)
{
	UNROLL
	for (int i = 0; i < T; i++)
		row_mul(acc + i, x, vec_load(y[i].lane));
}

// acc += the part of a square that lies on the diagonal of tiles: of x times itself, for twice the digits
// below. See mont_sqr.
VEC_INLINE void tile_square(
	vec acc[2 * T], const struct mont_digit *x, const struct mont_digit *doubled, vec below)
{
	UNROLL
	for (int i = 0; i < T; i++) {
		vec factor = vec_load(x[i].lane);
		vec carry = vec_shr(below, VEC_DIGIT_BITS - 1);

		doubled = reloaded(doubled);
		UNROLL
		for (int j = 0; j < i; j++) {
			vec digit = vec_load(doubled[j].lane);

			acc[i + j] = vec_madlo(acc[i + j], digit, factor);
			acc[i + j + 1] = vec_madhi(acc[i + j + 1], digit, factor);
		}
		acc[2 * i] = vec_madlo(acc[2 * i], factor, factor);
		acc[2 * i + 1] = vec_madhi(acc[2 * i + 1], factor, factor);
		acc[2 * i] = vec_add(acc[2 * i], vec_and(factor, vec_sub(vec_zero(), carry)));
		below = factor;
	}
}

// Finds the digit q for which acc[0] + q m is zero modulo 2^52, adds q m to acc[0] ... acc[T] for the
// modulus' lowest tile m, and carries what acc[0] then is to acc[1].
//
// Each row's q depends on the row before. To keep this chain short, the lowest product is not computed: it
// fills acc[0] up to a multiple of 2^52, hence the carry is acc[0] / 2^52, rounded up. And acc[1], which the
// next q waits for, is summed in two halves at the same time.
VEC_INLINE void row_reduce(vec *acc, const struct mont_digit *m, vec minus_inverse, struct mont_digit *out_q)
{
	vec q = vec_madlo(vec_zero(), acc[0], minus_inverse);
	vec low = vec_madlo(vec_zero(), vec_load(m[1].lane), q);

	vec_store(out_q->lane, q);
	m = reloaded(m);
	acc[1] = vec_add(acc[1], vec_shr(vec_add(acc[0], vec_set1(VEC_DIGIT_MASK)), VEC_DIGIT_BITS));
	acc[1] = vec_add(vec_madhi(acc[1], vec_load(m[0].lane), q), low);
	acc[2] = vec_madhi(acc[2], vec_load(m[1].lane), q);
	UNROLL
	for (int j = 2; j < T; j++) {
		vec digit = vec_load(m[j].lane);

		acc[j] = vec_madlo(acc[j], digit, q);
		acc[j + 1] = vec_madhi(acc[j + 1], digit, q);
	}
}

// Finds the tile of q that makes the lower half of acc + q m zero, and adds it.
VEC_INLINE void tile_reduce(
	vec acc[2 * T], const struct mont_digit *m, vec minus_inverse, struct mont_digit *out_q)
{
	UNROLL
	for (int i = 0; i < T; i++)
		row_reduce(acc + i, m, minus_inverse, out_q + i);
}

// The same after adding x y, row by row, so that the multiplications of x y fill the waiting for q.
VEC_INLINE void tile_mul_reduce(vec acc[2 * T], const struct mont_digit *x, const struct mont_digit *y,
	const struct mont_digit *m, vec minus_inverse, struct mont_digit *out_q)
{
	UNROLL
	for (int i = 0; i < T; i++) {
		row_mul(acc + i, x, vec_load(y[i].lane));
		row_reduce(acc + i, m, minus_inverse, out_q + i);
	}
}

// Carries the lower half of acc and stores it; the last carry goes to the upper half.
VEC_INLINE void tile_finish(vec acc[2 * T], struct mont_digit *out)
{
	vec mask = vec_set1(VEC_DIGIT_MASK);

	UNROLL
	for (int i = 0; i < T; i++) {
		acc[i + 1] = vec_add(acc[i + 1], vec_shr(acc[i], VEC_DIGIT_BITS));
		vec_store(out[i].lane, vec_and(acc[i], mask));
	}
}

// On to the next column: the upper half becomes the lower.
VEC_INLINE void tile_next(vec acc[2 * T])
{
	UNROLL
	for (int i = 0; i < T; i++) {
		acc[i] = acc[i + T];
		acc[i + T] = vec_zero();
	}
}

VEC_INLINE void tile_clear(vec acc[2 * T])
{
	UNROLL
	for (int i = 0; i < 2 * T; i++)
		acc[i] = vec_zero();
}

void MB_SYMBOL(mont_mul)(const struct mont_modulus *modulus, struct mont_digit *out,
	const struct mont_digit *a, const struct mont_digit *b)
{
	const struct mont_digit *m = modulus->digits;
	struct mont_digit *q = modulus->scratch;
	vec minus_inverse = vec_load(modulus->minus_inverse.lane);
	int n = (int)modulus->n_digits;
	vec acc[2 * T];

	tile_clear(acc);
	for (int column = 0; column < n; column += T) {
		for (int i = 0; i < column; i += T) {
			tile_mul(acc, a + i, b + column - i);
			tile_mul(acc, m + column - i, q + i);
		}
		tile_mul_reduce(acc, a + column, b, m, minus_inverse, q + column);
		tile_next(acc);
	}
	for (int column = n; column < 2 * n; column += T) {
		for (int i = column - n + T; i < n; i += T) {
			tile_mul(acc, a + i, b + column - i);
			tile_mul(acc, m + column - i, q + i);
		}
		tile_finish(acc, out + column - n);
		tile_next(acc);
	}
}

// The digits of 2 a but for what its highest carries.
VEC_INLINE void double_digits(struct mont_digit *out, const struct mont_digit *a, int n)
{
	vec mask = vec_set1(VEC_DIGIT_MASK);
	vec below = vec_zero();

	for (int i = 0; i < n; i++) {
		vec digit = vec_load(a[i].lane);
		vec doubled = vec_or(vec_shl(digit, 1), vec_shr(below, VEC_DIGIT_BITS - 1));

		vec_store(out[i].lane, vec_and(doubled, mask));
		below = digit;
	}
}

// A square is the sum over i of a_i (a_i + 2 (a_(i-1) ... a_0)), shifted: half the products of a
// multiplication. Twice the digits below i are digits of 2 a, and one carry, the highest bit of a_(i-1),
// which stands where a_i does.
void MB_SYMBOL(mont_sqr)(
	const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a)
{
	const struct mont_digit *m = modulus->digits;
	struct mont_digit *q = modulus->scratch;
	struct mont_digit *doubled = modulus->scratch + modulus->n_digits;
	vec minus_inverse = vec_load(modulus->minus_inverse.lane);
	int n = (int)modulus->n_digits;
	vec acc[2 * T];

	double_digits(doubled, a, n);
	tile_clear(acc);
	tile_square(acc, a, doubled, vec_zero());
	tile_reduce(acc, m, minus_inverse, q);
	for (int column = T; column < 2 * n; column += T) {
		tile_next(acc);
		for (int i = column < n ? 0 : column - n + T; 2 * i < column; i += T)
			tile_mul(acc, doubled + i, a + column - i);
		if (column / T % 2 == 0)
			tile_square(
				acc, a + column / 2, doubled + column / 2, vec_load(a[column / 2 - 1].lane));
		if (column < n) {
			for (int i = 0; i < column - T; i += T)
				tile_mul(acc, m + column - i, q + i);
			tile_mul_reduce(acc, m + T, q + column - T, m, minus_inverse, q + column);
		} else {
			for (int i = column - n + T; i < n; i += T)
				tile_mul(acc, m + column - i, q + i);
			tile_finish(acc, out + column - n);
		}
	}
}

void MB_SYMBOL(mont_product)(struct mont_digit *out, const struct mont_digit *a, const struct mont_digit *b,
	const struct mont_digit *c, unsigned n_digits)
{
	int n = (int)n_digits;
	vec acc[2 * T];

	tile_clear(acc);
	for (int column = 0; column < 2 * n; column += T) {
		for (int i = column < n ? 0 : column - n + T; i < n && i <= column; i += T)
			tile_mul(acc, a + i, b + column - i);
		for (int i = 0; i < T && column < n; i++)
			acc[i] = vec_add(acc[i], vec_load(c[column + i].lane));
		tile_finish(acc, out + column);
		tile_next(acc);
	}
}

void MB_SYMBOL(mont_add)(
	struct mont_digit *out, const struct mont_digit *a, const struct mont_digit *b, unsigned n_digits)
{
	vec mask = vec_set1(VEC_DIGIT_MASK);
	vec carry = vec_zero();

	for (unsigned i = 0; i < n_digits; i++) {
		vec sum = vec_add(carry, vec_add(vec_load(a[i].lane), vec_load(b[i].lane)));

		vec_store(out[i].lane, vec_and(sum, mask));
		carry = vec_shr(sum, VEC_DIGIT_BITS);
	}
}

void MB_SYMBOL(mont_sub)(const struct mont_modulus *modulus, struct mont_digit *out,
	const struct mont_digit *a, const struct mont_digit *b)
{
	vec mask = vec_set1(VEC_DIGIT_MASK);
	vec carry = vec_zero();

	for (unsigned i = 0; i < modulus->n_digits; i++) {
		vec twice = vec_shl(vec_load(modulus->digits[i].lane), 1);
		vec difference = vec_sub(vec_load(a[i].lane), vec_load(b[i].lane));
		vec sum = vec_add(carry, vec_add(twice, difference));

		vec_store(out[i].lane, vec_and(sum, mask));
		carry = vec_sar(sum, VEC_DIGIT_BITS);
	}
}

vmask MB_SYMBOL(mont_less)(const struct mont_digit *a, const struct mont_digit *b, unsigned n_digits)
{
	vec borrow = vec_zero();

	for (unsigned i = 0; i < n_digits; i++) {
		vec difference = vec_sub(vec_load(a[i].lane), vec_load(b[i].lane));

		borrow = vec_sar(vec_add(difference, borrow), VEC_DIGIT_BITS);
	}
	return vec_test(borrow, borrow);
}

vmask MB_SYMBOL(mont_equal)(const struct mont_digit *a, const struct mont_digit *b, unsigned n_digits)
{
	vec differences = vec_zero();

	for (unsigned i = 0; i < n_digits; i++)
		differences = vec_or(differences, vec_xor(vec_load(a[i].lane), vec_load(b[i].lane)));
	return vec_eq(differences, vec_zero());
}

void MB_SYMBOL(mont_normalise)(
	const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a)
{
	vmask keep = MB_SYMBOL(mont_less)(a, modulus->digits, modulus->n_digits);
	vec mask = vec_set1(VEC_DIGIT_MASK);
	vec borrow = vec_zero();

	for (unsigned i = 0; i < modulus->n_digits; i++) {
		vec subtrahend = vec_keep((vmask)~keep, vec_load(modulus->digits[i].lane));
		vec difference = vec_add(borrow, vec_sub(vec_load(a[i].lane), subtrahend));

		vec_store(out[i].lane, vec_and(difference, mask));
		borrow = vec_sar(difference, VEC_DIGIT_BITS);
	}
}

void MB_SYMBOL(mont_choose)(struct mont_digit *out, vmask mask, const struct mont_digit *a,
	const struct mont_digit *b, unsigned n_digits)
{
	for (unsigned i = 0; i < n_digits; i++)
		vec_store(out[i].lane, vec_select(mask, vec_load(a[i].lane), vec_load(b[i].lane)));
}

void MB_SYMBOL(mont_lookup)(struct mont_digit *out, const struct mont_digit *table, unsigned n_entries,
	const struct mont_digit *idx, unsigned n_digits)
{
	vec wanted = vec_load(idx->lane);

	for (unsigned tile = 0; tile < n_digits; tile += T) {
		vec found[T];

		UNROLL
		for (int i = 0; i < T; i++)
			found[i] = vec_zero();
		for (unsigned entry = 0; entry < n_entries; entry++) {
			vmask here = vec_eq(wanted, vec_set1(entry));
			const struct mont_digit *number = table + entry * n_digits + tile;

			UNROLL
			for (int i = 0; i < T; i++)
				found[i] = vec_select(here, vec_load(number[i].lane), found[i]);
		}
		UNROLL
		for (int i = 0; i < T; i++)
			vec_store(out[tile + (unsigned)i].lane, found[i]);
	}
}
