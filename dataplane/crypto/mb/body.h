// SPDX-License-Identifier: Apache-2.0
//
// What the sources that are compiled once per body share: the kernels' symbols, and requests cut into groups.
#pragma once

#include "base/assert.h"
#include "crypto/mb/kernels.h"
#include "crypto/mb/vec.h"

uint64_t MB_SYMBOL(x25519_keygen)(
	uint8_t *const out_public[], const uint8_t *const private_keys[], unsigned n);
uint64_t MB_SYMBOL(x25519_shared)(uint8_t *const out_secrets[], const uint8_t *const private_keys[],
	const uint8_t *const peers[], unsigned n);
uint64_t MB_SYMBOL(p256_keygen)(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n);
uint64_t MB_SYMBOL(p256_ecdh)(uint8_t *const out_secrets[], const uint8_t *const scalars[],
	const uint8_t *const peers[], unsigned n);
uint64_t MB_SYMBOL(p256_ecdsa_prepare)(
	struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n);
uint64_t MB_SYMBOL(p256_ecdsa_verify)(const struct mb_ecdsa_check checks[], unsigned n);
uint64_t MB_SYMBOL(p384_keygen)(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n);
uint64_t MB_SYMBOL(p384_ecdsa_prepare)(
	struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n);
void MB_SYMBOL(p384_ecdh_begin)(
	struct mb_p384_job *job, const uint8_t *const scalars[], const uint8_t *const peers[], unsigned n);
uint64_t MB_SYMBOL(p384_ecdh_finish)(struct mb_p384_job *job, uint8_t *const out_secrets[]);
void MB_SYMBOL(p384_verify_begin)(struct mb_p384_job *job, const struct mb_ecdsa_check checks[], unsigned n);
uint64_t MB_SYMBOL(p384_verify_finish)(struct mb_p384_job *job);
bool MB_SYMBOL(p384_step)(struct mb_p384_job *job);
void MB_SYMBOL(ed25519_public)(uint8_t out_public[MB_ED25519_KEY_LEN], const uint8_t scalar[32]);
uint64_t MB_SYMBOL(ed25519_sign)(uint8_t *const out_signatures[], const struct mb_ed25519_key *const keys[],
	const struct span messages[], unsigned n);

// How many groups of eight n requests fill. Asserts the limit of the interface.
static inline unsigned groups_of(unsigned n)
{
	SLUICE_ASSERT(n >= 1 && n <= MB_REQUESTS_MAX);
	return (n + VEC_LANES - 1) / VEC_LANES;
}

// How many lanes the group has.
static inline unsigned group_lanes(unsigned n, unsigned group)
{
	unsigned left = n - VEC_LANES * group;

	return left < VEC_LANES ? left : VEC_LANES;
}

// A group's lanes as bits of the requests' mask.
static inline uint64_t group_mask(vmask lanes, unsigned n, unsigned group)
{
	unsigned used = lanes & (VEC_ALL >> (VEC_LANES - group_lanes(n, group)));

	return (uint64_t)used << (VEC_LANES * group);
}

// The mask of n successes.
static inline uint64_t requests_all(unsigned n)
{
	return UINT64_MAX >> (MB_REQUESTS_MAX - n);
}
