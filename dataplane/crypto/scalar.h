// SPDX-License-Identifier: Apache-2.0
//
// Public-key operations one at a time, by OpenSSL: what lanes fall back to below their break-even count, and
// what a CPU without IFMA works with. Internal to crypto.
//
// OpenSSL allocates in most of these; see crypto/openssl_heap.h for where from.
#pragma once

#include "base/span.h"
#include "crypto/mb/ecdsa.h"

struct evp_pkey_st;

// Groups and contexts that are made once; one per worker.
struct scalar;

// NULL when OpenSSL has no memory.
struct scalar *scalar_create(void);
void scalar_destroy(struct scalar *scalar);

// RFC 7748; false for an all-zero secret, which is zeroed output.
bool scalar_x25519_public(uint8_t out[32], const uint8_t private_key[32]);
bool scalar_x25519_shared(uint8_t out[32], const uint8_t private_key[32], const uint8_t peer[32]);

// The point d * G, uncompressed; false unless 1 <= d < order.
bool scalar_nist_public(struct scalar *scalar, enum mb_curve curve, uint8_t *out, const uint8_t *d);

// The x coordinate of d * peer; false unless 1 <= d < order and peer is an uncompressed point of the curve.
bool scalar_nist_ecdh(
	struct scalar *scalar, enum mb_curve curve, uint8_t *out, const uint8_t *d, const uint8_t *peer);

// r | s of a digest, mb_curve_len bytes each. OpenSSL draws the nonce, hedged with key and digest.
bool scalar_ecdsa_sign(struct evp_pkey_st *pkey, enum mb_curve curve, uint8_t *out, struct span digest);

bool scalar_ed25519_sign(struct evp_pkey_st *pkey, uint8_t out[64], struct span message);

// The private operation on a padded message as long as the modulus; OpenSSL blinds it and checks the result.
bool scalar_rsa_private(struct evp_pkey_st *pkey, uint8_t *out, struct span padded);
