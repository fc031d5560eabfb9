// SPDX-License-Identifier: Apache-2.0
//
// P-256 (SP 800-186 3.2.1.3), eight lanes: the NIST template with five digits, p = 2^256 - 2^224 + 2^192 +
// 2^96 - 1.
#include "crypto/mb/curve_p256.h"
#include "crypto/mb/protocol_nist.h"

#define STACK_WIPE_LEN 53248
#include "crypto/mb/stack_wipe.h"

uint64_t MB_SYMBOL(p256_keygen)(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n)
{
	uint64_t done = keygen(out_points, scalars, n);

	stack_wipe();
	return done;
}

uint64_t MB_SYMBOL(p256_ecdsa_prepare)(
	struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n)
{
	uint64_t done = ecdsa_prepare(out_nonces, nonces, n);

	stack_wipe();
	return done;
}

static __attribute__((noinline)) uint64_t ecdh(uint8_t *const out_secrets[], const uint8_t *const scalars[],
	const uint8_t *const peers[], unsigned n)
{
	unsigned n_groups = groups_of(n);
	struct ecdh_group work;
	struct jacobian points[VEC_LANES];
	struct fe z[VEC_LANES];
	vmask valid[VEC_LANES];
	uint64_t done = 0;

	for (unsigned group = 0; group < n_groups; group++) {
		ecdh_begin(
			&work, scalars + VEC_LANES * group, peers + VEC_LANES * group, group_lanes(n, group));
		while (work.multiple.window >= 0)
			multiple_window(&work.multiple);
		points[group] = work.multiple.sum;
		z[group] = points[group].z;
		valid[group] = work.valid;
	}
	mod_invert_all(&field, z, n_groups);
	for (unsigned group = 0; group < n_groups; group++)
		done |= group_mask(ecdh_finish(&points[group], z[group], valid[group],
					   out_secrets + VEC_LANES * group, group_lanes(n, group)),
			n, group);
	wipe(&work, sizeof(work));
	wipe(points, sizeof(points));
	wipe(z, sizeof(z));
	return done;
}

uint64_t MB_SYMBOL(p256_ecdh)(uint8_t *const out_secrets[], const uint8_t *const scalars[],
	const uint8_t *const peers[], unsigned n)
{
	uint64_t done = ecdh(out_secrets, scalars, peers, n);

	stack_wipe();
	return done;
}

uint64_t MB_SYMBOL(p256_ecdsa_verify)(const struct mb_ecdsa_check checks[], unsigned n)
{
	struct verify_group work;
	struct fe s;
	uint64_t done = 0;

	for (unsigned group = 0; group < groups_of(n); group++) {
		verify_read(&work, &s, checks + VEC_LANES * group, group_lanes(n, group));
		mod_invert_all(&order, &s, 1);
		verify_scalars(&work, s);
		verify_base(&work);
		verify_multiple_begin(&work);
		while (work.multiple.window >= 0)
			multiple_window(&work.multiple);
		done |= group_mask(verify_finish(&work), n, group);
	}
	return done;
}
