// SPDX-License-Identifier: Apache-2.0
#include "base/timer_wheel.h"
#include "seam/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

enum {
	N_TIMERS = 500,
	TICK_US = 1 << TIMER_TICK_SHIFT
};

static struct timer_wheel wheel;

static uint64_t random_state;

// splitmix64 (Steele, Lea, Flood 2014): the same numbers from the same seed everywhere.
static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void a_timer_fires_once_and_not_early(void **state)
{
	struct timer timer;
	struct timer *fired[4];

	(void)state;
	timer_wheel_init(&wheel, 1000);
	timer_init(&timer);
	assert_false(timer_armed(&timer));
	timer_start(&wheel, &timer, 5000);
	assert_true(timer_armed(&timer));
	assert_int_equal(timer_wheel_expire(&wheel, 4999, fired, 4), 0);
	assert_int_equal(timer_wheel_expire(&wheel, 5000 + TICK_US, fired, 4), 1);
	assert_ptr_equal(fired[0], &timer);
	assert_false(timer_armed(&timer));
	assert_int_equal(timer_wheel_expire(&wheel, 1000000, fired, 4), 0);
}

static void a_stopped_timer_stays_silent(void **state)
{
	struct timer timer;
	struct timer *fired[4];

	(void)state;
	timer_wheel_init(&wheel, 0);
	timer_init(&timer);
	timer_stop(&wheel, &timer);
	timer_start(&wheel, &timer, 70000);
	timer_stop(&wheel, &timer);
	assert_int_equal(wheel.n_armed, 0);
	assert_int_equal(timer_wheel_next_us(&wheel), UINT64_MAX);
	assert_int_equal(timer_wheel_expire(&wheel, 10000000, fired, 4), 0);
}

static void a_deadline_in_the_past_fires_at_once(void **state)
{
	struct timer timer;
	struct timer *fired[4];

	(void)state;
	timer_wheel_init(&wheel, 1000000);
	timer_init(&timer);
	timer_start(&wheel, &timer, 17);
	assert_true(timer_wheel_next_us(&wheel) <= 1000000);
	assert_int_equal(timer_wheel_expire(&wheel, 1000000, fired, 4), 1);
}

static void at_most_n_at_once_and_the_rest_next(void **state)
{
	struct timer timers[10];
	struct timer *fired[10];

	(void)state;
	timer_wheel_init(&wheel, 0);
	for (int i = 0; i < 10; i++) {
		timer_init(&timers[i]);
		timer_start(&wheel, &timers[i], 640);
	}
	assert_int_equal(timer_wheel_expire(&wheel, 1000, fired, 4), 4);
	assert_int_equal(timer_wheel_expire(&wheel, 1000, fired, 4), 4);
	timer_stop(&wheel, &timers[8]);
	assert_int_equal(timer_wheel_expire(&wheel, 1000, fired, 4), 1);
	assert_ptr_equal(fired[0], &timers[9]);
}

static void deadlines_beyond_the_wheel_wait(void **state)
{
	const uint64_t far_us = UINT64_C(200) * 3600 * 1000000; // 200 hours, more than four levels span
	struct timer timer;
	struct timer never;
	struct timer *fired[4];

	(void)state;
	timer_wheel_init(&wheel, 12345);
	timer_init(&timer);
	timer_init(&never);
	timer_start(&wheel, &timer, far_us);
	timer_start(&wheel, &never, UINT64_MAX);
	assert_int_equal(timer_wheel_expire(&wheel, far_us - 1, fired, 4), 0);
	assert_int_equal(timer_wheel_expire(&wheel, far_us + TICK_US, fired, 4), 1);
	assert_ptr_equal(fired[0], &timer);
	assert_true(timer_armed(&never));
}

static uint64_t random_deadline(uint64_t now_us)
{
	unsigned shift = (unsigned)(random_next() % 40);

	return now_us + random_next() % (UINT64_C(1) << shift) + random_next() % 3;
}

// Against the obvious model: an array of deadlines. Random starts, moves, stops and steps of time, from a
// tick to days.
static void random_use_agrees_with_an_array(void **state)
{
	static struct timer timers[N_TIMERS];
	static struct timer *fired[N_TIMERS];
	static bool armed[N_TIMERS];
	uint64_t now_us = 77777;

	(void)state;
	random_state = 1;
	timer_wheel_init(&wheel, now_us);
	for (int i = 0; i < N_TIMERS; i++)
		timer_init(&timers[i]);
	memset(armed, 0, sizeof armed);
	for (int round = 0; round < 20000; round++) {
		uint32_t n;

		for (int k = 0; k < 5; k++) {
			size_t i = random_next() % N_TIMERS;

			armed[i] = random_next() % 4 != 0;
			if (armed[i])
				timer_start(&wheel, &timers[i], random_deadline(now_us));
			else
				timer_stop(&wheel, &timers[i]);
		}
		now_us += random_next() % (UINT64_C(1) << (random_next() % 34));
		n = timer_wheel_expire(&wheel, now_us, fired, N_TIMERS);
		for (uint32_t k = 0; k < n; k++) {
			size_t i = (size_t)(fired[k] - timers);

			assert_true(armed[i] && timers[i].deadline_us <= now_us);
			armed[i] = false;
		}
		for (int i = 0; i < N_TIMERS; i++) {
			assert_int_equal(timer_armed(&timers[i]), armed[i]);
			assert_true(!armed[i] || timers[i].deadline_us + TICK_US > now_us);
		}
	}
}

// A worker that sleeps until timer_wheel_next_us must never oversleep and must get there in few wakes.
static void next_is_never_late(void **state)
{
	struct timer timer;
	struct timer *fired[1];

	(void)state;
	random_state = 2;
	for (int round = 0; round < 3000; round++) {
		uint64_t now_us = random_next() % 1000000000;
		uint64_t deadline_us = now_us + random_next() % (UINT64_C(1) << (random_next() % 38));
		int n_wakes = 0;

		timer_wheel_init(&wheel, now_us);
		timer_init(&timer);
		timer_start(&wheel, &timer, deadline_us);
		while (timer_wheel_expire(&wheel, now_us, fired, 1) == 0) {
			uint64_t next_us = timer_wheel_next_us(&wheel);

			assert_true(next_us > now_us && next_us < deadline_us + TICK_US);
			now_us = next_us;
			assert_true(++n_wakes <= 2 * TIMER_LEVELS);
		}
		assert_true(now_us >= deadline_us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_once_and_not_early),
		cmocka_unit_test(a_stopped_timer_stays_silent),
		cmocka_unit_test(a_deadline_in_the_past_fires_at_once),
		cmocka_unit_test(at_most_n_at_once_and_the_rest_next),
		cmocka_unit_test(deadlines_beyond_the_wheel_wait),
		cmocka_unit_test(random_use_agrees_with_an_array),
		cmocka_unit_test(next_is_never_late),
	};

	return cmocka_run_group_tests_name("base/timer_wheel", tests, NULL, NULL);
}
