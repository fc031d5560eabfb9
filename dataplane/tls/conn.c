// SPDX-License-Identifier: Apache-2.0
//
// Bounds: what a peer may send without ever sending data is counted and ends the connection when it is more
// than any honest peer has reason for.
#include "tls/conn.h"

#include "base/reader.h"
#include "base/wipe.h"
#include "tls/client_memory.h"
#include "tls/engine.h"
#include "tls/key_schedule.h"
#include "tls/record.h"

enum {
	EMPTY_RECORDS_MAX = 32,
	KEY_UPDATES_MAX = 32,
	WARNINGS_MAX = 4,
	KEY_UPDATE_LEN = TLS_MESSAGE_HEADER_LEN + 1,
};

#define RECORDS_PER_KEY (UINT64_C(1) << 23) // RFC 8446 5.5
#define RECORDS_MAX_12  (UINT64_C(1) << 32) // no rekeying there: the connection ends

void tls_conn_init(struct tls_conn *conn)
{
	memset(conn, 0, sizeof *conn);
	conn->handshake_idx = POOL_NONE;
	conn->client_idx = POOL_NONE;
	conn->send_max = TLS_PLAINTEXT_MAX;
	conn->receive_max = TLS_PLAINTEXT_MAX;
}

static void set_key(struct tls_engine *engine, const struct tls_conn *conn, struct aead_key *key,
	const struct span key_and_iv[2])
{
	const struct tls_suite *suite = tls_conn_suite(conn);

	aead_key_destroy(&engine->crypto->aead, key);
	aead_key_init(&engine->crypto->aead, key, suite->aead, suite->nonce_form, key_and_iv);
}

static void set_key_from_secret(
	struct tls_engine *engine, const struct tls_conn *conn, struct aead_key *key, const uint8_t *secret)
{
	const struct tls_suite *suite = tls_conn_suite(conn);
	struct span secret_span = span_of(secret, hash_len(suite->hash));
	uint8_t key_bytes[AEAD_KEY_MAX_LEN];
	uint8_t iv[AEAD_NONCE_LEN];
	const struct kdf_label_job jobs[2] = {
		{.secret = secret_span, .label = "key", .out = {key_bytes, aead_key_len(suite->aead)}},
		{.secret = secret_span, .label = "iv", .out = {iv, sizeof iv}},
	};

	kdf_expand_label_burst(suite->hash, jobs, 2);
	set_key(engine, conn, key,
		(const struct span[2]){
			span_of(key_bytes, aead_key_len(suite->aead)), span_of(iv, sizeof iv)});
	wipe(key_bytes, sizeof key_bytes);
	wipe(iv, sizeof iv);
}

void tls_conn_set_read_secret(struct tls_engine *engine, struct tls_conn *conn, const uint8_t *secret)
{
	if (secret != conn->read_secret)
		memcpy(conn->read_secret, secret, hash_len(tls_conn_suite(conn)->hash));
	set_key_from_secret(engine, conn, &conn->read_key, conn->read_secret);
	conn->read_seq = 0;
	conn->flags |= TLS_CONN_READ_KEYED;
}

void tls_conn_set_write_secret(struct tls_engine *engine, struct tls_conn *conn, const uint8_t *secret)
{
	if (secret != conn->write_secret)
		memcpy(conn->write_secret, secret, hash_len(tls_conn_suite(conn)->hash));
	set_key_from_secret(engine, conn, &conn->write_key, conn->write_secret);
	conn->write_seq = 0;
	conn->flags |= TLS_CONN_WRITE_KEYED;
}

void tls_conn_set_read_key(struct tls_engine *engine, struct tls_conn *conn, const struct span key_and_iv[2])
{
	set_key(engine, conn, &conn->read_key, key_and_iv);
	conn->read_seq = 0;
	conn->flags |= TLS_CONN_READ_KEYED;
}

void tls_conn_set_write_key(struct tls_engine *engine, struct tls_conn *conn, const struct span key_and_iv[2])
{
	set_key(engine, conn, &conn->write_key, key_and_iv);
	conn->write_seq = 0;
	conn->flags |= TLS_CONN_WRITE_KEYED;
}

void tls_conn_refuse(struct tls_engine *engine, struct tls_conn *conn, enum tls_verdict verdict)
{
	SLUICE_ASSERT(verdict != TLS_OK);
	if (tls_conn_is(conn, TLS_CONN_FAILED))
		return;
	conn->flags |= TLS_CONN_FAILED | TLS_CONN_READ_CLOSED | TLS_CONN_ALERT_DUE;
	conn->flags &= (uint16_t) ~(TLS_CONN_UPDATE_DUE | TLS_CONN_UPDATE_ASKS);
	conn->alert_due = (uint8_t)tls_verdict_alert(verdict);
	tls_engine_count(engine, COUNTER_TLS_CONN_FAULTS);
}

static enum tls_received refuse(struct tls_engine *engine, struct tls_conn *conn, enum tls_verdict verdict)
{
	tls_conn_refuse(engine, conn, verdict);
	return TLS_RECEIVED_FAULT;
}

static enum tls_received receive_data(struct tls_engine *engine, struct tls_conn *conn, size_t len)
{
	if (len != 0) {
		conn->n_empty = 0;
		conn->n_key_updates = 0;
		return TLS_RECEIVED_DATA;
	}
	if (++conn->n_empty > EMPTY_RECORDS_MAX)
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	return TLS_RECEIVED_NOTHING;
}

// RFC 8446 6: the level says nothing any more, and everything but a closure ends the connection. In TLS 1.2 a
// warning may pass, a few times.
static enum tls_received receive_alert(struct tls_engine *engine, struct tls_conn *conn, struct span content)
{
	bool is_warning;

	if (content.len == 0) // RFC 8446 5.4
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	if (content.len != TLS_ALERT_LEN)
		return refuse(engine, conn, TLS_REFUSE_DECODE_ERROR);
	is_warning = tls_conn_is(conn, TLS_CONN_IS_13) ? content.data[1] == TLS_ALERT_USER_CANCELED
						       : content.data[0] == TLS_ALERT_LEVEL_WARNING;
	if (content.data[0] != TLS_ALERT_LEVEL_WARNING && content.data[0] != TLS_ALERT_LEVEL_FATAL)
		return refuse(engine, conn, TLS_REFUSE_ILLEGAL_PARAMETER);
	if (content.data[1] == TLS_ALERT_CLOSE_NOTIFY) {
		conn->flags |= TLS_CONN_READ_CLOSED | TLS_CONN_PEER_CLOSED_CLEAN;
		return TLS_RECEIVED_CLOSED;
	}
	if (is_warning) {
		if (++conn->n_empty > WARNINGS_MAX)
			return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return TLS_RECEIVED_NOTHING;
	}
	conn->flags |= TLS_CONN_READ_CLOSED | TLS_CONN_FAILED | TLS_CONN_WRITE_CLOSED;
	conn->alert_due = content.data[1];
	tls_engine_count(engine, COUNTER_TLS_CONN_PEER_ALERTS);
	return TLS_RECEIVED_ALERT;
}

// RFC 8446 4.6.3. `is_last`: nothing may follow in the record, because it would be under the old keys.
static enum tls_received receive_key_update(
	struct tls_engine *engine, struct tls_conn *conn, uint8_t request, bool is_last)
{
	if (request != TLS_KEY_UPDATE_NOT_REQUESTED && request != TLS_KEY_UPDATE_REQUESTED)
		return refuse(engine, conn, TLS_REFUSE_ILLEGAL_PARAMETER);
	if (!is_last || ++conn->n_key_updates > KEY_UPDATES_MAX)
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	tls_traffic_secret_update(tls_conn_suite(conn)->hash, conn->read_secret);
	tls_conn_set_read_secret(engine, conn, conn->read_secret);
	conn->flags &= (uint16_t)~TLS_CONN_UPDATE_ASKED;
	// Several requests that were not answered yet are answered at once.
	if (request == TLS_KEY_UPDATE_REQUESTED && !tls_conn_is(conn, TLS_CONN_WRITE_CLOSED))
		conn->flags |= TLS_CONN_UPDATE_DUE;
	tls_engine_count(engine, COUNTER_TLS_KEY_UPDATES_RECEIVED);
	return TLS_RECEIVED_NOTHING;
}

// RFC 5246 7.2.2: a wish to renegotiate is declined with a warning; whoever insists is cut off.
static enum tls_received decline_renegotiation(struct tls_engine *engine, struct tls_conn *conn)
{
	if (++conn->n_key_updates > WARNINGS_MAX)
		return refuse(engine, conn, TLS_REFUSE_NO_RENEGOTIATION);
	if (!tls_conn_is(conn, TLS_CONN_WRITE_CLOSED)) {
		conn->flags |= TLS_CONN_ALERT_DUE;
		conn->alert_due = TLS_ALERT_NO_RENEGOTIATION;
	}
	return TLS_RECEIVED_NOTHING;
}

// The header of a message is complete: what to do with it. Sets skip_len where the body is passed over.
static enum tls_received begin_message(struct tls_engine *engine, struct tls_conn *conn)
{
	bool is_server = tls_conn_is(conn, TLS_CONN_IS_SERVER);
	uint8_t type = conn->partial[0];
	uint32_t len = (uint32_t)(conn->partial[1] << 16 | conn->partial[2] << 8 | conn->partial[3]);

	if (tls_conn_is(conn, TLS_CONN_IS_13)) {
		if (type == TLS_KEY_UPDATE)
			return len == 1 ? TLS_RECEIVED_NOTHING
					: refuse(engine, conn, TLS_REFUSE_DECODE_ERROR);
		if (type == TLS_NEW_SESSION_TICKET && !is_server) {
			if (len == 0)
				return refuse(engine, conn, TLS_REFUSE_DECODE_ERROR);
			tls_client_memory_begin_ticket(engine, conn, len);
			conn->skip_len = len;
			conn->partial_len = 0;
			return TLS_RECEIVED_NOTHING;
		}
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	}
	if (type != (is_server ? TLS_CLIENT_HELLO : TLS_HELLO_REQUEST))
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	if (!is_server && len != 0)
		return refuse(engine, conn, TLS_REFUSE_DECODE_ERROR);
	conn->skip_len = len;
	conn->partial_len = 0;
	return decline_renegotiation(engine, conn);
}

// The body of a long message: a client's ticket goes to its memory, anything else nowhere.
static enum tls_received take_body(struct tls_engine *engine, struct tls_conn *conn, struct reader *reader)
{
	size_t left = reader_left(reader);
	struct span part = reader_bytes(reader, left < conn->skip_len ? left : conn->skip_len);
	enum tls_verdict verdict;

	conn->skip_len -= (uint32_t)part.len;
	if (tls_conn_is(conn, TLS_CONN_IS_SERVER))
		return TLS_RECEIVED_NOTHING;
	verdict = tls_client_memory_add_ticket(engine, conn, part, conn->skip_len == 0);
	return verdict == TLS_OK ? TLS_RECEIVED_NOTHING : refuse(engine, conn, verdict);
}

static enum tls_received take_byte(struct tls_engine *engine, struct tls_conn *conn, struct reader *reader)
{
	conn->partial[conn->partial_len++] = reader_u8(reader);
	if (conn->partial_len == TLS_MESSAGE_HEADER_LEN)
		return begin_message(engine, conn);
	if (conn->partial_len == KEY_UPDATE_LEN) {
		conn->partial_len = 0;
		return receive_key_update(
			engine, conn, conn->partial[TLS_MESSAGE_HEADER_LEN], reader_left(reader) == 0);
	}
	return TLS_RECEIVED_NOTHING;
}

static enum tls_received receive_handshake(
	struct tls_engine *engine, struct tls_conn *conn, struct span content)
{
	struct reader reader = reader_over(content);
	enum tls_received received = TLS_RECEIVED_NOTHING;

	if (content.len == 0)
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	while (reader_left(&reader) != 0 && received == TLS_RECEIVED_NOTHING) {
		if (conn->skip_len != 0)
			received = take_body(engine, conn, &reader);
		else
			received = take_byte(engine, conn, &reader);
	}
	return received;
}

enum tls_received tls_conn_receive(
	struct tls_engine *engine, struct tls_conn *conn, uint8_t content_type, struct span content)
{
	bool in_message = conn->partial_len != 0 || conn->skip_len != 0;

	SLUICE_ASSERT(tls_conn_is(conn, TLS_CONN_ESTABLISHED));
	// RFC 8446 6.1: what comes after a closure is ignored.
	if (tls_conn_is(conn, TLS_CONN_READ_CLOSED))
		return TLS_RECEIVED_NOTHING;
	// RFC 8446 5.1: a message that spans records has no other record inside it.
	if (in_message && content_type != TLS_CONTENT_HANDSHAKE && tls_conn_is(conn, TLS_CONN_IS_13))
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	switch (content_type) {
	case TLS_CONTENT_APPLICATION_DATA:
		return receive_data(engine, conn, content.len);
	case TLS_CONTENT_ALERT:
		return receive_alert(engine, conn, content);
	case TLS_CONTENT_HANDSHAKE:
		return receive_handshake(engine, conn, content);
	default:
		return refuse(engine, conn, TLS_REFUSE_UNEXPECTED_MESSAGE);
	}
}

void tls_conn_close(struct tls_conn *conn)
{
	if (tls_conn_is(conn, TLS_CONN_FAILED) || tls_conn_is(conn, TLS_CONN_WRITE_CLOSED) ||
		(tls_conn_is(conn, TLS_CONN_ALERT_DUE) && conn->alert_due == TLS_ALERT_CLOSE_NOTIFY))
		return;
	conn->flags |= TLS_CONN_ALERT_DUE;
	conn->alert_due = TLS_ALERT_CLOSE_NOTIFY;
}

void tls_conn_update_keys(struct tls_conn *conn, bool both)
{
	if (!tls_conn_is(conn, TLS_CONN_IS_13) || !tls_conn_is(conn, TLS_CONN_ESTABLISHED) ||
		tls_conn_is(conn, TLS_CONN_WRITE_CLOSED))
		return;
	conn->flags |= TLS_CONN_UPDATE_DUE;
	if (both && !tls_conn_is(conn, TLS_CONN_UPDATE_ASKED))
		conn->flags |= TLS_CONN_UPDATE_ASKS;
}

bool tls_conn_is_worn(const struct tls_conn *conn)
{
	uint64_t max = tls_conn_is(conn, TLS_CONN_IS_13) ? RECORDS_PER_KEY : RECORDS_MAX_12;

	return conn->write_seq >= max || conn->read_seq >= max;
}

// A worn key asks for its successor; in TLS 1.2 the connection ends in good order.
static void notice_wear(struct tls_conn *conn)
{
	if (!tls_conn_is_worn(conn) || !tls_conn_is(conn, TLS_CONN_ESTABLISHED))
		return;
	if (!tls_conn_is(conn, TLS_CONN_IS_13))
		tls_conn_close(conn);
	else if (conn->write_seq >= RECORDS_PER_KEY || !tls_conn_is(conn, TLS_CONN_UPDATE_ASKED))
		tls_conn_update_keys(conn, conn->read_seq >= RECORDS_PER_KEY);
}

static size_t write_key_update(struct tls_engine *engine, struct tls_conn *conn, struct mut_span out)
{
	bool asks = tls_conn_is(conn, TLS_CONN_UPDATE_ASKS);
	const uint8_t message[KEY_UPDATE_LEN] = {TLS_KEY_UPDATE, 0, 0, 1, asks};
	size_t len = tls_record_write(
		engine, conn, TLS_CONTENT_HANDSHAKE, span_of(message, sizeof message), out);

	conn->flags &= (uint16_t) ~(TLS_CONN_UPDATE_DUE | TLS_CONN_UPDATE_ASKS);
	if (asks)
		conn->flags |= TLS_CONN_UPDATE_ASKED;
	tls_traffic_secret_update(tls_conn_suite(conn)->hash, conn->write_secret);
	tls_conn_set_write_secret(engine, conn, conn->write_secret);
	tls_engine_count(engine, COUNTER_TLS_KEY_UPDATES_SENT);
	return len;
}

// RFC 8446 6: closures are warnings, all else fatal.
static size_t write_alert(struct tls_engine *engine, struct tls_conn *conn, struct mut_span out)
{
	bool ends = conn->alert_due != TLS_ALERT_NO_RENEGOTIATION || tls_conn_is(conn, TLS_CONN_FAILED);
	bool is_fatal = ends && !tls_alert_is_closure(conn->alert_due);
	const uint8_t alert[TLS_ALERT_LEN] = {
		is_fatal ? TLS_ALERT_LEVEL_FATAL : TLS_ALERT_LEVEL_WARNING, conn->alert_due};

	conn->flags &= (uint16_t)~TLS_CONN_ALERT_DUE;
	if (ends)
		conn->flags |= TLS_CONN_WRITE_CLOSED;
	return tls_record_write(engine, conn, TLS_CONTENT_ALERT, span_of(alert, sizeof alert), out);
}

size_t tls_conn_output(struct tls_engine *engine, struct tls_conn *conn, struct mut_span out)
{
	size_t len = 0;

	notice_wear(conn);
	if (out.len < TLS_CONN_OUTPUT_MAX)
		return 0;
	if (tls_conn_is(conn, TLS_CONN_UPDATE_DUE))
		len = write_key_update(engine, conn, out);
	if (tls_conn_is(conn, TLS_CONN_ALERT_DUE))
		len += write_alert(
			engine, conn, (struct mut_span){.data = out.data + len, .len = out.len - len});
	return len;
}
