// SPDX-License-Identifier: Apache-2.0
//
// Predictable crypto, linked into fuzz targets only, so that a fuzzer gets past every check that real
// cryptography would stop it at: sealing leaves the text as it is, opening accepts any tag, every MAC and
// secret is the same constant, every share is good, every signature is right. The headers are crypto's own;
// this is another body of them, chosen when linking (DESIGN.md section 7).
#include "tls_predictable.h"
#include "base/assert.h"
#include "crypto/crypto.h"
#include "crypto/group.h"
#include "crypto/kdf.h"
#include "crypto/sign.h"
#include "crypto/verify.h"

enum {
	CONSTANT = 0x46
};

const uint8_t kdf_zeros[HASH_MAX_LEN];

struct private_key {
	uint8_t type;
};

const struct private_key *tls_predictable_key(enum key_type type)
{
	static const struct private_key keys[N_KEY_TYPES] = {
		{KEY_ECDSA_P256}, {KEY_ECDSA_P384}, {KEY_ED25519}, {KEY_RSA}, {KEY_RSA_PSS}};

	return &keys[type];
}

enum key_type private_key_type(const struct private_key *key)
{
	return key->type;
}

unsigned private_key_bits(const struct private_key *key)
{
	return key->type == KEY_RSA || key->type == KEY_RSA_PSS ? 2048 : 256;
}

static void fill(void *out, size_t len)
{
	memset(out, CONSTANT, len);
}

void hmac(enum hash_id id, struct span secret, struct span message, uint8_t *out)
{
	(void)secret;
	(void)message;
	fill(out, hash_len(id));
}

void hkdf_extract(enum hash_id id, struct span salt, struct span ikm, uint8_t *out)
{
	(void)salt;
	(void)ikm;
	fill(out, hash_len(id));
}

void kdf_expand_label(
	enum hash_id id, struct span secret, const char *label, struct span context, struct mut_span out)
{
	(void)id;
	(void)secret;
	(void)label;
	(void)context;
	fill(out.data, out.len);
}

void kdf_derive_secret(
	enum hash_id id, struct span secret, const char *label, struct span transcript_hash, uint8_t *out)
{
	(void)secret;
	(void)label;
	(void)transcript_hash;
	fill(out, hash_len(id));
}

void kdf_expand_label_burst(enum hash_id id, const struct kdf_label_job *jobs, size_t n)
{
	(void)id;
	for (size_t i = 0; i < n; i++)
		fill(jobs[i].out.data, jobs[i].out.len);
}

void kdf_tls12_prf(enum hash_id id, struct span secret, const char *label, const struct span seeds[2],
	struct mut_span out)
{
	(void)id;
	(void)secret;
	(void)label;
	(void)seeds;
	fill(out.data, out.len);
}

void aead_key_init(struct aead_cache *cache, struct aead_key *key, enum aead_id id, enum aead_nonce_form form,
	const struct span key_and_iv[2])
{
	(void)cache;
	SLUICE_ASSERT(key_and_iv[0].len == aead_key_len(id) && key_and_iv[1].len == aead_iv_len(form));
	key->id = (uint8_t)id;
	key->nonce_form = (uint8_t)form;
}

void aead_key_destroy(struct aead_cache *cache, struct aead_key *key)
{
	(void)cache;
	memset(key, 0, sizeof *key);
}

// Copies piece by piece; what is left of the outputs is the tag.
static void copy_text(const struct aead_job *job, size_t len)
{
	uint16_t to = 0;
	size_t at = 0;

	for (uint16_t from = 0; from < job->n_inputs; from++) {
		for (size_t i = 0; i < job->inputs[from].len && len != 0; i++, len--) {
			while (at == job->outputs[to].len) {
				to++;
				at = 0;
			}
			job->outputs[to].data[at++] = job->inputs[from].data[i];
		}
	}
	for (; to < job->n_outputs; to++, at = 0) {
		while (at < job->outputs[to].len)
			job->outputs[to].data[at++] = CONSTANT;
	}
}

static size_t inputs_len(const struct aead_job *job)
{
	size_t len = 0;

	for (uint16_t i = 0; i < job->n_inputs; i++)
		len += job->inputs[i].len;
	return len;
}

void aead_seal_burst(struct aead_cache *cache, struct aead_job *jobs, size_t n)
{
	(void)cache;
	for (size_t i = 0; i < n; i++) {
		copy_text(&jobs[i], inputs_len(&jobs[i]));
		jobs[i].status = AEAD_OK;
	}
}

size_t aead_open_burst(struct aead_cache *cache, struct aead_job *jobs, size_t n)
{
	(void)cache;
	for (size_t i = 0; i < n; i++) {
		SLUICE_ASSERT(inputs_len(&jobs[i]) >= AEAD_TAG_LEN);
		copy_text(&jobs[i], inputs_len(&jobs[i]) - AEAD_TAG_LEN);
		jobs[i].status = AEAD_OK;
	}
	return 0;
}

void aead_seal(struct aead_cache *cache, struct aead_key *key, const uint8_t nonce[AEAD_NONCE_LEN],
	const struct span aad_and_plaintext[2], struct mut_span out)
{
	(void)cache;
	(void)key;
	(void)nonce;
	SLUICE_ASSERT(out.len == aad_and_plaintext[1].len + AEAD_TAG_LEN);
	memmove(out.data, aad_and_plaintext[1].data, aad_and_plaintext[1].len);
	fill(out.data + aad_and_plaintext[1].len, AEAD_TAG_LEN);
}

enum aead_status aead_open(struct aead_cache *cache, struct aead_key *key,
	const uint8_t nonce[AEAD_NONCE_LEN], const struct span aad_and_box[2], struct mut_span out)
{
	(void)cache;
	(void)key;
	(void)nonce;
	SLUICE_ASSERT(out.len + AEAD_TAG_LEN == aad_and_box[1].len);
	memmove(out.data, aad_and_box[1].data, out.len);
	return AEAD_OK;
}

static const struct group groups[N_GROUPS] = {
	{.id = GROUP_X25519,
		.client_share_len = 32,
		.server_share_len = 32,
		.private_len = 32,
		.secret_len = 32},
	{.id = GROUP_SECP256R1,
		.client_share_len = 65,
		.server_share_len = 65,
		.private_len = 32,
		.secret_len = 32},
	{.id = GROUP_SECP384R1,
		.client_share_len = 97,
		.server_share_len = 97,
		.private_len = 48,
		.secret_len = 48},
#ifdef TLS_DUMMY_HYBRID
	{.id = GROUP_DUMMY_HYBRID,
		.client_share_len = GROUP_CLIENT_SHARE_LEN,
		.server_share_len = GROUP_SERVER_SHARE_LEN,
		.private_len = GROUP_PRIVATE_MAX_LEN,
		.secret_len = GROUP_SECRET_MAX_LEN},
#endif
};

const struct group *group_find(uint16_t id)
{
	for (unsigned i = 0; i < N_GROUPS; i++) {
		if (groups[i].id == id)
			return &groups[i];
	}
	return NULL;
}

void key_exchange_init(struct key_exchange *exchange, void *owner)
{
	(void)owner;
	memset(exchange, 0, sizeof *exchange);
}

static enum key_exchange_status make_share(
	struct key_exchange *exchange, const struct group *group, uint16_t share_len)
{
	SLUICE_ASSERT(exchange->group == NULL);
	exchange->group = group;
	exchange->share_len = share_len;
	fill(exchange->share, exchange->share_len);
	return KEY_EXCHANGE_DONE;
}

enum key_exchange_status key_exchange_make_share(
	struct crypto *crypto, struct key_exchange *exchange, const struct group *group)
{
	(void)crypto;
	return make_share(exchange, group, group->client_share_len);
}

enum key_exchange_status key_exchange_finish(
	struct crypto *crypto, struct key_exchange *exchange, struct span server_share)
{
	(void)crypto;
	SLUICE_ASSERT(exchange->group != NULL);
	return server_share.len == exchange->group->server_share_len ? KEY_EXCHANGE_DONE
								     : KEY_EXCHANGE_BAD_SHARE;
}

enum key_exchange_status key_exchange_accept(struct crypto *crypto, struct key_exchange *exchange,
	const struct group *group, struct span client_share)
{
	(void)crypto;
	if (client_share.len != group->client_share_len)
		return KEY_EXCHANGE_BAD_SHARE;
	return make_share(exchange, group, group->server_share_len);
}

enum key_exchange_status key_exchange_poll(struct key_exchange *exchange)
{
	(void)exchange;
	return KEY_EXCHANGE_DONE;
}

void key_exchange_destroy(struct crypto *crypto, struct key_exchange *exchange)
{
	(void)crypto;
	memset(exchange, 0, sizeof *exchange);
}

void signing_init(struct signing *signing, void *owner)
{
	(void)owner;
	memset(signing, 0, sizeof *signing);
}

enum sign_status sign_start(struct crypto *crypto, struct signing *signing, const struct private_key *key,
	const struct scheme *scheme, struct span message)
{
	SLUICE_ASSERT(message.len <= SIGN_MESSAGE_MAX_LEN);
	return sign_start_digest(crypto, signing, key, scheme, message.data);
}

enum sign_status sign_start_digest(struct crypto *crypto, struct signing *signing,
	const struct private_key *key, const struct scheme *scheme, const uint8_t *digest)
{
	(void)crypto;
	(void)digest;
	SLUICE_ASSERT(scheme_fits_tls12(scheme, key->type));
	signing->signature_len = 64;
	fill(signing->signature, 64);
	return SIGN_DONE;
}

enum sign_status sign_poll(struct signing *signing)
{
	(void)signing;
	return SIGN_DONE;
}

void signing_destroy(struct crypto *crypto, struct signing *signing)
{
	(void)crypto;
	memset(signing, 0, sizeof *signing);
}

void verification_init(struct verification *verification, void *owner)
{
	(void)owner;
	memset(verification, 0, sizeof *verification);
}

enum verify_status verify_start(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span message_and_signature[2])
{
	(void)crypto;
	(void)verification;
	(void)message_and_signature;
	SLUICE_ASSERT(scheme_fits_tls12(scheme, key->type));
	return VERIFY_GOOD;
}

enum verify_status verify_start_digest(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span digest_and_signature[2])
{
	SLUICE_ASSERT(digest_and_signature[0].len == hash_len(scheme->hash));
	return verify_start(crypto, verification, key, scheme, digest_and_signature);
}

enum verify_status verify_poll(const struct verification *verification)
{
	(void)verification;
	return VERIFY_GOOD;
}

void verification_destroy(struct crypto *crypto, struct verification *verification)
{
	(void)crypto;
	memset(verification, 0, sizeof *verification);
}
