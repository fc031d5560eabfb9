// SPDX-License-Identifier: Apache-2.0
//
// Montgomery arithmetic modulo a group order, one number at a time, in 64-bit limbs: what remains to be done
// when a message arrives. Constant time; n_limbs is a constant wherever these are inlined.
#pragma once

#include <stdint.h>

#define SCALAR64_LIMBS_MAX 6

// The same value, of which the compiler knows nothing: a mask that it recognised as a yes or no could come
// back as a branch.
static inline uint64_t scalar64_opaque(uint64_t value)
{
	__asm__("" : "+r"(value));
	return value;
}

// r = a - m if a >= m, else a; the limb above a's highest is `above` (0 or 1).
static inline void scalar64_subtract_once(
	uint64_t *r, const uint64_t *a, uint64_t above, const uint64_t *m, unsigned n_limbs)
{
	uint64_t less[SCALAR64_LIMBS_MAX];
	uint64_t borrow = 0, keep;

	for (unsigned i = 0; i < n_limbs; i++) {
		unsigned __int128 difference = (unsigned __int128)a[i] - m[i] - borrow;

		less[i] = (uint64_t)difference;
		borrow = (uint64_t)(difference >> 64) & 1;
	}
	keep = scalar64_opaque(0 - (borrow & ~above & 1)); // all ones where a < m
	for (unsigned i = 0; i < n_limbs; i++)
		r[i] = (a[i] & keep) | (less[i] & ~keep);
}

// r = a + b mod m, for a and b whose sum is below 2 m.
static inline void scalar64_add(
	uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *m, unsigned n_limbs)
{
	uint64_t sum[SCALAR64_LIMBS_MAX];
	uint64_t carry = 0;

	for (unsigned i = 0; i < n_limbs; i++) {
		unsigned __int128 digit = (unsigned __int128)a[i] + b[i] + carry;

		sum[i] = (uint64_t)digit;
		carry = (uint64_t)(digit >> 64);
	}
	scalar64_subtract_once(r, sum, carry, m, n_limbs);
}

// r = a b / 2^(64 n_limbs) mod m, below m if a b < m 2^(64 n_limbs). n0 = -1/m mod 2^64.
static inline void scalar64_mul(
	uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *m, uint64_t n0, unsigned n_limbs)
{
	uint64_t t[SCALAR64_LIMBS_MAX + 2] = {0};

	for (unsigned i = 0; i < n_limbs; i++) {
		unsigned __int128 sum;
		uint64_t carry = 0, q;

		for (unsigned j = 0; j < n_limbs; j++) {
			sum = (unsigned __int128)a[j] * b[i] + t[j] + carry;
			t[j] = (uint64_t)sum;
			carry = (uint64_t)(sum >> 64);
		}
		sum = (unsigned __int128)t[n_limbs] + carry;
		t[n_limbs] = (uint64_t)sum;
		t[n_limbs + 1] = (uint64_t)(sum >> 64);
		q = t[0] * n0;
		sum = (unsigned __int128)q * m[0] + t[0];
		carry = (uint64_t)(sum >> 64);
		for (unsigned j = 1; j < n_limbs; j++) {
			sum = (unsigned __int128)q * m[j] + t[j] + carry;
			t[j - 1] = (uint64_t)sum;
			carry = (uint64_t)(sum >> 64);
		}
		sum = (unsigned __int128)t[n_limbs] + carry;
		t[n_limbs - 1] = (uint64_t)sum;
		t[n_limbs] = t[n_limbs + 1] + (uint64_t)(sum >> 64);
	}
	scalar64_subtract_once(r, t, t[n_limbs], m, n_limbs);
}
