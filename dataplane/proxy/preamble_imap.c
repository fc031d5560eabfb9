// SPDX-License-Identifier: Apache-2.0
//
// IMAP (RFC 9051, RFC 3501) with STARTTLS (RFC 9051 6.2.1). Before TLS every list of capabilities that the
// backend sends, as an untagged answer or as a response code, loses its AUTH= mechanisms and gains STARTTLS
// and LOGINDISABLED; LOGIN and AUTHENTICATE are refused, so that no client gets beyond the not authenticated
// state in the clear. In TLS the lists lose STARTTLS until LOGIN or AUTHENTICATE begin the fast path.
//
// A command goes on after a literal. Whether the bytes of a synchronizing one ({n}) come at all is the
// backend's choice, so the client is not read until it chose. A non-synchronizing one ({n+}, RFC 7888) is
// passed only to a backend that offers it: another would take its bytes for commands.
#include "base/assert.h"
#include "base/writer.h"
#include "proxy/literal.h"
#include "proxy/preamble_machine.h"

static const struct preamble_starttls starttls = {
	.begin = {.action = PREAMBLE_RULE_START_TLS, .answer = "OK Begin TLS negotiation now\r\n"},
	.arguments = {.action = PREAMBLE_RULE_ANSWER, .answer = "BAD STARTTLS takes no arguments\r\n"},
	.unavailable = {.action = PREAMBLE_RULE_ANSWER,
		.answer = "NO [UNAVAILABLE] TLS is not available now\r\n"},
};
static const struct preamble_rule tls_active = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "BAD TLS is already active\r\n"};
static const struct preamble_rule tls_first = {.action = PREAMBLE_RULE_ANSWER,
	.refused = true,
	.answer = "NO [PRIVACYREQUIRED] Must issue a STARTTLS command first\r\n"};
// No tag that an answer could carry.
static const struct preamble_rule no_tag = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "* BAD Invalid tag\r\n"};

static const struct preamble_command commands[] = {
	//                 ENCRYPT      MAY         TLS
	{"CAPABILITY", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"NOOP", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"LOGOUT", &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass},
	{"STARTTLS", &starttls.begin, &starttls.begin, &tls_active},
	{"LOGIN", &tls_first, &tls_first, &preamble_rule_fast},
	{"AUTHENTICATE", &tls_first, &tls_first, &preamble_rule_fast},
	{"COMPRESS", &tls_first, &tls_first, &preamble_rule_fast},
	// Any other.
	{"", &tls_first, &preamble_rule_pass, &preamble_rule_pass},
};

enum {
	N_COMMANDS = sizeof commands / sizeof commands[0] - 1,
	// More than an ID before login may hold (RFC 2971 3.3), and RFC 7888's limit for LITERAL-.
	NON_SYNC_MAX = 4096
};

static bool valid_tag(struct span tag)
{
	bool valid = tag.len != 0 && tag.len <= PREAMBLE_TAG_MAX;

	for (size_t i = 0; valid && i < tag.len; i++)
		valid = tag.data[i] > ' ' && tag.data[i] < 0x7f && strchr("(){%*\"\\+]", tag.data[i]) == NULL;
	return valid;
}

static const struct preamble_rule *imap_classify(const struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span tag = word_take(&rest);
	struct span name = word_take(&rest);
	const struct preamble_rule *rule = preamble_find_rule(preamble, commands, N_COMMANDS, name);

	if (!valid_tag(tag) || name.len == 0)
		return &no_tag;
	return rule == &starttls.begin ? preamble_starttls_rule(preamble, &starttls, rest) : rule;
}

static void keep_tag(struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span tag = word_take(&rest);

	memcpy(preamble->tag, tag.data, tag.len);
	preamble->tag_len = (uint8_t)tag.len;
}

// The line ended with {n+}: its bytes follow whatever anybody answers.
static void take_non_sync(struct preamble_call *call)
{
	struct preamble *preamble = call->preamble;
	bool passed = preamble->rule->action == PREAMBLE_RULE_PASS;

	if (passed && (!preamble->non_sync_offered || preamble->client_literal.n > NON_SYNC_MAX)) {
		preamble_fail(call, PREAMBLE_REASON_LITERAL_REFUSED);
		return;
	}
	preamble->client_left = preamble->client_literal.n;
	if (preamble->client_left != 0)
		preamble->client_body = passed ? PREAMBLE_BODY_RAW : PREAMBLE_BODY_DROP;
}

static bool imap_accepted(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;

	if (preamble->tag_len == 0 && preamble->rule != &no_tag)
		keep_tag(preamble, line);
	literal_feed(&preamble->client_literal, line->bytes);
	if (line->kind != LINE_WHOLE && line->kind != LINE_TAIL)
		return false;
	switch (literal_end(&preamble->client_literal)) {
	case LITERAL_NONE:
		return true;
	case LITERAL_NON_SYNC:
		take_non_sync(call);
		return false;
	case LITERAL_SYNC:
		// One that is not passed on gets its answer instead of a continuation.
		preamble->sync_literal = preamble->rule->action == PREAMBLE_RULE_PASS;
		return !preamble->sync_literal;
	default:
		// Of a command that is dropped the end does not matter: what follows is looked at as a
		// command.
		if (preamble->rule->action == PREAMBLE_RULE_PASS)
			preamble_fail(call, PREAMBLE_REASON_LITERAL_REFUSED);
		return true;
	}
}

// --- capabilities ---

static bool keep_capability(struct preamble *preamble, struct span name)
{
	bool auth = name.len > 5 && word_is(span_of(name.data, 5), "AUTH=");

	if (word_is(name, "LITERAL+") || word_is(name, "LITERAL-"))
		preamble->non_sync_offered = true;
	if (word_is(name, "STARTTLS"))
		return false;
	return preamble->phase != PREAMBLE_PHASE_PLAIN || !(auth || word_is(name, "LOGINDISABLED"));
}

// Passes a line whose capabilities are the n_list bytes at `list`.
static void filter_capabilities(struct preamble_call *call, const struct line *line, struct span list)
{
	struct preamble *preamble = call->preamble;
	struct span all = line->bytes;
	struct span tail = span_of(
		list.data + list.len, (size_t)(all.data + all.len - (list.data + list.len)));
	struct writer writer = writer_over(
		(struct mut_span){.data = call->worker->scratch, .len = sizeof call->worker->scratch});
	bool first = true;

	writer_bytes(&writer, span_of(all.data, (size_t)(list.data - all.data)));
	while (list.len != 0) {
		struct span name = word_take(&list);

		if (!keep_capability(preamble, name))
			continue;
		if (!first)
			writer_u8(&writer, ' ');
		writer_bytes(&writer, name);
		first = false;
	}
	if (preamble->phase == PREAMBLE_PHASE_PLAIN) {
		writer_bytes(&writer,
			span_of_string(first ? "STARTTLS LOGINDISABLED" : " STARTTLS LOGINDISABLED"));
		preamble_count_offered(call);
	}
	writer_bytes(&writer, tail);
	SLUICE_ASSERT(writer_ok(&writer));
	call->step->to_client = writer_span(&writer);
}

// The list of capabilities in a line, by itself or in a response code at the text's beginning; empty data:
// there is none.
static struct span find_capabilities(const struct line *line)
{
	struct span rest = line_text(line);
	struct span status;

	(void)word_take(&rest);
	status = word_take(&rest);
	if (word_is(status, "CAPABILITY") && line->bytes.data[0] == '*')
		return rest;
	if (rest.len == 0 || rest.data[0] != '[' || !word_is(word_take(&rest), "[CAPABILITY"))
		return span_of(NULL, 0);
	for (size_t i = 0; i < rest.len; i++)
		if (rest.data[i] == ']')
			return span_of(rest.data, i);
	return span_of(NULL, 0);
}

// --- the backend's answers ---

static bool is_status(struct span word)
{
	return word_is(word, "OK") || word_is(word, "NO") || word_is(word, "BAD") || word_is(word, "BYE") ||
	       word_is(word, "PREAUTH");
}

static void take_greeting(struct preamble_call *call, struct span status)
{
	struct preamble *preamble = call->preamble;
	bool implicit = preamble->config->implicit_tls;

	// RFC 9051 11.1: whoever believes PREAUTH can't do STARTTLS any more.
	if (word_is(status, "PREAUTH") && !implicit) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_PREAUTH);
		return;
	}
	preamble->phase = implicit ? PREAMBLE_PHASE_TLS : PREAMBLE_PHASE_PLAIN;
	preamble->deadline_us = call->worker->now_us + preamble->config->command_timeout_us;
	if (word_is(status, "PREAUTH")) {
		call->step->action = PREAMBLE_FAST_PATH;
		preamble->phase = PREAMBLE_PHASE_OVER;
	}
}

// The answer that ends a command. Its literal is not wanted when it is the command that waits for a go-ahead.
static void take_tagged(struct preamble *preamble, struct span tag)
{
	preamble_answered(preamble);
	if (preamble->sync_literal && span_equal(tag, span_of(preamble->tag, preamble->tag_len))) {
		preamble->sync_literal = false;
		preamble->in_command = false;
		preamble->tag_len = 0;
	}
}

static void take_continuation(struct preamble *preamble)
{
	preamble->sync_literal = false;
	preamble->client_left = preamble->client_literal.n;
	if (preamble->client_left != 0)
		preamble->client_body = PREAMBLE_BODY_RAW;
}

// What may stand at this place; PREAMBLE_REASON_NONE: this may.
static enum preamble_reason check_place(const struct preamble *preamble, struct span tag, struct span status)
{
	bool untagged = word_is(tag, "*");

	if (preamble->phase == PREAMBLE_PHASE_FRESH)
		return PREAMBLE_REASON_BACKEND_EARLY;
	if (preamble->phase == PREAMBLE_PHASE_GREETING &&
		(!untagged || !is_status(status) || word_is(status, "NO") || word_is(status, "BAD")))
		return PREAMBLE_REASON_BACKEND_MALFORMED;
	if (word_is(tag, "+") && !preamble->sync_literal)
		return PREAMBLE_REASON_BACKEND_OUT_OF_TURN;
	if (!untagged && !word_is(tag, "+") && (preamble->n_expected == 0 || !is_status(status)))
		return PREAMBLE_REASON_BACKEND_OUT_OF_TURN;
	return PREAMBLE_REASON_NONE;
}

static void begin_answer(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	struct span rest = line_text(line);
	struct span tag = word_take(&rest);
	struct span status = word_take(&rest);
	enum preamble_reason reason = check_place(preamble, tag, status);
	struct span capabilities = find_capabilities(line);

	if (capabilities.data != NULL && line->kind == LINE_HEAD)
		reason = PREAMBLE_REASON_BACKEND_MALFORMED; // too long to be changed
	if (reason != PREAMBLE_REASON_NONE) {
		preamble_fail(call, reason);
		return;
	}
	preamble->backend_scan = word_is(tag, "*") && !is_status(status);
	if (preamble->phase == PREAMBLE_PHASE_GREETING)
		take_greeting(call, status);
	else if (word_is(tag, "+"))
		take_continuation(preamble);
	else if (!word_is(tag, "*"))
		take_tagged(preamble, tag);
	if (call->step->action == PREAMBLE_CLOSE)
		return;
	if (capabilities.data != NULL)
		filter_capabilities(call, line, capabilities);
	else
		preamble_pass_to_client(call, line);
}

static void imap_backend_line(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool begins = line->kind == LINE_WHOLE || line->kind == LINE_HEAD;

	if (begins && !preamble->reply_begun)
		begin_answer(call, line);
	else
		preamble_pass_to_client(call, line);
	if (call->step->action == PREAMBLE_CLOSE || !preamble->backend_scan)
		return;
	literal_feed(&preamble->backend_literal, line->bytes);
	if (line->kind != LINE_WHOLE && line->kind != LINE_TAIL)
		return;
	switch (literal_end(&preamble->backend_literal)) {
	case LITERAL_NONE:
		preamble->reply_begun = false;
		break;
	case LITERAL_SYNC:
		preamble->reply_begun = true;
		preamble->backend_left = preamble->backend_literal.n;
		break;
	default:
		preamble_fail(call, PREAMBLE_REASON_BACKEND_MALFORMED);
		break;
	}
}

const struct preamble_machine preamble_imap = {
	.classify = imap_classify,
	.accepted = imap_accepted,
	.backend_line = imap_backend_line,
	.reasons =
		{
			[PREAMBLE_REASON_BARE_LF] = "* BYE Bare LF received\r\n",
			[PREAMBLE_REASON_BARE_CR] = "* BYE Bare CR received\r\n",
			[PREAMBLE_REASON_NUL] = "* BYE NUL received\r\n",
			[PREAMBLE_REASON_LINE_TOO_LONG] = "* BYE Command line too long\r\n",
			[PREAMBLE_REASON_TOO_MANY_COMMANDS] = "* BYE Too many commands\r\n",
			[PREAMBLE_REASON_TIMEOUT] = "* BYE Autologout; idle for too long\r\n",
			[PREAMBLE_REASON_INJECTION] = "* BYE Data after STARTTLS\r\n",
			[PREAMBLE_REASON_LITERAL_REFUSED] = "* BYE Literal refused\r\n",
			[PREAMBLE_REASON_NO_BACKEND] = "* BYE [UNAVAILABLE] Service not available\r\n",
		},
	.closing = "* BYE [UNAVAILABLE] Service not available, closing connection\r\n",
	.backend_capacity = PREAMBLE_BACKEND_BUFFER,
};
