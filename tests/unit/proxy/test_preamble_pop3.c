// SPDX-License-Identifier: Apache-2.0
#include "seam/cmocka_all.h"
#include "talk.h"

#include <string.h>

static struct talk talk;

#define FOR_EACH_CUT(cut) for (enum talk_cut cut = TALK_WHOLE; cut < N_TALK_CUTS; cut++)
#define REFUSED           "-ERR Must issue a STLS command first\r\n"

static void begin(enum talk_cut cut, enum preamble_security security)
{
	preamble_config_default(&talk.config, PREAMBLE_POP3);
	talk.config.security = security;
	talk_begin(&talk, cut, 9);
	backend_says(&talk, "+OK ready <1.2@mx>\r\n");
	client_hears(&talk, "+OK ready <1.2@mx>\r\n");
}

static void start_tls(void)
{
	client_says(&talk, "STLS\r\n");
	client_hears(&talk, "+OK Begin TLS negotiation\r\n");
	talk_tls_done(&talk, true);
	nobody_hears(&talk);
}

static void stls_then_login(void **state)
{
	static const char *const logins[] = {
		"USER foo\r\n", "APOP foo bar\r\n", "AUTH PLAIN\r\n", "pass x\r\n"};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
			begin(cut, PREAMBLE_ENCRYPT);
			client_says(&talk, "CAPA\r\n");
			backend_says(&talk, "+OK\r\nTOP\r\nUSER\r\nSASL PLAIN\r\nstls\r\nUIDL\r\n.\r\n");
			client_hears(&talk, "+OK\r\nTOP\r\nUIDL\r\nSTLS\r\n.\r\n");
			backend_hears(&talk, "CAPA\r\n");
			start_tls();
			client_says(&talk, "CAPA\r\n");
			backend_says(&talk, "+OK\r\nTOP\r\nUSER\r\nSASL PLAIN\r\nSTLS\r\n.\r\n");
			client_hears(&talk, "+OK\r\nTOP\r\nUSER\r\nSASL PLAIN\r\n.\r\n");
			client_says(&talk, "STLS\r\n");
			client_hears(&talk, "-ERR TLS is already active\r\n");
			backend_hears(&talk, "CAPA\r\n");
			client_says(&talk, logins[i]);
			assert_int_equal(talk.end, PREAMBLE_FAST_PATH);
			backend_hears(&talk, logins[i]);
		}
	}
}

static void refusals_in_the_clear(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk,
			"USER foo\r\nPASS bar\r\nAPOP a b\r\nAUTH\r\nXCLIENT ADDR=1.2.3.4\r\nSTLS x\r\n");
		client_hears(&talk, REFUSED REFUSED REFUSED REFUSED
			"-ERR Unknown command\r\n-ERR STLS takes no arguments\r\n");
		backend_hears(&talk, "");
		client_says(&talk, "FOO\r\nUSER x\r\n"); // in its turn
		client_hears(&talk, "");
		backend_says(&talk, "-ERR foo\r\n");
		client_hears(&talk, "-ERR foo\r\n" REFUSED);
		begin(cut, PREAMBLE_ENCRYPT);
		client_says(&talk, "FOO\r\nLANG\r\nUTF8\r\n\r\nNOOP\r\n");
		client_hears(&talk, REFUSED REFUSED REFUSED REFUSED);
		backend_hears(&talk, "NOOP\r\n");
		preamble_set_tls_unavailable(&talk.preamble, true);
		backend_says(&talk, "-ERR\r\n");
		(void)talk_hear(&talk, PREAMBLE_CLIENT);
		client_says(&talk, "STLS\r\n");
		client_hears(&talk, "-ERR [SYS/TEMP] TLS is not available now\r\n");
	}
}

static void answers_of_several_lines(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "LANG\r\nLANG en\r\nCAPA\r\nCAPA\r\nQUIT\r\n");
		backend_hears(&talk, "LANG\r\nLANG en\r\nCAPA\r\nCAPA\r\nQUIT\r\n");
		backend_says(&talk, "+OK\r\nSTLS\r\n..\r\n.\r\n+OK\r\n-ERR no\r\n+OK\r\n.\r\n+OK bye\r\n");
		client_hears(
			&talk, "+OK\r\nSTLS\r\n..\r\n.\r\n+OK\r\n-ERR no\r\n+OK\r\nSTLS\r\n.\r\n+OK bye\r\n");
	}
}

static void injections(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	client_says(&talk, "STLS\r\nUSER x\r\n");
	is_closed(&talk, PREAMBLE_REASON_INJECTION);
	client_hears(&talk, "-ERR Data after STLS\r\n");
	begin(TALK_BYTES, PREAMBLE_MAY);
	start_tls();
	backend_says(&talk, "+OK injected\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);
	assert_null(strstr(talk_hear(&talk, PREAMBLE_CLIENT), "injected"));
	backend_hears(&talk, "");
}

static void bad_backends(void **state)
{
	static const struct {
		const char *text;
		enum preamble_reason reason;
	} bad[] = {
		{"OK\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"+O\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"+OK\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"+OK\r\n+OK\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			client_says(&talk, "NOOP\r\n");
			backend_says(&talk, bad[i].text);
			is_closed(&talk, bad[i].reason);
		}
	}
}

static void no_backend(void **state)
{
	struct preamble_step step;

	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	step = preamble_no_backend(&talk.worker, &talk.config);
	assert_int_equal(step.action, PREAMBLE_CLOSE);
	assert_int_equal(strncmp((const char *)step.to_client.data, "-ERR [SYS/TEMP]", 15), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stls_then_login),
		cmocka_unit_test(refusals_in_the_clear),
		cmocka_unit_test(answers_of_several_lines),
		cmocka_unit_test(injections),
		cmocka_unit_test(bad_backends),
		cmocka_unit_test(no_backend),
	};

	return cmocka_run_group_tests_name("proxy/preamble_pop3", tests, NULL, NULL);
}
