// SPDX-License-Identifier: Apache-2.0
#include "proxy/leg.h"

#include "base/assert.h"
#include "proxy/proxy.h"
#include "tls/resumption_hint.h"

#include <rte_mbuf.h>

enum {
	RECORD_PIECES = 16, // that nearly always hold a record
	HELLO_MAX = 8192,   // of a ClientHello that is waited for as a whole
	CONTENT_MAX = 512,  // of a record that is not application data and lies in pieces
};

void leg_init(struct leg *leg, uint8_t side)
{
	*leg = (struct leg){.side = side, .tls_idx = POOL_NONE};
}

static struct tcp_conn *conn_of(struct proxy *proxy, const struct leg *leg)
{
	struct tcp_conn *conn = leg_is(leg, LEG_OPEN) ? tcp_conn_at(proxy->tcp, leg->tcp) : NULL;

	SLUICE_ASSERT(!leg_is(leg, LEG_OPEN) || conn != NULL);
	return conn;
}

struct tls_conn *leg_tls(struct proxy *proxy, const struct leg *leg)
{
	return leg_is(leg, LEG_TLS) ? pool_at(&proxy->tls_conns, leg->tls_idx) : NULL;
}

void leg_open(struct proxy *proxy, struct leg *leg, struct tcp_conn *conn, uint64_t user)
{
	leg->tcp = tcp_conn_handle(proxy->tcp, conn);
	leg->flags |= LEG_OPEN;
	tcp_conn_set_user(proxy->tcp, conn, user);
}

static void drop_opened(struct leg *leg)
{
	if (leg->opened_mbuf != NULL)
		rte_pktmbuf_free(leg->opened_mbuf);
	leg->opened_mbuf = NULL;
	leg->opened_len = leg->opened_tail = 0;
}

static void drop_shared(struct leg *leg)
{
	rte_pktmbuf_free(leg->shared);
	leg->shared = NULL;
}

// Everything but the TCP connection.
static void give_back(struct proxy *proxy, struct leg *leg)
{
	drop_opened(leg);
	drop_shared(leg);
	if (leg->pending != NULL)
		rte_pktmbuf_free(leg->pending);
	leg->pending = NULL;
	if (leg_is(leg, LEG_TLS)) {
		struct tls_conn *tls = leg_tls(proxy, leg);

		if (leg_is(leg, LEG_HANDSHAKING))
			tls_handshake_finish(proxy->engine, tls);
		tls_conn_destroy(proxy->engine, tls);
		pool_free(&proxy->tls_conns, tls);
	}
	leg->flags = (uint16_t)(leg->flags & ~(LEG_TLS | LEG_HANDSHAKING | LEG_OPEN | LEG_CONNECTED));
}

void leg_close(struct proxy *proxy, struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);

	if (conn == NULL)
		return;
	// What was not read would turn the orderly end into a reset, and our last words would be lost.
	if (tcp_readable(conn) != 0)
		tcp_consume(proxy->tcp, conn, tcp_readable(conn));
	give_back(proxy, leg);
	tcp_close(proxy->tcp, conn);
}

void leg_abort(struct proxy *proxy, struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);

	if (conn == NULL)
		return;
	give_back(proxy, leg);
	tcp_abort(proxy->tcp, conn);
}

void leg_events(struct leg *leg, uint16_t events)
{
	if ((events & (TCP_EVENT_CONNECTED | TCP_EVENT_ACCEPTED)) != 0)
		leg->flags |= LEG_CONNECTED;
	if ((events & TCP_EVENT_PEER_FIN) != 0)
		leg->flags |= LEG_FIN_SEEN;
	if ((events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0)
		leg->flags |= LEG_BROKEN;
}

// --- the handshake ---

bool leg_start_tls(struct proxy *proxy, struct leg *leg, const struct tls_server_config *config)
{
	struct tls_conn *tls = pool_alloc(&proxy->tls_conns);

	if (tls == NULL)
		return false;
	tls_conn_init(tls);
	if (!tls_server_start(proxy->engine, tls, config, leg)) {
		pool_free(&proxy->tls_conns, tls);
		return false;
	}
	leg->tls_idx = pool_index(&proxy->tls_conns, tls);
	leg->flags |= LEG_TLS | LEG_HANDSHAKING;
	leg->tls_status = TLS_NEED_BYTES;
	return true;
}

// The first n pieces that were peeked at.
static struct tls_stream stream_of(struct proxy *proxy, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		proxy->spans[i] = span_of(proxy->pieces[i].data, proxy->pieces[i].len);
	return (struct tls_stream){.pieces = proxy->spans, .n_pieces = n};
}

static struct tls_stream whole_stream(struct proxy *proxy, const struct tcp_conn *conn)
{
	return stream_of(proxy, tcp_peek(conn, proxy->pieces, PROXY_PIECES_MAX));
}

bool leg_awaits_hello(struct proxy *proxy, const struct leg *leg)
{
	struct tls_stream stream = whole_stream(proxy, conn_of(proxy, leg));
	uint8_t header[TLS_RECORD_HEADER_LEN];
	size_t len = tls_stream_len(stream), record_len;

	if (leg_is(leg, LEG_FIN_SEEN) || len == 0)
		return false;
	if (tls_stream_copy(stream, 0, header, sizeof header) != sizeof header)
		return header[0] == TLS_CONTENT_HANDSHAKE;
	record_len = sizeof header + ((size_t)header[3] << 8 | header[4]);
	return header[0] == TLS_CONTENT_HANDSHAKE && record_len <= HELLO_MAX && len < record_len;
}

bool leg_will_resume(struct proxy *proxy, const struct leg *leg)
{
	return tls_resumption_hint(proxy->engine, whole_stream(proxy, conn_of(proxy, leg)));
}

// Sends what TLS has to say, as long as there is room; `write` is tls_handshake_output or tls_conn_output.
static void send_tls_output(struct proxy *proxy, struct leg *leg,
	size_t (*write)(struct tls_engine *, struct tls_conn *, struct mut_span))
{
	struct tcp_conn *conn = conn_of(proxy, leg);
	struct tls_conn *tls = leg_tls(proxy, leg);
	size_t len = 1;

	while (len != 0 && leg->pending == NULL) {
		struct rte_mbuf *mbuf;

		if (tcp_send_space(proxy->tcp, conn) < PROXY_SMALL_LEN)
			return;
		mbuf = rte_pktmbuf_alloc(proxy->small_pool);
		if (mbuf == NULL) {
			proxy_note_shortage(proxy);
			return;
		}
		len = write(proxy->engine, tls,
			(struct mut_span){.data = rte_pktmbuf_mtod(mbuf, uint8_t *), .len = PROXY_SMALL_LEN});
		if (len != 0) {
			(void)rte_pktmbuf_append(mbuf, (uint16_t)len);
			leg_send_sealed(proxy, leg, (struct leg_place){.mbuf = mbuf}, (uint32_t)len);
		} else {
			rte_pktmbuf_free(mbuf);
		}
	}
}

enum leg_handshake leg_handshake(struct proxy *proxy, struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);
	struct tls_conn *tls = leg_tls(proxy, leg);
	bool more = true;

	if (leg->pending != NULL)
		leg_flush(proxy, leg);
	while (leg->tls_status == TLS_NEED_BYTES && more) {
		struct tls_stream stream = whole_stream(proxy, conn);
		size_t consumed = 0;

		if (stream.n_pieces == 0)
			break;
		leg->tls_status = (uint8_t)tls_handshake_input(proxy->engine, tls, stream, &consumed);
		if (consumed != 0)
			tcp_consume(proxy->tcp, conn, (uint32_t)consumed);
		more = consumed != 0;
	}
	if (tls_handshake_has_output(proxy->engine, tls))
		send_tls_output(proxy, leg, tls_handshake_output);
	if (tls_handshake_has_output(proxy->engine, tls) || leg->pending != NULL)
		return LEG_HANDSHAKE_WAITS;
	if (leg->tls_status == TLS_FAILED)
		return LEG_HANDSHAKE_FAILED;
	// What lies there was not enough, and no more comes.
	if (leg->tls_status == TLS_NEED_BYTES && leg_is(leg, LEG_FIN_SEEN)) {
		leg->flags |= LEG_BROKEN | LEG_TRUNCATED;
		return LEG_HANDSHAKE_FAILED;
	}
	return leg->tls_status == TLS_DONE ? LEG_HANDSHAKE_DONE : LEG_HANDSHAKE_WAITS;
}

const struct tls_handshake_report *leg_report(struct proxy *proxy, const struct leg *leg)
{
	return tls_handshake_report(proxy->engine, leg_tls(proxy, leg));
}

void leg_finish_handshake(struct proxy *proxy, struct leg *leg)
{
	tls_handshake_finish(proxy->engine, leg_tls(proxy, leg));
	leg->flags = (uint16_t)(leg->flags & ~LEG_HANDSHAKING);
}

// --- records ---

void leg_refuse(struct proxy *proxy, struct leg *leg, enum tls_verdict verdict)
{
	if (!leg_is(leg, LEG_TLS))
		return;
	tls_conn_refuse(proxy->engine, leg_tls(proxy, leg), verdict);
	send_tls_output(proxy, leg, tls_conn_output);
}

// The peer's fault, found in a record.
static void fail(struct proxy *proxy, struct leg *leg)
{
	send_tls_output(proxy, leg, tls_conn_output);
	leg->flags |= LEG_BROKEN;
}

// A record in more pieces than a job takes: copied, and opened in a buffer of ours.
static bool gather(struct proxy *proxy, struct tcp_conn *conn, struct leg_opening *opening)
{
	size_t len = opening->record.wire_len;
	uint8_t *bytes;

	opening->mbuf = rte_pktmbuf_alloc(proxy->record_pool);
	if (opening->mbuf == NULL) {
		proxy_note_shortage(proxy);
		return false;
	}
	bytes = rte_pktmbuf_mtod(opening->mbuf, uint8_t *);
	SLUICE_ASSERT(tls_stream_copy(whole_stream(proxy, conn), 0, bytes, len) == len);
	opening->inputs[0] = span_of(
		bytes + opening->record.cipher_off, tls_record_cipher_len(&opening->record));
	opening->outputs[0] = (struct mut_span){
		.data = bytes + opening->record.cipher_off, .len = tls_record_room(&opening->record)};
	return true;
}

static uint16_t outputs_in_place(struct leg_opening *opening, size_t n_inputs)
{
	size_t left = tls_record_room(&opening->record);
	uint16_t n = 0;

	for (size_t i = 0; i < n_inputs && left != 0; i++) {
		size_t len = opening->inputs[i].len < left ? opening->inputs[i].len : left;

		// The queue's bytes are ours to change (tcp.h: "it may be changed in place").
		opening->outputs[n].data = (uint8_t *)(uintptr_t)opening->inputs[i].data;
		opening->outputs[n].len = len;
		left -= len;
		n++;
	}
	return n;
}

// What begins the receive queue, at least a whole record if there is one: the queue may be a thousand
// segments long, and a record in full segments is a dozen.
static struct tls_stream next_stream(struct proxy *proxy, const struct tcp_conn *conn)
{
	uint32_t n = tcp_peek(conn, proxy->pieces, RECORD_PIECES);
	uint32_t len = 0;

	for (uint32_t i = 0; i < n; i++)
		len += proxy->pieces[i].len;
	if (n == RECORD_PIECES && len < TLS_RECORD_HEADER_LEN + TLS_CIPHERTEXT_MAX_12)
		n = tcp_peek(conn, proxy->pieces, PROXY_PIECES_MAX);
	return stream_of(proxy, n);
}

// Whether there is a whole record; otherwise whether there ever will be.
static bool cut_record(struct proxy *proxy, struct leg *leg, struct tls_stream stream, struct tls_record *out)
{
	struct tls_conn *tls = leg_tls(proxy, leg);
	enum tls_verdict verdict = tls_record_cut(tls, stream, 0, out);

	if (verdict == TLS_OK && out->wire_len != 0 && out->type != TLS_CONTENT_APPLICATION_DATA &&
		tls_conn_is(tls, TLS_CONN_IS_13))
		verdict = TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict != TLS_OK) {
		tls_conn_refuse(proxy->engine, tls, verdict);
		fail(proxy, leg);
		return false;
	}
	leg->awaited = out->wire_len == 0 ? out->content_len : 0;
	if (out->wire_len == 0 && leg_is(leg, LEG_FIN_SEEN)) // RFC 8446 6.1: the end that nobody announced
		leg->flags |= LEG_BROKEN | LEG_TRUNCATED;
	return out->wire_len != 0;
}

bool leg_prepare_opening(
	struct proxy *proxy, struct leg *leg, struct leg_opening *opening, struct aead_job *job)
{
	struct tcp_conn *conn = conn_of(proxy, leg);
	struct tls_stream stream;
	struct tls_pieces pieces;
	size_t n_inputs;

	if (conn == NULL || !leg_is(leg, LEG_TLS) ||
		(leg->flags & (LEG_HANDSHAKING | LEG_BROKEN | LEG_ENDED)) != 0 || leg->opened_len != 0 ||
		leg->opened_tail != 0)
		return false;
	if (tcp_readable(conn) < leg->awaited && !leg_is(leg, LEG_FIN_SEEN))
		return false;
	stream = next_stream(proxy, conn);
	opening->leg = leg;
	opening->mbuf = NULL;
	if (!cut_record(proxy, leg, stream, &opening->record))
		return false;
	n_inputs = tls_stream_slice(stream, opening->record.cipher_off,
		tls_record_cipher_len(&opening->record), opening->inputs, TLS_RECORD_PIECES);
	if (n_inputs == 0) {
		if (!gather(proxy, conn, opening))
			return false;
		n_inputs = 1;
	}
	pieces = (struct tls_pieces){.inputs = opening->inputs,
		.outputs = opening->outputs,
		.n_inputs = (uint16_t)n_inputs,
		.n_outputs = opening->mbuf != NULL ? 1 : outputs_in_place(opening, n_inputs)};
	tls_record_open_job(&opening->record, &pieces, job);
	return true;
}

// The plaintext of a record that is not application data, in one piece.
static struct span content_of(
	const struct leg_opening *opening, const struct aead_job *job, uint8_t *copy, size_t max)
{
	size_t len = opening->record.content_len, copied = 0;

	if (job->n_outputs == 0 || job->outputs[0].len >= len)
		return span_of(job->n_outputs == 0 ? copy : job->outputs[0].data, len);
	for (uint16_t i = 0; i < job->n_outputs && copied < len && copied < max; i++) {
		size_t n = job->outputs[i].len;

		n = n < len - copied ? n : len - copied;
		n = n < max - copied ? n : max - copied;
		memcpy(copy + copied, job->outputs[i].data, n);
		copied += n;
	}
	return span_of(copy, copied);
}

static void take_data(struct proxy *proxy, struct leg *leg, struct leg_opening *opening)
{
	const struct tls_record *record = &opening->record;

	leg->opened_len = record->content_len;
	if (opening->mbuf == NULL) {
		// What stands in front of the data goes now: it may be all that the first buffer holds.
		tcp_consume(proxy->tcp, conn_of(proxy, leg), record->cipher_off);
		leg->opened_tail = record->wire_len - record->cipher_off - record->content_len;
		return;
	}
	// The copy is what is read from now on.
	tcp_consume(proxy->tcp, conn_of(proxy, leg), record->wire_len);
	leg->opened_mbuf = opening->mbuf;
	leg->opened_off = record->cipher_off;
	opening->mbuf = NULL;
}

// An opened record of no data goes at once.
static void settle_opened(struct proxy *proxy, struct leg *leg)
{
	if (leg->opened_len != 0)
		return;
	if (leg->opened_mbuf == NULL && leg->opened_tail != 0)
		tcp_consume(proxy->tcp, conn_of(proxy, leg), leg->opened_tail);
	drop_opened(leg);
}

void leg_opened(struct proxy *proxy, struct leg_opening *opening, const struct aead_job *job)
{
	struct leg *leg = opening->leg;
	struct tls_conn *tls = leg_tls(proxy, leg);
	struct tcp_conn *conn = conn_of(proxy, leg);
	enum tls_verdict verdict = tls_record_opened(&opening->record, job);
	enum tls_received received = TLS_RECEIVED_FAULT;
	uint8_t copy[CONTENT_MAX];

	if (verdict == TLS_OK) {
		struct span content = span_of(NULL, opening->record.content_len);

		if (opening->record.type != TLS_CONTENT_APPLICATION_DATA)
			content = opening->record.content_len <= CONTENT_MAX || opening->mbuf != NULL ||
						  job->n_outputs == 1
					  ? content_of(opening, job, copy, sizeof copy)
					  : content_of(opening, job, proxy->engine->scratch,
						    opening->record.content_len);
		received = tls_conn_receive(proxy->engine, tls, opening->record.type, content);
	} else {
		tls_conn_refuse(proxy->engine, tls, verdict);
	}
	if (received == TLS_RECEIVED_DATA) {
		take_data(proxy, leg, opening);
		settle_opened(proxy, leg);
	} else {
		tcp_consume(proxy->tcp, conn, opening->record.wire_len);
	}
	if (received == TLS_RECEIVED_CLOSED) {
		leg->flags |= LEG_ENDED;
		tcp_consume(proxy->tcp, conn, tcp_readable(conn)); // nothing after it counts
	}
	if (received == TLS_RECEIVED_ALERT)
		leg->flags |= LEG_BROKEN;
	if (received == TLS_RECEIVED_FAULT)
		fail(proxy, leg);
	if (opening->mbuf != NULL)
		rte_pktmbuf_free(opening->mbuf);
	opening->mbuf = NULL;
}

// --- reading ---

uint32_t leg_peek(struct proxy *proxy, const struct leg *leg, struct tcp_piece *out, uint32_t n)
{
	struct tcp_conn *conn = conn_of(proxy, leg);
	uint32_t left = leg->opened_len;
	uint32_t n_peeked;

	if (conn == NULL || leg_is(leg, LEG_HANDSHAKING))
		return 0;
	if (!leg_is(leg, LEG_TLS))
		return tcp_peek(conn, out, n);
	if (left == 0)
		return 0;
	if (leg->opened_mbuf != NULL) {
		*out = (struct tcp_piece){.mbuf = leg->opened_mbuf,
			.data = rte_pktmbuf_mtod_offset(leg->opened_mbuf, uint8_t *, leg->opened_off),
			.len = left};
		return 1;
	}
	n_peeked = tcp_peek(conn, out, n);
	for (uint32_t i = 0; i < n_peeked; i++) {
		out[i].len = out[i].len < left ? out[i].len : left;
		left -= out[i].len;
		if (left == 0)
			return i + 1;
	}
	return n_peeked;
}

uint32_t leg_readable(struct proxy *proxy, const struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);

	if (conn == NULL || leg_is(leg, LEG_HANDSHAKING))
		return 0;
	return leg_is(leg, LEG_TLS) ? leg->opened_len : tcp_readable(conn);
}

void leg_consume(struct proxy *proxy, struct leg *leg, uint32_t n_bytes)
{
	struct tcp_conn *conn = conn_of(proxy, leg);

	if (n_bytes == 0)
		return;
	leg->n_read += n_bytes;
	if (!leg_is(leg, LEG_TLS)) {
		tcp_consume(proxy->tcp, conn, n_bytes);
		return;
	}
	SLUICE_ASSERT(n_bytes <= leg->opened_len);
	if (leg->opened_mbuf == NULL)
		tcp_consume(proxy->tcp, conn, n_bytes);
	leg->opened_off += n_bytes;
	leg->opened_len -= n_bytes;
	settle_opened(proxy, leg);
}

bool leg_has_input(struct proxy *proxy, const struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);

	return leg->opened_len != 0 || (conn != NULL && tcp_readable(conn) != 0);
}

bool leg_at_end(struct proxy *proxy, const struct leg *leg)
{
	if (leg->opened_len != 0)
		return false;
	if (leg_is(leg, LEG_TLS))
		return leg_is(leg, LEG_ENDED);
	return leg_is(leg, LEG_FIN_SEEN) && !leg_has_input(proxy, leg);
}

// --- writing ---

uint32_t leg_space(struct proxy *proxy, const struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);
	uint32_t space;

	if (conn == NULL || leg->pending != NULL ||
		(leg->flags & (LEG_SHUT | LEG_SHUT_DUE | LEG_HANDSHAKING)) != 0)
		return 0;
	space = tcp_send_space(proxy->tcp, conn);
	if (!leg_is(leg, LEG_TLS))
		return space;
	return space > PROXY_RECORD_OVERHEAD ? space - PROXY_RECORD_OVERHEAD : 0;
}

bool leg_send_piece(struct proxy *proxy, struct leg *leg, const struct tcp_piece *piece)
{
	struct tcp_conn *conn = conn_of(proxy, leg);
	uint32_t offset = (uint32_t)(piece->data - rte_pktmbuf_mtod(piece->mbuf, uint8_t *));

	rte_mbuf_refcnt_update(piece->mbuf, 1);
	if (!tcp_send(proxy->tcp, conn, piece->mbuf, offset, piece->len)) {
		rte_pktmbuf_free(piece->mbuf);
		return false;
	}
	leg->n_written += piece->len;
	return true;
}

struct leg_place leg_find_place(struct proxy *proxy, struct leg *leg, uint32_t len)
{
	bool small = len <= PROXY_SMALL_LEN;
	struct leg_place place = {.mbuf = leg->shared};

	if (leg->shared != NULL && rte_pktmbuf_tailroom(leg->shared) >= len) {
		place.offset = leg->shared->data_len;
		rte_mbuf_refcnt_update(leg->shared, 1);
		(void)rte_pktmbuf_append(leg->shared, (uint16_t)len);
		return place;
	}
	// A short record by itself needs no long buffer.
	if (small && tcp_send_queued(conn_of(proxy, leg)) == 0)
		place.mbuf = rte_pktmbuf_alloc(proxy->small_pool);
	else
		place.mbuf = rte_pktmbuf_alloc(proxy->record_pool);
	if (place.mbuf == NULL)
		place.mbuf = small ? rte_pktmbuf_alloc(proxy->small_pool) : NULL;
	if (place.mbuf == NULL)
		return place;
	(void)rte_pktmbuf_append(place.mbuf, (uint16_t)len);
	if (rte_pktmbuf_tailroom(place.mbuf) >= PROXY_SMALL_LEN) {
		drop_shared(leg);
		leg->shared = place.mbuf;
		rte_mbuf_refcnt_update(leg->shared, 1);
	}
	return place;
}

void leg_send_sealed(struct proxy *proxy, struct leg *leg, struct leg_place place, uint32_t len)
{
	SLUICE_ASSERT(leg->pending == NULL && len <= UINT16_MAX);
	if (tcp_send(proxy->tcp, conn_of(proxy, leg), place.mbuf, place.offset, len))
		return;
	leg->pending = place.mbuf;
	leg->pending_offset = (uint16_t)place.offset;
	leg->pending_len = (uint16_t)len;
}

bool leg_is_backed_up(struct proxy *proxy, const struct leg *leg)
{
	return tcp_is_backed_up(conn_of(proxy, leg));
}

bool leg_write(struct proxy *proxy, struct leg *leg, struct span bytes)
{
	struct tls_conn *tls = leg_tls(proxy, leg);
	struct rte_mbuf *mbuf;
	size_t len = bytes.len;

	if (len == 0)
		return true;
	if (len > leg_space(proxy, leg) || len > TLS_PLAINTEXT_MAX)
		return false;
	if (tls != NULL)
		leg_flush(proxy, leg);
	mbuf = rte_pktmbuf_alloc(
		len + PROXY_RECORD_OVERHEAD <= PROXY_SMALL_LEN ? proxy->small_pool : proxy->record_pool);
	if (mbuf == NULL || leg->pending != NULL) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	if (tls != NULL)
		len = tls_record_write(proxy->engine, tls, TLS_CONTENT_APPLICATION_DATA, bytes,
			(struct mut_span){.data = rte_pktmbuf_mtod(mbuf, uint8_t *),
				.len = rte_pktmbuf_tailroom(mbuf)});
	else
		memcpy(rte_pktmbuf_mtod(mbuf, uint8_t *), bytes.data, len);
	(void)rte_pktmbuf_append(mbuf, (uint16_t)len);
	leg_send_sealed(proxy, leg, (struct leg_place){.mbuf = mbuf}, (uint32_t)len);
	leg->n_written += bytes.len;
	return true;
}

void leg_flush(struct proxy *proxy, struct leg *leg)
{
	struct tcp_conn *conn = conn_of(proxy, leg);

	if (conn == NULL || leg_is(leg, LEG_SHUT))
		return;
	if (leg->pending != NULL) {
		struct leg_place place = {.mbuf = leg->pending, .offset = leg->pending_offset};

		leg->pending = NULL;
		leg_send_sealed(proxy, leg, place, leg->pending_len);
		if (leg->pending != NULL)
			return;
	}
	// All was acknowledged, and nothing may follow for a long time.
	if (leg->shared != NULL && tcp_send_queued(conn) == 0)
		drop_shared(leg);
	if (leg_is(leg, LEG_HANDSHAKING))
		return;
	if (leg_is(leg, LEG_TLS) &&
		(leg_tls(proxy, leg)->flags & (TLS_CONN_UPDATE_DUE | TLS_CONN_ALERT_DUE)) != 0)
		send_tls_output(proxy, leg, tls_conn_output);
	if (!leg_is(leg, LEG_SHUT_DUE) || leg->pending != NULL ||
		(leg_is(leg, LEG_TLS) && tls_conn_is(leg_tls(proxy, leg), TLS_CONN_ALERT_DUE)))
		return;
	drop_shared(leg);
	tcp_shutdown(proxy->tcp, conn);
	leg->flags |= LEG_SHUT;
}

void leg_shutdown(struct proxy *proxy, struct leg *leg)
{
	if ((leg->flags & (LEG_SHUT | LEG_SHUT_DUE)) != 0)
		return;
	leg->flags |= LEG_SHUT_DUE;
	if (leg_is(leg, LEG_TLS))
		tls_conn_close(leg_tls(proxy, leg));
	leg_flush(proxy, leg);
}
