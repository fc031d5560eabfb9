// SPDX-License-Identifier: Apache-2.0
//
// The engine of all handshakes: cuts records, puts messages together, finds the row of the table, runs the
// handler, enters the next state. What a message means is in the handlers; nothing here knows one.
//
//   received bytes -> record -> [ incoming buffer ] -> message -> row {state, message} -> handler -> next
//   state
//
// Invariants: while a state waits for an event no message is handled and no record read (what was read with
// the message before stays in the incoming buffer). A failed handshake handles nothing any more.
#include "tls/handshake_state.h"

#include "base/wipe.h"
#include "tls/client_memory.h"
#include "tls/record.h"

enum {
	CHANGE_CIPHER_SPECS_MAX = 8,
	WARNINGS_MAX = 4,
	HELLO_REQUESTS_MAX = 4,
};

static const struct {
	const char *name;
	uint16_t event;
} states[TLS_N_STATES] = {
#define STATE(id, name, event) [TLS_STATE_##id] = {(name), (event)},
#include "tls/states.def"
#undef STATE
};

const char *tls_state_name(enum tls_state state)
{
	return states[state].name;
}

static struct tls_handshake *handshake_of(const struct tls_engine *engine, const struct tls_conn *conn)
{
	SLUICE_ASSERT(conn->handshake_idx != POOL_NONE);
	return pool_at(&engine->handshakes, conn->handshake_idx);
}

// The one place that writes the state.
static void enter_state(struct tls_handshake *hs, enum tls_state state)
{
	hs->state = (uint8_t)state;
	tls_engine_count(hs->engine, COUNTER_TLS_STATE_CHANGES);
}

static void note_failure(struct tls_handshake *hs, uint8_t alert, bool by_peer)
{
	hs->status = TLS_FAILED;
	hs->report.failed = true;
	hs->report.failed_by_peer = by_peer;
	hs->report.alert = alert;
	hs->report.failed_state = hs->state;
	hs->report.failed_message = hs->failed_message;
}

// The alert goes out under the keys that the peer expects next. What had not left of a server's flight is
// dropped, and so are the keys that it would have introduced.
static void fail(struct tls_handshake *hs, enum tls_verdict verdict)
{
	unsigned alert_epoch = hs->write_epoch;

	note_failure(hs, (uint8_t)tls_verdict_alert(verdict), false);
	if (tls_flight_empty(&hs->flight) || !tls_hs_is_server(hs))
		alert_epoch = hs->epoch_after_flight;
	tls_flight_release(hs->engine, &hs->flight);
	// RFC 8446 D.4: a client's first encrypted record, whatever it is, comes after change_cipher_spec.
	if (alert_epoch != TLS_EPOCH_PLAIN && tls_hs_owes_change_cipher_spec(hs))
		(void)!tls_hs_send_change_cipher_spec(hs);
	else
		tls_hs_enter_write_epoch(hs, alert_epoch);
	hs->epoch_after_flight = (uint8_t)alert_epoch;
	tls_conn_refuse(hs->engine, hs->conn, verdict);
	tls_engine_count(hs->engine, COUNTER_TLS_HANDSHAKES_REFUSED);
}

static void fail_by_peer(struct tls_handshake *hs, uint8_t alert)
{
	note_failure(hs, alert, true);
	tls_flight_release(hs->engine, &hs->flight);
	hs->conn->flags |= TLS_CONN_FAILED | TLS_CONN_READ_CLOSED | TLS_CONN_WRITE_CLOSED;
	tls_engine_count(hs->engine, COUNTER_TLS_HANDSHAKES_ABORTED);
}

static const struct tls_transition *find_row(const struct tls_handshake *hs, uint16_t message)
{
	const struct tls_transition *table = tls_hs_is_server(hs) ? tls_server_table : tls_client_table;
	uint32_t n = tls_hs_is_server(hs) ? tls_n_server_transitions : tls_n_client_transitions;

	for (uint32_t i = 0; i < n; i++) {
		if (table[i].state == hs->state && table[i].message == message)
			return &table[i];
	}
	return NULL;
}

static enum tls_status status_of_wait(enum tls_verdict verdict)
{
	switch (verdict) {
	case TLS_WAITS_KX:
		return TLS_WAIT_KX;
	case TLS_WAITS_SIGN:
		return TLS_WAIT_SIGN;
	case TLS_WAITS_LOOKUP:
		return TLS_WAIT_LOOKUP;
	case TLS_WAITS_VERIFY:
		return TLS_WAIT_VERIFY;
	default:
		return TLS_NEED_BYTES;
	}
}

// One message or event: the row's handler, then the state that follows.
static void step(struct tls_handshake *hs, uint16_t message, struct span body)
{
	const struct tls_transition *row = find_row(hs, message);
	enum tls_verdict verdict;

	hs->failed_message = message;
	if (row == NULL) {
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return;
	}
	if (message < TLS_EVENT_CHANGE_CIPHER_SPEC && !row->handler_hashes)
		tls_hs_add_message(hs, hs->message);
	hs->next_state = row->next;
	verdict = row->handler(hs, body);
	if (tls_is_refusal(verdict)) {
		fail(hs, verdict);
		return;
	}
	enter_state(hs, hs->next_state);
	hs->status = (uint8_t)status_of_wait(verdict);
	if (verdict != TLS_OK) {
		hs->report.n_waits++;
		hs->wait_since_tsc = hs->engine->crypto->now_tsc;
	}
}

static bool waits(const struct tls_handshake *hs)
{
	return states[hs->state].event != 0 || hs->status != TLS_NEED_BYTES;
}

// Runs events that need nothing from outside. False when something has to be waited for, or it has failed.
static bool run_events(struct tls_handshake *hs)
{
	while (hs->status == TLS_NEED_BYTES && states[hs->state].event != 0)
		step(hs, states[hs->state].event, span_of(NULL, 0));
	return hs->status == TLS_NEED_BYTES;
}

static uint32_t message_len(const uint8_t *header)
{
	return TLS_MESSAGE_HEADER_LEN + ((uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3]);
}

// RFC 5246 7.4.1.1: a client in the middle of a handshake ignores HelloRequest.
static bool is_stray_hello_request(const struct tls_handshake *hs, const uint8_t *header)
{
	return header[0] == TLS_HELLO_REQUEST && message_len(header) == TLS_MESSAGE_HEADER_LEN &&
	       !tls_hs_is_server(hs) && !tls_conn_is(hs->conn, TLS_CONN_IS_13) &&
	       hs->n_warnings < HELLO_REQUESTS_MAX;
}

// What a header alone says: a message that can't come now, or that is longer than any of its kind, is refused
// before its bytes are collected.
static enum tls_verdict check_message_header(const struct tls_handshake *hs, const uint8_t *header)
{
	bool may_be_long = header[0] == TLS_CLIENT_HELLO || header[0] == TLS_CERTIFICATE ||
			   header[0] == TLS_CERTIFICATE_REQUEST || header[0] == TLS_CERTIFICATE_STATUS;
	uint32_t max = may_be_long ? TLS_LARGE_LEN : TLS_MEDIUM_LEN;

	if (is_stray_hello_request(hs, header))
		return TLS_OK;
	if (find_row(hs, header[0]) == NULL)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	return message_len(header) <= max ? TLS_OK : TLS_REFUSE_ILLEGAL_PARAMETER;
}

static void handle_message(struct tls_handshake *hs, struct span message)
{
	if (is_stray_hello_request(hs, message.data)) {
		hs->n_warnings++;
		return;
	}
	hs->message = message;
	step(hs, message.data[0],
		span_of(message.data + TLS_MESSAGE_HEADER_LEN, message.len - TLS_MESSAGE_HEADER_LEN));
	hs->message = span_of(NULL, 0);
}

static void fail_on_message(struct tls_handshake *hs, uint8_t type, enum tls_verdict verdict)
{
	hs->failed_message = type;
	fail(hs, verdict);
}

// Moves bytes from the record to the incoming buffer until it holds len bytes. False when there are not so
// many.
static bool collect(struct tls_handshake *hs, struct span *rest, size_t len)
{
	size_t missing = hs->incoming.len < len ? len - hs->incoming.len : 0;
	size_t take = missing < rest->len ? missing : rest->len;

	if (!tls_buffer_append(hs->engine, &hs->incoming, span_of(rest->data, take))) {
		fail(hs, TLS_REFUSE_INTERNAL_ERROR);
		return false;
	}
	*rest = span_of(rest->data + take, rest->len - take);
	return take == missing;
}

// A message that is at least partly in the incoming buffer.
static bool next_from_buffer(struct tls_handshake *hs, struct span *rest)
{
	struct tls_buffer *incoming = &hs->incoming;
	enum tls_verdict verdict;
	uint32_t len;

	if (!collect(hs, rest, TLS_MESSAGE_HEADER_LEN))
		return false;
	verdict = check_message_header(hs, incoming->data + incoming->start);
	if (verdict != TLS_OK) {
		fail_on_message(hs, incoming->data[incoming->start], verdict);
		return false;
	}
	len = message_len(incoming->data + incoming->start);
	if (!collect(hs, rest, len))
		return false;
	hs->n_behind = incoming->len - len + rest->len;
	handle_message(hs, span_of(incoming->data + incoming->start, len));
	incoming->start += len;
	incoming->len -= len;
	if (incoming->len == 0)
		tls_buffer_release(incoming);
	return true;
}

// A message that lies whole in the record is handled where it lies.
static bool next_from_record(struct tls_handshake *hs, struct span *rest)
{
	enum tls_verdict verdict;
	struct span message;

	if (rest->len < TLS_MESSAGE_HEADER_LEN || rest->len < message_len(rest->data))
		return next_from_buffer(hs, rest);
	verdict = check_message_header(hs, rest->data);
	if (verdict != TLS_OK) {
		fail_on_message(hs, rest->data[0], verdict);
		return false;
	}
	message = span_of(rest->data, message_len(rest->data));
	*rest = span_of(rest->data + message.len, rest->len - message.len);
	hs->n_behind = rest->len;
	handle_message(hs, message);
	return true;
}

// Handles messages until they run out or one has to wait, in which case the rest is put away.
static void handle_messages(struct tls_handshake *hs, struct span rest)
{
	bool more = true;

	while (more && run_events(hs) && hs->state != TLS_STATE_ESTABLISHED &&
		(rest.len != 0 || hs->incoming.len != 0)) {
		if (hs->incoming.len == 0)
			more = next_from_record(hs, &rest);
		else
			more = next_from_buffer(hs, &rest);
	}
	if (hs->status == TLS_FAILED || rest.len == 0)
		return;
	if (hs->state == TLS_STATE_ESTABLISHED)
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
	else if (!tls_buffer_append(hs->engine, &hs->incoming, rest))
		fail(hs, TLS_REFUSE_INTERNAL_ERROR);
}

// RFC 8446 5 and D.4: to be dropped; in TLS 1.2 a step of the handshake.
static void handle_change_cipher_spec(struct tls_handshake *hs, struct span content)
{
	bool version_open = !tls_conn_is(hs->conn, TLS_CONN_VERSION_SET);

	if (tls_conn_is(hs->conn, TLS_CONN_IS_13) ||
		(version_open && hs->state == TLS_STATE_CLIENT_SERVER_HELLO &&
			hs->common->version_max >= TLS_VERSION_13)) {
		if (content.len != 1 || content.data[0] != 1 || ++hs->n_ccs > CHANGE_CIPHER_SPECS_MAX)
			fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return;
	}
	if (hs->incoming.len != 0) {
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return;
	}
	step(hs, TLS_EVENT_CHANGE_CIPHER_SPEC, content);
}

static void handle_alert(struct tls_handshake *hs, struct span content)
{
	bool is_13 = tls_conn_is(hs->conn, TLS_CONN_IS_13);
	bool passes;

	if (content.len != TLS_ALERT_LEN) {
		// RFC 8446 5.4.
		fail(hs, content.len == 0 ? TLS_REFUSE_UNEXPECTED_MESSAGE : TLS_REFUSE_DECODE_ERROR);
		return;
	}
	passes = is_13 ? content.data[1] == TLS_ALERT_USER_CANCELED
		       : content.data[0] == TLS_ALERT_LEVEL_WARNING &&
				 content.data[1] != TLS_ALERT_CLOSE_NOTIFY;
	if (!passes)
		fail_by_peer(hs, content.data[1]);
	else if (++hs->n_warnings > WARNINGS_MAX)
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
}

static void handle_content(struct tls_handshake *hs, uint8_t type, struct span content, bool was_sealed)
{
	bool is_13 = tls_conn_is(hs->conn, TLS_CONN_IS_13);

	hs->failed_message = 0;
	if (type != TLS_CONTENT_HANDSHAKE && hs->incoming.len != 0 && is_13 &&
		(was_sealed || type != TLS_CONTENT_CHANGE_CIPHER_SPEC)) {
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return;
	}
	if (type == TLS_CONTENT_HANDSHAKE && content.len != 0)
		handle_messages(hs, content);
	else if (type == TLS_CONTENT_ALERT)
		handle_alert(hs, content);
	else if (type == TLS_CONTENT_CHANGE_CIPHER_SPEC && !(was_sealed && is_13))
		handle_change_cipher_spec(hs, content);
	else
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
}

// Early data that was refused: records that don't open under our keys, or, before the second ClientHello,
// that claim to be application data (RFC 8446 4.2.10). Only so much of it.
static bool skip_early_data(struct tls_handshake *hs, size_t len)
{
	if (!tls_hs_is(hs, TLS_HS_SKIP_EARLY))
		return false;
	if (len > hs->early_left)
		return false;
	hs->early_left = (uint16_t)(hs->early_left - len);
	tls_engine_count(hs->engine, COUNTER_TLS_EARLY_DATA_SKIPPED);
	return true;
}

// Opens the record into the engine's scratch memory.
static void handle_sealed(
	struct tls_handshake *hs, struct tls_record *record, struct tls_stream stream, size_t offset)
{
	struct mut_span out = {.data = hs->engine->scratch, .len = tls_record_room(record)};
	uint8_t *cipher = hs->engine->scratch;
	struct span in = span_of(cipher, tls_record_cipher_len(record));
	struct aead_job job;
	enum tls_verdict verdict;

	(void)tls_stream_copy(stream, offset + record->cipher_off, cipher, in.len);
	tls_record_open_job(record,
		&(struct tls_pieces){.inputs = &in, .outputs = &out, .n_inputs = 1, .n_outputs = 1}, &job);
	(void)!aead_open_burst(&hs->engine->crypto->aead, &job, 1);
	verdict = tls_record_opened(record, &job);
	if (verdict == TLS_REFUSE_BAD_RECORD_MAC && skip_early_data(hs, tls_record_room(record)))
		return;
	if (verdict != TLS_OK) {
		fail(hs, verdict);
		return;
	}
	hs->flags &= ~(uint32_t)TLS_HS_SKIP_EARLY;
	handle_content(hs, record->type, span_of(out.data, record->content_len), true);
}

static void handle_plain(
	struct tls_handshake *hs, const struct tls_record *record, struct tls_stream stream, size_t offset)
{
	struct span content = span_of(hs->engine->scratch, record->content_len);

	if (record->type == TLS_CONTENT_APPLICATION_DATA && hs->state == TLS_STATE_SERVER13_SECOND_HELLO &&
		skip_early_data(hs, record->content_len))
		return;
	(void)tls_stream_copy(stream, offset + TLS_RECORD_HEADER_LEN, hs->engine->scratch, content.len);
	// RFC 8446 5: with keys in place only change_cipher_spec comes in the clear, and the alert of a peer
	// that could not make the keys.
	if (tls_conn_is(hs->conn, TLS_CONN_READ_KEYED) && record->type != TLS_CONTENT_CHANGE_CIPHER_SPEC &&
		!(record->type == TLS_CONTENT_ALERT && hs->conn->read_seq == 0)) {
		fail(hs, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return;
	}
	handle_content(hs, record->type, content, false);
}

// One record; false when it is not all there yet.
static bool read_record(struct tls_handshake *hs, struct tls_stream stream, size_t *offset)
{
	struct tls_record record;
	enum tls_verdict verdict = tls_record_cut(hs->conn, stream, *offset, &record);

	hs->failed_message = 0;
	if (verdict == TLS_REFUSE_BAD_RECORD_MAC && skip_early_data(hs, record.content_len)) {
		*offset += record.wire_len;
		return true;
	}
	if (verdict != TLS_OK) {
		fail(hs, verdict);
		return false;
	}
	if (record.wire_len == 0)
		return false;
	if (tls_conn_is(hs->conn, TLS_CONN_READ_KEYED) &&
		(record.type == TLS_CONTENT_APPLICATION_DATA || !tls_conn_is(hs->conn, TLS_CONN_IS_13)))
		handle_sealed(hs, &record, stream, *offset);
	else
		handle_plain(hs, &record, stream, *offset);
	*offset += record.wire_len;
	return true;
}

enum tls_status tls_handshake_input(
	struct tls_engine *engine, struct tls_conn *conn, struct tls_stream received, size_t *out_consumed)
{
	struct tls_handshake *hs = handshake_of(engine, conn);

	*out_consumed = 0;
	if (hs->status == TLS_NEED_BYTES)
		(void)run_events(hs);
	while (!waits(hs) && hs->state != TLS_STATE_ESTABLISHED && read_record(hs, received, out_consumed)) {
	}
	if (hs->status == TLS_NEED_BYTES && hs->state == TLS_STATE_ESTABLISHED)
		return TLS_DONE;
	return hs->status;
}

static void note_wait(struct tls_handshake *hs)
{
	uint64_t waited_tsc = hs->engine->crypto->now_tsc - hs->wait_since_tsc;

	switch (hs->status) {
	case TLS_WAIT_KX:
		hs->report.wait_kx_tsc += waited_tsc;
		break;
	case TLS_WAIT_SIGN:
		hs->report.wait_sign_tsc += waited_tsc;
		break;
	case TLS_WAIT_LOOKUP:
		hs->report.wait_lookup_tsc += waited_tsc;
		break;
	case TLS_WAIT_VERIFY:
		hs->report.wait_verify_tsc += waited_tsc;
		break;
	default:
		break;
	}
}

enum tls_status tls_handshake_resume(struct tls_handshake *hs)
{
	if (hs->status == TLS_FAILED)
		return TLS_FAILED;
	note_wait(hs);
	hs->status = TLS_NEED_BYTES;
	handle_messages(hs, span_of(NULL, 0));
	if (hs->status == TLS_NEED_BYTES && hs->state == TLS_STATE_ESTABLISHED)
		return TLS_DONE;
	return hs->status;
}

static struct tls_handshake *find_waiting(
	struct tls_engine *engine, struct tls_reference who, enum tls_status status)
{
	struct tls_handshake *hs;

	if (who.idx >= engine->handshakes.n_items || !pool_in_use(&engine->handshakes, who.idx))
		return NULL;
	hs = pool_at(&engine->handshakes, who.idx);
	return hs->generation == who.generation && hs->status == status ? hs : NULL;
}

struct tls_handshake *tls_handshake_verified(
	struct tls_engine *engine, struct tls_reference who, const struct tls_verify_answer *answer)
{
	struct tls_handshake *hs = find_waiting(engine, who, TLS_WAIT_VERIFY);

	if (hs == NULL || hs->answered)
		return NULL;
	tls_hs_take_answer(hs, answer);
	return hs;
}

struct tls_handshake *tls_handshake_found(
	struct tls_engine *engine, struct tls_reference who, const struct tls_session_state *state)
{
	struct tls_handshake *hs = find_waiting(engine, who, TLS_WAIT_LOOKUP);

	if (hs == NULL)
		return NULL;
	hs->session_found = state != NULL;
	if (state != NULL)
		hs->session = *state;
	return hs;
}

// While an event is waited for the flight is not complete; it leaves as a whole.
static bool holds_flight(const struct tls_handshake *hs)
{
	return states[hs->state].event != 0;
}

size_t tls_handshake_output(struct tls_engine *engine, struct tls_conn *conn, struct mut_span out)
{
	struct tls_handshake *hs = handshake_of(engine, conn);

	if (tls_conn_is(conn, TLS_CONN_FAILED) && tls_flight_empty(&hs->flight))
		return tls_conn_output(engine, conn, out);
	if (tls_conn_is(conn, TLS_CONN_FAILED))
		return tls_flight_output(hs, out);
	return holds_flight(hs) ? 0 : tls_flight_output(hs, out);
}

bool tls_handshake_has_output(const struct tls_engine *engine, const struct tls_conn *conn)
{
	if (tls_conn_is(conn, TLS_CONN_FAILED))
		return tls_conn_is(conn, TLS_CONN_ALERT_DUE);
	return !holds_flight(handshake_of(engine, conn)) &&
	       !tls_flight_empty(&handshake_of(engine, conn)->flight);
}

void *tls_handshake_owner(const struct tls_handshake *hs)
{
	return hs->owner;
}

const struct tls_handshake_report *tls_handshake_report(
	const struct tls_engine *engine, const struct tls_conn *conn)
{
	return &handshake_of(engine, conn)->report;
}

// A handshake from the pool, with nothing in it but its place.
static struct tls_handshake *begin(struct tls_engine *engine, struct tls_conn *conn, void *owner)
{
	struct tls_handshake *hs = pool_alloc(&engine->handshakes);
	uint32_t generation;

	if (hs == NULL) {
		tls_engine_count(engine, COUNTER_TLS_POOL_EMPTY);
		return NULL;
	}
	generation = hs->generation + 1;
	memset(hs, 0, sizeof *hs);
	hs->generation = generation;
	hs->engine = engine;
	hs->conn = conn;
	hs->owner = owner;
	hs->status = TLS_NEED_BYTES;
	conn->handshake_idx = pool_index(&engine->handshakes, hs);
	key_exchange_init(&hs->exchange, hs);
	tls_transcript_init(&hs->transcript);
	tls_engine_count(engine, COUNTER_TLS_HANDSHAKES_STARTED);
	return hs;
}

bool tls_server_start(
	struct tls_engine *engine, struct tls_conn *conn, const struct tls_server_config *config, void *owner)
{
	struct tls_handshake *hs = begin(engine, conn, owner);

	if (hs == NULL)
		return false;
	conn->flags |= TLS_CONN_IS_SERVER;
	hs->server = config;
	hs->common = &config->common;
	enter_state(hs, TLS_STATE_SERVER_HELLO);
	return true;
}

bool tls_client_start(struct tls_engine *engine, struct tls_conn *conn,
	const struct tls_client_config *config, const struct tls_client_params *params)
{
	struct tls_handshake *hs = begin(engine, conn, params->owner);

	if (hs == NULL)
		return false;
	hs->client = config;
	hs->common = &config->common;
	if (params->name.len != 0 && params->name.len <= TLS_NAME_MAX) {
		memcpy(hs->report.name, params->name.data, params->name.len);
		hs->report.name_len = (uint8_t)params->name.len;
	}
	tls_hs_offer_session(hs, params->session);
	enter_state(hs, TLS_STATE_CLIENT_START);
	return true;
}

static void release_proof(struct tls_handshake *hs)
{
	if (hs->signing_active)
		signing_destroy(hs->engine->crypto, &hs->signing);
	if (hs->proof_active)
		verification_destroy(hs->engine->crypto, &hs->proof.verification);
}

void tls_handshake_finish(struct tls_engine *engine, struct tls_conn *conn)
{
	struct tls_handshake *hs;
	uint32_t generation;

	if (conn->handshake_idx == POOL_NONE)
		return;
	hs = handshake_of(engine, conn);
	generation = hs->generation;
	key_exchange_destroy(engine->crypto, &hs->exchange);
	release_proof(hs);
	tls_flight_release(engine, &hs->flight);
	tls_buffer_release(&hs->incoming);
	// A session that was offered has its secret in there.
	if (hs->kept.data != NULL)
		wipe(hs->kept.data, hs->kept.capacity);
	tls_buffer_release(&hs->kept);
	tls_buffer_release(&hs->cookie);
	tls_buffer_release(&hs->messages);
	wipe(hs, sizeof *hs);
	hs->generation = generation;
	pool_free(&engine->handshakes, hs);
	conn->handshake_idx = POOL_NONE;
}

void tls_conn_destroy(struct tls_engine *engine, struct tls_conn *conn)
{
	tls_handshake_finish(engine, conn);
	tls_client_memory_release(engine, conn);
	aead_key_destroy(&engine->crypto->aead, &conn->read_key);
	aead_key_destroy(&engine->crypto->aead, &conn->write_key);
	wipe(conn, sizeof *conn);
	tls_conn_init(conn);
}
