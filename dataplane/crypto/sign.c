// SPDX-License-Identifier: Apache-2.0
#include "crypto/sign.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/crypto.h"
#include "crypto/der.h"
#include "crypto/mb/kernels.h"
#include "crypto/private_key.h"
#include "crypto/rsa_padding.h"

void signing_init(struct signing *signing, void *owner)
{
	memset(signing, 0, sizeof *signing);
	lane_request_init(&signing->request, owner);
}

static enum sign_status submit(
	struct crypto *crypto, struct signing *signing, enum lane_op op, const void *input)
{
	signing->request.op = (uint8_t)op;
	signing->request.key = signing->key;
	signing->request.input = input;
	signing->request.output = signing->signature;
	lanes_submit(crypto->lanes, &signing->request, crypto->now_tsc);
	return SIGN_WAIT;
}

// signature holds r | s and becomes their DER form.
static void encode_ecdsa(struct signing *signing, enum mb_curve curve)
{
	uint8_t r_and_s[2 * MB_SCALAR_LEN_MAX];

	memcpy(r_and_s, signing->signature, 2 * mb_curve_len(curve));
	signing->signature_len = (uint16_t)der_encode_ecdsa(signing->signature, r_and_s, mb_curve_len(curve));
}

// With a prepared nonce at once, otherwise through a lane.
static enum sign_status start_ecdsa(
	struct crypto *crypto, struct signing *signing, const uint8_t *digest, size_t digest_len)
{
	enum mb_curve curve = signing->key->ecdsa.curve;
	size_t len = mb_curve_len(curve);
	struct mb_ecdsa_nonce nonce;
	bool done;

	mb_ecdsa_digest(curve, signing->input, digest, digest_len);
	if (crypto->nonces[curve] == NULL || crypto->prepared_signatures_off)
		return submit(crypto, signing, curve == MB_P256 ? LANE_ECDSA_P256_SIGN : LANE_ECDSA_P384_SIGN,
			signing->input);
	do {
		nonce_pool_take(crypto->nonces[curve], crypto->now_us, &nonce);
		done = mb_ecdsa_complete(&signing->key->ecdsa, &nonce, signing->input, signing->signature,
			signing->signature + len);
	} while (!done); // s = 0: never seen, FIPS 186-5 6.4.1 step 11
	encode_ecdsa(signing, curve);
	return SIGN_DONE;
}

static enum sign_status start_ed25519(struct crypto *crypto, struct signing *signing, struct span message)
{
	signing->message = message;
	if (message.len <= SIGN_MESSAGE_MAX_LEN) {
		memcpy(signing->input, message.data, message.len);
		signing->message.data = signing->input;
	}
	return submit(crypto, signing, LANE_ED25519_SIGN, &signing->message);
}

// Pads into the place of the signature, which the kernel replaces.
static enum sign_status start_rsa(
	struct crypto *crypto, struct signing *signing, const struct scheme *scheme, const uint8_t *digest)
{
	struct mut_span padded = {signing->signature, signing->key->bits / 8};
	uint8_t salt[HASH_MAX_LEN];

	if (scheme->kind == SCHEME_KIND_RSA_PSS) {
		random_bytes(&crypto->random, salt, hash_len(scheme->hash));
		rsa_pss_encode(scheme->hash, digest, span_of(salt, hash_len(scheme->hash)), padded);
		wipe(salt, sizeof salt);
	} else {
		rsa_pkcs1_encode(scheme->hash, digest, padded);
	}
	return submit(crypto, signing, (enum lane_op)(LANE_RSA2048_SIGN + signing->key->rsa_size),
		signing->signature);
}

enum sign_status sign_start_digest(struct crypto *crypto, struct signing *signing,
	const struct private_key *key, const struct scheme *scheme, const uint8_t *digest)
{
	SLUICE_ASSERT(scheme_fits_tls12(scheme, key->type) && scheme->kind != SCHEME_KIND_ED25519);
	signing->key = key;
	if (scheme->kind == SCHEME_KIND_ECDSA)
		return start_ecdsa(crypto, signing, digest, hash_len(scheme->hash));
	return start_rsa(crypto, signing, scheme, digest);
}

enum sign_status sign_start(struct crypto *crypto, struct signing *signing, const struct private_key *key,
	const struct scheme *scheme, struct span message)
{
	uint8_t digest[HASH_MAX_LEN];

	if (key->type == KEY_ED25519) {
		SLUICE_ASSERT(scheme->kind == SCHEME_KIND_ED25519);
		signing->key = key;
		return start_ed25519(crypto, signing, message);
	}
	hash_digest(scheme->hash, message, digest);
	return sign_start_digest(crypto, signing, key, scheme, digest);
}

// What is left to do for a signature that a lane made.
static void collect(struct signing *signing)
{
	switch ((enum key_type)signing->key->type) {
	case KEY_ECDSA_P256:
	case KEY_ECDSA_P384:
		encode_ecdsa(signing, signing->key->ecdsa.curve);
		break;
	case KEY_ED25519:
		signing->signature_len = MB_ED25519_SIG_LEN;
		break;
	case KEY_RSA:
	case KEY_RSA_PSS:
	case N_KEY_TYPES:
		signing->signature_len = signing->key->bits / 8;
		break;
	}
}

enum sign_status sign_poll(struct signing *signing)
{
	switch ((enum lane_status)signing->request.status) {
	case LANE_WAITING:
	case LANE_RUNNING:
		return SIGN_WAIT;
	case LANE_BAD_INPUT:
	case LANE_FAULT:
		return SIGN_FAULT;
	case LANE_IDLE:
	case LANE_OK:
		break;
	}
	if (signing->signature_len == 0)
		collect(signing);
	return SIGN_DONE;
}

void signing_destroy(struct crypto *crypto, struct signing *signing)
{
	lanes_cancel(crypto->lanes, &signing->request);
	wipe(signing, sizeof *signing);
}
