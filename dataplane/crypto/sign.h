// SPDX-License-Identifier: Apache-2.0
//
// Signatures as TLS sends them: DER for ECDSA (RFC 8422 5.4), PSS and PKCS#1 v1.5 for RSA, plain for Ed25519.
//
// ECDSA takes a prepared (k^-1, r) pair where one is ready and is then done at once (about 150 cycles for the
// half that depends on the message); everything else waits for lanes. When a request that the signing owns is
// popped from the scheduler, ask sign_poll.
#pragma once

#include "crypto/lanes.h"

struct crypto;

enum {
	SIGN_MESSAGE_MAX_LEN = 256, // of what is copied: TLS 1.3: 64 + 34 + hash; TLS 1.2: 64 + parameters
	SIGNATURE_MAX_LEN = 512
};

enum sign_status {
	SIGN_DONE,
	SIGN_WAIT,
	SIGN_FAULT // ours: the result failed its check and was wiped: internal_error
};

struct signing {
	struct lane_request request;
	const struct private_key *key;
	struct span message; // Ed25519: over input, or the caller's if it is longer
	uint16_t signature_len;
	uint8_t input[SIGN_MESSAGE_MAX_LEN];
	uint8_t signature[SIGNATURE_MAX_LEN];
};

// The owner is what a popped lane_request's owner will be.
void signing_init(struct signing *signing, void *owner);

// Signs the message (not its digest). It is hashed at once; Ed25519, which hashes for itself, copies up to
// SIGN_MESSAGE_MAX_LEN bytes and borrows what is longer until the signing is done or destroyed. The scheme
// must fit the key (scheme.h; asserted). The key must outlive the signing. On SIGN_DONE the signature is in
// signing->signature.
enum sign_status sign_start(struct crypto *crypto, struct signing *signing, const struct private_key *key,
	const struct scheme *scheme, struct span message);

// The same for a message that was hashed elsewhere with the scheme's hash (TLS 1.2's CertificateVerify covers
// a whole transcript). Not for Ed25519, which hashes for itself (asserted).
enum sign_status sign_start_digest(struct crypto *crypto, struct signing *signing,
	const struct private_key *key, const struct scheme *scheme, const uint8_t *digest);

// After the request was popped: SIGN_DONE or SIGN_FAULT.
enum sign_status sign_poll(struct signing *signing);

// Cancels what waits and wipes.
void signing_destroy(struct crypto *crypto, struct signing *signing);
