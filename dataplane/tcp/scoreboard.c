// SPDX-License-Identifier: Apache-2.0
#include "tcp/scoreboard.h"

#include "base/assert.h"
#include "tcp/rack.h"

static bool in_flight_list(const struct tcp_sent *sent)
{
	return (sent->flags & (TCP_SENT_SACKED | TCP_SENT_LOST)) == 0;
}

static void flight_unlink(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
	if (sent->flight_prev == POOL_NONE)
		conn->flight_head = sent->flight_next;
	else
		tcp_sent_at(tcp, sent->flight_prev)->flight_next = sent->flight_next;
	if (sent->flight_next == POOL_NONE)
		conn->flight_tail = sent->flight_prev;
	else
		tcp_sent_at(tcp, sent->flight_next)->flight_prev = sent->flight_prev;
}

// Puts the entry behind `place` in the flight list; POOL_NONE: at its head.
static void flight_insert(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, uint32_t place)
{
	uint32_t idx = pool_index(&tcp->sent, sent);
	uint32_t *forward = place == POOL_NONE ? &conn->flight_head : &tcp_sent_at(tcp, place)->flight_next;

	sent->flight_prev = place;
	sent->flight_next = *forward;
	*forward = idx;
	if (sent->flight_next == POOL_NONE)
		conn->flight_tail = idx;
	else
		tcp_sent_at(tcp, sent->flight_next)->flight_prev = idx;
}

static void sent_free(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t idx = pool_index(&tcp->sent, sent);

	if (in_flight_list(sent))
		flight_unlink(tcp, conn, sent);
	if (conn->lost_hint == idx)
		conn->lost_hint = sent->next;
	if (sent->prev == POOL_NONE)
		conn->sent_head = sent->next;
	else
		tcp_sent_at(tcp, sent->prev)->next = sent->next;
	if (sent->next == POOL_NONE)
		conn->sent_tail = sent->prev;
	else
		tcp_sent_at(tcp, sent->next)->prev = sent->prev;
	tcp_cold(tcp, conn)->n_sent--;
	pool_free(&tcp->sent, sent);
}

bool tcp_scoreboard_has_room(struct tcp *tcp, const struct tcp_conn *conn)
{
	if (tcp_cold(tcp, conn)->n_sent < tcp->config.sent_max && pool_n_free(&tcp->sent) != 0)
		return true;
	tcp_count(tcp, COUNTER_TCP_NO_SENT);
	return false;
}

void tcp_scoreboard_push(
	struct tcp *tcp, struct tcp_conn *conn, struct seq end, struct tcp_send_cursor cursor, uint8_t flags)
{
	struct tcp_sent *sent = pool_alloc(&tcp->sent);
	uint32_t idx;

	SLUICE_ASSERT(sent != NULL);
	idx = pool_index(&tcp->sent, sent);
	*sent = (struct tcp_sent){.start = conn->snd_nxt,
		.end = end,
		.next = POOL_NONE,
		.prev = conn->sent_tail,
		.tx_us = (uint32_t)tcp->now_us,
		.cursor = cursor,
		.flags = flags};
	if (conn->sent_tail == POOL_NONE)
		conn->sent_head = idx;
	else
		tcp_sent_at(tcp, conn->sent_tail)->next = idx;
	conn->sent_tail = idx;
	flight_insert(tcp, conn, sent, conn->flight_tail);
	tcp_cold(tcp, conn)->n_sent++;
}

bool tcp_scoreboard_split(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, struct seq at)
{
	struct tcp_sent *rest;
	uint32_t idx;

	SLUICE_ASSERT(seq_lt(sent->start, at) && seq_lt(at, sent->end));
	rest = tcp_cold(tcp, conn)->n_sent < 2 * tcp->config.sent_max ? pool_alloc(&tcp->sent) : NULL;
	if (rest == NULL) {
		tcp_count(tcp, COUNTER_TCP_NO_SENT);
		return false;
	}
	idx = pool_index(&tcp->sent, rest);
	*rest = *sent;
	rest->start = at;
	// Cut between data and FIN, the second half has no data to point at.
	rest->cursor = tcp_send_cursor_advance(tcp, sent->cursor, seq_len(at, sent->start));
	rest->prev = pool_index(&tcp->sent, sent);
	sent->next = idx;
	sent->end = at;
	sent->flags &= (uint8_t)~TCP_SENT_FIN;
	if (rest->next == POOL_NONE)
		conn->sent_tail = idx;
	else
		tcp_sent_at(tcp, rest->next)->prev = idx;
	if (in_flight_list(rest))
		flight_insert(tcp, conn, rest, rest->prev);
	tcp_cold(tcp, conn)->n_sent++;
	return true;
}

// The peer has the entry: what that says about round trips and order. It is not yet taken off any list.
static void note_delivery(
	struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent, struct tcp_ack *ack)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	ack->n_delivered += seq_len(sent->end, sent->start);
	if ((sent->flags & TCP_SENT_RETRANSMITTED) != 0) {
		ack->repeated_delivered = true;
	} else {
		ack->original_delivered = true;
		// Karn's rule (RFC 6298 3): what was repeated tells no time.
		ack->rtt_us = (uint32_t)tcp->now_us - sent->tx_us;
		ack->has_rtt = true;
	}
	tcp_rack_delivered(tcp, conn, cold, sent, ack);
}

void tcp_scoreboard_acked(struct tcp *tcp, struct tcp_conn *conn, struct tcp_ack *ack)
{
	while (conn->sent_head != POOL_NONE) {
		struct tcp_sent *sent = tcp_sent_at(tcp, conn->sent_head);
		uint32_t len = seq_len(sent->end, sent->start);
		bool whole = seq_leq(sent->end, ack->ack);

		if (!whole && seq_leq(ack->ack, sent->start))
			return;
		if (!whole)
			len = seq_len(ack->ack, sent->start);
		if ((sent->flags & TCP_SENT_SACKED) != 0)
			conn->sacked_bytes -= len;
		else if (whole)
			note_delivery(tcp, conn, sent, ack);
		else
			ack->n_delivered += len;
		if ((sent->flags & TCP_SENT_LOST) != 0)
			conn->lost_bytes -= len;
		if (!whole) {
			sent->cursor = tcp_send_cursor_advance(tcp, sent->cursor, len);
			sent->start = ack->ack;
			return;
		}
		sent_free(tcp, conn, sent);
	}
}

// Marks one whole entry, and merges it with a SACKED entry in front of it. Returns the entry that it is part
// of now.
static struct tcp_sent *mark_sacked(
	struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, struct tcp_ack *ack)
{
	struct tcp_sent *front;

	note_delivery(tcp, conn, sent, ack);
	ack->sacked = true;
	if ((sent->flags & TCP_SENT_LOST) != 0) {
		conn->lost_bytes -= seq_len(sent->end, sent->start);
		sent->flags &= (uint8_t)~TCP_SENT_LOST;
	} else {
		flight_unlink(tcp, conn, sent);
	}
	sent->flags |= TCP_SENT_SACKED;
	conn->sacked_bytes += seq_len(sent->end, sent->start);
	if (sent->prev == POOL_NONE)
		return sent;
	front = tcp_sent_at(tcp, sent->prev);
	if ((front->flags & TCP_SENT_SACKED) == 0)
		return sent;
	front->end = sent->end;
	front->flags |= sent->flags;
	sent_free(tcp, conn, sent);
	return front;
}

// An entry at or in front of the one that holds `start`, reached from the nearer end of the list.
static uint32_t block_first(struct tcp *tcp, const struct tcp_conn *conn, struct seq start)
{
	uint32_t idx = conn->sent_tail;

	if (seq_len(start, conn->snd_una) < seq_len(conn->snd_nxt, start))
		return conn->sent_head;
	while (tcp->sack_steps != 0 && seq_lt(start, tcp_sent_at(tcp, idx)->start)) {
		tcp->sack_steps--;
		idx = tcp_sent_at(tcp, idx)->prev;
	}
	return idx;
}

// The border between whole segments of an entry that is nearest to `at`, behind it or in front of it. Blocks
// count for segments that they cover whole: a peer that reports single bytes would have us keep an entry for
// each.
static struct seq whole_segments(
	const struct tcp_conn *conn, const struct tcp_sent *sent, struct seq at, bool behind)
{
	uint32_t n = seq_len(at, sent->start);
	uint32_t part = n % conn->mss;

	return seq_add(sent->start, behind && part != 0 ? n + conn->mss - part : n - part);
}

// Walks the entries that one block touches. The walk draws on a budget per turn: a peer that sends blocks
// only to make us search is not searched for any more (its data is then repaired by timeouts).
static void sack_block(
	struct tcp *tcp, struct tcp_conn *conn, struct tcp_sack_block block, struct tcp_ack *ack)
{
	uint32_t idx = block_first(tcp, conn, block.start);

	while (idx != POOL_NONE && tcp->sack_steps != 0) {
		struct tcp_sent *sent = tcp_sent_at(tcp, idx);

		tcp->sack_steps--;
		idx = sent->next;
		if (seq_leq(sent->end, block.start) || (sent->flags & TCP_SENT_SACKED) != 0)
			continue;
		if (seq_leq(block.end, sent->start))
			return;
		if (seq_lt(sent->start, block.start)) {
			struct seq cut = whole_segments(conn, sent, block.start, true);

			if (!seq_lt(cut, sent->end))
				continue;
			if (!tcp_scoreboard_split(tcp, conn, sent, cut))
				return;
			idx = sent->next;
			continue;
		}
		if (seq_lt(block.end, sent->end)) {
			struct seq cut = whole_segments(conn, sent, block.end, false);

			if (seq_eq(cut, sent->start) || !tcp_scoreboard_split(tcp, conn, sent, cut))
				return;
		}
		idx = mark_sacked(tcp, conn, sent, ack)->next;
	}
	if (tcp->sack_steps == 0)
		tcp_count(tcp, COUNTER_TCP_SACK_BUDGET);
}

// RFC 2883 4: the first block reports a duplicate when it lies below the acknowledgement number or inside the
// second block.
static bool is_dsack(const struct tcp_options *options, const struct tcp_ack *ack)
{
	const struct tcp_sack_block *first = &options->sack_blocks[0];
	const struct tcp_sack_block *second = &options->sack_blocks[1];

	if (!seq_lt(first->start, first->end))
		return false;
	if (seq_leq(first->end, ack->ack))
		return true;
	return options->n_sack_blocks > 1 && seq_leq(second->start, first->start) &&
	       seq_leq(first->end, second->end);
}

void tcp_scoreboard_sacked(
	struct tcp *tcp, struct tcp_conn *conn, const struct tcp_options *options, struct tcp_ack *ack)
{
	uint8_t i = 0;

	if (is_dsack(options, ack)) {
		const struct tcp_sack_block *block = &options->sack_blocks[0];
		uint32_t len = seq_len(block->end, block->start);

		i = 1;
		// Nobody repeats more than a window: a longer report is a lie.
		if (seq_leq(block->end, conn->snd_nxt) && len <= tcp->config.send_buffer) {
			ack->dsack_bytes = len;
			ack->dsack_end = block->end;
			tcp_count(tcp, COUNTER_TCP_DSACK_RECEIVED);
		}
	}
	for (; i < options->n_sack_blocks; i++) {
		struct tcp_sack_block block = options->sack_blocks[i];

		if (!seq_lt(block.start, block.end) || !seq_lt(conn->snd_una, block.end) ||
			!seq_leq(block.end, conn->snd_nxt) || !seq_lt(conn->snd_una, block.start)) {
			tcp_count(tcp, COUNTER_TCP_SACK_INVALID);
			continue;
		}
		sack_block(tcp, conn, block, ack);
	}
}

void tcp_scoreboard_mark_lost(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
	if (!in_flight_list(sent))
		return;
	flight_unlink(tcp, conn, sent);
	sent->flags |= TCP_SENT_LOST;
	conn->lost_bytes += seq_len(sent->end, sent->start);
	if (conn->lost_hint == POOL_NONE || seq_lt(sent->start, tcp_sent_at(tcp, conn->lost_hint)->start))
		conn->lost_hint = pool_index(&tcp->sent, sent);
}

void tcp_scoreboard_mark_all_lost(struct tcp *tcp, struct tcp_conn *conn)
{
	while (conn->flight_head != POOL_NONE)
		tcp_scoreboard_mark_lost(tcp, conn, tcp_sent_at(tcp, conn->flight_head));
}

void tcp_scoreboard_unmark_lost(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_sent *sent;

	while ((sent = tcp_scoreboard_first_lost(tcp, conn)) != NULL) {
		uint32_t place = conn->flight_tail;

		// Back to where its time of transmission puts it.
		while (place != POOL_NONE && (int32_t)(tcp_sent_at(tcp, place)->tx_us - sent->tx_us) > 0)
			place = tcp_sent_at(tcp, place)->flight_prev;
		sent->flags &= (uint8_t)~TCP_SENT_LOST;
		conn->lost_bytes -= seq_len(sent->end, sent->start);
		flight_insert(tcp, conn, sent, place);
	}
}

void tcp_scoreboard_forget_sacks(struct tcp *tcp, struct tcp_conn *conn)
{
	for (uint32_t idx = conn->sent_head; idx != POOL_NONE; idx = tcp_sent_at(tcp, idx)->next) {
		struct tcp_sent *sent = tcp_sent_at(tcp, idx);

		if ((sent->flags & TCP_SENT_SACKED) == 0)
			continue;
		sent->flags &= (uint8_t)~TCP_SENT_SACKED;
		flight_insert(tcp, conn, sent, POOL_NONE);
		tcp_scoreboard_mark_lost(tcp, conn, sent);
	}
	conn->sacked_bytes = 0;
}

struct tcp_sent *tcp_scoreboard_first_lost(struct tcp *tcp, struct tcp_conn *conn)
{
	while (conn->lost_hint != POOL_NONE) {
		struct tcp_sent *sent = tcp_sent_at(tcp, conn->lost_hint);

		if ((sent->flags & TCP_SENT_LOST) != 0)
			return sent;
		conn->lost_hint = sent->next;
	}
	return NULL;
}

void tcp_scoreboard_retransmitted(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent)
{
	if ((sent->flags & TCP_SENT_LOST) != 0)
		conn->lost_bytes -= seq_len(sent->end, sent->start);
	else
		flight_unlink(tcp, conn, sent);
	sent->flags = (uint8_t)((sent->flags & ~TCP_SENT_LOST) | TCP_SENT_RETRANSMITTED);
	sent->tx_us = (uint32_t)tcp->now_us;
	flight_insert(tcp, conn, sent, conn->flight_tail);
}

void tcp_scoreboard_clear(struct tcp *tcp, struct tcp_conn *conn)
{
	while (conn->sent_head != POOL_NONE)
		sent_free(tcp, conn, tcp_sent_at(tcp, conn->sent_head));
	conn->sacked_bytes = 0;
	conn->lost_bytes = 0;
	conn->lost_hint = POOL_NONE;
}
