// SPDX-License-Identifier: Apache-2.0
//
// The client's hellos: what it offers, and what of the ServerHello is the same for both versions; the rest is
// in client_13.c and client_12.c.
#include "tls/client.h"

#include "base/wipe.h"
#include "tls/client_hello.h"
#include "tls/handshake_state.h"

enum {
	SUITES_MAX = 16
};

static bool session_is_usable(const struct tls_handshake *hs, const struct tls_session *session)
{
	const struct tls_suite *suite = tls_suite_find(session->state.suite);
	uint64_t age_s = (hs->engine->crypto->now_us - session->received_us) / 1000000;
	bool offered = false;

	for (uint32_t i = 0; i < hs->common->suites.n; i++)
		offered = offered || hs->common->suites.numbers[i] == session->state.suite;
	return suite != NULL && offered && session->state.version >= hs->common->version_min &&
	       session->state.version <= hs->common->version_max && age_s <= session->state.lifetime_s &&
	       session->state.secret_len <= TLS_HASH_MAX && session->ticket_len <= TLS_TICKET_MAX &&
	       session->session_id_len <= TLS_SESSION_ID_MAX;
}

void tls_hs_offer_session(struct tls_handshake *hs, const struct tls_session *session)
{
	// Without room the handshake is a full one.
	if (session != NULL && session_is_usable(hs, session))
		hs->kept_session = tls_buffer_append(
			hs->engine, &hs->kept, span_of(session, sizeof *session));
}

const struct tls_session *tls_client_session(const struct tls_handshake *hs)
{
	return hs->kept_session ? (const struct tls_session *)(const void *)hs->kept.data : NULL;
}

void tls_client_drop_session(struct tls_handshake *hs)
{
	if (hs->kept.data != NULL)
		wipe(hs->kept.data, hs->kept.len);
	tls_buffer_release(&hs->kept);
	hs->kept_session = false;
	memset(hs->kept_lens, 0, sizeof hs->kept_lens);
}

static bool offers_13(const struct tls_handshake *hs)
{
	return hs->common->version_max >= TLS_VERSION_13;
}

static const struct tls_session *session_of_version(const struct tls_handshake *hs, uint16_t version)
{
	const struct tls_session *session = tls_client_session(hs);

	return session != NULL && session->state.version == version ? session : NULL;
}

// TLS 1.3 wants one so that it looks like a resumption to boxes in the middle (RFC 8446 D.4); with a ticket
// of TLS 1.2 its echo says that the ticket was taken (RFC 5077 3.4).
static void choose_session_id(struct tls_handshake *hs)
{
	const struct tls_session *session = session_of_version(hs, TLS_VERSION_12);

	if (session != NULL && session->ticket_len == 0) {
		hs->session_id_len = session->session_id_len;
		memcpy(hs->session_id, session->session_id, session->session_id_len);
	} else if (session != NULL || offers_13(hs)) {
		hs->session_id_len = TLS_SESSION_ID_MAX;
		random_bytes(&hs->engine->crypto->random, hs->session_id, TLS_SESSION_ID_MAX);
	}
	if (offers_13(hs))
		hs->flags |= TLS_HS_MIDDLEBOX;
}

enum tls_verdict tls_client_start_hello(struct tls_handshake *hs, struct span body)
{
	(void)body;
	random_bytes(&hs->engine->crypto->random, hs->client_random, TLS_RANDOM_LEN);
	if (hs->client->certificate != NULL && hs->common->version_min <= TLS_VERSION_12)
		tls_hs_keep_messages(hs);
	choose_session_id(hs);
	hs->event_ready = true;
	if (!offers_13(hs))
		return TLS_OK;
	hs->group = group_find(hs->common->groups.numbers[0]);
	return tls_hs_kx_begun(hs, key_exchange_make_share(hs->engine->crypto, &hs->exchange, hs->group));
}

// The suites of the versions that are offered.
static uint32_t list_suites(const struct tls_handshake *hs, uint16_t out[SUITES_MAX])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < hs->common->suites.n && n < SUITES_MAX; i++) {
		const struct tls_suite *suite = tls_suite_find(hs->common->suites.numbers[i]);

		if (suite->version >= hs->common->version_min && suite->version <= hs->common->version_max)
			out[n++] = suite->id;
	}
	return n;
}

// One of the sixteen values of RFC 8701, the same in both hellos.
static uint16_t choose_grease(const struct tls_handshake *hs)
{
	uint16_t nibble = hs->client_random[0] & 0xf0;

	return hs->client->grease ? (uint16_t)((nibble | 0x0a) << 8 | nibble | 0x0a) : 0;
}

// After a HelloRetryRequest only a session of the same hash is left to offer (RFC 8446 4.1.4).
static const struct tls_session *session_for_psk(const struct tls_handshake *hs)
{
	const struct tls_session *session = session_of_version(hs, TLS_VERSION_13);

	if (session != NULL && hs->suite != NULL &&
		tls_suite_find(session->state.suite)->hash != hs->suite->hash)
		return NULL;
	return session;
}

static void offer_session(
	const struct tls_handshake *hs, const struct tls_session *psk, struct tls_client_offer *offer)
{
	const struct tls_session *session_12 = session_of_version(hs, TLS_VERSION_12);

	offer->with_ticket_extension = hs->client->tickets;
	if (session_12 != NULL && session_12->ticket_len != 0) {
		offer->with_ticket_extension = true;
		offer->ticket_12 = span_of(session_12->ticket, session_12->ticket_len);
	}
	if (psk == NULL)
		return;
	offer->identity = span_of(psk->ticket, psk->ticket_len);
	offer->binder_len = (uint8_t)hash_len(tls_suite_find(psk->state.suite)->hash);
	offer->obfuscated_age = (uint32_t)((hs->engine->crypto->now_us - psk->received_us) / 1000) +
				psk->state.age_add;
}

// Replaces the zeros at the end of the message (RFC 8446 4.2.11.2).
static void make_binder(struct tls_handshake *hs, const struct tls_session *psk, uint8_t *message, size_t len,
	size_t binder_len)
{
	enum hash_id hash = tls_suite_find(psk->state.suite)->hash;
	struct tls_transcript transcript = hs->transcript;
	uint8_t digest[HASH_MAX_LEN];
	uint8_t binder[HASH_MAX_LEN];

	tls_transcript_add(&transcript, span_of(message, len - binder_len - 3));
	tls_transcript_hash(&transcript, hash, digest);
	tls_schedule_early(&hs->schedule, hash, span_of(psk->state.secret, psk->state.secret_len));
	tls_schedule_binder(&hs->schedule, span_of(digest, hash_len(hash)), binder);
	memcpy(message + len - binder_len, binder, binder_len);
}

static enum tls_verdict send_ccs_before_second_hello(struct tls_handshake *hs)
{
	if (!hs->report.retried)
		return TLS_OK;
	hs->flags |= TLS_HS_CCS_SENT;
	return tls_hs_send_change_cipher_spec(hs);
}

enum tls_verdict tls_client_share(struct tls_handshake *hs, struct span body)
{
	enum tls_verdict verdict = tls_hs_kx_poll(hs);
	const struct tls_client_config *config = hs->client;
	const struct tls_session *psk = session_for_psk(hs);
	struct tls_key_share share;
	uint16_t suites[SUITES_MAX];
	struct tls_client_offer offer;
	struct writer writer;

	(void)body;
	if (verdict == TLS_OK)
		verdict = send_ccs_before_second_hello(hs);
	if (verdict != TLS_OK)
		return verdict;
	share.group = hs->group != NULL ? hs->group->id : 0;
	share.share = span_of(hs->exchange.share, hs->exchange.share_len);
	offer = (struct tls_client_offer){
		.random = hs->client_random,
		.session_id = span_of(hs->session_id, hs->session_id_len),
		.suites = suites,
		.n_suites = list_suites(hs, suites),
		.version_min = hs->common->version_min,
		.version_max = hs->common->version_max,
		.server_name = span_of(hs->report.name, hs->report.name_len),
		.groups = hs->common->groups.numbers,
		.n_groups = hs->common->groups.n,
		.signatures = hs->common->signatures.numbers,
		.n_signatures = hs->common->signatures.n,
		.alpn = hs->common->alpn,
		.key_shares = &share,
		.n_key_shares = 1,
		.cookie = span_of(hs->cookie.data, hs->cookie.len),
		.record_size_limit = hs->common->record_size_limit,
		.wants_staple = config->wants_staple,
		.wants_sct = config->wants_scts,
		.fallback = config->fallback,
		.grease = choose_grease(hs),
	};
	offer_session(hs, psk, &offer);
	hs->offered = tls_client_offer_extensions(&offer);
	writer = tls_hs_writer(hs);
	tls_client_hello_write(&writer, &offer);
	if (psk != NULL && writer_ok(&writer))
		make_binder(hs, psk, writer.start, writer.len, offer.binder_len);
	return tls_hs_send(hs, &writer, TLS_EPOCH_PLAIN);
}

static bool offers_suite(const struct tls_handshake *hs, const struct tls_suite *suite)
{
	uint16_t suites[SUITES_MAX];
	uint32_t n = list_suites(hs, suites);

	for (uint32_t i = 0; suite != NULL && i < n; i++) {
		if (suites[i] == suite->id)
			return true;
	}
	return false;
}

// RFC 8446 4.1.3: somebody between us took away what both of us can do.
static bool was_downgraded(const struct tls_handshake *hs, const struct tls_server_hello *hello)
{
	const uint8_t *mark = hello->random + TLS_RANDOM_LEN - sizeof tls_downgrade_to_12;

	if (hello->version == TLS_VERSION_13)
		return false;
	return (offers_13(hs) && memcmp(mark, tls_downgrade_to_12, sizeof tls_downgrade_to_12) == 0) ||
	       memcmp(mark, tls_downgrade_to_11, sizeof tls_downgrade_to_11) == 0;
}

enum tls_verdict tls_client_server_hello(struct tls_handshake *hs, struct span body)
{
	struct tls_server_hello hello;
	enum tls_verdict verdict = tls_server_hello_parse(body, hs->offered, &hello);
	const struct tls_suite *suite;

	if (verdict != TLS_OK)
		return verdict;
	if (hello.version < hs->common->version_min || hello.version > hs->common->version_max)
		return TLS_REFUSE_PROTOCOL_VERSION;
	if (was_downgraded(hs, &hello))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	suite = tls_suite_find(hello.suite);
	if (!offers_suite(hs, suite) || suite->version != hello.version ||
		(hs->suite != NULL && hs->suite != suite))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	memcpy(hs->server_random, hello.random, TLS_RANDOM_LEN);
	if (hello.version == TLS_VERSION_12)
		return tls_client12_begin(hs, &hello);
	if (!span_equal(hello.session_id, span_of(hs->session_id, hs->session_id_len)))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	return hello.is_retry ? tls_client13_retry(hs, &hello) : tls_client13_begin(hs, &hello);
}

enum tls_verdict tls_client_take_protocol(struct tls_handshake *hs, struct span name)
{
	struct span ours = hs->common->alpn;
	struct span candidate;

	if (name.len == 0)
		return TLS_OK;
	while (tls_next_vector8(&ours, &candidate)) {
		if (span_equal(candidate, name)) {
			hs->report.alpn = candidate;
			return TLS_OK;
		}
	}
	return TLS_REFUSE_ILLEGAL_PARAMETER;
}

void tls_client_choose_certificate(struct tls_handshake *hs, struct span signatures, uint16_t version)
{
	const struct tls_certificate *certificate = hs->client->certificate;
	const struct tls_preferences *ours = hs->client->own_signatures.n != 0 ? &hs->client->own_signatures
									       : &tls_default_signatures;

	hs->flags |= TLS_HS_ASKED_CERTIFICATE;
	hs->certificate = certificate;
	hs->scheme = certificate == NULL ? NULL : tls_choose_scheme(hs, signatures, ours, version);
}
