// SPDX-License-Identifier: Apache-2.0
//
// ManageSieve (RFC 5804). The greeting is a list of capabilities, and so is the answer to CAPABILITY, and so
// is what the server says by itself once TLS is up (2.2); that last one Sluice asks the backend for, which
// does not know of TLS. Before TLS a list gains STARTTLS and shows no SASL mechanism (1.7: an empty list
// means that STARTTLS comes first); in TLS it loses STARTTLS.
//
// An answer is any number of lines and then one that begins with OK, NO or BYE; strings may be literals on
// either side, the client's always non-synchronizing (4).
#include "proxy/preamble_machine.h"

#include "base/assert.h"
#include "base/writer.h"
#include "proxy/literal.h"

static const struct preamble_rule capability = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_HELLO};
static const struct preamble_starttls starttls = {
	.begin = {.action = PREAMBLE_RULE_START_TLS, .answer = "OK \"Begin TLS negotiation now\"\r\n"},
	.arguments = {.action = PREAMBLE_RULE_ANSWER, .answer = "NO \"STARTTLS takes no arguments\"\r\n"},
	.unavailable = {.action = PREAMBLE_RULE_ANSWER,
		.answer = "NO (TRYLATER) \"TLS is not available now\"\r\n"},
};
static const struct preamble_rule tls_active = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "NO \"TLS is already active\"\r\n"};
static const struct preamble_rule tls_first = {.action = PREAMBLE_RULE_ANSWER,
	.refused = true,
	.answer = "NO (ENCRYPT-NEEDED) \"Must issue a STARTTLS command first\"\r\n"};
static const struct preamble_rule not_yours = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "NO \"Unknown command\"\r\n"};

static const struct preamble_command commands[] = {
	//                   ENCRYPT      MAY         TLS
	{"CAPABILITY", &capability, &capability, &capability},
	{"NOOP", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"LOGOUT", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"STARTTLS", &starttls.begin, &starttls.begin, &tls_active},
	{"AUTHENTICATE", &tls_first, &tls_first, &preamble_rule_fast},
	{"XCLIENT", &not_yours, &not_yours, &not_yours},
	// Any other.
	{"", &tls_first, &preamble_rule_pass, &preamble_rule_pass},
};

enum {
	N_COMMANDS = sizeof commands / sizeof commands[0] - 1,
	LITERAL_MAX_BEFORE_LOGIN = 4096
};

static const struct preamble_rule *sieve_classify(const struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span name = word_take(&rest);
	const struct preamble_rule *rule = preamble_find_rule(preamble, commands, N_COMMANDS, name);

	return rule == &starttls.begin ? preamble_starttls_rule(preamble, &starttls, rest) : rule;
}

static bool sieve_accepted(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool passed = preamble->rule->action == PREAMBLE_RULE_PASS;
	enum literal_end end;

	literal_feed(&preamble->client_literal, line->bytes);
	if (line->kind != LINE_WHOLE && line->kind != LINE_TAIL)
		return false;
	end = literal_end(&preamble->client_literal);
	if (end == LITERAL_NONE)
		return true;
	if (end != LITERAL_NON_SYNC || (passed && preamble->client_literal.n > LITERAL_MAX_BEFORE_LOGIN)) {
		preamble_fail(call, PREAMBLE_REASON_LITERAL_REFUSED);
		return true;
	}
	preamble->client_left = preamble->client_literal.n;
	if (preamble->client_left != 0)
		preamble->client_body = passed ? PREAMBLE_BODY_RAW : PREAMBLE_BODY_DROP;
	return false;
}

static void sieve_tls_done(struct preamble_call *call)
{
	call->step->to_backend = span_of_string("CAPABILITY\r\n");
	preamble_expect(call->preamble, PREAMBLE_REPLY_HELLO);
	call->preamble->waits = true;
	call->preamble->phase = PREAMBLE_PHASE_TLS;
}

// --- the backend's answers ---

// The first word, up to a space or a parenthesis.
static bool ends_answer(struct span text)
{
	struct span word = span_of(text.data, 0);

	while (word.len < text.len && text.data[word.len] != ' ' && text.data[word.len] != '(')
		word.len++;
	return word_is(word, "OK") || word_is(word, "NO") || word_is(word, "BYE");
}

// A line of capabilities, or the line that ends them.
static void filter_capability(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool plain = preamble->phase == PREAMBLE_PHASE_PLAIN || preamble->phase == PREAMBLE_PHASE_GREETING;
	struct span rest = line_text(line);
	struct span name;
	struct writer writer = writer_over(
		(struct mut_span){.data = call->worker->scratch, .len = sizeof call->worker->scratch});

	plain = plain && !preamble->config->implicit_tls;
	if (preamble->backend_last) {
		if (plain && word_is(span_of(rest.data, rest.len < 2 ? rest.len : 2), "OK")) {
			writer_bytes(&writer, span_of_string("\"STARTTLS\"\r\n"));
			preamble_count_offered(call);
		}
		writer_bytes(&writer, line->bytes);
		SLUICE_ASSERT(writer_ok(&writer));
		call->step->to_client = writer_span(&writer);
		return;
	}
	if (rest.len == 0 ||
		rest.data[0] != '"') { // a name as a literal: nobody sends it, and it could be anything
		preamble_fail(call, PREAMBLE_REASON_BACKEND_MALFORMED);
		return;
	}
	name = word_take(&rest);
	preamble->backend_drop = word_is(name, "\"STARTTLS\"") || (plain && word_is(name, "\"SASL\""));
	if (!preamble->backend_drop)
		preamble_pass_to_client(call, line);
	else if (word_is(name, "\"SASL\""))
		call->step->to_client = span_of_string("\"SASL\" \"\"\r\n");
}

static void begin_line(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool unasked = preamble->n_expected == 0 && preamble->phase != PREAMBLE_PHASE_GREETING;
	struct span text = line_text(line);

	preamble->backend_drop = false;
	preamble->backend_last = ends_answer(text);
	if (preamble->phase == PREAMBLE_PHASE_GREETING)
		preamble->backend_reply = PREAMBLE_REPLY_GREETING;
	else if (unasked)
		preamble->backend_reply = PREAMBLE_REPLY_UNASKED;
	else
		preamble->backend_reply = (uint8_t)preamble_expected(preamble);
	if (unasked && preamble->phase == PREAMBLE_PHASE_FRESH)
		preamble_fail(call, PREAMBLE_REASON_BACKEND_EARLY);
	else if (unasked && !(text.len >= 3 && word_is(span_of(text.data, 3), "BYE")))
		preamble_fail(call, PREAMBLE_REASON_BACKEND_OUT_OF_TURN);
	else if (preamble->backend_reply == PREAMBLE_REPLY_GREETING ||
		 preamble->backend_reply == PREAMBLE_REPLY_HELLO)
		filter_capability(call, line);
	else
		preamble_pass_to_client(call, line);
}

static void end_answer(struct preamble_call *call)
{
	struct preamble *preamble = call->preamble;

	if (preamble->backend_reply == PREAMBLE_REPLY_GREETING) {
		preamble->phase = preamble->config->implicit_tls ? PREAMBLE_PHASE_TLS : PREAMBLE_PHASE_PLAIN;
		preamble->deadline_us = call->worker->now_us + preamble->config->command_timeout_us;
	} else if (preamble->backend_reply != PREAMBLE_REPLY_UNASKED) {
		preamble_answered(preamble);
	}
}

static void sieve_backend_line(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool begins = line->kind == LINE_WHOLE || line->kind == LINE_HEAD;
	enum literal_end end;

	if (begins && !preamble->reply_begun)
		begin_line(call, line);
	else if (!preamble->backend_drop)
		preamble_pass_to_client(call, line);
	if (call->step->action == PREAMBLE_CLOSE)
		return;
	literal_feed(&preamble->backend_literal, line->bytes);
	if (line->kind != LINE_WHOLE && line->kind != LINE_TAIL)
		return;
	end = literal_end(&preamble->backend_literal);
	preamble->reply_begun = end == LITERAL_SYNC || end == LITERAL_NON_SYNC;
	if (end == LITERAL_BROKEN || (preamble->reply_begun && preamble->backend_drop)) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_MALFORMED);
		return;
	}
	if (preamble->reply_begun)
		preamble->backend_left = preamble->backend_literal.n;
	else if (preamble->backend_last)
		end_answer(call);
}

const struct preamble_machine preamble_sieve = {
	.classify = sieve_classify,
	.accepted = sieve_accepted,
	.backend_line = sieve_backend_line,
	.tls_done = sieve_tls_done,
	.reasons =
		{
			[PREAMBLE_REASON_BARE_LF] = "BYE \"Bare LF received\"\r\n",
			[PREAMBLE_REASON_BARE_CR] = "BYE \"Bare CR received\"\r\n",
			[PREAMBLE_REASON_NUL] = "BYE \"NUL received\"\r\n",
			[PREAMBLE_REASON_LINE_TOO_LONG] = "BYE \"Command line too long\"\r\n",
			[PREAMBLE_REASON_TOO_MANY_COMMANDS] = "BYE \"Too many commands\"\r\n",
			[PREAMBLE_REASON_TIMEOUT] = "BYE \"Idle for too long\"\r\n",
			[PREAMBLE_REASON_INJECTION] = "BYE \"Data after STARTTLS\"\r\n",
			[PREAMBLE_REASON_LITERAL_REFUSED] = "BYE \"Literal refused\"\r\n",
		},
	.closing = "BYE (TRYLATER) \"Service not available, closing connection\"\r\n",
	.backend_capacity = PREAMBLE_BACKEND_BUFFER,
};
