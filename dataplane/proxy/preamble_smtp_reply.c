// SPDX-License-Identifier: Apache-2.0
//
// SMTP: the backend's replies. They answer the commands in their order (RFC 5321 4.2, RFC 2920 3.2), so that
// each line belongs to the first command in the ring that has no answer yet.
//
// The answer to EHLO is passed line by line without the lines that Sluice stands for. The last line of a
// reply looks different from the others ("250 " instead of "250-"), and whether a line is the last that the
// client gets is known only with the next one. So one line is held back: `held`.
#include "base/assert.h"
#include "base/writer.h"
#include "proxy/preamble_smtp.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
	CODE_LEN = 3,
	PREFIX_LEN = 4, // "250-"
	CODE_CLOSING = 421,
	CODE_READY = 220,
	CODE_START_INPUT = 354,
	CODE_CHALLENGE = 334,

	XCLIENT_ADDR = 1,
	XCLIENT_PORT = 2,
	XCLIENT_NAME = 4,
	XCLIENT_DESTADDR = 8,
	XCLIENT_DESTPORT = 16
};

static struct span held(const struct preamble *preamble)
{
	return span_of(preamble->backend_buffer + PREAMBLE_SMTP_LINE_MAX, preamble->held_len);
}

static bool positive(const struct preamble *preamble)
{
	return preamble->reply_code >= 200 && preamble->reply_code < 300;
}

// A line's code, or 0: three digits and a space, a hyphen or the line's end.
static uint16_t parse_code(struct span line)
{
	if (line.len < PREFIX_LEN + 1 || line.data[0] < '2' || line.data[0] > '5')
		return 0;
	for (int i = 1; i < CODE_LEN; i++)
		if (line.data[i] < '0' || line.data[i] > '9')
			return 0;
	if (line.data[CODE_LEN] != ' ' && line.data[CODE_LEN] != '-' && line.data[CODE_LEN] != '\r')
		return 0;
	return (uint16_t)((line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0'));
}

static bool is_last_line(const struct line *line)
{
	return line->bytes.data[CODE_LEN] != '-';
}

// --- the answer to EHLO ---

// Copies a line of the reply with the separator of its new place.
static void write_line(struct writer *writer, struct span line, uint8_t separator)
{
	size_t text = line.data[CODE_LEN] == '\r' ? CODE_LEN : PREFIX_LEN;

	writer_bytes(writer, span_of(line.data, CODE_LEN));
	writer_u8(writer, separator);
	writer_bytes(writer, span_of(line.data + text, line.len - text));
}

static void hold(struct preamble *preamble, struct span line)
{
	SLUICE_ASSERT(line.len <= PREAMBLE_SMTP_LINE_MAX);
	memcpy(preamble->backend_buffer + PREAMBLE_SMTP_LINE_MAX, line.data, line.len);
	preamble->held_len = (uint16_t)line.len;
}

// What the XCLIENT line offers (its own answer must name only these).
static uint16_t xclient_attributes(struct span names)
{
	static const struct {
		char name[12];
		uint16_t bit;
	} attributes[] = {
		{"ADDR", XCLIENT_ADDR},
		{"PORT", XCLIENT_PORT},
		{"NAME", XCLIENT_NAME},
		{"DESTADDR", XCLIENT_DESTADDR},
		{"DESTPORT", XCLIENT_DESTPORT},
	};
	enum {
		N = sizeof attributes / sizeof attributes[0]
	};
	uint16_t set = 0;

	while (names.len != 0) {
		size_t idx = word_find(word_take(&names), attributes, N, sizeof attributes[0]);

		if (idx < N)
			set |= attributes[idx].bit;
	}
	return set;
}

// Learns from a line of capabilities; whether the client gets to see it.
static bool keep_capability(struct preamble *preamble, const struct line *line)
{
	struct span rest = line_text(line);
	struct span keyword;

	rest.data += PREFIX_LEN;
	rest.len -= PREFIX_LEN;
	keyword = word_take(&rest);
	if (word_is(keyword, "CHUNKING"))
		preamble->chunking = true;
	if (word_is(keyword, "XCLIENT") || word_is(keyword, "XFORWARD")) {
		preamble->tracks = true;
		return false;
	}
	if (word_is(keyword, "STARTTLS"))
		return false;
	if (preamble->phase == PREAMBLE_PHASE_PLAIN)
		return !word_is(keyword, "AUTH") &&
		       !(keyword.len > 5 && word_is(span_of(keyword.data, 5), "AUTH="));
	return true;
}

static void filter_hello(struct preamble_call *call, const struct line *line, bool last)
{
	struct preamble *preamble = call->preamble;
	bool plain = preamble->phase == PREAMBLE_PHASE_PLAIN;
	bool first = !preamble->reply_begun;
	struct writer writer = writer_over(
		(struct mut_span){.data = call->worker->scratch, .len = sizeof call->worker->scratch});
	bool keep;

	if (first) { // "250 OK" and nothing more is a server without extensions
		preamble->chunking = false;
		preamble->held_len = 0;
	}
	keep = first || line->bytes.len <= PREFIX_LEN + 2 || keep_capability(preamble, line);
	if (keep && preamble->held_len != 0)
		write_line(&writer, held(preamble), '-');
	if (keep)
		hold(preamble, line->bytes);
	if (last) {
		write_line(&writer, held(preamble), plain ? '-' : ' ');
		if (plain) {
			writer_bytes(&writer, span_of(line->bytes.data, CODE_LEN));
			writer_bytes(&writer, span_of_string(" STARTTLS\r\n"));
			preamble_count_offered(call);
		}
		preamble->held_len = 0;
		preamble->capabilities = true;
	}
	SLUICE_ASSERT(writer_ok(&writer));
	call->step->to_client = writer_span(&writer);
}

// --- XCLIENT ---

static void write_text(struct writer *writer, const char *text)
{
	writer_bytes(writer, span_of_string(text));
}

static void write_address(struct writer *writer, const char *name, const struct ip_addr *addr)
{
	char text[INET6_ADDRSTRLEN];
	bool v4 = ip_addr_is_v4(addr);

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr->bytes + IP_ADDR_V4_OFFSET : addr->bytes, text,
		sizeof text);
	write_text(writer, name);
	write_text(writer, v4 ? "" : "IPV6:");
	write_text(writer, text);
}

static void write_port(struct writer *writer, const char *name, uint16_t port)
{
	char text[8];

	(void)snprintf(text, sizeof text, "%u", port);
	write_text(writer, name);
	write_text(writer, text);
}

// Names the client to the backend. HELO and PROTO follow by themselves with the client's own EHLO; its name
// is not looked up.
static struct span xclient_command(
	struct preamble_worker *worker, const struct preamble *preamble, uint16_t set)
{
	const struct preamble_client *client = &preamble->client;
	struct writer writer = writer_over(
		(struct mut_span){.data = worker->scratch, .len = sizeof worker->scratch});

	write_text(&writer, "XCLIENT");
	if (set & XCLIENT_NAME)
		write_text(&writer, " NAME=[UNAVAILABLE]");
	if (set & XCLIENT_ADDR)
		write_address(&writer, " ADDR=", &client->addr);
	if (set & XCLIENT_PORT)
		write_port(&writer, " PORT=", client->port);
	if (set & XCLIENT_DESTADDR)
		write_address(&writer, " DESTADDR=", &client->local_addr);
	if (set & XCLIENT_DESTPORT)
		write_port(&writer, " DESTPORT=", client->local_port);
	write_text(&writer, "\r\n");
	SLUICE_ASSERT(writer_ok(&writer));
	return writer_span(&writer);
}

static void ask_for_xclient(struct preamble_call *call)
{
	struct preamble *preamble = call->preamble;
	struct writer writer = writer_over(
		(struct mut_span){.data = call->worker->scratch, .len = sizeof call->worker->scratch});

	write_text(&writer, "EHLO ");
	write_text(&writer, preamble->config->hello_name);
	write_text(&writer, "\r\n");
	SLUICE_ASSERT(writer_ok(&writer));
	call->step->to_backend = writer_span(&writer);
	preamble_expect(preamble, PREAMBLE_REPLY_OWN_HELLO);
	preamble->waits = true;
	preamble->own_done = true;
	preamble->n_final = 0;
}

static void take_own_hello(struct preamble_call *call, const struct line *line, bool last)
{
	struct preamble *preamble = call->preamble;
	struct span rest = line_text(line);

	// n_final holds the attributes meanwhile: no message is under way.
	if (rest.len > PREFIX_LEN) {
		rest = span_of(rest.data + PREFIX_LEN, rest.len - PREFIX_LEN);
		if (word_is(word_take(&rest), "XCLIENT") && positive(preamble))
			preamble->n_final = xclient_attributes(rest);
	}
	if (!last)
		return;
	preamble_answered(preamble);
	if ((preamble->n_final & XCLIENT_ADDR) != 0) {
		call->step->to_backend = xclient_command(call->worker, preamble, preamble->n_final);
		preamble_expect(preamble, PREAMBLE_REPLY_OWN_XCLIENT);
		preamble->waits = true;
		preamble->tracks = true;
	}
	preamble->n_final = 0;
}

// The second greeting is swallowed; anything else is what the backend has to say to the client that we named.
static void take_own_xclient(struct preamble_call *call, const struct line *line, bool last)
{
	struct preamble *preamble = call->preamble;

	if (!positive(preamble)) {
		preamble_fail(call, PREAMBLE_REASON_BACKEND_REFUSED);
		if (last && line->kind == LINE_WHOLE && preamble->reply_code != CODE_CLOSING)
			call->step->to_client = line->bytes;
	} else if (last) {
		preamble_answered(preamble);
	}
}

// --- all replies ---

static void take_greeting(struct preamble_call *call)
{
	struct preamble *preamble = call->preamble;

	preamble->phase = preamble->config->implicit_tls ? PREAMBLE_PHASE_TLS : PREAMBLE_PHASE_PLAIN;
	preamble->deadline_us = call->worker->now_us + preamble->config->command_timeout_us;
	if (!preamble->own_done && positive(preamble))
		ask_for_xclient(call);
}

// A whole message was answered, by all its recipients.
static void take_final(struct preamble *preamble)
{
	if (preamble->lmtp && preamble->n_final == 0 && preamble->n_accepted > 1) {
		// BDAT LAST: the number of answers is known when the first one comes.
		preamble->n_final = preamble->n_accepted;
	}
	if (preamble->n_final > 1) {
		preamble->n_final--;
		return;
	}
	preamble->n_final = 0;
	preamble->n_accepted = 0;
	preamble->n_commands = 0;
	preamble_answered(preamble);
}

static void take_data(struct preamble *preamble)
{
	preamble_answered(preamble);
	if (preamble->reply_code != CODE_START_INPUT)
		return;
	preamble->client_body = PREAMBLE_BODY_DOT;
	preamble->dot_state = PREAMBLE_DOT_LINE_START;
	preamble_expect(preamble, PREAMBLE_REPLY_FINAL);
}

// The reply's last line has passed.
static void end_reply(struct preamble_call *call)
{
	struct preamble *preamble = call->preamble;
	enum preamble_reply reply = preamble->backend_reply;

	switch (reply) {
	case PREAMBLE_REPLY_GREETING:
		take_greeting(call);
		return;
	case PREAMBLE_REPLY_UNASKED:
		return;
	case PREAMBLE_REPLY_FINAL:
		take_final(preamble);
		return;
	case PREAMBLE_REPLY_DATA:
		take_data(preamble);
		return;
	case PREAMBLE_REPLY_HELLO:
	case PREAMBLE_REPLY_LHLO:
	case PREAMBLE_REPLY_HELO:
		preamble->hello_done |= positive(preamble);
		if (positive(preamble))
			preamble->lmtp = reply == PREAMBLE_REPLY_LHLO;
		if (reply == PREAMBLE_REPLY_HELO)
			preamble->chunking = false;
		preamble->n_accepted = 0;
		break;
	case PREAMBLE_REPLY_MAIL: // and RSET
		preamble->n_accepted = 0;
		break;
	case PREAMBLE_REPLY_RCPT:
		preamble->n_accepted = (uint16_t)(preamble->n_accepted + positive(preamble));
		// Commands that move a message forward are not those that the limit is for.
		preamble->n_commands = positive(preamble) ? 0 : preamble->n_commands;
		break;
	case PREAMBLE_REPLY_CHUNK:
		preamble->n_commands = positive(preamble) ? 0 : preamble->n_commands;
		break;
	case PREAMBLE_REPLY_AUTH:
		preamble->sasl = preamble->reply_code == CODE_CHALLENGE;
		break;
	default:
		break;
	}
	preamble_answered(preamble);
}

// Which command a line answers; false: none may be answered so.
static bool begin_reply(struct preamble_call *call, uint16_t code)
{
	struct preamble *preamble = call->preamble;

	if (preamble->reply_begun)
		return code == preamble->reply_code;
	preamble->reply_code = code;
	if (preamble->phase == PREAMBLE_PHASE_GREETING)
		preamble->backend_reply = PREAMBLE_REPLY_GREETING;
	else if (preamble->n_expected != 0)
		preamble->backend_reply = (uint8_t)preamble_expected(preamble);
	else if (code == CODE_CLOSING && preamble->phase != PREAMBLE_PHASE_FRESH) // RFC 5321 3.8
		preamble->backend_reply = PREAMBLE_REPLY_UNASKED;
	else
		return false;
	return true;
}

static void take_line(struct preamble_call *call, const struct line *line, bool last)
{
	struct preamble *preamble = call->preamble;

	switch (preamble->backend_reply) {
	case PREAMBLE_REPLY_HELLO:
	case PREAMBLE_REPLY_LHLO:
		if (positive(preamble))
			filter_hello(call, line, last);
		else
			preamble_pass_to_client(call, line);
		break;
	case PREAMBLE_REPLY_OWN_HELLO:
		take_own_hello(call, line, last);
		return;
	case PREAMBLE_REPLY_OWN_XCLIENT:
		take_own_xclient(call, line, last);
		return;
	default:
		preamble_pass_to_client(call, line);
		break;
	}
	if (last)
		end_reply(call);
}

// The first bytes of a line, or all of it: whose answer it is. False: the connection has ended.
static bool begin_line(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;
	uint16_t code = parse_code(line->bytes);
	enum preamble_reason reason;

	if (code != 0 && begin_reply(call, code))
		return true;
	if (code == 0 || preamble->reply_begun)
		reason = PREAMBLE_REASON_BACKEND_MALFORMED;
	else if (preamble->phase == PREAMBLE_PHASE_FRESH)
		reason = PREAMBLE_REASON_BACKEND_EARLY;
	else
		reason = PREAMBLE_REASON_BACKEND_OUT_OF_TURN;
	preamble_fail(call, reason);
	return false;
}

// Whether the replies to this command are looked into line by line.
static bool is_inspected(const struct preamble *preamble)
{
	enum preamble_reply reply = preamble->backend_reply;

	return reply == PREAMBLE_REPLY_OWN_HELLO || reply == PREAMBLE_REPLY_OWN_XCLIENT ||
	       ((reply == PREAMBLE_REPLY_HELLO || reply == PREAMBLE_REPLY_LHLO) && positive(preamble));
}

void preamble_smtp_backend_line(struct preamble_call *call, const struct line *line)
{
	struct preamble *preamble = call->preamble;

	if (line->kind == LINE_WHOLE || line->kind == LINE_HEAD) {
		if (!begin_line(call, line))
			return;
		preamble->backend_last = is_last_line(line);
	}
	if (line->kind == LINE_WHOLE) {
		take_line(call, line, preamble->backend_last);
	} else if (is_inspected(preamble)) { // RFC 5321 4.5.3.1.5: 512 bytes
		preamble_fail(call, PREAMBLE_REASON_BACKEND_MALFORMED);
	} else {
		preamble_pass_to_client(call, line);
		if (line->kind == LINE_TAIL && preamble->backend_last)
			end_reply(call);
	}
	if (line->kind == LINE_WHOLE || line->kind == LINE_TAIL)
		preamble->reply_begun = !preamble->backend_last;
}
