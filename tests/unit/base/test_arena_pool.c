// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"
#include "seam/cmocka_all.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ITEM_SIZE = 192,
	N_ITEMS = 100
};

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	return arena_init(&arena, 1 << 20) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

static void arena_pieces_are_zero_aligned_and_apart(void **state)
{
	uint8_t *a = arena_alloc(&arena, 100, 64);
	uint8_t *b = arena_alloc(&arena, 100, 4096);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal((uintptr_t)a % 64, 0);
	assert_int_equal((uintptr_t)b % 4096, 0);
	assert_true(b >= a + 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(a[i] | b[i], 0);
}

static void arena_refuses_what_does_not_fit(void **state)
{
	(void)state;
	assert_null(arena_alloc(&arena, arena.capacity + 1, 64));
	assert_null(arena_alloc(&arena, SIZE_MAX, 64));
	assert_non_null(arena_alloc(&arena, arena.capacity, 64));
	assert_null(arena_alloc(&arena, 1, 64));
}

static void arena_refuses_absurd_sizes(void **state)
{
	struct arena other;

	(void)state;
	assert_false(arena_init(&other, 0));
	assert_false(arena_init(&other, SIZE_MAX));
	assert_false(arena_init(&other, SIZE_MAX / 2));
	arena_destroy(&other);
}

// A forked child must not see secrets: MADV_WIPEONFORK.
static void arena_is_wiped_in_a_forked_child(void **state)
{
	uint8_t *secret = arena_alloc(&arena, 32, 64);
	int status;
	pid_t child;

	(void)state;
	memset(secret, 0x5a, 32);
	child = fork();
	if (child == 0)
		_exit(secret[0] == 0 && secret[31] == 0 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(secret[0], 0x5a);
}

static void pool_hands_out_each_item_once(void **state)
{
	struct pool pool;
	uint8_t *items[N_ITEMS];

	(void)state;
	assert_true(pool_init(&pool, &arena, N_ITEMS, ITEM_SIZE));
	for (int i = 0; i < N_ITEMS; i++) {
		items[i] = pool_alloc(&pool);
		assert_non_null(items[i]);
		assert_int_equal((uintptr_t)items[i] % 64, 0);
		memset(items[i], i, ITEM_SIZE);
	}
	assert_null(pool_alloc(&pool));
	assert_int_equal(pool_n_free(&pool), 0);
	for (int i = 0; i < N_ITEMS; i++) {
		assert_int_equal(items[i][0], i);
		assert_int_equal(items[i][ITEM_SIZE - 1], i);
		assert_ptr_equal(pool_at(&pool, pool_index(&pool, items[i])), items[i]);
	}
	pool_free(&pool, items[7]);
	assert_int_equal(pool_n_free(&pool), 1);
	assert_ptr_equal(pool_alloc(&pool), items[7]);
}

static void pool_knows_which_index_is_in_use(void **state)
{
	struct pool pool;
	void *item;

	(void)state;
	assert_true(pool_init(&pool, &arena, 4, ITEM_SIZE));
	for (uint32_t i = 0; i < 4; i++)
		assert_false(pool_in_use(&pool, i));
	item = pool_alloc(&pool);
	assert_true(pool_in_use(&pool, pool_index(&pool, item)));
	assert_false(pool_in_use(&pool, 4));
	assert_false(pool_in_use(&pool, POOL_NONE));
}

static void pool_of_nothing_is_always_empty(void **state)
{
	struct pool pool;

	(void)state;
	assert_true(pool_init(&pool, &arena, 0, ITEM_SIZE));
	assert_null(pool_alloc(&pool));
}

static void pool_refuses_what_the_arena_can_not_hold(void **state)
{
	struct pool pool;

	(void)state;
	assert_false(pool_init(&pool, &arena, UINT32_MAX - 2, ITEM_SIZE));
	assert_false(pool_init(&pool, &arena, 1, 0));
	assert_false(pool_init(&pool, &arena, POOL_NONE, 1));
}

static void pool_fits_its_footprint(void **state)
{
	struct pool pool;
	size_t used = arena.used;

	(void)state;
	assert_true(pool_init(&pool, &arena, 33, 100));
	assert_true(arena.used - used <= pool_footprint(33, 100));
}

// Runs a function in a child and expects it to die of an assertion.
static void expect_abort(void (*function)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		function();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void free_twice(void)
{
	struct arena own;
	struct pool pool;
	void *item;

	if (!arena_init(&own, 1 << 16) || !pool_init(&pool, &own, 2, ITEM_SIZE))
		return;
	item = pool_alloc(&pool);
	pool_free(&pool, item);
	pool_free(&pool, item);
}

static void free_inside_an_item(void)
{
	struct arena own;
	struct pool pool;
	uint8_t *item;

	if (!arena_init(&own, 1 << 16) || !pool_init(&pool, &own, 2, ITEM_SIZE))
		return;
	item = pool_alloc(&pool);
	pool_free(&pool, item + 1);
}

static void pool_notices_wrong_frees(void **state)
{
	(void)state;
	expect_abort(free_twice);
	expect_abort(free_inside_an_item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(arena_pieces_are_zero_aligned_and_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(arena_refuses_what_does_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(arena_refuses_absurd_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(arena_is_wiped_in_a_forked_child, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_hands_out_each_item_once, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_knows_which_index_is_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_of_nothing_is_always_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_refuses_what_the_arena_can_not_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_fits_its_footprint, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_notices_wrong_frees, setup, teardown),
	};

	return cmocka_run_group_tests_name("base/arena_pool", tests, NULL, NULL);
}
