// SPDX-License-Identifier: Apache-2.0
//
// Checking a peer's signature (CertificateVerify, ServerKeyExchange) with the public key of its certificate.
//
// The public key is extracted where the certificate is parsed, off the worker, into a flat struct without
// pointers. Nothing here is secret.
#pragma once

#include "crypto/lanes.h"

struct crypto;
struct evp_pkey_st;

enum {
	PUBLIC_KEY_RSA_MAX_LEN = 512
};

struct public_key {
	uint8_t type; // enum key_type
	uint16_t len; // bytes used in bytes: point, Ed25519 key, or RSA modulus
	uint32_t rsa_exponent;
	uint8_t bytes[PUBLIC_KEY_RSA_MAX_LEN];
};

// From a SubjectPublicKeyInfo (DER), or from OpenSSL's object. KEY_UNSUPPORTED also for RSA below 2048 or
// above 4096 bits and for exponents that are even, below 3 or above 32 bits.
enum key_verdict public_key_from_spki(struct public_key *out_key, struct span spki)
	__attribute__((warn_unused_result));
enum key_verdict public_key_from_pkey(struct public_key *out_key, const struct evp_pkey_st *pkey)
	__attribute__((warn_unused_result));

enum verify_status {
	VERIFY_GOOD,
	VERIFY_BAD,
	VERIFY_WAIT
};

enum {
	VERIFY_INPUT_MAX_LEN = 65 + 32 + 64
};

struct verification {
	struct lane_request request;
	uint8_t input[VERIFY_INPUT_MAX_LEN];
};

void verification_init(struct verification *verification, void *owner);

// The scheme must fit the key (scheme.h; asserted): the caller refuses others first, with its own alert.
// Message and signature are used during the call only.
enum verify_status verify_start(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme,
	const struct span message_and_signature[2]);

// After the request was popped.
enum verify_status verify_poll(const struct verification *verification);

void verification_destroy(struct crypto *crypto, struct verification *verification);

// The same without waiting, on any thread, by OpenSSL (which allocates).
bool verify_now(const struct public_key *key, const struct scheme *scheme, struct span message,
	struct span signature) __attribute__((warn_unused_result));
