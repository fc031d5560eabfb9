// SPDX-License-Identifier: Apache-2.0
//
// Ready key pairs and prepared nonces: right, used once, short-lived, gone after a break. The pools stand on
// the real generator here. An argument sets how many nonces are looked through for a repetition (./soak: a
// hundred million).
#include "base/assert.h"
#include "crypto/crypto.h"
#include "crypto/scalar.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct crypto crypto;
static struct arena arena;
static struct counters counters;
static enum select_lanes body;
static uint64_t n_nonces = 20000;

static int set_up(void **state)
{
	const struct crypto_settings settings = {.lanes = {.body = body}, .n_aead_slots = 4, .n_ready = 128};

	(void)state;
	clock_virtual_reset();
	memset(&counters, 0, sizeof counters);
	assert_true(arena_init(&arena, crypto_footprint(&settings)));
	assert_true(crypto_init(&crypto, &arena, &settings, &counters));
	crypto_begin_turn(&crypto, clock_now_us(), clock_tsc());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	crypto_destroy(&crypto);
	arena_destroy(&arena);
	return 0;
}

static void assert_pair(enum ephemeral_kind kind, const uint8_t *private_key, const uint8_t *share)
{
	struct scalar *scalar = scalar_create();
	uint8_t expected[65];

	if (kind == EPHEMERAL_X25519)
		assert_true(scalar_x25519_public(expected, private_key));
	else
		assert_true(scalar_nist_public(scalar, MB_P256, expected, private_key));
	assert_memory_equal(share, expected, ephemeral_share_len(kind));
	scalar_destroy(scalar);
}

// Share and private key belong together, and no pair comes twice, made ahead or on the spot.
static void test_pairs(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < N_EPHEMERAL_KINDS; kind++) {
		uint8_t private_keys[100][32], share[65];

		for (unsigned i = 0; i < 100; i++) {
			if (i == 20)
				(void)crypto_refill(&crypto, UINT64_MAX, false);
			ephemeral_pool_take(crypto.ephemeral[kind], clock_now_us(), private_keys[i], share);
			if (i % 10 == 0)
				assert_pair(kind, private_keys[i], share);
			for (unsigned j = 0; j < i; j++)
				assert_memory_not_equal(private_keys[i], private_keys[j], 32);
		}
	}
}

static bool arena_contains(const void *needle, size_t len)
{
	return memmem(arena.start, arena.used, needle, len) != NULL;
}

static void test_taken_means_gone(void **state)
{
	uint8_t private_key[32], share[65];
	struct mb_ecdsa_nonce nonce;

	(void)state;
	(void)crypto_refill(&crypto, UINT64_MAX, false);
	for (unsigned i = 0; i < 5; i++) {
		ephemeral_pool_take(crypto.ephemeral[EPHEMERAL_X25519], clock_now_us(), private_key, share);
		assert_false(arena_contains(private_key, 32));
		if (crypto.nonces[MB_P256] == NULL)
			continue;
		nonce_pool_take(crypto.nonces[MB_P256], clock_now_us(), &nonce);
		assert_false(arena_contains(nonce.inverse, 32));
	}
}

// A pair that lies in the pool unused: takes one, then puts the whole memory back as it was.
static void learn_unused(uint8_t private_key[32], struct mb_ecdsa_nonce *nonce)
{
	uint8_t *backup = malloc(arena.used);
	uint8_t share[65];

	(void)crypto_refill(&crypto, UINT64_MAX, false);
	memcpy(backup, arena.start, arena.used);
	ephemeral_pool_take(crypto.ephemeral[EPHEMERAL_X25519], clock_now_us(), private_key, share);
	if (crypto.nonces[MB_P256] != NULL)
		nonce_pool_take(crypto.nonces[MB_P256], clock_now_us(), nonce);
	memcpy(arena.start, backup, arena.used);
	free(backup);
	assert_true(arena_contains(private_key, 32));
	assert_true(crypto.nonces[MB_P256] == NULL || arena_contains(nonce->inverse, 32));
}

static void assert_gone(const uint8_t private_key[32], const struct mb_ecdsa_nonce *nonce)
{
	assert_false(arena_contains(private_key, 32));
	assert_true(crypto.nonces[MB_P256] == NULL || !arena_contains(nonce->inverse, 32));
}

static void test_one_second_of_life(void **state)
{
	uint8_t private_key[32];
	struct mb_ecdsa_nonce nonce;

	(void)state;
	learn_unused(private_key, &nonce);
	assert_int_equal(crypto_next_us(&crypto), EPHEMERAL_LIFE_US);
	clock_virtual_advance(EPHEMERAL_LIFE_US - 1);
	crypto_begin_turn(&crypto, clock_now_us(), clock_tsc());
	assert_true(arena_contains(private_key, 32));
	clock_virtual_advance(1);
	crypto_begin_turn(&crypto, clock_now_us(), clock_tsc());
	assert_gone(private_key, &nonce);
	assert_int_equal(crypto_next_us(&crypto), UINT64_MAX);
	assert_true(counter_get(&counters, COUNTER_CRYPTO_POOL_EXPIRED) != 0);
}

static void test_turned_off_empties(void **state)
{
	uint8_t private_key[32];
	struct mb_ecdsa_nonce nonce;
	uint64_t n_batches;

	(void)state;
	learn_unused(private_key, &nonce);
	crypto_prepare_signatures(&crypto, false);
	assert_true(arena_contains(private_key, 32)); // only nonces are meant
	assert_true(crypto.nonces[MB_P256] == NULL || !arena_contains(nonce.inverse, 32));
	while (crypto_refill(&crypto, 1000000, false))
		;
	n_batches = counter_get(&counters, COUNTER_CRYPTO_POOL_BATCHES);
	// Key pairs are there, so that what is made now are nonces.
	crypto_prepare_signatures(&crypto, true);
	while (crypto_refill(&crypto, 1000000, false))
		;
	assert_true((counter_get(&counters, COUNTER_CRYPTO_POOL_BATCHES) > n_batches) ==
		    (crypto.nonces[MB_P256] != NULL));
}

static void test_jump_empties(void **state)
{
	uint8_t private_key[32];
	struct mb_ecdsa_nonce nonce;

	(void)state;
	learn_unused(private_key, &nonce);
	clock_virtual_advance(2000);
	crypto_begin_turn(&crypto, clock_now_us(), clock_tsc());
	assert_true(arena_contains(private_key, 32));
	clock_virtual_jump_boot(5000000);
	clock_virtual_advance(2000);
	crypto_begin_turn(&crypto, clock_now_us(), clock_tsc());
	assert_gone(private_key, &nonce);
	assert_int_equal(counter_get(&counters, COUNTER_CRYPTO_RESEEDED), 1);
}

static void test_destroy_empties(void **state)
{
	uint8_t private_key[32];
	struct mb_ecdsa_nonce nonce;
	const struct crypto_settings settings = {.lanes = {.body = body}, .n_aead_slots = 4};

	(void)state;
	learn_unused(private_key, &nonce);
	crypto_destroy(&crypto);
	assert_gone(private_key, &nonce);
	arena_destroy(&arena);
	assert_true(arena_init(&arena, crypto_footprint(&settings)));
	assert_true(crypto_init(&crypto, &arena, &settings, NULL));
}

struct taken {
	uint8_t private_key[32];
	struct mb_ecdsa_nonce nonce;
};

static struct taken take_both(void)
{
	struct taken taken = {0};
	uint8_t share[65];

	ephemeral_pool_take(crypto.ephemeral[EPHEMERAL_X25519], clock_now_us(), taken.private_key, share);
	if (crypto.nonces[MB_P256] != NULL)
		nonce_pool_take(crypto.nonces[MB_P256], clock_now_us(), &taken.nonce);
	return taken;
}

// Even where the memory is not wiped on fork by the kernel (an ordinary allocation here), a child shares no
// pair with its parent.
static void test_fork(void **state)
{
	struct crypto_settings settings = {.lanes = {.body = body}, .n_aead_slots = 4};
	size_t len = (crypto_footprint(&settings) + 4095) / 4096 * 4096;
	struct taken of_parent, of_child;
	int pipe_ends[2], status;
	pid_t pid;

	(void)state;
	crypto_destroy(&crypto);
	arena_destroy(&arena);
	arena = (struct arena){.start = aligned_alloc(4096, len), .capacity = len};
	memset(arena.start, 0, len);
	assert_true(crypto_init(&crypto, &arena, &settings, NULL));
	(void)crypto_refill(&crypto, UINT64_MAX, false);
	assert_int_equal(pipe(pipe_ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		of_child = take_both();
		_exit(write(pipe_ends[1], &of_child, sizeof of_child) == sizeof of_child ? 0 : 1);
	}
	assert_int_equal(read(pipe_ends[0], &of_child, sizeof of_child), sizeof of_child);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < 100; i++) {
		of_parent = take_both();
		assert_memory_not_equal(of_parent.private_key, of_child.private_key, 32);
		if (crypto.nonces[MB_P256] != NULL)
			assert_memory_not_equal(of_parent.nonce.r, of_child.nonce.r, 32);
	}
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
	crypto_destroy(&crypto);
	free(arena.start);
	assert_true(arena_init(&arena, len));
	assert_true(crypto_init(&crypto, &arena, &settings, NULL));
}

static int compare_r(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

// No r comes twice. 64 bits of each are kept: among a hundred million of them a chance repetition has
// probability 2^-11.
static void test_no_r_twice(void **state)
{
	uint64_t *seen = malloc(n_nonces * sizeof *seen);
	uint64_t n_per_curve = n_nonces;

	(void)state;
	if (crypto.nonces[MB_P256] == NULL || body == SELECT_LANES_PLAIN)
		n_per_curve = 0;
	for (uint64_t i = 0; i < n_per_curve; i++) {
		struct mb_ecdsa_nonce nonce;

		if (i % 64 == 0) {
			clock_virtual_advance(10);
			crypto_begin_turn(&crypto, clock_now_us(), clock_tsc());
			(void)crypto_refill(&crypto, UINT64_MAX, false);
		}
		nonce_pool_take(crypto.nonces[MB_P256], clock_now_us(), &nonce);
		seen[i] = nonce.r[0];
	}
	qsort(seen, n_per_curve, sizeof *seen, compare_r);
	for (uint64_t i = 1; i < n_per_curve; i++)
		assert_int_not_equal(seen[i - 1], seen[i]);
	free(seen);
}

// r is the x coordinate of k G: with k recovered from its inverse, by OpenSSL.
static void test_nonces_are_right(void **state)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	const BIGNUM *order = EC_GROUP_get0_order(group);
	BN_CTX *context = BN_CTX_new();
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *k = BN_new(), *r = BN_new(), *x = BN_new(), *shift = BN_new();

	(void)state;
	assert_int_equal(BN_set_bit(shift, 256), 1);
	for (unsigned i = 0; i < 20 && crypto.nonces[MB_P256] != NULL; i++) {
		struct mb_ecdsa_nonce nonce;

		nonce_pool_take(crypto.nonces[MB_P256], clock_now_us(), &nonce);
		// inverse holds k^-1 * 2^256 mod order.
		assert_non_null(BN_lebin2bn((const uint8_t *)nonce.inverse, 32, k));
		assert_non_null(BN_mod_inverse(k, k, order, context));
		assert_int_equal(BN_mod_mul(k, k, shift, order, context), 1);
		assert_int_equal(EC_POINT_mul(group, point, k, NULL, NULL, context), 1);
		assert_int_equal(EC_POINT_get_affine_coordinates(group, point, x, NULL, context), 1);
		assert_int_equal(BN_nnmod(x, x, order, context), 1);
		assert_non_null(BN_lebin2bn((const uint8_t *)nonce.r, 32, r));
		assert_int_equal(BN_cmp(x, r), 0);
	}
	BN_free(k);
	BN_free(r);
	BN_free(x);
	BN_free(shift);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	BN_CTX_free(context);
}

// An idle worker keeps a reserve of what handshakes take first, and nothing of the rest.
static void test_refill(void **state)
{
	(void)state;
	assert_false(crypto_refill(&crypto, UINT64_MAX, false));
	assert_int_equal(ephemeral_pool_count(crypto.ephemeral[EPHEMERAL_X25519]), 32);
	assert_int_equal(ephemeral_pool_count(crypto.ephemeral[EPHEMERAL_P256]), 0);
	if (crypto.nonces[MB_P256] != NULL) {
		assert_int_equal(nonce_pool_count(crypto.nonces[MB_P256]), 32);
		assert_int_equal(nonce_pool_count(crypto.nonces[MB_P384]), 0);
	}
	// Above the low marks nothing is urgent; below them it is.
	(void)take_both();
	assert_false(crypto_refill(&crypto, UINT64_MAX, true));
	assert_int_equal(ephemeral_pool_count(crypto.ephemeral[EPHEMERAL_X25519]), 31);
	for (unsigned i = 0; i < 25; i++)
		(void)take_both();
	assert_false(crypto_refill(&crypto, UINT64_MAX, true));
	assert_true(ephemeral_pool_count(crypto.ephemeral[EPHEMERAL_X25519]) >= 8);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pairs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_taken_means_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_second_of_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_turned_off_empties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_jump_empties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_destroy_empties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fork, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nonces_are_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_r_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refill, set_up, tear_down),
	};

	print_message("lanes: %s\n", select_lanes_name(body));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	static const enum select_lanes bodies[] = {
		SELECT_LANES_SCALAR, SELECT_LANES_PLAIN, SELECT_LANES_IFMA};
	int n_failed = 0;

	if (argc > 1)
		n_nonces = strtoull(argv[1], NULL, 10);
	for (unsigned i = 0; i < (select_features()->avx512_ifma ? 3 : 2); i++) {
		body = bodies[i];
		n_failed += run();
	}
	return n_failed;
}
