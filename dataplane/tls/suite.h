// SPDX-License-Identifier: Apache-2.0
//
// Cipher suites as data. Every one has an ephemeral key exchange and an AEAD; there are no others.
#pragma once

#include "crypto/aead.h"
#include "crypto/scheme.h"

// What a suite of TLS 1.2 demands of the certificate's key; in TLS 1.3 suites don't say.
enum tls_suite_auth {
	TLS_AUTH_ANY,
	TLS_AUTH_ECDSA, // Ed25519 too (RFC 8422 5.10)
	TLS_AUTH_RSA,
};

struct tls_suite {
	uint16_t id;
	uint16_t version;
	uint8_t aead;       // enum aead_id
	uint8_t hash;       // enum hash_id
	uint8_t nonce_form; // enum aead_nonce_form
	uint8_t auth;       // enum tls_suite_auth
	const char *name;
};

// NULL for a suite that is not ours.
const struct tls_suite *tls_suite_find(uint16_t id);

// All of them, best first: idx < tls_n_suites.
extern const struct tls_suite tls_suites[];
extern const uint32_t tls_n_suites;

// Whether a key of that type serves the suite.
bool tls_suite_fits_key(const struct tls_suite *suite, enum key_type type);
