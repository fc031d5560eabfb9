// SPDX-License-Identifier: Apache-2.0
//
// A flight: what a handshake wants to send, from the moment a message is written until it left as records.
//
//   block   [ ServerHello | EncryptedExtensions | CertificateVerify | Finished |   free   ]
//   pieces  [ 0: block, plain ] [ 1: ccs ] [ 2: block, handshake ] [ 3: certificate ] [ 4: block, handshake ]
//
// Neighbours in the block under the same keys are one piece. Records are cut from the pieces without regard
// to messages: as many as fit go into one record, and a long message spans several.
#include "tls/handshake_state.h"
#include "tls/record.h"

static const uint8_t change_cipher_spec[1] = {1};

bool tls_flight_empty(const struct tls_flight *flight)
{
	return flight->idx == flight->n_pieces;
}

void tls_flight_release(struct tls_engine *engine, struct tls_flight *flight)
{
	if (flight->block != NULL)
		pool_free(&engine->blocks, flight->block);
	memset(flight, 0, sizeof *flight);
}

struct writer tls_hs_writer(struct tls_handshake *hs)
{
	struct tls_flight *flight = &hs->flight;
	struct writer none = {.failed = true};

	if (flight->block == NULL) {
		flight->block = pool_alloc(&hs->engine->blocks);
		if (flight->block == NULL) {
			tls_engine_count(hs->engine, COUNTER_TLS_POOL_EMPTY);
			return none;
		}
	}
	return writer_over((struct mut_span){
		.data = flight->block + flight->block_used, .len = TLS_BLOCK_LEN - flight->block_used});
}

static enum tls_verdict add_piece(
	struct tls_flight *flight, struct span bytes, enum tls_content_type type, enum tls_epoch epoch)
{
	struct tls_flight_piece *last;

	if (flight->n_pieces != 0) {
		last = &flight->pieces[flight->n_pieces - 1];
		if (last->data + last->len == bytes.data && last->type == type && last->epoch == epoch &&
			flight->idx < flight->n_pieces) {
			last->len += (uint32_t)bytes.len;
			return TLS_OK;
		}
	}
	if (flight->n_pieces == TLS_FLIGHT_PIECES)
		return TLS_REFUSE_INTERNAL_ERROR;
	flight->pieces[flight->n_pieces++] = (struct tls_flight_piece){.data = bytes.data,
		.len = (uint32_t)bytes.len,
		.type = (uint8_t)type,
		.epoch = (uint8_t)epoch};
	return TLS_OK;
}

enum tls_verdict tls_hs_send(struct tls_handshake *hs, const struct writer *writer, enum tls_epoch epoch)
{
	struct span message = writer_span(writer);

	if (!writer_ok(writer))
		return TLS_REFUSE_INTERNAL_ERROR;
	hs->flight.block_used += (uint32_t)message.len;
	return tls_hs_send_borrowed(hs, message, epoch);
}

enum tls_verdict tls_hs_send_borrowed(struct tls_handshake *hs, struct span message, enum tls_epoch epoch)
{
	tls_hs_add_message(hs, message);
	return add_piece(&hs->flight, message, TLS_CONTENT_HANDSHAKE, epoch);
}

enum tls_verdict tls_hs_send_change_cipher_spec(struct tls_handshake *hs)
{
	return add_piece(&hs->flight, span_of(change_cipher_spec, sizeof change_cipher_spec),
		TLS_CONTENT_CHANGE_CIPHER_SPEC, TLS_EPOCH_PLAIN);
}

void tls_hs_enter_write_epoch(struct tls_handshake *hs, enum tls_epoch epoch)
{
	bool is_server = tls_hs_is_server(hs);

	if (epoch <= hs->write_epoch)
		return;
	hs->write_epoch = (uint8_t)epoch;
	if (!tls_conn_is(hs->conn, TLS_CONN_IS_13))
		tls_hs_install_write_12(hs);
	else if (epoch == TLS_EPOCH_HANDSHAKE)
		tls_conn_set_write_secret(hs->engine, hs->conn,
			is_server ? hs->secrets.v13.server_handshake : hs->secrets.v13.client_handshake);
	else
		tls_conn_set_write_secret(hs->engine, hs->conn,
			is_server ? hs->secrets.v13.server_application : hs->secrets.v13.client_application);
}

// Takes up to max bytes of like pieces from where the flight stands, and moves on.
static unsigned take_pieces(
	struct tls_flight *flight, size_t max, struct span out[TLS_FLIGHT_PIECES], size_t *out_len)
{
	const struct tls_flight_piece *first = &flight->pieces[flight->idx];
	unsigned n = 0;

	*out_len = 0;
	while (!tls_flight_empty(flight) && *out_len < max) {
		const struct tls_flight_piece *piece = &flight->pieces[flight->idx];
		size_t left = piece->len - flight->sent_len;
		size_t take = left < max - *out_len ? left : max - *out_len;

		if (piece->type != first->type || piece->epoch != first->epoch)
			break;
		out[n++] = span_of(piece->data + flight->sent_len, take);
		*out_len += take;
		flight->sent_len += (uint32_t)take;
		if (take == left) {
			flight->idx++;
			flight->sent_len = 0;
		}
	}
	return n;
}

static size_t write_plain(
	struct tls_handshake *hs, uint8_t type, const struct span *pieces, unsigned n, struct mut_span out)
{
	struct writer writer = writer_over(out);
	struct writer_mark mark;
	// RFC 8446 5.1: the first ClientHello may say 1.0 here, for old servers.
	bool is_first = !tls_hs_is_server(hs) && !tls_conn_is(hs->conn, TLS_CONN_VERSION_SET) &&
			hs->state == TLS_STATE_CLIENT_SERVER_HELLO;

	writer_u8(&writer, type);
	writer_u16(&writer, is_first ? TLS_LEGACY_RECORD_VERSION : TLS_VERSION_12);
	mark = writer_open16(&writer);
	for (unsigned i = 0; i < n; i++)
		writer_bytes(&writer, pieces[i]);
	writer_close(&writer, mark);
	SLUICE_ASSERT(writer_ok(&writer));
	return writer.len;
}

static size_t write_sealed(
	struct tls_handshake *hs, uint8_t type, struct span *pieces, unsigned n, struct mut_span out)
{
	struct tls_conn *conn = hs->conn;
	size_t head_len = tls_record_head_len(conn);
	size_t len = tls_record_sealed_len(
		conn, tls_stream_len((struct tls_stream){.pieces = pieces, .n_pieces = n}));
	struct mut_span body = {.data = out.data + head_len, .len = len - head_len};
	struct tls_seal seal;
	struct aead_job job;

	tls_record_seal_job(conn,
		&(struct tls_seal_pieces){.head = out.data,
			.inputs = pieces,
			.n_inputs = (uint16_t)n,
			.outputs = &body,
			.n_outputs = 1,
			.type = type},
		&seal, &job);
	aead_seal_burst(&hs->engine->crypto->aead, &job, 1);
	return len;
}

static size_t write_record(struct tls_handshake *hs, struct mut_span out)
{
	struct tls_flight *flight = &hs->flight;
	struct span pieces[TLS_FLIGHT_PIECES + 1];
	uint8_t type = flight->pieces[flight->idx].type;
	size_t max;
	size_t content_len;
	unsigned n;

	if (out.len <= TLS_RECORD_OVERHEAD_MAX)
		return 0;
	tls_hs_enter_write_epoch(hs, flight->pieces[flight->idx].epoch);
	// RFC 8449 4: the peer's limit is about protected records.
	max = hs->write_epoch == TLS_EPOCH_PLAIN ? TLS_PLAINTEXT_MAX : hs->conn->send_max;
	if (max > out.len - TLS_RECORD_OVERHEAD_MAX)
		max = out.len - TLS_RECORD_OVERHEAD_MAX;
	n = take_pieces(flight, max, pieces, &content_len);
	// change_cipher_spec is never encrypted, even where the keys are there already (RFC 8446 5).
	if (hs->write_epoch == TLS_EPOCH_PLAIN || type == TLS_CONTENT_CHANGE_CIPHER_SPEC)
		return write_plain(hs, type, pieces, n, out);
	return write_sealed(hs, type, pieces, n, out);
}

size_t tls_flight_output(struct tls_handshake *hs, struct mut_span out)
{
	size_t len = 0;

	while (!tls_flight_empty(&hs->flight)) {
		size_t n = write_record(hs, (struct mut_span){.data = out.data + len, .len = out.len - len});

		if (n == 0)
			return len;
		len += n;
	}
	tls_flight_release(hs->engine, &hs->flight);
	tls_hs_enter_write_epoch(hs, hs->epoch_after_flight);
	return len;
}
