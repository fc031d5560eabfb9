// SPDX-License-Identifier: Apache-2.0
#include "unit/crypto/crypto_fixture.h"

#include "base/assert.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdlib.h>

static EVP_PKEY *pkeys[N_FIXTURE_KEYS];
static bool with_helper;

enum select_lanes fixture_body_at(unsigned idx)
{
	static const enum select_lanes bodies[] = {
		SELECT_LANES_SCALAR, SELECT_LANES_PLAIN, SELECT_LANES_IFMA};

	return bodies[idx];
}

unsigned fixture_n_bodies(void)
{
	return select_features()->avx512_ifma ? 3 : 2;
}

static EVP_PKEY *generate_pss(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *pkey = NULL;

	SLUICE_ASSERT(EVP_PKEY_keygen_init(context) == 1 &&
		      EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048) == 1 &&
		      EVP_PKEY_generate(context, &pkey) == 1);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static EVP_PKEY *generate(unsigned idx)
{
	switch (idx) {
	case FIXTURE_ECDSA_P256:
		return EVP_EC_gen("P-256");
	case FIXTURE_ECDSA_P384:
		return EVP_EC_gen("P-384");
	case FIXTURE_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case FIXTURE_RSA_PSS2048:
		return generate_pss();
	default:
		return EVP_RSA_gen(2048 + 1024 * (idx - FIXTURE_RSA2048));
	}
}

EVP_PKEY *fixture_pkey(unsigned idx)
{
	if (pkeys[idx] == NULL)
		pkeys[idx] = generate(idx);
	SLUICE_ASSERT(pkeys[idx] != NULL);
	return pkeys[idx];
}

void fixture_init(struct crypto_fixture *fixture, enum select_lanes body, bool prepared_signatures)
{
	struct crypto_settings settings = {
		.lanes = {.body = body},
		.n_aead_slots = 16,
		.n_ready = 64,
		.prepared_signatures_off = !prepared_signatures,
	};

	size_t used;

	memset(fixture, 0, sizeof *fixture);
	fixture->body = body;
	clock_virtual_reset();
	random_seeded_set(body);
	SLUICE_ASSERT(
		arena_init(&fixture->arena, crypto_footprint(&settings) + helper_footprint(2) + 64 * 1024));
	if (with_helper) {
		fixture->helper = helper_start(&fixture->arena, 2);
		SLUICE_ASSERT(fixture->helper != NULL && fixture->arena.used <= helper_footprint(2));
		settings.lanes.helper = helper_client(fixture->helper, 1);
	}
	used = fixture->arena.used;
	SLUICE_ASSERT(crypto_init(&fixture->crypto, &fixture->arena, &settings, &fixture->counters));
	SLUICE_ASSERT(fixture->arena.used - used <= crypto_footprint(&settings));
}

void fixture_destroy(struct crypto_fixture *fixture)
{
	for (unsigned i = 0; i < N_FIXTURE_KEYS; i++)
		private_key_destroy(fixture->keys[i]);
	crypto_destroy(&fixture->crypto);
	if (fixture->helper != NULL)
		helper_stop(fixture->helper);
	arena_destroy(&fixture->arena);
}

const struct private_key *fixture_key(struct crypto_fixture *fixture, unsigned idx)
{
	EVP_PKEY *pkey = fixture_pkey(idx);
	size_t len = private_key_footprint(pkey);

	if (fixture->keys[idx] == NULL)
		SLUICE_ASSERT(private_key_load((struct mut_span){arena_alloc(&fixture->arena, len, 64), len},
				      pkey, fixture->body, &fixture->keys[idx]) == KEY_OK);
	return fixture->keys[idx];
}

void fixture_turn(struct crypto_fixture *fixture)
{
	crypto_begin_turn(&fixture->crypto, clock_now_us(), clock_tsc());
}

void fixture_run_all(struct crypto_fixture *fixture)
{
	while (lanes_n_pending(fixture->crypto.lanes) != 0)
		(void)lanes_run(fixture->crypto.lanes, clock_tsc(), true);
}

uint64_t fixture_count(const struct crypto_fixture *fixture, enum counter id)
{
	return counter_get(&fixture->counters, id);
}

static struct crypto_fixture current;

static int set_up(void **state)
{
	*state = &current;
	return 0;
}

static int run_under(enum select_lanes body, const struct CMUnitTest *tests, size_t n)
{
	int n_failed;

	print_message("lanes: %s%s\n", select_lanes_name(body), with_helper ? " with a helper" : "");
	fixture_init(&current, body, true);
	n_failed = _cmocka_run_group_tests(select_lanes_name(body), tests, n, set_up, NULL);
	fixture_destroy(&current);
	return n_failed;
}

int fixture_run_tests(const struct CMUnitTest *tests, size_t n)
{
	int n_failed = 0;

	for (unsigned i = 0; i < fixture_n_bodies(); i++)
		n_failed += run_under(fixture_body_at(i), tests, n);
	with_helper = true;
	n_failed += run_under(SELECT_LANES_SCALAR, tests, n);
	for (unsigned i = 0; i < N_FIXTURE_KEYS; i++)
		EVP_PKEY_free(pkeys[i]);
	return n_failed;
}
