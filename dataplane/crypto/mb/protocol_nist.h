// SPDX-License-Identifier: Apache-2.0
//
// Key generation, ECDH and ECDSA over a NIST curve, in groups of eight. The last part of the template
// (field_nist.h, point_nist.h): curve-independent but for the constants that its user defines.
//
// Each operation has a part that runs per group and ends with a quotient, and one inversion for all groups.
#pragma once

#include "base/wipe.h"
#include "crypto/mb/body.h"
#include "crypto/mb/point_nist.h"

#define SCALAR_LEN (NIST_BITS / 8)

// Reads big-endian scalars; the lanes in which 0 < k < order, and 1 in place of the others.
static struct fe scalars_read(const uint8_t *const strings[], unsigned n_lanes, vmask *out_valid)
{
	static const uint64_t one[NIST_DIGITS] = {1};
	struct fe k = digits_read(strings, 0, n_lanes);
	vmask below;

	(void)mod_subtract_once(&order, k, &below);
	*out_valid = below & (vmask)~digits_are_zero(k) & lanes_first(n_lanes);
	return fe_select(*out_valid, k, fe_constant(one));
}

// Reads uncompressed points into Montgomery form; the lanes in which they are on the curve (SP
// 800-56A 5.6.2.3.3: not infinity, which has no such encoding; coordinates below p; the equation. The
// cofactor is 1).
static vmask points_read(struct affine *out, const uint8_t *const strings[], unsigned n_lanes)
{
	struct fe x = digits_read(strings, 1, n_lanes), y = digits_read(strings, 1 + SCALAR_LEN, n_lanes);
	vmask x_below, y_below, uncompressed = 0;

	for (unsigned lane = 0; lane < n_lanes; lane++)
		uncompressed |= (vmask)((strings[lane][0] == 4) << lane);
	(void)mod_subtract_once(&field, x, &x_below);
	(void)mod_subtract_once(&field, y, &y_below);
	out->x = mod_enter(&field, x);
	out->y = mod_enter(&field, y);
	return uncompressed & x_below & y_below & point_on_curve(out);
}

// The affine x of Jacobian points, canonical, given the inverses of their Z.
static inline struct fe affine_x(const struct jacobian *p, struct fe z_inverse)
{
	return mod_leave(&field, fe_mul(p->x, fe_sqr(z_inverse)));
}

static inline struct fe affine_y(const struct jacobian *p, struct fe z_inverse)
{
	return mod_leave(&field, fe_mul(p->y, fe_mul(fe_sqr(z_inverse), z_inverse)));
}

// scalar * G for one group; the scalars' validity.
static vmask group_base_multiple(
	struct jacobian *out, struct fe *out_z, const uint8_t *const scalars[], unsigned n_lanes)
{
	vmask valid, negated;
	struct fe k = scalar_make_odd(scalars_read(scalars, n_lanes, &valid), &negated);

	*out = base_multiple(k);
	out->y = fe_select(negated, fe_negate(out->y), out->y);
	*out_z = out->z;
	wipe(&k, sizeof(k));
	return valid;
}

static uint64_t keygen(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n)
{
	unsigned n_groups = groups_of(n);
	struct jacobian points[VEC_LANES];
	struct fe z[VEC_LANES];
	vmask valid[VEC_LANES];
	uint64_t done = 0;

	for (unsigned group = 0; group < n_groups; group++)
		valid[group] = group_base_multiple(
			&points[group], &z[group], scalars + VEC_LANES * group, group_lanes(n, group));
	mod_invert_all(&field, z, n_groups);
	for (unsigned group = 0; group < n_groups; group++) {
		uint8_t *const *out = out_points + VEC_LANES * group;
		unsigned n_lanes = group_lanes(n, group);

		for (unsigned lane = 0; lane < n_lanes; lane++)
			out[lane][0] = (uint8_t)((valid[group] >> lane & 1) << 2); // 4: uncompressed
		digits_write(out, 1, n_lanes, affine_x(&points[group], z[group]), valid[group]);
		digits_write(out, 1 + SCALAR_LEN, n_lanes, affine_y(&points[group], z[group]), valid[group]);
		done |= group_mask(valid[group], n, group);
	}
	wipe(points, sizeof(points));
	wipe(z, sizeof(z));
	return done;
}

// ECDH of one group under way. The sign of k doesn't matter: only x is wanted.
struct ecdh_group {
	struct multiple multiple;
	unsigned n_lanes;
	vmask valid;
};

static void ecdh_begin(struct ecdh_group *group, const uint8_t *const scalars[], const uint8_t *const peers[],
	unsigned n_lanes)
{
	struct affine peer;
	vmask valid, negated;
	struct fe k = scalar_make_odd(scalars_read(scalars, n_lanes, &valid), &negated);

	group->n_lanes = n_lanes;
	group->valid = valid & points_read(&peer, peers, n_lanes);
	multiple_begin(&group->multiple, k, &peer);
	wipe(&k, sizeof(k));
}

static vmask ecdh_finish(const struct jacobian *point, struct fe z_inverse, vmask valid, uint8_t *const out[],
	unsigned n_lanes)
{
	digits_write(out, 0, n_lanes, affine_x(point, z_inverse), valid);
	return valid;
}

// Writes 64-bit words of canonical digits to a field of the nonces, offset bytes into them.
static void nonces_write(
	struct mb_ecdsa_nonce *const out[], size_t offset, unsigned n_lanes, struct fe a, vmask keep)
{
	struct lane_words words;

	for (int i = 0; i < NIST_DIGITS; i++)
		a.d[i] = vec_keep(keep, a.d[i]);
	words_from_digits(&words, NIST_BITS / 64, a.d, NIST_DIGITS, VEC_DIGIT_BITS);
	for (unsigned lane = 0; lane < n_lanes; lane++) {
		uint64_t limbs[MB_SCALAR_LIMBS_MAX] = {0};

		for (int i = 0; i < NIST_BITS / 64; i++)
			limbs[i] = words.word[i][lane];
		memcpy((uint8_t *)out[lane] + offset, limbs, sizeof(limbs));
		wipe(limbs, sizeof(limbs));
	}
	wipe(&words, sizeof(words));
}

static uint64_t ecdsa_prepare(
	struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n)
{
	static const uint64_t to_nonce[NIST_DIGITS] = NIST_TO_NONCE;
	unsigned n_groups = groups_of(n);
	struct jacobian points[VEC_LANES];
	struct fe z[VEC_LANES], inverses[VEC_LANES];
	vmask valid[VEC_LANES], ignored;
	uint64_t done = 0;

	for (unsigned group = 0; group < n_groups; group++) {
		const uint8_t *const *in = nonces + VEC_LANES * group;
		unsigned n_lanes = group_lanes(n, group);

		valid[group] = group_base_multiple(&points[group], &z[group], in, n_lanes);
		inverses[group] = mod_enter(&order, scalars_read(in, n_lanes, &ignored));
	}
	mod_invert_all_two(&field, z, &order, inverses, n_groups);
	for (unsigned group = 0; group < n_groups; group++) {
		struct mb_ecdsa_nonce *const *out = out_nonces + VEC_LANES * group;
		unsigned n_lanes = group_lanes(n, group);
		struct fe r = mod_subtract_once(&order, affine_x(&points[group], z[group]), &ignored);
		struct fe k = mod_mul(&order, inverses[group], fe_constant(to_nonce));

		valid[group] &= (vmask)~digits_are_zero(r);
		nonces_write(out, offsetof(struct mb_ecdsa_nonce, r), n_lanes, r, valid[group]);
		nonces_write(out, offsetof(struct mb_ecdsa_nonce, inverse), n_lanes,
			mod_subtract_once(&order, k, &ignored), valid[group]);
		done |= group_mask(valid[group], n, group);
	}
	wipe(points, sizeof(points));
	wipe(z, sizeof(z));
	wipe(inverses, sizeof(inverses));
	return done;
}

// Verification of one group under way (FIPS 186-5 6.4.2): R = u1 G + u2 Q, u1 = z/s, u2 = r/s; accept if x(R)
// = r. Nothing in it is secret.
struct verify_group {
	struct multiple multiple; // u2 Q
	struct affine public_point;
	struct jacobian base; // u1 G
	struct fe r, u1, u2;
	vmask valid, u2_negated;
};

// Reads one group; s comes out in Montgomery form for the inversion.
static void verify_read(
	struct verify_group *group, struct fe *out_s, const struct mb_ecdsa_check checks[], unsigned n_lanes)
{
	const uint8_t *strings[4][VEC_LANES];
	vmask r_valid, s_valid;

	for (unsigned lane = 0; lane < n_lanes; lane++) {
		strings[0][lane] = checks[lane].digest;
		strings[1][lane] = checks[lane].r;
		strings[2][lane] = checks[lane].s;
		strings[3][lane] = checks[lane].public_point;
	}
	group->u1 = digits_read(strings[0], 0, n_lanes);
	group->r = scalars_read(strings[1], n_lanes, &r_valid);
	*out_s = mod_enter(&order, scalars_read(strings[2], n_lanes, &s_valid));
	group->valid = r_valid & s_valid & points_read(&group->public_point, strings[3], n_lanes);
}

// u1 and u2 from 1/s in Montgomery form.
static void verify_scalars(struct verify_group *group, struct fe s_inverse)
{
	vmask ignored;

	group->u1 = mod_subtract_once(&order, mod_mul(&order, group->u1, s_inverse), &ignored);
	group->u2 = mod_subtract_once(&order, mod_mul(&order, group->r, s_inverse), &ignored);
}

// u1 G; infinity where u1 = 0, for which the comb has no signs: 1 is multiplied instead.
static void verify_base(struct verify_group *group)
{
	static const uint64_t one[NIST_DIGITS] = {1};
	vmask zero = digits_are_zero(group->u1), negated;
	struct fe k = scalar_make_odd(fe_select(zero, fe_constant(one), group->u1), &negated);

	group->base = base_multiple(k);
	group->base.y = fe_select(negated, fe_negate(group->base.y), group->base.y);
	for (int i = 0; i < NIST_DIGITS; i++)
		group->base.z.d[i] = vec_keep((vmask)~zero, group->base.z.d[i]);
}

static void verify_multiple_begin(struct verify_group *group)
{
	struct fe k = scalar_make_odd(group->u2, &group->u2_negated);

	multiple_begin(&group->multiple, k, &group->public_point);
}

// The lanes in which x(R) mod order = r, without an inversion: X = r Z^2, or X = (r + order) Z^2 if that is
// below p.
static vmask verify_finish(struct verify_group *group)
{
	struct jacobian q = group->multiple.sum, sum;
	struct fe r, zz, other = fe_carry(raw_add(group->r, fe_constant(order.digits)));
	vmask base_infinite = mod_is_zero(&field, group->base.z), other_below, equal;

	q.y = fe_select(group->u2_negated, fe_negate(q.y), q.y);
	sum = point_add(&group->base, &q, &r);
	sum = point_add_complete(sum, r, &q);
	sum = jacobian_select(base_infinite, q, sum);
	zz = fe_sqr(sum.z);
	(void)mod_subtract_once(&field, other, &other_below);
	equal = mod_is_zero(&field, fe_tighten(raw_sub(sum.x, fe_mul(mod_enter(&field, group->r), zz))));
	equal |= other_below &
		 mod_is_zero(&field, fe_tighten(raw_sub(sum.x, fe_mul(mod_enter(&field, other), zz))));
	return group->valid & equal & (vmask)~mod_is_zero(&field, sum.z);
}
