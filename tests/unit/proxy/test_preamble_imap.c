// SPDX-License-Identifier: Apache-2.0
#include "seam/cmocka_all.h"
#include "talk.h"

#include <stdio.h>
#include <string.h>

static struct talk talk;

#define FOR_EACH_CUT(cut) for (enum talk_cut cut = TALK_WHOLE; cut < N_TALK_CUTS; cut++)

static void begin(enum talk_cut cut, enum preamble_security security)
{
	preamble_config_default(&talk.config, PREAMBLE_IMAP);
	talk.config.security = security;
	talk_begin(&talk, cut, 5);
	backend_says(&talk, "* OK [CAPABILITY IMAP4rev1 LITERAL+ STARTTLS AUTH=PLAIN ID] Dovecot (it's "
			    "\"ready\" {5}\r\n");
	client_hears(&talk, "* OK [CAPABILITY IMAP4rev1 LITERAL+ ID STARTTLS LOGINDISABLED] Dovecot (it's "
			    "\"ready\" {5}\r\n");
}

static void start_tls(void)
{
	client_says(&talk, "s1 STARTTLS\r\n");
	client_hears(&talk, "s1 OK Begin TLS negotiation now\r\n");
	talk_tls_done(&talk, true);
	nobody_hears(&talk);
}

static void starttls_then_login(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_ENCRYPT);
		client_says(&talk, "a CAPABILITY\r\n");
		backend_hears(&talk, "a CAPABILITY\r\n");
		backend_says(&talk, "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN LOGINDISABLED\r\na "
				    "OK done\r\n");
		client_hears(&talk, "* CAPABILITY IMAP4rev1 SASL-IR STARTTLS LOGINDISABLED\r\na OK done\r\n");
		start_tls();
		client_says(&talk, "b capability\r\n");
		backend_hears(&talk, "b capability\r\n");
		backend_says(&talk, "* CAPABILITY STARTTLS IMAP4rev1 SASL-IR AUTH=PLAIN starttls\r\n"
				    "b OK [CAPABILITY STARTTLS] done\r\n");
		client_hears(
			&talk, "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nb OK [CAPABILITY ] done\r\n");
		client_says(&talk, "c STARTTLS\r\n");
		client_hears(&talk, "c BAD TLS is already active\r\n");
		client_says(&talk, "d LOGIN {3+}\r\nfoo {3+}\r\nbar\r\n");
		assert_int_equal(talk.end, PREAMBLE_FAST_PATH);
		backend_hears(&talk, "d LOGIN {3+}\r\n"); // the owner passes the rest
	}
}

static void no_login_in_the_clear(void **state)
{
	static const struct {
		const char *command, *answer;
	} refused[] = {
		{"a LOGIN foo bar\r\n", "a NO"},
		{"a login {3}\r\n", "a NO"},
		{"b LOGIN {3+}\r\nfoo {3+}\r\nbar\r\n", "b NO"},
		{"c AUTHENTICATE PLAIN AGEAYg==\r\n", "c NO"},
		{"d AUTHENTICATE {5+}\r\nPLAIN\r\n", "d NO"},
		{"e LOGIN \"{3+}\" \"x\"\r\n", "e NO"},
		{"f COMPRESS DEFLATE\r\n", "f NO"},
		{"g LOGIN {0+}\r\n {0+}\r\n\r\n", "g NO"},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
			char answer[128];

			client_says(&talk, refused[i].command);
			(void)snprintf(answer, sizeof answer,
				"%s [PRIVACYREQUIRED] Must issue a STARTTLS command first\r\n",
				refused[i].answer);
			client_hears(&talk, answer);
			backend_hears(&talk, "");
		}
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_IMAP_REFUSED), 8);
	}
}

static void only_the_way_to_tls_is_open_under_encrypt(void **state)
{
	(void)state;
	begin(TALK_BYTES, PREAMBLE_ENCRYPT);
	client_says(&talk, "a ID (\"name\" \"x\")\r\nb SELECT INBOX\r\nc FOO {3+}\r\nx\r\n y\r\nd NOOP\r\n");
	client_hears(&talk, "a NO [PRIVACYREQUIRED] Must issue a STARTTLS command first\r\n"
			    "b NO [PRIVACYREQUIRED] Must issue a STARTTLS command first\r\n"
			    "c NO [PRIVACYREQUIRED] Must issue a STARTTLS command first\r\n");
	backend_hears(&talk, "d NOOP\r\n");
}

static void bad_tags_and_arguments(void **state)
{
	static const char *const bad[] = {"\r\n", "a\r\n", "* NOOP\r\n", "+ NOOP\r\n", " NOOP\r\n",
		"STARTTLS\r\n", "a\"b NOOP\r\n", "a(b STARTTLS\r\n", "a  STARTTLS\r\n",
		"0123456789012345678901234567890123456789012345678901234567890123456789 NOOP\r\n"};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			client_says(&talk, bad[i]);
			client_hears(&talk, "* BAD Invalid tag\r\n");
			backend_hears(&talk, "");
		}
		client_says(&talk, "a STARTTLS now\r\n");
		client_hears(&talk, "a BAD STARTTLS takes no arguments\r\n");
		client_says(&talk, "a STARTTLS {3+}\r\nabc\r\n");
		client_hears(&talk, "a BAD STARTTLS takes no arguments\r\n");
		preamble_set_tls_unavailable(&talk.preamble, true);
		client_says(&talk, "a STARTTLS\r\n");
		client_hears(&talk, "a NO [UNAVAILABLE] TLS is not available now\r\n");
	}
}

static void a_literal_may_say_starttls(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(
			&talk, "a ID (\"name\" {14}\r\nb STARTTLS\r\n.. \"v\" {3+}\r\n\r\nx)\r\nc NOOP\r\n");
		backend_hears(&talk, "a ID (\"name\" {14}\r\n"); // the rest waits for the go-ahead
		backend_says(&talk, "+ go\r\n");
		client_hears(&talk, "+ go\r\n");
		backend_hears(&talk, "b STARTTLS\r\n.. \"v\" {3+}\r\n\r\nx)\r\nc NOOP\r\n");
		backend_says(&talk, "* ID (\"name\" {9}\r\na OK no\r\n)\r\na OK done\r\nc OK\r\n");
		client_hears(&talk, "* ID (\"name\" {9}\r\na OK no\r\n)\r\na OK done\r\nc OK\r\n");
		start_tls();
	}
}

static void a_refused_literal_does_not_come(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "a NOOP\r\nb ID ({5}\r\nc STARTTLS\r\n");
		backend_hears(&talk, "a NOOP\r\nb ID ({5}\r\n");
		backend_says(&talk, "a OK\r\n");
		client_hears(&talk, "a OK\r\n");
		backend_says(&talk, "b BAD too large\r\n");
		client_hears(&talk, "b BAD too large\r\nc OK Begin TLS negotiation now\r\n");
		assert_int_equal(talk.end, PREAMBLE_START_TLS);
		backend_hears(&talk, "");
	}
}

static void literals_in_doubt_end_the_connection(void **state)
{
	static const char *const bad[] = {
		"a ID (\"{20+}\r\nb STARTTLS\r\n",         // inside a string that never ends
		"a ID ({5000+}\r\n",                       // more than any before login
		"a ID ({99999999999999999999999999+}\r\n", // no number
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			client_says(&talk, bad[i]);
			is_closed(&talk, PREAMBLE_REASON_LITERAL_REFUSED);
			assert_null(strstr(talk_hear(&talk, PREAMBLE_BACKEND), "STARTTLS"));
		}
	}
	// The backend does not know of non-synchronizing literals.
	preamble_config_default(&talk.config, PREAMBLE_IMAP);
	talk_begin(&talk, TALK_WHOLE, 5);
	backend_says(&talk, "* OK hello\r\n");
	client_says(&talk, "a ID ({12+}\r\nb STARTTLS\r\n");
	is_closed(&talk, PREAMBLE_REASON_LITERAL_REFUSED);
}

static void injections(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	client_says(&talk, "a STARTTLS\r\nb LOGIN x y\r\n");
	is_closed(&talk, PREAMBLE_REASON_INJECTION);
	backend_hears(&talk, "");

	begin(TALK_BYTES, PREAMBLE_MAY);
	start_tls();
	backend_says(&talk, "* OK [ALERT] injected\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);

	begin(TALK_BYTES, PREAMBLE_MAY);
	start_tls();
	backend_says(&talk, "* CAPABILITY IMAP4rev1\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);
}

static void preauth_before_tls_is_refused(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		preamble_config_default(&talk.config, PREAMBLE_IMAP);
		talk_begin(&talk, cut, 5);
		backend_says(&talk, "* PREAUTH welcome\r\n");
		is_closed(&talk, PREAMBLE_REASON_BACKEND_PREAUTH);
		assert_int_equal(strncmp(talk_hear(&talk, PREAMBLE_CLIENT), "* BYE", 5), 0);
		talk.config.implicit_tls = true;
		talk_begin(&talk, cut, 5);
		backend_says(&talk, "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n");
		assert_int_equal(talk.end, PREAMBLE_FAST_PATH);
		client_hears(&talk, "* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n");
	}
}

static void bad_backends(void **state)
{
	static const struct {
		const char *text;
		enum preamble_reason reason;
	} bad[] = {
		{"b OK\r\na OK\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
		{"+ go\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
		{"a WHAT\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
		{"\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
		{"* ID (\"open {3}\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"* OK\n", PREAMBLE_REASON_BACKEND_MALFORMED},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			client_says(&talk, "a NOOP\r\n");
			backend_says(&talk, bad[i].text);
			is_closed(&talk, bad[i].reason);
		}
		preamble_config_default(&talk.config, PREAMBLE_IMAP);
		talk_begin(&talk, cut, 5);
		backend_says(&talk, "220 smtp?\r\n");
		is_closed(&talk, PREAMBLE_REASON_BACKEND_MALFORMED);
	}
}

static void long_capabilities_can_not_be_changed(void **state)
{
	static char text[2000];

	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "a CAPABILITY\r\n");
		memset(text, 'x', sizeof text);
		memcpy(text, "* CAPABILITY ", 13);
		memcpy(text + sizeof text - 3, "\r\n", 3);
		backend_says(&talk, text);
		is_closed(&talk, PREAMBLE_REASON_BACKEND_MALFORMED);
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "a NOOP\r\n");
		memcpy(text, "* OK text xxx", 13);
		backend_says(&talk, text);
		client_hears(&talk, text);
		assert_int_equal(talk.end, PREAMBLE_CONTINUE);
	}
}

static void bad_lines(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	client_says(&talk, "a NOOP\nb STARTTLS\r\n");
	is_closed(&talk, PREAMBLE_REASON_BARE_LF);
	client_hears(&talk, "* BYE Bare LF received\r\n");
	begin(TALK_WHOLE, PREAMBLE_MAY);
	talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of("\x16\x03\x01\x00", 4));
	talk_run(&talk);
	is_closed(&talk, PREAMBLE_REASON_TLS_WITHOUT_STARTTLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_then_login),
		cmocka_unit_test(no_login_in_the_clear),
		cmocka_unit_test(only_the_way_to_tls_is_open_under_encrypt),
		cmocka_unit_test(bad_tags_and_arguments),
		cmocka_unit_test(a_literal_may_say_starttls),
		cmocka_unit_test(a_refused_literal_does_not_come),
		cmocka_unit_test(literals_in_doubt_end_the_connection),
		cmocka_unit_test(injections),
		cmocka_unit_test(preauth_before_tls_is_refused),
		cmocka_unit_test(bad_backends),
		cmocka_unit_test(long_capabilities_can_not_be_changed),
		cmocka_unit_test(bad_lines),
	};

	return cmocka_run_group_tests_name("proxy/preamble_imap", tests, NULL, NULL);
}
