// SPDX-License-Identifier: Apache-2.0
//
// The server of TLS 1.3 (RFC 8446 2, 4):
//
//   ClientHello                     -> (share missing)  HelloRetryRequest, and once more
//   share accepted      WAIT_KX     -> ServerHello {EncryptedExtensions [CertificateRequest Certificate
//   transcript signed   WAIT_SIGN       CertificateVerify] Finished}
//   [Certificate        WAIT_VERIFY
//    CertificateVerify  WAIT_SIGN]
//   Finished                        -> {NewSessionTicket ...}
//
// Nothing of the first flight leaves before it is complete, so that it goes out in as few packets as
// possible.
#include "base/wipe.h"
#include "tls/certificate_request.h"
#include "tls/encrypted_extensions.h"
#include "tls/handshake_state.h"
#include "tls/new_session_ticket.h"
#include "tls/server.h"
#include "tls/server_hello.h"

enum {
	EARLY_DATA_MAX = 16384, // that is passed over
	IDENTITIES_TRIED = 4,
	SHARES_CHECKED = 8,
};

static const struct tls_suite *choose_suite(
	const struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	for (uint32_t i = 0; i < hs->common->suites.n; i++) {
		const struct tls_suite *suite = tls_suite_find(hs->common->suites.numbers[i]);

		if (suite->version == TLS_VERSION_13 && tls_list_has(hello->suites, suite->id))
			return suite;
	}
	return NULL;
}

// RFC 8446 4.2.8: a share for a group that is not listed, or two for one group. Only of the first few is it
// found out; nobody has reason to send more.
static enum tls_verdict check_shares(const struct tls_client_hello *hello)
{
	uint16_t seen[SHARES_CHECKED];
	struct span list = hello->key_shares;
	struct tls_key_share entry;
	unsigned n = 0;

	while (n < SHARES_CHECKED && tls_next_key_share(&list, &entry)) {
		if (!tls_list_has(hello->groups, entry.group))
			return TLS_REFUSE_ILLEGAL_PARAMETER;
		for (unsigned i = 0; i < n; i++) {
			if (seen[i] == entry.group)
				return TLS_REFUSE_ILLEGAL_PARAMETER;
		}
		seen[n++] = entry.group;
	}
	return TLS_OK;
}

// RFC 8446 9.2: which extensions must be there.
static enum tls_verdict check_extensions(const struct tls_client_hello *hello)
{
	if (tls_client_hello_has(hello, TLS_EXTENSION_PRE_SHARED_KEY) &&
		!tls_client_hello_has(hello, TLS_EXTENSION_PSK_KEY_EXCHANGE_MODES))
		return TLS_REFUSE_MISSING_EXTENSION;
	if (!tls_client_hello_has(hello, TLS_EXTENSION_SUPPORTED_GROUPS) ||
		!tls_client_hello_has(hello, TLS_EXTENSION_KEY_SHARE))
		return TLS_REFUSE_MISSING_EXTENSION;
	if (!tls_client_hello_has(hello, TLS_EXTENSION_SIGNATURE_ALGORITHMS) &&
		!tls_client_hello_has(hello, TLS_EXTENSION_PRE_SHARED_KEY))
		return TLS_REFUSE_MISSING_EXTENSION;
	return check_shares(hello);
}

// The share for a group. RFC 8446 4.2.8: at most one, which makes a second one illegal.
static enum tls_verdict find_share(
	const struct tls_client_hello *hello, uint16_t group, struct span *out_share, bool *out_found)
{
	struct span list = hello->key_shares;
	struct tls_key_share entry;

	*out_found = false;
	while (tls_next_key_share(&list, &entry)) {
		if (entry.group != group)
			continue;
		if (*out_found)
			return TLS_REFUSE_ILLEGAL_PARAMETER;
		*out_share = entry.share;
		*out_found = true;
	}
	return TLS_OK;
}

// The best group that needs no second round, else the best that both have.
static enum tls_verdict choose_group(struct tls_handshake *hs, const struct tls_client_hello *hello,
	struct span *out_share, bool *out_found)
{
	const struct group *common = NULL;

	for (uint32_t i = 0; i < hs->common->groups.n; i++) {
		uint16_t number = hs->common->groups.numbers[i];
		enum tls_verdict verdict = find_share(hello, number, out_share, out_found);
		bool supported = tls_list_has(hello->groups, number);

		if (verdict != TLS_OK)
			return verdict;
		if (*out_found && !supported)
			return TLS_REFUSE_ILLEGAL_PARAMETER;
		if (supported && common == NULL)
			common = group_find(number);
		if (*out_found) {
			hs->group = group_find(number);
			return TLS_OK;
		}
	}
	hs->group = common;
	return common != NULL ? TLS_OK : TLS_REFUSE_HANDSHAKE_FAILURE;
}

// RFC 8446 4.2.11.2. The transcript holds what came before this ClientHello.
static bool binder_is_right(struct tls_handshake *hs, const struct tls_client_hello *hello,
	struct span binder, const struct tls_session_state *session)
{
	enum hash_id hash = hs->suite->hash;
	struct tls_transcript transcript = hs->transcript;
	uint8_t digest[HASH_MAX_LEN];
	uint8_t expected[HASH_MAX_LEN];

	tls_transcript_add(&transcript, span_of(hs->message.data, hs->message.len - hello->binders_len));
	tls_transcript_hash(&transcript, hash, digest);
	tls_schedule_early(&hs->schedule, hash, span_of(session->secret, session->secret_len));
	tls_schedule_binder(&hs->schedule, span_of(digest, hash_len(hash)), expected);
	return binder.len == hash_len(hash) && constant_time_equal(binder.data, expected, binder.len);
}

// A server that gives no tickets takes none.
static bool may_resume(const struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	return hello->identities.len != 0 && hello->psk_dhe && hs->server->n_tickets != 0;
}

static bool identity_serves(
	struct tls_handshake *hs, const struct tls_psk_identity *identity, struct tls_session_state *out)
{
	return tls_ticket_open(hs->engine, identity->ticket, out, &hs->ticket_is_old) &&
	       tls_session_fits(hs, out) && tls_suite_find(out->suite)->hash == hs->suite->hash;
}

// Whether the first ClientHello offers a session that we would take, which the second one then has to offer
// too.
static bool some_identity_serves(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	struct span identities = hello->identities;
	struct tls_psk_identity identity;
	struct tls_session_state session;
	bool serves = false;

	for (unsigned i = 0; i < IDENTITIES_TRIED && !serves && tls_next_identity(&identities, &identity);
		i++)
		serves = identity_serves(hs, &identity, &session);
	wipe(&session, sizeof session);
	return serves;
}

// The first identity that opens and fits is the one; its binder must be right.
static enum tls_verdict try_identities(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	struct span identities = hello->identities;
	struct span binders = hello->binders;
	struct tls_psk_identity identity;
	struct tls_session_state session;
	struct span binder;

	for (uint16_t idx = 0; idx < IDENTITIES_TRIED && tls_next_identity(&identities, &identity) &&
			       tls_next_vector8(&binders, &binder);
		idx++) {
		if (!identity_serves(hs, &identity, &session)) {
			tls_engine_count(hs->engine, COUNTER_TLS_TICKETS_REFUSED);
			continue;
		}
		if (!binder_is_right(hs, hello, binder, &session)) {
			wipe(&session, sizeof session);
			return TLS_REFUSE_DECRYPT_ERROR;
		}
		hs->session = session;
		hs->selected_identity = idx;
		hs->flags |= TLS_HS_PSK;
		hs->report.resumed = true;
		hs->report.peer_authenticated = session.peer_authenticated;
		memcpy(hs->peer_hash, session.peer_hash, sizeof hs->peer_hash);
		tls_engine_count(hs->engine, COUNTER_TLS_TICKETS_ACCEPTED);
		break;
	}
	wipe(&session, sizeof session);
	return TLS_OK;
}

// With a group and a share everything else follows: session or certificate, then the shared secret.
static enum tls_verdict accept_share(
	struct tls_handshake *hs, const struct tls_client_hello *hello, struct span share)
{
	enum tls_verdict verdict = TLS_OK;

	if (may_resume(hs, hello))
		verdict = try_identities(hs, hello);
	if (verdict != TLS_OK)
		return verdict;
	if (!tls_hs_is(hs, TLS_HS_PSK)) {
		if (!tls_client_hello_has(hello, TLS_EXTENSION_SIGNATURE_ALGORITHMS))
			return TLS_REFUSE_MISSING_EXTENSION;
		if (!tls_server_choose_certificate(hs, hello, hs->suite))
			return TLS_REFUSE_HANDSHAKE_FAILURE;
		tls_server_commit_certificate(hs);
		tls_schedule_early(&hs->schedule, hs->suite->hash, span_of(NULL, 0));
	}
	hs->report.group = hs->group->id;
	tls_transcript_add(&hs->transcript, hs->message);
	hs->next_state = TLS_STATE_SERVER13_SHARED;
	return tls_hs_kx_begun(hs, key_exchange_accept(hs->engine->crypto, &hs->exchange, hs->group, share));
}

static enum tls_verdict send_ccs_once(struct tls_handshake *hs)
{
	if (!tls_hs_is(hs, TLS_HS_MIDDLEBOX) || tls_hs_is(hs, TLS_HS_CCS_SENT))
		return TLS_OK;
	hs->flags |= TLS_HS_CCS_SENT;
	return tls_hs_send_change_cipher_spec(hs);
}

static enum tls_verdict send_retry(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	struct writer writer = tls_hs_writer(hs);
	enum tls_verdict verdict;

	if (may_resume(hs, hello) && some_identity_serves(hs, hello))
		hs->flags |= TLS_HS_EXPECTS_PSK;
	tls_transcript_add(&hs->transcript, hs->message);
	tls_transcript_fold(&hs->transcript, hs->suite->hash);
	tls_server_hello_write_13(&writer, &(struct tls_server_hello_13){.random = tls_hello_retry_random,
						   .session_id = span_of(hs->session_id, hs->session_id_len),
						   .suite = hs->suite->id,
						   .key_share = {.group = hs->group->id},
						   .selected_identity = -1});
	verdict = tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
	if (verdict != TLS_OK)
		return verdict;
	hs->report.retried = true;
	tls_engine_count(hs->engine, COUNTER_TLS_HANDSHAKES_RETRIED);
	hs->next_state = TLS_STATE_SERVER13_SECOND_HELLO;
	return send_ccs_once(hs);
}

enum tls_verdict tls_server13_begin(struct tls_handshake *hs, const struct tls_client_hello *hello)
{
	enum tls_verdict verdict = check_extensions(hello);
	const struct tls_suite *suite = choose_suite(hs, hello);
	struct span share;
	bool found;

	// Nothing may follow in the record: the next thing that we read is encrypted, or a second
	// ClientHello.
	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict != TLS_OK)
		return verdict;
	if (suite == NULL)
		return TLS_REFUSE_HANDSHAKE_FAILURE;
	verdict = choose_group(hs, hello, &share, &found);
	if (verdict != TLS_OK)
		return verdict;
	tls_hs_set_version(hs, suite);
	tls_transcript_keep(&hs->transcript, suite->hash);
	tls_hs_set_size_limits(hs, hello->record_size_limit, tls_hs_is(hs, TLS_HS_SIZE_LIMIT));
	if (tls_client_hello_has(hello, TLS_EXTENSION_EARLY_DATA)) {
		hs->flags |= TLS_HS_SKIP_EARLY;
		hs->early_left = EARLY_DATA_MAX;
	}
	return found ? accept_share(hs, hello, share) : send_retry(hs, hello);
}

// RFC 8446 4.1.2: what a second ClientHello may change, and what it must not.
enum tls_verdict tls_server13_second_hello(struct tls_handshake *hs, struct span body)
{
	struct tls_client_hello hello;
	enum tls_verdict verdict = tls_client_hello_parse(body, &hello);
	struct span share;
	struct span list;
	struct tls_key_share only;
	bool found;

	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	if (verdict == TLS_OK)
		verdict = check_extensions(&hello);
	if (verdict != TLS_OK)
		return verdict;
	list = hello.key_shares;
	if (!tls_next_key_share(&list, &only) || list.len != 0 || only.group != hs->group->id)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (hello.compressions.len != 1 || hello.compressions.data[0] != TLS_COMPRESSION_NONE ||
		memcmp(hello.random, hs->client_random, TLS_RANDOM_LEN) != 0 ||
		!span_equal(hello.session_id, span_of(hs->session_id, hs->session_id_len)) ||
		!tls_list_has(hello.suites, hs->suite->id) || !tls_list_has(hello.versions, TLS_VERSION_13) ||
		tls_client_hello_has(&hello, TLS_EXTENSION_EARLY_DATA) ||
		(tls_hs_is(hs, TLS_HS_EXPECTS_PSK) &&
			!tls_client_hello_has(&hello, TLS_EXTENSION_PRE_SHARED_KEY)) ||
		!span_equal(hello.server_name, span_of(hs->report.name, hs->report.name_len)))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	verdict = find_share(&hello, hs->group->id, &share, &found);
	if (verdict != TLS_OK)
		return verdict;
	hs->flags &= ~(uint32_t)TLS_HS_SKIP_EARLY;
	return accept_share(hs, &hello, share);
}

static enum tls_verdict send_hello(struct tls_handshake *hs)
{
	struct writer writer = tls_hs_writer(hs);
	enum tls_verdict verdict;

	random_bytes(&hs->engine->crypto->random, hs->server_random, TLS_RANDOM_LEN);
	tls_server_hello_write_13(&writer,
		&(struct tls_server_hello_13){.random = hs->server_random,
			.session_id = span_of(hs->session_id, hs->session_id_len),
			.suite = hs->suite->id,
			.key_share = {.group = hs->group->id,
				.share = span_of(hs->exchange.share, hs->exchange.share_len)},
			.selected_identity = tls_hs_is(hs, TLS_HS_PSK) ? hs->selected_identity : -1});
	verdict = tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
	return verdict == TLS_OK ? send_ccs_once(hs) : verdict;
}

static enum tls_verdict send_encrypted_extensions(struct tls_handshake *hs)
{
	struct writer writer = tls_hs_writer(hs);

	tls_encrypted_extensions_write(&writer,
		&(struct tls_encrypted_extensions){.alpn = hs->report.alpn,
			.record_size_limit = tls_hs_is(hs, TLS_HS_SIZE_LIMIT) ? hs->common->record_size_limit
									      : 0,
			.acknowledges_name = hs->report.name_acknowledged && !hs->report.resumed});
	return tls_hs_send(hs, &writer, TLS_EPOCH_HANDSHAKE);
}

static enum tls_verdict send_certificate(struct tls_handshake *hs)
{
	struct writer writer;
	enum tls_verdict verdict = TLS_OK;

	if (hs->server->client_auth != TLS_CLIENT_AUTH_NONE) {
		writer = tls_hs_writer(hs);
		tls_certificate_request_write_13(&writer, hs->common->signatures.numbers,
			hs->common->signatures.n, hs->server->authorities);
		hs->flags |= TLS_HS_ASKED_CERTIFICATE;
		verdict = tls_hs_send(hs, &writer, TLS_EPOCH_HANDSHAKE);
	}
	if (verdict != TLS_OK)
		return verdict;
	return tls_hs_send_borrowed(hs, tls_hs_own_certificate_13(hs), TLS_EPOCH_HANDSHAKE);
}

// Our Finished ends the flight; what the client says next is under its handshake keys.
static enum tls_verdict send_finished(struct tls_handshake *hs)
{
	enum tls_verdict verdict = tls_hs_send_finished_13(
		hs, hs->secrets.v13.server_handshake, TLS_EPOCH_HANDSHAKE);

	if (verdict != TLS_OK)
		return verdict;
	tls_hs_derive_application_13(hs);
	return tls_hs_read_secret_13(hs, hs->secrets.v13.client_handshake);
}

enum tls_verdict tls_server13_shared(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_kx_poll(hs);

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	verdict = send_hello(hs);
	if (verdict != TLS_OK)
		return verdict;
	tls_hs_derive_handshake_13(hs);
	verdict = send_encrypted_extensions(hs);
	if (verdict != TLS_OK)
		return verdict;
	if (tls_hs_is(hs, TLS_HS_PSK)) {
		hs->next_state = TLS_STATE_SERVER13_FINISHED;
		return send_finished(hs);
	}
	verdict = send_certificate(hs);
	if (verdict != TLS_OK)
		return verdict;
	return tls_hs_sign_transcript_13(hs, hs->certificate->key);
}

enum tls_verdict tls_server13_signed(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_sign_poll(hs);

	(void)body;
	if (verdict != TLS_OK)
		return verdict;
	verdict = tls_hs_send_certificate_verify(hs, TLS_EPOCH_HANDSHAKE);
	if (verdict != TLS_OK)
		return verdict;
	if (tls_hs_is(hs, TLS_HS_ASKED_CERTIFICATE))
		hs->next_state = TLS_STATE_SERVER13_CERTIFICATE;
	return send_finished(hs);
}

enum tls_verdict tls_server13_certificate(struct tls_handshake *hs, struct span body)
{
	struct tls_cert_chain chain;
	enum tls_verdict verdict = tls_certificate_parse_13(body, 0, &chain);

	if (verdict != TLS_OK)
		return verdict;
	if (chain.n_certificates == 0) {
		hs->next_state = TLS_STATE_SERVER13_FINISHED;
		return hs->server->client_auth == TLS_CLIENT_AUTH_REQUIRED ? TLS_REFUSE_CERTIFICATE_REQUIRED
									   : TLS_OK;
	}
	return tls_hs_ask_verifier(hs, &chain, span_of(NULL, 0));
}

enum tls_verdict tls_server13_chain(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return tls_hs_verifier_answer(hs);
}

enum tls_verdict tls_server13_certificate_verify(struct tls_handshake *hs, struct span body)
{
	return tls_hs_check_certificate_verify_13(hs, body);
}

enum tls_verdict tls_server13_proof(struct tls_handshake *hs, struct span body)
{
	(void)body;
	return tls_hs_proof_answer(hs);
}

// The ticket of a session whose secret is set, with a nonce of one byte.
static enum tls_verdict send_ticket(
	struct tls_handshake *hs, struct tls_session_state *state, struct span nonce)
{
	uint8_t ticket[TLS_OWN_TICKET_LEN];
	struct writer writer = tls_hs_writer(hs);

	random_bytes(&hs->engine->crypto->random, &state->age_add, sizeof state->age_add);
	if (!tls_ticket_seal(hs->engine, state, ticket))
		return TLS_OK;
	tls_new_session_ticket_write_13(
		&writer, &(struct tls_new_session_ticket){.lifetime_s = state->lifetime_s,
				 .age_add = state->age_add,
				 .nonce = nonce,
				 .ticket = span_of(ticket, sizeof ticket)});
	tls_engine_count(hs->engine, COUNTER_TLS_TICKETS_SEALED);
	return tls_hs_send(hs, &writer, TLS_EPOCH_APPLICATION);
}

// The transcript ends with the client's Finished and is not needed after this.
static enum tls_verdict send_tickets(struct tls_handshake *hs)
{
	static const uint8_t numbers[TLS_TICKETS_MAX] = {0, 1, 2, 3};
	enum tls_verdict verdict = TLS_OK;
	uint8_t n = hs->server->n_tickets;
	struct tls_session_state state;
	uint8_t secrets[TLS_TICKETS_MAX][TLS_HASH_MAX];
	uint8_t *secret_at[TLS_TICKETS_MAX];
	struct span nonces[TLS_TICKETS_MAX];
	uint8_t master[TLS_HASH_MAX];
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;

	if (n == 0 || tls_hs_is(hs, TLS_HS_NO_TICKETS))
		return TLS_OK;
	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_schedule_resumption_master(&hs->schedule, hash_span, master);
	for (uint8_t i = 0; i < n; i++) {
		nonces[i] = span_of(&numbers[i], 1);
		secret_at[i] = secrets[i];
	}
	tls_schedule_ticket_psks(hs->suite->hash, master, nonces, secret_at, n);
	tls_session_describe(hs, &state);
	state.secret_len = (uint8_t)hash_span.len;
	hs->transcript.kept = 0;
	for (uint8_t i = 0; i < n && verdict == TLS_OK; i++) {
		memcpy(state.secret, secrets[i], hash_span.len);
		verdict = send_ticket(hs, &state, nonces[i]);
	}
	wipe(secrets, sizeof secrets);
	wipe(&state, sizeof state);
	wipe(master, sizeof master);
	return verdict;
}

enum tls_verdict tls_server13_finished(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_check_finished_13(hs, hs->secrets.v13.client_handshake, body);

	if (verdict != TLS_OK)
		return verdict;
	tls_transcript_add(&hs->transcript, hs->message);
	verdict = tls_hs_read_secret_13(hs, hs->secrets.v13.client_application);
	if (verdict == TLS_OK)
		verdict = send_tickets(hs);
	if (verdict == TLS_OK)
		tls_hs_establish(hs);
	return verdict;
}
