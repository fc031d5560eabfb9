// SPDX-License-Identifier: Apache-2.0
#include "base/span.h"
#include "crypto/compress.h"
#include "crypto/hash.h"
#include "crypto/select.h"
#include "seam/cmocka_all.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum {
	N_STREAMS_MAX = 11,
	INPUT_MAX_LEN = 1000
};

static const EVP_MD *reference(enum hash_id id)
{
	return id == HASH_SHA256 ? EVP_sha256() : id == HASH_SHA384 ? EVP_sha384() : EVP_sha512();
}

static unsigned random_below(unsigned n)
{
	uint32_t value;

	assert_int_equal(RAND_bytes((uint8_t *)&value, sizeof value), 1);
	return value % n;
}

static void assert_digest(enum hash_id id, struct span bytes, const uint8_t *digest)
{
	uint8_t expected[HASH_MAX_LEN];
	unsigned len;

	assert_int_equal(EVP_Digest(bytes.data, bytes.len, expected, &len, reference(id), NULL), 1);
	assert_int_equal(len, hash_len(id));
	assert_memory_equal(digest, expected, len);
}

// FIPS 180-4's own examples ("abc", and two blocks), SHA-256 and SHA-384.
static void test_published_examples(void **state)
{
	static const uint8_t abc256[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
		0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10,
		0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	static const uint8_t two256[32] = {0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26,
		0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff, 0x21, 0x67, 0xf6, 0xec,
		0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1};
	static const uint8_t abc384[48] = {0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b, 0xb5, 0xa0, 0x3d,
		0x69, 0x9a, 0xc6, 0x50, 0x07, 0x27, 0x2c, 0x32, 0xab, 0x0e, 0xde, 0xd1, 0x63, 0x1a, 0x8b,
		0x60, 0x5a, 0x43, 0xff, 0x5b, 0xed, 0x80, 0x86, 0x07, 0x2b, 0xa1, 0xe7, 0xcc, 0x23, 0x58,
		0xba, 0xec, 0xa1, 0x34, 0xc8, 0x25, 0xa7};
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	uint8_t digest[HASH_MAX_LEN];

	(void)state;
	hash_digest(HASH_SHA256, span_of_string("abc"), digest);
	assert_memory_equal(digest, abc256, sizeof abc256);
	hash_digest(HASH_SHA256, span_of_string(two_blocks), digest);
	assert_memory_equal(digest, two256, sizeof two256);
	hash_digest(HASH_SHA384, span_of_string("abc"), digest);
	assert_memory_equal(digest, abc384, sizeof abc384);
}

// Every length around the block limits, in one piece and cut in two anywhere.
static void test_every_length_and_cut(void **state)
{
	uint8_t input[300], digest[HASH_MAX_LEN];

	(void)state;
	assert_int_equal(RAND_bytes(input, sizeof input), 1);
	for (unsigned id = 0; id < N_HASHES; id++) {
		for (size_t len = 0; len <= sizeof input; len++) {
			struct hash_state hash;
			size_t cut = random_below((unsigned)len + 1);

			hash_init(&hash, id);
			hash_update(&hash, span_of(input, cut));
			hash_update(&hash, span_of(input + cut, len - cut));
			hash_final(&hash, digest);
			assert_digest(id, span_of(input, len), digest);
		}
	}
}

static void test_peek_leaves_the_state(void **state)
{
	struct hash_state hash, copy;
	uint8_t peeked[HASH_MAX_LEN], digest[HASH_MAX_LEN];

	(void)state;
	for (unsigned id = 0; id < N_HASHES; id++) {
		hash_init(&hash, id);
		hash_update(&hash, span_of_string("first, "));
		copy = hash;
		hash_peek(&hash, peeked);
		assert_digest(id, span_of_string("first, "), peeked);
		assert_memory_equal(&hash, &copy, sizeof hash);
		hash_update(&copy, span_of_string("second"));
		hash_final(&copy, digest);
		assert_digest(id, span_of_string("first, second"), digest);
		hash_final(&hash, digest);
		assert_memory_equal(digest, peeked, hash_len(id));
	}
}

static void test_final_wipes(void **state)
{
	static const struct hash_state zeros;
	struct hash_state hash;
	uint8_t digest[HASH_MAX_LEN];
	struct hash_state *pointer = &hash;
	uint8_t *out = digest;

	(void)state;
	hash_init(&hash, HASH_SHA384);
	hash_update(&hash, span_of_string("a secret"));
	hash_final(&hash, digest);
	assert_memory_equal(&hash, &zeros, sizeof hash);
	hash_init(&hash, HASH_SHA384);
	hash_update(&hash, span_of_string("a secret"));
	hash_final_burst((struct hash_state *const *)&pointer, &out, 1);
	assert_memory_equal(&hash, &zeros, sizeof hash);
}

// Any number of streams, any mixture of hashes and lengths, updated a random number of times.
static void test_bursts(void **state)
{
	static uint8_t inputs[N_STREAMS_MAX][4 * INPUT_MAX_LEN];
	struct hash_state streams[N_STREAMS_MAX], *at[N_STREAMS_MAX];
	uint8_t digests[N_STREAMS_MAX][HASH_MAX_LEN], *outs[N_STREAMS_MAX];
	size_t lens[N_STREAMS_MAX];

	(void)state;
	assert_int_equal(RAND_bytes((uint8_t *)inputs, sizeof inputs), 1);
	for (int round = 0; round < 300; round++) {
		size_t n = 1 + random_below(N_STREAMS_MAX);
		enum hash_id ids[N_STREAMS_MAX];
		bool mixed = random_below(2) != 0;

		for (size_t i = 0; i < n; i++) {
			ids[i] = mixed || i == 0 ? random_below(N_HASHES) : ids[0];
			hash_init(&streams[i], ids[i]);
			at[i] = &streams[i];
			outs[i] = digests[i];
			lens[i] = 0;
		}
		for (int part = 0; part < 4; part++) {
			struct span pieces[N_STREAMS_MAX];

			for (size_t i = 0; i < n; i++) {
				pieces[i] = span_of(inputs[i] + lens[i], random_below(INPUT_MAX_LEN));
				if (random_below(3) == 0)
					pieces[i] = span_of(NULL, 0);
				lens[i] += pieces[i].len;
			}
			hash_update_burst(at, pieces, n);
		}
		hash_final_burst(at, outs, n);
		for (size_t i = 0; i < n; i++)
			assert_digest(ids[i], span_of(inputs[i], lens[i]), digests[i]);
	}
}

// Every number of streams side by side, each against the body for one.
static void test_bodies_agree(void **state)
{
	static uint8_t data[SHA512_WIDTH][5 * HASH_BLOCK_MAX_LEN];
	union hash_words expected[SHA512_WIDTH], chain[SHA512_WIDTH];
	struct compress_stream streams[SHA512_WIDTH], *at[SHA512_WIDTH];

	(void)state;
	assert_int_equal(RAND_bytes((uint8_t *)data, sizeof data), 1);
	for (size_t n = 1; n <= SHA512_WIDTH; n++) {
		for (size_t n_blocks = 0; n_blocks <= 5; n_blocks++) {
			for (unsigned id = 0; id <= HASH_SHA384; id++) {
				for (size_t i = 0; i < n; i++) {
					compress_init(&expected[i], id);
					compress_init(&chain[i], id);
					at[i] = &streams[i];
					streams[i] = (struct compress_stream){&chain[i], data[i], n_blocks};
					if (id == HASH_SHA256)
						sha256_blocks_portable(expected[i].w32, data[i], n_blocks);
					else
						compress_blocks(id, &expected[i], data[i], n_blocks);
				}
				if (id == HASH_SHA256 && select_features()->sha_ni && n <= SHA256_WIDTH)
					sha256_blocks_ni_many(at, n, n_blocks);
				else if (id == HASH_SHA384 && select_features()->avx512)
					sha512_blocks_x8(at, n, n_blocks);
				else
					continue;
				for (size_t i = 0; i < n; i++)
					assert_memory_equal(
						&chain[i], &expected[i], id == HASH_SHA256 ? 32 : 64);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_examples),
		cmocka_unit_test(test_every_length_and_cut),
		cmocka_unit_test(test_peek_leaves_the_state),
		cmocka_unit_test(test_final_wipes),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_bodies_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
