// SPDX-License-Identifier: Apache-2.0
//
// Steps of TLS 1.3 that client and server share: deriving keys, Finished, CertificateVerify.
#include "base/wipe.h"
#include "tls/certificate_verify.h"
#include "tls/handshake_state.h"

void tls_hs_transcript_hash(const struct tls_handshake *hs, uint8_t out[TLS_HASH_MAX], struct span *out_span)
{
	tls_transcript_hash(&hs->transcript, hs->suite->hash, out);
	*out_span = span_of(out, hash_len(hs->suite->hash));
}

// The transcript ends with ServerHello; the shared secret is used up.
void tls_hs_derive_handshake_13(struct tls_handshake *hs)
{
	uint8_t *const outs[2] = {hs->secrets.v13.client_handshake, hs->secrets.v13.server_handshake};
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;

	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_schedule_handshake(
		&hs->schedule, span_of(hs->exchange.secret, hs->exchange.group->secret_len), hash_span, outs);
	key_exchange_destroy(hs->engine->crypto, &hs->exchange);
	key_exchange_init(&hs->exchange, hs);
}

// The transcript ends with the server's Finished.
void tls_hs_derive_application_13(struct tls_handshake *hs)
{
	uint8_t *const outs[2] = {hs->secrets.v13.client_application, hs->secrets.v13.server_application};
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;

	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_schedule_master(&hs->schedule, hash_span, outs);
}

static struct writer open_message(
	struct tls_handshake *hs, enum tls_message_type type, struct writer_mark *out_mark)
{
	struct writer writer = tls_hs_writer(hs);

	writer_u8(&writer, (uint8_t)type);
	*out_mark = writer_open24(&writer);
	return writer;
}

enum tls_verdict tls_hs_send_finished_13(
	struct tls_handshake *hs, const uint8_t *traffic_secret, enum tls_epoch epoch)
{
	struct writer_mark mark;
	struct writer writer = open_message(hs, TLS_FINISHED, &mark);
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;
	uint8_t *mac = writer_reserve(&writer, hash_len(hs->suite->hash));

	if (mac == NULL)
		return TLS_REFUSE_INTERNAL_ERROR;
	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_finished_mac_13(hs->suite->hash, traffic_secret, hash_span, mac);
	writer_close(&writer, mark);
	hs->epoch_after_flight = TLS_EPOCH_APPLICATION;
	return tls_hs_send(hs, &writer, epoch);
}

enum tls_verdict tls_hs_check_finished_13(
	struct tls_handshake *hs, const uint8_t *traffic_secret, struct span body)
{
	size_t len = hash_len(hs->suite->hash);
	uint8_t hash[TLS_HASH_MAX];
	uint8_t mac[HASH_MAX_LEN];
	struct span hash_span;

	if (body.len != len)
		return TLS_REFUSE_DECODE_ERROR;
	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_finished_mac_13(hs->suite->hash, traffic_secret, hash_span, mac);
	return constant_time_equal(mac, body.data, len) ? TLS_OK : TLS_REFUSE_DECRYPT_ERROR;
}

enum tls_verdict tls_hs_sign_transcript_13(struct tls_handshake *hs, const struct private_key *key)
{
	uint8_t content[TLS_SIGNED_CONTENT_MAX];
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;
	size_t len;

	tls_hs_transcript_hash(hs, hash, &hash_span);
	len = tls_signed_content_13(content, tls_hs_is_server(hs), hash_span);
	return tls_hs_sign(hs, key, span_of(content, len));
}

enum tls_verdict tls_hs_send_certificate_verify(struct tls_handshake *hs, enum tls_epoch epoch)
{
	struct writer writer = tls_hs_writer(hs);

	tls_certificate_verify_write(
		&writer, &(struct tls_certificate_verify){.scheme = hs->scheme->code_point,
				 .signature = span_of(hs->signing.signature, hs->signing.signature_len)});
	return tls_hs_send(hs, &writer, epoch);
}

// The peer's signature over the transcript up to its Certificate, under the text that names its side.
enum tls_verdict tls_hs_check_certificate_verify_13(struct tls_handshake *hs, struct span body)
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
	len = tls_signed_content_13(content, !tls_hs_is_server(hs), hash_span);
	tls_transcript_add(&hs->transcript, hs->message);
	return tls_hs_prove(hs, verify.scheme, span_of(content, len), verify.signature);
}

struct span tls_hs_own_certificate_13(const struct tls_handshake *hs)
{
	return tls_certificate_message_13(
		hs->certificate, tls_hs_is(hs, TLS_HS_WANTS_STAPLE), tls_hs_is(hs, TLS_HS_WANTS_SCTS));
}

enum tls_verdict tls_hs_read_secret_13(struct tls_handshake *hs, const uint8_t *secret)
{
	if (hs->n_behind != 0)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	tls_conn_set_read_secret(hs->engine, hs->conn, secret);
	return TLS_OK;
}

void tls_hs_set_version(struct tls_handshake *hs, const struct tls_suite *suite)
{
	hs->suite = suite;
	hs->conn->suite_idx = (uint8_t)(suite - tls_suites);
	hs->conn->flags |= TLS_CONN_VERSION_SET;
	if (suite->version == TLS_VERSION_13)
		hs->conn->flags |= TLS_CONN_IS_13;
	hs->report.version = suite->version;
	hs->report.suite = suite->id;
}

// RFC 8449 4. In TLS 1.3 the limit counts the content type. Ours holds only when the peer sent one too, for
// it may not know the extension otherwise.
void tls_hs_set_size_limits(struct tls_handshake *hs, uint16_t peer_limit, bool ours_counts)
{
	uint16_t type_len = tls_conn_is(hs->conn, TLS_CONN_IS_13) ? 1 : 0;
	uint16_t ours = hs->common->record_size_limit;

	if (peer_limit != 0) {
		peer_limit = (uint16_t)(peer_limit - type_len);
		hs->conn->send_max = peer_limit < TLS_PLAINTEXT_MAX ? peer_limit : TLS_PLAINTEXT_MAX;
	}
	if (ours != 0 && ours_counts)
		hs->conn->receive_max = (uint16_t)(ours - type_len);
}

void tls_hs_establish(struct tls_handshake *hs)
{
	bool is_13 = tls_conn_is(hs->conn, TLS_CONN_IS_13);

	hs->conn->flags |= TLS_CONN_ESTABLISHED;
	tls_engine_count(hs->engine, COUNTER_TLS_HANDSHAKES_DONE);
	tls_engine_count(hs->engine, is_13 ? COUNTER_TLS_HANDSHAKES_DONE_13 : COUNTER_TLS_HANDSHAKES_DONE_12);
	if (hs->report.resumed)
		tls_engine_count(hs->engine, COUNTER_TLS_HANDSHAKES_RESUMED);
}
