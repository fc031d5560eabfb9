// SPDX-License-Identifier: Apache-2.0
//
// Key exchange, signatures made and checked, and chains judged: what both roles do with the crypto layer and
// the verifier, each as a step that is done at once or waits.
#include "tls/client_hello.h"
#include "tls/handshake_state.h"

static enum tls_verdict kx_result(enum key_exchange_status status)
{
	switch (status) {
	case KEY_EXCHANGE_DONE:
		return TLS_OK;
	case KEY_EXCHANGE_WAIT:
		return TLS_WAITS_KX;
	case KEY_EXCHANGE_BAD_SHARE:
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	default:
		return TLS_REFUSE_INTERNAL_ERROR;
	}
}

enum tls_verdict tls_hs_kx_begun(struct tls_handshake *hs, enum key_exchange_status status)
{
	hs->event_ready = status == KEY_EXCHANGE_DONE;
	return kx_result(status);
}

// For the handlers of events: while it waits on, the state stays.
enum tls_verdict tls_hs_kx_poll(struct tls_handshake *hs)
{
	enum tls_verdict verdict = hs->event_ready ? TLS_OK : kx_result(key_exchange_poll(&hs->exchange));

	if (verdict == TLS_WAITS_KX)
		hs->next_state = hs->state;
	return verdict;
}

static enum tls_verdict sign_result(enum sign_status status)
{
	switch (status) {
	case SIGN_DONE:
		return TLS_OK;
	case SIGN_WAIT:
		return TLS_WAITS_SIGN;
	default:
		return TLS_REFUSE_INTERNAL_ERROR;
	}
}

static void begin_signing(struct tls_handshake *hs)
{
	SLUICE_ASSERT(!hs->proof_active || hs->client != NULL);
	if (hs->proof_active)
		verification_destroy(hs->engine->crypto, &hs->proof.verification);
	hs->proof_active = false;
	if (hs->signing_active)
		signing_destroy(hs->engine->crypto, &hs->signing);
	signing_init(&hs->signing, hs);
	hs->signing_active = true;
}

static enum tls_verdict sign_begun(struct tls_handshake *hs, enum sign_status status)
{
	hs->event_ready = status == SIGN_DONE;
	return sign_result(status);
}

enum tls_verdict tls_hs_sign(struct tls_handshake *hs, const struct private_key *key, struct span content)
{
	begin_signing(hs);
	return sign_begun(hs, sign_start(hs->engine->crypto, &hs->signing, key, hs->scheme, content));
}

enum tls_verdict tls_hs_sign_digest(
	struct tls_handshake *hs, const struct private_key *key, const uint8_t *digest)
{
	begin_signing(hs);
	return sign_begun(hs, sign_start_digest(hs->engine->crypto, &hs->signing, key, hs->scheme, digest));
}

enum tls_verdict tls_hs_sign_poll(struct tls_handshake *hs)
{
	enum tls_verdict verdict = hs->event_ready ? TLS_OK : sign_result(sign_poll(&hs->signing));

	if (verdict == TLS_WAITS_SIGN)
		hs->next_state = hs->state;
	return verdict;
}

// A bad signature is decrypt_error in both versions (RFC 8446 4.4.3, RFC 5246 7.2.2).
static enum tls_verdict prove_result(enum verify_status status)
{
	switch (status) {
	case VERIFY_GOOD:
		return TLS_OK;
	case VERIFY_WAIT:
		return TLS_WAITS_SIGN;
	default:
		return TLS_REFUSE_DECRYPT_ERROR;
	}
}

// The scheme must be one that we offered and fit the certificate's key.
static enum tls_verdict check_peer_scheme(const struct tls_handshake *hs, uint16_t number)
{
	const struct scheme *scheme = scheme_find(number);
	const struct tls_preferences *offered = &hs->common->signatures;
	bool was_offered = false;
	bool fits;

	for (uint32_t i = 0; i < offered->n; i++)
		was_offered = was_offered || offered->numbers[i] == number;
	if (scheme == NULL || !was_offered)
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (tls_conn_is(hs->conn, TLS_CONN_IS_13))
		fits = scheme->in_tls13 && scheme_fits_tls13(scheme, hs->proof.peer_key.type);
	else
		fits = scheme_fits_tls12(scheme, hs->proof.peer_key.type);
	return fits ? TLS_OK : TLS_REFUSE_ILLEGAL_PARAMETER;
}

static enum tls_verdict begin_proof(struct tls_handshake *hs, uint16_t scheme)
{
	if (tls_hs_is_server(hs))
		hs->report.peer_scheme = scheme;
	else
		hs->report.scheme = scheme;
	return check_peer_scheme(hs, scheme);
}

static enum tls_verdict proof_begun(struct tls_handshake *hs, enum verify_status status)
{
	hs->event_ready = status == VERIFY_GOOD;
	return prove_result(status);
}

enum tls_verdict tls_hs_prove(
	struct tls_handshake *hs, uint16_t scheme, struct span content, struct span signature)
{
	const struct span message_and_signature[2] = {content, signature};
	enum tls_verdict verdict = begin_proof(hs, scheme);

	if (verdict != TLS_OK)
		return verdict;
	return proof_begun(hs, verify_start(hs->engine->crypto, &hs->proof.verification, &hs->proof.peer_key,
				       scheme_find(scheme), message_and_signature));
}

enum tls_verdict tls_hs_prove_digest(
	struct tls_handshake *hs, uint16_t scheme, struct span digest, struct span signature)
{
	const struct span digest_and_signature[2] = {digest, signature};
	enum tls_verdict verdict = begin_proof(hs, scheme);

	if (verdict != TLS_OK)
		return verdict;
	return proof_begun(hs, verify_start_digest(hs->engine->crypto, &hs->proof.verification,
				       &hs->proof.peer_key, scheme_find(scheme), digest_and_signature));
}

enum tls_verdict tls_hs_proof_answer(struct tls_handshake *hs)
{
	enum tls_verdict verdict = hs->event_ready ? TLS_OK
						   : prove_result(verify_poll(&hs->proof.verification));

	if (verdict == TLS_WAITS_SIGN)
		hs->next_state = hs->state;
	if (verdict == TLS_OK)
		hs->report.peer_authenticated = true;
	return verdict;
}

void tls_hs_take_answer(struct tls_handshake *hs, const struct tls_verify_answer *answer)
{
	hs->answered = true;
	hs->verdict_on_chain = (uint16_t)answer->verdict;
	hs->proof.peer_key = answer->key;
	hs->report.peer_name_len = answer->name_len;
	memcpy(hs->report.peer_name, answer->name, answer->name_len);
}

enum tls_verdict tls_hs_ask_verifier(
	struct tls_handshake *hs, const struct tls_cert_chain *chain, struct span name)
{
	struct tls_verifier *verifier = hs->common->verifier;
	struct tls_reference who = {.idx = hs->conn->handshake_idx, .generation = hs->generation};
	struct tls_verify_question question = {
		.chain = chain,
		.name = name,
		.peer_is_server = !tls_hs_is_server(hs),
		.config = tls_hs_is_server(hs) ? (const void *)hs->server : (const void *)hs->client,
		.owner = hs->owner,
	};
	struct tls_verify_answer answer = {0};
	uint8_t digest[HASH_MAX_LEN];

	if (verifier == NULL)
		return TLS_REFUSE_CERTIFICATE_UNKNOWN;
	if (hs->signing_active)
		signing_destroy(hs->engine->crypto, &hs->signing);
	hs->signing_active = false;
	verification_init(&hs->proof.verification, hs);
	hs->proof_active = true;
	hs->answered = false;
	hash_digest(HASH_SHA256, chain->certificates[0], digest);
	memcpy(hs->peer_hash, digest, sizeof hs->peer_hash);
	if (!verifier->ask(verifier, who, &question, &answer))
		return TLS_WAITS_VERIFY;
	tls_hs_take_answer(hs, &answer);
	return TLS_OK;
}

enum tls_verdict tls_hs_verifier_answer(struct tls_handshake *hs)
{
	if (!hs->answered) {
		hs->next_state = hs->state;
		return TLS_WAITS_VERIFY;
	}
	return (enum tls_verdict)hs->verdict_on_chain;
}

const struct scheme *tls_choose_scheme(const struct tls_handshake *hs, struct span peer_list,
	const struct tls_preferences *ours, uint16_t version)
{
	enum key_type type = private_key_type(hs->certificate->key);

	for (uint32_t i = 0; i < ours->n; i++) {
		const struct scheme *scheme = scheme_find(ours->numbers[i]);
		bool fits = version == TLS_VERSION_13
				    ? scheme->in_tls13 && scheme_fits_tls13(scheme, type)
				    : scheme_fits_tls12(scheme, type) && tls_hs_has_hash_12(hs, scheme);

		if (fits && tls_list_has(peer_list, scheme->code_point))
			return scheme;
	}
	return NULL;
}
