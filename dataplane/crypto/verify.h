// SPDX-License-Identifier: Apache-2.0
//
// Checking a peer's signature (CertificateVerify, ServerKeyExchange) with the public key of its certificate.
//
// With kernels, ECDSA goes through lanes and RSA of their sizes is done at once by them; the rest is done at
// once by OpenSSL, which allocates. Nothing here is secret.
#pragma once

#include "crypto/lanes.h"
#include "crypto/public_key.h"

struct crypto;

enum verify_status {
	VERIFY_GOOD,
	VERIFY_BAD,
	VERIFY_WAIT
};

enum {
	VERIFY_INPUT_MAX_LEN = 97 + 48 + 96
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

// The same for a message that was hashed elsewhere with the scheme's hash: digest and signature. Not for
// Ed25519 (asserted).
enum verify_status verify_start_digest(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span digest_and_signature[2]);

// After the request was popped.
enum verify_status verify_poll(const struct verification *verification);

void verification_destroy(struct crypto *crypto, struct verification *verification);

// The same without waiting, on any thread, by OpenSSL (which allocates).
bool verify_now(const struct public_key *key, const struct scheme *scheme, struct span message,
	struct span signature) __attribute__((warn_unused_result));
