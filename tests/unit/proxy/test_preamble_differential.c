// SPDX-License-Identifier: Apache-2.0
//
// The differential test of the preambles: the same conversation once directly with a server and once through
// a preamble, cut into other pieces each time. What reaches the server must be the same bytes but for
// STARTTLS, and what reaches the client must be what the server said, with its capabilities as they should
// be.
//
// The servers here are models of their own, written from the RFCs without regard to the preambles: they
// answer by what a command says, so that both runs get the same answers.
//
//   test_proxy_preamble_differential [FIRST_SEED [COUNT]]
#include "base/assert.h"
#include "seam/cmocka_all.h"
#include "talk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_MAX = 1 << 17
};

struct text {
	char bytes[TEXT_MAX];
	size_t len;
};

static void add_bytes(struct text *text, const char *bytes, size_t len)
{
	SLUICE_ASSERT(text->len + len < TEXT_MAX);
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

static void add(struct text *text, const char *string)
{
	add_bytes(text, string, strlen(string));
}

static struct talk talk;
static uint64_t first_seed = 1, n_seeds = 400;

static uint32_t below(uint32_t n)
{
	return talk_random(&talk, n);
}

static bool chance(uint32_t percent)
{
	return below(100) < percent;
}

// --- a model of an SMTP server ---

enum server_state {
	SERVER_COMMAND,
	SERVER_DATA,
	SERVER_CHUNK
};

struct server {
	enum server_state state;
	char line[TEXT_MAX];
	size_t line_len;
	size_t chunk_left;
	bool chunk_last;
	bool lmtp;
	unsigned n_rcpt;
	unsigned n_hello;
	unsigned n_clear;  // hellos that come before TLS
	bool raw;          // the fast path: answers go as they are
	struct text heard; // all that arrived
	struct text said;  // all that it answered, in order
	struct text seen;  // the same as the client should see it
	size_t n_said;     // of `said`: handed out
};

static void answer(struct server *server, const char *text)
{
	add(&server->said, text);
	add(&server->seen, text);
}

static unsigned digest(const char *line)
{
	unsigned sum = 7;

	while (*line != 0)
		sum = sum * 31 + (unsigned char)*line++;
	return sum >> 3;
}

// EHLO's answer: some keywords that follow from the client's name, and how they should look in the clear.
static void answer_hello(struct server *server, const char *line)
{
	static const char *const keywords[] = {"PIPELINING", "8BITMIME", "STARTTLS", "AUTH PLAIN", "SMTPUTF8",
		"CHUNKING", "AUTH=PLAIN", "SIZE 10", "starttls"};
	unsigned choice = digest(line) | 32; // CHUNKING always
	const char *shown[16] = {"mx.example hello"};
	const char *sent[16] = {"mx.example hello"};
	unsigned n_shown = 1, n_sent = 1;
	bool clear = server->n_hello++ < server->n_clear;
	char text[128];

	for (unsigned i = 0; i < 9; i++) {
		bool tls = strcasecmp(keywords[i], "STARTTLS") == 0,
		     auth = strncmp(keywords[i], "AUTH", 4) == 0;

		if ((choice >> i & 1) == 0)
			continue;
		sent[n_sent++] = keywords[i];
		if (server->raw || (!tls && !(auth && clear)))
			shown[n_shown++] = keywords[i];
	}
	if (clear)
		shown[n_shown++] = "STARTTLS";
	for (unsigned i = 0; i < n_sent; i++) {
		(void)snprintf(text, sizeof text, "250%c%s\r\n", i + 1 == n_sent ? ' ' : '-', sent[i]);
		add(&server->said, text);
	}
	for (unsigned i = 0; i < n_shown; i++) {
		(void)snprintf(text, sizeof text, "250%c%s\r\n", i + 1 == n_shown ? ' ' : '-', shown[i]);
		add(&server->seen, text);
	}
}

static bool starts(const char *line, const char *verb)
{
	return strncasecmp(line, verb, strlen(verb)) == 0;
}

static void end_message(struct server *server)
{
	unsigned n = server->lmtp && server->n_rcpt > 0 ? server->n_rcpt : 1;

	while (n-- != 0)
		answer(server, n % 2 == 0 ? "250 2.0.0 queued\r\n" : "450-4.0.0 not\r\n450 4.0.0 now\r\n");
	server->n_rcpt = 0;
}

static void command(struct server *server, const char *line)
{
	if (starts(line, "EHLO") || starts(line, "LHLO")) {
		server->lmtp = starts(line, "LHLO");
		server->n_rcpt = 0;
		answer_hello(server, line);
	} else if (starts(line, "MAIL") || starts(line, "RSET")) {
		server->n_rcpt = 0;
		answer(server, "250 2.1.0 ok\r\n");
	} else if (starts(line, "RCPT")) {
		bool good = digest(line) % 4 != 0;

		server->n_rcpt += good;
		answer(server, good ? "250 2.1.5 ok\r\n" : "550-5.1.1 no\r\n550 5.1.1 such user\r\n");
	} else if (starts(line, "DATA")) {
		server->state = server->n_rcpt != 0 ? SERVER_DATA : SERVER_COMMAND;
		answer(server, server->n_rcpt != 0 ? "354 go\r\n" : "503 5.5.1 no recipients\r\n");
	} else if (starts(line, "BDAT")) {
		server->chunk_left = strtoul(line + 5, NULL, 10);
		server->chunk_last = strstr(line, "LAST") != NULL;
		server->state = SERVER_CHUNK;
	} else if (starts(line, "QUIT")) {
		answer(server, "221 bye\r\n");
	} else {
		answer(server, digest(line) % 2 == 0 ? "250 ok\r\n" : "500 what?\r\n");
	}
}

static void end_chunk(struct server *server)
{
	server->state = SERVER_COMMAND;
	if (server->chunk_last)
		end_message(server);
	else
		answer(server, "250 chunk\r\n");
}

static void server_hears(struct server *server, const char *bytes, size_t len)
{
	add_bytes(&server->heard, bytes, len);
	for (size_t i = 0; i < len; i++) {
		if (server->state == SERVER_CHUNK) {
			if (--server->chunk_left == 0)
				end_chunk(server);
			continue;
		}
		server->line[server->line_len++] = bytes[i];
		if (bytes[i] != '\n')
			continue;
		server->line[server->line_len] = 0;
		server->line_len = 0;
		if (server->state == SERVER_COMMAND)
			command(server, server->line);
		else if (strcmp(server->line, ".\r\n") == 0) {
			server->state = SERVER_COMMAND;
			end_message(server);
		}
		if (server->state == SERVER_CHUNK && server->chunk_left == 0)
			end_chunk(server);
	}
}

// --- a client's script ---

struct script {
	struct text clear; // before STARTTLS
	struct text tls;   // after it
	unsigned n_clear_hellos;
	bool starttls;
};

static void add_message(struct text *text)
{
	unsigned n = below(6);

	for (unsigned i = 0; i < n; i++) {
		static const char *const lines[] = {
			"STARTTLS\r\n", "..\r\n", ".x\r\n", "\r\n", "Subject: .\r\n", "QUIT\r\n", ". \r\n"};

		add(text, lines[below(7)]);
	}
	add(text, ".\r\n");
}

static void add_command(struct text *text)
{
	char line[3200];
	unsigned n;

	switch (below(9)) {
	case 0:
		add(text, "NOOP\r\n");
		break;
	case 1:
		add(text, chance(50) ? "VRFY someone\r\n" : "\r\n");
		break;
	case 2: // a whole transaction
		(void)snprintf(line, sizeof line,
			"MAIL FROM:<a%u@b>\r\nRCPT TO:<good@c>\r\nRCPT TO:<c%u@d>\r\nDATA\r\n", below(99),
			below(99));
		add(text, line);
		if (digest("RCPT TO:<good@c>\r\n") % 4 != 0)
			add_message(text);
		break;
	case 3: // a message in chunks that look like commands
		n = 1 + below(60);
		(void)snprintf(line, sizeof line, "MAIL FROM:<>\r\nRCPT TO:<good@c>\r\nBDAT %u\r\n", n);
		add(text, line);
		for (unsigned i = 0; i < n; i++)
			add_bytes(text, &"STARTTLS\r\n.\r\n\n\0"[i % 15], 1);
		add(text, chance(50) ? "BDAT 0 LAST\r\n" : "BDAT 3 last\r\nx\r\n");
		break;
	case 4:
		add(text, "RSET\r\n");
		break;
	case 5: // longer than any buffer
		n = 400 + below(2500);
		memset(line, 'y', n);
		memcpy(line, "HELP ", 5);
		line[n] = 0;
		add(text, line);
		add(text, "\r\n");
		break;
	case 6:
		(void)snprintf(line, sizeof line, "MAIL FROM:<a@b> SIZE=%u\r\n", below(1000));
		add(text, line);
		break;
	default:
		(void)snprintf(line, sizeof line, "x%u starttls\r\n", below(1000));
		add(text, line);
		break;
	}
}

static void add_hello(struct text *text, bool lmtp)
{
	char line[64];

	(void)snprintf(line, sizeof line, "%s client%u.example\r\n", lmtp ? "LHLO" : "EHLO", below(100000));
	add(text, line);
}

static void make_script(struct script *script)
{
	unsigned n = below(8);
	bool lmtp = chance(25);

	script->clear.len = script->tls.len = 0;
	script->starttls = chance(60);
	script->n_clear_hellos = 1;
	add_hello(&script->clear, lmtp);
	for (unsigned i = 0; i < n; i++)
		add_command(&script->clear);
	if (!script->starttls)
		return;
	add_hello(&script->tls, lmtp);
	n = below(8);
	for (unsigned i = 0; i < n; i++)
		add_command(&script->tls);
	add(&script->tls, "QUIT\r\n");
}

// --- the two runs ---

static void server_begin(struct server *server)
{
	server->state = SERVER_COMMAND;
	server->line_len = server->chunk_left = server->n_said = 0;
	server->heard.len = server->said.len = server->seen.len = 0;
	server->n_rcpt = server->n_hello = server->n_clear = 0;
	server->lmtp = server->raw = false;
	answer(server, "220-mx.example\r\n220 ESMTP\r\n");
}

// Moves what the preamble sent to the server, and what the server answered to the preamble.
static bool exchange(struct server *server)
{
	struct talk_side *side = &talk.sides[PREAMBLE_BACKEND];
	size_t n = side->heard_len;
	bool moved = n != 0;

	server_hears(server, side->heard, n);
	side->heard_len = 0;
	n = server->said.len - server->n_said;
	if (n > 1 && chance(50))
		n = 1 + below((uint32_t)n);
	talk_say_bytes(&talk, PREAMBLE_BACKEND, span_of(server->said.bytes + server->n_said, n));
	server->n_said += n;
	talk_run(&talk);
	return moved || n != 0 || side->heard_len != 0;
}

// After the fast path: what is left goes through as it is.
static void drain(struct server *server)
{
	struct talk_side *client = &talk.sides[PREAMBLE_CLIENT], *backend = &talk.sides[PREAMBLE_BACKEND];

	server_hears(server, backend->heard, backend->heard_len);
	server->raw = true;
	server_hears(server, client->queue, client->queue_len);
	memcpy(client->heard + client->heard_len, backend->queue, backend->queue_len);
	client->heard_len += backend->queue_len;
	memcpy(client->heard + client->heard_len, server->said.bytes + server->n_said,
		server->said.len - server->n_said);
	client->heard_len += server->said.len - server->n_said;
}

static void run_through(struct server *server, const struct script *script)
{
	static const char ready[] = "220 2.0.0 Ready to start TLS\r\n";

	server->n_clear = script->n_clear_hellos;
	talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of(script->clear.bytes, script->clear.len));
	if (script->starttls)
		talk_say(&talk, PREAMBLE_CLIENT, "STARTTLS\r\n");
	while (exchange(server) && talk.end == PREAMBLE_CONTINUE)
		continue;
	if (!script->starttls) {
		assert_int_equal(talk.end, PREAMBLE_CONTINUE);
		return;
	}
	assert_int_equal(talk.end, PREAMBLE_START_TLS);
	add(&server->seen, ready);
	talk_tls_done(&talk, true);
	talk_say_bytes(&talk, PREAMBLE_CLIENT, span_of(script->tls.bytes, script->tls.len));
	while (exchange(server) && talk.end == PREAMBLE_CONTINUE)
		continue;
	if (talk.end == PREAMBLE_FAST_PATH)
		drain(server);
	else
		assert_int_equal(talk.end, PREAMBLE_CONTINUE);
}

static void compare(
	uint64_t seed, const char *who, const char *heard, size_t len, const struct text *expected)
{
	size_t at = 0;

	while (at < len && at < expected->len && heard[at] == expected->bytes[at])
		at++;
	if (at == len && at == expected->len)
		return;
	fail_msg("seed %llu, the %s heard, from byte %zu of %zu (%zu):\n%.*s\ninstead of:\n%.*s",
		(unsigned long long)seed, who, at, len, expected->len, (int)(len - at < 200 ? len - at : 200),
		heard + at, (int)(expected->len - at < 200 ? expected->len - at : 200), expected->bytes + at);
}

static void run_seed(uint64_t seed)
{
	static struct server direct, proxied;
	static struct script script;

	preamble_config_default(&talk.config, PREAMBLE_SMTP);
	talk.config.n_commands_max = 1000;
	talk_begin(&talk, (enum talk_cut)(seed % N_TALK_CUTS), (uint32_t)(seed * 2654435761u));
	make_script(&script);
	server_begin(&direct);
	server_begin(&proxied);
	server_hears(&direct, script.clear.bytes, script.clear.len);
	server_hears(&direct, script.tls.bytes, script.tls.len);
	run_through(&proxied, &script);
	compare(seed, "server", proxied.heard.bytes, proxied.heard.len, &direct.heard);
	compare(seed, "client", talk.sides[PREAMBLE_CLIENT].heard, talk.sides[PREAMBLE_CLIENT].heard_len,
		&proxied.seen);
}

static void smtp(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++)
		run_seed(seed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smtp),
	};

	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		n_seeds = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests_name("proxy/preamble_differential", tests, NULL, NULL);
}
