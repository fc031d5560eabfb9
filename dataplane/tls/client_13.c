// SPDX-License-Identifier: Apache-2.0
//
// The client of TLS 1.3 (RFC 8446 2, 4):
//
//   [HelloRetryRequest    -> another ClientHello]
//   ServerHello           WAIT_KX
//   EncryptedExtensions
//   [CertificateRequest]
//   Certificate           WAIT_VERIFY     (not with a PSK)
//   CertificateVerify     WAIT_SIGN
//   Finished              [WAIT_SIGN]     -> [Certificate [CertificateVerify]] Finished
#include "base/wipe.h"
#include "tls/certificate_request.h"
#include "tls/certificate_verify.h"
#include "tls/client.h"
#include "tls/client_memory.h"
#include "tls/encrypted_extensions.h"
#include "tls/handshake_state.h"

static bool is_among(const struct tls_preferences *list, uint16_t number)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->numbers[i] == number)
			return true;
	}
	return false;
}

// RFC 8446 4.1.4: it must change something, only once, and within what we offered.
static enum tls_verdict check_retry(const struct tls_handshake *hs, const struct tls_server_hello *hello)
{
	bool new_group = tls_server_hello_has(hello, TLS_EXTENSION_KEY_SHARE);

	if (hs->report.retried)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (!new_group && hello->cookie.len == 0)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (new_group && (hello->key_share.group == hs->group->id ||
				 !is_among(&hs->common->groups, hello->key_share.group)))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	return TLS_OK;
}

enum tls_verdict tls_client13_retry(struct tls_handshake *hs, const struct tls_server_hello *hello)
{
	enum tls_verdict verdict = check_retry(hs, hello);

	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict != TLS_OK)
		return verdict;
	if (!tls_buffer_append(hs->engine, &hs->cookie, hello->cookie))
		return TLS_REFUSE_INTERNAL_ERROR;
	hs->report.retried = true;
	tls_hs_set_version(hs, tls_suite_find(hello->suite));
	tls_hs_drop_messages(hs);
	tls_transcript_fold(&hs->transcript, hs->suite->hash);
	tls_transcript_add(&hs->transcript, hs->message);
	tls_engine_count(hs->engine, COUNTER_TLS_HANDSHAKES_RETRIED);
	hs->next_state = TLS_STATE_CLIENT_SHARE;
	hs->event_ready = true;
	if (!tls_server_hello_has(hello, TLS_EXTENSION_KEY_SHARE))
		return TLS_OK;
	hs->group = group_find(hello->key_share.group);
	key_exchange_destroy(hs->engine->crypto, &hs->exchange);
	key_exchange_init(&hs->exchange, hs);
	return tls_hs_kx_begun(hs, key_exchange_make_share(hs->engine->crypto, &hs->exchange, hs->group));
}

// The only identity that we offer is number 0, and its hash is the suite's (RFC 8446 4.2.11).
static enum tls_verdict take_psk(struct tls_handshake *hs, const struct tls_server_hello *hello)
{
	const struct tls_session *session = tls_client_session(hs);

	if (!tls_server_hello_has(hello, TLS_EXTENSION_PRE_SHARED_KEY)) {
		tls_schedule_early(&hs->schedule, hs->suite->hash, span_of(NULL, 0));
		return TLS_OK;
	}
	if (session == NULL || hello->selected_identity != 0 ||
		tls_suite_find(session->state.suite)->hash != hs->suite->hash)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	// The schedule stands where the binder was made.
	hs->flags |= TLS_HS_PSK;
	hs->report.resumed = true;
	return TLS_OK;
}

enum tls_verdict tls_client13_begin(struct tls_handshake *hs, const struct tls_server_hello *hello)
{
	enum tls_verdict verdict;

	// What follows is under other keys.
	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (!tls_server_hello_has(hello, TLS_EXTENSION_KEY_SHARE))
		return TLS_REFUSE_MISSING_EXTENSION;
	if (hello->key_share.group != hs->group->id)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	tls_hs_set_version(hs, tls_suite_find(hello->suite));
	tls_hs_drop_messages(hs);
	tls_transcript_add(&hs->transcript, hs->message);
	verdict = take_psk(hs, hello);
	tls_client_drop_session(hs);
	if (verdict != TLS_OK)
		return verdict;
	hs->report.group = hs->group->id;
	hs->next_state = TLS_STATE_CLIENT13_SHARED;
	return tls_hs_kx_begun(
		hs, key_exchange_finish(hs->engine->crypto, &hs->exchange, hello->key_share.share));
}

enum tls_verdict tls_client13_shared(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_kx_poll(hs);

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	tls_hs_derive_handshake_13(hs);
	hs->epoch_after_flight = TLS_EPOCH_HANDSHAKE;
	return tls_hs_read_secret_13(hs, hs->secrets.v13.server_handshake);
}

enum tls_verdict tls_client13_encrypted_extensions(struct tls_handshake *hs, struct span body)
{
	struct tls_encrypted_extensions extensions;
	enum tls_verdict verdict = tls_encrypted_extensions_parse(body, hs->offered, &extensions);

	if (verdict == TLS_OK)
		verdict = tls_client_take_protocol(hs, extensions.alpn);
	if (verdict != TLS_OK)
		return verdict;
	hs->report.name_acknowledged = extensions.acknowledges_name;
	tls_hs_set_size_limits(hs, extensions.record_size_limit, extensions.record_size_limit != 0);
	if (tls_hs_is(hs, TLS_HS_PSK))
		hs->next_state = TLS_STATE_CLIENT13_FINISHED;
	return TLS_OK;
}

enum tls_verdict tls_client13_certificate_request(struct tls_handshake *hs, struct span body)
{
	struct tls_certificate_request request;
	enum tls_verdict verdict = tls_certificate_request_parse_13(body, &request);

	if (verdict != TLS_OK)
		return verdict;
	if (tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE))
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	tls_client_choose_certificate(hs, request.signatures, TLS_VERSION_13);
	if (request.wants_staple)
		hs->flags |= TLS_HS_WANTS_STAPLE;
	if (request.wants_sct)
		hs->flags |= TLS_HS_WANTS_SCTS;
	return TLS_OK;
}

enum tls_verdict tls_client13_certificate(struct tls_handshake *hs, struct span body)
{
	struct tls_cert_chain chain;
	enum tls_verdict verdict = tls_certificate_parse_13(body, hs->offered, &chain);

	if (verdict != TLS_OK)
		return verdict;
	if (chain.n_certificates == 0)
		return TLS_REFUSE_DECODE_ERROR;
	return tls_hs_ask_verifier(hs, &chain, span_of(hs->report.name, hs->report.name_len));
}

enum tls_verdict tls_client13_chain(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return tls_hs_verifier_answer(hs);
}

enum tls_verdict tls_client13_certificate_verify(struct tls_handshake *hs, struct span body)
{
	struct tls_certificate_verify verify;
	enum tls_verdict verdict = tls_certificate_verify_parse(body, &verify);
	uint8_t content[TLS_SIGNED_CONTENT_MAX];
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;
	size_t len;

	if (verdict != TLS_OK)
		return verdict;
	tls_hs_transcript_hash(hs, hash, &hash_span);
	len = tls_signed_content_13(content, true, hash_span);
	tls_transcript_add(&hs->transcript, hs->message);
	return tls_hs_prove(hs, verify.scheme, span_of(content, len), verify.signature);
}

enum tls_verdict tls_client13_proof(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_prove_poll(hs);

	(void)body;
	if (verdict == TLS_OK)
		hs->report.peer_authenticated = true;
	return verdict;
}

// For the tickets that may come.
static void remember(struct tls_handshake *hs)
{
	struct tls_engine *engine = hs->engine;
	struct tls_client_memory *memory;
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;

	if (!hs->client->tickets || hs->client->keep_session == NULL || hs->client->n_tickets_wanted == 0)
		return;
	memory = pool_alloc(&engine->clients);
	if (memory == NULL) {
		tls_engine_count(engine, COUNTER_TLS_POOL_EMPTY);
		return;
	}
	memory->config = hs->client;
	memory->owner = hs->owner;
	memory->n_kept = 0;
	tls_session_describe(hs, &memory->state);
	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_schedule_resumption_master(&hs->schedule, hash_span, memory->state.secret);
	hs->conn->client_idx = pool_index(&engine->clients, memory);
}

static enum tls_verdict send_finished(struct tls_handshake *hs)
{
	enum tls_verdict verdict = tls_hs_send_finished_13(
		hs, hs->secrets.v13.client_handshake, TLS_EPOCH_HANDSHAKE);

	if (verdict != TLS_OK)
		return verdict;
	remember(hs);
	hs->next_state = TLS_STATE_ESTABLISHED;
	tls_hs_establish(hs);
	return TLS_OK;
}

// A client without a certificate says so with an empty list (RFC 8446 4.4.2).
static enum tls_verdict send_certificate(struct tls_handshake *hs)
{
	static const struct tls_cert_chain none;
	struct writer writer;

	if (hs->scheme == NULL) {
		writer = tls_hs_writer(hs);
		tls_certificate_write_13(&writer, &none);
		return tls_hs_send(hs, &writer, TLS_EPOCH_HANDSHAKE);
	}
	return tls_hs_send_borrowed(hs,
		tls_certificate_message_13(hs->certificate, tls_hs_is(hs, TLS_HS_WANTS_STAPLE),
			tls_hs_is(hs, TLS_HS_WANTS_SCTS)),
		TLS_EPOCH_HANDSHAKE);
}

enum tls_verdict tls_client13_finished(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_check_finished_13(hs, hs->secrets.v13.server_handshake, body);

	if (verdict != TLS_OK)
		return verdict;
	tls_transcript_add(&hs->transcript, hs->message);
	tls_hs_derive_application_13(hs);
	verdict = tls_hs_read_secret_13(hs, hs->secrets.v13.server_application);
	if (verdict == TLS_OK && tls_hs_owes_change_cipher_spec(hs))
		verdict = tls_hs_send_change_cipher_spec(hs);
	if (verdict == TLS_OK && tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE))
		verdict = send_certificate(hs);
	if (verdict != TLS_OK)
		return verdict;
	if (!tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE) || hs->scheme == NULL)
		return send_finished(hs);
	hs->report.peer_scheme = hs->scheme->code_point;
	hs->next_state = TLS_STATE_CLIENT13_SIGNED;
	return tls_hs_sign_transcript_13(hs, hs->certificate->key);
}

enum tls_verdict tls_client13_signed(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_sign_poll(hs);

	(void)body;
	if (verdict == TLS_OK)
		verdict = tls_hs_send_certificate_verify(hs, TLS_EPOCH_HANDSHAKE);
	return verdict == TLS_OK ? send_finished(hs) : verdict;
}
