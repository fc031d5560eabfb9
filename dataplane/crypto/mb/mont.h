// SPDX-License-Identifier: Apache-2.0
//
// Eight-lane integers of 1,024 to 4,160 bits, and Montgomery multiplication over them: what RSA stands on.
//
// A number is an array of n mont_digits, 52 bits each, least significant first; each digit holds the digits
// of eight numbers, one per lane. n is a multiple of MONT_TILE. R is 2^(52 n). "Carried" means that every
// digit is below 2^52; all inputs must be carried and all outputs are.
//
// Multiplication is almost-Montgomery (S. Gueron, "Efficient software implementations of modular
// exponentiation", 2012): out = (a b + q m) / R with q < R, so out < m + a b / R. Our moduli have 16 or more
// bits less than R, so whatever a and b below 2^7 m go in, out < m (1 + 2^-2), and nothing needs a
// conditional subtraction before the very end.
//
// The work is done in tiles of MONT_TILE x MONT_TILE digits, column of tiles by column of tiles
//
//        a2 b0 |  a1 b0 |  a0 b0          acc: 2 x MONT_TILE digits in registers. After the sum over a
//     +  a1 b1 |  a0 b1 |                 column the lower half is finished: it gives MONT_TILE digits of q,
//     +  a0 b2 |        |                 or of the result; the upper half moves down and the next column
//     +  q1 m1 |  q0 m1 |  q0 m0          is added to it.
//     +  q0 m2 |  q1 m0 |
//     +  q2 m0 |        |
//
// so that one body of code serves every size and sums stay in registers for the whole of a column. A digit
// of acc collects at most 4 n products below 2^52, less than 2^61, and the carry from the digit below.
//
// All of it is constant time: loops and addresses depend on n only.
#pragma once

#include "crypto/mb/vec.h"

#define MONT_TILE       10
#define MONT_DIGITS_MAX 80

struct mont_digit {
	_Alignas(64) uint64_t lane[VEC_LANES];
};

// Eight odd moduli of one size, and the memory to compute in, all owned by the caller.
struct mont_modulus {
	unsigned n_digits;
	const struct mont_digit *digits;
	struct mont_digit minus_inverse; // -m^-1 mod 2^52
	struct mont_digit *scratch;      // 2 n_digits digits; holds secrets afterwards
};

// out = a b / R and out = a a / R, each below m + a b / R. out may be a or b.
void MB_SYMBOL(mont_mul)(const struct mont_modulus *modulus, struct mont_digit *out,
	const struct mont_digit *a, const struct mont_digit *b);
void MB_SYMBOL(mont_sqr)(
	const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a);

// How many IFMA instructions they take for n digits: the measure by which callers cut their work into slices.
#define MONT_MUL_COST(n) (4 * (n) * (n))
#define MONT_SQR_COST(n) (3 * (n) * (n) + (n))

// out (2 n digits) = a b + c for n digits each.
void MB_SYMBOL(mont_product)(struct mont_digit *out, const struct mont_digit *a, const struct mont_digit *b,
	const struct mont_digit *c, unsigned n_digits);

// out = a + b; the sum must fit n digits.
void MB_SYMBOL(mont_add)(
	struct mont_digit *out, const struct mont_digit *a, const struct mont_digit *b, unsigned n_digits);

// out = a - b + 2 m for b <= 2 m.
void MB_SYMBOL(mont_sub)(const struct mont_modulus *modulus, struct mont_digit *out,
	const struct mont_digit *a, const struct mont_digit *b);

// Lanes where a < b.
vmask MB_SYMBOL(mont_less)(const struct mont_digit *a, const struct mont_digit *b, unsigned n_digits);

// Lanes where a = b.
vmask MB_SYMBOL(mont_equal)(const struct mont_digit *a, const struct mont_digit *b, unsigned n_digits);

// out = a mod m for a < 2 m. out may be a.
void MB_SYMBOL(mont_normalise)(
	const struct mont_modulus *modulus, struct mont_digit *out, const struct mont_digit *a);

// out = a where the mask's bit is set, else b; out may be either.
void MB_SYMBOL(mont_choose)(struct mont_digit *out, vmask mask, const struct mont_digit *a,
	const struct mont_digit *b, unsigned n_digits);

// In each lane, out = the table's number idx, where idx holds one below n_entries for each lane. Reads the
// whole table (n_entries numbers of n_digits each, one after the other) whatever idx is.
void MB_SYMBOL(mont_lookup)(struct mont_digit *out, const struct mont_digit *table, unsigned n_entries,
	const struct mont_digit *idx, unsigned n_digits);

// One number between len big-endian bytes and n_digits carried digits. Setting wants a number that fits,
// getting takes the low len bytes of one; stride is the distance of the digits, in words (VEC_LANES for one
// lane of mont_digits).
void mont_digits_set(
	uint64_t *out_digits, unsigned n_digits, unsigned stride, const uint8_t *bytes, unsigned len);
void mont_digits_get(
	const uint64_t *digits, unsigned n_digits, unsigned stride, uint8_t *out_bytes, unsigned len);

// -m^-1 mod 2^52 of an odd m, from its lowest digit.
uint64_t mont_minus_inverse(uint64_t digit);
