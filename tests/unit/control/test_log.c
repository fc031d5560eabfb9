// SPDX-License-Identifier: Apache-2.0
#include "log.h"
#include "log_tls.h"
#include "seam/cmocka_all.h"
#include "ticket_keys.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static struct text written;
static size_t n_lines;

static void take_line(void *context, enum log_level level, const char *line, size_t len)
{
	(void)context;
	(void)level;
	text_append(&written, line, len);
	text_char(&written, '\n');
	n_lines++;
}

static void fresh(struct log *log, enum log_format format, enum log_level level, uint32_t rate)
{
	memset(log, 0, sizeof *log);
	log_init(log, format, LOG_TARGET_STDERR, level, rate);
	log->sink = take_line;
	text_clear(&written);
	n_lines = 0;
}

static void lines_are_harmless(void **state)
{
	struct log log;

	(void)state;
	fresh(&log, LOG_FORMAT_TEXT, LOG_LEVEL_INFO, 100);
	LOG(&log, LOG_LEVEL_INFO, "test", "a\nb\033[31mc\xff");
	assert_non_null(strstr(text_string(&written), "info: a\\x0ab\\x1b[31mc\\xff\n"));
	LOG(&log, LOG_LEVEL_DEBUG, "test", "not of this level");
	assert_int_equal(n_lines, 1);
	text_free(&written);
}

static void json_lines_are_json(void **state)
{
	const struct log_field fields[] = {
		{.name = "peer", .value = "a\"b\\\xff"}, {.name = "uid", .number = -5}};
	struct log log;
	json_t *line;

	(void)state;
	fresh(&log, LOG_FORMAT_JSON, LOG_LEVEL_INFO, 100);
	log_write(&log, LOG_LEVEL_WARNING, "test", fields, 2, "a \"quoted\" one");
	line = json_loads(text_string(&written), 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "warning");
	assert_string_equal(json_string_value(json_object_get(line, "message")), "a \"quoted\" one");
	assert_string_equal(json_string_value(json_object_get(line, "peer")), "a\"b\\\xef\xbf\xbd");
	assert_int_equal(json_integer_value(json_object_get(line, "uid")), -5);
	json_decref(line);
	text_free(&written);
}

static void each_reason_has_its_own_rate(void **state)
{
	struct log log;

	(void)state;
	fresh(&log, LOG_FORMAT_TEXT, LOG_LEVEL_INFO, 3);
	// The second may change once while this runs: at most twice the rate comes through.
	for (int i = 0; i < 1000; i++)
		LOG(&log, LOG_LEVEL_INFO, "flood", "line %d", i);
	assert_true(n_lines >= 3 && n_lines <= 8);
	assert_true(log.n_suppressed >= 990);
	LOG(&log, LOG_LEVEL_INFO, "other", "still written");
	assert_non_null(strstr(text_string(&written), "still written"));
	text_free(&written);
}

static void many_reasons_share_the_last_place(void **state)
{
	struct log log;
	char name[16];

	(void)state;
	fresh(&log, LOG_FORMAT_TEXT, LOG_LEVEL_INFO, 1);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "r%d", i);
		LOG(&log, LOG_LEVEL_INFO, name, "x");
	}
	assert_true(n_lines >= LOG_REASONS_MAX && n_lines <= LOG_REASONS_MAX + 4);
	text_free(&written);
}

static struct tls_facts some_facts(void)
{
	struct tls_facts facts = {.listener = "mx",
		.protocol = "smtp",
		.peer_name = "mail.example.org",
		.version = 0x0304,
		.suite = 0x1301,
		.group = 0x001d,
		.scheme = 0x0403};

	assert_true(address_parse("192.0.2.7", &facts.peer));
	return facts;
}

static void sessions_are_logged_as_postfix_does(void **state)
{
	struct tls_facts facts = some_facts();

	(void)state;
	text_clear(&written);
	log_tls_session(&written, &facts);
	assert_string_equal(text_string(&written),
		"Anonymous TLS connection established from mail.example.org[192.0.2.7]: TLSv1.3 with cipher "
		"TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange X25519 server-signature ECDSA (P-256) "
		"server-digest SHA256");
	facts = (struct tls_facts){.peer = facts.peer,
		.version = 0x0303,
		.suite = 0x9999,
		.trust = TLS_TRUST_VERIFIED,
		.resumed = true,
		.server_name = "evil\nname"};
	text_clear(&written);
	log_tls_session(&written, &facts);
	assert_string_equal(text_string(&written),
		"Verified TLS connection reused from unknown[192.0.2.7]: TLSv1.2 with "
		"cipher 0x9999 to SNI evil\\x0aname");
	text_free(&written);
}

static void failures_say_what_was_offered(void **state)
{
	const struct tls_failure failure = {
		.facts = {.listener = "mx", .protocol = "smtp", .peer = some_facts().peer},
		.reason = "no common version",
		.alert = "protocol_version",
		.versions = {0x0301, 0x0302},
		.n_versions = 2,
		.suites = {0x002f},
		.n_suites = 1};

	(void)state;
	text_clear(&written);
	log_tls_failure(&written, &failure);
	assert_string_equal(text_string(&written),
		"mx: TLS handshake failed from unknown[192.0.2.7]: no common version (alert protocol_version "
		"sent), "
		"protocol smtp, versions offered TLSv1:TLSv1.1, ciphers offered 0x002f");
	text_free(&written);
}

static void ticket_keys_take_their_turns(void **state)
{
	struct ticket_keys keys;
	uint8_t next[TICKET_FINGERPRINT_LEN];
	uint8_t current[TICKET_FINGERPRINT_LEN];

	(void)state;
	assert_true(ticket_keys_init(&keys, 1000));
	assert_false(keys.keys[TICKET_KEY_PREVIOUS].valid);
	assert_int_equal(ticket_keys_due_s(&keys, 1000, 60), 60);
	assert_int_equal(ticket_keys_due_s(&keys, 1060, 60), 0);
	assert_int_equal(ticket_keys_due_s(&keys, 500, 60), 60); // the clock went back
	ticket_key_fingerprint(&keys.keys[TICKET_KEY_NEXT], next);
	ticket_key_fingerprint(&keys.keys[TICKET_KEY_CURRENT], current);
	assert_memory_not_equal(next, current, sizeof next);
	assert_true(ticket_keys_rotate(&keys, 1060));
	ticket_key_fingerprint(&keys.keys[TICKET_KEY_PREVIOUS], next);
	assert_memory_equal(next, current, sizeof next);
	assert_int_equal(keys.keys[TICKET_KEY_PREVIOUS].made_s, 1000);
	assert_int_equal(keys.keys[TICKET_KEY_CURRENT].in_role_s, 1060);
	assert_int_equal(keys.n_rotations, 1);
	// Worn out by use, over a restart of the dataplane.
	ticket_keys_count(&keys, TICKET_KEY_SEALS_MAX - 10);
	assert_int_equal(ticket_keys_due_s(&keys, 1060, 60), 60);
	ticket_keys_count(&keys, 9);
	assert_int_equal(ticket_keys_due_s(&keys, 1060, 60), 60);
	ticket_keys_count(&keys, 10);
	assert_int_equal(ticket_keys_due_s(&keys, 1060, 60), 0);
	assert_true(ticket_keys_rotate(&keys, 1060));
	assert_int_equal(ticket_keys_due_s(&keys, 1060, 60), 60);
	ticket_keys_destroy(&keys);
}

static void addresses_have_one_spelling(void **state)
{
	static const char *const good[] = {"192.0.2.1:443", "[2001:db8::1]:25", "0.0.0.0:1"};
	static const char *const bad[] = {"192.0.2.1", ":443", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536",
		"192.0.2.1:-1", "192.0.2.1: 4", "192.0.2.1:0443", "2001:db8::1:25", "[192.0.2.1]:443",
		"[2001:db8::1]", "[2001:db8::1:25", "host:25", "[::ffff:192.0.2.1]:25", "192.0.2.256:1", "",
		"[]:1", "[2001:db8::1]25", "[2001:db8::1%eth0]:25"};
	struct endpoint endpoint;
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(endpoint_parse(good[i], &endpoint));
		endpoint_format(&endpoint, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(endpoint_parse(bad[i], &endpoint));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_harmless),
		cmocka_unit_test(json_lines_are_json),
		cmocka_unit_test(each_reason_has_its_own_rate),
		cmocka_unit_test(many_reasons_share_the_last_place),
		cmocka_unit_test(sessions_are_logged_as_postfix_does),
		cmocka_unit_test(failures_say_what_was_offered),
		cmocka_unit_test(ticket_keys_take_their_turns),
		cmocka_unit_test(addresses_have_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
