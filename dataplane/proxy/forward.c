// SPDX-License-Identifier: Apache-2.0
#include "proxy/forward.h"

#include "base/assert.h"

#include <rte_mbuf.h>

enum {
	BURST = 64,       // records in one call of the AEAD
	ROUNDS_MAX = 32,  // of a turn: what is left waits for the next one
	SEAL_PIECES = 20, // of plaintext in one record: 16 KB in full segments is 12
	MOVE_PIECES = 32,
	SEGMENT_LEN = 1300, // of plaintext in the first records, whose sealed form is to fit one segment
	PAUSE_US = 1000000
};

struct seal_item {
	struct leg *from;
	struct leg *to;
	struct leg_place place;
	uint32_t len; // of plaintext
	uint32_t sealed_len;
	struct tls_seal seal;
	struct span inputs[SEAL_PIECES + 1];
	struct mut_span output;
};

struct forward_batch {
	struct aead_job jobs[BURST];
	struct leg_opening openings[BURST];
	struct seal_item seals[BURST];
	uint32_t n_openings;
	uint32_t n_seals;
};

size_t forward_footprint(void)
{
	return sizeof(struct forward_batch) + 64;
}

struct forward_batch *forward_init(struct arena *arena)
{
	return arena_alloc(arena, sizeof(struct forward_batch), 64);
}

// --- opening ---

static void open_batch(struct proxy *proxy)
{
	struct forward_batch *batch = proxy->batch;

	if (batch->n_openings == 0)
		return;
	// Failures show in each job's status.
	(void)!aead_open_burst(&proxy->engine->crypto->aead, batch->jobs, batch->n_openings);
	for (uint32_t i = 0; i < batch->n_openings; i++)
		leg_opened(proxy, &batch->openings[i], &batch->jobs[i]);
	batch->n_openings = 0;
}

static bool wants_bytes(const struct pair *pair)
{
	return pair->phase == PAIR_FORWARD || pair->phase == PAIR_PREAMBLE;
}

// Prepares the next record of each leg. Whether there was any, or an end that nobody announced: its pair has
// to be stepped once more, since nothing else may come that wakes it.
static bool open_round(struct proxy *proxy)
{
	struct forward_batch *batch = proxy->batch;
	struct list_link *link;
	bool any = false;

	LIST_FOREACH (link, &proxy->active) {
		struct pair *pair = LIST_ITEM(link, struct pair, active);

		for (uint8_t side = 0; side < 2 && wants_bytes(pair); side++) {
			struct leg *leg = &pair->legs[side];

			// No credit, no record; but an end has to be seen even if the other leg is shut.
			if (leg_space(proxy, &pair->legs[side ^ 1]) == 0 &&
				(pair->legs[side ^ 1].flags & (LEG_SHUT | LEG_SHUT_DUE)) == 0)
				continue;
			if (!leg_prepare_opening(proxy, leg, &batch->openings[batch->n_openings],
				    &batch->jobs[batch->n_openings])) {
				any = any || leg_is(leg, LEG_BROKEN);
				continue;
			}
			any = true;
			if (++batch->n_openings == BURST)
				open_batch(proxy);
		}
	}
	open_batch(proxy);
	return any;
}

// --- passing on ---

static void note_moved(struct proxy *proxy, struct leg *to, uint32_t len)
{
	struct pair *pair = pair_of(to);
	const struct upstream_server *server = upstream_server_at(&proxy->upstream, pair->server_idx);
	bool to_client = to->side == PAIR_CLIENT;

	pair->moved_us = proxy->now_us;
	tally_listener_add(
		pair_row(proxy, pair), to_client ? TALLY_LISTENER_BYTES_OUT : TALLY_LISTENER_BYTES_IN, len);
	tally_server_add(upstream_row(&proxy->upstream, server),
		to_client ? TALLY_SERVER_BYTES_FROM : TALLY_SERVER_BYTES_TO, len);
}

static void seal_batch(struct proxy *proxy)
{
	struct forward_batch *batch = proxy->batch;

	if (batch->n_seals == 0)
		return;
	aead_seal_burst(&proxy->engine->crypto->aead, batch->jobs, batch->n_seals);
	for (uint32_t i = 0; i < batch->n_seals; i++) {
		struct seal_item *item = &batch->seals[i];

		leg_send_sealed(proxy, item->to, item->place, item->sealed_len);
		item->to->n_written += item->len;
		leg_consume(proxy, item->from, item->len);
		note_moved(proxy, item->to, item->len);
	}
	batch->n_seals = 0;
}

// How much goes into the next record; 0: nothing yet. What can leave never waits. What could not leave is not
// sealed: it would have left the caches again when the peer's window opens, and an acknowledgement that makes
// room wakes the pair in the turn that brings it. What lies there is not looked at: its buffers are cold.
static uint32_t choose_len(struct proxy *proxy, const struct leg *from, struct leg *to)
{
	struct tls_conn *tls = leg_tls(proxy, to);
	bool after_pause = proxy->now_us - pair_of(to)->moved_us > PAUSE_US;
	uint32_t available = leg_readable(proxy, from);
	uint32_t space = leg_space(proxy, to);

	if (available > space)
		available = space;
	if (available == 0 || leg_is_backed_up(proxy, to))
		return 0;
	return (uint32_t)tls_record_choose_len(tls, SEGMENT_LEN, available, after_pause);
}

// The pieces of the first item->len bytes; fewer bytes if they lie in more pieces than a job takes.
static uint16_t find_inputs(struct proxy *proxy, struct seal_item *item)
{
	struct tcp_piece pieces[SEAL_PIECES];
	uint32_t n_pieces = leg_peek(proxy, item->from, pieces, SEAL_PIECES);
	uint32_t left = item->len;
	uint16_t n = 0;

	for (; left != 0 && n < n_pieces; n++) {
		uint32_t part = pieces[n].len < left ? pieces[n].len : left;

		item->inputs[n] = span_of(pieces[n].data, part);
		left -= part;
	}
	item->len -= left;
	return n;
}

// Cuts the inputs to item->len bytes.
static uint16_t cut_inputs(struct seal_item *item)
{
	size_t left = item->len;
	uint16_t n = 0;

	for (; left != 0; n++) {
		if (item->inputs[n].len > left)
			item->inputs[n].len = left;
		left -= item->inputs[n].len;
	}
	return n;
}

// Where the record goes. With no long buffer left it becomes a short one.
static bool find_place(struct proxy *proxy, struct seal_item *item, uint16_t *n_inputs)
{
	const struct tls_conn *tls = leg_tls(proxy, item->to);

	item->sealed_len = (uint32_t)tls_record_sealed_len(tls, item->len);
	item->place = leg_find_place(proxy, item->to, item->sealed_len);
	if (item->place.mbuf == NULL && item->sealed_len > PROXY_SMALL_LEN) {
		counter_inc(proxy->counters, COUNTER_PROXY_NO_BUFFER);
		item->len = PROXY_SMALL_LEN - PROXY_RECORD_OVERHEAD;
		*n_inputs = cut_inputs(item);
		item->sealed_len = (uint32_t)tls_record_sealed_len(tls, item->len);
		item->place = leg_find_place(proxy, item->to, item->sealed_len);
	}
	if (item->place.mbuf == NULL)
		proxy_note_shortage(proxy);
	return item->place.mbuf != NULL;
}

// Prepares one record from what `from` has. Whether there was anything to be sent now.
static bool seal(struct proxy *proxy, struct leg *from, struct leg *to)
{
	struct forward_batch *batch = proxy->batch;
	struct seal_item *item = &batch->seals[batch->n_seals];
	struct tls_conn *tls = leg_tls(proxy, to);
	size_t head_len = tls_record_head_len(tls);
	struct tls_seal_pieces seal_pieces;
	uint16_t n_inputs;
	uint8_t *head;

	leg_flush(proxy, to);
	// Once buffers are short they are so for the rest of the turn.
	if (proxy->unfinished)
		return false;
	item->from = from;
	item->to = to;
	item->len = choose_len(proxy, from, to);
	if (item->len == 0)
		return false;
	n_inputs = find_inputs(proxy, item);
	if (!find_place(proxy, item, &n_inputs))
		return false;
	head = rte_pktmbuf_mtod_offset(item->place.mbuf, uint8_t *, item->place.offset);
	item->output = (struct mut_span){.data = head + head_len, .len = item->sealed_len - head_len};
	seal_pieces = (struct tls_seal_pieces){.head = head,
		.inputs = item->inputs,
		.outputs = &item->output,
		.n_inputs = n_inputs,
		.n_outputs = 1,
		.type = TLS_CONTENT_APPLICATION_DATA};
	tls_record_seal_job(tls, &seal_pieces, &item->seal, &batch->jobs[batch->n_seals]);
	if (++batch->n_seals == BURST)
		seal_batch(proxy);
	return true;
}

// By reference.
static bool pass(struct proxy *proxy, struct leg *from, struct leg *to)
{
	struct tcp_piece pieces[MOVE_PIECES];
	uint32_t n = leg_readable(proxy, from) != 0 && leg_space(proxy, to) != 0
			     ? leg_peek(proxy, from, pieces, MOVE_PIECES)
			     : 0;
	uint32_t moved = 0;
	bool room = true;

	for (uint32_t i = 0; i < n && room; i++) {
		struct tcp_piece piece = pieces[i];
		uint32_t space = leg_space(proxy, to);

		if (piece.len > space) {
			piece.len = space;
			room = false;
		}
		if (piece.len == 0 || !leg_send_piece(proxy, to, &piece))
			break;
		moved += piece.len;
	}
	leg_consume(proxy, from, moved);
	if (moved != 0)
		note_moved(proxy, to, moved);
	return moved != 0;
}

static bool move_round(struct proxy *proxy)
{
	struct list_link *link;
	bool any = false;

	LIST_FOREACH (link, &proxy->active) {
		struct pair *pair = LIST_ITEM(link, struct pair, active);

		if (pair->phase != PAIR_FORWARD)
			continue;
		for (uint8_t side = 0; side < 2; side++) {
			struct leg *from = &pair->legs[side], *to = &pair->legs[side ^ 1];

			if (((from->flags | to->flags) & LEG_BROKEN) != 0)
				continue;
			any = (leg_is(to, LEG_TLS) ? seal(proxy, from, to) : pass(proxy, from, to)) || any;
		}
	}
	seal_batch(proxy);
	return any;
}

static bool step_round(struct proxy *proxy)
{
	struct list_link *link, *following;
	bool any = false;

	LIST_FOREACH_SAFE (link, following, &proxy->active)
		any = pair_step(proxy, LIST_ITEM(link, struct pair, active)) || any;
	return any;
}

uint32_t forward_run(struct proxy *proxy)
{
	uint32_t n_rounds = 0;
	bool any = true;

	while (any && n_rounds < ROUNDS_MAX) {
		any = step_round(proxy);
		any = open_round(proxy) || any;
		any = move_round(proxy) || any;
		n_rounds += any;
	}
	proxy->unfinished |= any;
	// Whoever was served first is last in the next turn.
	if (proxy->unfinished && !list_empty(&proxy->active))
		list_push_back(&proxy->active, list_pop_front(&proxy->active));
	return n_rounds;
}
