// SPDX-License-Identifier: Apache-2.0
//
// Ed25519 signing against OpenSSL, both bodies. Arguments: struct random_rounds.
#include "crypto/mb/ed25519.h"
#include "mb_fixture.h"
#include "seam/cmocka_all.h"

static struct random_rounds rounds = {.n = 10, .seed = 5};

static const struct mb_kernels *bodies[2];
static unsigned n_bodies;

// Signs n messages with n keys, one of them edge-valued, and compares each.
static void compare(const struct mb_kernels *kernels, struct stream *stream, unsigned n)
{
	static uint8_t messages[MB_REQUESTS_MAX][300];
	struct mb_ed25519_key keys[MB_REQUESTS_MAX];
	const struct mb_ed25519_key *key_pointers[MB_REQUESTS_MAX];
	struct span spans[MB_REQUESTS_MAX];
	struct rows seeds, out;
	uint8_t signature[64], public_key[32];

	rows_init(&seeds, 0);
	rows_init(&out, 0xaa);
	for (unsigned i = 0; i < n; i++) {
		if (i != 0)
			stream_bytes(stream, seeds.bytes[i], 32);
		stream_bytes(stream, messages[i], sizeof(messages[i]));
		spans[i] = span_of(messages[i], stream_next(stream) % (sizeof(messages[i]) + 1));
		mb_ed25519_key_set(&keys[i], kernels, seeds.in[i]);
		key_pointers[i] = &keys[i];
	}
	assert_int_equal(kernels->ed25519_sign(out.out, key_pointers, spans, n), UINT64_MAX >> (64 - n));
	for (unsigned i = 0; i < n; i++) {
		reference_ed25519_sign(signature, public_key, seeds.in[i], spans[i]);
		assert_memory_equal(keys[i].public_key, public_key, 32);
		assert_memory_equal(out.bytes[i], signature, 64);
	}
	assert_int_equal(out.bytes[0][64], 0xaa);
	assert_true(n == MB_REQUESTS_MAX || out.bytes[n % MB_REQUESTS_MAX][0] == 0xaa);
}

static void test_random(void **state)
{
	struct stream stream = {rounds.seed};

	(void)state;
	for (unsigned round = 0; round < rounds.n; round++) {
		unsigned n = round == 0 ? MB_REQUESTS_MAX
					: 1 + (unsigned)(stream_next(&stream) % MB_REQUESTS_MAX);

		for (unsigned body = 0; body < n_bodies; body++) {
			if (random_round_has(&rounds, round, bodies[body]))
				compare(bodies[body], &stream, n);
		}
	}
}

// Every number of requests in a group, so that every lane is once the last.
static void test_each_lane_count(void **state)
{
	struct stream stream = {6};

	(void)state;
	for (unsigned n = 1; n <= 9; n++) {
		for (unsigned body = 0; body < n_bodies; body++)
			compare(bodies[body], &stream, n);
	}
}

// A signature does not depend on what is signed beside it.
static void test_alone_and_in_company(void **state)
{
	struct stream stream = {7};
	struct mb_ed25519_key keys[8];
	const struct mb_ed25519_key *pointers[8];
	struct span messages[8];
	struct rows together, alone;
	uint8_t seed[32];

	(void)state;
	for (unsigned body = 0; body < n_bodies; body++) {
		rows_init(&together, 0);
		rows_init(&alone, 0);
		for (unsigned i = 0; i < 8; i++) {
			stream_bytes(&stream, seed, sizeof(seed));
			mb_ed25519_key_set(&keys[i], bodies[body], seed);
			pointers[i] = &keys[i];
			messages[i] = span_of_string("the same message");
		}
		(void)bodies[body]->ed25519_sign(together.out, pointers, messages, 8);
		for (unsigned i = 0; i < 8; i++) {
			(void)bodies[body]->ed25519_sign(&alone.out[i], &pointers[i], &messages[i], 1);
			assert_memory_equal(together.bytes[i], alone.bytes[i], 64);
		}
		assert_memory_not_equal(together.bytes[0], together.bytes[1], 64);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_each_lane_count),
		cmocka_unit_test(test_alone_and_in_company),
	};

	random_rounds_parse(&rounds, argc, argv);
	n_bodies = mb_bodies(bodies);
	return random_rounds_end(cmocka_run_group_tests(tests, NULL, NULL));
}
