// SPDX-License-Identifier: Apache-2.0
//
// Steps of TLS 1.2 that client and server share: master secret, key block, change_cipher_spec, Finished.
#include "base/wipe.h"
#include "tls/handshake_state.h"

// RFC 7627 4: the session hash covers everything up to ClientKeyExchange, which is where the transcript
// stands.
void tls_hs_derive_master_12(struct tls_handshake *hs, struct span premaster, bool extended)
{
	uint8_t seed[2 * TLS_RANDOM_LEN];
	struct span seed_span = span_of(seed, sizeof seed);

	if (extended) {
		tls_hs_transcript_hash(hs, seed, &seed_span);
	} else {
		memcpy(seed, hs->client_random, TLS_RANDOM_LEN);
		memcpy(seed + TLS_RANDOM_LEN, hs->server_random, TLS_RANDOM_LEN);
	}
	tls_master_secret_12(hs->suite->hash, premaster, extended, seed_span, hs->secrets.v12.master);
	hs->report.extended_master_secret = extended;
}

// RFC 5246 6.3: client key, server key, client IV, server IV; an AEAD has no MAC keys.
void tls_hs_derive_keys_12(struct tls_handshake *hs)
{
	const struct span seeds[2] = {
		span_of(hs->server_random, TLS_RANDOM_LEN), span_of(hs->client_random, TLS_RANDOM_LEN)};
	size_t len = 2 * (aead_key_len(hs->suite->aead) + aead_iv_len(hs->suite->nonce_form));

	kdf_tls12_prf(hs->suite->hash, span_of(hs->secrets.v12.master, TLS_MASTER_SECRET_LEN),
		"key expansion", seeds, (struct mut_span){.data = hs->secrets.v12.key_block, .len = len});
}

static void take_key_and_iv(const struct tls_handshake *hs, bool of_server, struct span out[2])
{
	size_t key_len = aead_key_len(hs->suite->aead);
	size_t iv_len = aead_iv_len(hs->suite->nonce_form);
	const uint8_t *block = hs->secrets.v12.key_block;

	out[0] = span_of(block + (of_server ? key_len : 0), key_len);
	out[1] = span_of(block + 2 * key_len + (of_server ? iv_len : 0), iv_len);
}

void tls_hs_install_read_12(struct tls_handshake *hs)
{
	struct span key_and_iv[2];

	take_key_and_iv(hs, !tls_hs_is_server(hs), key_and_iv);
	tls_conn_set_read_key(hs->engine, hs->conn, key_and_iv);
}

void tls_hs_install_write_12(struct tls_handshake *hs)
{
	struct span key_and_iv[2];

	take_key_and_iv(hs, tls_hs_is_server(hs), key_and_iv);
	tls_conn_set_write_key(hs->engine, hs->conn, key_and_iv);
}

enum tls_verdict tls_hs_send_finished_12(struct tls_handshake *hs)
{
	struct writer writer;
	uint8_t hash[TLS_HASH_MAX];
	struct span hash_span;
	enum tls_verdict verdict = tls_hs_send_change_cipher_spec(hs);
	uint8_t *mac;

	if (verdict != TLS_OK)
		return verdict;
	writer = tls_hs_writer(hs);
	writer_u8(&writer, TLS_FINISHED);
	writer_u24(&writer, TLS_VERIFY_DATA_LEN_12);
	mac = writer_reserve(&writer, TLS_VERIFY_DATA_LEN_12);
	if (mac == NULL)
		return TLS_REFUSE_INTERNAL_ERROR;
	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_finished_mac_12(hs->suite->hash, hs->secrets.v12.master, tls_hs_is_server(hs), hash_span, mac);
	return tls_hs_send(hs, &writer, TLS_EPOCH_HANDSHAKE);
}

// The message is not in the transcript yet; it is added when it proved right.
enum tls_verdict tls_hs_check_finished_12(struct tls_handshake *hs, struct span body)
{
	uint8_t hash[TLS_HASH_MAX];
	uint8_t mac[TLS_VERIFY_DATA_LEN_12];
	struct span hash_span;

	if (body.len != TLS_VERIFY_DATA_LEN_12)
		return TLS_REFUSE_DECODE_ERROR;
	tls_hs_transcript_hash(hs, hash, &hash_span);
	tls_finished_mac_12(hs->suite->hash, hs->secrets.v12.master, !tls_hs_is_server(hs), hash_span, mac);
	if (!constant_time_equal(mac, body.data, sizeof mac))
		return TLS_REFUSE_DECRYPT_ERROR;
	tls_transcript_add(&hs->transcript, hs->message);
	return TLS_OK;
}

enum tls_verdict tls_hs_read_change_cipher_spec_12(struct tls_handshake *hs, struct span body)
{
	if (body.len != 1 || body.data[0] != 1)
		return TLS_REFUSE_UNEXPECTED_MESSAGE;
	tls_hs_install_read_12(hs);
	return TLS_OK;
}

// CertificateVerify of TLS 1.2 covers all messages so far, under its scheme's own hash. SHA-256 and SHA-384
// run along; for SHA-512 and for Ed25519, which hashes for itself (RFC 8422 5.10), the messages are kept.
// They are an extra: where memory is short they are not, and those schemes are not offered.

void tls_hs_keep_messages(struct tls_handshake *hs)
{
	struct tls_engine *engine = hs->engine;

	// What peers send in long messages comes first.
	if (pool_n_free(&engine->medium) * 2 > engine->medium.n_items &&
		tls_buffer_reserve(engine, &hs->messages, TLS_MEDIUM_LEN))
		hs->flags |= TLS_HS_KEEPS_MESSAGES;
}

void tls_hs_add_message(struct tls_handshake *hs, struct span bytes)
{
	tls_transcript_add(&hs->transcript, bytes);
	if (!tls_hs_is(hs, TLS_HS_KEEPS_MESSAGES) || tls_buffer_append(hs->engine, &hs->messages, bytes))
		return;
	hs->flags &= ~(uint32_t)TLS_HS_KEEPS_MESSAGES;
	tls_buffer_release(&hs->messages);
}

void tls_hs_drop_messages(struct tls_handshake *hs)
{
	hs->flags &= ~(uint32_t)TLS_HS_KEEPS_MESSAGES;
	tls_buffer_release(&hs->messages);
	tls_transcript_keep(&hs->transcript, hs->suite->hash);
}

bool tls_hs_has_hash_12(const struct tls_handshake *hs, const struct scheme *scheme)
{
	bool hashed = scheme->kind != SCHEME_KIND_ED25519 && scheme->hash < TLS_TRANSCRIPT_HASHES;

	return hashed || tls_hs_is(hs, TLS_HS_KEEPS_MESSAGES);
}

static struct span all_messages(const struct tls_handshake *hs)
{
	return span_of(hs->messages.data + hs->messages.start, hs->messages.len);
}

static void digest_messages(
	const struct tls_handshake *hs, const struct scheme *scheme, uint8_t out[HASH_MAX_LEN])
{
	if (scheme->hash < TLS_TRANSCRIPT_HASHES)
		tls_transcript_hash(&hs->transcript, scheme->hash, out);
	else
		hash_digest(scheme->hash, all_messages(hs), out);
}

enum tls_verdict tls_hs_sign_transcript_12(struct tls_handshake *hs, const struct private_key *key)
{
	uint8_t digest[HASH_MAX_LEN];

	if (!tls_hs_has_hash_12(hs, hs->scheme))
		return TLS_REFUSE_INTERNAL_ERROR;
	// The messages stay until it is signed.
	if (hs->scheme->kind == SCHEME_KIND_ED25519)
		return tls_hs_sign(hs, key, all_messages(hs));
	digest_messages(hs, hs->scheme, digest);
	return tls_hs_sign_digest(hs, key, digest);
}

enum tls_verdict tls_hs_prove_transcript_12(struct tls_handshake *hs, uint16_t number, struct span signature)
{
	const struct scheme *scheme = scheme_find(number);
	uint8_t digest[HASH_MAX_LEN];

	if (scheme == NULL || !tls_hs_has_hash_12(hs, scheme))
		return TLS_REFUSE_ILLEGAL_PARAMETER;
	if (scheme->kind == SCHEME_KIND_ED25519)
		return tls_hs_prove(hs, number, all_messages(hs), signature);
	digest_messages(hs, scheme, digest);
	return tls_hs_prove_digest(hs, number, span_of(digest, hash_len(scheme->hash)), signature);
}
