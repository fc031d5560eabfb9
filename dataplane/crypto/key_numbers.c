// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_numbers.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/wipe.h"
#include "crypto/mb/kernels.h"
#include "crypto/private_key.h"
#include "crypto/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

enum {
	ED25519_SEED_LEN = 32,
	RSA_EXPONENT_LEN_MAX = 8,
	N_RSA_NUMBERS = 8
};

size_t key_numbers_footprint(const struct key_numbers *numbers)
{
	const size_t plain = sizeof(struct private_key);
	enum mb_rsa_size size;
	size_t len;

	switch (numbers->type) {
	case KEY_ECDSA_P256:
		return numbers->scalar.len == MB_P256_SCALAR_LEN ? plain : 0;
	case KEY_ECDSA_P384:
		return numbers->scalar.len == MB_P384_SCALAR_LEN ? plain : 0;
	case KEY_ED25519:
		return numbers->scalar.len == ED25519_SEED_LEN ? plain : 0;
	case KEY_RSA:
		if (numbers->rsa.e.len > RSA_EXPONENT_LEN_MAX || !mb_rsa_size_of(numbers->rsa.n, &size) ||
			numbers->rsa.n.len != MB_RSA_LEN(size))
			return 0;
		len = offsetof(struct private_key, rsa) + MB_RSA_KEY_BYTES(size);
		return len > plain ? len : plain;
	case KEY_RSA_PSS:
	case N_KEY_TYPES:
		break;
	}
	return 0;
}

// ---- For kernels
// ---------------------------------------------------------------------------------------------

// The public points of the keys on curves; a key whose scalar is out of range has none.
struct points {
	uint8_t bytes[KEY_NUMBERS_BURST][MB_P384_POINT_LEN];
	bool valid[KEY_NUMBERS_BURST];
};

static void derive_p256(struct points *points, const struct key_numbers_load *loads, unsigned n,
	const struct mb_kernels *kernels)
{
	const uint8_t *scalars[KEY_NUMBERS_BURST];
	uint8_t *outputs[KEY_NUMBERS_BURST];
	unsigned places[KEY_NUMBERS_BURST];
	unsigned n_scalars = 0;
	uint64_t done;

	for (unsigned i = 0; i < n; i++) {
		if (loads[i].numbers.type != KEY_ECDSA_P256)
			continue;
		scalars[n_scalars] = loads[i].numbers.scalar.data;
		outputs[n_scalars] = points->bytes[i];
		places[n_scalars++] = i;
	}
	done = n_scalars != 0 ? kernels->p256_keygen(outputs, scalars, n_scalars) : 0;
	for (unsigned i = 0; i < n_scalars; i++)
		points->valid[places[i]] = (done >> i & 1) != 0;
}

static void derive_points(struct points *points, const struct key_numbers_load *loads, unsigned n,
	const struct mb_kernels *kernels)
{
	memset(points->valid, 0, sizeof points->valid);
	derive_p256(points, loads, n, kernels);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *scalar = loads[i].numbers.scalar.data;
		uint8_t *output = points->bytes[i];

		if (loads[i].numbers.type == KEY_ECDSA_P384)
			points->valid[i] = kernels->p384_keygen(&output, &scalar, 1) == 1;
	}
}

static void set_public(struct public_key *public_key, enum key_type type, const uint8_t *bytes, size_t len)
{
	*public_key = (struct public_key){.type = (uint8_t)type, .len = (uint16_t)len};
	memcpy(public_key->bytes, bytes, len);
}

static bool fill_ecdsa(struct private_key *key, const struct key_numbers *numbers)
{
	const enum mb_curve curve = numbers->type == KEY_ECDSA_P256 ? MB_P256 : MB_P384;

	key->bits = (uint16_t)(8 * mb_curve_len(curve));
	return mb_ecdsa_key_set(&key->ecdsa, curve, numbers->scalar.data);
}

static bool fill_rsa(
	struct private_key *key, const struct key_numbers *numbers, struct public_key *out_public)
{
	enum mb_rsa_size size;

	if (!mb_rsa_size_of(numbers->rsa.n, &size) ||
		mb_rsa_key_set(&key->rsa, &numbers->rsa) != MB_RSA_KEY_OK)
		return false;
	key->rsa_size = (uint8_t)size;
	key->bits = (uint16_t)(8 * MB_RSA_LEN(size));
	set_public(out_public, KEY_RSA, numbers->rsa.n.data, numbers->rsa.n.len);
	out_public->rsa_exponent = key->rsa.e;
	return true;
}

static bool fill(struct private_key *key, const struct key_numbers *numbers, const uint8_t *point,
	const struct mb_kernels *kernels)
{
	struct public_key public_key;

	switch (numbers->type) {
	case KEY_ECDSA_P256:
	case KEY_ECDSA_P384:
		if (point == NULL || !fill_ecdsa(key, numbers))
			return false;
		set_public(&public_key, numbers->type, point, 1 + 2 * numbers->scalar.len);
		break;
	case KEY_ED25519:
		mb_ed25519_key_set(&key->ed25519, kernels, numbers->scalar.data);
		key->bits = 256;
		set_public(&public_key, KEY_ED25519, key->ed25519.public_key, sizeof key->ed25519.public_key);
		break;
	case KEY_RSA:
		if (!fill_rsa(key, numbers, &public_key))
			return false;
		break;
	case KEY_RSA_PSS:
	case N_KEY_TYPES:
	default:
		return false;
	}
	public_key_digest(&public_key, key->public_digest);
	return true;
}

static void load_for_kernels(
	struct key_numbers_load *load, const uint8_t *point, const struct mb_kernels *kernels)
{
	const size_t footprint = key_numbers_footprint(&load->numbers);
	struct private_key *key = (struct private_key *)(void *)load->memory.data;

	SLUICE_ASSERT(footprint != 0 && load->memory.len >= footprint && (uintptr_t)key % 64 == 0);
	memset(key, 0, footprint);
	key->type = (uint8_t)load->numbers.type;
	key->footprint = (uint32_t)footprint;
	if (fill(key, &load->numbers, point, kernels)) {
		key->serial = private_key_next_serial();
		load->key = key;
	} else {
		wipe(key, footprint);
		load->key = NULL;
	}
}

// ---- For scalar code
// -----------------------------------------------------------------------------------------

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

static EVP_PKEY *rsa_to_pkey(const struct key_numbers *numbers)
{
	const struct mb_rsa_parts *rsa = &numbers->rsa;
	const struct {
		const char *name;
		struct span bytes;
	} parts[N_RSA_NUMBERS] = {
		{OSSL_PKEY_PARAM_RSA_N, rsa->n},
		{OSSL_PKEY_PARAM_RSA_E, rsa->e},
		{OSSL_PKEY_PARAM_RSA_D, numbers->rsa_d},
		{OSSL_PKEY_PARAM_RSA_FACTOR1, rsa->p},
		{OSSL_PKEY_PARAM_RSA_FACTOR2, rsa->q},
		{OSSL_PKEY_PARAM_RSA_EXPONENT1, rsa->dp},
		{OSSL_PKEY_PARAM_RSA_EXPONENT2, rsa->dq},
		{OSSL_PKEY_PARAM_RSA_COEFFICIENT1, rsa->qinv},
	};
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *values[N_RSA_NUMBERS] = {NULL};
	EVP_PKEY *pkey = NULL;
	bool well = builder != NULL;

	for (int i = 0; i < N_RSA_NUMBERS && well; i++) {
		values[i] = BN_bin2bn(parts[i].bytes.data, (int)parts[i].bytes.len, NULL);
		well = values[i] != NULL && OSSL_PARAM_BLD_push_BN(builder, parts[i].name, values[i]) == 1;
	}
	if (well)
		pkey = build("RSA", builder);
	else
		OSSL_PARAM_BLD_free(builder);
	for (int i = 0; i < N_RSA_NUMBERS; i++)
		BN_clear_free(values[i]);
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

static EVP_PKEY *ec_to_pkey(int curve, const char *name, struct span scalar)
{
	const EC_GROUP *group = group_of(curve);
	EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *d = BN_bin2bn(scalar.data, (int)scalar.len, NULL);
	uint8_t public_key[MB_P384_POINT_LEN];
	EVP_PKEY *pkey = NULL;
	size_t len = 0;

	if (point != NULL && builder != NULL && d != NULL &&
		EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1)
		len = EC_POINT_point2oct(
			group, point, POINT_CONVERSION_UNCOMPRESSED, public_key, sizeof public_key, NULL);
	if (len == 1 + 2 * scalar.len &&
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

static EVP_PKEY *to_pkey(const struct key_numbers *numbers)
{
	switch (numbers->type) {
	case KEY_ECDSA_P256:
		return ec_to_pkey(NID_X9_62_prime256v1, "P-256", numbers->scalar);
	case KEY_ECDSA_P384:
		return ec_to_pkey(NID_secp384r1, "P-384", numbers->scalar);
	case KEY_ED25519:
		return EVP_PKEY_new_raw_private_key(
			EVP_PKEY_ED25519, NULL, numbers->scalar.data, numbers->scalar.len);
	case KEY_RSA:
		return rsa_to_pkey(numbers);
	case KEY_RSA_PSS:
	case N_KEY_TYPES:
		break;
	}
	return NULL;
}

// What scalar code signs with is an EVP_PKEY, so one is made.
static void load_for_scalar(struct key_numbers_load *load, enum select_lanes body)
{
	EVP_PKEY *pkey = to_pkey(&load->numbers);

	if (pkey == NULL || private_key_load_derived(load->memory, pkey, body, &load->key) != KEY_OK)
		load->key = NULL;
	EVP_PKEY_free(pkey);
}

void key_numbers_load_burst(struct key_numbers_load loads[], unsigned n, enum select_lanes body)
{
	const enum select_lanes lanes = select_resolve_lanes(body);
	const struct mb_kernels *kernels = lanes == SELECT_LANES_IFMA ? &mb_kernels_ifma : &mb_kernels_plain;
	struct points points;

	SLUICE_ASSERT(n >= 1 && n <= KEY_NUMBERS_BURST);
	if (lanes != SELECT_LANES_SCALAR)
		derive_points(&points, loads, n, kernels);
	for (unsigned i = 0; i < n; i++) {
		if (lanes != SELECT_LANES_SCALAR)
			load_for_kernels(&loads[i], points.valid[i] ? points.bytes[i] : NULL, kernels);
		else
			load_for_scalar(&loads[i], lanes);
	}
}
