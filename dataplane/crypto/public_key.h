// SPDX-License-Identifier: Apache-2.0
//
// A peer's public key, extracted where its certificate is parsed (off the worker) into a flat struct without
// pointers that may be copied and sent anywhere. Nothing here is secret.
#pragma once

#include "crypto/keys.h"

enum {
	PUBLIC_KEY_MAX_LEN = 512
};

struct public_key {
	uint8_t type; // enum key_type
	uint16_t len; // bytes used in bytes
	uint32_t rsa_exponent;
	// The uncompressed point, the Ed25519 key, or the RSA modulus in network byte order.
	uint8_t bytes[PUBLIC_KEY_MAX_LEN];
};

// From a SubjectPublicKeyInfo (DER), or from OpenSSL's object. KEY_UNSUPPORTED for algorithms and curves that
// are not ours, for RSA below 2048 or above 4096 bits, and for exponents that are even, below 3 or above 32
// bits; KEY_MALFORMED also for points off the curve.
enum key_verdict public_key_from_spki(struct public_key *out_key, struct span spki)
	__attribute__((warn_unused_result));
enum key_verdict public_key_from_pkey(struct public_key *out_key, const struct evp_pkey_st *pkey)
	__attribute__((warn_unused_result));

// A hash that two keys share only if they are equal. Writes 32 bytes.
void public_key_digest(const struct public_key *key, uint8_t out[32]);

// The same key as OpenSSL's object, for EVP_PKEY_free; NULL when OpenSSL has no memory.
struct evp_pkey_st *public_key_to_pkey(const struct public_key *key);
