// SPDX-License-Identifier: Apache-2.0
#include "seam/cmocka_all.h"
#include "talk.h"

#include <stdio.h>
#include <string.h>

static struct talk talk;

#define EHLO_ANSWER \
	"250-mx.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN\r\n" \
	"250-CHUNKING\r\n250 8BITMIME\r\n"
#define EHLO_IN_CLEAR "250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
#define EHLO_IN_TLS \
	"250-mx.example\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN\r\n250-CHUNKING\r\n" \
	"250 8BITMIME\r\n"

static void begin(enum talk_cut cut, enum preamble_security security)
{
	preamble_config_default(&talk.config, PREAMBLE_SMTP);
	talk.config.security = security;
	talk_begin(&talk, cut, 1);
	backend_says(&talk, "220-mx.example\r\n220 ESMTP\r\n");
	client_hears(&talk, "220-mx.example\r\n220 ESMTP\r\n");
}

static void hello(void)
{
	client_says(&talk, "EHLO client.example\r\n");
	backend_hears(&talk, "EHLO client.example\r\n");
	backend_says(&talk, EHLO_ANSWER);
	client_hears(&talk, EHLO_IN_CLEAR);
}

static void start_tls(void)
{
	client_says(&talk, "STARTTLS\r\n");
	client_hears(&talk, "220 2.0.0 Ready to start TLS\r\n");
	talk_tls_done(&talk, true);
	nobody_hears(&talk);
}

// Each case runs once per way of cutting the streams.
#define FOR_EACH_CUT(cut) for (enum talk_cut cut = TALK_WHOLE; cut < N_TALK_CUTS; cut++)

static void starttls_then_fast_path(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		hello();
		start_tls();
		client_says(&talk, "EHLO client.example\r\n");
		backend_hears(&talk, "EHLO client.example\r\n");
		backend_says(&talk, EHLO_ANSWER);
		client_hears(&talk, EHLO_IN_TLS);
		client_says(&talk, "MAIL FROM:<a@b>\r\nRCPT");
		assert_int_equal(talk.end, PREAMBLE_FAST_PATH);
		backend_hears(&talk, "MAIL FROM:<a@b>\r\n");
		client_hears(&talk, "");
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_SMTP_OFFERED), 1);
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_SMTP_USED), 1);
	}
}

static void auth_begins_the_fast_path_too(void **state)
{
	(void)state;
	begin(TALK_BYTES, PREAMBLE_ENCRYPT);
	hello();
	start_tls();
	client_says(&talk, "EHLO c\r\n");
	backend_says(&talk, EHLO_ANSWER);
	(void)talk_hear(&talk, PREAMBLE_BACKEND);
	client_says(&talk, "auth PLAIN AGEAYg==\r\n");
	assert_int_equal(talk.end, PREAMBLE_FAST_PATH);
	backend_hears(&talk, "auth PLAIN AGEAYg==\r\n");
}

static void only_the_way_to_tls_is_open_under_encrypt(void **state)
{
	static const char *const refused[] = {"MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "RSET", "VRFY x",
		"AUTH PLAIN AA==", "BURL x", "XCLIENT ADDR=127.0.0.1", "junk", "", "HELP"};
	char line[128];

	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_ENCRYPT);
		hello();
		for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
			(void)snprintf(line, sizeof line, "%s\r\n", refused[i]);
			client_says(&talk, line);
			client_hears(&talk, "530 5.7.0 Must issue a STARTTLS command first\r\n");
		}
		client_says(&talk, "NOOP\r\n");
		backend_hears(&talk, "NOOP\r\n");
		backend_says(&talk, "250 ok\r\n");
		client_hears(&talk, "250 ok\r\n");
		client_says(&talk, "QUIT\r\n");
		backend_hears(&talk, "QUIT\r\n");
		assert_int_equal(
			talk_count(&talk, COUNTER_MAIL_SMTP_REFUSED), sizeof refused / sizeof refused[0]);
	}
}

static void auth_is_withheld_in_the_clear(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	client_says(&talk, "AUTH PLAIN AGEAYg==\r\nXCLIENT ADDR=1.2.3.4\r\nXFORWARD NAME=x\r\n");
	client_hears(&talk,
		"538 5.7.11 Encryption required for requested authentication mechanism\r\n"
		"550 5.7.0 Insufficient authorization\r\n550 5.7.0 Insufficient authorization\r\n");
	backend_hears(&talk, "");
}

static void our_answers_wait_for_their_turn(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		hello();
		client_says(&talk, "NOOP\r\nVRFY a\r\nAUTH LOGIN\r\nNOOP\r\n");
		backend_hears(&talk, "NOOP\r\nVRFY a\r\n");
		client_hears(&talk, "");
		backend_says(&talk, "250 one\r\n252-two\r\n");
		client_hears(&talk, "250 one\r\n252-two\r\n");
		backend_says(&talk, "252 two\r\n");
		client_hears(&talk, "252 two\r\n538 5.7.11 Encryption required for requested authentication "
				    "mechanism\r\n");
		backend_hears(&talk, "NOOP\r\n");
	}
}

static void bytes_after_starttls_end_the_connection(void **state)
{
	static const char *const injections[] = {"STARTTLS\r\nEHLO x\r\n", "STARTTLS\r\nR",
		"STARTTLS\r\n\r\n", "STARTTLS\r\nSTARTTLS\r\n", "starttls\r\n\x16\x03\x01"};

	(void)state;
	for (size_t i = 0; i < sizeof injections / sizeof injections[0]; i++) {
		begin(TALK_WHOLE, PREAMBLE_MAY);
		hello();
		client_says(&talk, injections[i]);
		is_closed(&talk, PREAMBLE_REASON_INJECTION);
		backend_hears(&talk, "");
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_CLOSED_INJECTION), 1);
	}
}

static void injected_behind_a_pending_answer(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	client_says(&talk, "NOOP\r\nSTARTTLS\r\nMAIL FROM:<x@y>\r\n");
	backend_hears(&talk, "NOOP\r\n");
	backend_says(&talk, "250 ok\r\n");
	is_closed(&talk, PREAMBLE_REASON_INJECTION);
	backend_hears(&talk, "");
}

static void what_the_backend_says_before_tls_is_not_delivered_in_it(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	client_says(&talk, "STARTTLS\r\n");
	(void)talk_hear(&talk, PREAMBLE_CLIENT);
	talk.end = PREAMBLE_CONTINUE; // the handshake is going on
	backend_says(&talk, "250 injected\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);
	nobody_hears(&talk);

	begin(TALK_BYTES, PREAMBLE_MAY);
	hello();
	start_tls();
	backend_says(&talk, "421 too late\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);

	// Half a line of the backend's, said in the clear.
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	backend_says(&talk, "250-half");
	client_says(&talk, "STARTTLS\r\n");
	client_hears(&talk, "");
	assert_int_equal(talk.end, PREAMBLE_CONTINUE);
	backend_says(&talk, " a line\r\n");
	is_closed(&talk, PREAMBLE_REASON_BACKEND_OUT_OF_TURN);
}

static void tls_starts_over(void **state)
{
	(void)state;
	begin(TALK_RANDOM, PREAMBLE_MAY);
	hello();
	client_says(&talk, "MAIL FROM:<evil@x>\r\n");
	backend_says(&talk, "250 ok\r\n");
	backend_hears(&talk, "MAIL FROM:<evil@x>\r\n");
	client_hears(&talk, "250 ok\r\n");
	start_tls();
	client_says(&talk, "RCPT TO:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\nAUTH PLAIN\r\n");
	backend_hears(&talk, "");
	client_hears(&talk,
		"503 5.5.1 Send EHLO first\r\n503 5.5.1 Send EHLO first\r\n503 5.5.1 Send EHLO first\r\n"
		"503 5.5.1 Send EHLO first\r\n");
	client_says(&talk, "STARTTLS\r\n");
	client_hears(&talk, "503 5.5.1 TLS is already active\r\n");
	client_says(&talk, "EHLO c\r\n");
	backend_says(&talk, "250 mx.example\r\n");
	client_hears(&talk, "250 mx.example\r\n");
	client_says(&talk, "STARTTLS\r\n");
	client_hears(&talk, "503 5.5.1 TLS is already active\r\n");
	backend_hears(&talk, "EHLO c\r\n");
}

static void starttls_refusals(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_ENCRYPT);
		client_says(&talk, "STARTTLS now\r\n");
		client_hears(&talk, "501 5.5.4 Syntax error: STARTTLS takes no parameters\r\n");
		preamble_set_tls_unavailable(&talk.preamble, true);
		client_says(&talk, "STARTTLS\r\n");
		client_hears(&talk, "454 4.7.0 TLS not available due to temporary reason\r\n");
		preamble_set_tls_unavailable(&talk.preamble, false);
		client_says(&talk, "STARTTLS\r\n");
		client_hears(&talk, "220 2.0.0 Ready to start TLS\r\n");
		talk_tls_done(&talk, false);
		is_closed(&talk, PREAMBLE_REASON_TLS_FAILED);
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_SMTP_FAILED), 1);
		nobody_hears(&talk);
	}
}

static void a_message_may_say_starttls(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		hello();
		client_says(&talk, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
		backend_hears(&talk, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
		client_says(&talk, "STARTTLS\r\n.STARTTLS\r\n..\r\n.\r\nNOOP\r\n");
		nobody_hears(&talk);
		backend_says(&talk, "250 a\r\n250 b\r\n354 go\r\n");
		client_hears(&talk, "250 a\r\n250 b\r\n354 go\r\n");
		backend_hears(&talk, "STARTTLS\r\n.STARTTLS\r\n..\r\n.\r\nNOOP\r\n");
		backend_says(&talk, "250 queued\r\n250 ok\r\n");
		client_hears(&talk, "250 queued\r\n250 ok\r\n");
		start_tls();
	}
}

static void after_a_refused_data_lines_are_commands(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		hello();
		client_says(&talk, "DATA\r\nNOOP\r\nSTARTTLS\r\n");
		backend_hears(&talk, "DATA\r\n");
		backend_says(&talk, "503 no\r\n");
		backend_hears(&talk, "NOOP\r\n");
		backend_says(&talk, "250 ok\r\n");
		client_hears(&talk, "503 no\r\n250 ok\r\n220 2.0.0 Ready to start TLS\r\n");
		assert_int_equal(talk.end, PREAMBLE_START_TLS);
	}
}

static void chunks_are_counted(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		hello();
		client_says(&talk, "MAIL FROM:<a@b>\r\nBDAT 12\r\nSTARTTLS\r\n\n\nBDAT 0 LAST\r\nNOOP\r\n");
		backend_hears(&talk, "MAIL FROM:<a@b>\r\nBDAT 12\r\nSTARTTLS\r\n\n\nBDAT 0 LAST\r\nNOOP\r\n");
		backend_says(&talk, "250 a\r\n250 b\r\n250 c\r\n250 d\r\n");
		client_hears(&talk, "250 a\r\n250 b\r\n250 c\r\n250 d\r\n");
		start_tls();
	}
}

static void chunks_in_doubt_end_the_connection(void **state)
{
	static const char *const bad[] = {"BDAT\r\n", "BDAT x\r\n", "BDAT -1\r\n", "BDAT 5 FIRST\r\n",
		"BDAT 5  LAST\r\n", "BDAT 99999999999999999999\r\n", "BDAT 0x5\r\n", "BDAT 5 LAST x\r\n",
		"BDAT +5\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		begin(TALK_BYTES, PREAMBLE_MAY);
		hello();
		client_says(&talk, bad[i]);
		is_closed(&talk, PREAMBLE_REASON_LITERAL_REFUSED);
		backend_hears(&talk, "");
	}
	begin(TALK_WHOLE, PREAMBLE_MAY); // CHUNKING was not offered
	client_says(&talk, "EHLO c\r\n");
	backend_says(&talk, "250 mx\r\n");
	client_says(&talk, "BDAT 10\r\nSTARTTLS\r\n");
	is_closed(&talk, PREAMBLE_REASON_LITERAL_REFUSED);
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	client_says(&talk, "HELO c\r\n");
	backend_says(&talk, "250 mx\r\n");
	client_says(&talk, "BDAT 10\r\nSTARTTLS\r\n");
	is_closed(&talk, PREAMBLE_REASON_LITERAL_REFUSED);
}

static void smuggled_ends_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum preamble_reason reason;
	} bad[] = {
		{"x\r\n.\nNOOP\r\n", PREAMBLE_REASON_BARE_LF},
		{"x\n.\nNOOP\r\n", PREAMBLE_REASON_BARE_LF},
		{"x\n.\r\nNOOP\r\n", PREAMBLE_REASON_BARE_LF},
		{"x\r.\r\n", PREAMBLE_REASON_BARE_CR},
		{"x\r\n.\r.\r\n", PREAMBLE_REASON_BARE_CR},
		{"x\r\r\n.\r\n", PREAMBLE_REASON_BARE_CR},
		{"x\r\n\r.\r\n", PREAMBLE_REASON_BARE_CR},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			hello();
			client_says(&talk, "DATA\r\n");
			backend_says(&talk, "354 go\r\n");
			client_says(&talk, bad[i].text);
			is_closed(&talk, bad[i].reason);
			assert_null(strstr(talk_hear(&talk, PREAMBLE_BACKEND), "NOOP"));
			assert_non_null(strstr(talk_hear(&talk, PREAMBLE_CLIENT), "521 5.5.2"));
		}
	}
}

static void nul_in_a_message_is_refused(void **state)
{
	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	client_says(&talk, "DATA\r\n");
	backend_says(&talk, "354 go\r\n");
	talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of(".\0\r\n", 4));
	talk_run(&talk);
	is_closed(&talk, PREAMBLE_REASON_NUL);
}

static void bad_command_lines(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		enum preamble_reason reason;
	} bad[] = {
		{"NOOP\nSTARTTLS\r\n", 16, PREAMBLE_REASON_BARE_LF},
		{"\n", 1, PREAMBLE_REASON_BARE_LF},
		{"NOOP\rSTARTTLS\r\n", 16, PREAMBLE_REASON_BARE_CR},
		{"\r\r\n", 3, PREAMBLE_REASON_BARE_CR},
		{"NO\0OP\r\n", 7, PREAMBLE_REASON_NUL},
		{"\0", 1, PREAMBLE_REASON_NUL},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			hello();
			talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of(bad[i].text, bad[i].len));
			talk_run(&talk);
			is_closed(&talk, bad[i].reason);
			backend_hears(&talk, "");
		}
	}
}

static void long_lines(void **state)
{
	static char line[20000];
	static char expected[20000];

	(void)state;
	FOR_EACH_CUT(cut)
	{
		// Longer than the buffer: passed in pieces.
		begin(cut, PREAMBLE_MAY);
		hello();
		memset(line, 'x', sizeof line);
		memcpy(line, "MAIL FROM:<", 11);
		(void)strcpy(line + 5000, ">\r\n");
		memcpy(expected, line, sizeof line);
		client_says(&talk, line);
		backend_hears(&talk, expected);
		// The same, refused: not a byte passes.
		begin(cut, PREAMBLE_ENCRYPT);
		hello();
		client_says(&talk, line);
		client_hears(&talk, "530 5.7.0 Must issue a STARTTLS command first\r\n");
		backend_hears(&talk, "");
		// STARTTLS and then endless text is no STARTTLS.
		memcpy(line, "STARTTLS   ", 11);
		client_says(&talk, line);
		client_hears(&talk, "501 5.5.4 Syntax error: STARTTLS takes no parameters\r\n");
		// Endless.
		memset(line, 'x', sizeof line);
		line[sizeof line - 1] = '\0';
		client_says(&talk, line);
		is_closed(&talk, PREAMBLE_REASON_LINE_TOO_LONG);
		backend_hears(&talk, "");
	}
}

static void lmtp_answers_once_per_recipient(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "LHLO c\r\n");
		backend_says(&talk, EHLO_ANSWER);
		client_hears(&talk, EHLO_IN_CLEAR);
		client_says(&talk, "MAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nRCPT "
				   "TO:<c>\r\nDATA\r\nx\r\n.\r\nAUTH x\r\n");
		backend_says(&talk, "250 s\r\n250 a\r\n550 b\r\n250 c\r\n354 go\r\n");
		(void)talk_hear(&talk, PREAMBLE_CLIENT);
		backend_says(&talk, "250 for a\r\n");
		client_hears(&talk, "250 for a\r\n"); // the refusal of AUTH waits for the second
		backend_says(&talk, "450 for c\r\n");
		client_hears(&talk, "450 for c\r\n538 5.7.11 Encryption required for requested "
				    "authentication mechanism\r\n");
		// The same with BDAT.
		client_says(&talk, "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nBDAT 3 "
				   "LAST\r\nx\r\nSTARTTLS\r\n");
		backend_says(&talk, "250 r\r\n250 s\r\n250 a\r\n250 b\r\n250 for a\r\n");
		client_hears(&talk, "250 r\r\n250 s\r\n250 a\r\n250 b\r\n250 for a\r\n");
		backend_says(&talk, "250 for b\r\n");
		client_hears(&talk, "250 for b\r\n220 2.0.0 Ready to start TLS\r\n");
	}
}

static void ehlo_answers_of_all_shapes(void **state)
{
	static const struct {
		const char *answer, *clear, *tls;
	} shapes[] = {
		{"250 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "250 mx\r\n"},
		{"250-mx\r\n250 STARTTLS\r\n", "250-mx\r\n250 STARTTLS\r\n", "250 mx\r\n"},
		{"250-mx\r\n250-starttls\r\n250 SIZE\r\n", "250-mx\r\n250-SIZE\r\n250 STARTTLS\r\n",
			"250-mx\r\n250 SIZE\r\n"},
		{"250-mx\r\n250-SIZE 1\r\n250 AUTH X\r\n", "250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n",
			"250-mx\r\n250-SIZE 1\r\n250 AUTH X\r\n"},
		{"250-mx\r\n250-SMTPUTF8\r\n250\r\n", "250-mx\r\n250-SMTPUTF8\r\n250-\r\n250 STARTTLS\r\n",
			"250-mx\r\n250-SMTPUTF8\r\n250 \r\n"},
		{"250-AUTH\r\n250 STARTTLSX\r\n", "250-AUTH\r\n250-STARTTLSX\r\n250 STARTTLS\r\n",
			"250-AUTH\r\n250 STARTTLSX\r\n"},
		{"502 no such command\r\n", "502 no such command\r\n", "502 no such command\r\n"},
		{"550-go\r\n550 away STARTTLS\r\n", "550-go\r\n550 away STARTTLS\r\n",
			"550-go\r\n550 away STARTTLS\r\n"},
	};

	(void)state;
	FOR_EACH_CUT(cut)
	{
		for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
			begin(cut, PREAMBLE_MAY);
			client_says(&talk, "EHLO c\r\n");
			backend_says(&talk, shapes[i].answer);
			client_hears(&talk, shapes[i].clear);
			backend_hears(&talk, "EHLO c\r\n");
			start_tls();
			client_says(&talk, "EHLO c\r\n");
			backend_says(&talk, shapes[i].answer);
			client_hears(&talk, shapes[i].tls);
			backend_hears(&talk, "EHLO c\r\n");
		}
	}
}

static void bad_backends(void **state)
{
	static const struct {
		const char *text;
		enum preamble_reason reason;
	} bad[] = {
		{"hello\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"25\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"250:x\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"150 x\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"250 ok\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"250 a\rb\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"250-a\r\n251 b\r\n", PREAMBLE_REASON_BACKEND_MALFORMED},
		{"250 ok\r\n250 more\r\n", PREAMBLE_REASON_BACKEND_OUT_OF_TURN},
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
	begin(TALK_WHOLE, PREAMBLE_MAY);
	backend_says(&talk, "421 shutting down\r\n"); // RFC 5321 3.8: at any time
	client_hears(&talk, "421 shutting down\r\n");
	assert_int_equal(talk.end, PREAMBLE_CONTINUE);
}

static void long_answers_pass_but_not_to_ehlo(void **state)
{
	static char answer[3000];

	(void)state;
	memset(answer, 'x', sizeof answer);
	memcpy(answer, "550 ", 4);
	memcpy(answer + sizeof answer - 3, "\r\n", 3);
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		client_says(&talk, "VRFY\r\nNOOP\r\n");
		backend_says(&talk, answer);
		client_hears(&talk, answer);
		backend_says(&talk, "250 ok\r\n");
		client_hears(&talk, "250 ok\r\n");
		client_says(&talk, "EHLO x\r\n");
		memcpy(answer, "250 ", 4);
		backend_says(&talk, answer);
		is_closed(&talk, PREAMBLE_REASON_BACKEND_MALFORMED);
		memcpy(answer, "550 ", 4);
	}
}

static void early_talkers_wait_for_the_greeting(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		preamble_config_default(&talk.config, PREAMBLE_SMTP);
		talk_begin(&talk, cut, 3);
		client_says(&talk, "EHLO early\r\n");
		nobody_hears(&talk);
		backend_says(&talk, "220 mx\r\n");
		client_hears(&talk, "220 mx\r\n");
		backend_hears(&talk, "EHLO early\r\n");
	}
}

static void tls_hello_without_starttls(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin(cut, PREAMBLE_MAY);
		talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of("\x16\x03\x01\x02\x00\x01", 6));
		talk_run(&talk);
		is_closed(&talk, PREAMBLE_REASON_TLS_WITHOUT_STARTTLS);
		nobody_hears(&talk);
	}
	preamble_config_default(&talk.config, PREAMBLE_SMTP); // even before the greeting
	talk_begin(&talk, TALK_BYTES, 3);
	talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of("\x16\x03\x01", 3));
	talk_run(&talk);
	is_closed(&talk, PREAMBLE_REASON_TLS_WITHOUT_STARTTLS);
}

static void begin_with_xclient(enum talk_cut cut, bool implicit)
{
	preamble_config_default(&talk.config, PREAMBLE_SMTP);
	talk.config.xclient = true;
	talk.config.implicit_tls = implicit;
	talk_begin(&talk, cut, 7);
	backend_says(&talk, "220 mx\r\n");
	client_hears(&talk, "220 mx\r\n");
	backend_hears(&talk, "EHLO sluice\r\n");
}

static void xclient_names_the_client(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin_with_xclient(cut, false);
		client_says(&talk, "EHLO c\r\n");
		nobody_hears(&talk);
		backend_says(&talk,
			"250-mx\r\n250-XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT\r\n250 DSN\r\n");
		client_hears(&talk, "");
		backend_hears(&talk, "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=40000 "
				     "DESTADDR=198.51.100.1 DESTPORT=25\r\n");
		backend_says(&talk, "220-second\r\n220 greeting\r\n");
		client_hears(&talk, "");
		backend_hears(&talk, "EHLO c\r\n");
		backend_says(&talk, "250-mx\r\n250-XCLIENT NAME ADDR\r\n250-XFORWARD NAME\r\n250 DSN\r\n");
		client_hears(&talk, "250-mx\r\n250-DSN\r\n250 STARTTLS\r\n");
	}
}

static void without_xclient_nothing_is_said(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin_with_xclient(cut, false);
		client_says(&talk, "EHLO c\r\n");
		backend_says(&talk, "250-mx\r\n250 DSN\r\n");
		client_hears(&talk, "");
		backend_hears(&talk, "EHLO c\r\n");
		begin_with_xclient(cut, false);
		client_says(&talk, "EHLO c\r\n");
		backend_says(&talk, "502 what?\r\n");
		client_hears(&talk, "");
		backend_hears(&talk, "EHLO c\r\n");
		begin_with_xclient(cut, false); // attributes that we can't fill in
		client_says(&talk, "EHLO c\r\n");
		backend_says(&talk, "250-mx\r\n250 XCLIENT LOGIN\r\n");
		backend_hears(&talk, "EHLO c\r\n");
	}
}

static void a_client_that_the_backend_refuses(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin_with_xclient(cut, false);
		backend_says(&talk, "250-mx\r\n250 XCLIENT ADDR\r\n");
		backend_hears(&talk, "XCLIENT ADDR=192.0.2.7\r\n");
		backend_says(&talk, "554 5.7.1 listed\r\n");
		is_closed(&talk, PREAMBLE_REASON_BACKEND_REFUSED);
		client_hears(&talk, "554 5.7.1 listed\r\n");
	}
}

static void no_client_gets_at_xclient(void **state)
{
	(void)state;
	FOR_EACH_CUT(cut)
	{
		begin_with_xclient(cut, true);
		backend_says(&talk, "250-mx\r\n250-CHUNKING\r\n250 XCLIENT ADDR\r\n");
		backend_says(&talk, "220 again\r\n");
		(void)talk_hear(&talk, PREAMBLE_BACKEND);
		client_says(&talk, "EHLO c\r\n");
		backend_says(&talk, "250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 XCLIENT ADDR\r\n");
		client_hears(&talk, "250-mx\r\n250 AUTH PLAIN LOGIN\r\n");
		(void)talk_hear(&talk, PREAMBLE_BACKEND);
		// In TLS, but never the fast path; AUTH's dialogue is followed.
		client_says(&talk,
			"AUTH LOGIN\r\nXCLIENT\r\nZm9v\r\nXCLIENT ADDR=127.0.0.1\r\nMAIL FROM:<a@b>\r\n");
		backend_hears(&talk, "AUTH LOGIN\r\n");
		backend_says(&talk, "334 VXNlcg==\r\n");
		backend_hears(&talk, "XCLIENT\r\n"); // an answer to the challenge, whatever it looks like
		backend_says(&talk, "334 UGFzcw==\r\n");
		backend_hears(&talk, "Zm9v\r\n");
		backend_says(&talk, "235 welcome\r\n");
		backend_hears(&talk, "MAIL FROM:<a@b>\r\n");
		client_hears(&talk, "334 VXNlcg==\r\n334 UGFzcw==\r\n235 welcome\r\n550 5.7.0 Insufficient "
				    "authorization\r\n");
		assert_int_equal(talk.end, PREAMBLE_CONTINUE);
	}
	// HELO does not tell, so there is no fast path either.
	preamble_config_default(&talk.config, PREAMBLE_SMTP);
	talk.config.implicit_tls = true;
	talk_begin(&talk, TALK_WHOLE, 7);
	backend_says(&talk, "220 mx\r\n");
	client_says(&talk, "MAIL FROM:<a@b>\r\nHELO c\r\n");
	backend_says(&talk, "250 mx\r\n");
	client_says(&talk, "MAIL FROM:<a@b>\r\n");
	assert_int_equal(talk.end, PREAMBLE_CONTINUE);
	backend_hears(&talk, "HELO c\r\nMAIL FROM:<a@b>\r\n");
}

static void limits(void **state)
{
	struct preamble_step step;

	(void)state;
	begin(TALK_WHOLE, PREAMBLE_ENCRYPT);
	talk.config.n_commands_max = 3;
	client_says(&talk, "x\r\ny\r\nz\r\nx\r\n");
	is_closed(&talk, PREAMBLE_REASON_TOO_MANY_COMMANDS);

	begin(TALK_WHOLE, PREAMBLE_ENCRYPT);
	talk.config.plaintext_timeout_us = 1000000;
	talk_begin(&talk, TALK_BYTES, 1);
	assert_true(preamble_deadline_us(&talk.preamble) == 1000 + 1000000);
	backend_says(&talk, "220 mx\r\n");
	talk.worker.now_us += 999999;
	client_says(&talk, "NOO");
	assert_true(preamble_deadline_us(&talk.preamble) == 1000 + 1000000); // a trickle moves nothing
	step = preamble_timeout(&talk.worker, &talk.preamble);
	assert_int_equal(step.action, PREAMBLE_CLOSE);
	assert_int_equal(step.reason, PREAMBLE_REASON_TIMEOUT);
	assert_true(span_equal(step.to_client, span_of_string("421 4.4.2 Error: timeout exceeded\r\n")));

	begin(TALK_WHOLE, PREAMBLE_MAY); // the clock of a command starts when the last one ended
	talk.worker.now_us = 5000000;
	client_says(&talk, "NOOP\r\nN");
	assert_true(preamble_deadline_us(&talk.preamble) == 5000000 + talk.config.command_timeout_us);
	step = preamble_no_backend(&talk.worker, &talk.config);
	assert_true(span_equal(step.to_client, span_of_string("421 4.3.2 Service not available\r\n")));
}

static void many_commands_at_once(void **state)
{
	static char commands[64 * 1024];
	size_t len = 0;

	(void)state;
	begin(TALK_WHOLE, PREAMBLE_MAY);
	hello();
	len += (size_t)snprintf(commands, sizeof commands, "MAIL FROM:<a@b>\r\n");
	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(commands + len, sizeof commands - len, "RCPT TO:<u%d@b>\r\n", i);
	client_says(&talk, commands);
	for (int i = 0; i < 1001; i++)
		backend_says(&talk, "250 ok\r\n");
	backend_hears(&talk, commands);
	assert_int_equal(talk.end, PREAMBLE_CONTINUE);
	assert_int_equal(talk.sides[PREAMBLE_CLIENT].heard_len, 1001 * 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_then_fast_path),
		cmocka_unit_test(auth_begins_the_fast_path_too),
		cmocka_unit_test(only_the_way_to_tls_is_open_under_encrypt),
		cmocka_unit_test(auth_is_withheld_in_the_clear),
		cmocka_unit_test(our_answers_wait_for_their_turn),
		cmocka_unit_test(bytes_after_starttls_end_the_connection),
		cmocka_unit_test(injected_behind_a_pending_answer),
		cmocka_unit_test(what_the_backend_says_before_tls_is_not_delivered_in_it),
		cmocka_unit_test(tls_starts_over),
		cmocka_unit_test(starttls_refusals),
		cmocka_unit_test(a_message_may_say_starttls),
		cmocka_unit_test(after_a_refused_data_lines_are_commands),
		cmocka_unit_test(chunks_are_counted),
		cmocka_unit_test(chunks_in_doubt_end_the_connection),
		cmocka_unit_test(smuggled_ends_are_refused),
		cmocka_unit_test(nul_in_a_message_is_refused),
		cmocka_unit_test(bad_command_lines),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(lmtp_answers_once_per_recipient),
		cmocka_unit_test(ehlo_answers_of_all_shapes),
		cmocka_unit_test(bad_backends),
		cmocka_unit_test(long_answers_pass_but_not_to_ehlo),
		cmocka_unit_test(early_talkers_wait_for_the_greeting),
		cmocka_unit_test(tls_hello_without_starttls),
		cmocka_unit_test(xclient_names_the_client),
		cmocka_unit_test(without_xclient_nothing_is_said),
		cmocka_unit_test(a_client_that_the_backend_refuses),
		cmocka_unit_test(no_client_gets_at_xclient),
		cmocka_unit_test(limits),
		cmocka_unit_test(many_commands_at_once),
	};

	return cmocka_run_group_tests_name("proxy/preamble_smtp", tests, NULL, NULL);
}
