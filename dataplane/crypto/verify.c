// SPDX-License-Identifier: Apache-2.0
#include "crypto/verify.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/crypto.h"
#include "crypto/der.h"
#include "crypto/lane_engine.h"
#include "crypto/mb/ecdsa.h"
#include "crypto/rsa_padding.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

void verification_init(struct verification *verification, void *owner)
{
	memset(verification, 0, sizeof *verification);
	lane_request_init(&verification->request, owner);
}

// Lays out public key | digest | r | s.
static enum verify_status start_ecdsa(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct span digest_and_signature[2])
{
	enum mb_curve curve = key->type == KEY_ECDSA_P256 ? MB_P256 : MB_P384;
	size_t len = mb_curve_len(curve);
	uint8_t *behind_key = verification->input + 1 + 2 * len;

	if (!der_decode_ecdsa(behind_key + len, len, digest_and_signature[1]))
		return VERIFY_BAD;
	memcpy(verification->input, key->bytes, 1 + 2 * len);
	mb_ecdsa_digest(curve, behind_key, digest_and_signature[0].data, digest_and_signature[0].len);
	verification->request.op = curve == MB_P256 ? LANE_ECDSA_P256_VERIFY : LANE_ECDSA_P384_VERIFY;
	verification->request.input = verification->input;
	lanes_submit(crypto->lanes, &verification->request, crypto->now_tsc);
	return VERIFY_WAIT;
}

static enum verify_status verify_rsa(struct lane_engine *engine, enum mb_rsa_size size,
	const struct public_key *key, const struct scheme *scheme, const struct span digest_and_signature[2])
{
	uint8_t encoded[MB_RSA_LEN_MAX];
	uint8_t *const out = encoded;
	const uint8_t *digest = digest_and_signature[0].data;
	struct mb_rsa_check check = {
		.n = key->bytes, .e = key->rsa_exponent, .signature = digest_and_signature[1].data};
	struct span em = span_of(encoded, key->len);
	bool good;

	// RFC 8017 8.1.2, 8.2.2 step 1.
	if (digest_and_signature[1].len != key->len)
		return VERIFY_BAD;
	if (engine->kernels->rsa_verify(engine->rsa_verify_job, size, &check, &out, 1) != 1)
		return VERIFY_BAD;
	if (scheme->kind == SCHEME_KIND_RSA_PSS)
		good = rsa_pss_verify(scheme->hash, digest, hash_len(scheme->hash), em);
	else
		good = rsa_pkcs1_verify(scheme->hash, digest, em);
	return good ? VERIFY_GOOD : VERIFY_BAD;
}

static bool verify_digest_now(
	const struct public_key *key, const struct scheme *scheme, struct span digest, struct span signature);

enum verify_status verify_start_digest(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span digest_and_signature[2])
{
	struct lane_engine *engine = lanes_engine(crypto->lanes);
	enum mb_rsa_size size;

	SLUICE_ASSERT(scheme_fits_tls12(scheme, key->type) && scheme->kind != SCHEME_KIND_ED25519);
	if (engine->kernels != NULL && scheme->kind == SCHEME_KIND_ECDSA)
		return start_ecdsa(crypto, verification, key, digest_and_signature);
	if (engine->kernels != NULL && scheme->kind != SCHEME_KIND_ECDSA &&
		mb_rsa_size_of(span_of(key->bytes, key->len), &size))
		return verify_rsa(engine, size, key, scheme, digest_and_signature);
	return verify_digest_now(key, scheme, digest_and_signature[0], digest_and_signature[1]) ? VERIFY_GOOD
												: VERIFY_BAD;
}

enum verify_status verify_start(struct crypto *crypto, struct verification *verification,
	const struct public_key *key, const struct scheme *scheme, const struct span message_and_signature[2])
{
	uint8_t digest[HASH_MAX_LEN];
	struct span digest_and_signature[2] = {
		span_of(digest, hash_len(scheme->hash)), message_and_signature[1]};

	if (scheme->kind == SCHEME_KIND_ED25519)
		return verify_now(key, scheme, message_and_signature[0], message_and_signature[1])
			       ? VERIFY_GOOD
			       : VERIFY_BAD;
	hash_digest(scheme->hash, message_and_signature[0], digest);
	return verify_start_digest(crypto, verification, key, scheme, digest_and_signature);
}

enum verify_status verify_poll(const struct verification *verification)
{
	switch ((enum lane_status)verification->request.status) {
	case LANE_WAITING:
	case LANE_RUNNING:
		return VERIFY_WAIT;
	case LANE_OK:
		return VERIFY_GOOD;
	case LANE_IDLE:
	case LANE_BAD_INPUT:
	case LANE_FAULT:
		break;
	}
	return VERIFY_BAD;
}

void verification_destroy(struct crypto *crypto, struct verification *verification)
{
	lanes_cancel(crypto->lanes, &verification->request);
	wipe(verification, sizeof *verification);
}

static const EVP_MD *digest_of(const struct scheme *scheme)
{
	if (scheme->kind == SCHEME_KIND_ED25519)
		return NULL;
	switch ((enum hash_id)scheme->hash) {
	case HASH_SHA256:
		return EVP_sha256();
	case HASH_SHA384:
		return EVP_sha384();
	case HASH_SHA512:
	case N_HASHES:
		break;
	}
	return EVP_sha512();
}

static bool set_padding(EVP_PKEY_CTX *context, const struct scheme *scheme)
{
	if (scheme->kind != SCHEME_KIND_RSA_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool verify_now(
	const struct public_key *key, const struct scheme *scheme, struct span message, struct span signature)
{
	EVP_PKEY *pkey = public_key_to_pkey(key);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey_context = NULL; // the digest context's
	bool good = pkey != NULL && context != NULL &&
		    EVP_DigestVerifyInit(context, &pkey_context, digest_of(scheme), NULL, pkey) == 1 &&
		    set_padding(pkey_context, scheme) &&
		    EVP_DigestVerify(context, signature.data, signature.len, message.data, message.len) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	return good;
}

static bool verify_digest_now(
	const struct public_key *key, const struct scheme *scheme, struct span digest, struct span signature)
{
	EVP_PKEY *pkey = public_key_to_pkey(key);
	EVP_PKEY_CTX *context = pkey != NULL ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
	bool good = context != NULL && EVP_PKEY_verify_init(context) == 1 && set_padding(context, scheme) &&
		    EVP_PKEY_CTX_set_signature_md(context, digest_of(scheme)) == 1 &&
		    EVP_PKEY_verify(context, signature.data, signature.len, digest.data, digest.len) == 1;

	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(pkey);
	return good;
}
