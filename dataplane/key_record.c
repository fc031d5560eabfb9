// SPDX-License-Identifier: Apache-2.0
#include "key_record.h"

#include "base/reader.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

enum {
	RSA_EXPONENT_LEN = 8,
	N_RSA_NUMBERS = 8
};

static const char *const rsa_names[N_RSA_NUMBERS] = {
	OSSL_PKEY_PARAM_RSA_N,
	OSSL_PKEY_PARAM_RSA_E,
	OSSL_PKEY_PARAM_RSA_D,
	OSSL_PKEY_PARAM_RSA_FACTOR1,
	OSSL_PKEY_PARAM_RSA_FACTOR2,
	OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2,
	OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

// Makes a key of the builder's parameters, and frees the builder.
static EVP_PKEY *build(const char *type, OSSL_PARAM_BLD *builder)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *parameters = builder != NULL ? OSSL_PARAM_BLD_to_param(builder) : NULL;
	EVP_PKEY *pkey = NULL;

	if (context == NULL || parameters == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
		EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters) != 1)
		pkey = NULL;
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static EVP_PKEY *read_rsa(uint32_t bits, struct span numbers)
{
	const size_t width = bits / 8;
	const size_t half = width / 2;
	const size_t lens[N_RSA_NUMBERS] = {width, RSA_EXPONENT_LEN, width, half, half, half, half, half};
	struct reader reader = reader_over(numbers);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *parts[N_RSA_NUMBERS] = {NULL};
	EVP_PKEY *pkey = NULL;
	bool well = builder != NULL;

	for (int i = 0; i < N_RSA_NUMBERS && well; i++) {
		struct span bytes = reader_bytes(&reader, lens[i]);

		parts[i] = reader_ok(&reader) ? BN_bin2bn(bytes.data, (int)bytes.len, NULL) : NULL;
		well = parts[i] != NULL && OSSL_PARAM_BLD_push_BN(builder, rsa_names[i], parts[i]) == 1;
	}
	if (well && reader_done(&reader))
		pkey = build("RSA", builder);
	else
		OSSL_PARAM_BLD_free(builder);
	for (int i = 0; i < N_RSA_NUMBERS; i++)
		BN_clear_free(parts[i]);
	return pkey;
}

// Made once: it costs more than the multiplication. Only the main thread reads keys.
static const EC_GROUP *group_of(int curve)
{
	static const EC_GROUP *groups[2];
	const EC_GROUP **group = &groups[curve == NID_X9_62_prime256v1];

	if (*group == NULL)
		*group = EC_GROUP_new_by_curve_name(curve);
	return *group;
}

static EVP_PKEY *read_ec(int curve, const char *name, size_t width, struct span scalar)
{
	const EC_GROUP *group = group_of(curve);
	EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *d = scalar.len == width ? BN_bin2bn(scalar.data, (int)width, NULL) : NULL;
	uint8_t public_key[1 + 2 * 48];
	EVP_PKEY *pkey = NULL;
	size_t len = 0;

	if (point != NULL && builder != NULL && d != NULL &&
		EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1)
		len = EC_POINT_point2oct(
			group, point, POINT_CONVERSION_UNCOMPRESSED, public_key, sizeof public_key, NULL);
	if (len == 1 + 2 * width &&
		OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, name, 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public_key, len) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1)
		pkey = build("EC", builder);
	else
		OSSL_PARAM_BLD_free(builder);
	BN_clear_free(d);
	EC_POINT_free(point);
	return pkey;
}

EVP_PKEY *key_record_read(const struct snapshot_private_key *head, struct span numbers)
{
	switch ((enum snapshot_key_type)head->type) {
	case SNAPSHOT_KEY_RSA:
		if (head->bits < 2048 || head->bits > 4096 || head->bits % 1024 != 0)
			return NULL;
		return read_rsa(head->bits, numbers);
	case SNAPSHOT_KEY_P256:
		return read_ec(NID_X9_62_prime256v1, "P-256", 32, numbers);
	case SNAPSHOT_KEY_P384:
		return read_ec(NID_secp384r1, "P-384", 48, numbers);
	case SNAPSHOT_KEY_ED25519:
		return numbers.len == 32 ? EVP_PKEY_new_raw_private_key(
						   EVP_PKEY_ED25519, NULL, numbers.data, numbers.len)
					 : NULL;
	}
	return NULL;
}
