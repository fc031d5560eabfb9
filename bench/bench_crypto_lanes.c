// SPDX-License-Identifier: Apache-2.0
//
// The public-key work of whole handshakes, through pools, scheduler and encoders, as a worker does it: key
// pair, shared secret and signature for eight (one, two, four) handshakes that wait together, the making of
// what is made ahead included.
#include "bench_rows.h"

#include "base/assert.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "crypto/group.h"
#include "crypto/scalar.h"
#include "crypto/sign.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	N_MAX = 8,
	MESSAGE_LEN = 130 // a CertificateVerify of SHA-256
};

struct handshakes {
	struct arena arena;
	struct crypto crypto;
	EVP_PKEY *pkey;
	const struct private_key *key;
	const struct group *group;
	const struct scheme *scheme;
	unsigned n;
	unsigned n_per_run;
	uint8_t message[MESSAGE_LEN];
	uint8_t client_share[GROUP_SHARE_MAX_LEN];
	struct key_exchange exchanges[N_MAX];
	struct signing signings[N_MAX];
};

static void begin_turn(struct handshakes *handshakes)
{
	crypto_begin_turn(&handshakes->crypto, clock_now_us(), clock_tsc());
}

static void handshake(void *context, size_t times)
{
	struct handshakes *handshakes = context;
	struct crypto *crypto = &handshakes->crypto;

	for (size_t i = 0; i < times * (handshakes->n_per_run / handshakes->n); i++) {
		begin_turn(handshakes);
		for (unsigned j = 0; j < handshakes->n; j++) {
			key_exchange_init(&handshakes->exchanges[j], NULL);
			signing_init(&handshakes->signings[j], NULL);
			(void)key_exchange_accept(crypto, &handshakes->exchanges[j], handshakes->group,
				span_of(handshakes->client_share, handshakes->group->client_share_len));
			(void)sign_start(crypto, &handshakes->signings[j], handshakes->key,
				handshakes->scheme, span_of(handshakes->message, MESSAGE_LEN));
		}
		while (lanes_n_pending(crypto->lanes) != 0)
			(void)lanes_run(crypto->lanes, clock_tsc(), true);
		while (lanes_pop_completed(crypto->lanes) != NULL)
			continue;
		for (unsigned j = 0; j < handshakes->n; j++) {
			SLUICE_ASSERT(key_exchange_poll(&handshakes->exchanges[j]) == KEY_EXCHANGE_DONE);
			SLUICE_ASSERT(sign_poll(&handshakes->signings[j]) == SIGN_DONE);
			key_exchange_destroy(crypto, &handshakes->exchanges[j]);
			signing_destroy(crypto, &handshakes->signings[j]);
		}
		(void)crypto_refill(crypto, UINT64_MAX, false);
	}
}

// What libssl does for the same, without what surrounds it.
static void handshake_openssl(void *context, size_t times)
{
	struct handshakes *handshakes = context;
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, handshakes->client_share, 32);

	for (size_t i = 0; i < times; i++) {
		EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
		EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new(own, NULL);
		EVP_MD_CTX *sign = EVP_MD_CTX_new();
		uint8_t secret[32], signature[512];
		size_t secret_len = sizeof secret, len = sizeof signature;

		SLUICE_ASSERT(EVP_PKEY_derive_init(derive) == 1 &&
			      EVP_PKEY_derive_set_peer_ex(derive, peer, 0) == 1 &&
			      EVP_PKEY_derive(derive, secret, &secret_len) == 1);
		SLUICE_ASSERT(EVP_DigestSignInit(sign, NULL, EVP_sha256(), NULL, handshakes->pkey) == 1 &&
			      EVP_DigestSign(sign, signature, &len, handshakes->message, MESSAGE_LEN) == 1);
		EVP_MD_CTX_free(sign);
		EVP_PKEY_CTX_free(derive);
		EVP_PKEY_free(own);
	}
	EVP_PKEY_free(peer);
}

static void rows_of_key(struct measure *measure, struct handshakes *handshakes, const char *name,
	EVP_PKEY *pkey, uint16_t scheme)
{
	size_t len = private_key_footprint(pkey);

	if (!measure_wants(measure, name))
		return;
	handshakes->pkey = pkey;
	handshakes->scheme = scheme_find(scheme);
	// So many that a run makes as much ahead as it takes, where that counts; RSA's runs are long enough.
	handshakes->n_per_run = handshakes->scheme->kind == SCHEME_KIND_ECDSA ? 8 * N_MAX : N_MAX;
	SLUICE_ASSERT(private_key_load((struct mut_span){arena_alloc(&handshakes->arena, len, 64), len}, pkey,
			      SELECT_LANES_AUTO, &handshakes->key) == KEY_OK);
	for (unsigned n = 1; n <= N_MAX; n *= 2) {
		struct measure_row row = {
			.name = name,
			.lanes = n,
			.body = handshake,
			.context = handshakes,
			.n_per_run = handshakes->n_per_run / n,
			.reference = "OpenSSL EVP",
			.reference_body = handshake_openssl,
			.reference_context = handshakes,
		};

		handshakes->n = n;
		measure_row(measure, &row);
	}
	private_key_destroy(handshakes->key);
}

void bench_rows_lanes(struct measure *measure)
{
	const struct crypto_settings settings = {0};
	struct handshakes *handshakes = calloc(1, sizeof *handshakes);
	uint8_t client_key[32] = {1};
	EVP_PKEY *keys[2];

	if (!measure_wants(measure, "handshake_x25519_ecdsa_p256") &&
		!measure_wants(measure, "handshake_x25519_rsa2048"))
		return;
	keys[0] = EVP_EC_gen("P-256");
	keys[1] = EVP_RSA_gen(2048);
	SLUICE_ASSERT(handshakes != NULL &&
		      arena_init(&handshakes->arena, crypto_footprint(&settings) + 64 * 1024) &&
		      crypto_init(&handshakes->crypto, &handshakes->arena, &settings, NULL));
	handshakes->group = group_find(GROUP_X25519);
	SLUICE_ASSERT(scalar_x25519_public(handshakes->client_share, client_key));
	rows_of_key(measure, handshakes, "handshake_x25519_ecdsa_p256", keys[0], 0x0403);
	rows_of_key(measure, handshakes, "handshake_x25519_rsa2048", keys[1], 0x0804);
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
	crypto_destroy(&handshakes->crypto);
	arena_destroy(&handshakes->arena);
	free(handshakes);
}
