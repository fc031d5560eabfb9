// SPDX-License-Identifier: Apache-2.0
#include "crypto/scalar.h"

#include "base/wipe.h"
#include "crypto/der.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

enum {
	N_CURVES = 2,
	POINT_MAX_LEN = 97
};

struct scalar {
	BN_CTX *numbers;
	EC_GROUP *groups[N_CURVES]; // by enum mb_curve
	EC_POINT *points[N_CURVES];
	BIGNUM *number;
};

struct scalar *scalar_create(void)
{
	static const int nids[N_CURVES] = {[MB_P256] = NID_X9_62_prime256v1, [MB_P384] = NID_secp384r1};
	struct scalar *scalar = OPENSSL_zalloc(sizeof *scalar);
	bool ok;

	if (scalar == NULL)
		return NULL;
	scalar->numbers = BN_CTX_secure_new();
	scalar->number = BN_secure_new();
	ok = scalar->numbers != NULL && scalar->number != NULL;
	for (int i = 0; ok && i < N_CURVES; i++) {
		scalar->groups[i] = EC_GROUP_new_by_curve_name(nids[i]);
		if (scalar->groups[i] != NULL)
			scalar->points[i] = EC_POINT_new(scalar->groups[i]);
		ok = scalar->points[i] != NULL;
	}
	if (ok)
		return scalar;
	scalar_destroy(scalar);
	return NULL;
}

void scalar_destroy(struct scalar *scalar)
{
	if (scalar == NULL)
		return;
	for (int i = 0; i < N_CURVES; i++) {
		EC_POINT_clear_free(scalar->points[i]);
		EC_GROUP_free(scalar->groups[i]);
	}
	BN_clear_free(scalar->number);
	BN_CTX_free(scalar->numbers);
	OPENSSL_free(scalar);
}

bool scalar_x25519_public(uint8_t out[32], const uint8_t private_key[32])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	size_t len = 32;
	bool ok = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, out, &len) == 1 && len == 32;

	EVP_PKEY_free(pkey);
	return ok;
}

bool scalar_x25519_shared(uint8_t out[32], const uint8_t private_key[32], const uint8_t peer[32])
{
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
	EVP_PKEY_CTX *context = own != NULL ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	size_t len = 32;
	// OpenSSL refuses an all-zero result itself.
	bool ok = context != NULL && other != NULL && EVP_PKEY_derive_init(context) == 1 &&
		  EVP_PKEY_derive_set_peer_ex(context, other, 0) == 1 &&
		  EVP_PKEY_derive(context, out, &len) == 1 && len == 32;

	if (!ok)
		memset(out, 0, 32);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(other);
	EVP_PKEY_free(own);
	return ok;
}

// Takes d and says whether it is in range.
static bool load_number(struct scalar *scalar, enum mb_curve curve, const uint8_t *d)
{
	const BIGNUM *order = EC_GROUP_get0_order(scalar->groups[curve]);

	BN_set_flags(scalar->number, BN_FLG_CONSTTIME);
	return BN_bin2bn(d, (int)mb_curve_len(curve), scalar->number) != NULL &&
	       !BN_is_zero(scalar->number) && BN_cmp(scalar->number, order) < 0;
}

bool scalar_nist_public(struct scalar *scalar, enum mb_curve curve, uint8_t *out, const uint8_t *d)
{
	EC_GROUP *group = scalar->groups[curve];
	EC_POINT *point = scalar->points[curve];
	size_t len = 1 + 2 * mb_curve_len(curve);
	bool ok = load_number(scalar, curve, d) &&
		  EC_POINT_mul(group, point, scalar->number, NULL, NULL, scalar->numbers) == 1 &&
		  EC_POINT_point2oct(
			  group, point, POINT_CONVERSION_UNCOMPRESSED, out, len, scalar->numbers) == len;

	BN_clear(scalar->number);
	if (!ok)
		memset(out, 0, len);
	return ok;
}

bool scalar_nist_ecdh(
	struct scalar *scalar, enum mb_curve curve, uint8_t *out, const uint8_t *d, const uint8_t *peer)
{
	EC_GROUP *group = scalar->groups[curve];
	EC_POINT *point = scalar->points[curve];
	size_t len = mb_curve_len(curve);
	uint8_t result[POINT_MAX_LEN];
	// EC_POINT_oct2point checks that the point is on the curve; a product at infinity has another length.
	bool ok = load_number(scalar, curve, d) && peer[0] == POINT_CONVERSION_UNCOMPRESSED &&
		  EC_POINT_oct2point(group, point, peer, 1 + 2 * len, scalar->numbers) == 1 &&
		  EC_POINT_mul(group, point, NULL, point, scalar->number, scalar->numbers) == 1 &&
		  EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, result, sizeof result,
			  scalar->numbers) == 1 + 2 * len;

	BN_clear(scalar->number);
	if (ok)
		memcpy(out, result + 1, len);
	else
		memset(out, 0, len);
	wipe(result, sizeof result);
	return ok;
}

bool scalar_ecdsa_sign(EVP_PKEY *pkey, enum mb_curve curve, uint8_t *out, struct span digest)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	uint8_t signature[DER_ECDSA_MAX_LEN];
	size_t len = sizeof signature;
	bool ok = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
		  EVP_PKEY_sign(context, signature, &len, digest.data, digest.len) == 1 &&
		  der_decode_ecdsa(out, mb_curve_len(curve), span_of(signature, len));

	EVP_PKEY_CTX_free(context);
	return ok;
}

bool scalar_ed25519_sign(EVP_PKEY *pkey, uint8_t out[64], struct span message)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = 64;
	bool ok = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
		  EVP_DigestSign(context, out, &len, message.data, message.len) == 1 && len == 64;

	EVP_MD_CTX_free(context);
	return ok;
}

bool scalar_rsa_private(EVP_PKEY *pkey, uint8_t *out, struct span padded)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	size_t len = padded.len;
	bool ok = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1 &&
		  EVP_PKEY_sign(context, out, &len, padded.data, padded.len) == 1 && len == padded.len;

	EVP_PKEY_CTX_free(context);
	return ok;
}
