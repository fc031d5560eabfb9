// SPDX-License-Identifier: Apache-2.0
#include "base/ring.h"
#include "seam/cmocka_all.h"

#include <pthread.h>
#include <sched.h>

enum {
	N_TRANSFERS = 300000
};

static struct arena arena;
static struct ring ring;

struct element {
	uint64_t number;
	uint64_t twice;
};

static int setup(void **state)
{
	(void)state;
	return arena_init(&arena, 1 << 20) && ring_init(&ring, &arena, 8, sizeof(struct element)) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

static void full_refuses_and_counts(void **state)
{
	struct element element = {0};

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		element.number = i;
		assert_true(ring_push(&ring, &element));
	}
	assert_false(ring_push(&ring, &element));
	assert_int_equal(ring_dropped(&ring), 1);
	for (uint64_t i = 0; i < 8; i++) {
		assert_true(ring_pop(&ring, &element));
		assert_int_equal(element.number, i);
	}
	assert_false(ring_pop(&ring, &element));
	assert_true(ring_push(&ring, &element));
}

static void bursts_give_what_there_is(void **state)
{
	struct element elements[16] = {{0}};

	(void)state;
	assert_int_equal(ring_pop_burst(&ring, elements, 16), 0);
	for (uint64_t i = 0; i < 5; i++)
		assert_true(ring_push(&ring, &(struct element){.number = i}));
	assert_int_equal(ring_pop_burst(&ring, elements, 2), 2);
	assert_int_equal(elements[1].number, 1);
	assert_int_equal(ring_pop_burst(&ring, elements, 16), 3);
	assert_int_equal(elements[0].number, 2);
	assert_int_equal(ring_count(&ring), 0);
}

static void positions_wrap(void **state)
{
	struct element element;

	(void)state;
	ring.head = ring.tail = UINT32_MAX - 2;
	ring.head_seen = ring.tail_seen = UINT32_MAX - 2;
	for (uint64_t round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < 8; i++)
			assert_true(ring_push(&ring, &(struct element){.number = round * 8 + i}));
		assert_false(ring_push(&ring, &element));
		for (uint64_t i = 0; i < 8; i++) {
			assert_true(ring_pop(&ring, &element));
			assert_int_equal(element.number, round * 8 + i);
		}
	}
}

static void *write_all(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; i < N_TRANSFERS; i++)
		while (!ring_push(&ring, &(struct element){.number = i, .twice = 2 * i}))
			(void)sched_yield();
	return NULL;
}

static void nothing_is_lost_or_torn_between_threads(void **state)
{
	pthread_t writer;
	uint64_t expected = 0;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
	while (expected < N_TRANSFERS) {
		struct element elements[5];
		uint32_t n = ring_pop_burst(&ring, elements, 5);

		for (uint32_t i = 0; i < n; i++, expected++) {
			assert_int_equal(elements[i].number, expected);
			assert_int_equal(elements[i].twice, 2 * expected);
		}
		if (n == 0)
			(void)sched_yield();
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(full_refuses_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(bursts_give_what_there_is, setup, teardown),
		cmocka_unit_test_setup_teardown(positions_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_or_torn_between_threads, setup, teardown),
	};

	return cmocka_run_group_tests_name("base/ring", tests, NULL, NULL);
}
