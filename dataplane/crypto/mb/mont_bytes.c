// SPDX-License-Identifier: Apache-2.0
//
// What is done for one number at a time and is the same for both bodies.
#include "base/assert.h"
#include "crypto/mb/mont.h"

void mont_digits_set(
	uint64_t *out_digits, unsigned n_digits, unsigned stride, const uint8_t *bytes, unsigned len)
{
	uint64_t held = 0; // n_bits bits that are in no digit yet
	unsigned n_bits = 0;
	unsigned digit = 0;

	SLUICE_ASSERT(len * 8 <= n_digits * VEC_DIGIT_BITS);
	for (unsigned i = len; i-- > 0;) {
		held |= (uint64_t)bytes[i] << n_bits;
		n_bits += 8;
		if (n_bits >= VEC_DIGIT_BITS) {
			out_digits[digit++ * stride] = held & VEC_DIGIT_MASK;
			held >>= VEC_DIGIT_BITS;
			n_bits -= VEC_DIGIT_BITS;
		}
	}
	for (; digit < n_digits; digit++, held = 0)
		out_digits[digit * stride] = held;
}

void mont_digits_get(
	const uint64_t *digits, unsigned n_digits, unsigned stride, uint8_t *out_bytes, unsigned len)
{
	uint64_t held = 0;
	unsigned n_bits = 0;
	unsigned digit = 0;

	SLUICE_ASSERT(len * 8 <= n_digits * VEC_DIGIT_BITS);
	for (unsigned i = len; i-- > 0;) {
		if (n_bits < 8) {
			held |= digits[digit++ * stride] << n_bits;
			n_bits += VEC_DIGIT_BITS;
		}
		out_bytes[i] = (uint8_t)held;
		held >>= 8;
		n_bits -= 8;
	}
}

// Each turn doubles the bits that are right, and an odd number is its own inverse in the low three (H.
// Warren, Hacker's Delight, 10-16).
uint64_t mont_minus_inverse(uint64_t digit)
{
	uint64_t inverse = digit;

	for (int bits = 3; bits < VEC_DIGIT_BITS; bits *= 2)
		inverse *= 2 - digit * inverse;
	return (0 - inverse) & VEC_DIGIT_MASK;
}
