// SPDX-License-Identifier: Apache-2.0
//
// SMTP (RFC 5321) and LMTP (RFC 2033) with STARTTLS (RFC 3207), PIPELINING (RFC 2920), CHUNKING (RFC 3030),
// AUTH (RFC 4954) and XCLIENT (https://www.postfix.org/XCLIENT_README.html): the client's commands. The
// backend's replies are in preamble_smtp_reply.c.
//
// Each command is one cell of a table: rows are verbs, columns say where the conversation stands.
//
//   ENCRYPT   before TLS, nothing else is allowed (RFC 3207 4: NOOP, EHLO, STARTTLS, QUIT)
//   MAY       before TLS, mail may be sent in the clear; DATA and BDAT are followed to their end
//   FRESH     in TLS, before a new EHLO: it is what resets the backend (RFC 5321 4.1.4), so that nothing of
//             a transaction begun in the clear is left
//   TLS       in TLS: the next MAIL or AUTH begins the fast path
//   TRACKED   the same when there can't be one: the backend takes XCLIENT from us, and it would be the
//             client's if nobody looked (or it said HELO, and we don't know)
#include "proxy/preamble_smtp.h"

#include "base/assert.h"

enum column {
	ENCRYPT,
	MAY,
	FRESH,
	TLS,
	TRACKED,
	N_COLUMNS
};

static const struct preamble_rule hello = {
	.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_HELLO, .waits = true};
static const struct preamble_rule helo = {
	.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_HELO, .waits = true};
static const struct preamble_rule lhlo = {
	.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_LHLO, .waits = true};
static const struct preamble_rule mail = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_MAIL};
static const struct preamble_rule rcpt = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_RCPT};
static const struct preamble_rule data = {
	.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_DATA, .waits = true};
static const struct preamble_rule auth = {
	.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_AUTH, .waits = true};
static const struct preamble_rule chunk = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_CHUNK};
static const struct preamble_rule last_chunk = {.action = PREAMBLE_RULE_PASS, .reply = PREAMBLE_REPLY_FINAL};
static const struct preamble_starttls starttls = {
	.begin = {.action = PREAMBLE_RULE_START_TLS, .answer = "220 2.0.0 Ready to start TLS\r\n"},
	.arguments = {.action = PREAMBLE_RULE_ANSWER,
		.answer = "501 5.5.4 Syntax error: STARTTLS takes no parameters\r\n"},
	.unavailable = {.action = PREAMBLE_RULE_ANSWER,
		.answer = "454 4.7.0 TLS not available due to temporary reason\r\n"},
};
static const struct preamble_rule tls_active = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "503 5.5.1 TLS is already active\r\n"};
static const struct preamble_rule tls_first = {.action = PREAMBLE_RULE_ANSWER,
	.refused = true,
	.answer = "530 5.7.0 Must issue a STARTTLS command first\r\n"};
static const struct preamble_rule auth_after_tls = {.action = PREAMBLE_RULE_ANSWER,
	.refused = true,
	.answer = "538 5.7.11 Encryption required for requested authentication mechanism\r\n"};
static const struct preamble_rule hello_first = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "503 5.5.1 Send EHLO first\r\n"};
static const struct preamble_rule not_yours = {
	.action = PREAMBLE_RULE_ANSWER, .answer = "550 5.7.0 Insufficient authorization\r\n"};
// Where the chunk ends is known only when both sides know of chunks; otherwise its bytes would be commands.
static const struct preamble_rule chunk_refused = {
	.action = PREAMBLE_RULE_CLOSE, .reason = PREAMBLE_REASON_LITERAL_REFUSED};

static const struct {
	char verb[10];
	const struct preamble_rule *rules[N_COLUMNS];
} commands[] = {
	// clang-format off
	//            ENCRYPT              MAY                  FRESH                TLS                  TRACKED
	{"EHLO",      {&hello,              &hello,              &hello,              &hello,              &hello}},
	{"LHLO",      {&lhlo,               &lhlo,               &lhlo,               &lhlo,               &lhlo}},
	{"HELO",      {&helo,               &helo,               &helo,               &helo,               &helo}},
	{"STARTTLS",  {&starttls.begin,     &starttls.begin,     &tls_active,         &tls_active,         &tls_active}},
	{"NOOP",      {&preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass}},
	{"QUIT",      {&preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass, &preamble_rule_pass}},
	{"RSET",      {&tls_first,          &mail,               &mail,               &mail,               &mail}},
	{"MAIL",      {&tls_first,          &mail,               &hello_first,        &preamble_rule_fast, &mail}},
	{"RCPT",      {&tls_first,          &rcpt,               &hello_first,        &rcpt,               &rcpt}},
	{"DATA",      {&tls_first,          &data,               &hello_first,        &data,               &data}},
	{"BDAT",      {&chunk_refused,      &chunk,              &chunk_refused,      &chunk,              &chunk}},
	{"AUTH",      {&tls_first,          &auth_after_tls,     &hello_first,        &preamble_rule_fast, &auth}},
	{"XCLIENT",   {&tls_first,          &not_yours,          &not_yours,          &not_yours,          &not_yours}},
	{"XFORWARD",  {&tls_first,          &not_yours,          &not_yours,          &not_yours,          &not_yours}},
	// Any other verb.
	{"",          {&tls_first,          &preamble_rule_pass, &hello_first,        &preamble_rule_pass, &preamble_rule_pass}},
	// clang-format on
};

enum {
	N_VERBS = sizeof commands / sizeof commands[0] - 1,
	CHUNK_DIGITS_MAX = 15
};

static enum column column_of(const struct preamble *preamble)
{
	if (preamble->phase == PREAMBLE_PHASE_PLAIN)
		return preamble->config->security == PREAMBLE_ENCRYPT ? ENCRYPT : MAY;
	if (!preamble->hello_done)
		return FRESH;
	return preamble->tracks || !preamble->capabilities ? TRACKED : TLS;
}

// BDAT's arguments: size [SP "LAST"].
static bool parse_chunk(struct span arguments, uint64_t *out_len, bool *out_last)
{
	struct span digits = word_take(&arguments);
	uint64_t len = 0;

	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		len = len * 10 + (uint64_t)(digits.data[i] - '0');
		if (i >= CHUNK_DIGITS_MAX)
			return false;
	}
	*out_len = len;
	*out_last = word_is(arguments, "LAST");
	return digits.len != 0 && (arguments.len == 0 || *out_last);
}

static const struct preamble_rule *classify_chunk(const struct preamble *preamble, struct span arguments)
{
	uint64_t len;
	bool last;

	if (!preamble->chunking || !parse_chunk(arguments, &len, &last))
		return &chunk_refused;
	return last ? &last_chunk : &chunk;
}

static const struct preamble_rule *smtp_classify(const struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span verb = word_take(&rest);
	size_t idx = word_find(verb, commands, N_VERBS, sizeof commands[0]);
	const struct preamble_rule *rule;

	if (preamble->sasl)
		return &auth;
	rule = commands[idx].rules[column_of(preamble)];
	if (rule == &chunk)
		return classify_chunk(preamble, rest);
	return rule == &starttls.begin ? preamble_starttls_rule(preamble, &starttls, rest) : rule;
}

static void keep_hello(struct preamble *preamble, const struct line *line)
{
	struct span name = line_text(line);

	(void)word_take(&name);
	preamble->hello_len = (uint8_t)(name.len < PREAMBLE_HELLO_KEPT ? name.len : PREAMBLE_HELLO_KEPT);
	if (preamble->hello_len != 0)
		memcpy(preamble->hello, name.data, preamble->hello_len);
}

static bool smtp_accepted(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	bool ended = line->kind == LINE_WHOLE || line->kind == LINE_TAIL;
	bool last;

	if (preamble->rule == &chunk || preamble->rule == &last_chunk) {
		struct span rest = line_text(line);

		(void)word_take(&rest);
		// classify has seen these very bytes, and a BDAT longer than the buffer is none.
		SLUICE_ASSERT(parse_chunk(rest, &preamble->client_left, &last));
		if (preamble->client_left != 0)
			preamble->client_body = PREAMBLE_BODY_RAW;
	}
	if ((line->kind == LINE_WHOLE || line->kind == LINE_HEAD) &&
		(preamble->rule == &hello || preamble->rule == &helo || preamble->rule == &lhlo))
		keep_hello(preamble, line);
	if (preamble->rule == &auth)
		preamble->sasl = false;
	return ended;
}

const struct preamble_machine preamble_smtp = {
	.classify = smtp_classify,
	.accepted = smtp_accepted,
	.backend_line = preamble_smtp_backend_line,
	.reasons =
		{
			[PREAMBLE_REASON_BARE_LF] = "521 5.5.2 Error: bare <LF> received\r\n",
			[PREAMBLE_REASON_BARE_CR] = "521 5.5.2 Error: bare <CR> received\r\n",
			[PREAMBLE_REASON_NUL] = "521 5.5.2 Error: NUL received\r\n",
			[PREAMBLE_REASON_LINE_TOO_LONG] = "500 5.5.2 Line too long\r\n",
			[PREAMBLE_REASON_TOO_MANY_COMMANDS] = "421 4.7.0 Error: too many commands\r\n",
			[PREAMBLE_REASON_TIMEOUT] = "421 4.4.2 Error: timeout exceeded\r\n",
			[PREAMBLE_REASON_INJECTION] = "554 5.5.1 Error: data after STARTTLS (RFC 3207)\r\n",
			[PREAMBLE_REASON_LITERAL_REFUSED] = "503 5.5.1 Error: BDAT was not offered\r\n",
			[PREAMBLE_REASON_NO_BACKEND] = "421 4.3.2 Service not available\r\n",
		},
	.closing = "421 4.3.0 Service not available, closing transmission channel\r\n",
	.backend_capacity = PREAMBLE_SMTP_LINE_MAX,
};
