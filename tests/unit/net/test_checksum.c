// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum: known answers, every body against the plain algorithm, chains with pieces of odd
// length.
#include "base/assert.h"
#include "lab.h"
#include "net/checksum.h"
#include "net/checksum_body.h"
#include "net/packet_pool.h"
#include "seam/cmocka_all.h"

#include <rte_mbuf.h>

enum {
	BUFFER_LEN = 2200
};

static uint8_t buffer[BUFFER_LEN];

// RFC 1071 4.1, on bytes in network order; the result is in network order too.
static uint16_t plain_fold(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return __builtin_bswap16((uint16_t)sum);
}

static void fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof buffer; i++) {
		x = x * 1103515245 + 12345;
		buffer[i] = (uint8_t)(x >> 16);
	}
}

// RFC 1071 3: the example's sum is ddf2.
static void known_answers(void **state)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	// An IPv4 header whose checksum is b861.
	static const uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8,
		0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	(void)state;
	assert_int_equal(checksum_fold(checksum_sum(example, sizeof example, 0)), __builtin_bswap16(0xddf2));
	assert_true(checksum_good(checksum_sum(header, sizeof header, 0)));
	assert_true(checksum_good(checksum_sum_ip4(header)));
	assert_int_equal(checksum_finish(checksum_sum_ip4(header) - (header[10] | header[11] << 8)), 0x61b8);
}

static void all_bodies_agree(void **state)
{
	static checksum_body *const bodies[] = {checksum_body_v2, checksum_body_v3, checksum_body_v4};
	const bool usable[] = {true, __builtin_cpu_supports("avx2"),
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")};

	(void)state;
	fill();
	for (size_t i = 0; i < 3; i++) {
		if (!usable[i])
			continue;
		for (size_t offset = 0; offset < 9; offset++)
			for (size_t len = 0; len < BUFFER_LEN - 9; len += len < 300 ? 1 : 37)
				assert_int_equal(checksum_fold(bodies[i](buffer + offset, len, 0)),
					plain_fold(buffer + offset, len));
	}
}

static void largest_sums_do_not_overflow(void **state)
{
	static uint8_t ones[65536];

	(void)state;
	memset(ones, 0xff, sizeof ones);
	assert_int_equal(checksum_fold(checksum_sum(ones, sizeof ones, 0)), 0xffff);
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(checksum_fold(0), 0);
	assert_false(checksum_good(0));
}

static void chosen_body_is_right(void **state)
{
	(void)state;
	fill();
	checksum_init();
	assert_int_equal(checksum_fold(checksum_sum(buffer, 1461, 0)), plain_fold(buffer, 1461));
}

// The pseudo-header of mapped addresses is that of the IPv4 addresses.
static void pseudo_headers(void **state)
{
	static const uint8_t ip4[] = {192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0x01, 0x23};
	uint8_t ip6[40] = {0};

	(void)state;
	assert_int_equal(checksum_fold(checksum_sum_pseudo(&lab_our_v4, &lab_peer_v4, 6, 0x123)),
		plain_fold(ip4, sizeof ip4));
	memcpy(ip6, lab_our_v6.bytes, 16);
	memcpy(ip6 + 16, lab_peer_v6.bytes, 16);
	ip6[33] = 1;
	ip6[34] = 0x23;
	ip6[35] = 0x45;
	ip6[39] = 58;
	assert_int_equal(checksum_fold(checksum_sum_pseudo(&lab_our_v6, &lab_peer_v6, 58, 0x12345)),
		plain_fold(ip6, sizeof ip6));
}

static void chains_of_odd_pieces(void **state)
{
	static const uint16_t pieces[][4] = {{1, 1, 1, 1}, {3, 5, 7, 9}, {100, 1, 200, 3}, {0, 7, 0, 8},
		{1448, 1, 2, 3}, {64, 64, 64, 63}};
	struct rte_mempool *pool;

	(void)state;
	lab_start_eal();
	fill();
	pool = packet_pool_create("chains", 63, 1500, 0, 0);
	assert_non_null(pool);
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct rte_mbuf *head = NULL;
		size_t len = 0;

		for (size_t k = 0; k < 4; k++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

			memcpy(rte_pktmbuf_append(m, pieces[i][k]), buffer + len, pieces[i][k]);
			len += pieces[i][k];
			if (head == NULL)
				head = m;
			else
				assert_int_equal(rte_pktmbuf_chain(head, m), 0);
		}
		assert_int_equal(checksum_fold(checksum_sum_mbuf(head, 0, 0)), plain_fold(buffer, len));
		if (pieces[i][0] != 0)
			assert_int_equal(checksum_fold(checksum_sum_mbuf(head, 1, 0)),
				plain_fold(buffer + 1, len - 1));
		rte_pktmbuf_free(head);
	}
	packet_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(all_bodies_agree),
		cmocka_unit_test(largest_sums_do_not_overflow),
		cmocka_unit_test(chosen_body_is_right),
		cmocka_unit_test(pseudo_headers),
		cmocka_unit_test(chains_of_odd_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
