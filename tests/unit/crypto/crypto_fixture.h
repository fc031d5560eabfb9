// SPDX-License-Identifier: Apache-2.0
//
// A worker's crypto for tests, under the virtual clock and the seeded generator, with any of the bodies; and
// one private key of every type.
#pragma once

#include "crypto/crypto.h"
#include "crypto/helper.h"
#include "crypto/keys.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"
#include "seam/random_seeded.h"

#include <openssl/evp.h>

enum {
	FIXTURE_ECDSA_P256,
	FIXTURE_ECDSA_P384,
	FIXTURE_ED25519,
	FIXTURE_RSA2048,
	FIXTURE_RSA3072,
	FIXTURE_RSA4096,
	FIXTURE_RSA_PSS2048,
	N_FIXTURE_KEYS
};

struct crypto_fixture {
	struct crypto crypto;
	struct arena arena;
	struct counters counters;
	enum select_lanes body;
	struct helper *helper;                          // NULL: scalar code runs all of it on the worker
	const struct private_key *keys[N_FIXTURE_KEYS]; // loaded when first asked for
};

// The bodies that this machine can run: SCALAR, PLAIN, and IFMA where the CPU has it.
enum select_lanes fixture_body_at(unsigned idx);
unsigned fixture_n_bodies(void);

// OpenSSL's object of a key; made once per process.
EVP_PKEY *fixture_pkey(unsigned idx);

void fixture_init(struct crypto_fixture *fixture, enum select_lanes body, bool prepared_signatures);
void fixture_destroy(struct crypto_fixture *fixture);

const struct private_key *fixture_key(struct crypto_fixture *fixture, unsigned idx);

// A turn at the current virtual time.
void fixture_turn(struct crypto_fixture *fixture);

// Runs turns that receive nothing, without moving the clock, until nothing is pending.
void fixture_run_all(struct crypto_fixture *fixture);

uint64_t fixture_count(const struct crypto_fixture *fixture, enum counter id);

// Runs the tests under each body, the scalar one also with a helper thread; they take the fixture as their
// state.
int fixture_run_tests(const struct CMUnitTest *tests, size_t n);
