// SPDX-License-Identifier: Apache-2.0
//
// Records: sealing and opening in bursts over many connections, and how a record in segments is best sealed.
#include "bench_rows.h"

#include "base/assert.h"
#include "base/clock.h"
#include "crypto/aead.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	N_CONNECTIONS = 32,
	RECORD_MAX_LEN = 16384,
	SEGMENT_LEN = 1448,
	SEGMENT_ROOM = 2048, // a received segment lies in a buffer of its own
	N_SEGMENTS = (RECORD_MAX_LEN + SEGMENT_LEN - 1) / SEGMENT_LEN
};

static const struct {
	enum aead_id id;
	const char *name;
	const EVP_CIPHER *(*cipher)(void);
} algorithms[] = {
	{AEAD_AES_128_GCM, "aes128gcm", EVP_aes_128_gcm},
	{AEAD_AES_256_GCM, "aes256gcm", EVP_aes_256_gcm},
	{AEAD_CHACHA20_POLY1305, "chacha20poly1305", EVP_chacha20_poly1305},
};

// A record of each of many connections.
struct records {
	struct arena arena;
	struct aead_cache cache;
	size_t len;
	struct aead_key keys[N_CONNECTIONS];
	struct aead_job jobs[N_CONNECTIONS];
	struct span inputs[N_CONNECTIONS][N_SEGMENTS];
	struct mut_span outputs[N_CONNECTIONS];
	uint8_t *plain[N_CONNECTIONS];
	uint8_t *sealed[N_CONNECTIONS];
	EVP_CIPHER_CTX *context;
};

static void seal(void *context, size_t times)
{
	struct records *records = context;

	for (size_t i = 0; i < times; i++)
		aead_seal_burst(&records->cache, records->jobs, N_CONNECTIONS);
}

static void open_them(void *context, size_t times)
{
	struct records *records = context;

	for (size_t i = 0; i < times; i++)
		SLUICE_ASSERT(aead_open_burst(&records->cache, records->jobs, N_CONNECTIONS) == 0);
}

// The alternative for records in segments: gathered in the place of the output, then sealed there in one
// call.
static void seal_gathered(void *context, size_t times)
{
	struct records *records = context;

	for (size_t i = 0; i < times; i++) {
		for (unsigned j = 0; j < N_CONNECTIONS; j++) {
			struct span whole = span_of(records->sealed[j], records->len);
			struct aead_job job = records->jobs[j];
			size_t done = 0;

			for (unsigned k = 0; k < job.n_inputs; k++) {
				memcpy(records->sealed[j] + done, job.inputs[k].data, job.inputs[k].len);
				done += job.inputs[k].len;
			}
			job.inputs = &whole;
			job.n_inputs = 1;
			aead_seal_burst(&records->cache, &job, 1);
		}
	}
}

static void seal_openssl(void *context, size_t times)
{
	struct records *records = context;
	static const uint8_t nonce[12], aad[5];
	int len;

	for (size_t i = 0; i < times; i++) {
		EVP_EncryptInit_ex(records->context, NULL, NULL, NULL, nonce);
		EVP_EncryptUpdate(records->context, NULL, &len, aad, sizeof aad);
		EVP_EncryptUpdate(
			records->context, records->sealed[0], &len, records->plain[0], (int)records->len);
		EVP_EncryptFinal_ex(records->context, records->sealed[0] + records->len, &len);
		EVP_CIPHER_CTX_ctrl(
			records->context, EVP_CTRL_AEAD_GET_TAG, 16, records->sealed[0] + records->len);
	}
}

// Inputs in pieces of the given length, which lie as received segments do.
static void set_jobs(struct records *records, bool sealing, size_t piece_len)
{
	static const uint8_t aad[5];

	for (unsigned i = 0; i < N_CONNECTIONS; i++) {
		uint8_t *from = sealing ? records->plain[i] : records->sealed[i];
		size_t in_len = sealing ? records->len : records->len + AEAD_TAG_LEN;
		uint16_t n = 0;

		for (size_t done = 0; done < in_len || n == 0; done += piece_len, n++)
			records->inputs[i][n] = span_of(
				piece_len < in_len ? from + (size_t)n * SEGMENT_ROOM + 66 : from,
				in_len - done < piece_len ? in_len - done : piece_len);
		records->outputs[i] = sealing ? (struct mut_span){records->sealed[i],
							records->len + AEAD_TAG_LEN}
					      : (struct mut_span){records->plain[i], records->len};
		records->jobs[i] = (struct aead_job){
			.key = &records->keys[i],
			.nonce = 1,
			.aad = span_of(aad, sizeof aad),
			.inputs = records->inputs[i],
			.n_inputs = n,
			.outputs = &records->outputs[i],
			.n_outputs = 1,
		};
	}
}

static void set_keys(struct records *records, unsigned algorithm)
{
	static const uint8_t iv[12];

	for (unsigned i = 0; i < N_CONNECTIONS; i++) {
		uint8_t key[AEAD_KEY_MAX_LEN] = {(uint8_t)i};

		aead_key_destroy(&records->cache, &records->keys[i]);
		aead_key_init(&records->cache, &records->keys[i], algorithms[algorithm].id, AEAD_NONCE_XOR,
			(const struct span[]){
				span_of(key, aead_key_len(algorithms[algorithm].id)), span_of(iv, 12)});
	}
	EVP_EncryptInit_ex(records->context, algorithms[algorithm].cipher(), NULL, records->keys[0].key, iv);
}

static void rows_of(struct measure *measure, struct records *records, unsigned algorithm, size_t len)
{
	char name[64];
	struct measure_row row = {
		.name = name,
		.lanes = 1,
		.body = seal,
		.context = records,
		.n_per_run = N_CONNECTIONS,
		.reference = "OpenSSL EVP, one connection",
		.reference_body = seal_openssl,
		.reference_context = records,
	};

	records->len = len;
	(void)snprintf(name, sizeof name, "%s_seal_%zu", algorithms[algorithm].name, len);
	set_jobs(records, true, SIZE_MAX);
	seal(records, 1); // what the rows of opening open
	measure_row(measure, &row);
	(void)snprintf(name, sizeof name, "%s_open_%zu", algorithms[algorithm].name, len);
	set_jobs(records, true, SIZE_MAX);
	seal(records, 1);
	set_jobs(records, false, SIZE_MAX);
	row.body = open_them;
	row.reference_body = NULL;
	measure_row(measure, &row);
}

static void segment_rows(struct measure *measure, struct records *records, unsigned algorithm)
{
	char name[64];
	struct measure_row row = {
		.name = name,
		.lanes = 1,
		.body = seal,
		.context = records,
		.n_per_run = N_CONNECTIONS,
		.reference = "gathered in the output first",
		.reference_body = seal_gathered,
		.reference_context = records,
		.n_per_reference_run = N_CONNECTIONS,
	};

	records->len = RECORD_MAX_LEN;
	(void)snprintf(name, sizeof name, "%s_seal_%d_segments", algorithms[algorithm].name, RECORD_MAX_LEN);
	set_jobs(records, true, SEGMENT_LEN);
	measure_row(measure, &row);
}

void bench_rows_aead(struct measure *measure)
{
	static const size_t lens[] = {64, 256, 1400, 4096, 16384};
	struct records *records = calloc(1, sizeof *records);

	SLUICE_ASSERT(records != NULL && arena_init(&records->arena, aead_cache_footprint(N_CONNECTIONS)) &&
		      aead_cache_init(&records->cache, &records->arena, N_CONNECTIONS, NULL));
	records->context = EVP_CIPHER_CTX_new();
	for (unsigned i = 0; i < N_CONNECTIONS; i++) {
		records->plain[i] = calloc(1, (N_SEGMENTS + 1) * SEGMENT_ROOM);
		records->sealed[i] = calloc(1, (N_SEGMENTS + 1) * SEGMENT_ROOM);
	}
	for (unsigned i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
		set_keys(records, i);
		for (size_t j = 0; j < sizeof lens / sizeof lens[0]; j++)
			rows_of(measure, records, i, lens[j]);
		segment_rows(measure, records, i);
	}
	for (unsigned i = 0; i < N_CONNECTIONS; i++) {
		free(records->plain[i]);
		free(records->sealed[i]);
	}
	EVP_CIPHER_CTX_free(records->context);
	arena_destroy(&records->arena);
	free(records);
}
