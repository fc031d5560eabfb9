// SPDX-License-Identifier: Apache-2.0
#include "tls_fixture.h"

#include "base/assert.h"
#include "base/clock.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

void tls_fixture_init(struct tls_fixture *fixture, const struct tls_engine_settings *settings)
{
	const struct crypto_settings crypto_settings = {.n_aead_slots = 256, .n_ready = 64};
	size_t len = crypto_footprint(&crypto_settings) + tls_engine_footprint(settings) + 65536;

	SLUICE_ASSERT(arena_init(&fixture->arena, len));
	SLUICE_ASSERT(crypto_init(&fixture->crypto, &fixture->arena, &crypto_settings, NULL));
	SLUICE_ASSERT(tls_engine_init(&fixture->engine, &fixture->arena, settings, &fixture->crypto));
	crypto_begin_turn(&fixture->crypto, clock_now_us(), clock_tsc());
	tls_engine_set_wall(&fixture->engine, clock_wall_us() + fixture->ahead_us);
}

void tls_fixture_destroy(struct tls_fixture *fixture)
{
	tls_engine_destroy(&fixture->engine);
	crypto_destroy(&fixture->crypto);
	arena_destroy(&fixture->arena);
}

static void take_status(struct tls_handshake *handshake, enum tls_status status)
{
	struct tls_end *end = tls_handshake_owner(handshake);

	if (end != NULL)
		end->status = status;
}

void tls_fixture_run_lanes(struct tls_fixture *fixture)
{
	struct lane_request *request;

	crypto_begin_turn(&fixture->crypto, clock_now_us(), clock_tsc());
	tls_engine_set_wall(&fixture->engine, clock_wall_us() + fixture->ahead_us);
	do {
		(void)lanes_run(fixture->crypto.lanes, fixture->crypto.now_tsc, true);
		while ((request = lanes_pop_completed(fixture->crypto.lanes)) != NULL)
			take_status(request->owner, tls_handshake_resume(request->owner));
	} while (lanes_n_pending(fixture->crypto.lanes) != 0);
}

void tls_fixture_ticket_keys(struct tls_fixture *fixture, uint8_t current, uint8_t next, uint8_t previous)
{
	struct tls_ticket_key keys[TLS_N_TICKET_KEYS];
	const uint8_t seeds[TLS_N_TICKET_KEYS] = {current, next, previous};

	for (unsigned i = 0; i < TLS_N_TICKET_KEYS; i++) {
		memset(keys[i].name, seeds[i], sizeof keys[i].name);
		memset(keys[i].key, seeds[i] ^ 0x5a, sizeof keys[i].key);
		keys[i].valid = seeds[i] != 0;
	}
	tls_tickets_set(&fixture->engine, keys);
}

static const char *const kind_names[TLS_N_FIXTURE_KINDS] = {
	"p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096", "rsa-pss"};

const char *tls_fixture_kind_name(enum tls_fixture_kind kind)
{
	return kind_names[kind];
}

static EVP_PKEY *make_rsa_pss(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *pkey = NULL;

	SLUICE_ASSERT(EVP_PKEY_keygen_init(context) == 1 &&
		      EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048) == 1 &&
		      EVP_PKEY_keygen(context, &pkey) == 1);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static EVP_PKEY *make_pkey(enum tls_fixture_kind kind)
{
	switch (kind) {
	case TLS_FIXTURE_P256:
		return EVP_EC_gen("P-256");
	case TLS_FIXTURE_P384:
		return EVP_EC_gen("P-384");
	case TLS_FIXTURE_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case TLS_FIXTURE_RSA2048:
		return EVP_RSA_gen(2048);
	case TLS_FIXTURE_RSA3072:
		return EVP_RSA_gen(3072);
	case TLS_FIXTURE_RSA4096:
		return EVP_RSA_gen(4096);
	default:
		return make_rsa_pss();
	}
}

static X509 *make_x509(EVP_PKEY *pkey, bool hashes_itself)
{
	X509 *x509 = X509_new();
	X509_NAME *name = X509_get_subject_name(x509);

	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), 100L * 24 * 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"sluice.test", -1, -1, 0);
	X509_set_issuer_name(x509, name);
	SLUICE_ASSERT(X509_set_pubkey(x509, pkey) == 1);
	SLUICE_ASSERT(X509_sign(x509, pkey, hashes_itself ? NULL : EVP_sha256()) > 0);
	return x509;
}

struct tls_identity *tls_identity_make(EVP_PKEY *pkey, const struct tls_cert_chain *chain)
{
	struct tls_identity *identity = calloc(1, sizeof *identity);
	size_t key_len = private_key_footprint(pkey);
	size_t certificate_len = tls_certificate_footprint(chain);

	SLUICE_ASSERT(identity != NULL && key_len != 0);
	identity->pkey = pkey;
	identity->memory[0] = aligned_alloc(64, (key_len + 63) / 64 * 64);
	identity->memory[1] = aligned_alloc(64, (certificate_len + 63) / 64 * 64);
	SLUICE_ASSERT(private_key_load((struct mut_span){identity->memory[0], key_len}, pkey,
			      select_resolve_lanes(SELECT_LANES_AUTO), &identity->key) == KEY_OK);
	identity->certificate = tls_certificate_build(
		(struct mut_span){identity->memory[1], certificate_len}, chain, identity->key, 1);
	SLUICE_ASSERT(identity->certificate != NULL);
	return identity;
}

void tls_identity_free(struct tls_identity *identity)
{
	private_key_destroy(identity->key);
	free(identity->memory[0]);
	free(identity->memory[1]);
	X509_free(identity->x509);
	EVP_PKEY_free(identity->pkey);
	free(identity);
}

struct tls_identity *tls_fixture_identity(enum tls_fixture_kind kind)
{
	static struct tls_identity *made[TLS_N_FIXTURE_KINDS];
	static const uint8_t staple[] = "a staple that nobody verifies";
	static const uint8_t scts[] = {0, 4, 0, 2, 'c', 't'};
	struct tls_cert_chain chain = {.n_certificates = 1,
		.staple = span_of(staple, sizeof staple),
		.scts = span_of(scts, sizeof scts)};
	unsigned char *der = NULL;
	EVP_PKEY *pkey;
	X509 *x509;
	int len;

	if (made[kind] != NULL)
		return made[kind];
	pkey = make_pkey(kind);
	SLUICE_ASSERT(pkey != NULL);
	x509 = make_x509(pkey, kind == TLS_FIXTURE_ED25519);
	len = i2d_X509(x509, &der);
	SLUICE_ASSERT(len > 0);
	chain.certificates[0] = span_of(der, (size_t)len);
	made[kind] = tls_identity_make(pkey, &chain);
	made[kind]->x509 = x509;
	OPENSSL_free(der);
	return made[kind];
}

static void take_key(const struct tls_verify_question *question, struct tls_verify_answer *out)
{
	const unsigned char *der = question->chain->certificates[0].data;
	X509 *x509 = d2i_X509(NULL, &der, (long)question->chain->certificates[0].len);
	EVP_PKEY *pkey = x509 != NULL ? X509_get0_pubkey(x509) : NULL;

	if (pkey == NULL || public_key_from_pkey(&out->key, pkey) != KEY_OK)
		out->verdict = TLS_REFUSE_BAD_CERTIFICATE;
	X509_free(x509);
}

static bool ask(struct tls_verifier *base, struct tls_reference who,
	const struct tls_verify_question *question, struct tls_verify_answer *out_answer)
{
	struct tls_fixture_verifier *verifier = (struct tls_fixture_verifier *)base;

	memset(out_answer, 0, sizeof *out_answer);
	verifier->n_asked++;
	verifier->staple_len = question->chain->staple.len;
	verifier->scts_len = question->chain->scts.len;
	if (question->name.len != 0)
		memcpy(verifier->name, question->name.data, question->name.len);
	verifier->name[question->name.len] = 0;
	out_answer->verdict = verifier->verdict;
	take_key(question, out_answer);
	if (!verifier->deferred)
		return true;
	verifier->pending = true;
	verifier->who = who;
	verifier->answer = *out_answer;
	return false;
}

void tls_fixture_verifier_init(struct tls_fixture_verifier *verifier)
{
	*verifier = (struct tls_fixture_verifier){.base = {.ask = ask}, .verdict = TLS_OK};
}

struct tls_handshake *tls_fixture_answer(struct tls_fixture_verifier *verifier, struct tls_engine *engine)
{
	verifier->pending = false;
	return tls_handshake_verified(engine, verifier->who, &verifier->answer);
}

const struct tls_names *tls_fixture_names(struct tls_identity *const *identities, uint32_t n)
{
	struct tls_name names[2 * TLS_N_FIXTURE_KINDS];
	struct mut_span memory;
	const struct tls_names *index;

	for (uint32_t i = 0; i < n; i++) {
		names[2 * i] = (struct tls_name){span_of(NULL, 0), identities[i]->certificate};
		names[2 * i + 1] = (struct tls_name){
			span_of_string("sluice.test"), identities[i]->certificate};
	}
	memory.len = tls_names_footprint(names, 2 * n);
	memory.data = malloc(memory.len);
	index = tls_names_build(memory, names, 2 * n);
	SLUICE_ASSERT(index != NULL);
	return index;
}

struct tls_server_config tls_fixture_server_config(const struct tls_names *names)
{
	return (struct tls_server_config){
		.common = {.version_min = TLS_VERSION_12,
			.version_max = TLS_VERSION_13,
			.suites = tls_default_suites,
			.groups = tls_default_groups,
			.signatures = tls_default_signatures},
		.names = names,
		.n_tickets = 2,
		.tickets_12 = true,
		.session_ids_12 = true,
		.ticket_lifetime_s = 7200,
		.session_lifetime_12_s = 3600,
		.session_id_lifetime_12_s = 3600,
	};
}

struct tls_client_config tls_fixture_client_config(struct tls_fixture_verifier *verifier)
{
	return (struct tls_client_config){
		.common = {.version_min = TLS_VERSION_12,
			.version_max = TLS_VERSION_13,
			.suites = tls_default_suites,
			.groups = tls_default_groups,
			.signatures = tls_default_signatures,
			.verifier = verifier != NULL ? &verifier->base : NULL},
		.tickets = true,
		.n_tickets_wanted = 2,
	};
}

void tls_end_init(struct tls_end *end, struct tls_fixture *fixture)
{
	memset(end, 0, sizeof *end);
	end->fixture = fixture;
	end->in = malloc(TLS_END_BUFFER_LEN);
	end->out = malloc(TLS_END_BUFFER_LEN);
	end->data = malloc(TLS_END_BUFFER_LEN);
	SLUICE_ASSERT(end->in != NULL && end->out != NULL && end->data != NULL);
	tls_conn_init(&end->conn);
}

void tls_end_destroy(struct tls_end *end)
{
	tls_conn_destroy(&end->fixture->engine, &end->conn);
	free(end->in);
	free(end->out);
	free(end->data);
}

void tls_end_serve(struct tls_end *end, const struct tls_server_config *config)
{
	SLUICE_ASSERT(tls_server_start(&end->fixture->engine, &end->conn, config, end));
	end->handshaking = true;
	end->status = TLS_NEED_BYTES;
}

void tls_end_connect(struct tls_end *end, const struct tls_client_config *config, const char *name,
	const struct tls_session *session)
{
	struct tls_client_params params = {.session = session, .owner = end};
	struct tls_stream nothing = {0};
	size_t consumed;

	if (name != NULL)
		params.name = span_of_string(name);
	SLUICE_ASSERT(tls_client_start(&end->fixture->engine, &end->conn, config, &params));
	end->handshaking = true;
	end->status = tls_handshake_input(&end->fixture->engine, &end->conn, nothing, &consumed);
}

void tls_end_receive(struct tls_end *end, const void *bytes, size_t len)
{
	SLUICE_ASSERT(end->in_len + len <= TLS_END_BUFFER_LEN);
	memcpy(end->in + end->in_len, bytes, len);
	end->in_len += len;
}

static void consume(struct tls_end *end, size_t len)
{
	memmove(end->in, end->in + len, end->in_len - len);
	end->in_len -= len;
	end->in_seen -= len;
}

static bool drain(struct tls_end *end)
{
	size_t room = TLS_END_BUFFER_LEN - end->out_len;
	struct mut_span out = {end->out + end->out_len,
		end->output_max != 0 && end->output_max < room ? end->output_max : room};
	size_t len = end->handshaking ? tls_handshake_output(&end->fixture->engine, &end->conn, out)
				      : tls_conn_output(&end->fixture->engine, &end->conn, out);

	end->out_len += len;
	return len != 0;
}

static void finish(struct tls_end *end)
{
	end->report = *tls_handshake_report(&end->fixture->engine, &end->conn);
	end->failed = end->status == TLS_FAILED;
	end->peer_alert = end->report.failed_by_peer ? end->report.alert : 0;
	tls_handshake_finish(&end->fixture->engine, &end->conn);
	end->handshaking = false;
}

static bool step_handshake(struct tls_end *end)
{
	size_t consumed = 0;
	bool progress = false;

	if (end->status == TLS_NEED_BYTES) {
		struct span piece = span_of(end->in, end->in_seen);
		struct tls_stream stream = {.pieces = &piece, .n_pieces = 1};

		end->status = tls_handshake_input(&end->fixture->engine, &end->conn, stream, &consumed);
		consume(end, consumed);
		progress = consumed != 0 || end->status != TLS_NEED_BYTES;
	}
	while (drain(end))
		progress = true;
	if ((end->status == TLS_DONE || end->status == TLS_FAILED) &&
		!tls_handshake_has_output(&end->fixture->engine, &end->conn)) {
		finish(end);
		progress = true;
	}
	return progress;
}

static void take_received(struct tls_end *end, enum tls_received received, struct span content)
{
	switch (received) {
	case TLS_RECEIVED_DATA:
		SLUICE_ASSERT(end->data_len + content.len <= TLS_END_BUFFER_LEN);
		memcpy(end->data + end->data_len, content.data, content.len);
		end->data_len += content.len;
		break;
	case TLS_RECEIVED_CLOSED:
		end->closed = true;
		break;
	case TLS_RECEIVED_ALERT:
		end->failed = true;
		end->peer_alert = end->conn.alert_due;
		break;
	case TLS_RECEIVED_FAULT:
		end->failed = true;
		break;
	case TLS_RECEIVED_NOTHING:
		break;
	}
}

static void refuse(struct tls_end *end, enum tls_verdict verdict)
{
	tls_conn_refuse(&end->fixture->engine, &end->conn, verdict);
	end->failed = true;
	end->report.alert = (uint8_t)tls_verdict_alert(verdict);
}

static bool step_record(struct tls_end *end)
{
	static uint8_t plain[TLS_CIPHERTEXT_MAX_12];
	struct span piece = span_of(end->in, end->in_seen);
	struct tls_stream stream = {.pieces = &piece, .n_pieces = 1};
	struct span inputs[TLS_RECORD_PIECES];
	struct mut_span output = {.data = plain};
	struct tls_record record;
	struct aead_job job;
	enum tls_verdict verdict = tls_record_cut(&end->conn, stream, 0, &record);

	if (verdict != TLS_OK) {
		refuse(end, verdict);
		return true;
	}
	if (record.wire_len == 0)
		return false;
	if (record.type != TLS_CONTENT_APPLICATION_DATA && tls_conn_is(&end->conn, TLS_CONN_IS_13)) {
		refuse(end, TLS_REFUSE_UNEXPECTED_MESSAGE);
		return true;
	}
	output.len = tls_record_room(&record);
	tls_record_open_job(&record,
		&(struct tls_pieces){.inputs = inputs,
			.n_inputs = (uint16_t)tls_stream_slice(stream, record.cipher_off,
				tls_record_cipher_len(&record), inputs, TLS_RECORD_PIECES),
			.outputs = &output,
			.n_outputs = 1},
		&job);
	(void)!aead_open_burst(&end->fixture->crypto.aead, &job, 1);
	verdict = tls_record_opened(&record, &job);
	if (verdict != TLS_OK) {
		refuse(end, verdict);
		return true;
	}
	take_received(end,
		tls_conn_receive(
			&end->fixture->engine, &end->conn, record.type, span_of(plain, record.content_len)),
		span_of(plain, record.content_len));
	consume(end, record.wire_len);
	return true;
}

bool tls_end_step(struct tls_end *end)
{
	bool progress = false;

	if (end->chunk == 0 || end->in_seen + end->chunk > end->in_len) {
		progress = end->in_seen != end->in_len;
		end->in_seen = end->in_len;
	} else if (end->in_seen < end->in_len) {
		end->in_seen += end->chunk;
		progress = true;
	}
	if (end->handshaking)
		return step_handshake(end) || progress;
	while (!end->failed && !end->closed && step_record(end))
		progress = true;
	while (!(end->updates_with_data && !tls_conn_is(&end->conn, TLS_CONN_ALERT_DUE)) && drain(end))
		progress = true;
	return progress;
}

void tls_end_send(struct tls_end *end, const void *bytes, size_t len)
{
	const uint8_t *next = bytes;

	SLUICE_ASSERT(tls_end_up(end));
	(void)drain(end);
	do {
		size_t take = len < end->conn.send_max ? len : end->conn.send_max;

		end->out_len += tls_record_write(&end->fixture->engine, &end->conn,
			TLS_CONTENT_APPLICATION_DATA, span_of(next, take),
			(struct mut_span){end->out + end->out_len, TLS_END_BUFFER_LEN - end->out_len});
		next += take;
		len -= take;
	} while (len != 0);
}

void tls_end_close(struct tls_end *end)
{
	tls_conn_close(&end->conn);
	(void)drain(end);
}

static bool deliver(struct tls_end *from, struct tls_end *to)
{
	size_t len = from->out_len;

	tls_end_receive(to, from->out, len);
	from->out_len = 0;
	return len != 0;
}

void tls_fixture_pump(struct tls_end *a, struct tls_end *b)
{
	bool progress = true;

	while (progress) {
		progress = deliver(a, b);
		progress = deliver(b, a) || progress;
		progress = tls_end_step(a) || progress;
		progress = tls_end_step(b) || progress;
		if (lanes_n_pending(a->fixture->crypto.lanes) != 0 ||
			lanes_n_pending(b->fixture->crypto.lanes) != 0)
			progress = true;
		tls_fixture_run_lanes(a->fixture);
		if (b->fixture != a->fixture)
			tls_fixture_run_lanes(b->fixture);
	}
}

void tls_fixture_keep_session(void *context, void *owner, const struct tls_session *session)
{
	struct tls_session_slot *slot = context;

	(void)owner;
	slot->session = *session;
	slot->n_kept++;
}
