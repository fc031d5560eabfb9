// SPDX-License-Identifier: Apache-2.0
//
// The record layer of an established connection, from bytes to content, with keys that the fuzzer does not
// have, and with records that are made for it: each input is a run of steps {kind, length, content}. Kind bit
// 0: sealed under the right keys with the given type, else put on the wire as it is; the high bits are the
// type. The first byte chooses suite and pieces.
#include "base/assert.h"
#include "base/reader.h"
#include "seam/clock_virtual.h"
#include "tls_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

enum {
	WIRE_MAX = 64 * 1024
};

static struct tls_fixture fixture;
static uint8_t wire[WIRE_MAX];
static uint8_t plain[TLS_CIPHERTEXT_MAX_12];

static void set_up(void)
{
	const struct tls_engine_settings settings = {.n_handshakes = 2, .n_clients = 2};

	clock_virtual_reset();
	tls_fixture_init(&fixture, &settings);
}

// Both ends of one direction, without a handshake.
static void key(struct tls_conn *conn, const struct tls_suite *suite, bool writes)
{
	static const uint8_t secret[TLS_HASH_MAX] = {1, 2, 3};
	const struct span key_and_iv[2] = {
		span_of(secret, aead_key_len(suite->aead)), span_of(secret, aead_iv_len(suite->nonce_form))};

	tls_conn_init(conn);
	conn->suite_idx = (uint8_t)(suite - tls_suites);
	conn->flags |= TLS_CONN_VERSION_SET | TLS_CONN_ESTABLISHED | (writes ? 0 : TLS_CONN_IS_SERVER);
	if (suite->version == TLS_VERSION_13) {
		conn->flags |= TLS_CONN_IS_13;
		tls_conn_set_read_secret(&fixture.engine, conn, secret);
		tls_conn_set_write_secret(&fixture.engine, conn, secret);
	} else {
		tls_conn_set_read_key(&fixture.engine, conn, key_and_iv);
		tls_conn_set_write_key(&fixture.engine, conn, key_and_iv);
	}
}

static size_t write_steps(struct tls_conn *writer, struct reader *steps)
{
	size_t wire_len = 0;

	while (reader_left(steps) != 0 && wire_len + TLS_CIPHERTEXT_MAX_12 + 64 < WIRE_MAX) {
		uint8_t kind = reader_u8(steps);
		struct span content = reader_bytes(steps, reader_u8(steps));
		struct mut_span out = {wire + wire_len, WIRE_MAX - wire_len};

		if (!reader_ok(steps))
			break;
		if ((kind & 1) != 0) {
			wire_len += tls_record_write(
				&fixture.engine, writer, (enum tls_content_type)(kind >> 1), content, out);
		} else {
			memcpy(out.data, content.data, content.len);
			wire_len += content.len;
		}
	}
	return wire_len;
}

// One record from the stream; false at the end of it or of the connection.
static bool read_one(struct tls_conn *reader, struct tls_stream stream, size_t *offset)
{
	struct tls_record record;
	struct aead_job job;
	struct span inputs[TLS_RECORD_PIECES];
	struct mut_span out = {.data = plain};
	enum tls_verdict verdict = tls_record_cut(reader, stream, *offset, &record);
	size_t n;

	if (verdict != TLS_OK) {
		tls_conn_refuse(&fixture.engine, reader, verdict);
		return false;
	}
	if (record.wire_len == 0)
		return false;
	SLUICE_ASSERT(*offset + record.wire_len <= tls_stream_len(stream));
	if (record.type != TLS_CONTENT_APPLICATION_DATA && tls_conn_is(reader, TLS_CONN_IS_13)) {
		tls_conn_refuse(&fixture.engine, reader, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return false;
	}
	n = tls_stream_slice(stream, *offset + record.cipher_off, tls_record_cipher_len(&record), inputs,
		TLS_RECORD_PIECES);
	SLUICE_ASSERT(n != 0);
	out.len = tls_record_room(&record);
	tls_record_open_job(&record,
		&(struct tls_pieces){
			.inputs = inputs, .outputs = &out, .n_inputs = (uint16_t)n, .n_outputs = 1},
		&job);
	(void)!aead_open_burst(&fixture.crypto.aead, &job, 1);
	verdict = tls_record_opened(&record, &job);
	if (verdict != TLS_OK) {
		tls_conn_refuse(&fixture.engine, reader, verdict);
		return false;
	}
	SLUICE_ASSERT(record.content_len <= out.len);
	*offset += record.wire_len;
	return tls_conn_receive(&fixture.engine, reader, record.type, span_of(plain, record.content_len)) <
	       TLS_RECEIVED_CLOSED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t answer[TLS_CONN_OUTPUT_MAX];
	struct tls_conn writer, reader;
	struct reader steps;
	struct span pieces[2];
	size_t wire_len, offset = 0;
	unsigned n_records = 0;

	if (len < 2)
		return 0;
	if (fixture.engine.crypto == NULL)
		set_up();
	key(&writer, &tls_suites[data[0] % tls_n_suites], true);
	key(&reader, &tls_suites[data[0] % tls_n_suites], false);
	steps = reader_over(span_of(data + 2, len - 2));
	wire_len = write_steps(&writer, &steps);
	// In two pieces, as TCP delivers them.
	pieces[0] = span_of(wire, wire_len * data[1] / 255);
	pieces[1] = span_of(wire + pieces[0].len, wire_len - pieces[0].len);
	while (read_one(&reader, (struct tls_stream){.pieces = pieces, .n_pieces = 2}, &offset))
		SLUICE_ASSERT(++n_records <= wire_len);
	SLUICE_ASSERT(offset <= wire_len);
	(void)tls_conn_output(&fixture.engine, &reader, (struct mut_span){answer, sizeof answer});
	tls_conn_destroy(&fixture.engine, &writer);
	tls_conn_destroy(&fixture.engine, &reader);
	return 0;
}
