// SPDX-License-Identifier: Apache-2.0
//
// What the dataplane says happened, from a dataplane that is broken or in another's hands: every cut, every
// length that is too much, bytes of all kinds; and what is made of whole events for programs (JSON).
#include "event_reader.h"

#include "an_event.h"
#include "log.h"
#include "seam/cmocka_all.h"

#include <jansson.h>
#include <stdlib.h>

static void end(void)
{
	assert_true(writer_ok(&writer));
	event.details_len = (uint32_t)writer_span(&writer).len;
}

static void numbers(size_t n)
{
	writer_u8(&writer, (uint8_t)(2 * n));
	for (size_t i = 0; i < n; i++)
		writer_u16(&writer, (uint16_t)(0x1301 + i));
}

static void session(void)
{
	begin(LOG_EVENT_TLS_SESSION);
	peer();
	writer_u8(&writer, 1 | 4 | 8);
	writer_u16(&writer, 0x0304);
	writer_u16(&writer, 0x1301);
	writer_u16(&writer, 0x001d);
	writer_u16(&writer, 0x0403);
	writer_u16(&writer, 0);
	writer_u32(&writer, 9);
	writer_u32(&writer, 1234);
	word("mail.example.org");
	word("h2");
	word("someone");
	word("client.example.net");
	end();
}

static void failure(size_t n_listed)
{
	begin(LOG_EVENT_TLS_FAILURE);
	peer();
	writer_u8(&writer, 1);
	writer_u8(&writer, 40);
	writer_u16(&writer, 0);
	writer_u32(&writer, 77);
	word("no_shared_cipher");
	word("wait-hello");
	writer_u8(&writer, 1);
	word("mail.example.org");
	word("");
	numbers(2);
	numbers(n_listed);
	numbers(1);
	numbers(3);
	end();
}

static void connection_end(void)
{
	begin(LOG_EVENT_CONNECTION_END);
	peer();
	word("client_closed");
	word("");
	word("postfix");
	endpoint(20, 25);
	writer_u32(&writer, 0);
	writer_u32(&writer, 100);
	writer_u32(&writer, 1);
	writer_u32(&writer, 0);
	writer_u32(&writer, 0);
	writer_u32(&writer, 5000000);
	writer_u8(&writer, 2);
	word("mail.example.org");
	end();
}

static void refused(void)
{
	begin(LOG_EVENT_CONNECTION_REFUSED);
	peer();
	word("limit");
	writer_u32(&writer, 17);
	end();
}

static void server_state(void)
{
	begin(LOG_EVENT_SERVER_STATE);
	word("postfix");
	endpoint(20, 25);
	word("down");
	word("check");
	end();
}

static bool is_read(void)
{
	struct connection_event connection;
	struct tls_event tls;

	return event_read_tls(&event, &tls) || event_read_connection(&event, &connection);
}

static void make(unsigned which)
{
	switch (which) {
	case 0:
		session();
		return;
	case 1:
		failure(4);
		return;
	case 2:
		connection_end();
		return;
	case 3:
		refused();
		return;
	default:
		server_state();
		return;
	}
}

enum {
	N_MADE = 5
};

static void test_whole_or_not_at_all(void **state)
{
	(void)state;
	for (unsigned which = 0; which < N_MADE; which++) {
		uint32_t whole;

		make(which);
		assert_true(is_read());
		whole = event.details_len;
		for (uint32_t len = 0; len < whole; len++) {
			event.details_len = len;
			assert_false(is_read());
		}
		event.details_len = whole + 1;
		assert_false(is_read());
	}
	begin(LOG_EVENT_LINK_STATE);
	assert_false(is_read());
	session();
	event.kind = N_LOG_EVENTS;
	assert_false(is_read());
	event.kind = UINT16_MAX;
	assert_false(is_read());
}

static void test_texts(void **state)
{
	char longest[EVENT_TEXT_MAX];
	struct tls_event tls;

	(void)state;
	// The longest that there can be, and a zero inside one.
	memset(longest, 'x', sizeof longest);
	longest[EVENT_TEXT_MAX - 1] = '\0';
	begin(LOG_EVENT_SERVER_STATE);
	word(longest);
	endpoint(1, 1);
	writer_u8(&writer, 3);
	writer_bytes(&writer, span_of("a\0b", 3));
	word("");
	end();
	{
		struct connection_event connection;

		assert_true(event_read_connection(&event, &connection));
		assert_string_equal(connection.backend, longest);
		assert_string_equal(connection.state, "a\x01"
						      "b");
		assert_string_equal(connection.by, "");
	}
	session();
	assert_true(event_read_tls(&event, &tls));
	assert_string_equal(tls.server_name, "mail.example.org");
	assert_string_equal(tls.hello, "client.example.net");
	assert_true(tls.starttls && tls.failure.facts.resumed);
	assert_int_equal(tls.failure.facts.trust, TLS_TRUST_TRUSTED);
}

static void test_lists(void **state)
{
	struct tls_event tls;

	(void)state;
	for (size_t n = 0; n <= 127; n++) {
		failure(n);
		assert_true(event_read_tls(&event, &tls));
		assert_int_equal(tls.failure.n_suites, n < TLS_OFFERED_MAX ? n : TLS_OFFERED_MAX);
		assert_int_equal(tls.failure.n_versions, 2);
		assert_int_equal(tls.failure.n_groups, 1);
		assert_int_equal(tls.failure.groups[0], 0x1301);
	}
	// Half a number.
	failure(0);
	event.details[event.details_len - 7] = 5;
	assert_false(event_read_tls(&event, &tls));
}

// Whatever the bytes are, lines are printable and JSON is valid.
static json_t *logged;

static void take_line(void *context, enum log_level level, const char *line, size_t len)
{
	json_error_t fault;

	(void)context;
	(void)level;
	json_decref(logged);
	logged = json_loadb(line, len, JSON_REJECT_DUPLICATES, &fault);
	if (logged == NULL)
		fail_msg("%s: %s", fault.text, line);
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)line[i] >= 0x20);
}

static void init_log(struct log *log)
{
	memset(log, 0, sizeof *log);
	log_init(log, LOG_FORMAT_JSON, LOG_TARGET_STDERR, LOG_LEVEL_DEBUG, 1000000);
	log->sink = take_line;
}

static void test_any_bytes(void **state)
{
	struct events *events = calloc(1, sizeof *events);
	struct log log;

	(void)state;
	init_log(&log);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		make((unsigned)i % N_MADE);
		for (int changes = rand() % 8; changes >= 0; changes--)
			event.details[(size_t)rand() % event.details_len] = (uint8_t)rand();
		if (i % 7 == 0)
			event.details_len = (uint32_t)rand() % (LOG_EVENT_DETAILS_MAX + 1);
		event.kind = (uint16_t)(i % 11 == 0 ? rand() : event.kind);
		event.wall_us = i % 5 == 0 ? UINT64_MAX : (uint64_t)rand();
		event_log(&event, &log);
		for (const char *c = events_add(events, &event); *c != '\0'; c++)
			assert_in_range(*c, 0x20, 0x7e);
	}
	assert_int_equal(log.n_lost, 0);
	events_free(events);
	free(events);
}

static const char *text_of(const char *name)
{
	const char *value = json_string_value(json_object_get(logged, name));

	if (value == NULL)
		fail_msg("no text '%s'", name);
	return value;
}

static json_int_t number_of(const char *name)
{
	const json_t *value = json_object_get(logged, name);

	if (!json_is_integer(value))
		fail_msg("no number '%s'", name);
	return json_integer_value(value);
}

static void assert_peer(const char *name)
{
	assert_string_equal(text_of("event"), name);
	assert_string_equal(text_of("listener"), "mx");
	assert_string_equal(text_of("protocol"), "smtp");
	assert_string_equal(text_of("client"), "192.0.2.7");
	assert_int_equal(number_of("client_port"), 50222);
	assert_int_equal(number_of("worker"), 3);
	assert_true(strlen(text_of("time")) == 20 && strlen(text_of("message")) > 10);
}

static void test_json_of_handshakes(void **state)
{
	struct log log;

	(void)state;
	init_log(&log);
	session();
	event_log(&event, &log);
	assert_peer("tls_session");
	assert_string_equal(text_of("level"), "info");
	assert_string_equal(text_of("reason"), "tls");
	assert_string_equal(text_of("version"), "TLSv1.3");
	assert_string_equal(text_of("cipher"), "TLS_AES_128_GCM_SHA256");
	assert_string_equal(text_of("group"), "X25519");
	assert_string_equal(text_of("sni"), "mail.example.org");
	assert_string_equal(text_of("alpn"), "h2");
	assert_string_equal(text_of("client_cn"), "someone");
	assert_string_equal(text_of("hello"), "client.example.net");
	assert_int_equal(number_of("handshake_us"), 1234);
	assert_int_equal(number_of("resumed"), 1);
	assert_int_equal(number_of("starttls"), 1);
	failure(2);
	event_log(&event, &log);
	assert_peer("tls_failure");
	assert_string_equal(text_of("level"), "notice");
	assert_string_equal(text_of("reason"), "tls-no_shared_cipher");
	assert_string_equal(text_of("cause"), "no_shared_cipher");
	assert_string_equal(text_of("state"), "wait-hello");
	assert_string_equal(text_of("alert"), "40");
	assert_string_equal(text_of("alert_by"), "sluice");
	assert_string_equal(text_of("ciphers_offered"), "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
	assert_string_equal(text_of("versions_offered"), "0x1301:0x1302");
	assert_string_equal(text_of("groups_offered"), "0x1301");
	assert_int_equal(number_of("handshake_us"), 77);
	assert_null(json_object_get(logged, "version")); // none was agreed on
	assert_null(json_object_get(logged, "hello"));
}

static void test_json_of_connections(void **state)
{
	struct log log;

	(void)state;
	init_log(&log);
	connection_end();
	event_log(&event, &log);
	assert_peer("connection_end");
	assert_string_equal(text_of("reason"), "connection_end");
	assert_string_equal(text_of("cause"), "client_closed");
	assert_string_equal(text_of("backend"), "postfix");
	assert_string_equal(text_of("server"), "192.0.2.20:25");
	assert_string_equal(text_of("sni"), "mail.example.org");
	assert_int_equal(number_of("attempts"), 2);
	assert_int_equal(number_of("bytes_in"), 100);
	assert_int_equal(number_of("bytes_out"), INT64_C(1) << 32);
	assert_int_equal(number_of("duration_us"), 5000000);
	refused();
	event_log(&event, &log);
	assert_peer("connection_refused");
	assert_string_equal(text_of("cause"), "limit");
	assert_int_equal(number_of("connections"), 17);
	server_state();
	event_log(&event, &log);
	assert_string_equal(text_of("event"), "server_state");
	assert_string_equal(text_of("backend"), "postfix");
	assert_string_equal(text_of("server"), "192.0.2.20:25");
	assert_string_equal(text_of("state"), "down");
	assert_string_equal(text_of("by"), "check");
	assert_null(json_object_get(logged, "client"));
	json_decref(logged);
	logged = NULL;
}

// The ring of lines: the latest are kept, in order, past its end too.
static void test_kept_lines(void **state)
{
	struct events *events = calloc(1, sizeof *events);

	(void)state;
	assert_null(events_at(events, 0));
	for (unsigned n = 1; n <= 2 * EVENTS_KEPT + 3; n++) {
		const size_t n_kept = n < EVENTS_KEPT ? n : EVENTS_KEPT;
		char word_of[32];

		refused();
		event.worker_idx = (uint16_t)n;
		(void)events_add(events, &event);
		(void)snprintf(word_of, sizeof word_of, " worker %u ", n);
		assert_non_null(strstr(events_at(events, n_kept - 1), word_of));
		(void)snprintf(word_of, sizeof word_of, " worker %u ", n - (unsigned)n_kept + 1);
		assert_non_null(strstr(events_at(events, 0), word_of));
		assert_null(events_at(events, n_kept));
	}
	events_free(events);
	free(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_or_not_at_all),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_json_of_handshakes),
		cmocka_unit_test(test_json_of_connections),
		cmocka_unit_test(test_kept_lines),
	};

	return cmocka_run_group_tests_name("control/event_reader", tests, NULL, NULL);
}
