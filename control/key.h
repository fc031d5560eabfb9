// SPDX-License-Identifier: Apache-2.0
//
// Private keys, from the form that files have to the flat one that the control link carries. OpenSSL's own
// decoder takes 0.4 ms for a key and does not scale to two threads; fifty thousand keys would take half a
// minute. So the few structures that there are get read here, and OpenSSL does the arithmetic of the checks.
//
//   components, big-endian, by type:
//     ECDSA, Ed25519   scalar or seed: 32, 48 or 32 bytes
//     RSA, w = bits/8  n w | e 8 | d w | p w/2 | q w/2 | d mod p-1 w/2 | d mod q-1 w/2 | 1/q mod p w/2
//
// Keys live in secret memory (secret.h) from the first byte on.
#pragma once

#include "base/span.h"

enum key_type {
	KEY_RSA,
	KEY_P256,
	KEY_P384,
	KEY_ED25519,
	N_KEY_TYPES
};

struct key {
	enum key_type type;
	uint32_t bits;
	uint32_t len; // of the components
	uint8_t components[];
};

// The public half, as a certificate has it; borrowed.
struct public_key {
	enum key_type type;
	uint32_t bits;
	struct span point;    // ECDSA: 0x04, x, y; Ed25519: 32 bytes
	struct span modulus;  // RSA, without leading zeros
	struct span exponent; // the same
};

// OpenSSL's objects for the checks, one set for each thread; NULL where OpenSSL has no memory.
struct key_context;
struct key_context *key_context_create(void);
void key_context_destroy(struct key_context *context);

// SHA-256, without looking the algorithm up again, for which OpenSSL's threads wait for each other. False:
// OpenSSL has no memory.
bool key_context_hash(struct key_context *context, struct span bytes, uint8_t out_digest[static 32]);

// Whether a PEM label is that of a private key, encrypted ones included.
bool key_is_label(const char *label);

// Reads the DER of a block with this label. NULL: *out_reason says why, in words for an operator.
struct key *key_read(const char *label, struct span der, const char **out_reason);

// Whether the parts of the key belong together, and the public key to it. NULL, or a reason.
const char *key_check(
	struct key_context *context, const struct key *key, const struct public_key *public_key);

// A SubjectPublicKeyInfo (RFC 5280 4.1). NULL, or a reason.
const char *key_read_public(struct span spki, struct public_key *out_public_key);

bool public_key_equal(const struct public_key *a, const struct public_key *b);

void key_free(struct key *key);

// "RSA-2048", "ECDSA P-256"
const char *key_name(enum key_type type, uint32_t bits);
