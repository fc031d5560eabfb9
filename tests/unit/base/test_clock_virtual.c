// SPDX-License-Identifier: Apache-2.0
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

static void time_stands_until_it_is_moved(void **state)
{
	uint64_t wall;

	(void)state;
	clock_virtual_reset();
	wall = clock_wall_us();
	assert_int_equal(clock_now_us(), 0);
	clock_virtual_advance(250);
	assert_int_equal(clock_now_us(), 250);
	assert_int_equal(clock_tsc(), 250 * (clock_tsc_hz() / 1000000));
	assert_int_equal(clock_wall_us(), wall + 250);
	clock_virtual_set_now(1000);
	assert_int_equal(clock_now_us(), 1000);
}

static void clocks_jump_apart(void **state)
{
	uint64_t wall;

	(void)state;
	clock_virtual_reset();
	wall = clock_wall_us();
	clock_virtual_jump_wall(-500);
	assert_int_equal(clock_wall_us(), wall - 500);
	assert_int_equal(clock_boot_us(), 0);
	clock_virtual_jump_boot(700);
	assert_int_equal(clock_boot_us(), 700);
	assert_int_equal(clock_now_us(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_stands_until_it_is_moved),
		cmocka_unit_test(clocks_jump_apart),
	};

	return cmocka_run_group_tests_name("base/clock_virtual", tests, NULL, NULL);
}
