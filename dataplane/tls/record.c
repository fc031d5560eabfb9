// SPDX-License-Identifier: Apache-2.0
#include "tls/record.h"

#include "tls/engine.h"

enum {
	SMALL_RECORDS_LEN = 64 * 1024, // sent in short records before long ones begin
};

static void put_u16(uint8_t *out, size_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

static void put_u64(uint8_t *out, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | in[i];
	return value;
}

// TLS 1.2: number, type, version and length of the plaintext (RFC 5246 6.2.3.3).
static void make_aad_12(uint8_t aad[TLS_RECORD_AAD_MAX], uint64_t seq, uint8_t type, size_t len)
{
	put_u64(aad, seq);
	aad[8] = type;
	put_u16(aad + 9, TLS_VERSION_12);
	put_u16(aad + 11, len);
}

// The version in the header means nothing in TLS 1.3 (RFC 8446 5.1), but a first byte of 3 tells TLS from
// other things, and once TLS 1.2 is chosen it has to be that.
static enum tls_verdict check_version(const struct tls_conn *conn, uint16_t version)
{
	if (version >> 8 != 3)
		return TLS_REFUSE_PROTOCOL_VERSION;
	if (tls_conn_is(conn, TLS_CONN_VERSION_SET) && !tls_conn_is(conn, TLS_CONN_IS_13) &&
		version != TLS_VERSION_12)
		return TLS_REFUSE_PROTOCOL_VERSION;
	return TLS_OK;
}

static enum tls_verdict check_header(const struct tls_conn *conn, const struct tls_record *record, size_t len)
{
	size_t max = TLS_PLAINTEXT_MAX;
	enum tls_verdict verdict;

	if (record->type < TLS_CONTENT_CHANGE_CIPHER_SPEC || record->type > TLS_CONTENT_APPLICATION_DATA)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	verdict = check_version(conn, record->version);
	if (verdict != TLS_OK)
		return verdict;
	// Before the version is agreed on, what a refused client wrote as early data may pass by.
	if (tls_conn_is(conn, TLS_CONN_READ_KEYED))
		max = tls_conn_is(conn, TLS_CONN_IS_13) ? TLS_CIPHERTEXT_MAX_13 : TLS_CIPHERTEXT_MAX_12;
	else if (record->type == TLS_CONTENT_APPLICATION_DATA)
		max = TLS_CIPHERTEXT_MAX_13;
	return len <= max ? TLS_OK : TLS_REFUSE_RECORD_OVERFLOW;
}

// Where the ciphertext begins, and the additional data.
static enum tls_verdict prepare_keyed(struct tls_record *record, const uint8_t *head, size_t payload_len)
{
	const struct tls_conn *conn = record->conn;
	size_t nonce_len = conn->read_key.nonce_form == AEAD_NONCE_EXPLICIT ? TLS_EXPLICIT_NONCE_LEN : 0;
	bool is_13 = tls_conn_is(conn, TLS_CONN_IS_13);

	// A TLS 1.3 record holds at least its content type.
	if (payload_len < nonce_len + TLS_AEAD_TAG_LEN + (is_13 ? 1 : 0))
		return TLS_REFUSE_BAD_RECORD_MAC;
	record->cipher_off = (uint8_t)(TLS_RECORD_HEADER_LEN + nonce_len);
	if (is_13) {
		memcpy(record->aad, head, TLS_RECORD_HEADER_LEN);
		return TLS_OK;
	}
	make_aad_12(record->aad, conn->read_seq, record->type, payload_len - nonce_len - TLS_AEAD_TAG_LEN);
	record->explicit_nonce = get_u64(head + TLS_RECORD_HEADER_LEN);
	return TLS_OK;
}

// In TLS 1.3 everything encrypted looks like application data; only change_cipher_spec, which means nothing,
// and the alert of a peer that never got the keys stay outside (RFC 8446 5, D.4).
static bool is_sealed(const struct tls_conn *conn, const struct tls_record *record)
{
	if (!tls_conn_is(conn, TLS_CONN_READ_KEYED))
		return false;
	return !tls_conn_is(conn, TLS_CONN_IS_13) || record->type == TLS_CONTENT_APPLICATION_DATA;
}

enum tls_verdict tls_record_cut(
	struct tls_conn *conn, struct tls_stream stream, size_t offset, struct tls_record *out)
{
	uint8_t head[TLS_RECORD_HEAD_MAX];
	size_t n_there = tls_stream_copy(stream, offset, head, sizeof head);
	size_t payload_len;
	enum tls_verdict verdict;

	out->conn = conn;
	out->wire_len = 0;
	out->content_len = 0;
	if (n_there < TLS_RECORD_HEADER_LEN)
		return n_there >= 1 && (head[0] < TLS_CONTENT_CHANGE_CIPHER_SPEC ||
					       head[0] > TLS_CONTENT_APPLICATION_DATA)
			       ? TLS_REFUSE_UNEXPECTED_MESSAGE
			       : TLS_OK;
	out->type = head[0];
	out->version = (uint16_t)(head[1] << 8 | head[2]);
	payload_len = (size_t)(head[3] << 8 | head[4]);
	verdict = check_header(conn, out, payload_len);
	if (verdict != TLS_OK)
		return verdict;
	if (tls_stream_len(stream) < offset + TLS_RECORD_HEADER_LEN + payload_len) {
		out->content_len = (uint32_t)(TLS_RECORD_HEADER_LEN + payload_len);
		return TLS_OK;
	}
	out->cipher_off = TLS_RECORD_HEADER_LEN;
	out->content_len = (uint32_t)payload_len;
	out->wire_len = (uint32_t)(TLS_RECORD_HEADER_LEN + payload_len);
	return is_sealed(conn, out) ? prepare_keyed(out, head, payload_len) : TLS_OK;
}

void tls_record_open_job(struct tls_record *record, const struct tls_pieces *pieces, struct aead_job *job)
{
	struct tls_conn *conn = record->conn;
	bool is_13 = tls_conn_is(conn, TLS_CONN_IS_13);

	SLUICE_ASSERT(!tls_conn_is(conn, TLS_CONN_OPENING));
	conn->flags |= TLS_CONN_OPENING;
	*job = (struct aead_job){
		.key = &conn->read_key,
		.nonce = conn->read_key.nonce_form == AEAD_NONCE_EXPLICIT ? record->explicit_nonce
									  : conn->read_seq,
		.aad = span_of(record->aad, is_13 ? TLS_RECORD_HEADER_LEN : TLS_RECORD_AAD_MAX),
		.inputs = pieces->inputs,
		.n_inputs = pieces->n_inputs,
		.outputs = pieces->outputs,
		.n_outputs = pieces->n_outputs,
	};
}

// RFC 8446 5.2: the content type is the last byte that is not zero.
static bool strip_padding(struct tls_record *record, const struct aead_job *job, size_t len)
{
	for (unsigned i = job->n_outputs; i-- > 0;) {
		const struct mut_span piece = job->outputs[i];

		for (size_t k = piece.len; k-- > 0;) {
			len--;
			if (piece.data[k] != 0) {
				record->type = piece.data[k];
				record->content_len = (uint32_t)len;
				return true;
			}
		}
	}
	return false;
}

enum tls_verdict tls_record_opened(struct tls_record *record, const struct aead_job *job)
{
	struct tls_conn *conn = record->conn;
	size_t room = tls_record_room(record);

	SLUICE_ASSERT(tls_conn_is(conn, TLS_CONN_OPENING));
	conn->flags &= (uint16_t)~TLS_CONN_OPENING;
	if (job->status != AEAD_OK)
		return TLS_REFUSE_BAD_RECORD_MAC;
	conn->read_seq++;
	record->content_len = (uint32_t)room;
	if (tls_conn_is(conn, TLS_CONN_IS_13)) {
		// RFC 8449 4: the limit counts padding and type too, and is one more than the plaintext's.
		if (room > (size_t)conn->receive_max + 1)
			return TLS_REFUSE_RECORD_OVERFLOW;
		if (!strip_padding(record, job, room))
			return TLS_REFUSE_UNEXPECTED_MESSAGE;
		return TLS_OK;
	}
	return room <= conn->receive_max ? TLS_OK : TLS_REFUSE_RECORD_OVERFLOW;
}

size_t tls_record_head_len(const struct tls_conn *conn)
{
	return conn->write_key.nonce_form == AEAD_NONCE_EXPLICIT ? TLS_RECORD_HEAD_MAX
								 : TLS_RECORD_HEADER_LEN;
}

size_t tls_record_sealed_len(const struct tls_conn *conn, size_t content_len)
{
	return tls_record_head_len(conn) + content_len + (tls_conn_is(conn, TLS_CONN_IS_13) ? 1 : 0) +
	       TLS_AEAD_TAG_LEN;
}

static size_t total_len(const struct span *pieces, size_t n)
{
	return tls_stream_len((struct tls_stream){.pieces = pieces, .n_pieces = n});
}

void tls_record_seal_job(struct tls_conn *conn, const struct tls_seal_pieces *pieces, struct tls_seal *seal,
	struct aead_job *job)
{
	bool is_13 = tls_conn_is(conn, TLS_CONN_IS_13);
	size_t content_len = total_len(pieces->inputs, pieces->n_inputs);
	uint16_t n_inputs = pieces->n_inputs;

	SLUICE_ASSERT(tls_conn_is(conn, TLS_CONN_WRITE_KEYED) && content_len <= conn->send_max);
	pieces->head[0] = is_13 ? TLS_CONTENT_APPLICATION_DATA : pieces->type;
	put_u16(pieces->head + 1, TLS_VERSION_12);
	put_u16(pieces->head + 3, tls_record_sealed_len(conn, content_len) - TLS_RECORD_HEADER_LEN);
	if (is_13) {
		memcpy(seal->aad, pieces->head, TLS_RECORD_HEADER_LEN);
		seal->inner_type = pieces->type;
		pieces->inputs[n_inputs++] = span_of(&seal->inner_type, 1);
	} else {
		make_aad_12(seal->aad, conn->write_seq, pieces->type, content_len);
		if (conn->write_key.nonce_form == AEAD_NONCE_EXPLICIT)
			put_u64(pieces->head + TLS_RECORD_HEADER_LEN, conn->write_seq);
	}
	*job = (struct aead_job){
		.key = &conn->write_key,
		.nonce = conn->write_seq++,
		.aad = span_of(seal->aad, is_13 ? TLS_RECORD_HEADER_LEN : TLS_RECORD_AAD_MAX),
		.inputs = pieces->inputs,
		.n_inputs = n_inputs,
		.outputs = pieces->outputs,
		.n_outputs = pieces->n_outputs,
	};
}

size_t tls_record_write(struct tls_engine *engine, struct tls_conn *conn, enum tls_content_type type,
	struct span content, struct mut_span out)
{
	struct span inputs[2] = {content};
	struct mut_span body;
	struct tls_seal seal;
	struct aead_job job;
	size_t head_len;
	size_t sealed_len;

	if (!tls_conn_is(conn, TLS_CONN_WRITE_KEYED)) {
		SLUICE_ASSERT(out.len >= TLS_RECORD_HEADER_LEN + content.len);
		out.data[0] = (uint8_t)type;
		put_u16(out.data + 1,
			tls_conn_is(conn, TLS_CONN_VERSION_SET) ? TLS_VERSION_12 : TLS_LEGACY_RECORD_VERSION);
		put_u16(out.data + 3, content.len);
		memcpy(out.data + TLS_RECORD_HEADER_LEN, content.data, content.len);
		return TLS_RECORD_HEADER_LEN + content.len;
	}
	head_len = tls_record_head_len(conn);
	sealed_len = tls_record_sealed_len(conn, content.len);
	SLUICE_ASSERT(out.len >= sealed_len);
	body = (struct mut_span){.data = out.data + head_len, .len = sealed_len - head_len};
	tls_record_seal_job(conn,
		&(struct tls_seal_pieces){.head = out.data,
			.inputs = inputs,
			.n_inputs = 1,
			.outputs = &body,
			.n_outputs = 1,
			.type = (uint8_t)type},
		&seal, &job);
	aead_seal_burst(&engine->crypto->aead, &job, 1);
	return sealed_len;
}

// How much application data the next record can take: one segment's worth at first and after a pause, so that
// the peer need not wait for the rest of a long record, then as much as a record can hold.
static size_t next_len(const struct tls_conn *conn, size_t segment_len, bool after_pause)
{
	size_t overhead = tls_record_sealed_len(conn, 0);
	bool short_ones = after_pause || conn->sent_len < SMALL_RECORDS_LEN;

	if (short_ones && segment_len > 2 * overhead && segment_len - overhead < conn->send_max)
		return segment_len - overhead;
	return conn->send_max;
}

size_t tls_record_choose_len(struct tls_conn *conn, size_t segment_len, size_t available, bool after_pause)
{
	size_t len = next_len(conn, segment_len, after_pause);

	if (after_pause)
		conn->sent_len = 0;
	if (len > available)
		len = available;
	if (conn->sent_len < SMALL_RECORDS_LEN)
		conn->sent_len += (uint32_t)len;
	return len;
}
