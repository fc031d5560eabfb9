// SPDX-License-Identifier: Apache-2.0
//
// One client connection, as a table of steps by state:
//
//   CONNECTING -> [MAIL] -> [HANDSHAKING] -> TALKING -> ENDING -> gone
//                                        +-> [MAIL] ->
//                    HOLDING (idle and floods) from wherever the script says
//
// Whatever goes wrong is counted by kind, the first in words, and the connection is reset.
#include "base/assert.h"
#include "load/generator.h"
#include "load/mail_talk.h"
#include "load/pattern.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	PIECES = 32,
	UPLOAD_LEN = 16000, // of one record
	GARBAGE_LEN = 600
};

static bool is_opening(const struct client *client)
{
	return client->state <= CLIENT_HANDSHAKING;
}

static void set_state(struct generator *generator, struct client *client, enum client_state state)
{
	bool was_opening = is_opening(client);

	generator->n_holding -= client->state == CLIENT_HOLDING;
	generator->n_holding += state == CLIENT_HOLDING;
	client->state = (uint8_t)state;
	generator->n_opening -= (uint32_t)(was_opening && !is_opening(client));
	generator->n_opening += (uint32_t)(!was_opening && is_opening(client));
	if (state != CLIENT_HOLDING)
		return;
	list_remove(&client->waiting);
	list_push_back(&generator->holding, &client->waiting);
}

// Its time begins anew.
static void touch(struct generator *generator, struct client *client)
{
	client->touched_us = generator->station->now_us;
	list_remove(&client->waiting);
	list_push_back(&generator->waiting, &client->waiting);
}

void client_activate(struct generator *generator, struct client *client)
{
	if (!list_link_linked(&client->active))
		list_push_back(&generator->active, &client->active);
}

static void release(struct generator *generator, struct client *client)
{
	generator->n_opening -= is_opening(client);
	generator->n_holding -= client->state == CLIENT_HOLDING;
	list_remove(&client->active);
	list_remove(&client->waiting);
	pool_free(&generator->clients, client);
}

void client_drop(struct generator *generator, struct client *client)
{
	leg_abort(&generator->station->legs, &client->leg);
	release(generator, client);
}

__attribute__((format(printf, 3, 4))) static void note_error(
	struct generator *generator, enum load_error error, const char *format, ...)
{
	va_list arguments;

	generator->now->errors[error]++;
	if (generator->first_error[0] != 0)
		return;
	va_start(arguments, format);
	(void)vsnprintf(generator->first_error, sizeof generator->first_error, format, arguments);
	va_end(arguments);
}

static bool fail(struct generator *generator, struct client *client, enum load_error error)
{
	note_error(generator, error, "%s", load_error_text(error));
	client_drop(generator, client);
	return true;
}

// The same for what the server says, in words.
static bool fail_answer(struct generator *generator, struct client *client, const char *words)
{
	note_error(generator, LOAD_ERROR_ANSWER, "%s", words);
	client_drop(generator, client);
	return true;
}

// A flood's connections are meant to be ended by the server.
static bool is_flood(const struct client *client)
{
	return client->script->hold >= HOLD_TCP;
}

static bool fail_handshake(struct generator *generator, struct client *client)
{
	const struct tls_handshake_report *report = leg_report(&generator->station->legs, &client->leg);
	const struct trust *trust = &generator->scripts.trust;

	if (is_flood(client)) {
		generator->now->n_flood_ended++;
		client_drop(generator, client);
		return true;
	}
	if (leg_is(&client->leg, LEG_TRUNCATED))
		note_error(generator, LOAD_ERROR_TLS,
			"TLS: the server ended the connection during the handshake");
	else if (report != NULL && report->failed_by_peer)
		note_error(generator, LOAD_ERROR_TLS, "TLS: the server sent the alert %s in state %s",
			tls_alert_name(report->alert), tls_state_name(report->failed_state));
	else
		note_error(generator, LOAD_ERROR_TLS,
			"TLS: %s is wrong with what the server sent in state %s%s%s",
			report != NULL ? tls_alert_name(report->alert) : "something",
			report != NULL ? tls_state_name(report->failed_state) : "?",
			trust->reason[0] != 0 ? ": " : "", trust->reason);
	client_drop(generator, client);
	return true;
}

static void add_latency(struct generator *generator, enum latency latency, uint64_t from_tsc)
{
	histogram_add(
		&generator->now->latencies[latency], statistics_ns(from_tsc, generator->station->now_tsc));
}

// --- beginning ---

struct ip_addr client_address(const struct load_options *options, uint32_t number)
{
	const struct load_range *range = &options->clients[0];
	uint32_t total = 0;

	for (uint32_t i = 0; i < options->n_clients; i++)
		total += options->clients[i].n;
	number %= total;
	while (number >= range->n)
		number -= (range++)->n;
	return station_address(range, number);
}

static bool connect(struct generator *generator, struct client *client)
{
	const struct load_options *options = generator->options;
	struct tcp_connect request = {.local = client_address(options, generator->next_client_address++),
		.remote = station_address(&options->target, generator->next_target++ % options->target.n),
		.remote_port = options->target.port,
		.user = pool_index(&generator->clients, client)};
	struct tcp_conn *conn;

	if (tcp_connect(generator->station->tcp, &request, generator->station->now_us, &conn) !=
		TCP_CONNECT_STARTED)
		return false;
	leg_open(&generator->station->legs, &client->leg, conn, request.user);
	return true;
}

enum client_begin client_begin(struct generator *generator, uint64_t intended_tsc)
{
	struct client *client = pool_alloc(&generator->clients);

	if (client == NULL)
		return CLIENT_NO_PLACE;
	leg_init(&client->leg, 0);
	if (!connect(generator, client)) {
		note_error(generator, LOAD_ERROR_NO_ROUTE, "%s", load_error_text(LOAD_ERROR_NO_ROUTE));
		pool_free(&generator->clients, client);
		return CLIENT_NO_WAY;
	}
	list_link_init(&client->active);
	list_link_init(&client->waiting);
	client->script = scripts_next(&generator->scripts);
	client->intended_tsc = intended_tsc;
	client->due_tsc = 0;
	client->n_uploaded = client->n_requests = 0;
	client->state = CLIENT_CONNECTING;
	client->mail_step = 0;
	client->asked = client->answering = false;
	generator->n_opening++;
	generator->now->n_begun++;
	message_begin(&client->answer, false);
	touch(generator, client);
	return CLIENT_BEGUN;
}

void client_events(struct generator *generator, struct client *client, uint16_t events)
{
	leg_events(&client->leg, events);
	if ((events & TCP_EVENT_READABLE) != 0 && client->state == CLIENT_HANDSHAKING && !client->answering) {
		client->answering = true;
		add_latency(generator, LATENCY_FLIGHT, client->hello_tsc);
	}
	client_activate(generator, client);
}

static bool start_tls(struct generator *generator, struct client *client)
{
	struct station *station = generator->station;
	const struct script *script = client->script;
	struct tls_conn *tls = pool_alloc(&station->legs.tls_conns);
	struct tls_client_params params = {
		.name = span_of_string(generator->options->name), .owner = &client->leg};
	const struct tls_client_config *config = &script->tls->plain;
	size_t consumed;

	if (script->resume) {
		params.session = scripts_session(&generator->scripts);
		if (generator->scripts.sessions.n < SESSIONS_MAX)
			config = &script->tls->collecting;
	}
	client->offered = params.session != NULL;
	if (tls == NULL)
		return fail(generator, client, LOAD_ERROR_NO_ROOM);
	tls_conn_init(tls);
	if (!tls_client_start(&station->tls, tls, config, &params)) {
		pool_free(&station->legs.tls_conns, tls);
		return fail(generator, client, LOAD_ERROR_NO_ROOM);
	}
	client->leg.tls_idx = pool_index(&station->legs.tls_conns, tls);
	client->leg.flags |= LEG_TLS | LEG_HANDSHAKING;
	client->leg.tls_status = (uint8_t)tls_handshake_input(
		&station->tls, tls, (struct tls_stream){.n_pieces = 0}, &consumed);
	client->hello_tsc = station->now_tsc;
	set_state(generator, client, CLIENT_HANDSHAKING);
	return true;
}

static bool send_garbage(struct generator *generator, struct client *client)
{
	uint8_t garbage[GARBAGE_LEN];

	random_bytes(&generator->station->crypto.random, garbage, sizeof garbage);
	(void)!leg_write(&generator->station->legs, &client->leg, span_of(garbage, sizeof garbage));
	return true;
}

static bool step_connecting(struct generator *generator, struct client *client)
{
	const struct script *script = client->script;

	if (!leg_is(&client->leg, LEG_CONNECTED))
		return false;
	add_latency(generator, LATENCY_CONNECT, client->intended_tsc);
	touch(generator, client);
	if (script->hold == HOLD_GARBAGE)
		(void)send_garbage(generator, client);
	if (script->hold == HOLD_GARBAGE || script->hold == HOLD_TCP) {
		generator->now->n_flood++;
		set_state(generator, client, CLIENT_HOLDING);
		return true;
	}
	if (generator->options->mail != LOAD_MAIL_NONE) {
		set_state(generator, client, CLIENT_MAIL);
		return true;
	}
	if (script->with_tls)
		return start_tls(generator, client);
	set_state(generator, client, script->hold == HOLD_OPEN ? CLIENT_HOLDING : CLIENT_TALKING);
	return true;
}

static bool step_handshaking(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;
	const struct tls_handshake_report *report;
	enum leg_handshake result;

	// The hello leaves with the first step; a flood looks at nothing that comes.
	if (client->script->hold == HOLD_HELLO && client->leg.tls_status == TLS_NEED_BYTES) {
		(void)!leg_handshake(legs, &client->leg);
		generator->now->n_flood++;
		set_state(generator, client, CLIENT_HOLDING);
		return true;
	}
	result = leg_handshake(legs, &client->leg);
	if (result == LEG_HANDSHAKE_WAITS)
		return false;
	if (result == LEG_HANDSHAKE_FAILED)
		return fail_handshake(generator, client);
	report = leg_report(legs, &client->leg);
	if (report->resumed)
		generator->now->n_resumed++;
	else
		generator->now->n_full++;
	if (client->offered && !report->resumed)
		note_error(generator, LOAD_ERROR_NOT_RESUMED, "%s", load_error_text(LOAD_ERROR_NOT_RESUMED));
	// A second group is offered with TLS 1.2, for the certificate's sake.
	if (generator->options->group != 0 && report->group != 0 &&
		report->group != generator->options->group)
		note_error(generator, LOAD_ERROR_OTHER_GROUP, "%s", load_error_text(LOAD_ERROR_OTHER_GROUP));
	leg_finish_handshake(legs, &client->leg);
	add_latency(generator, LATENCY_HANDSHAKE, client->intended_tsc);
	touch(generator, client);
	if (generator->options->mail != LOAD_MAIL_NONE && client->script->hold != HOLD_OPEN) {
		client->mail_step = mail_talk_after_tls(generator->options->mail);
		client->asked = false;
		set_state(generator, client, CLIENT_MAIL);
	} else {
		set_state(generator, client,
			client->script->hold == HOLD_OPEN ? CLIENT_HOLDING : CLIENT_TALKING);
	}
	return true;
}

// --- requests ---

static bool end_well(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;

	leg_shutdown(legs, &client->leg);
	leg_close(legs, &client->leg);
	generator->now->n_conversations++;
	add_latency(generator, LATENCY_CONVERSATION, client->intended_tsc);
	release(generator, client);
	return true;
}

// Sends the request's head and as much of its body as there is room for. Whether anything was sent.
static bool ask(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;
	const struct script *script = client->script;
	bool any = false;

	if (!client->asked) {
		if (!leg_write(legs, &client->leg, span_of(script->request, script->request_len)))
			return false;
		client->asked = any = true;
		client->asked_tsc = client->due_tsc != 0 ? client->due_tsc : generator->station->now_tsc;
		client->due_tsc = 0;
	}
	while (script->upload && client->n_uploaded < script->body_len) {
		uint64_t left = script->body_len - client->n_uploaded;
		uint32_t offset = pattern_offset(client->n_uploaded);
		uint32_t len = left < UPLOAD_LEN ? (uint32_t)left : UPLOAD_LEN;

		if (leg_space(legs, &client->leg) < len + PROXY_RECORD_OVERHEAD ||
			!leg_write(legs, &client->leg, span_of(pattern_bytes() + offset, len)))
			return any;
		client->n_uploaded += len;
		generator->now->n_bytes_up += len;
		any = true;
	}
	return any;
}

// A request has its whole answer.
static void end_request(struct generator *generator, struct client *client)
{
	bool last = client->answer.close || (generator->draining && client->script->hold != HOLD_OPEN) ||
		    (client->script->n_requests != 0 && client->n_requests + 1 >= client->script->n_requests);

	client->n_requests++;
	generator->now->n_requests++;
	add_latency(generator, LATENCY_REQUEST, client->asked_tsc);
	client->asked = false;
	client->n_uploaded = 0;
	if (!last)
		message_begin(&client->answer, false);
	set_state(generator, client,
		last ? CLIENT_ENDING : (client->script->hold == HOLD_OPEN ? CLIENT_HOLDING : CLIENT_TALKING));
}

// What is wrong with a whole answer, in words; NULL: nothing.
static const char *trouble_with(const struct generator *generator, const struct client *client)
{
	static char words[96];
	const struct message *answer = &client->answer;
	const struct script *script = client->script;

	words[0] = 0;
	if (script->upload ? answer->status / 100 != 2 : answer->status != 200)
		(void)snprintf(words, sizeof words, "the server answers with status %u", answer->status);
	else if (!script->upload && answer->body_len != script->body_len)
		(void)snprintf(words, sizeof words, "an answer has %llu bytes where %llu were asked for",
			(unsigned long long)answer->body_len, (unsigned long long)script->body_len);
	else if (script->upload && client->n_uploaded != script->body_len)
		return "an upload was answered before all of it was sent";
	else if (leg_readable(&generator->station->legs, &client->leg) != 0)
		return "bytes follow an answer that was whole";
	return words[0] != 0 ? words : NULL;
}

// It has moved. At the end of a run of bodies without end that is all that can be asked of it.
static void touch_stream(struct generator *generator, struct client *client)
{
	if (generator->draining && generator->options->mode == LOAD_BULK)
		list_remove(&client->waiting);
	else
		touch(generator, client);
}

// Reads what has come of the answer. False: the client is gone.
static bool read_answer(struct generator *generator, struct client *client, bool *moved)
{
	struct proxy *legs = &generator->station->legs;
	struct tcp_piece pieces[PIECES];
	uint32_t n = leg_peek(legs, &client->leg, pieces, PIECES);
	uint32_t taken = 0;
	uint64_t body_before = client->answer.body_seen;
	const char *words;

	for (uint32_t i = 0; i < n && !message_is_over(&client->answer); i++)
		taken += (uint32_t)message_feed(&client->answer, span_of(pieces[i].data, pieces[i].len));
	if (taken == 0)
		return true;
	*moved = true;
	leg_consume(legs, &client->leg, taken);
	generator->now->n_bytes_down += client->answer.body_seen - body_before;
	touch_stream(generator, client);
	if (client->answer.state == MESSAGE_CORRUPT)
		return !fail(generator, client, LOAD_ERROR_CORRUPT);
	if (client->answer.state == MESSAGE_MALFORMED)
		return !fail_answer(generator, client, "an answer is no HTTP/1.1 that tells its length");
	if (client->answer.state != MESSAGE_WHOLE)
		return true;
	words = trouble_with(generator, client);
	if (words != NULL)
		return !fail_answer(generator, client, words);
	end_request(generator, client);
	return true;
}

static const char unasked[] = "the server sends bytes that nobody has asked for";

static bool step_talking(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;
	bool moved;

	if (!client->asked && leg_readable(legs, &client->leg) != 0)
		return fail_answer(generator, client, unasked);
	moved = ask(generator, client);
	if (moved && client->script->upload)
		touch_stream(generator, client);
	if (!read_answer(generator, client, &moved))
		return true;
	if (client->state == CLIENT_TALKING && leg_at_end(legs, &client->leg))
		return fail(generator, client, LOAD_ERROR_SHORT);
	leg_flush(legs, &client->leg);
	return moved;
}

// The server closes after the last answer; where it does not, we do.
static bool step_ending(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;

	if (leg_readable(legs, &client->leg) != 0)
		return fail_answer(generator, client, unasked);
	if (leg_at_end(legs, &client->leg))
		return end_well(generator, client);
	if (!client->answer.close && (client->leg.flags & (LEG_SHUT | LEG_SHUT_DUE)) == 0)
		leg_shutdown(legs, &client->leg);
	leg_flush(legs, &client->leg);
	return false;
}

static bool step_holding(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;

	if (is_flood(client) && leg_is(&client->leg, LEG_FIN_SEEN)) {
		generator->now->n_flood_ended++;
		client_drop(generator, client);
		return true;
	}
	if (is_flood(client))
		return false;
	if (leg_readable(legs, &client->leg) != 0 && generator->options->mail == LOAD_MAIL_NONE)
		return fail_answer(generator, client, unasked);
	if (leg_at_end(legs, &client->leg))
		return fail(generator, client, LOAD_ERROR_SHORT);
	return false;
}

void client_ask(struct generator *generator, struct client *client, uint64_t due_tsc)
{
	client->due_tsc = due_tsc;
	touch(generator, client);
	set_state(generator, client, CLIENT_TALKING);
	client_activate(generator, client);
}

// --- mail ---

static bool say(struct generator *generator, struct client *client)
{
	const char *words = mail_talk_words(generator->options->mail, client->mail_step);

	client->asked = true;
	client->asked_tsc = generator->station->now_tsc;
	return leg_write(&generator->station->legs, &client->leg, span_of_string(words));
}

// One line was read. False: the client's state has changed, or it is gone.
static bool take_line(struct generator *generator, struct client *client)
{
	char words[32 + MESSAGE_LINE_MAX];

	switch (mail_talk_line(generator->options->mail, &client->mail_step, client->answer.line)) {
	case MAIL_TALK_MORE:
		return true;
	case MAIL_TALK_SEND:
		if (client->asked)
			add_latency(generator, LATENCY_REQUEST, client->asked_tsc);
		if (say(generator, client))
			return true;
		(void)fail(generator, client, LOAD_ERROR_NO_ROOM);
		return false;
	case MAIL_TALK_START_TLS:
		(void)start_tls(generator, client);
		return false;
	case MAIL_TALK_OVER:
		generator->now->n_requests++;
		client->answer.close = true;
		set_state(generator, client, CLIENT_ENDING);
		return false;
	case MAIL_TALK_REFUSED:
		break;
	}
	(void)snprintf(words, sizeof words, "mail: the server says '%s'", client->answer.line);
	(void)fail_answer(generator, client, words);
	return false;
}

static bool read_lines(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;
	struct message *answer = &client->answer;
	struct tcp_piece piece;

	while (leg_peek(legs, &client->leg, &piece, 1) != 0) {
		const uint8_t *end = memchr(piece.data, '\n', piece.len);
		uint32_t n = end != NULL ? (uint32_t)(end - piece.data) + 1 : piece.len;

		for (uint32_t i = 0; i < n; i++)
			if (answer->line_len < MESSAGE_LINE_MAX - 1 && piece.data[i] != '\r' &&
				piece.data[i] != '\n')
				answer->line[answer->line_len++] = (char)piece.data[i];
		leg_consume(legs, &client->leg, n);
		if (end == NULL)
			continue;
		answer->line[answer->line_len] = 0;
		answer->line_len = 0;
		touch(generator, client);
		if (!take_line(generator, client))
			return true;
	}
	return false;
}

static bool step_mail(struct generator *generator, struct client *client)
{
	struct proxy *legs = &generator->station->legs;

	// Inside TLS the client speaks first.
	if (leg_is(&client->leg, LEG_TLS) && !client->asked && !say(generator, client))
		return fail(generator, client, LOAD_ERROR_NO_ROOM);
	if (read_lines(generator, client))
		return true;
	if (leg_at_end(legs, &client->leg))
		return fail(generator, client, LOAD_ERROR_SHORT);
	leg_flush(legs, &client->leg);
	return false;
}

// --- the table ---

// What a broken connection means depends on where it stood.
static bool fail_broken(struct generator *generator, struct client *client)
{
	if (is_flood(client)) {
		generator->now->n_flood_ended++;
		client_drop(generator, client);
		return true;
	}
	// Who said goodbye first may be answered by a FIN alone (RFC 8446 6.1); unasked it is an offence even
	// after a whole answer.
	if (leg_is(&client->leg, LEG_TRUNCATED) && client->state == CLIENT_ENDING && !client->answer.close)
		return end_well(generator, client);
	if (leg_is(&client->leg, LEG_TRUNCATED) && client->state != CLIENT_HANDSHAKING)
		return fail(generator, client, LOAD_ERROR_TRUNCATED);
	if (client->state == CLIENT_CONNECTING)
		return fail(generator, client, LOAD_ERROR_REFUSED);
	if (client->state == CLIENT_HANDSHAKING)
		return fail_handshake(generator, client);
	if (leg_is(&client->leg, LEG_TLS) &&
		tls_conn_is(leg_tls(&generator->station->legs, &client->leg), TLS_CONN_FAILED))
		return fail(generator, client, LOAD_ERROR_RECORD);
	return fail(generator, client, LOAD_ERROR_RESET);
}

bool client_step(struct generator *generator, struct client *client)
{
	static bool (*const steps[N_CLIENT_STATES])(struct generator *, struct client *) = {
		[CLIENT_CONNECTING] = step_connecting,
		[CLIENT_MAIL] = step_mail,
		[CLIENT_HANDSHAKING] = step_handshaking,
		[CLIENT_TALKING] = step_talking,
		[CLIENT_HOLDING] = step_holding,
		[CLIENT_ENDING] = step_ending};

	if (leg_is(&client->leg, LEG_BROKEN))
		return fail_broken(generator, client);
	return steps[client->state](generator, client);
}

void client_expire(struct generator *generator, uint64_t limit_us)
{
	struct list_link *link;

	while ((link = list_first(&generator->waiting)) != NULL) {
		struct client *client = LIST_ITEM(link, struct client, waiting);

		if (generator->station->now_us - client->touched_us < limit_us)
			return;
		(void)fail(generator, client,
			client->state == CLIENT_CONNECTING ? LOAD_ERROR_UNANSWERED : LOAD_ERROR_LOST);
	}
}
