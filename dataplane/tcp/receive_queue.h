// SPDX-License-Identifier: Apache-2.0
//
// What has arrived: the in-order queue, a chain of mbufs through mbuf->next, and the out-of-order ranges,
// each a chain of its own for contiguous numbers.
//
//   rcv_head -> mbuf -> mbuf -> rcv_tail        range [a,b) -> mbuf -> mbuf     range [c,d) -> mbuf
//
// Memory is charged by buffer size: one byte pins a whole buffer. Small segments are therefore copied
// together into the last buffer's free room, and a connection that pins more than four times what its window
// allows gets no more (its data is dropped, which the window that we advertised before permits: RFC
// 9293 3.8.6).
#pragma once

#include "tcp/stack.h"

struct tcp_range {
	struct seq start;
	struct seq end;
	uint32_t next;
	uint32_t stamp; // the higher, the more recently changed: the order of SACK blocks (RFC 2018 4)
	struct rte_mbuf *head;
	struct rte_mbuf *tail;
};

static inline struct tcp_range *tcp_range_at(const struct tcp *tcp, uint32_t idx)
{
	return pool_at(&tcp->ranges, idx);
}

// Appends len bytes that begin at rcv_nxt, and whatever ranges follow without a gap. The mbuf is taken over.
// False: no memory for it; it was not taken.
bool tcp_receive_in_order(struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint32_t len);

// Keeps len bytes at seq, beyond rcv_nxt, or frees them where they are there already or don't fit. The mbuf
// is taken over. Notes the DSACK that is due (RFC 2883).
void tcp_receive_out_of_order(
	struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, struct seq seq, uint32_t len);

// [start, end) arrived twice.
void tcp_receive_duplicate(struct tcp *tcp, struct tcp_conn *conn, struct seq start, struct seq end);

void tcp_ranges_clear(struct tcp *tcp, struct tcp_conn *conn);
void tcp_receive_queue_clear(struct tcp *tcp, struct tcp_conn *conn);

// The window for the next segment's header, unscaled; moves rcv_adv. Opens in steps that are worth it
// (RFC 9293 3.8.6.2.2).
uint16_t tcp_receive_window(struct tcp *tcp, struct tcp_conn *conn);

// The buffer that a new connection starts with.
void tcp_receive_init(struct tcp *tcp, struct tcp_conn *conn);
