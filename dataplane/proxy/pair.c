// SPDX-License-Identifier: Apache-2.0
#include "proxy/pair.h"

#include "base/assert.h"
#include "proxy/first_bytes.h"

enum {
	HEADER_PIECES = 16
};

static const enum counter refusal_counters[N_ADMISSION_VERDICTS] = {
#define X(id, name) [ADMISSION_##id] = COUNTER_PROXY_ADMISSION_##id,
	ADMISSION_VERDICTS(X)
#undef X
};

void pair_activate(struct proxy *proxy, struct pair *pair)
{
	if (!list_link_linked(&pair->active))
		list_push_back(&proxy->active, &pair->active);
}

// --- times ---

static uint64_t after(uint64_t since_us, uint64_t limit_us)
{
	return limit_us == 0 ? UINT64_MAX : since_us + limit_us;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// The client's side is between two languages, plaintext and TLS.
static bool is_between(const struct pair *pair)
{
	return pair->awaits_hello || leg_is(&pair->legs[PAIR_CLIENT], LEG_HANDSHAKING);
}

static uint64_t phase_deadline_us(struct proxy *proxy, const struct pair *pair)
{
	const struct listener_timeouts *timeouts = &pair->terms->timeouts;
	bool half_closed = leg_is(&pair->legs[0], LEG_SHUT) || leg_is(&pair->legs[1], LEG_SHUT);

	switch (pair->phase) {
	case PAIR_CONNECT:
		return after(pair->phase_us, timeouts->connect_us);
	case PAIR_PREAMBLE:
		if (is_between(pair))
			return after(pair->phase_us, timeouts->handshake_us);
		return preamble_deadline_us(pool_at(&proxy->preambles, pair->talk_idx));
	case PAIR_FORWARD:
		return after(pair->moved_us, half_closed ? timeouts->linger_us : timeouts->idle_us);
	case PAIR_ENDING:
		return after(pair->phase_us, timeouts->linger_us);
	default:
		return after(pair->begun_us, timeouts->handshake_us);
	}
}

static uint64_t deadline_us(struct proxy *proxy, const struct pair *pair)
{
	return least(phase_deadline_us(proxy, pair), after(pair->begun_us, pair->terms->timeouts.total_us));
}

static void set_timer(struct proxy *proxy, struct pair *pair)
{
	uint64_t due_us = deadline_us(proxy, pair);

	if (due_us == UINT64_MAX)
		timer_stop(&proxy->wheel, &pair->timer);
	else
		timer_start(&proxy->wheel, &pair->timer, due_us);
}

void pair_use_config(struct proxy *proxy, struct pair *pair, uint32_t listener_idx)
{
	SLUICE_ASSERT(pair->use == NULL && listener_idx <= UINT16_MAX);
	pair->use = proxy->use;
	pair->use->n++;
	pair->listener_idx = (uint16_t)listener_idx;
}

void pair_drop_config(struct pair *pair)
{
	if (pair->use == NULL)
		return;
	pair->use->n--;
	pair->use = NULL;
}

const char *pair_backend(const struct proxy *proxy, const struct pair *pair)
{
	const char *name = NULL;

	if (pair->server_idx != UPSTREAM_NONE)
		name = upstream_server_at(&proxy->upstream, pair->server_idx)->terms->backend;
	else if (pair->use != NULL && pair->choice.n_tried != 0)
		name = pair_config(pair)->backends[pair->choice.pool_idx].name;
	return name != NULL ? name : "";
}

void pair_set_phase(struct proxy *proxy, struct pair *pair, enum pair_phase phase)
{
	pair->phase = (uint8_t)phase;
	pair->phase_us = proxy->now_us;
	pair->moved_us = proxy->now_us;
	set_timer(proxy, pair);
	if (phase == PAIR_FORWARD ||
		(phase == PAIR_PREAMBLE && !leg_is(&pair->legs[PAIR_CLIENT], LEG_HANDSHAKING)))
		pair_drop_config(pair);
}

void pair_timer(struct proxy *proxy, struct pair *pair)
{
	static const enum counter counters[N_PAIR_PHASES] = {
		[PAIR_HEADER] = COUNTER_PROXY_TIMEOUT_HANDSHAKE,
		[PAIR_HANDSHAKE] = COUNTER_PROXY_TIMEOUT_HANDSHAKE,
		[PAIR_CONNECT] = COUNTER_PROXY_TIMEOUT_CONNECT,
		[PAIR_PREAMBLE] = COUNTER_PROXY_TIMEOUT_HANDSHAKE,
		[PAIR_REDIRECT] = COUNTER_PROXY_TIMEOUT_HANDSHAKE,
		[PAIR_FORWARD] = COUNTER_PROXY_TIMEOUT_IDLE,
		[PAIR_ENDING] = COUNTER_PROXY_TIMEOUT_LINGER,
	};
	bool total = after(pair->begun_us, pair->terms->timeouts.total_us) <= proxy->now_us;

	// Bytes that went through only noted the time.
	if (deadline_us(proxy, pair) > proxy->now_us) {
		set_timer(proxy, pair);
		return;
	}
	if (pair->phase == PAIR_CONNECT && !total) {
		pair->legs[PAIR_BACKEND].flags |= LEG_BROKEN;
		pair_activate(proxy, pair);
		return;
	}
	if (pair->phase == PAIR_PREAMBLE && !is_between(pair)) {
		struct preamble_step step = preamble_timeout(
			&proxy->preamble_worker, pool_at(&proxy->preambles, pair->talk_idx));

		pair->end_detail = preamble_reason_name(step.reason);
		(void)!leg_write(proxy, &pair->legs[PAIR_CLIENT], step.to_client);
		pair_end_client(proxy, pair, COUNTER_PROXY_TIMEOUT_HANDSHAKE);
		return;
	}
	if (pair->phase == PAIR_REDIRECT && !total) {
		pair_redirect_timeout(proxy, pair);
		return;
	}
	pair_abort(proxy, pair, total ? COUNTER_PROXY_TIMEOUT_TOTAL : counters[pair->phase]);
}

// --- the end ---

// Why a handshake was cut off before TLS could say anything.
static const char *cut_reason(const struct pair *pair)
{
	const struct leg *client = &pair->legs[PAIR_CLIENT];

	if (leg_is(client, LEG_TRUNCATED))
		return "closed_by_client";
	if (leg_is(client, LEG_BROKEN))
		return "reset_by_client";
	return pair->end_reason == COUNTER_PROXY_TIMEOUT_HANDSHAKE ||
			       pair->end_reason == COUNTER_PROXY_TIMEOUT_TOTAL
		       ? "timeout"
		       : "abandoned";
}

static struct admission_rate *rate_of(const struct proxy *proxy, const struct listener_terms *terms)
{
	return &proxy->listener_rates[terms->tally_idx];
}

static enum admission_verdict admit_handshake(struct proxy *proxy, const struct pair *pair)
{
	uint32_t per_second = admission_share(pair->terms->limits.handshakes_per_second, proxy->n_workers);
	struct admission_rate *rate = rate_of(proxy, pair->terms);
	enum admission_verdict verdict;

	if (!pair->resumes && !admission_rate_affords(rate, per_second, proxy->now_us))
		return ADMISSION_LISTENER_RATE;
	verdict = admission_handshake(
		&proxy->admission, &pair->ticket, pair->resumes, proxy->n_handshakes, proxy->now_us);
	if (verdict == ADMISSION_ADMITTED && !pair->resumes)
		admission_rate_pay(rate, per_second, proxy->now_us);
	return verdict;
}

void pair_note_session(struct proxy *proxy, struct pair *pair)
{
	const struct tls_handshake_report *report = leg_report(proxy, &pair->legs[PAIR_CLIENT]);
	struct pair_facts *facts = pair_facts(proxy, pair);

	*facts = (struct pair_facts){.version = report->version,
		.suite = report->suite,
		.group = report->group,
		.scheme = report->scheme,
		.resumed = report->resumed,
		.peer_authenticated = report->peer_authenticated,
		.alpn_len = report->alpn.len <= PAIR_ALPN_MAX ? (uint8_t)report->alpn.len : 0,
		.name_len = report->name_len < PAIR_NAME_MAX ? report->name_len : PAIR_NAME_MAX};
	if (facts->alpn_len != 0)
		memcpy(facts->alpn, report->alpn.data, facts->alpn_len);
	memcpy(facts->name, report->name, facts->name_len);
	tally_listener_add(pair_row(proxy, pair),
		report->resumed ? TALLY_LISTENER_HANDSHAKES_RESUMED : TALLY_LISTENER_HANDSHAKES_FULL, 1);
	if (report->version == TLS_VERSION_12)
		tally_listener_add(pair_row(proxy, pair), TALLY_LISTENER_HANDSHAKES_12, 1);
	counter_inc(proxy->counters,
		report->resumed ? COUNTER_PROXY_HANDSHAKES_RESUMED : COUNTER_PROXY_HANDSHAKES_FULL);
	counter_add(proxy->counters, COUNTER_PROXY_HANDSHAKE_US, proxy->now_us - pair->handshake_us);
	counter_observe(
		proxy->counters, COUNTER_PROXY_HANDSHAKE_LE_7, 7, 17, proxy->now_us - pair->handshake_us);
	proxy_log_session(proxy, pair);
	// A ticket that opened and was of no use after all pays like a full handshake, as far as there is
	// credit.
	if (pair->resumes && !report->resumed) {
		(void)!admission_handshake(&proxy->admission, &pair->ticket, false, 0, proxy->now_us);
		admission_rate_pay(rate_of(proxy, pair->terms),
			admission_share(pair->terms->limits.handshakes_per_second, proxy->n_workers),
			proxy->now_us);
	}
}

void pair_note_failure(struct proxy *proxy, struct pair *pair)
{
	const struct leg *client = &pair->legs[PAIR_CLIENT];

	counter_inc(proxy->counters, COUNTER_PROXY_HANDSHAKES_FAILED);
	tally_listener_add(pair_row(proxy, pair), TALLY_LISTENER_HANDSHAKES_FAILED, 1);
	proxy_log_failure(proxy, pair, client->tls_status == TLS_FAILED ? NULL : cut_reason(pair));
}

static void tally_end(struct proxy *proxy, const struct pair *pair)
{
	struct tally_listener_row *row = pair_row(proxy, pair);

	tally_listener_add(row, TALLY_LISTENER_CLOSED, 1);
	switch (pair->end_reason) {
	case COUNTER_PROXY_ENDED:
	case COUNTER_PROXY_REDIRECTS:
		tally_listener_add(row, TALLY_LISTENER_ENDED, 1);
		break;
	case COUNTER_PROXY_RESET:
	case COUNTER_PROXY_TRUNCATED:
	case COUNTER_PROXY_TLS_FAULTS:
		tally_listener_add(row, TALLY_LISTENER_RESET, 1);
		break;
	case COUNTER_PROXY_TIMEOUT_HANDSHAKE:
	case COUNTER_PROXY_TIMEOUT_CONNECT:
	case COUNTER_PROXY_TIMEOUT_IDLE:
	case COUNTER_PROXY_TIMEOUT_LINGER:
	case COUNTER_PROXY_TIMEOUT_TOTAL:
		tally_listener_add(row, TALLY_LISTENER_TIMED_OUT, 1);
		break;
	case COUNTER_PROXY_NO_ROUTE:
		tally_listener_add(row, TALLY_LISTENER_NO_ROUTE, 1);
		break;
	case COUNTER_PROXY_NO_BACKEND:
		tally_listener_add(row, TALLY_LISTENER_NO_BACKEND, 1);
		break;
	default:
		break;
	}
}

void pair_free(struct proxy *proxy, struct pair *pair)
{
	if (leg_is(&pair->legs[PAIR_CLIENT], LEG_HANDSHAKING)) {
		proxy->n_handshakes--;
		pair_note_failure(proxy, pair);
	}
	tally_end(proxy, pair);
	proxy_log_end(proxy, pair);
	leg_abort(proxy, &pair->legs[PAIR_CLIENT]);
	leg_abort(proxy, &pair->legs[PAIR_BACKEND]);
	pair_end_talk(proxy, pair);
	if (pair->server_idx != UPSTREAM_NONE)
		upstream_release(&proxy->upstream, pair->server_idx);
	admission_release(&proxy->admission, &pair->ticket);
	timer_stop(&proxy->wheel, &pair->timer);
	list_remove(&pair->active);
	pair_drop_config(pair);
	terms_let_go(&proxy->listener_holds[pair->terms->idx]);
	pool_free(&proxy->pairs, pair);
}

static void set_end_reason(struct proxy *proxy, struct pair *pair, enum counter reason)
{
	counter_inc(proxy->counters, reason);
	if (pair->end_reason == N_COUNTERS)
		pair->end_reason = reason;
}

void pair_abort(struct proxy *proxy, struct pair *pair, enum counter reason)
{
	set_end_reason(proxy, pair, reason);
	pair_free(proxy, pair);
}

void pair_end_client(struct proxy *proxy, struct pair *pair, enum counter reason)
{
	// There are no words for a client that is between two languages.
	if (is_between(pair)) {
		pair_abort(proxy, pair, reason);
		return;
	}
	set_end_reason(proxy, pair, reason);
	pair_end_talk(proxy, pair);
	leg_abort(proxy, &pair->legs[PAIR_BACKEND]);
	leg_shutdown(proxy, &pair->legs[PAIR_CLIENT]);
	pair_set_phase(proxy, pair, PAIR_ENDING);
	pair_activate(proxy, pair);
}

// --- the beginning ---

// Admission let no handshake begin.
static void refuse_handshake(struct proxy *proxy, struct pair *pair, enum admission_verdict verdict)
{
	tally_listener_add(pair_row(proxy, pair), TALLY_LISTENER_REFUSED, 1);
	proxy_log_refused(proxy, pair->terms, &pair->addresses, refusal_counters[verdict]);
	pair_abort(proxy, pair, refusal_counters[verdict]);
}

// What the client begins with, should it not be TLS.
static enum first_bytes look_at_first_bytes(struct proxy *proxy, const struct pair *pair)
{
	struct tcp_piece piece;

	if (leg_peek(proxy, &pair->legs[PAIR_CLIENT], &piece, 1) == 0)
		return FIRST_BYTES_SHORT;
	return first_bytes_kind(span_of(piece.data, piece.len));
}

enum pair_hello pair_begin_handshake(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	enum admission_verdict verdict;

	if (!leg_has_input(proxy, client))
		return PAIR_HELLO_AWAITED;
	pair->resumes = false;
	if (pair->terms->limits.handshakes_per_second != 0 ||
		admission_asks_resumption(&proxy->admission, proxy->n_handshakes)) {
		if (leg_awaits_hello(proxy, client))
			return PAIR_HELLO_AWAITED;
		pair->resumes = leg_will_resume(proxy, client);
	}
	verdict = admit_handshake(proxy, pair);
	if (verdict != ADMISSION_ADMITTED) {
		refuse_handshake(proxy, pair, verdict);
		return PAIR_HELLO_REFUSED;
	}
	pair->first_bytes = (uint8_t)look_at_first_bytes(proxy, pair);
	pair->handshake_us = proxy->now_us;
	if (!leg_start_tls(proxy, client, pair_listener(pair)->tls)) {
		pair_abort(proxy, pair, COUNTER_PROXY_NO_ROOM);
		return PAIR_HELLO_REFUSED;
	}
	proxy->n_handshakes++;
	pair->awaits_hello = false;
	return PAIR_HELLO_ADMITTED;
}

// What follows acceptance, or the PROXY header.
static void begin(struct proxy *proxy, struct pair *pair)
{
	switch (pair->terms->protocol) {
	case LISTENER_TLS:
		// The handshake begins with the client's first byte: nothing is held for who sends none.
		pair_set_phase(proxy, pair, PAIR_HANDSHAKE);
		break;
	case LISTENER_MAIL:
		if (pair->terms->preamble.implicit_tls)
			pair_set_phase(proxy, pair, PAIR_HANDSHAKE);
		else
			pair_dial(proxy, pair, pair_listener(pair)->pool_idx);
		break;
	case LISTENER_HTTP_REDIRECT:
		if (pair_begin_redirect(proxy, pair))
			pair_set_phase(proxy, pair, PAIR_REDIRECT);
		break;
	default:
		pair_dial(proxy, pair, pair_listener(pair)->pool_idx);
		break;
	}
}

static struct pair *refuse(struct proxy *proxy, const struct proxy_listener *listener,
	const struct proxy_addresses *addresses, enum counter reason)
{
	counter_inc(proxy->counters, reason);
	tally_listener_add(&proxy->listener_tallies[listener->terms->tally_idx], TALLY_LISTENER_REFUSED, 1);
	proxy_log_refused(proxy, listener->terms, addresses, reason);
	return NULL;
}

static bool listener_is_full(const struct proxy *proxy, const struct listener_terms *terms)
{
	const struct tally_listener_row *row = &proxy->listener_tallies[terms->tally_idx];
	uint64_t n_begun = atomic_load_explicit(
		&row->values[TALLY_LISTENER_CONNECTIONS], memory_order_relaxed);
	uint64_t n_ended = atomic_load_explicit(&row->values[TALLY_LISTENER_CLOSED], memory_order_relaxed);

	return terms->limits.connections != 0 &&
	       n_begun - n_ended >= admission_share(terms->limits.connections, proxy->n_workers);
}

// A place for a connection that may have one.
static struct pair *admit(struct proxy *proxy, const struct proxy_listener *listener,
	const struct proxy_addresses *addresses, struct admission_ticket *out_ticket)
{
	enum admission_verdict verdict;
	struct pair *pair;

	if (listener->accepts_proxy && !listener_trusts(listener, &addresses->client_addr))
		return refuse(proxy, listener, addresses, COUNTER_PROXY_HEADER_UNTRUSTED);
	if (listener_is_full(proxy, listener->terms))
		return refuse(proxy, listener, addresses, COUNTER_PROXY_ADMISSION_LISTENER_CONNECTIONS);
	verdict = admission_connect(&proxy->admission, &addresses->client_addr, proxy->now_us, out_ticket);
	if (verdict != ADMISSION_ADMITTED)
		return refuse(proxy, listener, addresses, refusal_counters[verdict]);
	pair = pool_alloc(&proxy->pairs);
	if (pair != NULL)
		return pair;
	admission_release(&proxy->admission, out_ticket);
	return refuse(proxy, listener, addresses, COUNTER_PROXY_NO_ROOM);
}

void pair_accept(struct proxy *proxy, const struct tcp_ready *ready)
{
	const struct proxy_listener *listener = &proxy->config->listeners[ready->tag];
	struct tcp_conn_info info;
	struct proxy_addresses addresses;
	struct admission_ticket ticket;
	struct pair *pair;

	tcp_conn_info(proxy->tcp, ready->conn, &info);
	addresses = (struct proxy_addresses){.client_addr = info.key.remote,
		.client_port = info.key.remote_port,
		.local_addr = info.key.local,
		.local_port = info.key.local_port};
	pair = admit(proxy, listener, &addresses, &ticket);
	if (pair == NULL) {
		tcp_abort(proxy->tcp, ready->conn);
		return;
	}
	*pair = (struct pair){.terms = listener->terms,
		.ticket = ticket,
		.addresses = addresses,
		.begun_us = proxy->now_us,
		.end_reason = N_COUNTERS,
		.server_idx = UPSTREAM_NONE,
		.talk_idx = POOL_NONE};
	terms_hold(&proxy->listener_holds[pair->terms->idx]);
	pair_use_config(proxy, pair, ready->tag);
	*pair_facts(proxy, pair) = (struct pair_facts){0};
	list_link_init(&pair->active);
	timer_init(&pair->timer);
	leg_init(&pair->legs[PAIR_CLIENT], PAIR_CLIENT);
	leg_init(&pair->legs[PAIR_BACKEND], PAIR_BACKEND);
	leg_open(proxy, &pair->legs[PAIR_CLIENT], ready->conn, pair_user(proxy, &pair->legs[PAIR_CLIENT]));
	leg_events(&pair->legs[PAIR_CLIENT], ready->events);
	counter_inc(proxy->counters, COUNTER_PROXY_CONNECTIONS);
	tally_listener_add(pair_row(proxy, pair), TALLY_LISTENER_CONNECTIONS, 1);
	pair_activate(proxy, pair);
	if (listener->accepts_proxy)
		pair_set_phase(proxy, pair, PAIR_HEADER);
	else
		begin(proxy, pair);
}

void pair_events(struct proxy *proxy, struct pair *pair, uint8_t side, uint16_t events)
{
	leg_events(&pair->legs[side], events);
	pair_activate(proxy, pair);
}

// --- phases ---

// The PROXY header that a trusted source sends first.
static bool step_header(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	uint8_t *bytes = proxy->engine->scratch; // longer than any header that is accepted
	struct tcp_piece pieces[HEADER_PIECES];
	struct proxy_protocol_facts facts;
	uint32_t n = leg_peek(proxy, client, pieces, HEADER_PIECES);
	size_t len = 0, header_len;

	for (uint32_t i = 0; i < n && len < PROXY_PROTOCOL_ACCEPTED_MAX; i++) {
		size_t part = pieces[i].len;

		if (part > PROXY_PROTOCOL_ACCEPTED_MAX - len)
			part = PROXY_PROTOCOL_ACCEPTED_MAX - len;
		memcpy(bytes + len, pieces[i].data, part);
		len += part;
	}
	switch (proxy_protocol_parse(span_of(bytes, len), &facts, &header_len)) {
	case PROXY_PROTOCOL_DONE:
		break;
	case PROXY_PROTOCOL_MORE:
		if (n < HEADER_PIECES && len < PROXY_PROTOCOL_ACCEPTED_MAX && !leg_is(client, LEG_FIN_SEEN))
			return false;
		__attribute__((fallthrough));
	default:
		pair_abort(proxy, pair, COUNTER_PROXY_HEADER_BAD);
		return true;
	}
	if (!facts.local) {
		pair->addresses.client_addr = facts.source;
		pair->addresses.client_port = facts.source_port;
		pair->addresses.local_addr = facts.destination;
		pair->addresses.local_port = facts.destination_port;
	}
	leg_consume(proxy, client, (uint32_t)header_len);
	begin(proxy, pair);
	return true;
}

static void end_handshake(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	const struct tls_handshake_report *report = leg_report(proxy, client);
	struct span name = span_of(report->name, report->name_len);
	uint32_t pool_idx = 0;
	const struct proxy_listener *listener = pair_listener(pair);
	enum routing_verdict verdict = routing_find(
		&pair_config(pair)->routes, listener->route_idx, name, report->alpn, &pool_idx);

	proxy->n_handshakes--;
	pair_note_session(proxy, pair);
	if (verdict == ROUTING_NONE ||
		(verdict == ROUTING_DEFAULT && name.len != 0 && listener->reject_unknown_names)) {
		leg_finish_handshake(proxy, client);
		leg_refuse(proxy, client, TLS_REFUSE_UNRECOGNIZED_NAME);
		pair_end_client(proxy, pair, COUNTER_PROXY_NO_ROUTE);
		return;
	}
	// The report stays until the PROXY header is written.
	client->flags = (uint16_t)(client->flags & ~LEG_HANDSHAKING);
	pair_dial(proxy, pair, pool_idx);
}

static bool step_handshake(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	enum pair_hello hello;

	if (!leg_is(client, LEG_TLS)) {
		if (leg_is(client, LEG_FIN_SEEN) && !leg_has_input(proxy, client)) {
			pair_abort(proxy, pair, COUNTER_PROXY_SILENT);
			return true;
		}
		hello = pair_begin_handshake(proxy, pair);
		if (hello != PAIR_HELLO_ADMITTED)
			return hello == PAIR_HELLO_REFUSED;
		pair_set_phase(proxy, pair, PAIR_HANDSHAKE);
	}
	switch (leg_handshake(proxy, client)) {
	case LEG_HANDSHAKE_DONE:
		end_handshake(proxy, pair);
		return true;
	case LEG_HANDSHAKE_FAILED:
		proxy->n_handshakes--;
		pair_note_failure(proxy, pair);
		leg_finish_handshake(proxy, client);
		pair_end_client(proxy, pair, COUNTER_PROXY_TLS_REFUSED);
		return true;
	default:
		return false;
	}
}

// Both streams: ends are passed on as what they are.
static bool step_forward(struct proxy *proxy, struct pair *pair)
{
	bool changed = false;

	for (uint8_t side = 0; side < 2; side++) {
		struct leg *from = &pair->legs[side], *to = &pair->legs[side ^ 1];

		leg_flush(proxy, to);
		if (leg_at_end(proxy, from) && (to->flags & (LEG_SHUT | LEG_SHUT_DUE)) == 0) {
			leg_shutdown(proxy, to);
			pair->moved_us = proxy->now_us;
			set_timer(proxy, pair);
			changed = true;
		}
	}
	if (leg_is(&pair->legs[0], LEG_SHUT) && leg_is(&pair->legs[1], LEG_SHUT)) {
		leg_close(proxy, &pair->legs[0]);
		leg_close(proxy, &pair->legs[1]);
		pair_abort(proxy, pair, COUNTER_PROXY_ENDED);
		return true;
	}
	return changed;
}

// The client has been told; TCP delivers it by itself.
static bool step_ending(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];

	leg_flush(proxy, client);
	if (!leg_is(client, LEG_SHUT) && leg_is(client, LEG_OPEN) && !leg_is(client, LEG_BROKEN))
		return false;
	leg_close(proxy, client);
	pair_free(proxy, pair);
	return true;
}

static void end_broken(struct proxy *proxy, struct pair *pair)
{
	const struct leg *client = &pair->legs[PAIR_CLIENT], *backend = &pair->legs[PAIR_BACKEND];
	bool truncated = leg_is(client, LEG_TRUNCATED) || leg_is(backend, LEG_TRUNCATED);

	// An alert of ours is on its way to the client: it gets an end, not a reset.
	if (leg_is(client, LEG_TLS) && leg_is(client, LEG_OPEN) && leg_is(client, LEG_BROKEN) &&
		tls_conn_is(leg_tls(proxy, client), TLS_CONN_FAILED)) {
		leg_abort(proxy, &pair->legs[PAIR_BACKEND]);
		leg_close(proxy, &pair->legs[PAIR_CLIENT]);
		pair_abort(proxy, pair, COUNTER_PROXY_TLS_FAULTS);
		return;
	}
	pair_abort(proxy, pair, truncated ? COUNTER_PROXY_TRUNCATED : COUNTER_PROXY_RESET);
}

bool pair_step(struct proxy *proxy, struct pair *pair)
{
	if (leg_is(&pair->legs[PAIR_CLIENT], LEG_BROKEN) && pair->phase != PAIR_ENDING) {
		end_broken(proxy, pair);
		return true;
	}
	switch (pair->phase) {
	case PAIR_HEADER:
		return step_header(proxy, pair);
	case PAIR_HANDSHAKE:
		return step_handshake(proxy, pair);
	case PAIR_CONNECT:
		return pair_dialing(proxy, pair);
	case PAIR_REDIRECT:
		return pair_redirect(proxy, pair);
	case PAIR_ENDING:
		return step_ending(proxy, pair);
	default:
		break;
	}
	if (leg_is(&pair->legs[PAIR_BACKEND], LEG_BROKEN)) {
		end_broken(proxy, pair);
		return true;
	}
	return pair->phase == PAIR_PREAMBLE ? pair_converse(proxy, pair) : step_forward(proxy, pair);
}
