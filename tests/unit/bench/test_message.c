// SPDX-License-Identifier: Apache-2.0
#include "load/message.h"
#include "load/pattern.h"

#include "seam/cmocka_all.h"

#include <stdio.h>

enum {
	TEXT_MAX = 2048,
	BODY_LEN = 40000
};

// Feeds in pieces of this length; returns how many bytes were taken.
static size_t feed(struct message *message, const void *bytes, size_t len, size_t piece)
{
	const uint8_t *at = bytes;
	size_t taken = 0, n;

	do {
		size_t left = len - taken;

		n = message_feed(message, span_of(at + taken, left < piece ? left : piece));
		taken += n;
	} while (n != 0 && taken < len);
	return taken;
}

static uint8_t answer_of(const char *head, struct message *message)
{
	message_begin(message, false);
	(void)feed(message, head, strlen(head), SIZE_MAX);
	return message->state;
}

static uint8_t request_of(const char *head, struct message *message)
{
	message_begin(message, true);
	(void)feed(message, head, strlen(head), SIZE_MAX);
	return message->state;
}

static void requests_say_what_they_want(void **state)
{
	struct message message;

	(void)state;
	assert_int_equal(request_of("GET /1024 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &message),
		MESSAGE_WHOLE);
	assert_int_equal(message.wanted_len, 1024);
	assert_true(message.close);
	assert_false(message.is_put);
	assert_int_equal(
		request_of("PUT /up7 HTTP/1.1\r\ncontent-LENGTH: 7\r\n\r\n", &message), MESSAGE_BODY);
	assert_true(message.is_put);
	assert_int_equal(message.body_len, 7);
	assert_false(message.close);
	assert_int_equal(request_of("GET / HTTP/1.0\n\n", &message), MESSAGE_WHOLE); // bare LF, RFC 9112 2.2
	assert_int_equal(message.wanted_len, 0);
}

static void broken_requests_are_noticed(void **state)
{
	struct message message;

	(void)state;
	assert_int_equal(request_of("POST /1 HTTP/1.1\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(request_of("\x16\x03\x01\x02\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(request_of("GET 1024 HTTP/1.1\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(request_of("GET /1024\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(request_of("\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(request_of("PUT /a HTTP/1.1\r\nContent-Length: x\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(
		request_of("PUT /a HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n", &message),
		MESSAGE_MALFORMED);
	assert_int_equal(
		request_of("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", &message), MESSAGE_MALFORMED);
}

static void what_breaks_off_is_partial(void **state)
{
	static const char whole[] = "PUT /up HTTP/1.1\r\nContent-Length: 3\r\n\r\n";
	struct message message;

	(void)state;
	message_begin(&message, true);
	assert_false(message_is_partial(&message)); // nothing has come
	for (size_t len = 1; len < sizeof whole; len++) {
		message_begin(&message, true);
		(void)feed(&message, whole, len, SIZE_MAX);
		assert_true(message_is_partial(&message));
	}
	(void)feed(&message, pattern_bytes(), 2, SIZE_MAX);
	assert_true(message_is_partial(&message));
	(void)feed(&message, pattern_bytes() + 2, 1, SIZE_MAX);
	assert_int_equal(message.state, MESSAGE_WHOLE);
	assert_false(message_is_partial(&message));
}

static void broken_answers_are_noticed(void **state)
{
	struct message message;

	(void)state;
	assert_int_equal(answer_of("HTTP/2 200 OK\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(answer_of("HTTP/1.1\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(answer_of("HTTP/1.\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(answer_of("HTTP/1.1 20\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(answer_of("HTTP/1.1 999 no\r\n", &message), MESSAGE_MALFORMED);
	assert_int_equal(answer_of("220 smtp\r\n", &message), MESSAGE_MALFORMED);
}

static void an_interim_answer_is_passed_over(void **state)
{
	struct message message;

	(void)state;
	assert_int_equal(
		answer_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 no\r\nContent-Length: 2\r\n\r\n??",
			&message),
		MESSAGE_WHOLE);
	assert_int_equal(message.status, 404);
}

static size_t make_answer(uint8_t out[TEXT_MAX + BODY_LEN])
{
	int n = snprintf((char *)out, TEXT_MAX,
		"HTTP/1.1 200 OK\r\nServer: a line of more than %d bytes %.*s\r\n"
		"Content-Length: %d\r\n\r\n",
		MESSAGE_LINE_MAX, MESSAGE_LINE_MAX,
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxx",
		BODY_LEN);

	for (uint32_t i = 0; i < BODY_LEN; i++)
		out[n + (int)i] = pattern_bytes()[pattern_offset(i)];
	return (size_t)n + BODY_LEN;
}

static void however_it_is_cut_it_is_the_same(void **state)
{
	static uint8_t bytes[TEXT_MAX + BODY_LEN + 4];
	static const size_t pieces[] = {1, 2, 3, 7, 1448, 16384, SIZE_MAX};
	size_t len = make_answer(bytes);

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct message message;

		message_begin(&message, false);
		// What follows belongs to the next message.
		assert_int_equal(feed(&message, bytes, len + 4, pieces[i]), len);
		assert_int_equal(message.state, MESSAGE_WHOLE);
		assert_int_equal(message.body_seen, BODY_LEN);
	}
}

// Every single byte of the body matters, and so does its place.
static void corruption_is_noticed(void **state)
{
	static uint8_t bytes[TEXT_MAX + BODY_LEN];
	size_t len = make_answer(bytes);
	struct message message;

	(void)state;
	for (size_t at = len - BODY_LEN; at < len; at += 977) {
		message_begin(&message, false);
		bytes[at] ^= 1;
		(void)feed(&message, bytes, len, 1448);
		bytes[at] ^= 1;
		assert_int_equal(message.state, MESSAGE_CORRUPT);
	}
	message_begin(&message, false);
	memmove(bytes + len - BODY_LEN, bytes + len - BODY_LEN + 1448, BODY_LEN - 1448); // a segment lost
	(void)feed(&message, bytes, len, SIZE_MAX);
	assert_int_equal(message.state, MESSAGE_CORRUPT);
}

// No shift below the period looks like the pattern itself.
static void the_pattern_has_no_short_period(void **state)
{
	(void)state;
	for (uint32_t shift = 1; shift < PATTERN_PERIOD; shift++)
		assert_false(pattern_matches(shift, span_of(pattern_bytes(), 16)));
	assert_true(pattern_matches(PATTERN_PERIOD, span_of(pattern_bytes(), PATTERN_LEN)));
	assert_true(pattern_matches(12345, span_of(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_say_what_they_want),
		cmocka_unit_test(broken_requests_are_noticed),
		cmocka_unit_test(what_breaks_off_is_partial),
		cmocka_unit_test(broken_answers_are_noticed),
		cmocka_unit_test(an_interim_answer_is_passed_over),
		cmocka_unit_test(however_it_is_cut_it_is_the_same),
		cmocka_unit_test(corruption_is_noticed),
		cmocka_unit_test(the_pattern_has_no_short_period),
	};

	return cmocka_run_group_tests_name("bench/message", tests, NULL, NULL);
}
