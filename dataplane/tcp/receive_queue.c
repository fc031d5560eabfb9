// SPDX-License-Identifier: Apache-2.0
#include "tcp/receive_queue.h"

#include "base/assert.h"
#include "tcp/lifecycle.h"

#include <rte_mbuf.h>

enum {
	COALESCE_MAX = 600, // bytes that are cheaper to copy than a buffer is to pin
	MEMORY_FACTOR = 4
};

static uint32_t buffer_size(const struct rte_mbuf *mbuf)
{
	return (uint32_t)mbuf->buf_len + (uint32_t)sizeof(struct rte_mbuf);
}

static void charge(struct tcp *tcp, struct tcp_conn *conn, const struct rte_mbuf *mbuf)
{
	conn->rcv_mem += buffer_size(mbuf);
	tcp->receive_memory += buffer_size(mbuf);
}

static void discharge(struct tcp *tcp, struct tcp_conn *conn, const struct rte_mbuf *mbuf)
{
	conn->rcv_mem -= buffer_size(mbuf);
	tcp->receive_memory -= buffer_size(mbuf);
}

static bool has_memory(const struct tcp *tcp, const struct tcp_conn *conn, const struct rte_mbuf *mbuf)
{
	return !tcp->buffers_low && conn->rcv_mem + buffer_size(mbuf) <= MEMORY_FACTOR * conn->rcv_limit &&
	       tcp->receive_memory + buffer_size(mbuf) <= tcp->config.receive_memory;
}

// Gives back one buffer of a chain; others may hold references to it, so its link is cut first.
static void free_one(struct rte_mbuf *mbuf)
{
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	rte_pktmbuf_free_seg(mbuf);
}

static void free_chain(struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf)
{
	while (mbuf != NULL) {
		struct rte_mbuf *next = mbuf->next;

		discharge(tcp, conn, mbuf);
		free_one(mbuf);
		mbuf = next;
	}
}

// Copies a small piece into the room behind `tail`, where nobody else refers to that buffer.
static bool coalesce(struct rte_mbuf *tail, const struct rte_mbuf *mbuf)
{
	uint16_t len = mbuf->data_len;

	if (len > COALESCE_MAX || len > rte_pktmbuf_tailroom(tail) || !RTE_MBUF_DIRECT(tail) ||
		rte_mbuf_refcnt_read(tail) != 1)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t *, tail->data_len), rte_pktmbuf_mtod(mbuf, uint8_t *),
		len);
	tail->data_len = (uint16_t)(tail->data_len + len);
	return true;
}

// What begins a chain goes behind `tail` in the same way; the rest of the chain, NULL: nothing is left.
// Without that, segments of a few bytes that came in a wild order would pin a buffer each, and a connection's
// memory could be full before what its owner waits for is whole.
static struct rte_mbuf *coalesce_chain(
	struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *tail, struct rte_mbuf *chain)
{
	while (chain != NULL && coalesce(tail, chain)) {
		struct rte_mbuf *next = chain->next;

		discharge(tcp, conn, chain);
		free_one(chain);
		chain = next;
	}
	return chain;
}

static void queue_append(struct tcp_conn *conn, struct rte_mbuf *head, struct rte_mbuf *tail)
{
	if (conn->rcv_head == NULL) {
		conn->rcv_head = head;
		conn->rcv_head_offset = 0;
	} else {
		conn->rcv_tail->next = head;
	}
	conn->rcv_tail = tail;
}

static void range_free(struct tcp *tcp, struct tcp_conn *conn, struct tcp_range *range)
{
	tcp_cold(tcp, conn)->n_ranges--;
	pool_free(&tcp->ranges, range);
}

// Ranges that rcv_nxt has reached become part of the queue. They never overlap it: segments are trimmed to
// the ranges' edges when they come.
static void absorb_ranges(struct tcp *tcp, struct tcp_conn *conn)
{
	while (conn->range_head != POOL_NONE) {
		struct tcp_range *range = tcp_range_at(tcp, conn->range_head);
		struct rte_mbuf *chain;

		if (!seq_eq(range->start, conn->rcv_nxt))
			return;
		conn->range_head = range->next;
		chain = range->head;
		if (conn->rcv_head != NULL)
			chain = coalesce_chain(tcp, conn, conn->rcv_tail, chain);
		if (chain != NULL)
			queue_append(conn, chain, range->tail);
		conn->rcv_queued += seq_len(range->end, range->start);
		conn->rcv_nxt = range->end;
		range_free(tcp, conn, range);
	}
}

// Removes the ranges at the list's front that lie wholly before `end`, and says how much of [start, end) does
// not overlap what is left.
static uint32_t displace_ranges(
	struct tcp *tcp, struct tcp_conn *conn, uint32_t *link, struct seq start, struct seq end)
{
	while (*link != POOL_NONE) {
		struct tcp_range *range = tcp_range_at(tcp, *link);

		if (!seq_leq(range->end, end))
			return seq_len(seq_min(end, seq_max(range->start, start)), start);
		*link = range->next;
		free_chain(tcp, conn, range->head);
		range_free(tcp, conn, range);
	}
	return seq_len(end, start);
}

bool tcp_receive_in_order(struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint32_t len)
{
	// Ranges may be given up for what comes in order.
	if (!has_memory(tcp, conn, mbuf)) {
		tcp_ranges_clear(tcp, conn);
		if (!has_memory(tcp, conn, mbuf)) {
			tcp_count(tcp, COUNTER_TCP_NO_RECEIVE_MEMORY);
			return false;
		}
	}
	if (conn->range_head != POOL_NONE) {
		uint32_t fits = displace_ranges(
			tcp, conn, &conn->range_head, conn->rcv_nxt, seq_add(conn->rcv_nxt, len));

		if (fits != len)
			tcp_receive_duplicate(
				tcp, conn, seq_add(conn->rcv_nxt, fits), seq_add(conn->rcv_nxt, len));
		rte_pktmbuf_trim(mbuf, (uint16_t)(len - fits));
		len = fits;
	}
	conn->rcv_nxt = seq_add(conn->rcv_nxt, len);
	conn->rcv_queued += len;
	if (conn->rcv_head != NULL && coalesce(conn->rcv_tail, mbuf)) {
		rte_pktmbuf_free_seg(mbuf);
	} else {
		charge(tcp, conn, mbuf);
		queue_append(conn, mbuf, mbuf);
	}
	if (conn->range_head != POOL_NONE)
		absorb_ranges(tcp, conn);
	return true;
}

void tcp_receive_duplicate(struct tcp *tcp, struct tcp_conn *conn, struct seq start, struct seq end)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	tcp_count(tcp, COUNTER_TCP_DUPLICATE_DATA);
	if ((conn->flags & TCP_CONN_SACK) == 0 || (conn->flags & TCP_CONN_DSACK_DUE) != 0)
		return;
	cold->dsack_start = start;
	cold->dsack_end = end;
	conn->flags |= TCP_CONN_DSACK_DUE;
}

// A new range in front of *link; false: none left.
static bool range_insert(struct tcp *tcp, struct tcp_conn *conn, uint32_t *link, struct tcp_range contents)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	struct tcp_range *range = cold->n_ranges < tcp->config.ranges_max ? pool_alloc(&tcp->ranges) : NULL;

	if (range == NULL) {
		tcp_count(tcp, COUNTER_TCP_NO_RANGE);
		return false;
	}
	*range = contents;
	range->next = *link;
	*link = pool_index(&tcp->ranges, range);
	cold->n_ranges++;
	return true;
}

static void range_append(
	struct tcp *tcp, struct tcp_conn *conn, struct tcp_range *range, struct rte_mbuf *mbuf)
{
	range->end = seq_add(range->end, mbuf->data_len);
	if (coalesce(range->tail, mbuf)) {
		rte_pktmbuf_free_seg(mbuf);
		return;
	}
	charge(tcp, conn, mbuf);
	range->tail->next = mbuf;
	range->tail = mbuf;
}

// A range that now touches the following one swallows it.
static void range_join(struct tcp *tcp, struct tcp_conn *conn, struct tcp_range *range)
{
	struct tcp_range *next;
	struct rte_mbuf *chain;

	if (range->next == POOL_NONE)
		return;
	next = tcp_range_at(tcp, range->next);
	if (!seq_eq(next->start, range->end))
		return;
	range->end = next->end;
	chain = coalesce_chain(tcp, conn, range->tail, next->head);
	if (chain != NULL) {
		range->tail->next = chain;
		range->tail = next->tail;
	}
	range->next = next->next;
	range_free(tcp, conn, next);
}

// Trims the mbuf to its first or without its first n bytes and reports the rest as received twice.
static bool overlaps_front(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_range *range,
	struct rte_mbuf *mbuf, struct seq *seq)
{
	uint32_t n = seq_len(range->end, *seq);

	if (n == 0)
		return true;
	if (n >= mbuf->data_len) {
		tcp_receive_duplicate(tcp, conn, *seq, seq_add(*seq, mbuf->data_len));
		return false;
	}
	tcp_receive_duplicate(tcp, conn, *seq, range->end);
	rte_pktmbuf_adj(mbuf, (uint16_t)n);
	*seq = range->end;
	return true;
}

void tcp_receive_out_of_order(
	struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, struct seq seq, uint32_t len)
{
	uint32_t *link = &conn->range_head;
	struct tcp_range *range = NULL;
	uint32_t fits;

	SLUICE_DEBUG_ASSERT(len == mbuf->data_len);
	if (!has_memory(tcp, conn, mbuf)) {
		tcp_count(tcp, COUNTER_TCP_NO_RECEIVE_MEMORY);
		goto out;
	}
	// The first range that ends at or beyond seq.
	while (*link != POOL_NONE && seq_lt(tcp_range_at(tcp, *link)->end, seq))
		link = &tcp_range_at(tcp, *link)->next;
	if (*link != POOL_NONE && seq_leq(tcp_range_at(tcp, *link)->start, seq)) {
		range = tcp_range_at(tcp, *link);
		if (!overlaps_front(tcp, conn, range, mbuf, &seq))
			goto out;
		link = &range->next;
	}
	len = mbuf->data_len;
	fits = displace_ranges(tcp, conn, link, seq, seq_add(seq, len));
	if (fits != len)
		tcp_receive_duplicate(tcp, conn, seq_add(seq, fits), seq_add(seq, len));
	rte_pktmbuf_trim(mbuf, (uint16_t)(len - fits));
	if (range != NULL) {
		range_append(tcp, conn, range, mbuf);
	} else {
		struct tcp_range contents = {
			.start = seq, .end = seq_add(seq, fits), .head = mbuf, .tail = mbuf};

		if (!range_insert(tcp, conn, link, contents))
			goto out;
		charge(tcp, conn, mbuf);
		range = tcp_range_at(tcp, *link);
	}
	range->stamp = (uint32_t)++tcp->range_stamp;
	range_join(tcp, conn, range);
	return;
out:
	rte_pktmbuf_free_seg(mbuf);
}

void tcp_ranges_clear(struct tcp *tcp, struct tcp_conn *conn)
{
	while (conn->range_head != POOL_NONE) {
		struct tcp_range *range = tcp_range_at(tcp, conn->range_head);

		conn->range_head = range->next;
		free_chain(tcp, conn, range->head);
		range_free(tcp, conn, range);
	}
}

void tcp_receive_queue_clear(struct tcp *tcp, struct tcp_conn *conn)
{
	free_chain(tcp, conn, conn->rcv_head);
	conn->rcv_head = NULL;
	conn->rcv_tail = NULL;
	conn->rcv_queued = 0;
}

void tcp_receive_init(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

	conn->rcv_limit = tcp->config.receive_window_initial;
	cold->rcv_grow_mark = conn->rcv_nxt;
	cold->rcv_grow_ms = tcp->now_ms;
}

// The least step by which the right edge moves.
static uint32_t window_step(const struct tcp_conn *conn)
{
	uint32_t half = conn->rcv_limit / 2;

	return half < 2u * conn->mss ? half : 2u * conn->mss;
}

// How far the window could open now, from rcv_nxt.
static uint32_t window_free(const struct tcp *tcp, const struct tcp_conn *conn)
{
	uint32_t free_bytes = conn->rcv_queued < conn->rcv_limit ? conn->rcv_limit - conn->rcv_queued : 0;

	if (conn->rcv_mem > MEMORY_FACTOR / 2 * conn->rcv_limit)
		return 0;
	// Memory of the worker runs out: everyone gets little, nobody gets nothing.
	if ((tcp->buffers_low ||
		    tcp->receive_memory > tcp->config.receive_memory - tcp->config.receive_memory / 4) &&
		free_bytes > 2u * conn->mss)
		free_bytes = conn->rcv_queued == 0 ? 2u * conn->mss : 0;
	return free_bytes;
}

uint16_t tcp_receive_window(struct tcp *tcp, struct tcp_conn *conn)
{
	uint32_t current = seq_len(conn->rcv_adv, conn->rcv_nxt);
	uint32_t window = window_free(tcp, conn);
	uint32_t field;
	struct seq edge;

	if (window < current + window_step(conn))
		window = current;
	field = window >> conn->rcv_wscale;
	field = field < UINT16_MAX ? field : UINT16_MAX;
	edge = seq_add(conn->rcv_nxt, field << conn->rcv_wscale);
	// RFC 7323 2.4: rounding may seem to shrink the window; what was promised is still accepted.
	conn->rcv_adv = seq_max(conn->rcv_adv, edge);
	return (uint16_t)field;
}

// A window beyond what the path holds is only a longer queue, whose bytes have left the cache when their turn
// comes.
static uint32_t limit_max(const struct tcp *tcp, const struct tcp_conn *conn)
{
	const struct tcp_config *config = &tcp->config;
	bool near = (conn->flags & TCP_CONN_NEAR) != 0 &&
		    config->receive_window_near < config->receive_window_max;

	return near ? config->receive_window_near : config->receive_window_max;
}

// The buffer doubles when its whole size went through within two round trips: then it is what limits the
// peer (dynamic right-sizing, Fisk and Feng 2001). Unless most of it lies there unread: then the owner is.
static void maybe_grow(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint32_t round_ms = conn->srtt8_us / 4000 + 1;
	uint32_t max = limit_max(tcp, conn);

	if (conn->rcv_limit >= max || conn->rcv_queued > conn->rcv_limit / 2)
		return;
	if (tcp->now_ms - cold->rcv_grow_ms > round_ms) {
		cold->rcv_grow_ms = tcp->now_ms;
		cold->rcv_grow_mark = conn->rcv_nxt;
		return;
	}
	if (seq_len(conn->rcv_nxt, cold->rcv_grow_mark) < conn->rcv_limit / 4 * 3 ||
		tcp->receive_memory > tcp->config.receive_memory / 2)
		return;
	conn->rcv_limit *= 2;
	if (conn->rcv_limit > max)
		conn->rcv_limit = max;
	cold->rcv_grow_ms = tcp->now_ms;
	cold->rcv_grow_mark = conn->rcv_nxt;
}

uint32_t tcp_readable(const struct tcp_conn *conn)
{
	return conn->rcv_queued;
}

uint32_t tcp_peek(const struct tcp_conn *conn, struct tcp_piece *out, uint32_t n)
{
	uint32_t offset = conn->rcv_head_offset;
	uint32_t i = 0;

	for (struct rte_mbuf *mbuf = conn->rcv_head; mbuf != NULL && i < n; mbuf = mbuf->next) {
		out[i++] = (struct tcp_piece){.mbuf = mbuf,
			.data = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, offset),
			.len = mbuf->data_len - offset};
		offset = 0;
	}
	return i;
}

void tcp_consume(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_bytes)
{
	SLUICE_ASSERT(n_bytes <= conn->rcv_queued);
	conn->rcv_queued -= n_bytes;
	while (n_bytes != 0) {
		struct rte_mbuf *mbuf = conn->rcv_head;
		uint32_t left = (uint32_t)mbuf->data_len - conn->rcv_head_offset;

		if (n_bytes < left) {
			conn->rcv_head_offset = (uint16_t)(conn->rcv_head_offset + n_bytes);
			break;
		}
		n_bytes -= left;
		conn->rcv_head = mbuf->next;
		conn->rcv_head_offset = 0;
		discharge(tcp, conn, mbuf);
		free_one(mbuf);
	}
	if (conn->rcv_head == NULL)
		conn->rcv_tail = NULL;
	if (tcp_conn_dead(conn) || (conn->flags & TCP_CONN_FIN_RECEIVED) != 0)
		return;
	maybe_grow(tcp, conn);
	// A window update of its own, where the peer may be about to stop.
	if (seq_len(conn->rcv_adv, conn->rcv_nxt) < conn->rcv_limit / 2 &&
		window_free(tcp, conn) >= seq_len(conn->rcv_adv, conn->rcv_nxt) + window_step(conn)) {
		conn->flags |= TCP_CONN_ACK_NOW;
		tcp_conn_want_output(tcp, conn);
	}
}
