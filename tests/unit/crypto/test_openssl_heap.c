// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL's allocator in a bounded heap: all scalar operations from it, nothing left behind, refusal when it
// is used up, and blocks that come back from other threads.
#include "crypto/openssl_heap.h"

#include "crypto/scalar.h"
#include "seam/cmocka_all.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>

enum {
	HEAP_LEN = 1 << 20
};

static struct arena arena;
static struct openssl_heap *heap;

static int set_up(void **state)
{
	(void)state;
	assert_true(arena_init(&arena, 4 * HEAP_LEN));
	heap = openssl_heap_create(&arena, HEAP_LEN);
	assert_non_null(heap);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	openssl_heap_use(NULL);
	assert_int_equal(openssl_heap_n_blocks(heap), 0);
	arena_destroy(&arena);
	return 0;
}

static bool inside(const void *pointer)
{
	return (const uint8_t *)pointer >= arena.start && (const uint8_t *)pointer < arena.start + arena.used;
}

static void test_where_from(void **state)
{
	void *before = OPENSSL_malloc(100), *during, *after;

	(void)state;
	openssl_heap_use(heap);
	during = OPENSSL_malloc(100);
	openssl_heap_use(NULL);
	after = OPENSSL_malloc(100);
	assert_false(inside(before) || inside(after));
	assert_true(inside(during));
	assert_int_equal((uintptr_t)during % 16, 0);
	OPENSSL_free(during); // from a thread that has no heap now
	openssl_heap_use(heap);
	OPENSSL_free(before); // malloc's, on a thread that has one
	OPENSSL_free(after);
	assert_int_equal(openssl_heap_n_blocks(heap), 1);
	OPENSSL_free(OPENSSL_malloc(1)); // takes the remote one back first
	assert_int_equal(openssl_heap_n_blocks(heap), 0);
}

static void test_sizes_and_contents(void **state)
{
	uint8_t *blocks[200];

	(void)state;
	openssl_heap_use(heap);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			blocks[i] = OPENSSL_malloc(1 + i * 7);
			assert_non_null(blocks[i]);
			memset(blocks[i], (int)i, 1 + i * 7);
		}
		for (size_t i = 0; i < 200; i += 2) {
			blocks[i] = OPENSSL_realloc(blocks[i], 5 + i * 13);
			assert_non_null(blocks[i]);
			for (size_t j = 0; j < 1 + i * 7; j++)
				assert_int_equal(blocks[i][j], i);
		}
		for (size_t i = 0; i < 200; i++)
			OPENSSL_free(blocks[i]);
		assert_int_equal(openssl_heap_n_blocks(heap), 0);
	}
	assert_null(OPENSSL_malloc(SIZE_MAX));
	assert_null(OPENSSL_malloc(HEAP_LEN));
	assert_null(OPENSSL_realloc(NULL, SIZE_MAX - 8));
}

static void test_freed_is_wiped(void **state)
{
	uint8_t *block;

	(void)state;
	openssl_heap_use(heap);
	block = OPENSSL_malloc(1000);
	memset(block, 0x5a, 1000);
	OPENSSL_free(block);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(block[i], 0);
}

static void test_used_up(void **state)
{
	void *blocks[HEAP_LEN / 64];
	size_t n = 0;

	(void)state;
	openssl_heap_use(heap);
	while ((blocks[n] = OPENSSL_malloc(1000)) != NULL)
		n++;
	assert_int_equal(n, HEAP_LEN / 1024);
	while (n != 0)
		OPENSSL_free(blocks[--n]);
	assert_int_equal(openssl_heap_used(heap), HEAP_LEN);
	OPENSSL_free(OPENSSL_malloc(1000));
}

// What lanes do without kernels, again and again: after the first rounds the heap grows no more. OpenSSL
// keeps the algorithms that it looked up, so this heap stays until the end.
static void test_operations(void **state)
{
	int ready = set_up(state);
	EVP_PKEY *ec, *rsa, *ed;
	struct scalar *scalar;
	size_t used = 0;

	assert_int_equal(ready, 0);
	openssl_heap_use(heap);
	ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	scalar = scalar_create();
	assert_true(ec != NULL && ed != NULL && rsa != NULL && scalar != NULL);
	for (unsigned round = 0; round < 30; round++) {
		uint8_t secret[32] = {1, (uint8_t)round, [31] = 5}, share[65], out[256], padded[256] = {0, 1};

		assert_true(scalar_x25519_public(share, secret));
		assert_true(scalar_x25519_shared(out, secret, share));
		assert_true(scalar_nist_public(scalar, MB_P256, share, secret));
		assert_true(scalar_nist_ecdh(scalar, MB_P256, out, secret, share));
		assert_true(scalar_ecdsa_sign(ec, MB_P256, out, span_of(secret, 32)));
		assert_true(scalar_ed25519_sign(ed, out, span_of(secret, 32)));
		assert_true(scalar_rsa_private(rsa, out, span_of(padded, 256)));
		if (round == 5)
			used = openssl_heap_used(heap);
	}
	assert_int_equal(openssl_heap_used(heap), used);
	scalar_destroy(scalar);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(rsa);
	openssl_heap_use(NULL);
}

// Refused memory is a failed operation, nothing worse.
static void test_operations_without_memory(void **state)
{
	struct openssl_heap *small = openssl_heap_create(&arena, 4096);
	uint8_t secret[32] = {1, [31] = 5}, share[32], out[32];
	unsigned n_failed = 0;

	(void)state;
	assert_true(scalar_x25519_public(share, secret));
	for (size_t free_len = 4096; free_len > 0; free_len -= 64) {
		void *filler;

		openssl_heap_use(small);
		filler = OPENSSL_malloc(free_len - 16);
		if (!scalar_x25519_shared(out, secret, share))
			n_failed++;
		OPENSSL_free(filler);
		openssl_heap_use(NULL);
		ERR_clear_error();
	}
	assert_true(n_failed > 0);
	assert_true(scalar_x25519_shared(out, secret, share));
}

static void *free_all(void *blocks)
{
	for (void **next = blocks; *next != NULL; next++)
		OPENSSL_free(*next);
	return NULL;
}

static void test_other_threads_free(void **state)
{
	(void)state;
	openssl_heap_use(heap);
	for (unsigned round = 0; round < 20; round++) {
		void *blocks[2][101] = {{NULL}};
		pthread_t threads[2];

		for (unsigned t = 0; t < 2; t++)
			for (unsigned i = 0; i < 100; i++)
				assert_non_null(blocks[t][i] = OPENSSL_malloc(200));
		for (unsigned t = 0; t < 2; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, free_all, blocks[t]), 0);
		for (unsigned t = 0; t < 2; t++)
			assert_int_equal(pthread_join(threads[t], NULL), 0);
		OPENSSL_free(OPENSSL_malloc(1));
		assert_int_equal(openssl_heap_n_blocks(heap), 0);
	}
	assert_true(openssl_heap_used(heap) <= 250 * 256 + 64 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_where_from, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sizes_and_contents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freed_is_wiped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_used_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_operations_without_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_threads_free, set_up, tear_down),
		cmocka_unit_test(test_operations),
	};

	if (!openssl_heap_install())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
