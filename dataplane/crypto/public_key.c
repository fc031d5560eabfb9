// SPDX-License-Identifier: Apache-2.0
#include "crypto/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum {
	RSA_MIN_BITS = 2048,
	RSA_MAX_BITS = 4096,
	ED25519_LEN = 32
};

static bool is_curve(const EVP_PKEY *pkey, const char *name)
{
	char group[64];
	size_t len;

	return EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) == 1 && strcmp(group, name) == 0;
}

// The coordinates rather than the encoded point: a certificate may hold it compressed.
static enum key_verdict from_ec(struct public_key *key, const EVP_PKEY *pkey)
{
	bool p256 = is_curve(pkey, SN_X9_62_prime256v1);
	int coordinate_len = p256 ? 32 : 48;
	BIGNUM *x = NULL, *y = NULL;
	enum key_verdict verdict = KEY_MALFORMED;

	if (!p256 && !is_curve(pkey, SN_secp384r1))
		return KEY_UNSUPPORTED;
	key->type = p256 ? KEY_ECDSA_P256 : KEY_ECDSA_P384;
	key->len = (uint16_t)(1 + 2 * coordinate_len);
	key->bytes[0] = POINT_CONVERSION_UNCOMPRESSED;
	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
		BN_bn2binpad(x, key->bytes + 1, coordinate_len) > 0 &&
		BN_bn2binpad(y, key->bytes + 1 + coordinate_len, coordinate_len) > 0)
		verdict = KEY_OK;
	BN_free(x);
	BN_free(y);
	return verdict;
}

static enum key_verdict from_rsa(struct public_key *key, const EVP_PKEY *pkey, enum key_type type)
{
	BIGNUM *n = NULL, *e = NULL;
	enum key_verdict verdict = KEY_MALFORMED;

	key->type = (uint8_t)type;
	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
		verdict = KEY_UNSUPPORTED;
		if (BN_num_bits(n) >= RSA_MIN_BITS && BN_num_bits(n) <= RSA_MAX_BITS && BN_is_odd(n) &&
			BN_num_bits(e) <= 32 && BN_is_odd(e) && !BN_is_one(e)) {
			key->len = (uint16_t)BN_num_bytes(n);
			key->rsa_exponent = (uint32_t)BN_get_word(e);
			(void)BN_bn2bin(n, key->bytes);
			verdict = KEY_OK;
		}
	}
	BN_free(n);
	BN_free(e);
	return verdict;
}

enum key_verdict public_key_from_pkey(struct public_key *out_key, const EVP_PKEY *pkey)
{
	struct public_key key = {0};
	size_t len = ED25519_LEN;
	enum key_verdict verdict;

	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_EC:
		verdict = from_ec(&key, pkey);
		break;
	case EVP_PKEY_ED25519:
		key.type = KEY_ED25519;
		key.len = ED25519_LEN;
		verdict = EVP_PKEY_get_raw_public_key(pkey, key.bytes, &len) == 1 ? KEY_OK : KEY_MALFORMED;
		break;
	case EVP_PKEY_RSA:
		verdict = from_rsa(&key, pkey, KEY_RSA);
		break;
	case EVP_PKEY_RSA_PSS:
		verdict = from_rsa(&key, pkey, KEY_RSA_PSS);
		break;
	default:
		verdict = KEY_UNSUPPORTED;
		break;
	}
	if (verdict == KEY_OK)
		*out_key = key;
	return verdict;
}

enum key_verdict public_key_from_spki(struct public_key *out_key, struct span spki)
{
	const unsigned char *next = spki.data;
	EVP_PKEY *pkey = NULL;
	enum key_verdict verdict = KEY_MALFORMED;

	if (spki.len == 0 || spki.len > INT32_MAX)
		return KEY_MALFORMED;
	pkey = d2i_PUBKEY(NULL, &next, (long)spki.len);
	if (pkey != NULL && next == spki.data + spki.len)
		verdict = public_key_from_pkey(out_key, pkey);
	EVP_PKEY_free(pkey);
	return verdict;
}

void public_key_digest(const struct public_key *key, uint8_t out[32])
{
	struct hash_state state;

	hash_init(&state, HASH_SHA256);
	hash_update(&state, span_of(&key->type, sizeof key->type));
	hash_update(&state, span_of(&key->len, sizeof key->len));
	hash_update(&state, span_of(&key->rsa_exponent, sizeof key->rsa_exponent));
	hash_update(&state, span_of(key->bytes, key->len));
	hash_final(&state, out);
}

static EVP_PKEY *from_params(const char *algorithm, OSSL_PARAM_BLD *builder)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	EVP_PKEY *pkey = NULL;

	if (params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1)
		(void)EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *ec_to_pkey(const struct public_key *key, OSSL_PARAM_BLD *builder)
{
	const char *curve = key->type == KEY_ECDSA_P256 ? SN_X9_62_prime256v1 : SN_secp384r1;

	if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) != 1 ||
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, key->bytes, key->len) != 1)
		return NULL;
	return from_params("EC", builder);
}

static EVP_PKEY *rsa_to_pkey(const struct public_key *key, OSSL_PARAM_BLD *builder)
{
	BIGNUM *n = BN_bin2bn(key->bytes, key->len, NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *pkey = NULL;

	if (n != NULL && e != NULL && BN_set_word(e, key->rsa_exponent) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		pkey = from_params(key->type == KEY_RSA ? "RSA" : "RSA-PSS", builder);
	BN_free(n);
	BN_free(e);
	return pkey;
}

EVP_PKEY *public_key_to_pkey(const struct public_key *key)
{
	OSSL_PARAM_BLD *builder;
	EVP_PKEY *pkey;

	if (key->type == KEY_ED25519)
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->bytes, key->len);
	builder = OSSL_PARAM_BLD_new();
	if (builder == NULL)
		return NULL;
	if (key->type == KEY_RSA || key->type == KEY_RSA_PSS)
		pkey = rsa_to_pkey(key, builder);
	else
		pkey = ec_to_pkey(key, builder);
	OSSL_PARAM_BLD_free(builder);
	return pkey;
}
