// SPDX-License-Identifier: Apache-2.0
#include "base/wipe.h"
#include "seam/cmocka_all.h"

#include <string.h>

static void wipe_zeroes_exactly_what_it_is_given(void **state)
{
	uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	wipe(bytes + 2, 3);
	assert_memory_equal(bytes, ((uint8_t[]){1, 2, 0, 0, 0, 6, 7, 8}), 8);
	wipe(NULL, 0);
}

static void equality_sees_every_byte_and_bit(void **state)
{
	uint8_t a[33];
	uint8_t b[33];

	(void)state;
	memset(a, 0xa5, sizeof a);
	memcpy(b, a, sizeof b);
	assert_true(constant_time_equal(a, b, sizeof a));
	for (size_t i = 0; i < sizeof b; i++)
		for (int bit = 0; bit < 8; bit++) {
			b[i] ^= (uint8_t)(1 << bit);
			assert_false(constant_time_equal(a, b, sizeof a));
			assert_true(constant_time_equal(a, b, i));
			b[i] ^= (uint8_t)(1 << bit);
		}
	assert_true(constant_time_equal(NULL, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wipe_zeroes_exactly_what_it_is_given),
		cmocka_unit_test(equality_sees_every_byte_and_bit),
	};

	return cmocka_run_group_tests_name("base/wipe", tests, NULL, NULL);
}
