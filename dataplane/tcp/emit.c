// SPDX-License-Identifier: Apache-2.0
#include "tcp/emit.h"

#include "tcp/receive_queue.h"
#include "tcp/timers.h"

#include <rte_mbuf.h>

enum {
	COPY_MAX = 256 // payload that is cheaper to copy than to refer to
};

uint32_t tcp_emit_sack_len(const struct tcp *tcp, const struct tcp_conn *conn)
{
	uint32_t n_max = tcp_sack_blocks_max((conn->flags & TCP_CONN_TIMESTAMPS) != 0);
	uint32_t n = (conn->flags & TCP_CONN_DSACK_DUE) != 0 ? 1 : 0;

	if ((conn->flags & TCP_CONN_SACK) == 0)
		return 0;
	if (conn->range_head != POOL_NONE)
		n += tcp_cold(tcp, conn)->n_ranges;
	n = n < n_max ? n : n_max;
	return n == 0 ? 0 : 4 + 8 * n;
}

// The ranges that changed last come first (RFC 2018 4); a DSACK comes before all (RFC 2883 4).
static void fill_sack(const struct tcp *tcp, const struct tcp_conn *conn, struct tcp_options *options)
{
	uint8_t n_max = (uint8_t)tcp_sack_blocks_max((conn->flags & TCP_CONN_TIMESTAMPS) != 0);
	uint32_t stamps[TCP_SACK_BLOCKS_MAX];
	uint8_t first = 0;
	uint8_t n;

	if ((conn->flags & TCP_CONN_DSACK_DUE) != 0) {
		const struct tcp_conn_cold *cold = tcp_cold(tcp, conn);

		options->sack_blocks[first++] = (struct tcp_sack_block){
			.start = cold->dsack_start, .end = cold->dsack_end};
	}
	n = first;
	for (uint32_t idx = conn->range_head; idx != POOL_NONE; idx = tcp_range_at(tcp, idx)->next) {
		const struct tcp_range *range = tcp_range_at(tcp, idx);
		uint8_t place = n < n_max ? n : n_max;

		while (place > first && (int32_t)(range->stamp - stamps[place - 1]) > 0) {
			if (place < n_max) {
				stamps[place] = stamps[place - 1];
				options->sack_blocks[place] = options->sack_blocks[place - 1];
			}
			place--;
		}
		if (place == n_max)
			continue;
		stamps[place] = range->stamp;
		options->sack_blocks[place] = (struct tcp_sack_block){
			.start = range->start, .end = range->end};
		n = (uint8_t)(n < n_max ? n + 1 : n_max);
	}
	options->n_sack_blocks = n;
	options->present |= TCP_HAS_SACK;
}

static uint32_t write_options(struct tcp *tcp, struct tcp_conn *conn, uint8_t *out)
{
	struct tcp_options options = {.present = 0};

	if (tcp_emit_sack_len(tcp, conn) == 0) {
		struct tcp_timestamps_option option = {
			.nop = {TCP_OPTION_NOP, TCP_OPTION_NOP}, .kind = TCP_OPTION_TIMESTAMPS, .len = 10};

		// The usual case, in one piece.
		if ((conn->flags & TCP_CONN_TIMESTAMPS) == 0)
			return 0;
		option.value = __builtin_bswap32(tcp_ts_now(tcp, conn));
		option.echo = __builtin_bswap32(conn->ts_recent);
		memcpy(out, &option, sizeof option);
		return sizeof option;
	}
	if ((conn->flags & TCP_CONN_TIMESTAMPS) != 0) {
		options.present = TCP_HAS_TIMESTAMPS;
		options.ts_value = tcp_ts_now(tcp, conn);
		options.ts_echo = conn->ts_recent;
	}
	fill_sack(tcp, conn, &options);
	return tcp_options_write(&options, out);
}

// Room at the end of a buffer of ours that nobody else refers to.
static uint32_t copy_room(struct rte_mbuf *mbuf)
{
	return RTE_MBUF_DIRECT(mbuf) ? rte_pktmbuf_tailroom(mbuf) : 0;
}

static void copy_piece(struct rte_mbuf *head, struct rte_mbuf *tail, const uint8_t *data, uint32_t len)
{
	memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t *, tail->data_len), data, len);
	tail->data_len = (uint16_t)(tail->data_len + len);
	head->pkt_len += len;
}

// Appends `next`, which holds `len` bytes, to the chain.
static void chain(struct rte_mbuf *head, struct rte_mbuf *tail, struct rte_mbuf *next, uint32_t len)
{
	tail->next = next;
	head->nb_segs++;
	head->pkt_len += len;
}

// Puts up to len bytes of the send queue behind the header; returns how many.
static uint32_t add_payload(struct tcp *tcp, const struct net_path *path, struct rte_mbuf *head,
	struct tcp_send_cursor cursor, uint32_t len)
{
	bool chains = (path->capabilities & NET_PATH_MULTI_SEGMENT) != 0;
	struct rte_mbuf *tail = head;
	uint32_t n = 0;

	while (n < len) {
		const struct tcp_send_item *item = tcp_send_item_at(tcp, cursor.item);
		uint32_t piece = (uint32_t)item->len - cursor.offset;
		uint32_t room = copy_room(tail);
		const uint8_t *data = rte_pktmbuf_mtod_offset(
			item->mbuf, const uint8_t *, item->offset + cursor.offset);

		piece = piece < len - n ? piece : len - n;
		if (!chains || (piece <= COPY_MAX && piece <= room)) {
			piece = piece < room ? piece : room;
			if (piece == 0)
				break;
			copy_piece(head, tail, data, piece);
		} else {
			struct rte_mbuf *next = head->nb_segs < path->segments_max ? net_mbuf_alloc(tcp->net)
										   : NULL;

			if (next == NULL)
				break;
			if (piece <= COPY_MAX) {
				chain(head, tail, next, 0);
				tail = next;
				continue;
			}
			rte_pktmbuf_attach(next, item->mbuf);
			next->data_off = (uint16_t)(item->mbuf->data_off + item->offset + cursor.offset);
			next->data_len = (uint16_t)piece;
			next->next = NULL;
			next->nb_segs = 1;
			chain(head, tail, next, piece);
			tail = next;
		}
		n += piece;
		cursor = tcp_send_cursor_advance(tcp, cursor, piece);
	}
	return n;
}

static void fill_header(struct tcp_header *header, const struct flow_key *key, struct seq seq, struct seq ack)
{
	header->src_port = __builtin_bswap16(key->local_port);
	header->dst_port = __builtin_bswap16(key->remote_port);
	header->seq = __builtin_bswap32(seq.value);
	header->ack = __builtin_bswap32(ack.value);
	header->checksum = 0;
	header->urgent = 0;
}

// The acknowledgement is on its way: nothing is owed any more.
static void ack_is_sent(struct tcp_conn *conn)
{
	conn->rcv_acked = conn->rcv_nxt;
	conn->flags &= ~(uint32_t)(TCP_CONN_ACK_NOW | TCP_CONN_ACK_LATER | TCP_CONN_DSACK_DUE);
	tcp_timer_clear(conn, TCP_TIMER_ACK);
}

int32_t tcp_emit(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_tx *tx)
{
	struct net_path *path = &tcp_cold(tcp, conn)->path;
	struct rte_mbuf *m = net_mbuf_alloc(tcp->net);
	struct tcp_header *header;
	uint32_t options_len;
	uint32_t n = 0;
	uint8_t flags = SEGMENT_ACK | tx->flags;

	if (m == NULL)
		return -1;
	header = rte_pktmbuf_mtod(m, struct tcp_header *);
	options_len = write_options(tcp, conn, (uint8_t *)(header + 1));
	m->data_len = (uint16_t)(TCP_HEADER_LEN + options_len);
	m->pkt_len = m->data_len;
	if (tx->len != 0) {
		n = add_payload(tcp, path, m, tx->cursor, tx->len);
		if (n == 0) {
			rte_pktmbuf_free(m);
			return -1;
		}
	}
	if (n != tx->len)
		flags &= (uint8_t) ~(SEGMENT_FIN | SEGMENT_PSH);
	if ((conn->flags & TCP_CONN_ECN_ECHO) != 0)
		flags |= SEGMENT_ECE;
	fill_header(header, &conn->key, tx->seq, conn->rcv_nxt);
	header->data_offset = (uint8_t)((TCP_HEADER_LEN + options_len) / 4 << 4);
	header->flags = flags;
	header->window = __builtin_bswap16(tcp_receive_window(tcp, conn));
	ack_is_sent(conn);
	net_output_tcp(tcp->net, path, &conn->key, m, tx->ect ? SEGMENT_ECN_ECT0 : SEGMENT_ECN_NOT_ECT,
		n > tx->seg_max ? (uint16_t)tx->seg_max : 0);
	tcp_count(tcp, COUNTER_TCP_TX_SEGMENTS);
	return (int32_t)n;
}

void tcp_emit_control(struct tcp *tcp, const struct tcp_control *control)
{
	struct net_path path;
	struct rte_mbuf *m;
	struct tcp_header *header;
	uint32_t options_len;

	if (!net_path_find(tcp->net, &control->key->local, &control->key->remote, &path) ||
		(m = net_mbuf_alloc(tcp->net)) == NULL) {
		tcp_count(tcp, COUNTER_TCP_CONTROL_DROPPED);
		return;
	}
	header = rte_pktmbuf_mtod(m, struct tcp_header *);
	options_len = tcp_options_write(&control->options, (uint8_t *)(header + 1));
	fill_header(header, control->key, control->seq, control->ack);
	header->data_offset = (uint8_t)((TCP_HEADER_LEN + options_len) / 4 << 4);
	header->flags = control->flags;
	header->window = __builtin_bswap16(control->window);
	m->data_len = (uint16_t)(TCP_HEADER_LEN + options_len);
	m->pkt_len = m->data_len;
	net_output_tcp(tcp->net, &path, control->key, m, control->ecn, 0);
	tcp_count(tcp, COUNTER_TCP_TX_SEGMENTS);
}
