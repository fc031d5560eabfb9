// SPDX-License-Identifier: Apache-2.0
//
// Hashes, HMAC, and the pieces of a key schedule.
#include "bench_rows.h"

#include "base/assert.h"
#include "base/clock.h"
#include "crypto/compress.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "crypto/select.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

enum {
	N_BLOCKS = 64
};

// Data and chaining values for up to four streams.
struct streams {
	union hash_words chains[4];
	uint8_t data[4][N_BLOCKS * 128];
	uint8_t digest[HASH_MAX_LEN];
	uint8_t key[HASH_MAX_LEN];
	EVP_MD_CTX *context;
	EVP_KDF_CTX *kdf;
	struct random *random;
};

static void sha256_one(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		compress_blocks(HASH_SHA256, &streams->chains[0], streams->data[0], N_BLOCKS);
}

static void sha256_together(struct streams *streams, size_t n, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		struct compress_stream together[4];

		for (size_t j = 0; j < n; j++)
			together[j] = (struct compress_stream){
				&streams->chains[j], streams->data[j], N_BLOCKS};
		compress_burst(HASH_SHA256, together, n);
	}
}

static void sha256_two(void *context, size_t times)
{
	sha256_together(context, 2, times);
}

static void sha256_four(void *context, size_t times)
{
	sha256_together(context, 4, times);
}

static void sha512_one(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		compress_blocks(HASH_SHA384, &streams->chains[0], streams->data[0], N_BLOCKS);
}

static void sha256_openssl(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		EVP_DigestUpdate(streams->context, streams->data[0], N_BLOCKS * 64);
}

static void sha512_openssl(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		EVP_DigestUpdate(streams->context, streams->data[0], N_BLOCKS * 128);
}

static void hmac_own(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		hmac(HASH_SHA256, span_of(streams->key, 32), span_of(streams->data[0], 32), streams->digest);
}

static void hmac_openssl(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		HMAC(EVP_sha256(), streams->key, 32, streams->data[0], 32, streams->digest, NULL);
}

static void expand_label_one(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		kdf_expand_label(HASH_SHA256, span_of(streams->key, 32), "c hs traffic",
			span_of(streams->data[0], 32), (struct mut_span){streams->digest, 32});
}

static void expand_label_384(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		kdf_expand_label(HASH_SHA384, span_of(streams->key, 48), "c hs traffic",
			span_of(streams->data[0], 48), (struct mut_span){streams->digest, 48});
}

static void expand_label_eight(void *context, size_t times)
{
	struct streams *streams = context;
	struct kdf_label_job jobs[8];

	for (size_t i = 0; i < 8; i++)
		jobs[i] = (struct kdf_label_job){
			.secret = span_of(streams->data[1] + 32 * i, 32),
			.label = "c hs traffic",
			.context = span_of(streams->data[0], 32),
			.out = {streams->data[2] + 32 * i, 32},
		};
	for (size_t i = 0; i < times; i++)
		kdf_expand_label_burst(HASH_SHA256, jobs, 8);
}

static void expand_openssl(void *context, size_t times)
{
	struct streams *streams = context;
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, streams->key, 32),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, streams->data[0], 54),
		OSSL_PARAM_construct_end(),
	};

	for (size_t i = 0; i < times; i++)
		EVP_KDF_derive(streams->kdf, streams->digest, 32, params);
}

static void random_own(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		random_bytes(streams->random, streams->digest, 32);
}

static void random_openssl(void *context, size_t times)
{
	struct streams *streams = context;

	for (size_t i = 0; i < times; i++)
		RAND_priv_bytes(streams->digest, 32);
}

static void block_row(struct measure *measure, struct streams *streams, const char *name, unsigned lanes,
	measure_body *body, measure_body *reference_body)
{
	struct measure_row row = {
		.name = name,
		.lanes = lanes,
		.body = body,
		.context = streams,
		.reference = "OpenSSL EVP_DigestUpdate",
		.reference_body = reference_body,
		.reference_context = streams,
		.n_per_run = N_BLOCKS,
		.n_per_reference_run = N_BLOCKS,
	};

	measure_row(measure, &row);
}

static void kdf_rows(struct measure *measure, struct streams *streams)
{
	const struct measure_row rows[] = {
		{.name = "hmac_sha256_32",
			.lanes = 1,
			.body = hmac_own,
			.reference = "OpenSSL HMAC()",
			.reference_body = hmac_openssl},
		{.name = "hkdf_expand_label_sha256",
			.lanes = 1,
			.body = expand_label_one,
			.reference = "OpenSSL EVP_KDF HKDF-Expand",
			.reference_body = expand_openssl},
		{.name = "hkdf_expand_label_sha256",
			.lanes = 8,
			.body = expand_label_eight,
			.reference = "OpenSSL EVP_KDF HKDF-Expand",
			.reference_body = expand_openssl},
		{.name = "hkdf_expand_label_sha384", .lanes = 1, .body = expand_label_384},
		{.name = "random_32",
			.lanes = 1,
			.body = random_own,
			.reference = "OpenSSL RAND_priv_bytes",
			.reference_body = random_openssl},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct measure_row row = rows[i];

		row.context = streams;
		row.reference_context = streams;
		measure_row(measure, &row);
	}
}

void bench_rows_hash(struct measure *measure)
{
	static struct streams streams;
	static struct random random;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);

	SLUICE_ASSERT(random_init(&random));
	streams.random = &random;
	streams.context = EVP_MD_CTX_new();
	streams.kdf = EVP_KDF_CTX_new(kdf);
	SLUICE_ASSERT(EVP_DigestInit_ex(streams.context, EVP_sha256(), NULL) == 1);
	block_row(measure, &streams, "sha256_block", 1, sha256_one, sha256_openssl);
	block_row(measure, &streams, "sha256_block", 2, sha256_two, sha256_openssl);
	block_row(measure, &streams, "sha256_block", 4, sha256_four, sha256_openssl);
	SLUICE_ASSERT(EVP_DigestInit_ex(streams.context, EVP_sha384(), NULL) == 1);
	block_row(measure, &streams, "sha384_block", 1, sha512_one, sha512_openssl);
	kdf_rows(measure, &streams);
	EVP_KDF_CTX_free(streams.kdf);
	EVP_KDF_free(kdf);
	EVP_MD_CTX_free(streams.context);
}
