// SPDX-License-Identifier: Apache-2.0
//
// X25519 kernels against OpenSSL, both bodies. Arguments: struct random_rounds.
#include "mb_fixture.h"
#include "seam/cmocka_all.h"

#include <stdlib.h>

static struct random_rounds rounds = {.n = 20, .seed = 1};

static const struct mb_kernels *bodies[2];
static unsigned n_bodies;

// The points of order 1, 2, 4 and 8 on curve and twist, and their forms above p (cr.yp.to/ecdh.html).
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void from_hex(uint8_t *out, const char *hex)
{
	for (size_t i = 0; hex[2 * i] != '\0'; i++) {
		char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

static void compare_keygen(const struct mb_kernels *kernels, const struct rows *keys, unsigned n)
{
	struct rows out;
	uint8_t expected[32];

	rows_init(&out, 0xaa);
	assert_int_equal(kernels->x25519_keygen(out.out, keys->in, n), UINT64_MAX >> (64 - n));
	for (unsigned i = 0; i < n; i++) {
		reference_x25519_public(expected, keys->in[i]);
		assert_memory_equal(out.bytes[i], expected, 32);
	}
	assert_int_equal(out.bytes[0][32], 0xaa);
	assert_true(n == MB_REQUESTS_MAX || out.bytes[n % MB_REQUESTS_MAX][0] == 0xaa);
}

static void compare_shared(
	const struct mb_kernels *kernels, const struct rows *keys, const struct rows *peers, unsigned n)
{
	struct rows out;
	uint8_t expected[32];
	uint64_t done;

	rows_init(&out, 0xaa);
	done = kernels->x25519_shared(out.out, keys->in, peers->in, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(done >> i & 1, reference_x25519_shared(expected, keys->in[i], peers->in[i]));
		assert_memory_equal(out.bytes[i], expected, 32);
	}
	assert_true(n == MB_REQUESTS_MAX || done >> n == 0);
	assert_int_equal(out.bytes[0][32], 0xaa);
	assert_true(n == MB_REQUESTS_MAX || out.bytes[n % MB_REQUESTS_MAX][0] == 0xaa);
}

static void test_random(void **state)
{
	struct stream stream = {rounds.seed};
	struct rows keys, peers;

	(void)state;
	for (unsigned round = 0; round < rounds.n; round++) {
		unsigned n = round < 2 ? MB_REQUESTS_MAX
				       : 1 + (unsigned)(stream_next(&stream) % MB_REQUESTS_MAX);

		rows_init(&keys, 0);
		rows_init(&peers, 0);
		for (unsigned i = 0; i < n; i++) {
			stream_bytes(&stream, keys.bytes[i], 32);
			stream_bytes(&stream, peers.bytes[i], 32);
		}
		for (unsigned body = 0; body < n_bodies; body++) {
			if (!random_round_has(&rounds, round, bodies[body]))
				continue;
			compare_keygen(bodies[body], &keys, n);
			compare_shared(bodies[body], &keys, &peers, n);
		}
	}
}

// Long runs of zeros and ones push carries through every digit.
static void test_extreme_operands(void **state)
{
	struct rows keys, peers;

	(void)state;
	rows_init(&keys, 0);
	rows_init(&peers, 0);
	for (unsigned i = 0; i < MB_REQUESTS_MAX; i++) {
		memset(keys.bytes[i], i & 1 ? 0xff : 0, 32);
		memset(peers.bytes[i], i & 2 ? 0xff : 0, 32);
		keys.bytes[i][i / 2] ^= (uint8_t)(1u << (i & 7));
		peers.bytes[i][i / 2] ^= (uint8_t)(1u << (i >> 3));
		peers.bytes[i][0] ^= 9;
	}
	for (unsigned body = 0; body < n_bodies; body++) {
		compare_keygen(bodies[body], &keys, MB_REQUESTS_MAX);
		compare_shared(bodies[body], &keys, &peers, MB_REQUESTS_MAX);
	}
}

// Values from p to 2^255 - 1, with and without bit 255, stand for themselves mod p (RFC 7748 5).
static void test_peers_above_p(void **state)
{
	struct stream stream = {2};
	struct rows keys, peers;

	(void)state;
	rows_init(&keys, 0);
	rows_init(&peers, 0xff);
	for (unsigned i = 0; i < 38; i++) {
		stream_bytes(&stream, keys.bytes[i], 32);
		peers.bytes[i][0] = (uint8_t)(0xed + i / 2);
		peers.bytes[i][31] = i & 1 ? 0xff : 0x7f;
	}
	for (unsigned body = 0; body < n_bodies; body++)
		compare_shared(bodies[body], &keys, &peers, 38);
}

// Each point of low order in each lane position: that request fails with zeros, its neighbours in its group
// and in its lane of other groups don't notice.
static void test_low_order_peers(void **state)
{
	struct stream stream = {3};
	struct rows keys, peers, out;
	uint8_t expected[32];

	(void)state;
	rows_init(&keys, 0);
	rows_init(&peers, 0);
	for (unsigned i = 0; i < 16; i++) {
		stream_bytes(&stream, keys.bytes[i], 32);
		stream_bytes(&stream, peers.bytes[i], 32);
	}
	for (unsigned body = 0; body < n_bodies; body++) {
		for (unsigned i = 0; i < 16 * sizeof(low_order) / sizeof(low_order[0]); i++) {
			unsigned bad = i % 16;
			uint8_t saved[32];
			uint64_t done;

			memcpy(saved, peers.bytes[bad], 32);
			from_hex(peers.bytes[bad], low_order[i / 16]);
			rows_init(&out, 0xaa);
			done = bodies[body]->x25519_shared(out.out, keys.in, peers.in, 16);
			memcpy(peers.bytes[bad], saved, 32);
			assert_int_equal(done, 0xffff & ~(1u << bad));
			assert_true(row_is_zero(&out, bad, 32));
			for (unsigned j = bad % 8; j < 16; j += 8) {
				if (j == bad)
					continue;
				assert_true(reference_x25519_shared(expected, keys.in[j], peers.in[j]));
				assert_memory_equal(out.bytes[j], expected, 32);
			}
		}
	}
}

static void test_all_peers_bad(void **state)
{
	struct rows keys, peers, out;

	(void)state;
	rows_init(&keys, 0x55);
	rows_init(&peers, 0);
	for (unsigned body = 0; body < n_bodies; body++) {
		rows_init(&out, 0xaa);
		assert_int_equal(bodies[body]->x25519_shared(out.out, keys.in, peers.in, 11), 0);
		for (unsigned i = 0; i < 11; i++)
			assert_true(row_is_zero(&out, i, 32));
	}
}

static void test_output_over_own_input(void **state)
{
	struct stream stream = {4};
	struct rows keys, peers, expected;

	(void)state;
	for (unsigned body = 0; body < n_bodies; body++) {
		rows_init(&keys, 0);
		rows_init(&peers, 0);
		rows_init(&expected, 0);
		for (unsigned i = 0; i < 9; i++) {
			stream_bytes(&stream, keys.bytes[i], 32);
			stream_bytes(&stream, peers.bytes[i], 32);
		}
		(void)bodies[body]->x25519_shared(expected.out, keys.in, peers.in, 9);
		assert_int_equal(bodies[body]->x25519_shared(peers.out, keys.in, peers.in, 9), 0x1ff);
		for (unsigned i = 0; i < 9; i++)
			assert_memory_equal(peers.bytes[i], expected.bytes[i], 32);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_extreme_operands),
		cmocka_unit_test(test_peers_above_p),
		cmocka_unit_test(test_low_order_peers),
		cmocka_unit_test(test_all_peers_bad),
		cmocka_unit_test(test_output_over_own_input),
	};

	random_rounds_parse(&rounds, argc, argv);
	n_bodies = mb_bodies(bodies);
	return random_rounds_end(cmocka_run_group_tests(tests, NULL, NULL));
}
