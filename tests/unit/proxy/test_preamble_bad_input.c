// SPDX-License-Identifier: Apache-2.0
//
// What every mail protocol must do with bad input, the same table of cases for all four: the protocol's own
// words, one reason counted once, and not a byte to the backend.
#include "talk.h"

#include "seam/cmocka_all.h"

#include <string.h>

static struct talk talk;

struct protocol {
	enum preamble_protocol id;
	const char *greeting;
	const char *command; // one that is always passed, without its end
	const char *starttls;
	const char *goes_ahead; // the answer to it
	const char *refusal;    // how the last words of a connection that Sluice ends begin
	const char *unasked;    // a line of the backend's that answers nothing
	const char *malformed;  // one that is none of the protocol
};

static const struct protocol protocols[] = {
	{.id = PREAMBLE_SMTP,
		.greeting = "220 mx\r\n",
		.command = "NOOP",
		.starttls = "STARTTLS\r\n",
		.goes_ahead = "220 2.0.0 Ready to start TLS\r\n",
		.refusal = "5",
		.unasked = "250 injected\r\n",
		.malformed = "injected\r\n"},
	{.id = PREAMBLE_IMAP,
		.greeting = "* OK mx\r\n",
		.command = "a NOOP",
		.starttls = "b STARTTLS\r\n",
		.goes_ahead = "b OK Begin TLS negotiation now\r\n",
		.refusal = "* BYE",
		.unasked = "a OK injected\r\n",
		.malformed = "* OK injected\n"},
	{.id = PREAMBLE_POP3,
		.greeting = "+OK mx\r\n",
		.command = "NOOP",
		.starttls = "STLS\r\n",
		.goes_ahead = "+OK Begin TLS negotiation\r\n",
		.refusal = "-ERR",
		.unasked = "+OK injected\r\n",
		.malformed = "injected\r\n"},
	{.id = PREAMBLE_SIEVE,
		.greeting = "\"SIEVE\" \"fileinto\"\r\nOK\r\n",
		.command = "NOOP",
		.starttls = "STARTTLS\r\n",
		.goes_ahead = "OK \"Begin TLS negotiation now\"\r\n",
		.refusal = "BYE",
		.unasked = "OK \"injected\"\r\n",
		.malformed = "OK\n"},
};

#define FOR_EACH(protocol) \
	for (const struct protocol *protocol = protocols; \
		protocol < protocols + sizeof protocols / sizeof protocols[0]; protocol++)
#define FOR_EACH_CUT(cut) for (enum talk_cut cut = TALK_WHOLE; cut < N_TALK_CUTS; cut++)

// Up to the greeting, which the client has heard.
static void begin(const struct protocol *protocol, enum preamble_security security, enum talk_cut cut)
{
	preamble_config_default(&talk.config, protocol->id);
	talk.config.security = security;
	talk_begin(&talk, cut, 1);
	backend_says(&talk, protocol->greeting);
	(void)talk_hear(&talk, PREAMBLE_CLIENT);
}

static void ends(const struct protocol *protocol, enum preamble_reason reason, enum counter counter)
{
	const char *heard = talk_hear(&talk, PREAMBLE_CLIENT);

	is_closed(&talk, reason);
	assert_int_equal(strncmp(heard, protocol->refusal, strlen(protocol->refusal)), 0);
	backend_hears(&talk, "");
	assert_int_equal(talk_count(&talk, counter), 1);
}

static void bad_lines(void **state)
{
	static const struct {
		const char *end; // of the command's line, and what follows
		size_t len;
		enum preamble_reason reason;
		enum counter counter;
	} bad[] = {
		{"\nx\r\n", 4, PREAMBLE_REASON_BARE_LF, COUNTER_MAIL_CLOSED_BARE_LF},
		{"\r\r\n", 3, PREAMBLE_REASON_BARE_CR, COUNTER_MAIL_CLOSED_BARE_CR},
		{"\rx\r\n", 4, PREAMBLE_REASON_BARE_CR, COUNTER_MAIL_CLOSED_BARE_CR},
		{" \0\r\n", 4, PREAMBLE_REASON_NUL, COUNTER_MAIL_CLOSED_NUL},
	};

	(void)state;
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		begin(protocol, PREAMBLE_MAY, cut);
		talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
		talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of(bad[i].end, bad[i].len));
		talk_run(&talk);
		ends(protocol, bad[i].reason, bad[i].counter);
	}
}

static void endless_lines(void **state)
{
	static char line[70000];

	(void)state;
	memset(line, 'x', sizeof line - 1);
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	{
		begin(protocol, PREAMBLE_ENCRYPT, cut);
		client_says(&talk, line);
		ends(protocol, PREAMBLE_REASON_LINE_TOO_LONG, COUNTER_MAIL_CLOSED_LINE_TOO_LONG);
	}
}

static void commands_without_end(void **state)
{
	(void)state;
	FOR_EACH(protocol)
	{
		begin(protocol, PREAMBLE_MAY, TALK_WHOLE);
		talk.config.n_commands_max = 4;
		for (int i = 0; i < 4; i++) {
			talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
			client_says(&talk, "\r\n");
			assert_int_equal(talk.end, PREAMBLE_CONTINUE);
		}
		talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
		client_says(&talk, "\r\n");
		is_closed(&talk, PREAMBLE_REASON_TOO_MANY_COMMANDS);
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_CLOSED_TOO_MANY_COMMANDS), 1);
	}
}

static void tls_where_a_command_is_due(void **state)
{
	static const uint8_t hello[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, '\n', 0, '\r', 1};

	(void)state;
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	{
		begin(protocol, PREAMBLE_MAY, cut);
		talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of(hello, sizeof hello));
		talk_run(&talk);
		if (cut == TALK_WHOLE) { // in pieces it may be a bad line before it is a hello
			is_closed(&talk, PREAMBLE_REASON_TLS_WITHOUT_STARTTLS);
			client_hears(&talk, "");
		}
		assert_int_equal(talk.end, PREAMBLE_CLOSE);
		backend_hears(&talk, "");
	}
}

static void injected_by_the_client(void **state)
{
	struct preamble_step step;

	(void)state;
	FOR_EACH(protocol)
	{
		begin(protocol, PREAMBLE_MAY, TALK_WHOLE);
		talk_say(&talk, PREAMBLE_CLIENT, protocol->starttls);
		talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
		client_says(&talk, "\r\n");
		ends(protocol, PREAMBLE_REASON_INJECTION, COUNTER_MAIL_CLOSED_INJECTION);
		// A single byte is enough, even the first of a hello: no client may send it before the
		// go-ahead.
		begin(protocol, PREAMBLE_ENCRYPT, TALK_WHOLE);
		talk_say(&talk, PREAMBLE_CLIENT, protocol->starttls);
		client_says(&talk, "\x16");
		ends(protocol, PREAMBLE_REASON_INJECTION, COUNTER_MAIL_CLOSED_INJECTION);
		// In a buffer of its own, which the owner sees.
		begin(protocol, PREAMBLE_MAY, TALK_WHOLE);
		client_says(&talk, protocol->starttls);
		assert_int_equal(talk.end, PREAMBLE_START_TLS);
		step = preamble_injected(&talk.worker, &talk.preamble);
		assert_int_equal(step.action, PREAMBLE_CLOSE);
		assert_int_equal(step.to_backend.len, 0);
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_CLOSED_INJECTION), 1);
	}
}

static void injected_by_the_backend(void **state)
{
	struct preamble_step step;

	(void)state;
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	{
		begin(protocol, PREAMBLE_MAY, cut);
		client_says(&talk, protocol->starttls);
		client_hears(&talk, protocol->goes_ahead);
		step = preamble_step(&talk.worker, &talk.preamble, PREAMBLE_BACKEND, // during the handshake
			span_of_string(protocol->unasked));
		assert_int_equal(step.action, PREAMBLE_CLOSE);
		assert_int_equal(step.reason, PREAMBLE_REASON_BACKEND_EARLY);
		assert_int_equal(step.to_client.len, 0);
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_CLOSED_BACKEND_EARLY), 1);
		if (protocol->id == PREAMBLE_SIEVE)
			continue; // after it the backend is asked for capabilities, and an answer is due
		begin(protocol, PREAMBLE_MAY, cut);
		client_says(&talk, protocol->starttls);
		client_hears(&talk, protocol->goes_ahead);
		talk_tls_done(&talk, true);
		backend_says(&talk, protocol->unasked);
		is_closed(&talk, PREAMBLE_REASON_BACKEND_EARLY);
		assert_null(strstr(talk_hear(&talk, PREAMBLE_CLIENT), "injected"));
	}
}

static void bad_backends(void **state)
{
	(void)state;
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	{
		begin(protocol, PREAMBLE_MAY, cut);
		backend_says(&talk, protocol->unasked);
		is_closed(&talk, PREAMBLE_REASON_BACKEND_OUT_OF_TURN);
		begin(protocol, PREAMBLE_MAY, cut);
		talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
		client_says(&talk, "\r\n");
		backend_says(&talk, protocol->malformed);
		is_closed(&talk, PREAMBLE_REASON_BACKEND_MALFORMED);
		assert_null(strstr(talk_hear(&talk, PREAMBLE_CLIENT), "injected"));
	}
}

// Twice in the clear can't be: after the first the handshake comes. Twice is once more inside TLS.
static void starttls_twice(void **state)
{
	static const char *const refusals[] = {
		[PREAMBLE_SMTP] = "503 5.5.1 TLS is already active\r\n",
		[PREAMBLE_IMAP] = "b BAD TLS is already active\r\n",
		[PREAMBLE_POP3] = "-ERR TLS is already active\r\n",
		[PREAMBLE_SIEVE] = "NO \"TLS is already active\"\r\n",
	};

	(void)state;
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	{
		begin(protocol, PREAMBLE_MAY, cut);
		client_says(&talk, protocol->starttls);
		client_hears(&talk, protocol->goes_ahead);
		talk_tls_done(&talk, true);
		if (protocol->id == PREAMBLE_SIEVE) {
			backend_hears(&talk, "CAPABILITY\r\n");
			backend_says(&talk, "OK\r\n");
			client_hears(&talk, "OK\r\n");
		}
		client_says(&talk, protocol->starttls);
		client_hears(&talk, refusals[protocol->id]);
		backend_hears(&talk, "");
		assert_int_equal(talk.end, PREAMBLE_CONTINUE);
		assert_int_equal(
			talk_count(&talk, COUNTER_MAIL_SMTP_STARTED + (enum counter)protocol->id), 1);
	}
}

static void failed_handshakes(void **state)
{
	(void)state;
	FOR_EACH(protocol)
	{
		begin(protocol, PREAMBLE_MAY, TALK_WHOLE);
		client_says(&talk, protocol->starttls);
		client_hears(&talk, protocol->goes_ahead);
		talk_tls_done(&talk, false);
		is_closed(&talk, PREAMBLE_REASON_TLS_FAILED);
		client_hears(&talk, ""); // nothing in the clear on a connection where TLS was promised
		backend_hears(&talk, "");
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_SMTP_FAILED + (enum counter)protocol->id), 1);
		assert_int_equal(talk_count(&talk, COUNTER_MAIL_SMTP_USED + (enum counter)protocol->id), 0);
	}
}

static void times_out(uint64_t at_us)
{
	struct preamble_step step;

	assert_true(preamble_deadline_us(&talk.preamble) == at_us);
	step = preamble_timeout(&talk.worker, &talk.preamble);
	assert_int_equal(step.action, PREAMBLE_CLOSE);
	assert_int_equal(step.reason, PREAMBLE_REASON_TIMEOUT);
	assert_int_equal(step.to_backend.len, 0);
	assert_true(step.to_client.len != 0);
	assert_int_equal(talk_count(&talk, COUNTER_MAIL_CLOSED_TIMEOUT), 1);
}

// A trickle of bytes extends no limit: not that of a command, and not the one for reaching TLS.
static void slow_peers(void **state)
{
	uint64_t begun_us;

	(void)state;
	FOR_EACH(protocol)
	{
		preamble_config_default(&talk.config, protocol->id);
		talk_begin(&talk, TALK_WHOLE, 1);
		times_out(talk.worker.now_us + talk.config.greeting_timeout_us);

		begin(protocol, PREAMBLE_MAY, TALK_BYTES);
		talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
		for (int i = 0; i < 3; i++) {
			uint64_t due_us = preamble_deadline_us(&talk.preamble);

			talk.worker.now_us += 1000000;
			client_says(&talk, "x");
			assert_true(preamble_deadline_us(&talk.preamble) == due_us);
		}
		times_out(preamble_deadline_us(&talk.preamble));

		preamble_config_default(&talk.config, protocol->id);
		talk.config.security = PREAMBLE_ENCRYPT;
		talk.config.plaintext_timeout_us = 7000000;
		talk_begin(&talk, TALK_WHOLE, 1);
		begun_us = talk.worker.now_us;
		backend_says(&talk, protocol->greeting);
		for (int i = 0; i < 5; i++) { // whole commands don't either
			talk.worker.now_us += 1000000;
			talk_say(&talk, PREAMBLE_CLIENT, protocol->command);
			client_says(&talk, "\r\n");
		}
		times_out(begun_us + 7000000);
	}
}

// Before TLS, with `encrypt`, no word but the few allowed ones gets through, whatever it looks like.
static void nothing_gets_by_encrypt(void **state)
{
	static const char *const words[] = {"MAIL FROM:<a@b>", "AUTH PLAIN x", "a LOGIN a b", "USER a",
		"LOGIN", "AUTHENTICATE \"PLAIN\" \"x\"", "a SELECT INBOX", "RETR 1", "DATA",
		"XCLIENT ADDR=192.0.2.1", "VRFY a", "a ENABLE UTF8", " ", "PUTSCRIPT \"a\" \"b\"",
		"\xff\xfe"};

	(void)state;
	FOR_EACH(protocol)
	FOR_EACH_CUT(cut)
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		begin(protocol, PREAMBLE_ENCRYPT, cut);
		talk_say(&talk, PREAMBLE_CLIENT, words[i]);
		client_says(&talk, "\r\n");
		backend_hears(&talk, "");
		assert_int_not_equal(talk_hear(&talk, PREAMBLE_CLIENT)[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(endless_lines),
		cmocka_unit_test(commands_without_end),
		cmocka_unit_test(tls_where_a_command_is_due),
		cmocka_unit_test(injected_by_the_client),
		cmocka_unit_test(injected_by_the_backend),
		cmocka_unit_test(bad_backends),
		cmocka_unit_test(starttls_twice),
		cmocka_unit_test(failed_handshakes),
		cmocka_unit_test(slow_peers),
		cmocka_unit_test(nothing_gets_by_encrypt),
	};

	return cmocka_run_group_tests_name("proxy/preamble_bad_input", tests, NULL, NULL);
}
