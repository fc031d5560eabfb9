// SPDX-License-Identifier: Apache-2.0
#include "base/writer.h"
#include "seam/cmocka_all.h"

static uint8_t buffer[70000];

static struct writer writer_of(size_t capacity)
{
	memset(buffer, 0xee, sizeof buffer);
	return writer_over((struct mut_span){.data = buffer, .len = capacity});
}

static void integers_are_big_endian(void **state)
{
	static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
	struct writer writer = writer_of(sizeof expected);

	(void)state;
	writer_u8(&writer, 0x01);
	writer_u16(&writer, 0x0203);
	writer_u24(&writer, 0x040506);
	writer_u32(&writer, 0x0708090a);
	writer_u64(&writer, UINT64_C(0x0b0c0d0e0f101112));
	assert_true(writer_ok(&writer));
	assert_true(span_equal(writer_span(&writer), span_of(expected, sizeof expected)));
}

static void what_does_not_fit_fails_and_writes_nothing(void **state)
{
	struct writer writer = writer_of(3);

	(void)state;
	writer_u32(&writer, 0x01020304);
	assert_false(writer_ok(&writer));
	assert_int_equal(buffer[0], 0xee);
	writer_u8(&writer, 1);
	assert_int_equal(buffer[0], 0xee);
	assert_int_equal(writer_span(&writer).len, 0);
	assert_null(writer_reserve(&writer, 0));
}

static void huge_reservations_do_not_wrap(void **state)
{
	struct writer writer = writer_of(8);

	(void)state;
	writer_u8(&writer, 1);
	assert_null(writer_reserve(&writer, SIZE_MAX));
	assert_false(writer_ok(&writer));
}

static void blocks_nest_and_lengths_are_patched(void **state)
{
	static const uint8_t expected[] = {0, 0, 9, 0, 4, 'a', 2, 'b', 'c', 1, 'd', 'e'};
	struct writer writer = writer_of(100);
	struct writer_mark outer = writer_open24(&writer);
	struct writer_mark inner = writer_open16(&writer);
	struct writer_mark innermost;

	(void)state;
	writer_u8(&writer, 'a');
	innermost = writer_open8(&writer);
	writer_bytes(&writer, span_of_string("bc"));
	writer_close(&writer, innermost);
	writer_close(&writer, inner);
	innermost = writer_open8(&writer);
	writer_u8(&writer, 'd');
	writer_close(&writer, innermost);
	writer_u8(&writer, 'e');
	writer_close(&writer, outer);
	assert_true(span_equal(writer_span(&writer), span_of(expected, sizeof expected)));
}

static void a_body_too_long_for_its_length_fails(void **state)
{
	struct writer writer = writer_of(sizeof buffer);
	struct writer_mark mark = writer_open8(&writer);

	(void)state;
	assert_non_null(writer_reserve(&writer, 255));
	writer_close(&writer, mark);
	assert_true(writer_ok(&writer));
	mark = writer_open8(&writer);
	assert_non_null(writer_reserve(&writer, 256));
	writer_close(&writer, mark);
	assert_false(writer_ok(&writer));

	writer = writer_of(sizeof buffer);
	mark = writer_open16(&writer);
	assert_non_null(writer_reserve(&writer, 65536));
	writer_close(&writer, mark);
	assert_false(writer_ok(&writer));
}

static void a_number_too_large_for_24_bits_fails(void **state)
{
	struct writer writer = writer_of(8);

	(void)state;
	writer_u24(&writer, 0x01000000);
	assert_false(writer_ok(&writer));
}

static void closing_in_a_failed_writer_is_harmless(void **state)
{
	struct writer writer = writer_of(2);
	struct writer_mark mark = writer_open24(&writer);

	(void)state;
	writer_close(&writer, mark);
	assert_false(writer_ok(&writer));
	assert_int_equal(buffer[0], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(what_does_not_fit_fails_and_writes_nothing),
		cmocka_unit_test(huge_reservations_do_not_wrap),
		cmocka_unit_test(blocks_nest_and_lengths_are_patched),
		cmocka_unit_test(a_body_too_long_for_its_length_fails),
		cmocka_unit_test(a_number_too_large_for_24_bits_fails),
		cmocka_unit_test(closing_in_a_failed_writer_is_harmless),
	};

	return cmocka_run_group_tests_name("base/writer", tests, NULL, NULL);
}
