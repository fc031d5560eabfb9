// SPDX-License-Identifier: Apache-2.0
//
// The client of TLS 1.2 (RFC 5246 7.3), ephemeral elliptic curves only:
//
//   ServerHello            session known: [NewSessionTicket] ccs Finished          -> ccs Finished
//   Certificate            kept
//   [CertificateStatus]    kept
//   ServerKeyExchange      kept, WAIT_VERIFY for the chain, then WAIT_SIGN for its signature
//   [CertificateRequest]
//   ServerHelloDone        WAIT_KX, [WAIT_SIGN]    -> [Certificate] ClientKeyExchange [CertificateVerify]
//                                                     ccs Finished
//   [NewSessionTicket] ccs Finished
//
// The chain is judged together with its staple, which comes after it; so all three messages are kept until
// the last of them is there.
#include "base/wipe.h"
#include "tls/certificate_request.h"
#include "tls/certificate_verify.h"
#include "tls/client.h"
#include "tls/handshake_state.h"
#include "tls/key_exchange_12.h"
#include "tls/new_session_ticket.h"

// In the order in which they come.
enum {
	KEPT_TIMESTAMPS,
	KEPT_CERTIFICATE,
	KEPT_STAPLE,
	KEPT_KEY_EXCHANGE
};

enum {
	DEFAULT_LIFETIME_S = 2 * 3600
}; // where the server leaves it open (RFC 5077 3.3)

static enum tls_verdict keep(struct tls_handshake *hs, unsigned which, struct span bytes)
{
	if (!tls_buffer_append(hs->engine, &hs->kept, bytes))
		return TLS_REFUSE_INTERNAL_ERROR;
	hs->kept_lens[which] = (uint32_t)bytes.len;
	return TLS_OK;
}

static struct span kept(const struct tls_handshake *hs, unsigned which)
{
	size_t offset = hs->kept.start;

	if (hs->kept_lens[which] == 0)
		return span_of(NULL, 0);
	for (unsigned i = 0; i < which; i++)
		offset += hs->kept_lens[i];
	return span_of(hs->kept.data + offset, hs->kept_lens[which]);
}

// RFC 7627 5.3: the extension must be there in the resumed handshake exactly if it was in the first; we keep
// no sessions without it.
static enum tls_verdict begin_resumed(
	struct tls_handshake *hs, const struct tls_session *session, const struct tls_server_hello *hello)
{
	if (hello->suite != session->state.suite || session->state.secret_len != TLS_MASTER_SECRET_LEN)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (!hs->extended_master_secret)
		return TLS_REFUSE_HANDSHAKE_FAILURE;
	hs->report.resumed = true;
	hs->report.extended_master_secret = true;
	memcpy(hs->secrets.v12.master, session->state.secret, TLS_MASTER_SECRET_LEN);
	hs->session = session->state;
	tls_hs_drop_messages(hs);
	tls_hs_derive_keys_12(hs);
	hs->next_state = TLS_STATE_CLIENT12_CHANGE_CIPHER_SPEC;
	return TLS_OK;
}

enum tls_verdict tls_client12_begin(struct tls_handshake *hs, const struct tls_server_hello *hello)
{
	const struct tls_session *session = tls_client_session(hs);
	bool echoed = hello->session_id.len != 0 &&
		      span_equal(hello->session_id, span_of(hs->session_id, hs->session_id_len));
	enum tls_verdict verdict = tls_client_take_protocol(hs, hello->alpn);

	if (verdict != TLS_OK)
		return verdict;
	tls_hs_set_version(hs, tls_suite_find(hello->suite));
	tls_hs_add_message(hs, hs->message);
	key_exchange_destroy(hs->engine->crypto, &hs->exchange);
	key_exchange_init(&hs->exchange, hs);
	hs->extended_master_secret = tls_server_hello_has(hello, TLS_EXTENSION_EXTENDED_MASTER_SECRET);
	tls_hs_set_size_limits(hs, hello->record_size_limit, hello->record_size_limit != 0);
	if (tls_server_hello_has(hello, TLS_EXTENSION_SESSION_TICKET))
		hs->flags |= TLS_HS_TICKET_12;
	if (tls_server_hello_has(hello, TLS_EXTENSION_STATUS_REQUEST))
		hs->flags |= TLS_HS_STAPLE_PROMISED;
	hs->next_state = TLS_STATE_CLIENT12_CERTIFICATE;
	if (echoed) {
		// An ID that stands for no session of TLS 1.2 can't be resumed (RFC 8446 4.1.3).
		if (session == NULL || session->state.version != TLS_VERSION_12)
			return TLS_REFUSE_ILLEGAL_PARAMETER;
		verdict = begin_resumed(hs, session, hello);
	}
	hs->session_id_len = (uint8_t)hello->session_id.len;
	memcpy(hs->session_id, hello->session_id.data, hello->session_id.len);
	tls_client_drop_session(hs);
	if (verdict != TLS_OK || hs->report.resumed)
		return verdict;
	return keep(hs, KEPT_TIMESTAMPS, hello->scts);
}

enum tls_verdict tls_client12_certificate(struct tls_handshake *hs, struct span body)
{
	struct tls_cert_chain chain;
	enum tls_verdict verdict = tls_certificate_parse_12(body, &chain);

	if (verdict != TLS_OK)
		return verdict;
	if (chain.n_certificates == 0)
		return TLS_REFUSE_DECODE_ERROR;
	return keep(hs, KEPT_CERTIFICATE, body);
}

enum tls_verdict tls_client12_status(struct tls_handshake *hs, struct span body)
{
	struct span staple;
	enum tls_verdict verdict = tls_certificate_status_parse(body, &staple);

	if (!tls_hs_is(hs, TLS_HS_STAPLE_PROMISED))
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict != TLS_OK)
		return verdict;
	hs->flags &= ~(uint32_t)TLS_HS_STAPLE_PROMISED;
	return keep(hs, KEPT_STAPLE, staple);
}

static bool is_among(const struct tls_preferences *list, uint16_t number)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->numbers[i] == number)
			return true;
	}
	return false;
}

enum tls_verdict tls_client12_key_exchange(struct tls_handshake *hs, struct span body)
{
	struct tls_server_key_exchange exchange;
	struct tls_cert_chain chain;
	enum tls_verdict verdict = tls_server_key_exchange_parse(body, &exchange);

	if (verdict != TLS_OK)
		return verdict;
	hs->group = group_find(exchange.group);
	if (hs->group == NULL || !is_among(&hs->common->groups, exchange.group))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (exchange.share.len != hs->group->client_share_len)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	hs->report.group = exchange.group;
	verdict = keep(hs, KEPT_KEY_EXCHANGE, body);
	if (verdict != TLS_OK)
		return verdict;
	verdict = tls_certificate_parse_12(kept(hs, KEPT_CERTIFICATE), &chain);
	if (verdict != TLS_OK)
		return verdict;
	chain.staple = kept(hs, KEPT_STAPLE);
	chain.scts = kept(hs, KEPT_TIMESTAMPS);
	return tls_hs_ask_verifier(hs, &chain, span_of(hs->report.name, hs->report.name_len));
}

// RFC 8422 5.1.1: our list of groups also says which curves the certificate may be on.
static bool curve_is_ours(const struct tls_handshake *hs, enum key_type type)
{
	if (type == KEY_ECDSA_P256)
		return is_among(&hs->common->groups, GROUP_SECP256R1);
	return type != KEY_ECDSA_P384 || is_among(&hs->common->groups, GROUP_SECP384R1);
}

// The suite says what kind of key it must be (RFC 5246 7.4.2); then the signature over the parameters.
enum tls_verdict tls_client12_chain(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_verifier_answer(hs);
	struct tls_server_key_exchange exchange;
	uint8_t content[SIGN_MESSAGE_MAX_LEN];
	struct writer writer = writer_over((struct mut_span){.data = content, .len = sizeof content});

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	if (!tls_suite_fits_key(hs->suite, hs->proof.peer_key.type) ||
		!curve_is_ours(hs, hs->proof.peer_key.type))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	verdict = tls_server_key_exchange_parse(kept(hs, KEPT_KEY_EXCHANGE), &exchange);
	if (verdict != TLS_OK)
		return verdict;
	writer_bytes(&writer, span_of(hs->client_random, TLS_RANDOM_LEN));
	writer_bytes(&writer, span_of(hs->server_random, TLS_RANDOM_LEN));
	writer_bytes(&writer, exchange.params);
	if (!writer_ok(&writer))
		return TLS_REFUSE_INTERNAL_ERROR;
	return tls_hs_prove(hs, exchange.scheme, writer_span(&writer), exchange.signature);
}

enum tls_verdict tls_client12_proof(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return tls_hs_proof_answer(hs);
}

enum tls_verdict tls_client12_certificate_request(struct tls_handshake *hs, struct span body)
{
	struct tls_certificate_request request;
	enum tls_verdict verdict = tls_certificate_request_parse_12(body, &request);
	bool is_rsa;

	if (verdict != TLS_OK)
		return verdict;
	if (tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE))
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	tls_client_choose_certificate(hs, request.signatures, TLS_VERSION_12);
	if (hs->scheme == NULL)
		return TLS_OK;
	is_rsa = hs->scheme->kind == SCHEME_KIND_RSA_PSS || hs->scheme->kind == SCHEME_KIND_RSA_PKCS1;
	if (!(is_rsa ? request.takes_rsa : request.takes_ecdsa))
		hs->scheme = NULL;
	return TLS_OK;
}

// The server's share is the one that we answer: for the key exchange the client is the accepting side here.
enum tls_verdict tls_client12_hello_done(struct tls_handshake *hs, struct span body)
{
	struct tls_server_key_exchange exchange;
	enum tls_verdict verdict;

	if (body.len != 0)
		return TLS_REFUSE_DECODE_ERROR;
	// It is our turn: whatever the server has to say next answers our flight.
	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	verdict = tls_server_key_exchange_parse(kept(hs, KEPT_KEY_EXCHANGE), &exchange);
	if (verdict != TLS_OK)
		return verdict;
	verdict = tls_hs_kx_begun(
		hs, key_exchange_accept(hs->engine->crypto, &hs->exchange, hs->group, exchange.share));
	tls_client_drop_session(hs);
	if (!tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE) || hs->scheme == NULL)
		tls_hs_drop_messages(hs);
	return verdict;
}

static enum tls_verdict send_certificate(struct tls_handshake *hs)
{
	static const struct tls_cert_chain none;
	struct writer writer;

	if (!tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE))
		return TLS_OK;
	if (hs->scheme != NULL)
		return tls_hs_send_borrowed(hs, hs->certificate->message_12, TLS_EPOCH_PLAIN);
	writer = tls_hs_writer(hs);
	tls_certificate_write_12(&writer, &none);
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

enum tls_verdict tls_client12_shared(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_kx_poll(hs);
	struct writer writer;

	(void)body;
	if (verdict == TLS_OK)
		verdict = send_certificate(hs);
	if (verdict != TLS_OK)
		return verdict;
	writer = tls_hs_writer(hs);
	tls_client_key_exchange_write(&writer, span_of(hs->exchange.share, hs->exchange.share_len));
	verdict = tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
	if (verdict != TLS_OK)
		return verdict;
	tls_hs_derive_master_12(
		hs, span_of(hs->exchange.secret, hs->exchange.group->secret_len), hs->extended_master_secret);
	key_exchange_destroy(hs->engine->crypto, &hs->exchange);
	key_exchange_init(&hs->exchange, hs);
	tls_hs_derive_keys_12(hs);
	if (!tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE) || hs->scheme == NULL)
		return tls_hs_send_finished_12(hs);
	hs->report.peer_scheme = hs->scheme->code_point;
	hs->next_state = TLS_STATE_CLIENT12_SIGNED;
	return tls_hs_sign_transcript_12(hs, hs->certificate->key);
}

enum tls_verdict tls_client12_signed(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_sign_poll(hs);

	(void)body;
	if (verdict == TLS_OK)
		verdict = tls_hs_send_certificate_verify(hs, TLS_EPOCH_PLAIN);
	if (verdict != TLS_OK)
		return verdict;
	tls_hs_drop_messages(hs);
	return tls_hs_send_finished_12(hs);
}

enum tls_verdict tls_client12_ticket(struct tls_handshake *hs, struct span body)
{
	struct tls_new_session_ticket ticket;
	enum tls_verdict verdict = tls_new_session_ticket_parse_12(body, &ticket);

	if (!tls_hs_is(hs, TLS_HS_TICKET_12))
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict != TLS_OK)
		return verdict;
	hs->flags &= ~(uint32_t)TLS_HS_TICKET_12;
	if (ticket.ticket.len == 0 || ticket.ticket.len > TLS_TICKET_MAX)
		return TLS_OK;
	hs->ticket_lifetime_s = ticket.lifetime_s;
	return keep(hs, KEPT_CERTIFICATE, ticket.ticket);
}

enum tls_verdict tls_client12_change_cipher_spec(struct tls_handshake *hs, struct span body)
{
	// A promised ticket has to come (RFC 5077 3.3).
	if (tls_hs_is(hs, TLS_HS_TICKET_12))
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	return tls_hs_read_change_cipher_spec_12(hs, body);
}

// A new ticket, or a session ID where there is none; not without the extended master secret.
static void keep_session(struct tls_handshake *hs)
{
	struct tls_session session;
	struct span ticket = kept(hs, KEPT_CERTIFICATE);

	if (hs->client->keep_session == NULL || !hs->extended_master_secret ||
		(ticket.len == 0 && (hs->session_id_len == 0 || hs->report.resumed)))
		return;
	tls_session_describe(hs, &session.state);
	session.state.lifetime_s = hs->ticket_lifetime_s != 0 ? hs->ticket_lifetime_s : DEFAULT_LIFETIME_S;
	session.state.secret_len = TLS_MASTER_SECRET_LEN;
	memcpy(session.state.secret, hs->secrets.v12.master, TLS_MASTER_SECRET_LEN);
	session.received_us = hs->engine->crypto->now_us;
	session.session_id_len = hs->session_id_len;
	memcpy(session.session_id, hs->session_id, TLS_SESSION_ID_MAX);
	session.ticket_len = (uint16_t)ticket.len;
	if (ticket.len != 0)
		memcpy(session.ticket, ticket.data, ticket.len);
	hs->client->keep_session(hs->client->keep_context, hs->owner, &session);
	wipe(&session, sizeof session);
}

enum tls_verdict tls_client12_finished(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_check_finished_12(hs, body);

	if (verdict == TLS_OK && hs->report.resumed)
		verdict = tls_hs_send_finished_12(hs);
	if (verdict != TLS_OK)
		return verdict;
	keep_session(hs);
	tls_client_drop_session(hs);
	tls_hs_establish(hs);
	return TLS_OK;
}
