// SPDX-License-Identifier: Apache-2.0
#include "tcp/send_queue.h"

#include "base/assert.h"

#include <rte_mbuf.h>

bool tcp_send_queue_push(
	struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint16_t offset, uint16_t len)
{
	struct tcp_send_item *item = pool_alloc(&tcp->items);
	uint32_t idx;

	if (item == NULL) {
		tcp_count(tcp, COUNTER_TCP_NO_SEND_ITEM);
		return false;
	}
	*item = (struct tcp_send_item){.mbuf = mbuf, .next = POOL_NONE, .offset = offset, .len = len};
	idx = pool_index(&tcp->items, item);
	if (conn->send_head == POOL_NONE) {
		conn->send_head = idx;
		conn->send_head_offset = 0;
	} else {
		tcp_send_item_at(tcp, conn->send_tail)->next = idx;
	}
	conn->send_tail = idx;
	if (conn->send_next == POOL_NONE) {
		conn->send_next = idx;
		conn->send_next_offset = 0;
	}
	conn->snd_end = seq_add(conn->snd_end, len);
	tcp_cold(tcp, conn)->n_items++;
	return true;
}

static void drop_head(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_send_item *item = tcp_send_item_at(tcp, conn->send_head);

	conn->send_head = item->next;
	conn->send_head_offset = 0;
	rte_pktmbuf_free_seg(item->mbuf);
	pool_free(&tcp->items, item);
	tcp_cold(tcp, conn)->n_items--;
}

void tcp_send_queue_release(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_bytes)
{
	while (n_bytes != 0) {
		uint32_t left;

		SLUICE_ASSERT(conn->send_head != POOL_NONE);
		left = (uint32_t)tcp_send_item_at(tcp, conn->send_head)->len - conn->send_head_offset;
		if (n_bytes < left) {
			conn->send_head_offset = (uint16_t)(conn->send_head_offset + n_bytes);
			return;
		}
		n_bytes -= left;
		SLUICE_ASSERT(conn->send_head != conn->send_next);
		drop_head(tcp, conn);
	}
}

void tcp_send_queue_clear(struct tcp *tcp, struct tcp_conn *conn)
{
	while (conn->send_head != POOL_NONE)
		drop_head(tcp, conn);
	conn->send_tail = POOL_NONE;
	conn->send_next = POOL_NONE;
}

struct tcp_send_cursor tcp_send_cursor_advance(
	const struct tcp *tcp, struct tcp_send_cursor cursor, uint32_t n_bytes)
{
	while (n_bytes != 0) {
		const struct tcp_send_item *item;
		uint32_t left;

		SLUICE_ASSERT(cursor.item != POOL_NONE);
		item = tcp_send_item_at(tcp, cursor.item);
		left = (uint32_t)item->len - cursor.offset;
		if (n_bytes < left) {
			cursor.offset = (uint16_t)(cursor.offset + n_bytes);
			break;
		}
		n_bytes -= left;
		cursor = (struct tcp_send_cursor){.item = item->next, .offset = 0};
	}
	return cursor;
}
