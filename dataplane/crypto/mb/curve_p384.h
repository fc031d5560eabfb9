// SPDX-License-Identifier: Apache-2.0
//
// The constants of P-384 (SP 800-186 3.2.1.4) for the NIST template: eight digits,
// p = 2^384 - 2^128 - 2^96 + 2^32 - 1.
#pragma once

#include "mb_tables.h"

#define NIST_BITS     384
#define NIST_DIGITS   8
#define NIST_TO_NONCE P384_N_TO_NONCE
#define COMB_TEETH    P384_COMB_TEETH
#define COMB_TABLES   P384_COMB_TABLES
#define COMB_COLUMNS  P384_COMB_COLUMNS
#define COMB_ENTRIES  (1u << (COMB_TEETH - 1))
#define comb_table    mb_p384_comb

#include "crypto/mb/field_nist.h"

static const struct modulus field = {P384_P, P384_P_N0, P384_P_ONE, P384_P_R2, P384_P_MINUS2};
static const struct modulus order = {P384_N, P384_N_N0, P384_N_ONE, P384_N_R2, P384_N_MINUS2};
static const uint64_t curve_b[NIST_DIGITS] = P384_B_MONT;

// a + q (2^384 - p), for small signed q: 2^384 - p = 2^128 + 2^96 - 2^32 + 1.
VEC_INLINE struct fe fe_fold_top(struct fe a, vec q)
{
	a.d[0] = vec_add(a.d[0], vec_sub(q, vec_shl(q, 32)));
	a.d[1] = vec_add(a.d[1], vec_shl(q, 96 - 52));
	a.d[2] = vec_add(a.d[2], vec_shl(q, 128 - 104));
	return a;
}
