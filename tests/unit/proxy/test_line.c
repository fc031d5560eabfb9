// SPDX-License-Identifier: Apache-2.0
#include "proxy/first_bytes.h"
#include "proxy/line.h"
#include "proxy/literal.h"
#include "seam/cmocka_all.h"

#include <string.h>

enum {
	CAPACITY = 8
};

static uint8_t buffer[CAPACITY];

static struct line take(struct line_splitter *splitter, const char *text, size_t len)
{
	struct line line = line_next(splitter, span_of(text, len), 20);

	if (line.kind >= LINE_WHOLE && line.kind <= LINE_TAIL)
		line_accept(splitter, &line);
	return line;
}

static void is(struct line line, enum line_kind kind, const char *bytes)
{
	assert_int_equal(line.kind, kind);
	assert_true(span_equal(line.bytes, span_of_string(bytes)));
}

static void lines_in_one_piece(void **state)
{
	struct line_splitter splitter;
	struct line line;

	(void)state;
	line_splitter_init(&splitter, buffer, CAPACITY);
	line = take(&splitter, "ab\r\ncd\r\n", 8);
	is(line, LINE_WHOLE, "ab\r\n");
	assert_int_equal(line.n_taken, 4);
	assert_int_equal(line.n_kept, 0);
	assert_true(line_between(&splitter));
	is(take(&splitter, "abcdef\r\n", 8), LINE_WHOLE, "abcdef\r\n"); // exactly the buffer
}

static void lines_in_bytes(void **state)
{
	static const char text[] = "abcdef\r\n";
	struct line_splitter splitter;

	(void)state;
	line_splitter_init(&splitter, buffer, CAPACITY);
	for (int i = 0; i < 7; i++) {
		struct line line = take(&splitter, text + i, 1);

		assert_int_equal(line.kind, LINE_NONE);
		assert_int_equal(line.n_taken, 1);
		assert_false(line_between(&splitter));
	}
	is(take(&splitter, text + 7, 1), LINE_WHOLE, "abcdef\r\n");
	assert_true(line_between(&splitter));
}

static void a_line_stays_until_it_is_accepted(void **state)
{
	struct line_splitter splitter;
	struct line line;

	(void)state;
	line_splitter_init(&splitter, buffer, CAPACITY);
	assert_int_equal(line_next(&splitter, span_of("a", 1), 20).n_kept, 1);
	line = line_next(&splitter, span_of("b\r\nxyz", 6), 20);
	is(line, LINE_WHOLE, "ab\r\n");
	assert_int_equal(line.n_kept, 3);
	line = line_next(&splitter, span_of("xyz", 3), 20); // those three were consumed
	is(line, LINE_WHOLE, "ab\r\n");
	assert_int_equal(line.n_taken, 0);
	line_accept(&splitter, &line);
	assert_int_equal(line_next(&splitter, span_of("xyz", 3), 20).kind, LINE_NONE);
}

static void long_lines_come_in_pieces(void **state)
{
	struct line_splitter splitter;
	struct line line;

	(void)state;
	line_splitter_init(&splitter, buffer, CAPACITY);
	line = take(&splitter, "0123456789ab\r\nrest", 18);
	is(line, LINE_HEAD, "01234567");
	assert_true(line_open(&splitter));
	is(take(&splitter, "89", 2), LINE_MIDDLE, "89");
	is(take(&splitter, "ab\r", 3), LINE_MIDDLE, "ab\r");
	is(take(&splitter, "\nrest", 5), LINE_TAIL, "\n");
	assert_true(line_between(&splitter));
	// A CR LF across the buffer's end.
	is(take(&splitter, "0123456\r\n", 9), LINE_HEAD, "0123456\r");
	is(take(&splitter, "\n", 1), LINE_TAIL, "\n");
	is(take(&splitter, "0123456\r", 8), LINE_HEAD, "0123456\r");
	assert_int_equal(take(&splitter, "x", 1).kind, LINE_BARE_CR);
}

static void limits(void **state)
{
	struct line_splitter splitter;

	(void)state;
	line_splitter_init(&splitter, buffer, CAPACITY);
	is(take(&splitter, "0123456789", 10), LINE_HEAD, "01234567");
	is(take(&splitter, "8901234567\r\n", 12), LINE_TAIL, "8901234567\r\n"); // 20: the limit
	is(take(&splitter, "0123456789", 10), LINE_HEAD, "01234567");
	assert_int_equal(take(&splitter, "89012345678\r\n", 13).kind, LINE_TOO_LONG);
	line_splitter_init(&splitter, buffer, CAPACITY);
	is(take(&splitter, "0123456789", 10), LINE_HEAD, "01234567");
	for (int i = 0; i < 12; i++)
		assert_int_equal(take(&splitter, "x", 1).kind, LINE_MIDDLE);
	assert_int_equal(take(&splitter, "x", 1).kind, LINE_TOO_LONG);
}

static void what_is_no_line(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		enum line_kind kind;
	} bad[] = {
		{"\n", 1, LINE_BARE_LF},
		{"a\n", 2, LINE_BARE_LF},
		{"a\rb\r\n", 5, LINE_BARE_CR},
		{"\r\r\n", 3, LINE_BARE_CR},
		{"\0\r\n", 3, LINE_NUL},
		{"a\r\0\n", 4, LINE_BARE_CR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct line_splitter splitter;
		enum line_kind kind = LINE_NONE;

		line_splitter_init(&splitter, buffer, CAPACITY);
		assert_int_equal(
			line_next(&splitter, span_of(bad[i].text, bad[i].len), 20).kind, bad[i].kind);
		line_splitter_init(&splitter, buffer, CAPACITY);
		for (size_t at = 0; at < bad[i].len && kind == LINE_NONE; at++)
			kind = line_next(&splitter, span_of(bad[i].text + at, 1), 20).kind;
		assert_int_equal(kind, bad[i].kind);
	}
}

static void literals(void **state)
{
	static const struct {
		const char *text;
		enum literal_end end;
		uint64_t n;
	} cases[] = {
		{"a {12}\r\n", LITERAL_SYNC, 12},
		{"a {0+}\r\n", LITERAL_NON_SYNC, 0},
		{"a {3-}\r\n", LITERAL_NON_SYNC, 3},
		{"a {1} {7}\r\n", LITERAL_SYNC, 7},
		{"a {{7}\r\n", LITERAL_SYNC, 7},
		{"a \"\\\"{4}\" {7}\r\n", LITERAL_SYNC, 7},
		{"a \"{4}\"\r\n", LITERAL_NONE, 0},
		{"a {}\r\n", LITERAL_NONE, 0},
		{"a {+}\r\n", LITERAL_NONE, 0},
		{"a {5+\r\n", LITERAL_NONE, 0},
		{"a {5\r\n", LITERAL_NONE, 0},
		{"a {5++}\r\n", LITERAL_NONE, 0},
		{"a {5 }\r\n", LITERAL_NONE, 0},
		{"a {5} \r\n", LITERAL_NONE, 0},
		{"a {-5}\r\n", LITERAL_NONE, 0},
		{"a \"{5}\r\n", LITERAL_BROKEN, 0},
		{"a {99999999999999999999999}\r\n", LITERAL_BROKEN, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct literal_scan scan;

		literal_begin(&scan);
		for (size_t at = 0; at < strlen(cases[i].text); at++)
			literal_feed(&scan, span_of(cases[i].text + at, 1));
		assert_int_equal(literal_end(&scan), cases[i].end);
		if (cases[i].end == LITERAL_SYNC || cases[i].end == LITERAL_NON_SYNC)
			assert_true(scan.n == cases[i].n);
	}
}

static void first_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum first_bytes kind;
	} cases[] = {
		{"", 0, FIRST_BYTES_SHORT},
		{"\x16", 1, FIRST_BYTES_TLS},
		{"\x16\x03\x01\x02\x00", 5, FIRST_BYTES_TLS},
		{"\x16\x02", 2, FIRST_BYTES_UNKNOWN},
		{"\x80\x2e\x01\x03\x01", 5, FIRST_BYTES_TLS},
		{"\x80\x2e\x02\x03", 4, FIRST_BYTES_UNKNOWN},
		{"GET / HTTP/1.1\r\n", 16, FIRST_BYTES_HTTP},
		{"get ", 4, FIRST_BYTES_HTTP},
		{"GE", 2, FIRST_BYTES_SHORT},
		{"GETTY", 5, FIRST_BYTES_UNKNOWN},
		{"PRI * HTTP/2.0\r\n", 16, FIRST_BYTES_HTTP},
		{"EHLO x", 6, FIRST_BYTES_SMTP},
		{"EHLOX", 5, FIRST_BYTES_UNKNOWN},
		{"a001 CAPABILITY", 15, FIRST_BYTES_OTHER_MAIL},
		{"PROXY TCP4", 10, FIRST_BYTES_PROXY},
		{"\r\n\r\n\0\r\nQUIT\n", 12, FIRST_BYTES_PROXY},
		{"\xff", 1, FIRST_BYTES_UNKNOWN},
		{"\0\0\0", 3, FIRST_BYTES_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(first_bytes_kind(span_of(cases[i].bytes, cases[i].len)), cases[i].kind);
	assert_string_equal(first_bytes_name(FIRST_BYTES_HTTP), "HTTP");
	assert_string_equal(first_bytes_name((enum first_bytes)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_in_one_piece),
		cmocka_unit_test(lines_in_bytes),
		cmocka_unit_test(a_line_stays_until_it_is_accepted),
		cmocka_unit_test(long_lines_come_in_pieces),
		cmocka_unit_test(limits),
		cmocka_unit_test(what_is_no_line),
		cmocka_unit_test(literals),
		cmocka_unit_test(first_bytes),
	};

	return cmocka_run_group_tests_name("proxy/line", tests, NULL, NULL);
}
