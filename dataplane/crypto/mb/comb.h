// SPDX-License-Identifier: Apache-2.0
//
// Signed digits of a scalar, and table look-ups: what the multiplications by a scalar have in common.
//
// An odd k below 2^bits is a sum of terms +-2^i, 0 <= i < bits, each of them present: writing
// k = 2 m - (2^bits - 1), the sign at i is + where bit i of m is 1. Now m = (k >> 1) + 2^(bits - 1), so the
// signs are the bits of k moved down by one, and the topmost is always + (Hamburg, eprint 2012/309, 3.1).
// No digit is zero, so nothing is ever skipped, and half of a table is enough: a group of signs and its
// opposite differ only in the sign of the point.
#pragma once

#include "crypto/mb/vec.h"

// Bit number `at` of the digits of 52 bits, as 0 or 1.
VEC_INLINE vec digits_bit(const vec digits[], unsigned at)
{
	return vec_and(vec_shr(digits[at / VEC_DIGIT_BITS], at % VEC_DIGIT_BITS), vec_set1(1));
}

// m of k, as above; k is odd. In digits of 52 bits, carried.
VEC_INLINE void signs_from_scalar(vec out_m[], const vec k[], unsigned n_digits, unsigned bits)
{
	const unsigned top = bits - 1;

	for (unsigned i = 0; i < n_digits; i++) {
		vec above = i + 1 < n_digits ? vec_shl(k[i + 1], VEC_DIGIT_BITS - 1) : vec_zero();

		out_m[i] = vec_and(vec_or(vec_shr(k[i], 1), above), vec_set1(VEC_DIGIT_MASK));
	}
	out_m[top / VEC_DIGIT_BITS] = vec_or(
		out_m[top / VEC_DIGIT_BITS], vec_set1(UINT64_C(1) << top % VEC_DIGIT_BITS));
}

// The n_signs signs at first, first + step, ... as a table index and a sign: where the highest is -, all are
// turned around and the lane's bit is set in out_negative.
VEC_INLINE vec signs_index(
	vmask *out_negative, const vec m[], unsigned first, unsigned step, unsigned n_signs)
{
	const vec ones = vec_set1((UINT64_C(1) << (n_signs - 1)) - 1);
	vec idx = vec_zero();
	vmask positive;

	for (unsigned s = 0; s + 1 < n_signs; s++)
		idx = vec_or(idx, vec_shl(digits_bit(m, first + s * step), s));
	positive = vec_eq(digits_bit(m, first + (n_signs - 1) * step), vec_set1(1));
	*out_negative = (vmask)~positive;
	return vec_select(positive, idx, vec_xor(idx, ones));
}

// Looks the rows of a table that is the same for all lanes up, n_entries (16 to 128) consecutive words
// each: out[row] = table[row][idx]. Every entry is read.
VEC_INLINE void comb_lookup(vec out[], unsigned n_rows, const uint64_t *table, unsigned n_entries, vec idx)
{
	vmask in_block[8];

	for (unsigned block = 1; block < n_entries / 16; block++)
		in_block[block] = vec_eq(vec_shr(idx, 4), vec_set1(block));
	for (unsigned row = 0; row < n_rows; row++) {
		const uint64_t *entries = table + row * n_entries;

		out[row] = vec_lookup16(entries, idx);
		for (unsigned block = 1; block < n_entries / 16; block++)
			out[row] = vec_select(
				in_block[block], vec_lookup16(entries + 16 * block, idx), out[row]);
	}
}
