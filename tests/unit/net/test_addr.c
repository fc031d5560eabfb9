// SPDX-License-Identifier: Apache-2.0
//
// Addresses, prefixes, and the hash of flows.
#include "lab.h"
#include "net/addr.h"
#include "net/flow_hash.h"
#include "seam/cmocka_all.h"

static void mapped_addresses(void **state)
{
	struct ip_addr addr = ip_addr_v4_of(192, 0, 2, 1);

	(void)state;
	assert_true(ip_addr_is_v4(&addr));
	assert_true(ip_addr_equal(&addr, &lab_our_v4));
	assert_int_equal(ip_addr_v4(&addr), 0x010200c0); // as it lies in memory
	addr = ip_addr_from_v4(0x010200c0);
	assert_true(ip_addr_equal(&addr, &lab_our_v4));
	assert_false(ip_addr_is_v4(&lab_our_v6));
	addr.bytes[9] = 1;
	assert_false(ip_addr_is_v4(&addr));
	addr = lab_our_v4;
	addr.bytes[10] = 0xfe;
	assert_false(ip_addr_is_v4(&addr));
}

static void prefixes(void **state)
{
	(void)state;
	// Flipping bit n leaves prefixes up to length n, and no longer ones.
	for (uint32_t bit = 0; bit < 128; bit++) {
		struct ip_addr other = lab_our_v6;

		other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (uint32_t len = 0; len <= 128; len++)
			assert_int_equal(ip_addr_in_prefix(&other, &lab_our_v6, (uint8_t)len), len <= bit);
	}
	assert_true(ip_addr_in_prefix(&lab_our_v6, &lab_our_v6, 128));
}

static void unicast(void **state)
{
	const struct ip_addr good[] = {ip_addr_v4_of(1, 0, 0, 1), ip_addr_v4_of(126, 255, 255, 255),
		ip_addr_v4_of(128, 0, 0, 1), ip_addr_v4_of(223, 255, 255, 254), lab_our_v6,
		lab_our_link_local};
	const struct ip_addr bad[] = {ip_addr_v4_of(0, 0, 0, 0), ip_addr_v4_of(0, 1, 2, 3),
		ip_addr_v4_of(127, 0, 0, 1), ip_addr_v4_of(224, 0, 0, 1), ip_addr_v4_of(240, 0, 0, 1),
		ip_addr_v4_of(255, 255, 255, 255), {.bytes = {0}}, {.bytes = {[15] = 1}},
		{.bytes = {[12] = 1, [15] = 1}}, {.bytes = {0xff, 2, [15] = 1}}};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(ip_addr_is_unicast(&good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(ip_addr_is_unicast(&bad[i]));
	assert_true(ip_addr_is_link_local(&lab_our_link_local));
	assert_false(ip_addr_is_link_local(&lab_our_v6));
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed ^ *seed >> 29;
}

static struct flow_secret secret_of(uint64_t seed)
{
	struct flow_secret secret;

	for (size_t i = 0; i < 6; i++)
		secret.nh[i] = next_random(&seed);
	for (size_t i = 0; i < 3; i++) {
		secret.fold[i] = (unsigned __int128)next_random(&seed) << 64;
		secret.fold[i] |= next_random(&seed);
	}
	return secret;
}

static void hash_depends_on_every_bit(void **state)
{
	struct flow_secret secret = secret_of(1);
	struct flow_key key = {
		.local = lab_our_v6, .remote = lab_peer_v6, .local_port = 443, .remote_port = 40000};
	uint32_t hash = flow_hash(&secret, &key);
	struct flow_key other;

	(void)state;
	for (uint32_t bit = 0; bit < 128; bit++) {
		other = key;
		other.local.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(flow_hash(&secret, &other), hash);
		other = key;
		other.remote.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(flow_hash(&secret, &other), hash);
	}
	for (uint32_t bit = 0; bit < 16; bit++) {
		other = key;
		other.local_port ^= (uint16_t)(1 << bit);
		assert_int_not_equal(flow_hash(&secret, &other), hash);
		other = key;
		other.remote_port ^= (uint16_t)(1 << bit);
		assert_int_not_equal(flow_hash(&secret, &other), hash);
	}
	secret = secret_of(2);
	assert_int_not_equal(flow_hash(&secret, &key), hash);
}

// Flows as a scanner makes them fill buckets evenly: chi-squared over 256 buckets, by low and by high bits.
static void hash_spreads(void **state)
{
	enum {
		N_FLOWS = 65536,
		N_BUCKETS = 256
	};
	struct flow_secret secret = secret_of(3);
	uint32_t low[N_BUCKETS] = {0}, high[N_BUCKETS] = {0};
	double chi_low = 0, chi_high = 0;
	const double expected = (double)N_FLOWS / N_BUCKETS;

	(void)state;
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct flow_key key = {.local = lab_our_v4,
			.remote = ip_addr_v4_of(10, (uint8_t)(i >> 12), (uint8_t)(i >> 4), 1),
			.local_port = 443,
			.remote_port = (uint16_t)(1024 + (i & 15))};
		uint32_t hash = flow_hash(&secret, &key);

		low[hash % N_BUCKETS]++;
		high[flow_hash_worker(hash, N_BUCKETS)]++;
	}
	for (uint32_t i = 0; i < N_BUCKETS; i++) {
		chi_low += (low[i] - expected) * (low[i] - expected) / expected;
		chi_high += (high[i] - expected) * (high[i] - expected) / expected;
	}
	// 255 degrees of freedom: 380 is passed by chance once in a million.
	assert_true(chi_low < 380);
	assert_true(chi_high < 380);
}

static void keys_compare_without_padding(void **state)
{
	struct flow_key a, b;

	(void)state;
	memset(&a, 0xff, sizeof a);
	memset(&b, 0, sizeof b);
	a.local = b.local = lab_our_v4;
	a.remote = b.remote = lab_peer_v4;
	a.local_port = b.local_port = 1;
	a.remote_port = b.remote_port = 2;
	assert_true(flow_key_equal(&a, &b));
	b.remote_port = 3;
	assert_false(flow_key_equal(&a, &b));
	b.remote_port = 2;
	b.remote.bytes[0] = 1;
	assert_false(flow_key_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapped_addresses),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(unicast),
		cmocka_unit_test(hash_depends_on_every_bit),
		cmocka_unit_test(hash_spreads),
		cmocka_unit_test(keys_compare_without_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
