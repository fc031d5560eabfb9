// SPDX-License-Identifier: Apache-2.0
#include "rsa_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/assert.h"

#define N_PRIMES 4

// Two keys' primes for each size, made when first wanted.
static BIGNUM *cached_primes[MB_RSA_N_SIZES][N_PRIMES];

static void generate_primes(enum mb_rsa_size size)
{
	for (unsigned i = 0; i < N_PRIMES; i += 2) {
		EVP_PKEY *pkey = EVP_RSA_gen(8 * MB_RSA_LEN(size));

		SLUICE_ASSERT(pkey != NULL);
		SLUICE_ASSERT(
			EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &cached_primes[size][i]));
		SLUICE_ASSERT(EVP_PKEY_get_bn_param(
			pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, &cached_primes[size][i + 1]));
		EVP_PKEY_free(pkey);
	}
}

struct rsa_fixture *rsa_fixture_new(enum mb_rsa_size size, unsigned idx, uint32_t e)
{
	unsigned p = idx % N_PRIMES;
	unsigned q = (p + 1 + idx / N_PRIMES) % N_PRIMES;

	SLUICE_ASSERT(idx < RSA_FIXTURE_KEYS);
	if (cached_primes[size][0] == NULL)
		generate_primes(size);
	return rsa_fixture_from_primes(cached_primes[size][p], cached_primes[size][q], e);
}

// The numbers of a key, in the order of struct mb_rsa_parts, and d.
struct numbers {
	BN_CTX *context;
	BIGNUM *part[7];
	BIGNUM *d;
};

static struct numbers derive(const BIGNUM *p, const BIGNUM *q, uint32_t e)
{
	struct numbers numbers = {.context = BN_CTX_new(), .d = BN_new()};
	BIGNUM *p1 = BN_dup(p), *q1 = BN_dup(q), *phi = BN_new(), *gcd = BN_new();

	for (unsigned i = 0; i < 7; i++)
		numbers.part[i] = BN_new();
	BN_mul(numbers.part[0], p, q, numbers.context);
	BN_copy(numbers.part[2], p);
	BN_copy(numbers.part[3], q);
	BN_sub_word(p1, 1);
	BN_sub_word(q1, 1);
	BN_mul(phi, p1, q1, numbers.context);
	for (BN_set_word(numbers.part[1], e);; BN_add_word(numbers.part[1], 2)) {
		BN_gcd(gcd, numbers.part[1], phi, numbers.context);
		if (BN_is_one(gcd))
			break;
	}
	SLUICE_ASSERT(BN_mod_inverse(numbers.d, numbers.part[1], phi, numbers.context) != NULL);
	BN_mod(numbers.part[4], numbers.d, p1, numbers.context);
	BN_mod(numbers.part[5], numbers.d, q1, numbers.context);
	SLUICE_ASSERT(BN_mod_inverse(numbers.part[6], q, p, numbers.context) != NULL);
	BN_free(p1);
	BN_free(q1);
	BN_free(phi);
	BN_free(gcd);
	return numbers;
}

static EVP_PKEY *make_pkey(const struct numbers *numbers)
{
	static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params;

	for (unsigned i = 0; i < 7; i++)
		SLUICE_ASSERT(OSSL_PARAM_BLD_push_BN(builder, names[i], numbers->part[i]));
	SLUICE_ASSERT(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, numbers->d));
	params = OSSL_PARAM_BLD_to_param(builder);
	SLUICE_ASSERT(EVP_PKEY_fromdata_init(context) == 1);
	SLUICE_ASSERT(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

struct rsa_fixture *rsa_fixture_from_primes(const BIGNUM *p, const BIGNUM *q, uint32_t e)
{
	struct rsa_fixture *fixture = calloc(1, sizeof(*fixture));
	struct numbers numbers = derive(p, q, e);
	struct span spans[7];

	SLUICE_ASSERT(fixture != NULL);
	for (unsigned i = 0; i < 7; i++) {
		int len = BN_bn2bin(numbers.part[i], fixture->bytes[i]);

		spans[i] = span_of(fixture->bytes[i], (size_t)len);
	}
	fixture->parts = (struct mb_rsa_parts){.n = spans[0],
		.e = spans[1],
		.p = spans[2],
		.q = spans[3],
		.dp = spans[4],
		.dq = spans[5],
		.qinv = spans[6]};
	SLUICE_ASSERT(mb_rsa_size_of(fixture->parts.n, &fixture->size));
	fixture->len = MB_RSA_LEN(fixture->size);
	fixture->key = malloc(MB_RSA_KEY_BYTES(fixture->size));
	SLUICE_ASSERT(mb_rsa_key_set(fixture->key, &fixture->parts) == MB_RSA_KEY_OK);
	fixture->pkey = make_pkey(&numbers);
	fixture->private_context = EVP_PKEY_CTX_new(fixture->pkey, NULL);
	fixture->public_context = EVP_PKEY_CTX_new(fixture->pkey, NULL);
	SLUICE_ASSERT(EVP_PKEY_sign_init(fixture->private_context) == 1);
	SLUICE_ASSERT(EVP_PKEY_CTX_set_rsa_padding(fixture->private_context, RSA_NO_PADDING) == 1);
	SLUICE_ASSERT(EVP_PKEY_verify_recover_init(fixture->public_context) == 1);
	SLUICE_ASSERT(EVP_PKEY_CTX_set_rsa_padding(fixture->public_context, RSA_NO_PADDING) == 1);
	for (unsigned i = 0; i < 7; i++)
		BN_free(numbers.part[i]);
	BN_free(numbers.d);
	BN_CTX_free(numbers.context);
	return fixture;
}

void rsa_fixture_free(struct rsa_fixture *fixture)
{
	EVP_PKEY_CTX_free(fixture->private_context);
	EVP_PKEY_CTX_free(fixture->public_context);
	EVP_PKEY_free(fixture->pkey);
	free(fixture->key);
	free(fixture);
}

static void *zeroed(size_t len)
{
	size_t rounded = (len + 63) / 64 * 64;
	void *memory = aligned_alloc(64, rounded);

	SLUICE_ASSERT(memory != NULL);
	memset(memory, 0, rounded);
	return memory;
}

struct mb_rsa_blinding *rsa_fixture_blinding_new(enum mb_rsa_size size)
{
	return zeroed(MB_RSA_BLINDING_BYTES(size));
}

struct mb_rsa_job *rsa_fixture_job_new(void)
{
	return zeroed(sizeof(struct mb_rsa_job));
}

void rsa_fixture_private(const struct rsa_fixture *fixture, const uint8_t *message, uint8_t *out)
{
	size_t len = fixture->len;

	SLUICE_ASSERT(EVP_PKEY_sign(fixture->private_context, out, &len, message, fixture->len) == 1);
	SLUICE_ASSERT(len == fixture->len);
}

void rsa_fixture_public(const struct rsa_fixture *fixture, const uint8_t *signature, uint8_t *out)
{
	size_t len = fixture->len;

	SLUICE_ASSERT(
		EVP_PKEY_verify_recover(fixture->public_context, out, &len, signature, fixture->len) == 1);
	SLUICE_ASSERT(len == fixture->len);
}

void rsa_fixture_message(const struct rsa_fixture *fixture, uint8_t *out)
{
	SLUICE_ASSERT(RAND_bytes(out, (int)fixture->len) == 1);
	out[0] &= 0x7f;
}
