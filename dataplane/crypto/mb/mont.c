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

// acc += x y for one tile each. Inlined with all indices known, acc is 20 registers.
VEC_INLINE void tile_mul(vec acc[2 * T], const struct mont_digit *x, const struct mont_digit *y)
{
	UNROLL
	for (int i = 0; i < T; i++) {
		vec factor = vec_load(y[i].lane);

		UNROLL
		for (int j = 0; j < T; j++) {
			vec digit = vec_load(x[j].lane);

			acc[i + j] = vec_madlo(acc[i + j], digit, factor);
			acc[i + j + 1] = vec_madhi(acc[i + j + 1], digit, factor);
		}
	}
}

// acc += the products x_i x_j of one tile with i < j.
VEC_INLINE void tile_mul_above_diagonal(vec acc[2 * T], const struct mont_digit *x)
{
	UNROLL
	for (int i = 0; i < T; i++) {
		vec factor = vec_load(x[i].lane);

		UNROLL
		for (int j = i + 1; j < T; j++) {
			vec digit = vec_load(x[j].lane);

			acc[i + j] = vec_madlo(acc[i + j], digit, factor);
			acc[i + j + 1] = vec_madhi(acc[i + j + 1], digit, factor);
		}
	}
}

// acc += the products x_i x_i of one tile.
VEC_INLINE void tile_mul_diagonal(vec acc[2 * T], const struct mont_digit *x)
{
	UNROLL
	for (int i = 0; i < T; i++) {
		vec digit = vec_load(x[i].lane);

		acc[2 * i] = vec_madlo(acc[2 * i], digit, digit);
		acc[2 * i + 1] = vec_madhi(acc[2 * i + 1], digit, digit);
	}
}

// Finds the tile of q that makes the lower half of acc + q m zero, and adds it. m is the modulus' lowest
// tile; what the carries out of the zero digits amount to ends in acc[T].
VEC_INLINE void tile_reduce(
	vec acc[2 * T], const struct mont_digit *m, vec minus_inverse, struct mont_digit *out_q)
{
	UNROLL
	for (int i = 0; i < T; i++) {
		vec q = vec_madlo(vec_zero(), acc[i], minus_inverse);

		vec_store(out_q[i].lane, q);
		UNROLL
		for (int j = 0; j < T; j++) {
			vec digit = vec_load(m[j].lane);

			acc[i + j] = vec_madlo(acc[i + j], digit, q);
			acc[i + j + 1] = vec_madhi(acc[i + j + 1], digit, q);
		}
		acc[i + 1] = vec_add(acc[i + 1], vec_shr(acc[i], VEC_DIGIT_BITS));
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
		for (int i = 0; i <= column; i += T)
			tile_mul(acc, a + i, b + column - i);
		for (int i = 0; i < column; i += T)
			tile_mul(acc, m + column - i, q + i);
		tile_reduce(acc, m, minus_inverse, q + column);
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

// acc = twice the products of a in this column of tiles that stand above the diagonal, plus what the column
// before carried over, plus the products on the diagonal.
VEC_INLINE void square_column(
	vec acc[2 * T], const struct mont_digit *a, int n, int column, const struct mont_digit *carried)
{
	bool has_diagonal = column / T % 2 == 0;

	tile_clear(acc);
	for (int i = column < n ? 0 : column - n + T; 2 * i < column; i += T)
		tile_mul(acc, a + i, a + column - i);
	if (has_diagonal)
		tile_mul_above_diagonal(acc, a + column / 2);
	UNROLL
	for (int i = 0; i < T; i++) {
		acc[i] = vec_add(vec_add(acc[i], acc[i]), vec_load(carried[i].lane));
		acc[i + T] = vec_add(acc[i + T], acc[i + T]);
	}
	if (has_diagonal)
		tile_mul_diagonal(acc, a + column / 2);
}

void MB_SYMBOL(mont_sqr)(
	const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a)
{
	const struct mont_digit *m = modulus->digits;
	struct mont_digit *q = modulus->scratch;
	struct mont_digit *carried = modulus->scratch + modulus->n_digits;
	vec minus_inverse = vec_load(modulus->minus_inverse.lane);
	int n = (int)modulus->n_digits;
	vec acc[2 * T];

	memset(carried, 0, T * sizeof(*carried));
	for (int column = 0; column < 2 * n; column += T) {
		square_column(acc, a, n, column, carried);
		for (int i = column < n ? 0 : column - n + T; i < n && i < column; i += T)
			tile_mul(acc, m + column - i, q + i);
		if (column < n)
			tile_reduce(acc, m, minus_inverse, q + column);
		else
			tile_finish(acc, out + column - n);
		UNROLL
		for (int i = 0; i < T; i++)
			vec_store(carried[i].lane, acc[i + T]);
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
