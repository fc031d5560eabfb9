// SPDX-License-Identifier: Apache-2.0
#include "mb_fixture.h"

#include "base/assert.h"
#include "seam/cmocka_all.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include <stdio.h>
#include <stdlib.h>

// What an OpenSSL call of the reference returns; none of them may fail.
#define MUST(expression) SLUICE_ASSERT((expression) > 0)

static unsigned long n_answers; // of the reference

void random_rounds_parse(struct random_rounds *rounds, int argc, char **argv)
{
	if (argc < 3)
		return;
	rounds->n = (unsigned)strtoul(argv[1], NULL, 10);
	rounds->seed = strtoull(argv[2], NULL, 10);
	rounds->long_form = true;
	cmocka_set_test_filter("test_random");
}

bool random_round_has(const struct random_rounds *rounds, unsigned round, const struct mb_kernels *body)
{
	return !rounds->long_form || body != &mb_kernels_plain || round % 16 == 0;
}

int random_rounds_end(int status)
{
	printf("%lu answers by OpenSSL\n", n_answers);
	return status;
}

unsigned mb_bodies(const struct mb_kernels *out_bodies[2])
{
	out_bodies[0] = &mb_kernels_plain;
	out_bodies[1] = mb_kernels_select();
	return out_bodies[1] != NULL ? 2 : 1;
}

uint64_t stream_next(struct stream *stream)
{
	uint64_t z = stream->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void stream_bytes(struct stream *stream, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)stream_next(stream);
}

void rows_init(struct rows *rows, uint8_t fill)
{
	memset(rows->bytes, fill, sizeof(rows->bytes));
	for (unsigned i = 0; i < MB_REQUESTS_MAX; i++) {
		rows->out[i] = rows->bytes[i];
		rows->in[i] = rows->bytes[i];
	}
}

bool row_is_zero(const struct rows *rows, unsigned i, size_t len)
{
	static const uint8_t zeros[ROW_LEN];

	return memcmp(rows->bytes[i], zeros, len) == 0;
}

unsigned nist_limit(enum mb_curve curve)
{
	return curve == MB_P256 ? MB_REQUESTS_MAX : MB_LANES;
}

size_t nist_point_len(enum mb_curve curve)
{
	return curve == MB_P256 ? MB_P256_POINT_LEN : MB_P384_POINT_LEN;
}

uint64_t nist_keygen(const struct mb_kernels *kernels, enum mb_curve curve, struct rows *out_points,
	const struct rows *scalars, unsigned n)
{
	return (curve == MB_P256 ? kernels->p256_keygen : kernels->p384_keygen)(
		out_points->out, scalars->in, n);
}

uint64_t nist_ecdh(const struct mb_kernels *kernels, enum mb_curve curve, struct rows *out_secrets,
	const struct rows *scalars, const struct rows *peers, unsigned n)
{
	static struct mb_p384_job job;

	if (curve == MB_P256)
		return kernels->p256_ecdh(out_secrets->out, scalars->in, peers->in, n);
	kernels->p384_ecdh_begin(&job, scalars->in, peers->in, n);
	while (kernels->p384_step(&job))
		;
	return kernels->p384_ecdh_finish(&job, out_secrets->out);
}

uint64_t nist_prepare(const struct mb_kernels *kernels, enum mb_curve curve,
	struct mb_ecdsa_nonce out_nonces[], const struct rows *scalars, unsigned n)
{
	struct mb_ecdsa_nonce *pointers[MB_REQUESTS_MAX];

	for (unsigned i = 0; i < n; i++)
		pointers[i] = &out_nonces[i];
	return (curve == MB_P256 ? kernels->p256_ecdsa_prepare : kernels->p384_ecdsa_prepare)(
		pointers, scalars->in, n);
}

uint64_t nist_verify(const struct mb_kernels *kernels, enum mb_curve curve,
	const struct mb_ecdsa_check checks[], unsigned n)
{
	static struct mb_p384_job job;

	if (curve == MB_P256)
		return kernels->p256_ecdsa_verify(checks, n);
	kernels->p384_verify_begin(&job, checks, n);
	while (kernels->p384_step(&job))
		;
	return kernels->p384_verify_finish(&job);
}

static const EC_GROUP *group_of(enum mb_curve curve)
{
	static EC_GROUP *groups[2];

	if (groups[curve] == NULL)
		groups[curve] = EC_GROUP_new_by_curve_name(
			curve == MB_P256 ? NID_X9_62_prime256v1 : NID_secp384r1);
	return groups[curve];
}

static BIGNUM *number(enum mb_curve curve, const uint8_t *bytes)
{
	return BN_bin2bn(bytes, (int)mb_curve_len(curve), NULL);
}

bool reference_multiple(enum mb_curve curve, uint8_t *out_point, const uint8_t *scalar, const uint8_t *point)
{
	const EC_GROUP *group = group_of(curve);
	const BIGNUM *order = EC_GROUP_get0_order(group);
	size_t len = nist_point_len(curve);
	BIGNUM *k = number(curve, scalar);
	EC_POINT *p = EC_POINT_new(group);
	bool valid = !BN_is_zero(k) && BN_cmp(k, order) < 0;

	n_answers++;
	memset(out_point, 0, len);
	if (point != NULL)
		valid &= point[0] == 4 && EC_POINT_oct2point(group, p, point, len, NULL) == 1;
	if (valid) {
		MUST(point == NULL ? EC_POINT_mul(group, p, k, NULL, NULL, NULL)
				   : EC_POINT_mul(group, p, NULL, p, k, NULL));
		MUST(EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, out_point, len, NULL));
	}
	EC_POINT_free(p);
	BN_free(k);
	return valid;
}

bool reference_ecdh(enum mb_curve curve, uint8_t *out_x, const uint8_t *scalar, const uint8_t *point)
{
	uint8_t result[POINT_LEN_MAX];
	bool valid = reference_multiple(curve, result, scalar, point);

	memcpy(out_x, result + 1, mb_curve_len(curve));
	return valid;
}

static EVP_PKEY *public_key_of(enum mb_curve curve, const uint8_t *point)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	MUST(OSSL_PARAM_BLD_push_utf8_string(
		builder, OSSL_PKEY_PARAM_GROUP_NAME, curve == MB_P256 ? "P-256" : "P-384", 0));
	MUST(OSSL_PARAM_BLD_push_octet_string(
		builder, OSSL_PKEY_PARAM_PUB_KEY, point, nist_point_len(curve)));
	params = OSSL_PARAM_BLD_to_param(builder);
	MUST(EVP_PKEY_fromdata_init(context));
	if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return key;
}

bool reference_verify(enum mb_curve curve, const struct mb_ecdsa_check *check)
{
	EVP_PKEY *key = public_key_of(curve, check->public_point);
	ECDSA_SIG *signature = ECDSA_SIG_new();
	uint8_t *der = NULL;
	bool valid = false;
	int len;

	n_answers++;
	MUST(ECDSA_SIG_set0(signature, number(curve, check->r), number(curve, check->s)));
	len = i2d_ECDSA_SIG(signature, &der);
	if (key != NULL) {
		EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);

		MUST(EVP_PKEY_verify_init(context));
		valid = EVP_PKEY_verify(context, der, (size_t)len, check->digest, mb_curve_len(curve)) == 1;
		EVP_PKEY_CTX_free(context);
	}
	OPENSSL_free(der);
	ECDSA_SIG_free(signature);
	EVP_PKEY_free(key);
	return valid;
}

void reference_x25519_public(uint8_t out[32], const uint8_t private_key[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	size_t len = 32;

	n_answers++;
	MUST(EVP_PKEY_get_raw_public_key(key, out, &len));
	EVP_PKEY_free(key);
}

bool reference_x25519_shared(uint8_t out[32], const uint8_t private_key[32], const uint8_t peer[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	size_t len = 32;
	bool valid;

	n_answers++;
	memset(out, 0, 32);
	MUST(EVP_PKEY_derive_init(context));
	MUST(EVP_PKEY_derive_set_peer(context, other));
	valid = EVP_PKEY_derive(context, out, &len) == 1;
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
	return valid;
}

void reference_ed25519_sign(
	uint8_t out_signature[64], uint8_t out_public[32], const uint8_t seed[32], struct span message)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t signature_len = 64, public_len = 32;

	n_answers++;
	MUST(EVP_PKEY_get_raw_public_key(key, out_public, &public_len));
	MUST(EVP_DigestSignInit(context, NULL, NULL, NULL, key));
	MUST(EVP_DigestSign(context, out_signature, &signature_len, message.data, message.len));
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
}

// Writes a number and frees it.
static void number_write(enum mb_curve curve, uint8_t *out, BIGNUM *a)
{
	MUST(BN_bn2binpad(a, out, (int)mb_curve_len(curve)));
	BN_clear_free(a);
}

void order_minus(enum mb_curve curve, uint8_t *out, uint64_t small)
{
	BIGNUM *a = BN_dup(EC_GROUP_get0_order(group_of(curve)));

	MUST(BN_sub_word(a, small));
	number_write(curve, out, a);
}

void order_plus(enum mb_curve curve, uint8_t *out, uint64_t small)
{
	BIGNUM *a = BN_dup(EC_GROUP_get0_order(group_of(curve)));

	MUST(BN_add_word(a, small));
	number_write(curve, out, a);
}

void order_shift(enum mb_curve curve, uint8_t *out, unsigned bits)
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *a = BN_new();

	MUST(BN_one(a));
	MUST(BN_mod_lshift(a, a, (int)bits, EC_GROUP_get0_order(group_of(curve)), context));
	number_write(curve, out, a);
	BN_CTX_free(context);
}

static void order_binary(enum mb_curve curve, uint8_t *out, const uint8_t *a, const uint8_t *b,
	int (*operation)(BIGNUM *r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *context))
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *x = number(curve, a), *y = number(curve, b);

	MUST(operation(x, x, y, EC_GROUP_get0_order(group_of(curve)), context));
	number_write(curve, out, x);
	BN_free(y);
	BN_CTX_free(context);
}

void order_multiply(enum mb_curve curve, uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	order_binary(curve, out, a, b, BN_mod_mul);
}

void order_add(enum mb_curve curve, uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	order_binary(curve, out, a, b, BN_mod_add);
}

void order_invert(enum mb_curve curve, uint8_t *out, const uint8_t *a)
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *x = number(curve, a);

	SLUICE_ASSERT(BN_mod_inverse(x, x, EC_GROUP_get0_order(group_of(curve)), context) != NULL);
	number_write(curve, out, x);
	BN_CTX_free(context);
}

void order_negate(enum mb_curve curve, uint8_t *out, const uint8_t *a)
{
	BIGNUM *x = number(curve, a);

	MUST(BN_sub(x, EC_GROUP_get0_order(group_of(curve)), x));
	number_write(curve, out, x);
}

bool field_plus_p(enum mb_curve curve, uint8_t *out, const uint8_t *a)
{
	BIGNUM *x = number(curve, a);
	bool fits;

	MUST(BN_add(x, x, EC_GROUP_get0_field(group_of(curve))));
	fits = (size_t)BN_num_bytes(x) <= mb_curve_len(curve);
	if (fits)
		number_write(curve, out, x);
	else
		BN_free(x);
	return fits;
}
