// SPDX-License-Identifier: Apache-2.0
#include "base/counters.h"
#include "base/log_ring.h"
#include "seam/cmocka_all.h"

#include <string.h>

static void counters_add_up_and_stay_apart(void **state)
{
	static struct counters counters;

	(void)state;
	counter_inc(&counters, COUNTER_NET_RX_PACKETS);
	counter_add(&counters, COUNTER_NET_RX_PACKETS, 41);
	counter_set(&counters, COUNTER_NET_TX_PACKETS, 7);
	assert_int_equal(counter_get(&counters, COUNTER_NET_RX_PACKETS), 42);
	assert_int_equal(counter_get(&counters, COUNTER_NET_TX_PACKETS), 7);
}

// Names become metric names: lower case, unique, each with a sentence.
static void every_counter_is_described(void **state)
{
	(void)state;
	for (int i = 0; i < N_COUNTERS; i++) {
		const char *name = counter_name((enum counter)i);
		const char *help = counter_help((enum counter)i);

		assert_true(strlen(name) > 0 &&
			    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name));
		assert_true(strlen(help) > 10 && help[strlen(help) - 1] == '.');
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, counter_name((enum counter)j));
	}
}

static void log_events_pass_and_are_cut(void **state)
{
	struct arena arena;
	struct log_ring log;
	struct log_event event;
	uint8_t details[LOG_EVENT_DETAILS_MAX + 10];

	(void)state;
	memset(details, 7, sizeof details);
	assert_true(arena_init(&arena, 1 << 20));
	assert_true(log_ring_init(&log, &arena, 4, 3));
	log_ring_push(&log, LOG_EVENT_LINK_STATE, 123, span_of(details, 3));
	log_ring_push(&log, LOG_EVENT_LINK_STATE, 124, span_of(details, sizeof details));
	assert_true(log_ring_pop(&log, &event));
	assert_int_equal(event.kind, LOG_EVENT_LINK_STATE);
	assert_int_equal(event.wall_us, 123);
	assert_int_equal(event.worker_idx, 3);
	assert_int_equal(event.details_len, 3);
	assert_int_equal(event.details[2], 7);
	assert_int_equal(event.details[3], 0);
	assert_true(log_ring_pop(&log, &event));
	assert_int_equal(event.details_len, LOG_EVENT_DETAILS_MAX);
	assert_false(log_ring_pop(&log, &event));
	arena_destroy(&arena);
}

static void a_full_log_drops_and_counts(void **state)
{
	struct arena arena;
	struct log_ring log;

	(void)state;
	assert_true(arena_init(&arena, 1 << 20));
	assert_true(log_ring_init(&log, &arena, 4, 0));
	for (int i = 0; i < 9; i++)
		log_ring_push(&log, LOG_EVENT_LINK_STATE, 1, span_of(NULL, 0));
	assert_int_equal(ring_count(&log.ring), 4);
	assert_int_equal(ring_dropped(&log.ring), 5);
	arena_destroy(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_add_up_and_stay_apart),
		cmocka_unit_test(every_counter_is_described),
		cmocka_unit_test(log_events_pass_and_are_cut),
		cmocka_unit_test(a_full_log_drops_and_counts),
	};

	return cmocka_run_group_tests_name("base/counters", tests, NULL, NULL);
}
