// SPDX-License-Identifier: Apache-2.0
//
// What the owner wants sent: references to pieces of its mbufs, in order, each kept until its last byte is
// acknowledged.
//
//   item    | offset, len in mbuf A | offset, len in mbuf A | mbuf B ... |
//           ^ snd_una (send_head + send_head_offset)    ^ snd_nxt (send_next + send_next_offset)    ^ snd_end
#pragma once

#include "tcp/stack.h"

struct tcp_send_item {
	struct rte_mbuf *mbuf; // one reference is ours
	uint32_t next;
	uint16_t offset;
	uint16_t len;
};

_Static_assert(sizeof(struct tcp_send_item) == 16, "four to a cache line");

// A place in the queue.
struct tcp_send_cursor {
	uint32_t item; // POOL_NONE: the end of the queue
	uint16_t offset;
};

// Takes over one reference to the mbuf. False: no item left; nothing was taken.
bool tcp_send_queue_push(
	struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint16_t offset, uint16_t len);

// The first n_bytes are acknowledged.
void tcp_send_queue_release(struct tcp *tcp, struct tcp_conn *conn, uint32_t n_bytes);
void tcp_send_queue_clear(struct tcp *tcp, struct tcp_conn *conn);

// The place n_bytes further on.
struct tcp_send_cursor tcp_send_cursor_advance(
	const struct tcp *tcp, struct tcp_send_cursor cursor, uint32_t n_bytes);

static inline struct tcp_send_item *tcp_send_item_at(const struct tcp *tcp, uint32_t idx)
{
	return pool_at(&tcp->items, idx);
}

static inline struct tcp_send_cursor tcp_send_next(const struct tcp_conn *conn)
{
	return (struct tcp_send_cursor){.item = conn->send_next, .offset = conn->send_next_offset};
}
