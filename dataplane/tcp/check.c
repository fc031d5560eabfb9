// SPDX-License-Identifier: Apache-2.0
//
// The invariants of conn.h, derived anew and compared. Slow; tests call it after every turn.
#include "base/assert.h"
#include "tcp/lifecycle.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"
#include "tcp/send_queue.h"

#include <rte_mbuf.h>

// The sums over all connections, to be compared with the pools.
struct totals {
	uint64_t n_items, n_sent, n_ranges, memory;
};

static void check_send_queue(const struct tcp *tcp, const struct tcp_conn *conn, struct totals *totals)
{
	uint32_t offset = conn->send_head_offset;
	struct seq at = conn->snd_una;
	uint32_t n = 0;
	bool seen_next = conn->send_next == POOL_NONE;

	for (uint32_t idx = conn->send_head; idx != POOL_NONE; idx = tcp_send_item_at(tcp, idx)->next) {
		const struct tcp_send_item *item = tcp_send_item_at(tcp, idx);

		SLUICE_ASSERT(pool_in_use(&tcp->items, idx) && offset < item->len);
		if (idx == conn->send_next) {
			seen_next = true;
			SLUICE_ASSERT(seq_eq(seq_add(at, conn->send_next_offset - offset), conn->snd_nxt));
		}
		at = seq_add(at, item->len - offset);
		offset = 0;
		n++;
	}
	// An acknowledged FIN lies one beyond the data.
	SLUICE_ASSERT(seq_eq(at, conn->snd_end) || (n == 0 && seq_eq(at, seq_add(conn->snd_end, 1))));
	SLUICE_ASSERT(seen_next && n == tcp_cold(tcp, conn)->n_items);
	SLUICE_ASSERT(conn->send_next != POOL_NONE || seq_leq(conn->snd_end, conn->snd_nxt));
	totals->n_items += n;
}

static void check_scoreboard(const struct tcp *tcp, const struct tcp_conn *conn, struct totals *totals)
{
	struct seq at = conn->snd_una;
	uint32_t sacked = 0, lost = 0, flight = 0, flight_walked = 0, n = 0;
	bool hint_passed = false;

	for (uint32_t idx = conn->sent_head; idx != POOL_NONE; idx = tcp_sent_at(tcp, idx)->next) {
		const struct tcp_sent *sent = tcp_sent_at(tcp, idx);
		uint32_t len = seq_len(sent->end, sent->start);

		SLUICE_ASSERT(seq_eq(sent->start, at) && seq_lt(sent->start, sent->end));
		hint_passed = hint_passed || idx == conn->lost_hint;
		if ((sent->flags & TCP_SENT_SACKED) != 0)
			sacked += len;
		else if ((sent->flags & TCP_SENT_LOST) != 0)
			lost += len;
		else
			flight++;
		SLUICE_ASSERT(hint_passed || (sent->flags & TCP_SENT_LOST) == 0);
		at = sent->end;
		n++;
	}
	for (uint32_t idx = conn->flight_head; idx != POOL_NONE; idx = tcp_sent_at(tcp, idx)->flight_next)
		flight_walked++;
	SLUICE_ASSERT(flight == flight_walked && lost == conn->lost_bytes);
	SLUICE_ASSERT((conn->flags & TCP_CONN_SACK) == 0 || sacked == conn->sacked_bytes);
	SLUICE_ASSERT(conn->sacked_bytes + conn->lost_bytes <= seq_len(conn->snd_nxt, conn->snd_una));
	SLUICE_ASSERT(seq_eq(at, conn->snd_nxt) && n == tcp_cold(tcp, conn)->n_sent);
	totals->n_sent += n;
}

static uint64_t chain_memory(const struct rte_mbuf *mbuf, uint32_t *out_len)
{
	uint64_t memory = 0;

	*out_len = 0;
	for (; mbuf != NULL; mbuf = mbuf->next) {
		memory += mbuf->buf_len + sizeof(struct rte_mbuf);
		*out_len += mbuf->data_len;
	}
	return memory;
}

static void check_receive(const struct tcp *tcp, const struct tcp_conn *conn, struct totals *totals)
{
	struct seq at = conn->rcv_nxt;
	uint64_t memory;
	uint32_t len, n = 0;

	memory = chain_memory(conn->rcv_head, &len);
	SLUICE_ASSERT(len - (conn->rcv_head != NULL ? conn->rcv_head_offset : 0) == conn->rcv_queued);
	for (uint32_t idx = conn->range_head; idx != POOL_NONE; idx = tcp_range_at(tcp, idx)->next) {
		const struct tcp_range *range = tcp_range_at(tcp, idx);

		SLUICE_ASSERT(seq_lt(at, range->start) && seq_lt(range->start, range->end));
		SLUICE_ASSERT(seq_leq(range->end, conn->rcv_adv));
		memory += chain_memory(range->head, &len);
		SLUICE_ASSERT(len == seq_len(range->end, range->start));
		at = range->end;
		n++;
	}
	SLUICE_ASSERT(n == tcp_cold(tcp, conn)->n_ranges && memory == conn->rcv_mem);
	totals->n_ranges += n;
	totals->memory += memory;
}

static void check_conn(const struct tcp *tcp, const struct tcp_conn *conn, struct totals *totals)
{
	check_receive(tcp, conn, totals);
	SLUICE_ASSERT(conn->state < N_TCP_STATES);
	if (tcp_conn_dead(conn)) {
		SLUICE_ASSERT(conn->send_head == POOL_NONE && conn->sent_head == POOL_NONE);
		SLUICE_ASSERT(!timer_armed(&conn->timer) && conn->range_head == POOL_NONE);
		return;
	}
	SLUICE_ASSERT(flow_table_find(&tcp->flows, conn->hash, &conn->key) == pool_index(&tcp->conns, conn));
	if (!tcp_conn_synchronized(conn))
		return;
	SLUICE_ASSERT(seq_leq(conn->snd_una, conn->snd_nxt) && seq_leq(conn->rcv_nxt, conn->rcv_adv));
	SLUICE_ASSERT(conn->cwnd > 0 || conn->recovery != TCP_RECOVERY_OPEN);
	check_send_queue(tcp, conn, totals);
	check_scoreboard(tcp, conn, totals);
	// Whatever is owed by the peer is waited for, or about to be sent.
	SLUICE_ASSERT(seq_eq(conn->snd_una, conn->snd_nxt) || conn->deadlines[TCP_TIMER_RETRANSMIT] != 0 ||
		      (conn->flags & TCP_CONN_IN_OUTPUT) != 0);
}

void tcp_check_invariants(const struct tcp *tcp)
{
	struct totals totals = {0};

	for (uint32_t idx = 0; idx < tcp->conns.n_items; idx++) {
		const struct tcp_conn *conn = pool_at(&tcp->conns, idx);

		if (pool_in_use(&tcp->conns, idx) && (conn->flags & TCP_CONN_DEAD) == 0)
			check_conn(tcp, conn, &totals);
	}
	SLUICE_ASSERT(totals.n_items == tcp->items.n_used && totals.n_sent == tcp->sent.n_used);
	SLUICE_ASSERT(totals.n_ranges == tcp->ranges.n_used && totals.memory == tcp->receive_memory);
}
