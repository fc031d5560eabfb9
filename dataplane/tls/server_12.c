// SPDX-License-Identifier: Apache-2.0
//
// The server of TLS 1.2 (RFC 5246 7.3), ephemeral elliptic curves only:
//
//   ClientHello          [WAIT_LOOKUP] -> session known: ServerHello [NewSessionTicket] ccs Finished
//   own share            WAIT_KX
//   parameters signed    WAIT_SIGN     -> ServerHello Certificate [CertificateStatus] ServerKeyExchange
//                                         [CertificateRequest] ServerHelloDone
//   [Certificate         WAIT_VERIFY]
//   ClientKeyExchange    WAIT_KX
//   [CertificateVerify   WAIT_SIGN]
//   ccs Finished                       -> [NewSessionTicket] ccs Finished
//
// Sessions are made and resumed only with the extended master secret (RFC 7627 5.3). A full handshake is
// chosen before a session is looked for, because the ClientHello is gone when the answer comes.
#include "base/wipe.h"
#include "tls/certificate_request.h"
#include "tls/certificate_verify.h"
#include "tls/handshake_state.h"
#include "tls/key_exchange_12.h"
#include "tls/new_session_ticket.h"
#include "tls/server.h"
#include "tls/server_hello.h"
#include "tls/verifier.h"

static const struct group *choose_group(const struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	for (uint32_t i = 0; i < hs->common->groups.n; i++) {
		uint16_t number = hs->common->groups.numbers[i];
		// RFC 8422 4: a client that lists none takes any; P-256 is what everybody has.
		bool supported = hello->groups.len == 0 ? number == GROUP_SECP256R1
							: tls_list_has(hello->groups, number);

		if (supported)
			return group_find(number);
	}
	return NULL;
}

static enum tls_verdict choose_full(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	hs->group = choose_group(hs, hello);
	if (hs->group == NULL)
		return TLS_REFUSE_HANDSHAKE_FAILURE;
	for (uint32_t i = 0; i < hs->common->suites.n; i++) {
		const struct tls_suite *suite = tls_suite_find(hs->common->suites.numbers[i]);

		if (suite->version != TLS_VERSION_12 || !tls_list_has(hello->suites, suite->id) ||
			!tls_server_choose_certificate(hs, hello, suite))
			continue;
		hs->suite = suite;
		return TLS_OK;
	}
	return TLS_REFUSE_HANDSHAKE_FAILURE;
}

static uint16_t offered_suites(const struct tls_client_hello *hello)
{
	uint16_t set = 0;

	for (uint32_t i = 0; i < tls_n_suites; i++) {
		if (tls_list_has(hello->suites, tls_suites[i].id))
			set |= (uint16_t)(1 << i);
	}
	return set;
}

// A session that may be resumed was made with a suite that is offered again.
static bool session_serves(const struct tls_handshake *hs, const struct tls_session_state *session)
{
	const struct tls_suite *suite = tls_suite_find(session->suite);

	return suite != NULL && (hs->offered_suites >> (suite - tls_suites) & 1) != 0 &&
	       session->extended_master_secret && session->secret_len == TLS_MASTER_SECRET_LEN &&
	       tls_session_fits(hs, session);
}

static enum tls_verdict begin_full(struct tls_handshake *hs)
{
	enum tls_verdict verdict = (enum tls_verdict)hs->verdict_on_full;

	if (verdict != TLS_OK)
		return verdict;
	tls_hs_set_version(hs, hs->suite);
	tls_server_commit_certificate(hs);
	hs->report.group = hs->group->id;
	hs->next_state = TLS_STATE_SERVER12_SHARE;
	return tls_hs_kx_begun(hs, key_exchange_make_share(hs->engine->crypto, &hs->exchange, hs->group));
}

// RFC 8446 4.1.3: the last eight bytes tell a TLS 1.3 client that somebody took 1.3 away.
static void make_random(struct tls_handshake *hs)
{
	random_bytes(&hs->engine->crypto->random, hs->server_random, TLS_RANDOM_LEN);
	if (hs->common->version_max >= TLS_VERSION_13)
		memcpy(hs->server_random + TLS_RANDOM_LEN - sizeof tls_downgrade_to_12, tls_downgrade_to_12,
			sizeof tls_downgrade_to_12);
}

static enum tls_verdict send_hello(struct tls_handshake *hs, bool staple)
{
	struct writer writer = tls_hs_writer(hs);
	bool resumed = hs->report.resumed;

	tls_server_hello_write_12(&writer,
		&(struct tls_server_hello_12){.random = hs->server_random,
			.session_id = span_of(hs->session_id, hs->session_id_len),
			.suite = hs->suite->id,
			.alpn = hs->report.alpn,
			.scts = !resumed && tls_hs_is(hs, TLS_HS_WANTS_SCTS) ? hs->certificate->scts
									     : span_of(NULL, 0),
			.record_size_limit = tls_hs_is(hs, TLS_HS_SIZE_LIMIT) ? hs->common->record_size_limit
									      : 0,
			.extended_master_secret = hs->extended_master_secret,
			.secure_renegotiation = tls_hs_is(hs, TLS_HS_RENEGOTIATION_INFO),
			.point_formats = !resumed && tls_hs_is(hs, TLS_HS_POINT_FORMATS),
			.acknowledges_name = !resumed && hs->report.name_acknowledged,
			.will_send_ticket = tls_hs_is(hs, TLS_HS_TICKET_12),
			.will_send_staple = staple});
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

static enum tls_verdict send_ticket(struct tls_handshake *hs)
{
	struct tls_session_state state;
	uint8_t ticket[TLS_OWN_TICKET_LEN];
	struct writer writer = tls_hs_writer(hs);
	bool sealed;

	if (!tls_hs_is(hs, TLS_HS_TICKET_12))
		return TLS_OK;
	tls_session_describe(hs, &state);
	// A ticket that replaces one of an older key does not live longer than that.
	if (hs->report.resumed)
		state.created_s = hs->session.created_s;
	state.secret_len = TLS_MASTER_SECRET_LEN;
	memcpy(state.secret, hs->secrets.v12.master, TLS_MASTER_SECRET_LEN);
	sealed = tls_ticket_seal(hs->engine, &state, ticket);
	tls_new_session_ticket_write_12(
		&writer, &(struct tls_new_session_ticket){.lifetime_s = state.lifetime_s,
				 .ticket = span_of(ticket, sealed ? sizeof ticket : 0)});
	wipe(&state, sizeof state);
	if (sealed)
		tls_engine_count(hs->engine, COUNTER_TLS_TICKETS_SEALED);
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

static enum tls_verdict send_ticket_and_finished(struct tls_handshake *hs)
{
	enum tls_verdict verdict = send_ticket(hs);

	return verdict == TLS_OK ? tls_hs_send_finished_12(hs) : verdict;
}

// The session ID that the client sent, echoed, says that its session goes on (RFC 5246 7.3, RFC 5077 3.4).
static enum tls_verdict begin_resumed(struct tls_handshake *hs)
{
	enum tls_verdict verdict;

	tls_hs_set_version(hs, tls_suite_find(hs->session.suite));
	tls_hs_drop_messages(hs);
	hs->report.resumed = true;
	hs->report.peer_authenticated = hs->session.peer_authenticated;
	hs->report.extended_master_secret = true;
	memcpy(hs->peer_hash, hs->session.peer_hash, sizeof hs->peer_hash);
	memcpy(hs->secrets.v12.master, hs->session.secret, TLS_MASTER_SECRET_LEN);
	if (!hs->ticket_is_old)
		hs->flags &= ~(uint32_t)TLS_HS_TICKET_12;
	make_random(hs);
	tls_hs_derive_keys_12(hs);
	hs->next_state = TLS_STATE_SERVER12_CHANGE_CIPHER_SPEC;
	verdict = send_hello(hs, false);
	return verdict == TLS_OK ? send_ticket_and_finished(hs) : verdict;
}

static enum tls_verdict begin_session(struct tls_handshake *hs)
{
	if (hs->session_found && session_serves(hs, &hs->session)) {
		// RFC 7627 5.3: the same session without the extension is an attack.
		if (!hs->extended_master_secret)
			return TLS_REFUSE_HANDSHAKE_FAILURE;
		return begin_resumed(hs);
	}
	hs->session_found = false;
	return begin_full(hs);
}

enum tls_verdict tls_server_lookup_done(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return begin_session(hs);
}

// By session ID: here, or from the worker that the ID names.
static enum tls_verdict look_up_id(struct tls_handshake *hs)
{
	struct tls_engine *engine = hs->engine;
	struct span id = span_of(hs->session_id, hs->session_id_len);
	struct tls_reference who = {.idx = hs->conn->handshake_idx, .generation = hs->generation};
	uint16_t worker_idx;

	if (!hs->server->session_ids_12 || !tls_session_id_worker(engine, id, &worker_idx))
		return TLS_OK;
	if (worker_idx == engine->worker_idx) {
		hs->session_found = tls_session_table_find(
			&engine->sessions, id, engine->wall_s, &hs->session);
		return TLS_OK;
	}
	if (engine->finder == NULL)
		return TLS_OK;
	hs->next_state = TLS_STATE_SERVER_LOOKUP;
	return engine->finder->ask(engine->finder, who, worker_idx, id, &hs->session_found, &hs->session)
		       ? TLS_OK
		       : TLS_WAITS_LOOKUP;
}

static void open_ticket(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	if (!tls_client_hello_has(hello, TLS_EXTENSION_SESSION_TICKET) || !hs->server->tickets_12)
		return;
	if (hs->extended_master_secret)
		hs->flags |= TLS_HS_TICKET_12;
	if (hello->ticket.len == 0)
		return;
	hs->session_found = tls_ticket_open(hs->engine, hello->ticket, &hs->session, &hs->ticket_is_old);
	tls_engine_count(
		hs->engine, hs->session_found ? COUNTER_TLS_TICKETS_ACCEPTED : COUNTER_TLS_TICKETS_REFUSED);
}

// RFC 8422 5.1.2: who lists formats has to list the one that everybody uses.
static bool takes_uncompressed(const struct tls_client_hello *hello)
{
	struct span formats = hello->extensions.bodies[TLS_EXTENSION_EC_POINT_FORMATS];

	return !tls_client_hello_has(hello, TLS_EXTENSION_EC_POINT_FORMATS) ||
	       memchr(formats.data + 1, TLS_POINT_UNCOMPRESSED, formats.len - 1) != NULL;
}

enum tls_verdict tls_server12_begin(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	enum tls_verdict verdict;

	if (!takes_uncompressed(hello))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	// Everything that comes before the change of ciphers is plain, so more may well be in the record;
	// only there is nothing that a client could say now.
	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (hs->server->client_auth != TLS_CLIENT_AUTH_NONE)
		tls_hs_keep_messages(hs);
	tls_hs_add_message(hs, hs->message);
	hs->report.version = TLS_VERSION_12;
	hs->offered_suites = offered_suites(hello);
	hs->extended_master_secret = tls_client_hello_has(hello, TLS_EXTENSION_EXTENDED_MASTER_SECRET);
	hs->verdict_on_full = (uint16_t)choose_full(hs, hello);
	tls_hs_set_size_limits(hs, hello->record_size_limit, tls_hs_is(hs, TLS_HS_SIZE_LIMIT));
	open_ticket(hs, hello);
	if (!hs->session_found && hello->ticket.len == 0) {
		verdict = look_up_id(hs);
		if (verdict != TLS_OK)
			return verdict;
	}
	return begin_session(hs);
}

// Our share is there: sign it with the randoms (RFC 8422 5.4).
enum tls_verdict tls_server12_share(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_kx_poll(hs);
	uint8_t content[SIGN_MESSAGE_MAX_LEN];
	struct writer writer = writer_over((struct mut_span){.data = content, .len = sizeof content});

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	make_random(hs);
	writer_bytes(&writer, span_of(hs->client_random, TLS_RANDOM_LEN));
	writer_bytes(&writer, span_of(hs->server_random, TLS_RANDOM_LEN));
	tls_server_params_write(&writer, hs->group->id, span_of(hs->exchange.share, hs->exchange.share_len));
	if (!writer_ok(&writer))
		return TLS_REFUSE_INTERNAL_ERROR;
	return tls_hs_sign(hs, hs->certificate->key, writer_span(&writer));
}

// A session ID where there will be no ticket and a table to keep the session in.
static void choose_session_id(struct tls_handshake *hs)
{
	bool wanted = hs->server->session_ids_12 && hs->engine->sessions.n_max != 0 &&
		      hs->extended_master_secret && !tls_hs_is(hs, TLS_HS_TICKET_12);

	hs->session_id_len = wanted && tls_session_id_make(hs->engine, hs->session_id)
				     ? TLS_OWN_SESSION_ID_LEN
				     : 0;
}

static enum tls_verdict send_server_key_exchange(struct tls_handshake *hs)
{
	struct writer writer = tls_hs_writer(hs);

	tls_server_key_exchange_write(
		&writer, &(struct tls_server_key_exchange){.group = hs->group->id,
				 .share = span_of(hs->exchange.share, hs->exchange.share_len),
				 .scheme = hs->scheme->code_point,
				 .signature = span_of(hs->signing.signature, hs->signing.signature_len)});
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

static enum tls_verdict send_certificate_request(struct tls_handshake *hs)
{
	const struct tls_preferences *ours = &hs->common->signatures;
	struct writer writer = tls_hs_writer(hs);
	uint16_t usable[32];
	uint32_t n_usable = 0;

	for (uint32_t i = 0; i < ours->n && n_usable < 32; i++) {
		if (tls_hs_has_hash_12(hs, scheme_find(ours->numbers[i])))
			usable[n_usable++] = ours->numbers[i];
	}
	tls_certificate_request_write_12(&writer, usable, n_usable, hs->server->authorities);
	hs->flags |= TLS_HS_ASKED_CERTIFICATE;
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

// The last part of the flight.
static enum tls_verdict send_request_and_done(struct tls_handshake *hs)
{
	struct writer writer;
	enum tls_verdict verdict = TLS_OK;

	if (hs->server->client_auth != TLS_CLIENT_AUTH_NONE) {
		hs->next_state = TLS_STATE_SERVER12_CERTIFICATE;
		verdict = send_certificate_request(hs);
	} else {
		tls_hs_drop_messages(hs);
	}
	if (verdict != TLS_OK)
		return verdict;
	writer = tls_hs_writer(hs);
	tls_server_hello_done_write(&writer);
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

enum tls_verdict tls_server12_signed(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_sign_poll(hs);
	bool staple = tls_hs_is(hs, TLS_HS_WANTS_STAPLE) && hs->certificate->status_12.len != 0;

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	choose_session_id(hs);
	verdict = send_hello(hs, staple);
	if (verdict == TLS_OK)
		verdict = tls_hs_send_borrowed(hs, hs->certificate->message_12, TLS_EPOCH_PLAIN);
	if (verdict == TLS_OK && staple)
		verdict = tls_hs_send_borrowed(hs, hs->certificate->status_12, TLS_EPOCH_PLAIN);
	if (verdict == TLS_OK)
		verdict = send_server_key_exchange(hs);
	return verdict == TLS_OK ? send_request_and_done(hs) : verdict;
}

// RFC 5246 7.4.6: a client without a certificate sends an empty list, and one that must have one fails with
// handshake_failure.
enum tls_verdict tls_server12_certificate(struct tls_handshake *hs, struct span body)
{
	struct tls_cert_chain chain;
	enum tls_verdict verdict = tls_certificate_parse_12(body, &chain);

	if (verdict != TLS_OK)
		return verdict;
	if (chain.n_certificates == 0) {
		hs->next_state = TLS_STATE_SERVER12_CLIENT_KEY_EXCHANGE;
		tls_hs_drop_messages(hs);
		return hs->server->client_auth == TLS_CLIENT_AUTH_REQUIRED ? TLS_REFUSE_HANDSHAKE_FAILURE
									   : TLS_OK;
	}
	hs->flags |= TLS_HS_PEER_HAS_CHAIN;
	return tls_hs_ask_verifier(hs, &chain, span_of(NULL, 0));
}

enum tls_verdict tls_server12_chain(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return tls_hs_verifier_answer(hs);
}

enum tls_verdict tls_server12_client_key_exchange(struct tls_handshake *hs, struct span body)
{
	struct span share;
	enum tls_verdict verdict = tls_client_key_exchange_parse(body, &share);

	if (verdict != TLS_OK)
		return verdict;
	return tls_hs_kx_begun(hs, key_exchange_finish(hs->engine->crypto, &hs->exchange, share));
}

enum tls_verdict tls_server12_shared(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_kx_poll(hs);

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	tls_hs_derive_master_12(
		hs, span_of(hs->exchange.secret, hs->exchange.group->secret_len), hs->extended_master_secret);
	key_exchange_destroy(hs->engine->crypto, &hs->exchange);
	key_exchange_init(&hs->exchange, hs);
	tls_hs_derive_keys_12(hs);
	if (tls_hs_is(hs, TLS_HS_PEER_HAS_CHAIN))
		hs->next_state = TLS_STATE_SERVER12_CERTIFICATE_VERIFY;
	return TLS_OK;
}

enum tls_verdict tls_server12_certificate_verify(struct tls_handshake *hs, struct span body)
{
	struct tls_certificate_verify verify;
	enum tls_verdict verdict = tls_certificate_verify_parse(body, &verify);

	if (verdict != TLS_OK)
		return verdict;
	verdict = tls_hs_prove_transcript_12(hs, verify.scheme, verify.signature);
	tls_hs_drop_messages(hs);
	tls_transcript_add(&hs->transcript, hs->message);
	return verdict;
}

enum tls_verdict tls_server12_proof(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return tls_hs_proof_answer(hs);
}

enum tls_verdict tls_server12_change_cipher_spec(struct tls_handshake *hs, struct span body)
{
	return tls_hs_read_change_cipher_spec_12(hs, body);
}

static void keep_session(struct tls_handshake *hs)
{
	struct tls_session_state state;

	if (hs->session_id_len == 0)
		return;
	tls_session_describe(hs, &state);
	state.secret_len = TLS_MASTER_SECRET_LEN;
	memcpy(state.secret, hs->secrets.v12.master, TLS_MASTER_SECRET_LEN);
	if (state.lifetime_s > hs->server->session_id_lifetime_12_s)
		state.lifetime_s = hs->server->session_id_lifetime_12_s;
	tls_session_table_put(&hs->engine->sessions, hs->session_id, &state);
	wipe(&state, sizeof state);
}

enum tls_verdict tls_server12_finished(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_check_finished_12(hs, body);

	if (verdict == TLS_OK && !hs->report.resumed) {
		keep_session(hs);
		verdict = send_ticket_and_finished(hs);
	}
	if (verdict == TLS_OK)
		tls_hs_establish(hs);
	return verdict;
}
