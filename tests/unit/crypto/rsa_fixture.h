// SPDX-License-Identifier: Apache-2.0
//
// RSA keys for tests and benchmarks, in our form and in OpenSSL's.
//
// Generating is slow, so two keys of a size are generated once and their four primes are paired anew: six
// moduli, and twelve keys with p and q exchanged.
#pragma once

#include <openssl/evp.h>

#include "crypto/mb/rsa.h"

#define RSA_FIXTURE_KEYS 12

struct rsa_fixture {
	enum mb_rsa_size size;
	size_t len; // of modulus, message and signature
	struct mb_rsa_key *key;
	struct mb_rsa_parts parts; // point into bytes
	uint8_t bytes[7][MB_RSA_LEN_MAX];
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *private_context; // raw private and public operations
	EVP_PKEY_CTX *public_context;
};

// Key number idx < RSA_FIXTURE_KEYS of a size, with the first odd exponent from e on that its primes allow.
// Whatever goes wrong ends the program.
struct rsa_fixture *rsa_fixture_new(enum mb_rsa_size size, unsigned idx, uint32_t e);

// The key of the given primes.
struct rsa_fixture *rsa_fixture_from_primes(const BIGNUM *p, const BIGNUM *q, uint32_t e);

void rsa_fixture_free(struct rsa_fixture *fixture);

// Zeroed memory for a blinding, a job.
struct mb_rsa_blinding *rsa_fixture_blinding_new(enum mb_rsa_size size);
struct mb_rsa_job *rsa_fixture_job_new(void);

// OpenSSL's m^d mod n and s^e mod n.
void rsa_fixture_private(const struct rsa_fixture *fixture, const uint8_t *message, uint8_t *out);
void rsa_fixture_public(const struct rsa_fixture *fixture, const uint8_t *signature, uint8_t *out);

// A random message below the modulus.
void rsa_fixture_message(const struct rsa_fixture *fixture, uint8_t *out);
