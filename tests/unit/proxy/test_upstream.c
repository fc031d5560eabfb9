// SPDX-License-Identifier: Apache-2.0
#include "proxy/balance.h"
#include "seam/cmocka_all.h"

#include <string.h>

static struct arena arena;
static struct upstream upstream;

#define SECOND UINT64_C(1000000)

static struct upstream_server_config server_of(uint8_t last, uint16_t weight)
{
	return (struct upstream_server_config){
		.addr = ip_addr_v4_of(10, 0, 0, last), .port = 25, .weight = weight};
}

static int begin(void **state)
{
	static const struct upstream_sizes sizes = {.n_pools = 4, .n_servers = 12, .table_max = 2048};

	(void)state;
	return arena_init(&arena, upstream_footprint(&sizes)) && upstream_init(&upstream, &arena, &sizes)
		       ? 0
		       : -1;
}

static int end(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

// Servers 1 .. n with these weights in pool 0; the drained-th gets no new connections (0: none of them).
static void set_pool_drained(
	const struct upstream_pool_config *config, const uint16_t *weights, uint32_t n, uint32_t drained)
{
	struct upstream_server_config servers[16];

	for (uint32_t i = 0; i < n; i++) {
		servers[i] = server_of((uint8_t)(i + 1), weights[i]);
		servers[i].drain = i + 1 == drained;
	}
	assert_true(upstream_set_pool(&upstream, 0, config, servers, n));
}

static void set_pool(const struct upstream_pool_config *config, const uint16_t *weights, uint32_t n)
{
	set_pool_drained(config, weights, n, 0);
}

static uint32_t choose(uint64_t now_us)
{
	struct upstream_choice choice = {0};

	return upstream_choose(&upstream, &choice, now_us);
}

static uint8_t last_byte(uint32_t idx)
{
	return upstream_server_at(&upstream, idx)->addr.bytes[15];
}

static void weighted_round_robin_is_smooth(void **state)
{
	static const uint16_t weights[] = {5, 1, 1};
	static const uint8_t expected[] = {1, 1, 2, 1, 3, 1, 1};
	struct upstream_pool_config config;

	(void)state;
	upstream_pool_config_default(&config);
	set_pool(&config, weights, 3);
	for (int i = 0; i < 70; i++)
		assert_int_equal(last_byte(choose(1)), expected[i % 7]);
}

static void least_connections_per_weight(void **state)
{
	static const uint16_t weights[] = {1, 3};
	struct upstream_pool_config config;
	uint32_t chosen[8], n[3] = {0};

	(void)state;
	upstream_pool_config_default(&config);
	config.balance = UPSTREAM_LEAST_CONNECTIONS;
	set_pool(&config, weights, 2);
	for (int i = 0; i < 8; i++) {
		chosen[i] = choose(1);
		n[last_byte(chosen[i])]++;
	}
	assert_int_equal(n[1], 2);
	assert_int_equal(n[2], 6);
	for (int i = 0; i < 8; i++)
		if (last_byte(chosen[i]) == 1)
			upstream_release(&upstream, chosen[i]);
	assert_int_equal(last_byte(choose(1)), 1);
}

static uint32_t by_source(uint64_t source)
{
	struct upstream_choice choice = {.source_hash = source};
	uint32_t idx = upstream_choose(&upstream, &choice, 1);

	upstream_release(&upstream, idx);
	return last_byte(idx);
}

static void source_hash_is_consistent(void **state)
{
	enum {
		N = 4000
	};
	static const uint16_t equal[] = {10, 10, 10, 10}, heavy[] = {10, 10, 10, 30};
	static uint8_t before[N];
	struct upstream_pool_config config;
	struct upstream_server_config reversed[4];
	uint32_t n[5] = {0}, n_moved = 0;

	(void)state;
	upstream_pool_config_default(&config);
	config.balance = UPSTREAM_SOURCE_HASH;
	set_pool(&config, equal, 4);
	for (uint32_t i = 0; i < N; i++) {
		before[i] = (uint8_t)by_source(i);
		n[before[i]]++;
	}
	for (int i = 1; i <= 4; i++)
		assert_in_range(n[i], N / 4 * 8 / 10, N / 4 * 12 / 10);
	// One that is drained: its own sources move, no other.
	set_pool_drained(&config, equal, 4, 3);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t now = by_source(i);

		assert_int_not_equal(now, 3);
		if (before[i] != 3)
			assert_int_equal(now, before[i]);
	}
	// One that is gone: few of the others' move.
	set_pool(&config, equal, 3);
	for (uint32_t i = 0; i < N; i++)
		n_moved += before[i] != 4 && by_source(i) != before[i];
	assert_in_range(n_moved, 0, N / 20);
	// The order in the configuration says nothing.
	for (uint8_t i = 0; i < 4; i++)
		reversed[i] = server_of((uint8_t)(4 - i), 10);
	assert_true(upstream_set_pool(&upstream, 0, &config, reversed, 4));
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(by_source(i), before[i]);
	set_pool(&config, heavy, 4);
	memset(n, 0, sizeof n);
	for (uint32_t i = 0; i < N; i++)
		n[by_source(i)]++;
	assert_in_range(n[4], N / 2 * 8 / 10, N / 2 * 12 / 10);
}

static void retry_takes_another(void **state)
{
	static const uint16_t weights[] = {1, 1, 1};
	struct upstream_pool_config config;
	struct upstream_choice choice = {0};
	uint32_t seen = 0;

	(void)state;
	upstream_pool_config_default(&config);
	set_pool(&config, weights, 3);
	for (int i = 0; i < 3; i++) {
		uint32_t idx = upstream_choose(&upstream, &choice, 1);

		seen |= 1u << last_byte(idx);
		upstream_connect_failed(&upstream, idx, 1);
	}
	assert_int_equal(seen, 14);
	assert_int_equal(upstream_choose(&upstream, &choice, 1), UPSTREAM_NONE);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(
			upstream_server_at(&upstream, upstream.pools[0].servers[i])->n_connections, 0);
}

static void ejection(void **state)
{
	static const uint16_t weights[] = {1, 1};
	struct upstream_pool_config config;
	uint32_t bad;

	(void)state;
	upstream_pool_config_default(&config);
	set_pool(&config, weights, 2);
	bad = choose(1);
	for (int i = 0; i < 3; i++) {
		enum upstream_change change;

		if (i != 0)
			while (choose(1) != bad)
				continue;
		change = upstream_connect_failed(&upstream, bad, SECOND);
		assert_int_equal(change, i == 2 ? UPSTREAM_EJECTED : UPSTREAM_NO_CHANGE);
	}
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(choose(2 * SECOND), bad);
	// After its time it is tried again; one failure ejects it for twice as long.
	while (choose(12 * SECOND) != bad)
		continue;
	assert_int_equal(upstream_connect_failed(&upstream, bad, 12 * SECOND), UPSTREAM_EJECTED);
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(choose(31 * SECOND), bad);
	while (choose(33 * SECOND) != bad)
		continue;
	assert_int_equal(upstream_connected(&upstream, bad, 33 * SECOND), UPSTREAM_RETURNED);
	assert_int_equal(upstream_connected(&upstream, bad, 33 * SECOND), UPSTREAM_NO_CHANGE);
	// A success in between starts the count over.
	upstream_release(&upstream, bad);
	for (int i = 0; i < 5; i++) {
		while (choose(34 * SECOND) != bad)
			continue;
		assert_int_equal(upstream_connect_failed(&upstream, bad, 34 * SECOND), UPSTREAM_NO_CHANGE);
		while (choose(34 * SECOND) != bad)
			continue;
		assert_int_equal(upstream_connected(&upstream, bad, 34 * SECOND), UPSTREAM_NO_CHANGE);
	}
}

static void when_all_are_ejected_they_are_tried(void **state)
{
	static const uint16_t weights[] = {1};
	struct upstream_pool_config config;

	(void)state;
	upstream_pool_config_default(&config);
	config.eject_failures = 1;
	set_pool(&config, weights, 1);
	assert_int_equal(upstream_connect_failed(&upstream, choose(1), 1), UPSTREAM_EJECTED);
	assert_int_not_equal(choose(2), UPSTREAM_NONE);
}

static void nothing_to_choose(void **state)
{
	static const uint16_t weights[] = {1, 1};
	struct upstream_pool_config config;

	(void)state;
	upstream_pool_config_default(&config);
	assert_int_equal(choose(1), UPSTREAM_NONE);
	config.connections_max = 2;
	set_pool(&config, weights, 2);
	assert_int_not_equal(choose(1), UPSTREAM_NONE);
	assert_int_not_equal(choose(1), UPSTREAM_NONE);
	assert_int_equal(choose(1), UPSTREAM_NONE); // full
	upstream_release(&upstream, upstream.pools[0].servers[1]);
	assert_int_not_equal(choose(1), UPSTREAM_NONE);
	upstream_remove_pool(&upstream, 0);
	assert_int_equal(choose(1), UPSTREAM_NONE);
}

// Of all servers together, of one server, and a worker's part of them.
static void limits_of_connections(void **state)
{
	static const struct upstream_sizes sizes = {.n_pools = 1, .n_servers = 4, .n_workers = 3};
	struct upstream_server_config servers[2] = {server_of(1, 100), server_of(2, 1)};
	struct upstream_pool_config config;

	(void)state;
	arena_destroy(&arena);
	assert_true(arena_init(&arena, upstream_footprint(&sizes)));
	assert_true(upstream_init(&upstream, &arena, &sizes));
	upstream_pool_config_default(&config);
	config.connections_max = 7;     // of this worker: 3
	servers[0].connections_max = 6; // 2
	assert_true(upstream_set_pool(&upstream, 0, &config, servers, 2));
	assert_int_equal(choose(1), upstream.pools[0].servers[0]);
	assert_int_equal(choose(1), upstream.pools[0].servers[0]);
	assert_int_equal(choose(1), upstream.pools[0].servers[1]); // the first is full
	assert_int_equal(choose(1), UPSTREAM_NONE);                // all are
	upstream_release(&upstream, upstream.pools[0].servers[0]);
	assert_int_equal(choose(1), upstream.pools[0].servers[0]);
	config.connections_max = servers[0].connections_max = 0;
	assert_true(upstream_set_pool(&upstream, 0, &config, servers, 2));
	assert_int_equal(choose(1), upstream.pools[0].servers[0]);
}

static void as_many_others_are_tried_as_configured(void **state)
{
	static const uint16_t weights[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	struct upstream_pool_config config;

	(void)state;
	upstream_pool_config_default(&config);
	for (config.retries = 0; config.retries < 12; config.retries++) {
		struct upstream_choice choice = {0};
		uint32_t n = 0, idx;

		set_pool(&config, weights, 8);
		while ((idx = upstream_choose(&upstream, &choice, 1)) != UPSTREAM_NONE) {
			upstream_release(&upstream, idx);
			n++;
		}
		assert_int_equal(n, config.retries < 8 ? config.retries + 1 : 8);
	}
}

static uint32_t take_checks(uint64_t now_us, struct upstream_check *checks)
{
	return upstream_checks_due(&upstream, now_us, checks, 8);
}

static void checks_rise_and_fall(void **state)
{
	static const uint16_t weights[] = {1, 1};
	static const enum upstream_change fall[] = {
		UPSTREAM_NO_CHANGE, UPSTREAM_NO_CHANGE, UPSTREAM_WENT_DOWN};
	struct upstream_pool_config config;
	struct upstream_check checks[8];
	uint64_t now_us = 5;
	uint32_t down;

	(void)state;
	upstream_pool_config_default(&config);
	config.slow_start_us = 10 * SECOND;
	set_pool(&config, weights, 2);
	assert_int_equal(take_checks(now_us, checks), 2);                    // at once
	assert_int_equal(take_checks(now_us + 100 * SECOND, checks + 2), 0); // not again before they are done
	down = checks[0].server_idx;
	(void)upstream_check_done(&upstream, &checks[1], true, now_us);
	assert_int_equal(upstream_check_done(&upstream, &checks[0], false, now_us), fall[0]);
	assert_int_equal(
		upstream_check_done(&upstream, &checks[0], false, now_us), UPSTREAM_NO_CHANGE); // twice
	for (int i = 1; i < 3; i++) {
		now_us += 2 * SECOND;
		assert_true(upstream_next_check_us(&upstream) == now_us);
		assert_int_equal(take_checks(now_us - 1, checks), 0);
		assert_int_equal(take_checks(now_us, checks), 2);
		(void)upstream_check_done(&upstream, &checks[1], true, now_us);
		assert_int_equal(upstream_check_done(&upstream, &checks[0], false, now_us), fall[i]);
	}
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(choose(now_us), down);
	// One good check is not enough, and a bad one starts over.
	for (int i = 0; i < 4; i++) {
		now_us += 2 * SECOND;
		assert_int_equal(take_checks(now_us, checks), 2);
		(void)upstream_check_done(&upstream, &checks[1], true, now_us);
		assert_int_equal(upstream_check_done(&upstream, &checks[0], i != 1, now_us),
			i == 3 ? UPSTREAM_WENT_UP : UPSTREAM_NO_CHANGE);
	}
	// Slow start: a sixteenth at first.
	assert_int_equal(balance_weight(upstream_server_at(&upstream, down), &config, now_us),
		BALANCE_WEIGHT_UNIT / 16);
	assert_in_range(balance_weight(upstream_server_at(&upstream, down), &config, now_us + 5 * SECOND),
		BALANCE_WEIGHT_UNIT / 2, BALANCE_WEIGHT_UNIT * 9 / 16);
	assert_int_equal(balance_weight(upstream_server_at(&upstream, down), &config, now_us + 10 * SECOND),
		BALANCE_WEIGHT_UNIT);
}

static void a_new_configuration_keeps_what_stays(void **state)
{
	static const uint16_t weights[] = {1, 1, 1};
	struct upstream_pool_config config;
	struct upstream_server_config servers[2] = {server_of(2, 7), server_of(9, 1)};
	struct upstream_check checks[8];
	uint32_t first, second, n_before;

	(void)state;
	upstream_pool_config_default(&config);
	config.fall = 1;
	set_pool(&config, weights, 3);
	first = upstream.pools[0].servers[0];
	second = upstream.pools[0].servers[1];
	assert_int_equal(take_checks(1, checks), 3);
	assert_int_equal(upstream_check_done(&upstream, &checks[1], false, 1), UPSTREAM_WENT_DOWN);
	while (choose(1) != first)
		continue;
	n_before = upstream.servers.n_used;
	assert_true(upstream_set_pool(&upstream, 0, &config, servers, 2));
	assert_int_equal(upstream.pools[0].servers[0], second);
	assert_int_equal(upstream_server_at(&upstream, second)->state, UPSTREAM_DOWN);
	assert_int_equal(upstream_server_at(&upstream, second)->weight, 7);
	// The first one left, but its connections did not; the third had none, perhaps.
	assert_int_equal(upstream_server_at(&upstream, first)->pool_idx, UPSTREAM_NONE);
	assert_true(upstream.servers.n_used >= 3 && upstream.servers.n_used <= n_before + 1);
	assert_int_equal(
		upstream_check_done(&upstream, &checks[0], false, 2), UPSTREAM_NO_CHANGE); // a late answer
	while (upstream_server_at(&upstream, first)->n_connections > 1)
		upstream_release(&upstream, first);
	upstream_release(&upstream, first);
	assert_false(pool_in_use(&upstream.servers, first));
	assert_int_equal(upstream_check_done(&upstream, &checks[0], true, 2), UPSTREAM_NO_CHANGE);
}

static void bad_configurations_change_nothing(void **state)
{
	static const uint16_t weights[] = {1, 1};
	struct upstream_pool_config config;
	struct upstream_server_config servers[13];

	(void)state;
	upstream_pool_config_default(&config);
	set_pool(&config, weights, 2);
	for (uint8_t i = 0; i < 13; i++)
		servers[i] = server_of((uint8_t)(i + 50), 1);
	assert_false(upstream_set_pool(&upstream, 0, &config, servers, 13)); // no room
	servers[1].addr = servers[0].addr;
	assert_false(upstream_set_pool(&upstream, 0, &config, servers, 2)); // the same twice
	servers[1] = server_of(51, 257);
	assert_false(upstream_set_pool(&upstream, 0, &config, servers, 2));
	assert_int_equal(upstream.pools[0].n_servers, 2);
	assert_int_equal(last_byte(upstream.pools[0].servers[0]), 1);
	assert_int_equal(upstream.servers.n_used, 2);
}

static void backups_come_last(void **state)
{
	struct upstream_pool_config config;
	struct upstream_server_config servers[3] = {server_of(1, 1), server_of(2, 1), server_of(3, 1)};
	struct upstream_choice choice = {0};

	(void)state;
	upstream_pool_config_default(&config);
	config.eject_failures = 1;
	servers[0].backup = true;
	assert_true(upstream_set_pool(&upstream, 0, &config, servers, 3));
	for (int i = 0; i < 6; i++)
		assert_int_not_equal(last_byte(choose(1)), 1);
	// Both others fail: for this connection the backup is what is left ...
	for (int i = 0; i < 2; i++)
		(void)upstream_connect_failed(&upstream, upstream_choose(&upstream, &choice, 1), 1);
	assert_int_equal(last_byte(upstream_choose(&upstream, &choice, 1)), 1);
	// ... and for a new one an ejected server goes before it, a drained one does not.
	assert_int_not_equal(last_byte(choose(2)), 1);
	servers[1].drain = true;
	servers[2].weight = 0;
	assert_true(upstream_set_pool(&upstream, 0, &config, servers, 3));
	assert_int_equal(last_byte(choose(3)), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(weighted_round_robin_is_smooth),
		TEST(least_connections_per_weight),
		TEST(source_hash_is_consistent),
		TEST(retry_takes_another),
		TEST(ejection),
		TEST(backups_come_last),
		TEST(when_all_are_ejected_they_are_tried),
		TEST(nothing_to_choose),
		TEST(limits_of_connections),
		TEST(as_many_others_are_tried_as_configured),
		TEST(checks_rise_and_fall),
		TEST(a_new_configuration_keeps_what_stays),
		TEST(bad_configurations_change_nothing),
	};

	return cmocka_run_group_tests_name("proxy/upstream", tests, NULL, NULL);
}
