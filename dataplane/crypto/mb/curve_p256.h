// SPDX-License-Identifier: Apache-2.0
//
// The constants of P-256 (SP 800-186 3.2.1.3) for the NIST template: five digits,
// p = 2^256 - 2^224 + 2^192 + 2^96 - 1.
#pragma once

#include "mb_tables.h"

#define NIST_BITS     256
#define NIST_DIGITS   5
#define NIST_TO_NONCE P256_N_TO_NONCE
#define COMB_TEETH    P256_COMB_TEETH
#define COMB_TABLES   P256_COMB_TABLES
#define COMB_COLUMNS  P256_COMB_COLUMNS
#define COMB_ENTRIES  (1u << (COMB_TEETH - 1))
#define comb_table    mb_p256_comb

#include "crypto/mb/field_nist.h"

static const struct modulus field = {P256_P, P256_P_N0, P256_P_ONE, P256_P_R2, P256_P_MINUS2};
static const struct modulus order = {P256_N, P256_N_N0, P256_N_ONE, P256_N_R2, P256_N_MINUS2};
static const uint64_t curve_b[NIST_DIGITS] = P256_B_MONT;

// a + q (2^256 - p), for small signed q: 2^256 - p = 2^224 - 2^192 - 2^96 + 1.
VEC_INLINE struct fe fe_fold_top(struct fe a, vec q)
{
	a.d[0] = vec_add(a.d[0], q);
	a.d[1] = vec_sub(a.d[1], vec_shl(q, 96 - 52));
	a.d[3] = vec_sub(a.d[3], vec_shl(q, 192 - 156));
	a.d[4] = vec_add(a.d[4], vec_shl(q, 224 - 208));
	return a;
}
