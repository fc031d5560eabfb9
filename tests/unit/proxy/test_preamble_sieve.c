// SPDX-License-Identifier: Apache-2.0
#include "seam/cmocka_all.h"
#include "talk.h"

#include <string.h>

static struct talk talk;

#define FOR_EACH_CUT(cut) for (enum talk_cut cut = TALK_WHOLE; cut < N_TALK_CUTS; cut++)
#define CAPABILITIES \
	"\"IMPLEMENTATION\" \"Dovecot \\\"Pigeonhole\"\r\n\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"PLAIN\"\r\n" \
	"\"STARTTLS\"\r\n\"VERSION\" {3}\r\nOK\r\r\nOK \"ready\"\r\n"
#define IN_CLEAR \
	"\"IMPLEMENTATION\" \"Dovecot \\\"Pigeonhole\"\r\n\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"\"\r\n" \
	"\"VERSION\" {3}\r\nOK\r\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n"
#define IN_TLS \
	"\"IMPLEMENTATION\" \"Dovecot \\\"Pigeonhole\"\r\n\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"PLAIN\"\r\n" \
	"\"VERSION\" {3}\r\nOK\r\r\nOK \"ready\"\r\n"
#define REFUSED "NO (ENCRYPT-NEEDED) \"Must issue a STARTTLS command first\"\r\n"

static void begin(enum talk_cut cut, enum preamble_security security)
{
	preamble_config_default(&talk.config, PREAMBLE_SIEVE);
	talk.config.security = security;
	talk_begin(&talk, cut, 11);
	backend_says(&talk, CAPABILITIES);
	client_hears(&talk, IN_CLEAR);
}

static void starttls_then_login(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_ENCRYPT);
		client_says(&talk, "CAPABILITY\r\n");
		backend_hears(&talk, "CAPABILITY\r\n");
		backend_says(&talk, CAPABILITIES);
		client_hears(&talk, IN_CLEAR);
		client_says(&talk, "STARTTLS\r\n");
		client_hears(&talk, "OK \"Begin TLS negotiation now\"\r\n");
		talk_tls_done(&talk, true);
		// RFC 5804 2.2: the server says its capabilities again, by itself.
		backend_hears(&talk, "CAPABILITY\r\n");
		client_says(&talk, "STARTTLS\r\nAUTHENTICATE \"PLAIN\" {4+}\r\nAGEA\r\n");
		client_hears(&talk, "");
		backend_says(&talk, CAPABILITIES);
		client_hears(&talk, IN_TLS "NO \"TLS is already active\"\r\n");
		assert_int_equal(talk.end, PREAMBLE_FAST_PATH);
		backend_hears(&talk, "AUTHENTICATE \"PLAIN\" {4+}\r\n");
	}
}

static void refusals_in_the_clear(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "AUTHENTICATE \"PLAIN\" {10+}\r\nSTARTTLS\r\n\r\nauthenticate "
				   "\"PLAIN\"\r\nXCLIENT x\r\n"
				   "STARTTLS x\r\nSTARTTLS \"{3+}\"\r\n");
		client_hears(&talk,
			REFUSED REFUSED "NO \"Unknown command\"\r\nNO \"STARTTLS takes no arguments\"\r\n"
					"NO \"STARTTLS takes no arguments\"\r\n");
		backend_hears(&talk, "");
		client_says(&talk, "HAVESPACE {10+}\r\nSTARTTLS\r\n 5\r\nNOOP \"x\"\r\n");
		backend_hears(&talk, "HAVESPACE {10+}\r\nSTARTTLS\r\n 5\r\nNOOP \"x\"\r\n");
		backend_says(&talk, "NO {4}\r\nBYE \r\nOK (TAG \"x\") \"done\"\r\n");
		client_hears(&talk, "NO {4}\r\nBYE \r\nOK (TAG \"x\") \"done\"\r\n");
		begin(cut, PREAMBLE_ENCRYPT);
		client_says(&talk, "HAVESPACE {3+}\r\nxyz 5\r\n\r\nLOGOUT\r\n");
		client_hears(&talk, REFUSED REFUSED);
		backend_hears(&talk, "LOGOUT\r\n");
	}
}

static void bad_literals(void **state)
{
	static const char *const bad[] = {
		"NOOP {3}\r\nabc\r\n", "NOOP {5000+}\r\n", "NOOP \"{3+}\r\n", "NOOP \"open\r\n"};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			client_says(&talk, bad[i]);
			is_closed(&talk, PREAMBLE_REASON_LITERAL_REFUSED);
		}
	}
}

static void injections(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	client_says(&talk, "STARTTLS\r\nLOGOUT\r\n");
	is_closed(&talk, PREAMBLE_REASON_INJECTION);
	begin(TALK_WHOLE, PREAMBLE_MAY);
	client_says(&talk, "STARTTLS\r\n");
	talk.end = PREAMBLE_CONTINUE;
	backend_says(&talk, "OK \"early\"\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);
}

static void bad_backends(void **state)
{
	static const struct {
		const char *text;
		enum preamble_reason reason;
	} bad[] = {
		{"{8}\r\nSTARTTLS\r\nOK\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"\"SASL\" {5}\r\nPLAIN\r\nOK\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"\"X\" \"open\r\nOK\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"\r\nOK\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"OK\r\nOK\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			client_says(&talk, "CAPABILITY\r\n");
			backend_says(&talk, bad[i].text);
			is_closed(&talk, bad[i].reason);
		}
		begin(cut, PREAMBLE_MAY);
		backend_says(&talk, "BYE \"shutting down\"\r\n");
		client_hears(&talk, "BYE \"shutting down\"\r\n");
		assert_int_equal(talk.end, PREAMBLE_CONTINUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_then_login),
		cmocka_unit_test(refusals_in_the_clear),
		cmocka_unit_test(bad_literals),
		cmocka_unit_test(injections),
		cmocka_unit_test(bad_backends),
	};

	return cmocka_run_group_tests_name("proxy/preamble_sieve", tests, NULL, NULL);
}
