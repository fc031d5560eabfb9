// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "proxy/first_bytes.h"
#include "proxy/literal.h"
#include "proxy/preamble_machine.h"

enum {
	BACKEND_LINE_MAX = 65536 // no protocol's answer needs more (RFC 5321 4.5.3.1.5: 512)
};

static const struct preamble_machine *const machines[N_PREAMBLE_PROTOCOLS] = {
	[PREAMBLE_SMTP] = &preamble_smtp,
	[PREAMBLE_IMAP] = &preamble_imap,
	[PREAMBLE_POP3] = &preamble_pop3,
	[PREAMBLE_SIEVE] = &preamble_sieve,
};

static const char *const reason_names[N_PREAMBLE_REASONS] = {
	[PREAMBLE_REASON_NONE] = "none",
#define PREAMBLE_REASON(id, name) [PREAMBLE_REASON_##id] = name,
#include "proxy/preamble_reasons.def"
#undef PREAMBLE_REASON
};

static const enum counter reason_counters[N_PREAMBLE_REASONS] = {
#define PREAMBLE_REASON(id, name) [PREAMBLE_REASON_##id] = COUNTER_MAIL_CLOSED_##id,
#include "proxy/preamble_reasons.def"
#undef PREAMBLE_REASON
};

enum {
	SECOND_US = 1000000
};

void preamble_config_default(struct preamble_config *config, enum preamble_protocol protocol)
{
	*config = (struct preamble_config){
		.protocol = protocol,
		.hello_name = "sluice",
		// RFC 4954 4.5.3.1: 12,288 for AUTH; RFC 9051 4: lines of 8,192 shall do.
		.line_max = protocol == PREAMBLE_SMTP ? 12288 : 8192,
		.n_commands_max = 200,
		.greeting_timeout_us = UINT64_C(300) * SECOND_US, // RFC 5321 4.5.3.2.1
		.command_timeout_us = UINT64_C(300) * SECOND_US,  // RFC 5321 4.5.3.2.7
		.plaintext_timeout_us = UINT64_C(120) * SECOND_US,
	};
}

uint16_t preamble_implicit_port(enum preamble_protocol protocol)
{
	static const uint16_t ports[N_PREAMBLE_PROTOCOLS] = {
		[PREAMBLE_SMTP] = 465, [PREAMBLE_IMAP] = 993, [PREAMBLE_POP3] = 995};

	return ports[protocol];
}

const char *preamble_reason_name(enum preamble_reason reason)
{
	return reason < N_PREAMBLE_REASONS ? reason_names[reason] : "unknown";
}

// --- words ---

static uint8_t upper(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 'a' + 'A') : byte;
}

bool word_is(struct span word, const char *upper_word)
{
	size_t len = strlen(upper_word);
	bool same = word.len == len;

	for (size_t i = 0; same && i < len; i++)
		same = upper(word.data[i]) == (uint8_t)upper_word[i];
	return same;
}

struct span word_take(struct span *rest)
{
	struct span word = span_of(rest->data, 0);

	while (word.len < rest->len && rest->data[word.len] != ' ')
		word.len++;
	if (word.len < rest->len) {
		rest->data += word.len + 1;
		rest->len -= word.len + 1;
	} else {
		*rest = span_of(rest->data, 0);
	}
	return word;
}

size_t word_find(struct span word, const void *table, size_t n, size_t size)
{
	const char *entry = table;
	size_t idx = 0;

	while (idx < n && !word_is(word, entry + idx * size))
		idx++;
	return idx;
}

// --- what the protocols share ---

const struct preamble_rule preamble_rule_pass = {.action = PREAMBLE_RULE_PASS};
const struct preamble_rule preamble_rule_fast = {.action = PREAMBLE_RULE_FAST};

const struct preamble_rule *preamble_find_rule(
	const struct preamble *preamble, const struct preamble_command *commands, size_t n, struct span name)
{
	const struct preamble_command *command = &commands[word_find(name, commands, n, sizeof commands[0])];

	if (preamble->phase != PREAMBLE_PHASE_PLAIN)
		return command->tls;
	return preamble->config->security == PREAMBLE_ENCRYPT ? command->encrypt : command->may;
}

const struct preamble_rule *preamble_starttls_rule(
	const struct preamble *preamble, const struct preamble_starttls *starttls, struct span arguments)
{
	if (arguments.len != 0)
		return &starttls->arguments;
	return preamble->tls_unavailable ? &starttls->unavailable : &starttls->begin;
}

void preamble_fail(struct preamble_call *call, enum preamble_reason reason)
{
	struct preamble *preamble = call->preamble;
	struct preamble_step *step = call->step;
	const char *text = preamble->machine->reasons[reason];
	bool silent = preamble->phase == PREAMBLE_PHASE_HANDSHAKE;

	counter_inc(call->worker->counters, reason_counters[reason]);
	if (silent)
		preamble_count(call, COUNTER_MAIL_SMTP_FAILED);
	step->action = PREAMBLE_CLOSE;
	step->reason = reason;
	step->to_backend = span_of(NULL, 0);
	// In the middle of a line of the backend's our own would be taken for its rest.
	silent = silent || line_open(&preamble->backend_lines) || preamble->backend_left != 0;
	step->to_client = span_of(NULL, 0);
	if (!silent)
		step->to_client = span_of_string(text != NULL ? text : preamble->machine->closing);
	preamble->phase = PREAMBLE_PHASE_OVER;
}

void preamble_expect(struct preamble *preamble, enum preamble_reply reply)
{
	SLUICE_ASSERT(preamble->n_expected < PREAMBLE_EXPECTED_MAX);
	preamble->expected[(preamble->expected_head + preamble->n_expected) % PREAMBLE_EXPECTED_MAX] =
		(uint8_t)reply;
	preamble->n_expected++;
}

enum preamble_reply preamble_expected(const struct preamble *preamble)
{
	SLUICE_ASSERT(preamble->n_expected != 0);
	return preamble->expected[preamble->expected_head];
}

void preamble_answered(struct preamble *preamble)
{
	SLUICE_ASSERT(preamble->n_expected != 0);
	preamble->expected_head = (uint8_t)((preamble->expected_head + 1) % PREAMBLE_EXPECTED_MAX);
	preamble->n_expected--;
	if (preamble->n_expected == 0)
		preamble->waits = false;
}

void preamble_pass_to_client(struct preamble_call *call, const struct line *line)
{
	call->step->to_client = line->bytes;
}

void preamble_count(const struct preamble_call *call, enum counter first)
{
	// The four protocols' counters follow each other in the order of enum preamble_protocol.
	counter_inc(call->worker->counters,
		(enum counter)((unsigned)first + (unsigned)call->preamble->config->protocol));
}

void preamble_count_offered(struct preamble_call *call)
{
	if (!call->preamble->offered)
		preamble_count(call, COUNTER_MAIL_SMTP_OFFERED);
	call->preamble->offered = true;
}

static void begin_command_time(const struct preamble_worker *worker, struct preamble *preamble)
{
	preamble->deadline_us = worker->now_us + preamble->config->command_timeout_us;
}

// Everything that was learnt before TLS is forgotten (RFC 3207 4.2, RFC 9051 6.2.1).
static void forget(struct preamble *preamble)
{
	const struct preamble_machine *machine = preamble->machine;

	line_splitter_init(&preamble->client_lines, preamble->client_buffer, PREAMBLE_CLIENT_BUFFER);
	line_splitter_init(&preamble->backend_lines, preamble->backend_buffer, machine->backend_capacity);
	literal_begin(&preamble->client_literal);
	literal_begin(&preamble->backend_literal);
	preamble->client_left = 0;
	preamble->backend_left = 0;
	preamble->n_commands = 0;
	preamble->n_accepted = 0;
	preamble->held_len = 0;
	preamble->client_body = PREAMBLE_BODY_NONE;
	preamble->n_expected = 0;
	preamble->tag_len = 0;
	preamble->in_command = false;
	preamble->waits = false;
	preamble->reply_begun = false;
	preamble->hello_done = false;
	preamble->capabilities = false;
	preamble->chunking = false;
	preamble->sasl = false;
	preamble->sync_literal = false;
}

void preamble_begin(struct preamble_worker *worker, struct preamble *preamble,
	const struct preamble_config *config, const struct preamble_client *client)
{
	struct preamble_call call = {.worker = worker, .preamble = preamble};

	// The buffers are not cleared: nothing is read from them that was not written before.
	memset(preamble, 0, offsetof(struct preamble, expected));
	preamble->config = config;
	preamble->machine = machines[config->protocol];
	preamble->client = *client;
	preamble->phase = PREAMBLE_PHASE_GREETING;
	forget(preamble);
	preamble->deadline_us = worker->now_us + config->greeting_timeout_us;
	preamble->plaintext_end_us = UINT64_MAX;
	preamble->own_done = !config->xclient;
	preamble->client_spoke = config->implicit_tls;
	if (!config->implicit_tls && config->security == PREAMBLE_ENCRYPT)
		preamble->plaintext_end_us = worker->now_us + config->plaintext_timeout_us;
	preamble_count(&call, COUNTER_MAIL_SMTP_CONNECTIONS);
	if (config->implicit_tls)
		preamble_count(&call, COUNTER_MAIL_SMTP_IMPLICIT);
}

static bool fail_on_bad_line(struct preamble_call *call, enum line_kind kind)
{
	static const enum preamble_reason reasons[] = {
		[LINE_BARE_LF] = PREAMBLE_REASON_BARE_LF,
		[LINE_BARE_CR] = PREAMBLE_REASON_BARE_CR,
		[LINE_NUL] = PREAMBLE_REASON_NUL,
		[LINE_TOO_LONG] = PREAMBLE_REASON_LINE_TOO_LONG,
	};

	if (kind < LINE_BARE_LF)
		return false;
	preamble_fail(call, reasons[kind]);
	return true;
}

// --- the client's side ---

// Bytes of known number: a literal or a chunk.
static void step_raw(struct preamble_call *call, struct span input)
{
	struct preamble *preamble = call->preamble;
	size_t len = input.len < preamble->client_left ? input.len : (size_t)preamble->client_left;

	begin_command_time(call->worker, preamble);
	if (preamble->client_body == PREAMBLE_BODY_RAW)
		call->step->to_backend = span_of(input.data, len);
	preamble->client_left -= len;
	if (preamble->client_left == 0)
		preamble->client_body = PREAMBLE_BODY_NONE;
	call->step->n_consumed = len;
	call->step->action = PREAMBLE_CONTINUE;
}

// SMTP's message ends with CR LF . CR LF and nothing else (RFC 5321 4.1.1.4); what some servers take for its
// end too contains a CR or LF alone or a NUL, and is refused wherever it stands.
static void step_dot(struct preamble_call *call, struct span input)
{
	struct preamble *preamble = call->preamble;
	enum preamble_reason fault = PREAMBLE_REASON_NONE;
	uint8_t state = preamble->dot_state;
	bool ended = false;
	size_t len = 0;

	while (len < input.len && !ended && fault == PREAMBLE_REASON_NONE) {
		uint8_t byte = input.data[len++];
		bool after_cr = state == PREAMBLE_DOT_CR || state == PREAMBLE_DOT_DOT_CR;

		if (after_cr && byte != '\n')
			fault = PREAMBLE_REASON_BARE_CR;
		else if (!after_cr && byte == '\n')
			fault = PREAMBLE_REASON_BARE_LF;
		else if (byte == '\0')
			fault = PREAMBLE_REASON_NUL;
		else if (byte == '\n') {
			ended = state == PREAMBLE_DOT_DOT_CR;
			state = PREAMBLE_DOT_LINE_START;
		} else if (byte == '\r')
			state = state == PREAMBLE_DOT_DOT ? PREAMBLE_DOT_DOT_CR : PREAMBLE_DOT_CR;
		else
			state = state == PREAMBLE_DOT_LINE_START && byte == '.' ? PREAMBLE_DOT_DOT
										: PREAMBLE_DOT_TEXT;
	}
	if (fault != PREAMBLE_REASON_NONE) {
		preamble_fail(call, fault);
		return;
	}
	preamble->dot_state = state;
	if (ended)
		preamble->client_body = PREAMBLE_BODY_NONE;
	begin_command_time(call->worker, preamble);
	call->step->to_backend = span_of(input.data, len);
	call->step->n_consumed = len;
	call->step->action = PREAMBLE_CONTINUE;
}

// Whether a command under this rule can go ahead now. An answer of our own must not overtake the backend's.
static bool may_go_ahead(const struct preamble *preamble, const struct preamble_rule *rule)
{
	bool quiet = preamble->n_expected == 0 && line_between(&preamble->backend_lines) &&
		     preamble->backend_left == 0;

	if (rule->action == PREAMBLE_RULE_WAIT)
		return false;
	if (rule->action == PREAMBLE_RULE_PASS)
		return preamble->n_expected < PREAMBLE_EXPECTED_MAX;
	return quiet;
}

// The answer with the command's tag in front, where the protocol has tags.
static struct span answer_text(struct preamble_call *call, const struct preamble_rule *rule)
{
	size_t tag_len = call->preamble->tag_len;
	size_t len = strlen(rule->answer);

	if (tag_len == 0)
		return span_of(rule->answer, len);
	SLUICE_ASSERT(tag_len + 1 + len <= sizeof call->worker->scratch);
	memcpy(call->worker->scratch, call->preamble->tag, tag_len);
	call->worker->scratch[tag_len] = ' ';
	memcpy(call->worker->scratch + tag_len + 1, rule->answer, len);
	return span_of(call->worker->scratch, tag_len + 1 + len);
}

static void start_tls(struct preamble_call *call, bool more_input)
{
	struct preamble *preamble = call->preamble;

	// RFC 3207 4.2 and CVE-2011-0411: what follows the command was sent in the clear by whoever sits on
	// the wire.
	if (more_input) {
		preamble_fail(call, PREAMBLE_REASON_INJECTION);
		return;
	}
	call->step->to_client = answer_text(call, preamble->rule);
	call->step->action = PREAMBLE_START_TLS;
	preamble->phase = PREAMBLE_PHASE_HANDSHAKE;
	preamble_count(call, COUNTER_MAIL_SMTP_STARTED);
}

// All of the command has gone by.
static void end_command(struct preamble_call *call, bool more_input)
{
	struct preamble *preamble = call->preamble;
	const struct preamble_rule *rule = preamble->rule;

	preamble->in_command = false;
	begin_command_time(call->worker, preamble);
	switch (rule->action) {
	case PREAMBLE_RULE_START_TLS:
		start_tls(call, more_input);
		break;
	case PREAMBLE_RULE_ANSWER:
		call->step->to_client = answer_text(call, rule);
		if (rule->refused)
			preamble_count(call, COUNTER_MAIL_SMTP_REFUSED);
		break;
	default:
		break;
	}
	preamble->tag_len = 0;
}

static bool begin_command(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	const struct preamble_rule *rule = preamble->machine->classify(preamble, line);

	if (!may_go_ahead(preamble, rule)) {
		call->step->n_consumed = line->n_kept;
		call->step->action = PREAMBLE_WAIT_OTHER;
		return false;
	}
	if (rule->action == PREAMBLE_RULE_CLOSE) {
		preamble_fail(call, rule->reason);
		return false;
	}
	if (rule->action != PREAMBLE_RULE_FAST && ++preamble->n_commands > preamble->config->n_commands_max) {
		preamble_fail(call, PREAMBLE_REASON_TOO_MANY_COMMANDS);
		return false;
	}
	preamble->rule = rule;
	preamble->in_command = true;
	if (rule->action == PREAMBLE_RULE_PASS) {
		preamble_expect(preamble, rule->reply);
		preamble->waits = rule->waits;
		if (preamble->phase == PREAMBLE_PHASE_FRESH)
			preamble->phase = PREAMBLE_PHASE_TLS;
	}
	return true;
}

static void step_line(struct preamble_call *call, struct span input)
{
	struct preamble *preamble = call->preamble;
	struct preamble_step *step = call->step;
	struct line line = line_next(&preamble->client_lines, input, preamble->config->line_max);
	bool over;

	if (fail_on_bad_line(call, line.kind))
		return;
	if (line.kind == LINE_NONE) {
		step->n_consumed = line.n_taken;
		step->action = PREAMBLE_NEED_BYTES;
		return;
	}
	if (!preamble->in_command && !begin_command(call, &line))
		return;
	step->n_consumed = line.n_taken;
	step->action = PREAMBLE_CONTINUE;
	line_accept(&preamble->client_lines, &line);
	if (preamble->rule->action == PREAMBLE_RULE_PASS || preamble->rule->action == PREAMBLE_RULE_FAST)
		step->to_backend = line.bytes;
	if (preamble->rule->action == PREAMBLE_RULE_FAST) {
		step->action = PREAMBLE_FAST_PATH;
		preamble->phase = PREAMBLE_PHASE_OVER;
		return;
	}
	over = preamble->machine->accepted(call, &line);
	if (step->action != PREAMBLE_CLOSE && over)
		end_command(call, input.len > line.n_taken);
}

static void step_client(struct preamble_call *call, struct span input)
{
	struct preamble *preamble = call->preamble;

	if (!preamble->client_spoke && input.len != 0) {
		preamble->client_spoke = true;
		if (first_bytes_kind(input) == FIRST_BYTES_TLS) {
			preamble_fail(call, PREAMBLE_REASON_TLS_WITHOUT_STARTTLS);
			call->step->to_client = span_of(NULL, 0);
			return;
		}
	}
	if (preamble->client_body != PREAMBLE_BODY_NONE) {
		if (input.len == 0)
			call->step->action = PREAMBLE_NEED_BYTES;
		else if (preamble->client_body == PREAMBLE_BODY_DOT)
			step_dot(call, input);
		else
			step_raw(call, input);
		return;
	}
	if (preamble->phase == PREAMBLE_PHASE_GREETING || preamble->phase == PREAMBLE_PHASE_HANDSHAKE ||
		(!preamble->in_command && preamble->waits) || preamble->sync_literal) {
		call->step->action = PREAMBLE_WAIT_OTHER;
		return;
	}
	step_line(call, input);
}

// --- the backend's side ---

static void step_backend(struct preamble_call *call, struct span input)
{
	struct preamble *preamble = call->preamble;
	struct preamble_step *step = call->step;
	struct line line;

	if (preamble->phase == PREAMBLE_PHASE_HANDSHAKE) {
		if (input.len != 0)
			preamble_fail(call, PREAMBLE_REASON_BACKEND_EARLY);
		return;
	}
	if (preamble->backend_left != 0 && input.len != 0) {
		size_t len = input.len < preamble->backend_left ? input.len : (size_t)preamble->backend_left;

		step->to_client = span_of(input.data, len);
		step->n_consumed = len;
		step->action = PREAMBLE_CONTINUE;
		preamble->backend_left -= len;
		return;
	}
	line = line_next(&preamble->backend_lines, input, BACKEND_LINE_MAX);
	if (line.kind >= LINE_BARE_LF) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_MALFORMED);
		return;
	}
	step->n_consumed = line.n_taken;
	if (line.kind == LINE_NONE)
		return;
	step->action = PREAMBLE_CONTINUE;
	preamble->machine->backend_line(call, &line);
	if (step->action != PREAMBLE_CLOSE)
		line_accept(&preamble->backend_lines, &line);
}

struct preamble_step preamble_step(
	struct preamble_worker *worker, struct preamble *preamble, enum preamble_side side, struct span input)
{
	struct preamble_step step = {.action = PREAMBLE_NEED_BYTES};
	struct preamble_call call = {.worker = worker, .preamble = preamble, .step = &step};

	SLUICE_ASSERT(preamble->phase != PREAMBLE_PHASE_OVER);
	if (side == PREAMBLE_CLIENT)
		step_client(&call, input);
	else
		step_backend(&call, input);
	SLUICE_DEBUG_ASSERT(step.n_consumed <= input.len);
	return step;
}

struct preamble_step preamble_tls_done(
	struct preamble_worker *worker, struct preamble *preamble, bool succeeded)
{
	struct preamble_step step = {.action = PREAMBLE_CONTINUE};
	struct preamble_call call = {.worker = worker, .preamble = preamble, .step = &step};

	SLUICE_ASSERT(preamble->phase == PREAMBLE_PHASE_HANDSHAKE);
	if (!succeeded) {
		preamble_fail(&call, PREAMBLE_REASON_TLS_FAILED);
		return step;
	}
	preamble_count(&call, COUNTER_MAIL_SMTP_USED);
	forget(preamble);
	preamble->phase = PREAMBLE_PHASE_FRESH;
	preamble->plaintext_end_us = UINT64_MAX;
	begin_command_time(worker, preamble);
	if (preamble->machine->tls_done != NULL)
		preamble->machine->tls_done(&call);
	return step;
}

void preamble_end(struct preamble_worker *worker, struct preamble *preamble)
{
	struct preamble_call call = {.worker = worker, .preamble = preamble};

	if (preamble->phase == PREAMBLE_PHASE_HANDSHAKE)
		preamble_count(&call, COUNTER_MAIL_SMTP_FAILED);
	preamble->phase = PREAMBLE_PHASE_OVER;
}

struct preamble_step preamble_injected(struct preamble_worker *worker, struct preamble *preamble)
{
	struct preamble_step step = {.action = PREAMBLE_CLOSE};
	struct preamble_call call = {.worker = worker, .preamble = preamble, .step = &step};

	SLUICE_ASSERT(preamble->phase == PREAMBLE_PHASE_HANDSHAKE);
	preamble->phase = PREAMBLE_PHASE_PLAIN;
	preamble_fail(&call, PREAMBLE_REASON_INJECTION);
	return step;
}

uint64_t preamble_deadline_us(const struct preamble *preamble)
{
	if (preamble->phase == PREAMBLE_PHASE_HANDSHAKE)
		return UINT64_MAX;
	return preamble->deadline_us < preamble->plaintext_end_us ? preamble->deadline_us
								  : preamble->plaintext_end_us;
}

struct preamble_step preamble_timeout(struct preamble_worker *worker, struct preamble *preamble)
{
	struct preamble_step step = {.action = PREAMBLE_CLOSE};
	struct preamble_call call = {.worker = worker, .preamble = preamble, .step = &step};

	preamble_fail(&call, PREAMBLE_REASON_TIMEOUT);
	return step;
}

struct preamble_step preamble_no_backend(struct preamble_worker *worker, const struct preamble_config *config)
{
	const struct preamble_machine *machine = machines[config->protocol];
	const char *text = machine->reasons[PREAMBLE_REASON_NO_BACKEND];

	counter_inc(worker->counters, COUNTER_MAIL_CLOSED_NO_BACKEND);
	return (struct preamble_step){
		.to_client = span_of_string(text != NULL ? text : machine->closing),
		.action = PREAMBLE_CLOSE,
		.reason = PREAMBLE_REASON_NO_BACKEND,
	};
}
