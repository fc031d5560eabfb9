// SPDX-License-Identifier: Apache-2.0
//
// POP3 (RFC 1939, RFC 2449) with STLS (RFC 2595 4). Before TLS the answer to CAPA loses USER and SASL and
// gains STLS, and every way to log in is refused; in TLS it loses STLS until a log-in begins the fast path.
//
// Answers come in the order of the commands, one line each, but for those that end with a line of one dot:
// CAPA's, and LANG's when it has no argument (RFC 6856 3.2).
#include "proxy/preamble_machine.h"

#include "base/writer.h"

static const struct preamble_rule capa = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_HELLO};
static const struct preamble_rule lang = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_MULTI};
static const struct preamble_starttls starttls = {
	.begin = {.action = PREAMBLE_RULE_START_TLS, .answer = "+OK Begin TLS negotiation\r\n"},
	.arguments = {.action = PREAMBLE_RULE_ANSWER, .answer = "-ERR STLS takes no arguments\r\n"},
	.unavailable = {.action = PREAMBLE_RULE_ANSWER,
		.answer = "-ERR [SYS/TEMP] TLS is not available now\r\n"},
};
static const struct preamble_rule tls_active = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "-ERR TLS is already active\r\n"};
static const struct preamble_rule tls_first = {.action = PREAMBLE_RULE_ANSWER,
	.refused = true,
	.answer = "-ERR Must issue a STLS command first\r\n"};
static const struct preamble_rule not_yours = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "-ERR Unknown command\r\n"};

static const struct preamble_command commands[] = {
	//           ENCRYPT     MAY         TLS
	{"CAPA", &capa, &capa, &capa},
	{"NOOP", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"QUIT", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"STLS", &starttls.begin, &starttls.begin, &tls_active},
	{"LANG", &tls_first, &lang, &lang},
	{"USER", &tls_first, &tls_first, &preamble_rule_fast},
	{"PASS", &tls_first, &tls_first, &preamble_rule_fast},
	{"APOP", &tls_first, &tls_first, &preamble_rule_fast},
	{"AUTH", &tls_first, &tls_first, &preamble_rule_fast},
	{"XCLIENT", &not_yours, &not_yours, &not_yours},
	// Any other.
	{"", &tls_first, &preamble_rule_pass, &preamble_rule_pass},
};

enum {
	N_COMMANDS = sizeof commands / sizeof commands[0] - 1
};

static const struct preamble_rule *pop3_classify(const struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span name = word_take(&rest);
	const struct preamble_rule *rule = preamble_find_rule(preamble, commands, N_COMMANDS, name);

	if (rule == &lang && rest.len != 0)
		return &preamble_rule_pass;
	return rule == &starttls.begin ? preamble_starttls_rule(preamble, &starttls, rest) : rule;
}

static bool pop3_accepted(struct preamble_call *call, const struct line *line)
{
	(void)call;
	return line->kind == LINE_WHOLE || line->kind == LINE_TAIL;
}

// --- the backend's answers ---

static bool begins_with(struct span line, const char *start)
{
	size_t len = strlen(start);

	return line.len >= len && word_is(span_of(line.data, len), start);
}

static bool is_dot(const struct line *line)
{
	return line->kind == LINE_WHOLE && line->bytes.len == 3 && line->bytes.data[0] == '.';
}

// A line of several: whether the client gets it.
static bool keep_line(const struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span name = word_take(&rest);

	if (preamble->backend_reply != PREAMBLE_REPLY_HELLO)
		return true;
	if (word_is(name, "STLS"))
		return false;
	return preamble->phase != PREAMBLE_PHASE_PLAIN || !(word_is(name, "USER") || word_is(name, "SASL"));
}

static void take_dot(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;

	if (preamble->backend_reply == PREAMBLE_REPLY_HELLO && preamble->phase == PREAMBLE_PHASE_PLAIN) {
		call->step->to_client = span_of_string("STLS\r\n.\r\n");
		preamble_count_offered(call);
	} else {
		preamble_pass_to_client(call, line);
	}
	preamble->reply_begun = false;
	preamble_answered(preamble);
}

static void begin_answer(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool positive = begins_with(line->bytes, "+OK");

	preamble->backend_drop = false;
	if (!positive && !begins_with(line->bytes, "-ERR")) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_MALFORMED);
	} else if (preamble->phase == PREAMBLE_PHASE_GREETING) {
		preamble->phase = preamble->config->implicit_tls ? PREAMBLE_PHASE_TLS : PREAMBLE_PHASE_PLAIN;
		preamble->deadline_us = call->worker->now_us + preamble->config->command_timeout_us;
	} else if (preamble->phase == PREAMBLE_PHASE_FRESH) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_EARLY);
	} else if (preamble->n_expected == 0) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_OUT_OF_TURN);
	} else {
		enum preamble_reply reply = preamble_expected(preamble);

		preamble->backend_reply = (uint8_t)reply;
		preamble->reply_begun = positive &&
					(reply == PREAMBLE_REPLY_HELLO || reply == PREAMBLE_REPLY_MULTI);
		if (!preamble->reply_begun)
			preamble_answered(preamble);
	}
}

static void pop3_backend_line(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool begins = line->kind == LINE_WHOLE || line->kind == LINE_HEAD;

	if (begins && preamble->reply_begun && is_dot(line)) {
		take_dot(call, line);
		return;
	}
	if (begins && preamble->reply_begun)
		preamble->backend_drop = !keep_line(preamble, line);
	else if (begins)
		begin_answer(call, line);
	if (call->step->action != PREAMBLE_CLOSE && !preamble->backend_drop)
		preamble_pass_to_client(call, line);
}

const struct preamble_machine preamble_pop3 = {
	.classify = pop3_classify,
	.accepted = pop3_accepted,
	.backend_line = pop3_backend_line,
	.reasons =
		{
			[PREAMBLE_REASON_BARE_LF] = "-ERR Bare LF received\r\n",
			[PREAMBLE_REASON_BARE_CR] = "-ERR Bare CR received\r\n",
			[PREAMBLE_REASON_NUL] = "-ERR NUL received\r\n",
			[PREAMBLE_REASON_LINE_TOO_LONG] = "-ERR Command line too long\r\n",
			[PREAMBLE_REASON_TOO_MANY_COMMANDS] = "-ERR Too many commands\r\n",
			[PREAMBLE_REASON_TIMEOUT] = "-ERR Idle for too long\r\n",
			[PREAMBLE_REASON_INJECTION] = "-ERR Data after STLS\r\n",
		},
	.closing = "-ERR [SYS/TEMP] Service not available, closing connection\r\n",
	.backend_capacity = PREAMBLE_BACKEND_BUFFER,
};
