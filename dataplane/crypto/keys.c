// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/private_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

static bool is_curve(const EVP_PKEY *pkey, const char *name)
{
	char group[64];
	size_t len;

	return EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) == 1 && strcmp(group, name) == 0;
}

// False for what is not ours.
static bool find_type(const EVP_PKEY *pkey, enum key_type *out_type)
{
	int bits = EVP_PKEY_get_bits(pkey);

	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_EC:
		*out_type = is_curve(pkey, SN_X9_62_prime256v1) ? KEY_ECDSA_P256 : KEY_ECDSA_P384;
		return is_curve(pkey, SN_X9_62_prime256v1) || is_curve(pkey, SN_secp384r1);
	case EVP_PKEY_ED25519:
		*out_type = KEY_ED25519;
		return true;
	case EVP_PKEY_RSA:
		*out_type = KEY_RSA;
		return bits == 2048 || bits == 3072 || bits == 4096;
	case EVP_PKEY_RSA_PSS:
		*out_type = KEY_RSA_PSS;
		return bits == 2048 || bits == 3072 || bits == 4096;
	default:
		return false;
	}
}

size_t private_key_footprint(const EVP_PKEY *pkey)
{
	enum key_type type;

	if (!find_type(pkey, &type))
		return 0;
	return sizeof(struct private_key);
}

// The private scalar of an EC key, big-endian, exactly as long as the curve's order.
static enum key_verdict load_ecdsa(struct private_key *key, const EVP_PKEY *pkey)
{
	enum mb_curve curve = key->type == KEY_ECDSA_P256 ? MB_P256 : MB_P384;
	uint8_t scalar[MB_SCALAR_LEN_MAX];
	BIGNUM *d = NULL;
	enum key_verdict verdict = KEY_INCONSISTENT;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) != 1)
		return KEY_MALFORMED;
	if (BN_bn2binpad(d, scalar, (int)mb_curve_len(curve)) > 0 && mb_ecdsa_key_set(&key->ecdsa, curve, scalar))
		verdict = KEY_OK;
	BN_clear_free(d);
	wipe(scalar, sizeof scalar);
	return verdict;
}
