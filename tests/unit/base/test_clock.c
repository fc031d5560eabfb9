// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "seam/cmocka_all.h"

static int setup(void **state)
{
	(void)state;
	clock_init();
	return 0;
}

// Bounds are wide: the machine may stop for as long as it likes, but time neither goes back nor runs at
// another rate.
static void microseconds_and_ticks_agree(void **state)
{
	uint64_t us0 = clock_now_us();
	uint64_t tsc0 = clock_tsc();
	uint64_t us1;
	uint64_t tsc_us;

	(void)state;
	do {
		us1 = clock_now_us();
		assert_true(us1 >= us0);
	} while (us1 - us0 < 3000);
	tsc_us = (clock_tsc() - tsc0) / (clock_tsc_hz() / 1000000);
	assert_true(tsc_us + 5 >= us1 - us0);
}

static void ticks_have_a_plausible_rate(void **state)
{
	(void)state;
	assert_in_range(clock_tsc_hz(), 500000000u, 10000000000u);
}

static void the_civil_clock_is_this_century(void **state)
{
	(void)state;
	assert_true(clock_wall_us() > UINT64_C(1700000000000000));
	assert_true(clock_boot_us() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(microseconds_and_ticks_agree),
		cmocka_unit_test(ticks_have_a_plausible_rate),
		cmocka_unit_test(the_civil_clock_is_this_century),
	};

	return cmocka_run_group_tests_name("base/clock", tests, setup, NULL);
}
