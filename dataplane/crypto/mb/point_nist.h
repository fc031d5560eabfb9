// SPDX-License-Identifier: Apache-2.0
//
// Points of a NIST curve y^2 = x^3 - 3 x + b and their multiples, eight lanes. A template as field_nist.h;
// its user also defines, before including it, the modulus `field`, the modulus `order`, and fe_fold_top.
//
// Jacobian coordinates, x = X/Z^2, y = Y/Z^3; Z = 0 is infinity. X and Y are tight, Z is below 2.7 p, all
// carried.
//
// The additions are incomplete: they give Z = 0 where the two points are equal or opposite. That they never
// meet such points but in the last addition of a multiple, which is done by point_add_complete, is argued at
// base_multiple and multiple_window. Complete formulas (Renes, Costello, Batina, eprint 2015/1060) would need
// no argument and cost 40 % more.
#pragma once

#include "base/wipe.h"
#include "crypto/mb/comb.h"
#include "crypto/mb/field_nist.h"

struct jacobian {
	struct fe x, y, z;
};

struct affine {
	struct fe x, y;
};

#define NIST_TOP_BITS (NIST_BITS - VEC_DIGIT_BITS * (NIST_DIGITS - 1))

// raw, of a value between -32 and 32 -> tight and carried. With q the bits from 2^NIST_BITS on, a - q p + p
// is taken before the carry: uncarried digits and q (2^NIST_BITS - p) err by less than 2^-10 p to either
// side.
NIST_FIELD struct fe fe_tighten(struct fe a)
{
	vec q = vec_sar(a.d[NIST_DIGITS - 1], NIST_TOP_BITS);

	a.d[NIST_DIGITS - 1] = vec_and(a.d[NIST_DIGITS - 1], vec_set1((UINT64_C(1) << NIST_TOP_BITS) - 1));
	a = fe_fold_top(a, q);
	return fe_carry(raw_add_modulus(&field, a, 1));
}

VEC_INLINE struct fe fe_mul(struct fe a, struct fe b)
{
	return mod_mul(&field, a, b);
}

VEC_INLINE struct fe fe_sqr(struct fe a)
{
	return mod_sqr(&field, a);
}

// a - b + 3 p, for b below 3.
NIST_FIELD struct fe fe_sub(struct fe a, struct fe b)
{
	return fe_carry(raw_add_modulus(&field, raw_sub(a, b), 3));
}

VEC_INLINE struct fe fe_add(struct fe a, struct fe b)
{
	return fe_carry(raw_add(a, b));
}

VEC_INLINE struct jacobian jacobian_select(vmask mask, struct jacobian yes, struct jacobian no)
{
	return (struct jacobian){
		fe_select(mask, yes.x, no.x), fe_select(mask, yes.y, no.y), fe_select(mask, yes.z, no.z)};
}

// 2 p: 4M + 4S, one of them sharing its reduction (after "dbl-2001-b" of the Explicit-Formulas Database).
//   delta = Z^2, gamma = Y^2, beta = X gamma, alpha = 3 (X - delta) (X + delta)
//   X3 = alpha^2 - 8 beta, Y3 = alpha (4 beta - X3) - 8 gamma^2, Z3 = 2 Y Z
// Bounds for P-256: delta 1.5, gamma 1.3, beta 1.2, alpha 3 * (5.01 * 3.5 / 16 + 1) = 6.3, Z3 2 (2 * 2.7 / 16
// + 1) < 2.7.
static __attribute__((noinline)) struct jacobian point_double(const struct jacobian *p)
{
	struct fe delta = fe_sqr(p->z);
	struct fe gamma = fe_sqr(p->y);
	struct fe beta = fe_mul(p->x, gamma);
	struct fe third = mod_mul_raw(&field, fe_sub(p->x, delta), fe_add(p->x, delta));
	struct fe alpha = fe_carry(raw_add(third, raw_shl(third, 1)));
	struct jacobian out;

	out.x = fe_tighten(raw_sub(mod_sqr_raw(&field, alpha), raw_shl(beta, 3)));
	out.y = fe_tighten(
		mod_mul_sub_8sqr_raw(&field, alpha, fe_tighten(raw_sub(raw_shl(beta, 2), out.x)), gamma));
	out.z = fe_carry(raw_shl(mod_mul_raw(&field, p->y, p->z), 1));
	return out;
}

// The common end of the additions, after "add-1998-cmo-2": with H = u2 - u1 and r = s2 - s1,
//   X3 = r^2 - H^3 - 2 u1 H^2, Y3 = r (u1 H^2 - X3) - s1 H^3, Z3 = z1z2 H
// u1 and s1 tight, u2 and s2 below 2, z1z2 below 2.7; h and r are below 5.1, so h^2 2.7, h^3 1.9, Z3 1.9, and
// r (tight) + s1 h^3 below 2. r is handed out for point_add_complete.
VEC_INLINE struct jacobian point_add_finish(
	struct fe u1, struct fe s1, struct fe u2, struct fe s2, struct fe z1z2, struct fe *out_r)
{
	struct fe h = fe_sub(u2, u1), r = fe_sub(s2, s1);
	struct fe hh = fe_sqr(h);
	struct fe hhh = fe_mul(hh, h);
	struct fe v = fe_mul(u1, hh);
	struct jacobian out;

	out.x = fe_tighten(raw_sub(raw_sub(mod_sqr_raw(&field, r), hhh), raw_shl(v, 1)));
	out.y = fe_tighten(mod_mul_sub_mul_raw(&field, r, fe_tighten(raw_sub(v, out.x)), s1, hhh));
	out.z = fe_mul(z1z2, h);
	*out_r = r;
	return out;
}

// p + q: 12M + 4S.
static __attribute__((noinline)) struct jacobian point_add(
	const struct jacobian *p, const struct jacobian *q, struct fe *out_r)
{
	struct fe pp = fe_sqr(p->z), qq = fe_sqr(q->z);
	struct fe u1 = fe_mul(p->x, qq), s1 = fe_mul(p->y, fe_mul(qq, q->z));
	struct fe u2 = fe_mul(q->x, pp), s2 = fe_mul(q->y, fe_mul(pp, p->z));

	return point_add_finish(u1, s1, u2, s2, fe_mul(p->z, q->z), out_r);
}

// p + q with q's Z = 1: 8M + 3S.
static __attribute__((noinline)) struct jacobian point_add_affine(
	const struct jacobian *p, const struct affine *q, struct fe *out_r)
{
	struct fe pp = fe_sqr(p->z);
	struct fe u2 = fe_mul(q->x, pp), s2 = fe_mul(q->y, fe_mul(pp, p->z));

	return point_add_finish(p->x, p->y, u2, s2, p->z, out_r);
}

// The right sum for equal and opposite points too, given point_add's answer for p and q, neither at infinity:
// where H = 0 (so that Z3 = 0), equal points have r = 0 and are doubled, opposite ones are rightly at
// infinity.
static inline struct jacobian point_add_complete(struct jacobian sum, struct fe r, const struct jacobian *p)
{
	vmask equal = mod_is_zero(&field, sum.z) & mod_is_zero(&field, r);

	return jacobian_select(equal, point_double(p), sum);
}

// Whether (x, y) is on the curve: y^2 = x^3 - 3 x + b. Both in Montgomery form, below 2.
static inline vmask point_on_curve(const struct affine *p)
{
	struct fe x3 = fe_mul(fe_sqr(p->x), p->x);
	struct fe difference = raw_sub(mod_sqr_raw(&field, p->y), x3);

	difference = raw_add(difference, raw_add(p->x, raw_shl(p->x, 1)));
	return mod_is_zero(&field, fe_tighten(raw_sub(difference, fe_constant(curve_b))));
}

// Scalars 0 < k < order: makes k odd by taking order - k where it isn't, and says where.
static inline struct fe scalar_make_odd(struct fe k, vmask *out_negated)
{
	struct fe negated = fe_carry(raw_sub(fe_constant(order.digits), k));

	*out_negated = (vmask)~vec_test(k.d[0], vec_set1(1));
	return fe_select(*out_negated, negated, k);
}

static inline struct fe fe_negate(struct fe a)
{
	const struct fe zero = fe_constant((const uint64_t[NIST_DIGITS]){0});

	return fe_tighten(raw_sub(zero, a));
}

// k G for odd k below 2^NIST_BITS, by the comb of comb.h, tables from the highest to table 0.
//
// A step adds an entry +-T to a sum S; both are sums of terms +-2^i over different i. S = +-T mod the order n
// would make S -+ T a multiple of n. It is not zero, since its lowest term is alone, and at most 2^NIST_BITS
// - 1 < 2 n in size, so it would be +-n, which is odd, so the term 2^0 is in it. That is in table 0, column
// 0: the last addition, which is complete. All others are safe with any k.
static inline struct jacobian base_multiple(struct fe k)
{
	vec signs[NIST_DIGITS];
	struct jacobian sum = {0};

	_Static_assert(
		COMB_TEETH * COMB_TABLES * COMB_COLUMNS == NIST_BITS, "the comb covers the scalar exactly");
	signs_from_scalar(signs, k.d, NIST_DIGITS, NIST_BITS);
	for (unsigned column = COMB_COLUMNS; column-- > 0;) {
		if (column + 1 != COMB_COLUMNS)
			sum = point_double(&sum);
		for (unsigned table = COMB_TABLES; table-- > 0;) {
			struct affine entry;
			struct jacobian entry_jacobian;
			struct fe r;
			vmask negative;
			vec idx = signs_index(&negative, signs, column + COMB_COLUMNS * table,
				COMB_COLUMNS * COMB_TABLES, COMB_TEETH);

			comb_lookup(&entry.x.d[0], 2 * NIST_DIGITS, comb_table[table][0], COMB_ENTRIES, idx);
			entry.y = fe_select(negative, fe_negate(entry.y), entry.y);
			entry_jacobian = (struct jacobian){entry.x, entry.y, fe_constant(field.one)};
			if (column + 1 == COMB_COLUMNS && table + 1 == COMB_TABLES) {
				sum = entry_jacobian;
				continue;
			}
			sum = point_add_affine(&sum, &entry, &r);
			if (column == 0 && table == 0)
				sum = point_add_complete(sum, r, &entry_jacobian);
		}
	}
	wipe(signs, sizeof(signs));
	return sum;
}

#define WINDOW_BITS    5
#define WINDOW_ENTRIES (1 << (WINDOW_BITS - 1))
#define N_WINDOWS      ((NIST_BITS + WINDOW_BITS - 1) / WINDOW_BITS)

// k P under way for one group: odd multiples of P, and windows of five signs from the top.
struct multiple {
	struct jacobian odd[WINDOW_ENTRIES]; // P, 3 P, ... 31 P
	struct jacobian sum;
	vec signs[NIST_DIGITS];
	int window; // the next one; below 0 when done
};

// The entry +-(2 idx + 1) P, lane by lane, and where it must be negated: reads all entries.
static inline struct jacobian multiple_entry(const struct multiple *m)
{
	vmask negative;
	vec idx = signs_index(&negative, m->signs, WINDOW_BITS * (unsigned)m->window, 1, WINDOW_BITS);
	struct jacobian entry = m->odd[0];

	for (unsigned i = 1; i < WINDOW_ENTRIES; i++)
		entry = jacobian_select(vec_eq(idx, vec_set1(i)), m->odd[i], entry);
	entry.y = fe_select(negative, fe_negate(entry.y), entry.y);
	return entry;
}

// Begins k P for odd k below the order: the table (P's order is prime and large, so i P = +-2 P never meets
// in it) and the top window, which is positive since the top sign is.
static inline void multiple_begin(struct multiple *m, struct fe k, const struct affine *p)
{
	struct jacobian twice;
	struct fe r;

	m->odd[0] = (struct jacobian){p->x, p->y, fe_constant(field.one)};
	twice = point_double(&m->odd[0]);
	for (int i = 1; i < WINDOW_ENTRIES; i++)
		m->odd[i] = point_add(&m->odd[i - 1], &twice, &r);
	signs_from_scalar(m->signs, k.d, NIST_DIGITS, WINDOW_BITS * N_WINDOWS);
	m->window = N_WINDOWS - 1;
	m->sum = multiple_entry(m);
	m->window--;
}

// One window: sum = 32 sum + v P, |v| <= 31 odd. 5 doublings and an addition.
//
// Let sum = s P; s is odd, positive and below 2^(bits done so far). 32 s = +-v would need s = 0, so as
// residues only a multiple of n could make them meet: 32 s -+ v = n or more. Before the last window 32 s + 31
// < n. In the last, 32 s + v = k lies between 0 and n, so opposite points don't occur, and equal ones if k =
// n + 2 v: that addition is complete.
static __attribute__((noinline)) void multiple_window(struct multiple *m)
{
	struct jacobian entry, sum;
	struct fe r;

	for (int i = 0; i < WINDOW_BITS; i++)
		m->sum = point_double(&m->sum);
	entry = multiple_entry(m);
	sum = point_add(&m->sum, &entry, &r);
	m->sum = m->window == 0 ? point_add_complete(sum, r, &entry) : sum;
	m->window--;
}
