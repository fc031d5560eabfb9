// SPDX-License-Identifier: Apache-2.0
#include "tls_fuzz.h"

#include "base/assert.h"
#include "crypto/group.h"
#include "seam/clock_virtual.h"
#include "seam/random_seeded.h"
#include "tls/engine.h"
#include "tls/handshake.h"
#include "tls/record.h"
#include "tls_predictable.h"

enum {
	PLAIN_MAX = TLS_CIPHERTEXT_MAX_12,
	OUT_LEN = 65536
};

struct tls_preferences tls_fuzz_groups;

static struct crypto crypto;
static struct tls_engine engine;
static struct arena arena;
static const struct tls_certificate *certificate;
static const struct tls_names *names;
static struct tls_session kept;
static struct tls_server_config server_config;
static struct tls_client_config client_config;

static bool ask(struct tls_verifier *verifier, struct tls_reference who,
	const struct tls_verify_question *question, struct tls_verify_answer *out_answer)
{
	(void)verifier;
	(void)who;
	memset(out_answer, 0, sizeof *out_answer);
	out_answer->verdict = TLS_OK;
	// The type of the peer's key follows from its certificate, so that the fuzzer may choose it.
	out_answer->key.type = question->chain->certificates[0].data[0] % N_KEY_TYPES;
	return true;
}

static struct tls_verifier verifier = {.ask = ask};

static void keep(void *context, void *owner, const struct tls_session *session)
{
	(void)context;
	(void)owner;
	kept = *session;
}

static void make_certificate(void)
{
	static uint8_t memory[8192] __attribute__((aligned(64)));
	static uint8_t index[1024] __attribute__((aligned(64)));
	static const uint8_t der[40] = {KEY_ECDSA_P256};
	static const uint8_t extra[8] = {0, 6, 0, 4};
	struct tls_cert_chain chain = {.n_certificates = 1,
		.certificates = {span_of(der, sizeof der)},
		.staple = span_of(extra, sizeof extra),
		.scts = span_of(extra, sizeof extra)};
	struct tls_name name;

	certificate = tls_certificate_build(
		(struct mut_span){memory, sizeof memory}, &chain, tls_predictable_key(KEY_ECDSA_P256), 1);
	name = (struct tls_name){span_of(NULL, 0), certificate};
	names = tls_names_build((struct mut_span){index, sizeof index}, &name, 1);
	SLUICE_ASSERT(certificate != NULL && names != NULL);
}

static void start_over(void)
{
	static const struct tls_engine_settings settings = {
		.n_handshakes = 4, .n_clients = 4, .n_sessions = 8, .n_medium = 4, .n_large = 2};
	struct tls_ticket_key keys[TLS_N_TICKET_KEYS] = {{.valid = true}};

	if (names == NULL) {
		SLUICE_ASSERT(arena_init(&arena, tls_engine_footprint(&settings) + 65536));
		SLUICE_ASSERT(tls_engine_init(&engine, &arena, &settings, &crypto));
		make_certificate();
	}
	clock_virtual_reset();
	random_seeded_set(1);
	SLUICE_ASSERT(random_init(&crypto.random));
	tls_session_table_wipe(&engine.sessions);
	tls_tickets_set(&engine, keys);
	tls_engine_set_wall(&engine, clock_wall_us());
	memset(&kept, 0, sizeof kept);
}

static void set_common(struct tls_common_config *common, uint8_t options)
{
	*common = (struct tls_common_config){
		.version_min = (options & TLS_FUZZ_NO_12) != 0 ? TLS_VERSION_13 : TLS_VERSION_12,
		.version_max = (options & TLS_FUZZ_NO_13) != 0 ? TLS_VERSION_12 : TLS_VERSION_13,
		.suites = tls_default_suites,
		.groups = tls_default_groups,
		.signatures = tls_default_signatures,
		.verifier = &verifier,
	};
	if (common->version_min > common->version_max)
		common->version_min = TLS_VERSION_12;
	if ((options & TLS_FUZZ_ALPN) != 0)
		common->alpn = span_of("\x04smtp\x08http/1.1", 14);
	if ((options & TLS_FUZZ_SIZE_LIMIT) != 0)
		common->record_size_limit = 512;
}

static void configure(uint8_t options)
{
	static const uint16_t p384 = GROUP_SECP384R1;
	bool auth = (options & TLS_FUZZ_CLIENT_AUTH) != 0;

	server_config = (struct tls_server_config){
		.names = names,
		.client_auth = auth ? TLS_CLIENT_AUTH_OPTIONAL : TLS_CLIENT_AUTH_NONE,
		.n_tickets = 2,
		.tickets_12 = (options & TLS_FUZZ_NO_TICKETS) == 0,
		.session_ids_12 = true,
		.ticket_lifetime_s = 7200,
		.session_lifetime_12_s = 7200,
		.session_id_lifetime_12_s = 7200,
	};
	client_config = (struct tls_client_config){
		.certificate = auth ? certificate : NULL,
		.tickets = (options & TLS_FUZZ_NO_TICKETS) == 0,
		.n_tickets_wanted = 2,
		.keep_session = keep,
		.wants_staple = true,
		.wants_scts = true,
	};
	set_common(&server_config.common, options);
	set_common(&client_config.common, options);
	if ((options & TLS_FUZZ_P384_ONLY) != 0)
		server_config.common.groups = (struct tls_preferences){&p384, 1};
	if (tls_fuzz_groups.n != 0)
		server_config.common.groups = client_config.common.groups = tls_fuzz_groups;
}

// One side.
struct side {
	struct tls_conn conn;
	bool handshaking;
	bool over;
	uint8_t out[OUT_LEN];
	size_t out_len;
};

static void drain(struct side *side)
{
	size_t len;

	do {
		struct mut_span room = {side->out + side->out_len, OUT_LEN - side->out_len};

		len = side->handshaking ? tls_handshake_output(&engine, &side->conn, room)
					: tls_conn_output(&engine, &side->conn, room);
		side->out_len += len;
	} while (len != 0);
}

static size_t step_handshake(struct side *side, struct tls_stream stream)
{
	size_t consumed;
	enum tls_status status = tls_handshake_input(&engine, &side->conn, stream, &consumed);

	// Nothing waits here: all answers come at once.
	SLUICE_ASSERT(status == TLS_DONE || status == TLS_NEED_BYTES || status == TLS_FAILED);
	SLUICE_ASSERT(consumed <= tls_stream_len(stream));
	drain(side);
	side->over = status == TLS_FAILED;
	if (status != TLS_NEED_BYTES) {
		SLUICE_ASSERT(!tls_handshake_has_output(&engine, &side->conn));
		tls_handshake_finish(&engine, &side->conn);
		side->handshaking = false;
	}
	return consumed;
}

static size_t step_record(struct side *side, struct tls_stream stream)
{
	static uint8_t plain[PLAIN_MAX];
	struct span inputs[TLS_RECORD_PIECES];
	struct mut_span output = {.data = plain};
	struct tls_record record;
	struct aead_job job;
	enum tls_verdict verdict = tls_record_cut(&side->conn, stream, 0, &record);

	if (verdict == TLS_OK && record.wire_len == 0)
		return 0;
	if (verdict == TLS_OK && tls_conn_is(&side->conn, TLS_CONN_IS_13) &&
		record.type != TLS_CONTENT_APPLICATION_DATA)
		verdict = TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict == TLS_OK) {
		output.len = tls_record_room(&record);
		tls_record_open_job(&record,
			&(struct tls_pieces){.inputs = inputs,
				.n_inputs = (uint16_t)tls_stream_slice(stream, record.cipher_off,
					tls_record_cipher_len(&record), inputs, TLS_RECORD_PIECES),
				.outputs = &output,
				.n_outputs = 1},
			&job);
		SLUICE_ASSERT(aead_open_burst(&crypto.aead, &job, 1) == 0);
		verdict = tls_record_opened(&record, &job);
	}
	if (verdict != TLS_OK) {
		tls_conn_refuse(&engine, &side->conn, verdict);
		side->over = true;
	} else {
		enum tls_received received = tls_conn_receive(
			&engine, &side->conn, record.type, span_of(plain, record.content_len));

		side->over = received == TLS_RECEIVED_FAULT || received == TLS_RECEIVED_ALERT;
	}
	drain(side);
	return side->over ? 0 : record.wire_len;
}

// Lets one side see everything that is there; returns what it consumed.
static size_t step(struct side *side, struct span bytes)
{
	size_t done = 0;
	size_t consumed = 1;

	while (!side->over && consumed != 0) {
		// Two pieces, so that headers and tags straddle them.
		size_t half = (bytes.len - done) / 2;
		struct span pieces[2] = {span_of(bytes.data + done, half),
			span_of(bytes.data + done + half, bytes.len - done - half)};
		struct tls_stream stream = {.pieces = pieces, .n_pieces = 2};
		bool was_handshaking = side->handshaking;

		if (side->out_len > OUT_LEN / 2)
			side->out_len = 0;
		consumed = was_handshaking ? step_handshake(side, stream) : step_record(side, stream);
		done += consumed;
		// What follows the handshake's end may be there already.
		if (was_handshaking && !side->handshaking)
			consumed = 1;
	}
	return done;
}

static void run(struct side *side, uint8_t chunk, struct span bytes)
{
	size_t seen = 0;
	size_t done = 0;

	while (seen < bytes.len && !side->over) {
		size_t more = chunk == 0 ? bytes.len : (size_t)chunk * 16;

		seen = bytes.len - seen < more ? bytes.len : seen + more;
		done += step(side, span_of(bytes.data + done, seen - done));
	}
}

static void end(struct side *side)
{
	tls_conn_destroy(&engine, &side->conn);
	SLUICE_ASSERT(engine.handshakes.n_used == 0 && engine.blocks.n_used == 0 &&
		      engine.medium.n_used == 0 && engine.large.n_used == 0 && engine.clients.n_used == 0);
}

static void begin_server(struct side *side)
{
	tls_conn_init(&side->conn);
	SLUICE_ASSERT(tls_server_start(&engine, &side->conn, &server_config, NULL));
	side->handshaking = true;
}

static void begin_client(struct side *side, uint8_t options)
{
	struct tls_client_params params = {.name = span_of_string("sluice.test")};
	struct tls_session session = {
		.state = {.lifetime_s = 7200, .version = TLS_VERSION_13, .suite = 0x1301, .secret_len = 32},
		.ticket_len = 200};

	if ((options & TLS_FUZZ_NO_13) != 0) {
		session.state.version = TLS_VERSION_12;
		session.state.suite = 0xc02b;
		session.state.secret_len = TLS_MASTER_SECRET_LEN;
		session.state.extended_master_secret = 1;
	}
	if ((options & TLS_FUZZ_RESUME) != 0)
		params.session = kept.ticket_len != 0 ? &kept : &session;
	tls_conn_init(&side->conn);
	SLUICE_ASSERT(tls_client_start(&engine, &side->conn, &client_config, &params));
	side->handshaking = true;
	(void)step(side, span_of(side->out, 0));
}

void tls_fuzz_server(const uint8_t *data, size_t len)
{
	static struct side side;

	if (len < 2)
		return;
	start_over();
	configure(data[0]);
	memset(&side, 0, sizeof side);
	begin_server(&side);
	run(&side, data[1], span_of(data + 2, len - 2));
	end(&side);
}

void tls_fuzz_client(const uint8_t *data, size_t len)
{
	static struct side side;

	if (len < 2)
		return;
	start_over();
	configure(data[0]);
	memset(&side, 0, sizeof side);
	begin_client(&side, data[0]);
	run(&side, data[1], span_of(data + 2, len - 2));
	end(&side);
}

static void take(uint8_t *log, size_t *log_len, size_t max, struct side *from)
{
	SLUICE_ASSERT(*log_len + from->out_len <= max);
	memcpy(log + *log_len, from->out, from->out_len);
	*log_len += from->out_len;
	from->out_len = 0;
}

int tls_fuzz_record(uint8_t options, uint8_t *client_bytes, size_t *client_len, uint8_t *server_bytes,
	size_t *server_len, size_t max)
{
	static struct side client, server;
	size_t client_done = 0, server_done = 0;
	int done;

	start_over();
	configure(options);
	*client_len = *server_len = 0;
	memset(&client, 0, sizeof client);
	memset(&server, 0, sizeof server);
	begin_server(&server);
	begin_client(&client, options);
	for (unsigned i = 0; i < 10; i++) {
		take(client_bytes, client_len, max, &client);
		client_done += step(&server, span_of(client_bytes + client_done, *client_len - client_done));
		take(server_bytes, server_len, max, &server);
		server_done += step(&client, span_of(server_bytes + server_done, *server_len - server_done));
	}
	done = !client.handshaking && !server.handshaking && !client.over && !server.over;
	if (done) {
		tls_conn_update_keys(&client.conn, true);
		drain(&client);
		tls_conn_close(&server.conn);
		drain(&server);
		take(client_bytes, client_len, max, &client);
		take(server_bytes, server_len, max, &server);
	}
	tls_conn_destroy(&engine, &client.conn);
	tls_conn_destroy(&engine, &server.conn);
	return done;
}
