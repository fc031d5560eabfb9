// SPDX-License-Identifier: Apache-2.0
//
// The parts of tcp that stand alone: sequence numbers, options, SipHash, flow table, TIME-WAIT, SYN cache.
#include "base/arena.h"
#include "base/pool.h"
#include "seam/cmocka_all.h"
#include "tcp/conn.h"
#include "tcp/flow_table.h"
#include "tcp/listener.h"
#include "tcp/options.h"
#include "tcp/siphash.h"
#include "tcp/syn_cache.h"
#include "tcp/time_wait.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

static void test_seq_order_wraps(void **state)
{
	struct seq high = seq_of(0xfffffff0), low = seq_of(0x10);

	(void)state;
	assert_true(seq_lt(high, low));
	assert_false(seq_lt(low, high));
	assert_false(seq_lt(low, low));
	assert_true(seq_leq(low, low));
	assert_int_equal(seq_diff(low, high), 0x20);
	assert_int_equal(seq_diff(high, low), -0x20);
	assert_true(seq_eq(seq_max(high, low), low));
	assert_true(seq_eq(seq_min(high, low), high));
	assert_true(seq_in(low, high, 0x21));
	assert_false(seq_in(low, high, 0x20));
	assert_false(seq_in(seq_add(high, -1u), high, 0x20));
	assert_false(seq_in(high, high, 0));
}

static void test_options_syn(void **state)
{
	static const uint8_t bytes[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7};
	uint8_t written[TCP_OPTIONS_LEN_MAX];
	struct tcp_options options;

	(void)state;
	assert_true(tcp_options_parse(span_of(bytes, sizeof bytes), &options));
	assert_int_equal(
		options.present, TCP_HAS_MSS | TCP_HAS_SACK_PERMITTED | TCP_HAS_TIMESTAMPS | TCP_HAS_WSCALE);
	assert_int_equal(options.mss, 1460);
	assert_int_equal(options.wscale, 7);
	assert_int_equal(options.ts_value, 1);
	assert_int_equal(options.ts_echo, 2);
	assert_int_equal(tcp_options_write(&options, written), sizeof bytes);
}

static void test_options_bad(void **state)
{
	static const struct {
		uint8_t bytes[12];
		uint8_t len;
		bool well_formed;
		uint8_t present;
	} cases[] = {
		{{0}, 0, true, 0},
		{{0, 2, 4, 5, 0xb4}, 5, true, 0}, // nothing after the end
		{{1, 1, 1}, 3, true, 0},
		{{2}, 1, false, 0},    // no length
		{{2, 0}, 2, false, 0}, // would loop
		{{2, 1}, 2, false, 0},
		{{2, 4, 5}, 3, false, 0}, // cut
		{{2, 3, 5}, 3, true, 0},  // a length that is not its own
		{{2, 5, 5, 0xb4, 0}, 5, true, 0},
		{{3, 3, 200}, 3, true, TCP_HAS_WSCALE}, // taken as 14
		{{8, 9, 0, 0, 0, 0, 0, 0, 0}, 9, true, 0},
		{{8, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 11, true, 0},
		{{5, 2}, 2, true, 0},             // no block
		{{5, 6, 0, 0, 0, 1}, 6, true, 0}, // half a block
		{{5, 12, 0, 0}, 4, false, 0},
		{{200, 3, 9, 4, 2}, 5, true, TCP_HAS_SACK_PERMITTED}, // unknown ones are skipped
		{{4, 3, 0}, 3, true, 0},
		{{253, 255, 0}, 3, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tcp_options options;

		assert_int_equal(tcp_options_parse(span_of(cases[i].bytes, cases[i].len), &options),
			cases[i].well_formed);
		assert_int_equal(options.present, cases[i].present);
		if ((options.present & TCP_HAS_WSCALE) != 0)
			assert_int_equal(options.wscale, TCP_WSCALE_MAX);
	}
}

// More SACK blocks than fit beside the timestamps are left away, never written over the end.
static void test_options_crowded(void **state)
{
	struct tcp_options options = {.present = TCP_HAS_TIMESTAMPS | TCP_HAS_SACK, .n_sack_blocks = 4};
	uint8_t written[TCP_OPTIONS_LEN_MAX];
	struct tcp_options again;

	(void)state;
	assert_int_equal(tcp_options_write(&options, written), 40);
	assert_true(tcp_options_parse(span_of(written, 40), &again));
	assert_int_equal(again.n_sack_blocks, 3);
}

static uint64_t openssl_siphash(
	const struct siphash_key *key, const uint64_t *words, size_t n, unsigned c, unsigned d)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	size_t size = 8, len;
	uint64_t result = 0;
	OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d), OSSL_PARAM_construct_end()};

	assert_int_equal(EVP_MAC_init(context, (const uint8_t *)key, 16, parameters), 1);
	assert_int_equal(EVP_MAC_update(context, (const uint8_t *)words, n * 8), 1);
	assert_int_equal(EVP_MAC_final(context, (uint8_t *)&result, &len, 8), 1);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	return result;
}

static void test_siphash(void **state)
{
	struct siphash_key key = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
	uint64_t words[8];

	(void)state;
	// The paper's own vectors: inputs 00 01 02 ... of 8 and 16 bytes.
	words[0] = UINT64_C(0x0706050403020100);
	words[1] = UINT64_C(0x0f0e0d0c0b0a0908);
	assert_true(siphash_2_4(&key, words, 1) == UINT64_C(0x93f5f5799a932462));
	assert_true(siphash_2_4(&key, words, 2) == UINT64_C(0x3f2acc7f57c29bdb));
	for (uint32_t n = 0; n <= 8; n++) {
		for (uint32_t i = 0; i < n; i++)
			words[i] = (uint64_t)(i + n) * UINT64_C(0x9e3779b97f4a7c15);
		assert_true(siphash_2_4(&key, words, n) == openssl_siphash(&key, words, n, 2, 4));
		assert_true(siphash_1_3(&key, words, n) == openssl_siphash(&key, words, n, 1, 3));
	}
}

static struct flow_key key_of(uint32_t n)
{
	return (struct flow_key){.local = ip_addr_v4_of(192, 0, 2, 1),
		.remote = ip_addr_v4_of(10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n),
		.local_port = 80,
		.remote_port = (uint16_t)(1000 + n % 7)};
}

// Few hash values, so that chains are long and deleting has to move entries.
static uint32_t hash_of(uint32_t n)
{
	return n % 13 * 3;
}

static void test_flow_table(void **state)
{
	enum {
		N = 200,
		STEPS = 20000
	};
	struct arena arena;
	struct pool conns;
	struct flow_table table;
	struct tcp_conn *by_number[N] = {NULL};

	(void)state;
	assert_true(arena_init(&arena, pool_footprint(N, sizeof(struct tcp_conn)) + flow_table_footprint(N)));
	assert_true(pool_init(&conns, &arena, N, sizeof(struct tcp_conn)));
	assert_true(flow_table_init(&table, &arena, &conns));
	srand(1);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t n = (uint32_t)rand() % N;
		struct flow_key key = key_of(n);
		uint32_t found = flow_table_find(&table, hash_of(n), &key);

		if (by_number[n] == NULL) {
			assert_int_equal(found, POOL_NONE);
			by_number[n] = pool_alloc(&conns);
			assert_non_null(by_number[n]);
			by_number[n]->key = key;
			flow_table_insert(&table, hash_of(n), pool_index(&conns, by_number[n]));
		} else {
			assert_int_equal(found, pool_index(&conns, by_number[n]));
			flow_table_remove(&table, hash_of(n), found);
			pool_free(&conns, by_number[n]);
			by_number[n] = NULL;
		}
		assert_int_equal(table.n_used, conns.n_used);
	}
	arena_destroy(&arena);
}

static void test_time_wait(void **state)
{
	struct arena arena;
	struct time_wait table;
	struct flow_key keys[4];
	struct time_wait_entry *entries[4];

	(void)state;
	assert_true(arena_init(&arena, time_wait_footprint(4)));
	assert_true(time_wait_init(&table, &arena, 4));
	assert_null(time_wait_oldest(&table));
	for (uint32_t i = 0; i < 4; i++) {
		keys[i] = key_of(i);
		assert_null(time_wait_find(&table, 5, &keys[i]));
		entries[i] = time_wait_insert(&table, 5, &keys[i]);
		assert_ptr_equal(time_wait_find(&table, 5, &keys[i]), entries[i]);
	}
	keys[0].remote_port++;
	assert_null(time_wait_find(&table, 5, &keys[0]));
	assert_null(time_wait_insert(&table, 5, &keys[0])); // full
	assert_ptr_equal(time_wait_oldest(&table), entries[0]);
	time_wait_renew(&table, entries[0]);
	assert_ptr_equal(time_wait_oldest(&table), entries[1]);
	time_wait_remove(&table, 5, entries[1]);
	assert_ptr_equal(time_wait_oldest(&table), entries[2]);
	assert_null(time_wait_find(&table, 5, &keys[1]));
	time_wait_remove(&table, 5, entries[3]);
	time_wait_remove(&table, 5, entries[2]);
	assert_ptr_equal(time_wait_oldest(&table), entries[0]);
	time_wait_remove(&table, 5, entries[0]);
	assert_null(time_wait_oldest(&table));
	arena_destroy(&arena);
}

static void test_syn_cache(void **state)
{
	struct arena arena;
	struct syn_cache cache;
	struct flow_key keys[3] = {key_of(0), key_of(1), key_of(2)};
	struct syn_entry *first, *second;

	(void)state;
	assert_true(arena_init(&arena, syn_cache_footprint(2)));
	assert_true(syn_cache_init(&cache, &arena, 2));
	first = syn_cache_insert(&cache, 7, &keys[0]);
	second = syn_cache_insert(&cache, 7, &keys[1]);
	assert_non_null(first);
	assert_non_null(second);
	assert_null(syn_cache_insert(&cache, 7, &keys[2]));
	assert_null(syn_cache_find(&cache, 7, &keys[2]));
	assert_ptr_equal(syn_cache_find(&cache, 7, &keys[1]), second);
	assert_ptr_equal(syn_cache_oldest(&cache, 0), first);
	for (uint32_t stage = 1; stage < SYN_STAGES; stage++) {
		assert_true(syn_cache_advance(&cache, first));
		assert_ptr_equal(syn_cache_oldest(&cache, stage), first);
	}
	assert_false(syn_cache_advance(&cache, first));
	assert_ptr_equal(syn_cache_oldest(&cache, 0), second);
	syn_cache_remove(&cache, second);
	syn_cache_remove(&cache, first);
	for (uint32_t stage = 0; stage < SYN_STAGES; stage++)
		assert_null(syn_cache_oldest(&cache, stage));
	arena_destroy(&arena);
}

static void test_listeners(void **state)
{
	struct ip_addr one = ip_addr_v4_of(192, 0, 2, 1), two = ip_addr_v4_of(192, 0, 2, 2);
	struct arena arena;
	struct tcp_listeners listeners;

	(void)state;
	assert_true(arena_init(&arena, pool_footprint(3, sizeof(struct tcp_listener))));
	assert_true(tcp_listeners_init(&listeners, &arena, 3));
	assert_true(tcp_listeners_add(&listeners, NULL, 80, 1));
	assert_false(tcp_listeners_add(&listeners, NULL, 80, 2));
	assert_true(tcp_listeners_add(&listeners, &one, 80, 2));
	assert_false(tcp_listeners_add(&listeners, &one, 80, 3));
	assert_int_equal(tcp_listeners_find(&listeners, &one, 80)->tag, 2);
	assert_int_equal(tcp_listeners_find(&listeners, &two, 80)->tag, 1);
	assert_null(tcp_listeners_find(&listeners, &one, 81));
	assert_null(tcp_listeners_find(&listeners, &one, 80 + TCP_LISTENER_CHAINS));
	assert_true(tcp_listeners_add(&listeners, &two, 80 + TCP_LISTENER_CHAINS, 4));
	assert_false(tcp_listeners_add(&listeners, &two, 90, 5)); // full
	assert_false(tcp_listeners_remove(&listeners, &two, 80));
	assert_true(tcp_listeners_remove(&listeners, NULL, 80));
	assert_null(tcp_listeners_find(&listeners, &two, 80));
	assert_int_equal(tcp_listeners_find(&listeners, &two, 80 + TCP_LISTENER_CHAINS)->tag, 4);
	arena_destroy(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seq_order_wraps),
		cmocka_unit_test(test_options_syn),
		cmocka_unit_test(test_options_bad),
		cmocka_unit_test(test_options_crowded),
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_flow_table),
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_syn_cache),
		cmocka_unit_test(test_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
