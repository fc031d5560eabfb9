// SPDX-License-Identifier: Apache-2.0
#include "crypto/stock.h"

#include "base/counters.h"
#include "crypto/random.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"
#include "seam/random_seeded.h"

enum {
	CAPACITY = 96
};

static struct arena arena;
static struct stock stock;
static struct random generator;
static struct counters counters;

struct thing {
	uint64_t number;
	uint8_t rest[24];
};

static int set_up(void **state)
{
	(void)state;
	clock_virtual_reset();
	memset(&counters, 0, sizeof counters);
	random_seeded_set(1);
	assert_true(random_init(&generator));
	assert_true(arena_init(&arena, stock_footprint(CAPACITY, sizeof(struct thing))));
	assert_true(stock_init(&stock, &arena, CAPACITY, sizeof(struct thing)));
	stock.random = &generator;
	stock.counters = &counters;
	stock.reserve = STOCK_BATCH;
	stock_expire(&stock, clock_now_us());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

static void put(uint64_t number)
{
	struct thing thing = {.number = number};

	memset(thing.rest, (int)number, sizeof thing.rest);
	stock_put(&stock, &thing, clock_now_us());
}

static bool memory_is_zero(void)
{
	for (size_t i = 0; i < CAPACITY * sizeof(struct thing); i++)
		if (stock.items[i] != 0)
			return false;
	return true;
}

// First in, first out, round and round the ring; a place is zeros as soon as its item has left.
static void test_order_and_wiping(void **state)
{
	uint64_t made = 0, taken = 0;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		while (stock.n < CAPACITY - round % 7)
			put(++made);
		while (stock.n > round % 5) {
			struct thing thing;

			assert_true(stock_take(&stock, &thing));
			assert_int_equal(thing.number, ++taken);
			assert_int_equal(thing.rest[23], (uint8_t)taken);
			assert_null(memmem(stock.items, CAPACITY * sizeof thing, &thing, sizeof thing));
		}
	}
	while (stock.n != 0)
		assert_true(stock_take(&stock, &(struct thing){0}));
	assert_true(memory_is_zero());
}

static void test_empty(void **state)
{
	struct thing thing = {.number = 99};

	(void)state;
	assert_false(stock_take(&stock, &thing));
	assert_int_equal(thing.number, 99);
	assert_int_equal(counter_get(&counters, COUNTER_CRYPTO_POOL_EMPTY), 1);
	assert_int_equal(stock_expires_us(&stock), UINT64_MAX);
}

// To the microsecond, each by its own age.
static void test_one_second_of_life(void **state)
{
	struct thing thing;

	(void)state;
	put(1);
	clock_virtual_advance(400000);
	put(2);
	assert_int_equal(stock_expires_us(&stock), 1000000);
	clock_virtual_advance(599999);
	stock_expire(&stock, clock_now_us());
	assert_int_equal(stock.n, 2);
	clock_virtual_advance(1);
	stock_expire(&stock, clock_now_us());
	assert_int_equal(stock.n, 1);
	assert_int_equal(stock_expires_us(&stock), 1400000);
	assert_true(stock_take(&stock, &thing));
	assert_int_equal(thing.number, 2);
	assert_true(memory_is_zero());
	assert_int_equal(counter_get(&counters, COUNTER_CRYPTO_POOL_EXPIRED), 1);
}

static void test_break_empties(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 40; i++)
		put(i);
	stock_expire(&stock, clock_now_us());
	assert_int_equal(stock.n, 40);
	clock_virtual_jump_wall(-1000000);
	assert_true(random_check(&generator, clock_now_us()));
	stock_expire(&stock, clock_now_us());
	assert_int_equal(stock.n, 0);
	assert_true(memory_is_zero());
	put(41); // and it goes on in the new epoch
	stock_expire(&stock, clock_now_us());
	assert_int_equal(stock.n, 1);
}

// The high mark follows what is taken; with nothing taken it is the reserve.
static void test_demand(void **state)
{
	struct thing thing;

	(void)state;
	assert_int_equal(stock_wanted(&stock, 0, false), STOCK_BATCH);
	for (unsigned i = 0; i < STOCK_BATCH; i++)
		put(i);
	assert_int_equal(stock_wanted(&stock, 0, false), 0);
	for (unsigned i = 0; i < 64; i++) {
		(void)stock_take(&stock, &thing);
		put(i);
	}
	assert_int_equal(stock_wanted(&stock, 0, false), STOCK_BATCH); // 64 wanted, 32 there
	assert_int_equal(stock_wanted(&stock, 0, true), 0);            // above the low mark, 16
	while (stock.n > 15)
		(void)stock_take(&stock, &thing);
	assert_int_equal(stock_wanted(&stock, 0, true), STOCK_BATCH);
	// Two seconds without demand: back to the reserve.
	assert_int_equal(stock_wanted(&stock, 1000000, false), STOCK_BATCH);
	for (unsigned i = 0; stock.n < STOCK_BATCH; i++)
		put(i);
	assert_int_equal(stock_wanted(&stock, 1000000, false), STOCK_BATCH);
	assert_int_equal(stock_wanted(&stock, 2000000, false), 0);
	// Never more than leaves room for a whole batch.
	for (unsigned i = 0; i < 1000; i++) {
		(void)stock_take(&stock, &thing);
		put(i);
	}
	while (stock.n < CAPACITY - STOCK_BATCH - 1)
		put(0);
	assert_int_equal(stock_wanted(&stock, 2000000, false), STOCK_BATCH);
	put(0);
	assert_int_equal(stock_wanted(&stock, 2000000, false), 0);
}

static void test_no_reserve(void **state)
{
	struct thing thing;

	(void)state;
	stock.reserve = 0;
	assert_int_equal(stock_wanted(&stock, 0, false), 0);
	(void)stock_take(&stock, &thing);
	assert_int_equal(stock_wanted(&stock, 0, false), STOCK_BATCH);
	assert_int_equal(stock_wanted(&stock, 1000000, false), STOCK_BATCH);
	assert_int_equal(stock_wanted(&stock, 2000000, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_wiping, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_second_of_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_break_empties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_demand, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_reserve, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
