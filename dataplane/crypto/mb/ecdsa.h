// SPDX-License-Identifier: Apache-2.0
//
// What surrounds the eight-lane ECDSA kernels, for one signature at a time: prepared nonces, private keys,
// and the message-dependent half of a signature (FIPS 186-5 6.4.1).
//
//     p256_ecdsa_prepare (kernel):   k  ->  (k^-1, r)           ahead of time, eight and more at once
//     mb_ecdsa_complete:             s = k^-1 (z + r d) mod n   when the message is there, ~150 cycles
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MB_SCALAR_LEN_MAX   48
#define MB_SCALAR_LIMBS_MAX 6 // 64-bit limbs, least significant first; P-256 uses four

enum mb_curve {
	MB_P256,
	MB_P384,
};

// A prepared nonce. Whoever sees one used twice, or sees its inverse, has the private key.
struct mb_ecdsa_nonce {
	uint64_t inverse[MB_SCALAR_LIMBS_MAX]; // k^-1 in Montgomery form: times 2^256 (2^384) mod order
	uint64_t r[MB_SCALAR_LIMBS_MAX];
};

// A private key in Montgomery form.
struct mb_ecdsa_key {
	enum mb_curve curve;
	uint64_t d[MB_SCALAR_LIMBS_MAX];
};

// A signature to verify: pointers to 32 or 48 bytes each, and an uncompressed public point.
struct mb_ecdsa_check {
	const uint8_t *digest;
	const uint8_t *r;
	const uint8_t *s;
	const uint8_t *public_point;
};

// Bytes of a scalar, a coordinate, and half a signature.
static inline size_t mb_curve_len(enum mb_curve curve)
{
	return curve == MB_P256 ? 32 : 48;
}

// Takes the private key of mb_curve_len bytes, big-endian. False unless 1 <= d < order.
__attribute__((warn_unused_result)) bool mb_ecdsa_key_set(
	struct mb_ecdsa_key *out_key, enum mb_curve curve, const uint8_t *d);

// The leftmost bits of a digest as mb_curve_len bytes: cut, or padded with zeros on the left.
void mb_ecdsa_digest(enum mb_curve curve, uint8_t *out, const uint8_t *digest, size_t digest_len);

// Makes (r, s), mb_curve_len bytes each, of a digest that mb_ecdsa_digest has brought to length. Uses the
// nonce up: it is wiped. False (and zeroed outputs) if s = 0, which needs another nonce.
__attribute__((warn_unused_result)) bool mb_ecdsa_complete(const struct mb_ecdsa_key *key,
	struct mb_ecdsa_nonce *nonce, const uint8_t *digest, uint8_t *out_r, uint8_t *out_s);
