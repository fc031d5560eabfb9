// SPDX-License-Identifier: Apache-2.0
//
// Multiples of the base point of edwards25519, -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 5.1), by a comb.
//
// Extended coordinates x = X/Z, y = Y/Z, x y = T/Z (Hisil, Wong, Carter, Dawson, eprint 2008/522). With d no
// square the addition is complete: it holds for every pair of points, so that no scalar is special.
#pragma once

#include "crypto/mb/comb.h"
#include "crypto/mb/field25519.h"
#include "mb_tables.h"

#define COMB_ENTRIES (1u << (ED25519_COMB_TEETH - 1))
#define COMB_BITS    (ED25519_COMB_TEETH * ED25519_COMB_TABLES * ED25519_COMB_COLUMNS)

// All coordinates raw.
struct edwards_point {
	struct fe x, y, z, t;
};

// An affine point as the tables hold it: y + x, y - x, 2 d x y, digits below 2^51.
struct edwards_entry {
	struct fe sum, difference, product;
};

// x3 = e f, y3 = g h, t3 = e h, z3 = f g: the common end of addition and doubling. carried -> raw.
VEC_INLINE struct edwards_point edwards_finish(struct fe e, struct fe f, struct fe g, struct fe h)
{
	return (struct edwards_point){fe_mul(e, f), fe_mul(g, h), fe_mul(f, g), fe_mul(e, h)};
}

// 2 p, section 3.3 with a = -1: 4M + 4S. The signs of e, f, g, h are all turned against the paper, which
// cancels.
static __attribute__((noinline)) struct edwards_point edwards_double(const struct edwards_point *p)
{
	struct fe x = fe_carry(p->x), y = fe_carry(p->y), z = fe_carry(p->z);
	struct fe xx = fe_sqr(x), yy = fe_sqr(y), zz = fe_sqr(z);
	struct fe h = fe_add(xx, yy);
	struct fe e = fe_sub(h, fe_sqr(fe_add(p->x, p->y)));
	struct fe g = fe_sub(xx, yy);
	struct fe f = fe_add(fe_add(zz, zz), g);

	return edwards_finish(e, f, g, h);
}

// p + q, or p - q in the lanes of negative: 7M.
static __attribute__((noinline)) struct edwards_point edwards_add(
	const struct edwards_point *p, const struct edwards_entry *q, vmask negative)
{
	struct fe minus = fe_select(negative, q->sum, q->difference);
	struct fe plus = fe_select(negative, q->difference, q->sum);
	struct fe a = fe_mul(fe_sub(p->y, p->x), minus);
	struct fe b = fe_mul(fe_add(p->y, p->x), plus);
	struct fe c = fe_mul(fe_carry(p->t), q->product);
	struct fe d = fe_add(p->z, p->z);
	struct fe below = fe_sub(d, c), above = fe_add(d, c);

	return edwards_finish(fe_sub(b, a), fe_select(negative, above, below),
		fe_select(negative, below, above), fe_add(b, a));
}

// Adds the order L of the base point to the lanes of `where`: the same multiple, of the other parity. Carried
// 52-bit digits; k < 2^256 - L before.
VEC_INLINE void edwards_add_order(vec k[5], vmask where)
{
	static const uint64_t order[5] = ED25519_L;

	for (int i = 0; i < 5; i++)
		k[i] = vec_add_if(where, k[i], vec_set1(order[i]));
	for (int i = 0; i + 1 < 5; i++) {
		k[i + 1] = vec_add(k[i + 1], vec_shr(k[i], VEC_DIGIT_BITS));
		k[i] = vec_and(k[i], vec_set1(VEC_DIGIT_MASK));
	}
}

// k * B for odd k below 2^256, in 52-bit digits: COLUMNS - 1 doublings and TABLES * COLUMNS additions.
static inline struct edwards_point edwards_base_multiple(const vec k[5])
{
	struct edwards_point sum = {fe_small(0), fe_small(1), fe_small(1), fe_small(0)};
	vec signs[6];

	_Static_assert(COMB_BITS > 256 && COMB_BITS <= 6 * VEC_DIGIT_BITS, "the signs fill six digits");
	{
		const vec wide[6] = {k[0], k[1], k[2], k[3], k[4], vec_zero()};

		signs_from_scalar(signs, wide, 6, COMB_BITS);
	}
	for (unsigned column = ED25519_COMB_COLUMNS; column-- > 0;) {
		if (column + 1 != ED25519_COMB_COLUMNS)
			sum = edwards_double(&sum);
		for (unsigned table = 0; table < ED25519_COMB_TABLES; table++) {
			struct edwards_entry entry;
			vmask negative;
			vec idx = signs_index(&negative, signs, column + ED25519_COMB_COLUMNS * table,
				ED25519_COMB_COLUMNS * ED25519_COMB_TABLES, ED25519_COMB_TEETH);

			comb_lookup(
				&entry.sum.d[0], 3 * FE_DIGITS, mb_ed25519_comb[table][0], COMB_ENTRIES, idx);
			sum = edwards_add(&sum, &entry, negative);
		}
	}
	return sum;
}
