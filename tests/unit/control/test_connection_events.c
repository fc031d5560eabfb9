// SPDX-License-Identifier: Apache-2.0
//
// Events of connections as lines.
#include "an_event.h"
#include "seam/cmocka_all.h"

static struct text line;

static const char *formatted(void)
{
	assert_true(writer_ok(&writer));
	event.details_len = (uint32_t)writer_span(&writer).len;
	text_clear(&line);
	event_format(&event, &line);
	return strchr(text_string(&line), ':') == NULL ? "" : strstr(text_string(&line), ": ") + 2;
}

static void session(uint8_t flags, const char *hello)
{
	begin(LOG_EVENT_TLS_SESSION);
	peer();
	writer_u8(&writer, flags);
	writer_u16(&writer, 0x0304);
	writer_u16(&writer, 0x1302);
	writer_u16(&writer, 0x001d);
	writer_u16(&writer, 0x0403);
	writer_u16(&writer, 0);
	writer_u32(&writer, 3);
	writer_u32(&writer, 4711);
	word("mx.example");
	word("");
	word("");
	word(hello);
}

static void sessions_look_like_postfix(void **state)
{
	(void)state;
	session(8, "client.example");
	assert_string_equal(formatted(),
		"mx/smtp: Anonymous TLS connection established from unknown[192.0.2.7]: TLSv1.3 with cipher "
		"TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (P-256) "
		"server-digest SHA256 to SNI mx.example, STARTTLS, HELO client.example, 0.004 s");
	session(4 | 1, "");
	assert_string_equal(formatted(),
		"mx/smtp: Trusted TLS connection reused from unknown[192.0.2.7]: TLSv1.3 with cipher "
		"TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (P-256) "
		"server-digest SHA256 to SNI mx.example, 0.004 s");
}

// What a client sent can't make a second line, end this one, or hide in it.
static void names_are_cleaned(void **state)
{
	const char *text;

	(void)state;
	session(0, "a\nb\x1b[2J");
	text = formatted();
	assert_null(strchr(text, '\n'));
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "HELO a\\x0ab\\x1b[2J"));
	begin(LOG_EVENT_TLS_SESSION);
	session(0, "");
	event.details[0] = 2;
	event.details[1] = 0; // the listener's name: a zero inside
	assert_non_null(strstr(formatted(), "\\x01x/smtp"));
}

static void failure(uint8_t flags)
{
	begin(LOG_EVENT_TLS_FAILURE);
	peer();
	writer_u8(&writer, flags);
	writer_u8(&writer, 70);
	writer_u16(&writer, 0);
	writer_u32(&writer, 1500000);
	word("protocol_version");
	word("wait_client_hello");
	writer_u8(&writer, 1);
	word("");
	word("old.example");
	writer_u8(&writer, 4);
	writer_u16(&writer, 0x0301);
	writer_u16(&writer, 0x0302);
	writer_u8(&writer, 2);
	writer_u16(&writer, 0x002f);
	writer_u8(&writer, 0);
	writer_u8(&writer, 0);
}

static void failures_say_why(void **state)
{
	(void)state;
	failure(8 | 1);
	assert_string_equal(formatted(), "mx: TLS handshake failed from unknown[192.0.2.7]: protocol_version "
					 "(alert 70 sent), protocol smtp, "
					 "versions offered TLSv1:TLSv1.1, ciphers offered 0x002f, STARTTLS, "
					 "HELO old.example, in state "
					 "wait_client_hello, 1.500 s");
	failure(2);
	assert_non_null(strstr(formatted(), "(alert 70 received)"));
	failure(0);
	assert_null(strstr(formatted(), "alert"));
}

static void end(void)
{
	begin(LOG_EVENT_CONNECTION_END);
	peer();
	word("preambles_closed");
	word("injection");
	word("postfix");
	endpoint(25, 2525);
	writer_u64(&writer, 63);
	writer_u64(&writer, 1u << 31);
	writer_u64(&writer, 61002003);
	writer_u8(&writer, 2);
	word("");
}

static void ends_refusals_and_servers_are_told(void **state)
{
	(void)state;
	end();
	assert_string_equal(formatted(),
		"mx/smtp: connection from 192.0.2.7:50222 ended: preambles_closed, injection, backend "
		"postfix "
		"192.0.2.25:2525 (attempt 2), 63 bytes in, 2147483648 out, 61.002 s");
	begin(LOG_EVENT_CONNECTION_REFUSED);
	peer();
	word("admission_source_rate");
	writer_u32(&writer, 900);
	assert_string_equal(formatted(),
		"mx/smtp: 900 connections refused: admission_source_rate, the last from 192.0.2.7:50222");
	begin(LOG_EVENT_SERVER_STATE);
	word("postfix");
	endpoint(25, 2525);
	word("down");
	word("check");
	assert_string_equal(formatted(), "backend postfix server 192.0.2.25:2525: down, as seen by a check");
}

// Details that are too short or too long are shown as they are.
static void no_prefix_is_taken(const char *word_of_the_line)
{
	size_t whole = writer_span(&writer).len;

	for (size_t len = 0; len < whole; len++) {
		event.details_len = (uint32_t)len;
		text_clear(&line);
		event_format(&event, &line);
		assert_null(strstr(text_string(&line), word_of_the_line));
	}
	writer_u8(&writer, 0);
	assert_null(strstr(formatted(), word_of_the_line));
}

static void broken_details_are_shown_in_hex(void **state)
{
	(void)state;
	session(1, "x");
	no_prefix_is_taken("mx/smtp");
	failure(1);
	no_prefix_is_taken("failed from");
	end();
	no_prefix_is_taken("mx/smtp");
	text_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_look_like_postfix),
		cmocka_unit_test(names_are_cleaned),
		cmocka_unit_test(failures_say_why),
		cmocka_unit_test(ends_refusals_and_servers_are_told),
		cmocka_unit_test(broken_details_are_shown_in_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
