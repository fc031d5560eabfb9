// SPDX-License-Identifier: Apache-2.0
//
// Pairs whose bytes are looked at: mail's preambles, and the request on port 80. Part of pair.h. What a step
// sends is copied; the fast path begins when nobody looks any more.
#include "base/assert.h"
#include "proxy/pair.h"

static struct preamble *preamble_of(struct proxy *proxy, const struct pair *pair)
{
	return pool_at(&proxy->preambles, pair->talk_idx);
}

void pair_end_talk(struct proxy *proxy, struct pair *pair)
{
	if (pair->talk_idx == POOL_NONE)
		return;
	if (pair->terms->protocol == LISTENER_MAIL) {
		preamble_end(&proxy->preamble_worker, preamble_of(proxy, pair));
		pool_free(&proxy->preambles, preamble_of(proxy, pair));
	} else {
		pool_free(&proxy->redirects, pool_at(&proxy->redirects, pair->talk_idx));
	}
	pair->talk_idx = POOL_NONE;
}

bool pair_begin_preamble(struct proxy *proxy, struct pair *pair)
{
	struct preamble *preamble = pool_alloc(&proxy->preambles);
	const struct preamble_client client = {.addr = pair->addresses.client_addr,
		.port = pair->addresses.client_port,
		.local_addr = pair->addresses.local_addr,
		.local_port = pair->addresses.local_port};

	if (preamble == NULL) {
		pair_abort(proxy, pair, COUNTER_PROXY_NO_ROOM);
		return false;
	}
	pair->talk_idx = pool_index(&proxy->preambles, preamble);
	preamble_begin(&proxy->preamble_worker, preamble, &pair->terms->preamble, &client);
	return true;
}

// Carries a step out. False: the pair is gone, or another phase has begun.
static bool carry_out(
	struct proxy *proxy, struct pair *pair, struct leg *from, const struct preamble_step *step)
{
	struct leg *client = &pair->legs[PAIR_CLIENT], *backend = &pair->legs[PAIR_BACKEND];
	struct preamble_step other;
	bool sent;

	if (step->action == PREAMBLE_START_TLS) {
		leg_consume(proxy, from, (uint32_t)step->n_consumed);
		// The rest may lie in another buffer than the command.
		if (leg_has_input(proxy, client)) {
			other = preamble_injected(&proxy->preamble_worker, preamble_of(proxy, pair));
			pair->end_detail = preamble_reason_name(other.reason);
			(void)!leg_write(proxy, client, other.to_client);
			pair_end_client(proxy, pair, COUNTER_PROXY_PREAMBLES_CLOSED);
			return false;
		}
		if (!leg_write(proxy, client, step->to_client)) {
			pair_abort(proxy, pair, COUNTER_PROXY_NO_ROOM);
			return false;
		}
		pair->awaits_hello = true;
		pair_set_phase(proxy, pair, PAIR_PREAMBLE);
		return false;
	}
	sent = leg_write(proxy, client, step->to_client) && leg_write(proxy, backend, step->to_backend);
	if (step->n_consumed != 0)
		leg_consume(proxy, from, (uint32_t)step->n_consumed);
	pair->moved_us = proxy->now_us;
	if (step->action == PREAMBLE_CLOSE) {
		pair->end_detail = preamble_reason_name(step->reason);
		pair_end_client(proxy, pair, COUNTER_PROXY_PREAMBLES_CLOSED);
		return false;
	}
	if (!sent) { // buffers are short, and half of a conversation is worse than none
		pair_abort(proxy, pair, COUNTER_PROXY_NO_ROOM);
		return false;
	}
	if (step->action == PREAMBLE_FAST_PATH) {
		pair_end_talk(proxy, pair);
		pair_set_phase(proxy, pair, PAIR_FORWARD);
		return false;
	}
	return true;
}

enum {
	INPUT_MAX = 8192
};

// Feeds what one side said, piece by piece. False: stop, as in carry_out.
static bool feed(struct proxy *proxy, struct pair *pair, uint8_t side, bool *moved)
{
	struct leg *from = &pair->legs[side];
	struct preamble_step step = {.action = PREAMBLE_CONTINUE};

	while (step.action == PREAMBLE_CONTINUE || step.action == PREAMBLE_NEED_BYTES) {
		struct tcp_piece piece;
		struct span input = span_of(NULL, 0);
		uint32_t room = INPUT_MAX + PREAMBLE_SCRATCH_LEN;

		if (leg_space(proxy, &pair->legs[0]) < room || leg_space(proxy, &pair->legs[1]) < room)
			return true;
		if (leg_peek(proxy, from, &piece, 1) != 0)
			input = span_of(piece.data, piece.len < INPUT_MAX ? piece.len : INPUT_MAX);
		if (input.len == 0 && step.action == PREAMBLE_NEED_BYTES)
			return true;
		step = preamble_step(&proxy->preamble_worker, preamble_of(proxy, pair),
			side == PAIR_CLIENT ? PREAMBLE_CLIENT : PREAMBLE_BACKEND, input);
		*moved = *moved || step.n_consumed != 0 || step.to_client.len != 0 ||
			 step.to_backend.len != 0;
		if (!carry_out(proxy, pair, from, &step))
			return false;
	}
	return true;
}

// What the backend says between STARTTLS and the end of the handshake ends the conversation. Whether it did.
static bool hear_backend(struct proxy *proxy, struct pair *pair)
{
	bool moved = false;

	return leg_has_input(proxy, &pair->legs[PAIR_BACKEND]) && !feed(proxy, pair, PAIR_BACKEND, &moved);
}

static void end_tls(struct proxy *proxy, struct pair *pair, bool succeeded)
{
	struct preamble_step step = preamble_tls_done(
		&proxy->preamble_worker, preamble_of(proxy, pair), succeeded);

	pair->awaits_hello = false;
	pair_set_phase(proxy, pair, PAIR_PREAMBLE);
	(void)carry_out(proxy, pair, &pair->legs[PAIR_CLIENT], &step);
}

// STARTTLS's handshake begins with the client's first byte, as one that begins the connection, and with what
// the listener is configured to be then. Whether anything changed.
static bool step_hello(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	uint32_t listener_idx;
	enum pair_hello hello;

	leg_flush(proxy, client);
	if (!leg_has_input(proxy, client)) {
		if (!leg_is(client, LEG_FIN_SEEN))
			return hear_backend(proxy, pair);
		end_tls(proxy, pair, false);
		return true;
	}
	listener_idx = proxy_find_listener(proxy, pair->terms);
	if (listener_idx == POOL_NONE) {
		pair_abort(proxy, pair, COUNTER_PROXY_LISTENER_GONE);
		return true;
	}
	pair_use_config(proxy, pair, listener_idx);
	hello = pair_begin_handshake(proxy, pair);
	if (hello == PAIR_HELLO_AWAITED) {
		pair_drop_config(pair);
		return hear_backend(proxy, pair);
	}
	return true;
}

// STARTTLS's handshake. Whether anything changed.
static bool step_tls(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	enum leg_handshake result = leg_handshake(proxy, client);

	if (result == LEG_HANDSHAKE_WAITS)
		return hear_backend(proxy, pair);
	proxy->n_handshakes--;
	if (result == LEG_HANDSHAKE_DONE)
		pair_note_session(proxy, pair);
	else
		pair_note_failure(proxy, pair);
	leg_finish_handshake(proxy, client);
	end_tls(proxy, pair, result == LEG_HANDSHAKE_DONE);
	return true;
}

bool pair_converse(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT], *backend = &pair->legs[PAIR_BACKEND];
	bool moved = false;

	if (pair->awaits_hello)
		return step_hello(proxy, pair);
	if (leg_is(client, LEG_HANDSHAKING))
		return step_tls(proxy, pair);
	leg_flush(proxy, client);
	leg_flush(proxy, backend);
	if (!feed(proxy, pair, PAIR_CLIENT, &moved) || !feed(proxy, pair, PAIR_BACKEND, &moved))
		return true;
	// An end in the middle of a conversation is the end of it, for both.
	if (leg_at_end(proxy, client)) {
		leg_shutdown(proxy, backend);
		pair_end_talk(proxy, pair);
		pair_set_phase(proxy, pair, PAIR_FORWARD);
		return true;
	}
	if (leg_at_end(proxy, backend)) {
		pair_end_client(proxy, pair, COUNTER_PROXY_ENDED);
		return true;
	}
	return moved;
}

// --- port 80 ---

bool pair_begin_redirect(struct proxy *proxy, struct pair *pair)
{
	struct http_redirect *redirect = pool_alloc(&proxy->redirects);

	if (redirect == NULL) {
		pair_abort(proxy, pair, COUNTER_PROXY_NO_ROOM);
		return false;
	}
	http_redirect_begin(redirect);
	pair->talk_idx = pool_index(&proxy->redirects, redirect);
	return true;
}

bool pair_redirect(struct proxy *proxy, struct pair *pair)
{
	struct leg *client = &pair->legs[PAIR_CLIENT];
	uint8_t *out = proxy->engine->scratch;
	struct tcp_piece piece;
	size_t len = 0;
	bool moved = false;

	while (len == 0 && leg_peek(proxy, client, &piece, 1) != 0) {
		len = http_redirect_feed(pool_at(&proxy->redirects, pair->talk_idx),
			&pair_listener(pair)->redirect, span_of(piece.data, piece.len),
			(struct mut_span){.data = out, .len = HTTP_REDIRECT_RESPONSE_MAX});
		leg_consume(proxy, client, piece.len);
		moved = true;
	}
	if (len != 0) {
		(void)!leg_write(proxy, client, span_of(out, len));
		pair_end_client(proxy, pair, COUNTER_PROXY_REDIRECTS);
	} else if (leg_at_end(proxy, client)) {
		pair_abort(proxy, pair, COUNTER_PROXY_ENDED);
		moved = true;
	}
	return moved;
}

void pair_redirect_timeout(struct proxy *proxy, struct pair *pair)
{
	uint8_t *out = proxy->engine->scratch;
	size_t len = http_redirect_timeout((struct mut_span){.data = out, .len = HTTP_REDIRECT_RESPONSE_MAX});

	(void)!leg_write(proxy, &pair->legs[PAIR_CLIENT], span_of(out, len));
	pair_end_client(proxy, pair, COUNTER_PROXY_TIMEOUT_HANDSHAKE);
}
