// SPDX-License-Identifier: Apache-2.0
//
// X25519 (RFC 7748 5), eight lanes: the Montgomery ladder for shared secrets, the comb on edwards25519 for
// key generation.
#include "base/wipe.h"
#include "crypto/mb/body.h"
#include "crypto/mb/edwards25519.h"

#define STACK_WIPE_LEN 24576
#include "crypto/mb/stack_wipe.h"

// Clamped scalars (RFC 7748 5) as four 64-bit words.
static void read_clamped(struct lane_words *out, const uint8_t *const private_keys[], unsigned n_lanes)
{
	lane_words_read(out, 4, LITTLE_ENDIAN_BYTES, private_keys, 0, n_lanes);
	for (int lane = 0; lane < VEC_LANES; lane++) {
		out->word[0][lane] &= ~UINT64_C(7);
		out->word[3][lane] &= ~(UINT64_C(1) << 63);
		out->word[3][lane] |= UINT64_C(1) << 62;
	}
}

// Multiplies each x by its own 1/z, with one inversion for all groups, and writes the little-endian u.
// Returns a bit for each request with u != 0; where z = 0, u is 0 (RFC 7748 5: the inverse of 0 is 0).
static uint64_t write_quotients(uint8_t *const out[], struct fe x[], struct fe z[], unsigned n)
{
	uint64_t nonzero = 0;
	vmask zero[VEC_LANES];
	unsigned n_groups = groups_of(n);

	for (unsigned group = 0; group < n_groups; group++)
		zero[group] = fe_is_zero(z[group]);
	fe_invert_all(z, n_groups);
	for (unsigned group = 0; group < n_groups; group++) {
		unsigned n_lanes = group_lanes(n, group);
		struct lane_words words;
		struct fe u = fe_mul_carried(x[group], z[group]);

		u = fe_canonical(fe_select(zero[group], fe_small(0), u));
		nonzero |= group_mask((vmask)~fe_is_zero(u), n, group);
		words_from_digits(&words, 4, u.d, FE_DIGITS, FE_DIGIT_BITS);
		lane_words_write(&words, 4, LITTLE_ENDIAN_BYTES, out + VEC_LANES * group, 0, n_lanes);
		wipe(&words, sizeof(words));
	}
	return nonzero;
}

// The two points of the ladder, all coordinates raw: (x2 : z2) = m P and (x3 : z3) = (m + 1) P, or the other
// way around while `swapped` says so.
struct ladder {
	struct fe x2, z2, x3, z3;
};

// One step: doubles the point that the bit demands and replaces the other by the sum (RFC 7748 5). 5M + 4S
// and a multiplication by 121665. Nothing is swapped: the sum is symmetric in both points, and of (a, b) and
// (c, d) only the pair that is doubled is chosen. The doubled point always goes to (x2 : z2).
VEC_INLINE void ladder_step(struct ladder *l, struct fe x1, vmask other)
{
	struct fe a = fe_add(l->x2, l->z2), b = fe_sub(l->x2, l->z2);
	struct fe c = fe_add(l->x3, l->z3), d = fe_sub(l->x3, l->z3);
	struct fe da = fe_mul(d, a), cb = fe_mul(c, b);
	struct fe aa = fe_carry(fe_sqr(fe_select(other, c, a)));
	struct fe bb = fe_carry(fe_sqr(fe_select(other, d, b)));
	struct fe e = fe_sub(aa, bb);

	l->x3 = fe_sqr(fe_add(da, cb));
	l->z3 = fe_mul(x1, fe_carry(fe_sqr(fe_sub(da, cb))));
	l->x2 = fe_mul(aa, bb);
	l->z2 = fe_mul(e, fe_carry(fe_add_small_multiple(aa, e, 121665)));
}

// 2 (x2 : z2), 2M + 2S.
VEC_INLINE void ladder_double(struct ladder *l)
{
	struct fe aa = fe_carry(fe_sqr(fe_add(l->x2, l->z2)));
	struct fe bb = fe_carry(fe_sqr(fe_sub(l->x2, l->z2)));
	struct fe e = fe_sub(aa, bb);

	l->x2 = fe_mul(aa, bb);
	l->z2 = fe_mul(e, fe_carry(fe_add_small_multiple(aa, e, 121665)));
}

// k * (u : 1) for one group. Bit 254 of a clamped scalar is 1 and the lowest three are 0, so the ladder
// starts one step in, at (P, 2P) by way of (P, P + P), and ends in three doublings.
static void ladder_run(struct fe *out_x, struct fe *out_z, const struct lane_words *k, struct fe u)
{
	struct ladder l = {fe_small(1), fe_small(0), u, fe_small(1)};
	vmask other = 0; // whether (x3 : z3) belongs to the lower multiple

	for (unsigned t = 255; t-- > 3;) {
		vmask bit = vec_test(vec_load(k->word[t / 64]), vec_set1(UINT64_C(1) << t % 64));

		ladder_step(&l, u, (vmask)(bit ^ other));
		other = bit;
	}
	l.x2 = fe_select(other, l.x3, l.x2);
	l.z2 = fe_select(other, l.z3, l.z2);
	for (int i = 0; i < 3; i++)
		ladder_double(&l);
	*out_x = fe_carry(l.x2);
	*out_z = fe_carry(l.z2);
}

static __attribute__((noinline)) uint64_t shared(uint8_t *const out_secrets[],
	const uint8_t *const private_keys[], const uint8_t *const peers[], unsigned n)
{
	struct fe x[VEC_LANES], z[VEC_LANES];
	struct lane_words k;
	uint64_t done;

	for (unsigned group = 0; group < groups_of(n); group++) {
		unsigned n_lanes = group_lanes(n, group);

		read_clamped(&k, private_keys + VEC_LANES * group, n_lanes);
		ladder_run(&x[group], &z[group], &k, fe_read(peers + VEC_LANES * group, n_lanes));
	}
	done = write_quotients(out_secrets, x, z, n);
	wipe(&k, sizeof(k));
	wipe(x, sizeof(x));
	wipe(z, sizeof(z));
	return done;
}

// u = (1 + y) / (1 - y) (RFC 7748 4.1) of k B. The clamped k is a multiple of 8 and below 8 L, the least one
// with k B = 0, so Z - Y is never zero. To be odd, as the comb needs it, k becomes k + L, which is the same
// point.
static __attribute__((noinline)) uint64_t keygen(
	uint8_t *const out_public[], const uint8_t *const private_keys[], unsigned n)
{
	struct fe x[VEC_LANES], z[VEC_LANES];
	struct lane_words words;
	vec k[5];

	for (unsigned group = 0; group < groups_of(n); group++) {
		struct edwards_point point;

		read_clamped(&words, private_keys + VEC_LANES * group, group_lanes(n, group));
		digits_from_words(k, 5, VEC_DIGIT_BITS, &words);
		edwards_add_order(k, VEC_ALL);
		point = edwards_base_multiple(k);
		x[group] = fe_add(point.z, point.y);
		z[group] = fe_sub(point.z, point.y);
	}
	(void)write_quotients(out_public, x, z, n);
	wipe(&words, sizeof(words));
	wipe(k, sizeof(k));
	wipe(x, sizeof(x));
	wipe(z, sizeof(z));
	return requests_all(n);
}

uint64_t MB_SYMBOL(x25519_shared)(uint8_t *const out_secrets[], const uint8_t *const private_keys[],
	const uint8_t *const peers[], unsigned n)
{
	uint64_t done = shared(out_secrets, private_keys, peers, n);

	stack_wipe();
	return done;
}

uint64_t MB_SYMBOL(x25519_keygen)(
	uint8_t *const out_public[], const uint8_t *const private_keys[], unsigned n)
{
	uint64_t done = keygen(out_public, private_keys, n);

	stack_wipe();
	return done;
}
