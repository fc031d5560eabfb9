// SPDX-License-Identifier: Apache-2.0
#include "base/reader.h"
#include "seam/cmocka_all.h"

static const uint8_t numbers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

static void integers_are_big_endian(void **state)
{
	struct reader reader = reader_over(span_of(numbers, sizeof numbers));

	(void)state;
	assert_int_equal(reader_u8(&reader), 0x01);
	assert_int_equal(reader_u16(&reader), 0x0203);
	assert_int_equal(reader_u24(&reader), 0x040506);
	assert_int_equal(reader_u32(&reader), 0x0708090a);
	assert_true(reader_u64(&reader) == UINT64_C(0x0b0c0d0e0f101112));
	assert_true(reader_done(&reader));
}

static void failure_is_sticky_and_consumes_all(void **state)
{
	struct reader reader = reader_over(span_of(numbers, 3));

	(void)state;
	assert_int_equal(reader_u32(&reader), 0);
	assert_false(reader_ok(&reader));
	assert_int_equal(reader_left(&reader), 0);
	assert_int_equal(reader_u8(&reader), 0);
	assert_int_equal(reader_bytes(&reader, 0).len, 0);
	assert_false(reader_done(&reader));
}

static void left_over_bytes_are_not_done(void **state)
{
	struct reader reader = reader_over(span_of(numbers, 3));

	(void)state;
	assert_int_equal(reader_u16(&reader), 0x0102);
	assert_true(reader_ok(&reader));
	assert_false(reader_done(&reader));
}

static void vectors_of_each_size(void **state)
{
	const uint8_t bytes[] = {2, 'a', 'b', 0, 1, 'c', 0, 0, 3, 'd', 'e', 'f'};
	struct reader reader = reader_over(span_of(bytes, sizeof bytes));

	(void)state;
	assert_true(span_equal(reader_vector8(&reader), span_of_string("ab")));
	assert_true(span_equal(reader_vector16(&reader), span_of_string("c")));
	assert_true(span_equal(reader_vector24(&reader), span_of_string("def")));
	assert_true(reader_done(&reader));
}

static void a_lying_length_fails_the_parent(void **state)
{
	const uint8_t bytes[] = {3, 'a', 'b'};
	struct reader reader = reader_over(span_of(bytes, sizeof bytes));
	struct reader sub = reader_sub8(&reader);

	(void)state;
	assert_false(reader_ok(&reader));
	assert_false(reader_ok(&sub));
	assert_int_equal(reader_left(&sub), 0);
}

static void a_failed_sub_reader_leaves_its_parent(void **state)
{
	const uint8_t bytes[] = {0, 1, 'a', 'z'};
	struct reader reader = reader_over(span_of(bytes, sizeof bytes));
	struct reader sub = reader_sub16(&reader);

	(void)state;
	(void)reader_u32(&sub);
	assert_false(reader_ok(&sub));
	assert_int_equal(reader_u8(&reader), 'z');
	assert_true(reader_done(&reader));
}

static void huge_lengths_do_not_wrap(void **state)
{
	struct reader reader = reader_over(span_of(numbers, 4));
	struct reader other = reader;
	uint8_t copy[8] = {9, 9, 9, 9, 9, 9, 9, 9};

	(void)state;
	reader_skip(&reader, SIZE_MAX);
	assert_false(reader_ok(&reader));
	reader_copy(&other, copy, sizeof copy);
	assert_false(reader_ok(&other));
	for (int i = 0; i < 8; i++)
		assert_int_equal(copy[i], 0);
}

static void nothing_can_be_read_from_nothing(void **state)
{
	struct reader reader = reader_over(span_of(NULL, 0));

	(void)state;
	assert_true(reader_done(&reader));
	assert_int_equal(reader_rest(&reader).len, 0);
	assert_true(reader_done(&reader));
	assert_int_equal(reader_u8(&reader), 0);
	assert_false(reader_ok(&reader));
}

static void a_parser_can_fail_the_reader(void **state)
{
	struct reader reader = reader_over(span_of(numbers, 4));

	(void)state;
	reader_fail(&reader);
	assert_false(reader_ok(&reader));
	assert_int_equal(reader_left(&reader), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(failure_is_sticky_and_consumes_all),
		cmocka_unit_test(left_over_bytes_are_not_done),
		cmocka_unit_test(vectors_of_each_size),
		cmocka_unit_test(a_lying_length_fails_the_parent),
		cmocka_unit_test(a_failed_sub_reader_leaves_its_parent),
		cmocka_unit_test(huge_lengths_do_not_wrap),
		cmocka_unit_test(nothing_can_be_read_from_nothing),
		cmocka_unit_test(a_parser_can_fail_the_reader),
	};

	return cmocka_run_group_tests_name("base/reader", tests, NULL, NULL);
}
