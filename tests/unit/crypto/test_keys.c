// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include "base/arena.h"
#include "crypto/private_key.h"
#include "crypto/public_key.h"
#include "unit/crypto/crypto_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdlib.h>

static const struct {
	enum key_type type;
	unsigned bits;
} expected[N_FIXTURE_KEYS] = {
	[FIXTURE_ECDSA_P256] = {KEY_ECDSA_P256, 256},
	[FIXTURE_ECDSA_P384] = {KEY_ECDSA_P384, 384},
	[FIXTURE_ED25519] = {KEY_ED25519, 256},
	[FIXTURE_RSA2048] = {KEY_RSA, 2048},
	[FIXTURE_RSA3072] = {KEY_RSA, 3072},
	[FIXTURE_RSA4096] = {KEY_RSA, 4096},
	[FIXTURE_RSA_PSS2048] = {KEY_RSA_PSS, 2048},
};

static X509 *certificate_of(EVP_PKEY *pkey, bool with_version)
{
	X509 *certificate = X509_new();
	EVP_PKEY *issuer = EVP_EC_gen("P-256");

	assert_int_equal(X509_set_version(certificate, with_version ? X509_VERSION_3 : X509_VERSION_1), 1);
	assert_int_equal(X509_set_pubkey(certificate, pkey), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 60));
	assert_true(X509_sign(certificate, issuer, EVP_sha256()) > 0);
	EVP_PKEY_free(issuer);
	return certificate;
}

static void test_every_type(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned i = 0; i < N_FIXTURE_KEYS; i++) {
		const struct private_key *key = fixture_key(fixture, i);

		assert_int_equal(private_key_type(key), expected[i].type);
		assert_int_equal(private_key_bits(key), expected[i].bits);
		for (unsigned j = 0; j < N_FIXTURE_KEYS; j++) {
			X509 *certificate = certificate_of(fixture_pkey(j), (i + j) % 2 == 0);
			uint8_t *der = NULL;
			const int len = i2d_X509(certificate, &der);

			assert_true(len > 0);
			assert_int_equal(
				private_key_matches_certificate(key, span_of(der, (size_t)len)), i == j);
			// Cut off anywhere, it is nobody's.
			for (int cut = 0; cut < len; cut++)
				assert_false(private_key_matches_certificate(key, span_of(der, (size_t)cut)));
			OPENSSL_free(der);
			X509_free(certificate);
		}
	}
}

static X509 *signed_by(EVP_PKEY *issuer, const EVP_MD *digest, bool pss)
{
	X509 *certificate = X509_new();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters;

	assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
	assert_int_equal(X509_set_pubkey(certificate, issuer), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 60));
	assert_int_equal(EVP_DigestSignInit(context, &parameters, digest, NULL, issuer), 1);
	if (pss)
		assert_true(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) > 0);
	assert_true(X509_sign_ctx(certificate, context) > 0);
	EVP_MD_CTX_free(context);
	return certificate;
}

static void check_signature_name(X509 *certificate, const char *name)
{
	uint8_t *der = NULL;
	const int len = i2d_X509(certificate, &der);

	assert_true(len > 0);
	assert_string_equal(certificate_signature_name(span_of(der, (size_t)len)), name);
	// Cut off anywhere, it is no certificate.
	for (int cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc((size_t)cut);

		if (cut != 0)
			memcpy(copy, der, (size_t)cut);
		assert_null(certificate_signature_name(span_of(copy, (size_t)cut)));
		free(copy);
	}
	OPENSSL_free(der);
	X509_free(certificate);
}

static void test_signature_names(void **state)
{
	const EVP_MD *const digests[] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
	static const char *const names[] = {"SHA1", "SHA256", "SHA384", "SHA512"};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		check_signature_name(
			signed_by(fixture_pkey(FIXTURE_ECDSA_P256), digests[i], false), names[i]);
		check_signature_name(signed_by(fixture_pkey(FIXTURE_RSA2048), digests[i], false), names[i]);
		check_signature_name(signed_by(fixture_pkey(FIXTURE_RSA2048), digests[i], true), names[i]);
	}
	check_signature_name(signed_by(fixture_pkey(FIXTURE_ED25519), NULL, false), "ED25519");
	assert_null(certificate_signature_name(span_of("\x30\x82\xff\xff\x30", 5)));
}

static void test_pkcs8_round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_FIXTURE_KEYS; i++) {
		PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(fixture_pkey(i));
		unsigned char *der = NULL;
		int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
		EVP_PKEY *parsed;

		assert_true(len > 0);
		parsed = private_key_parse_der(span_of(der, (size_t)len));
		assert_int_equal(EVP_PKEY_eq(parsed, fixture_pkey(i)), 1);
		EVP_PKEY_free(parsed);
		assert_null(private_key_parse_der(span_of(der, (size_t)len - 1)));
		assert_null(private_key_parse_der(span_of(der + 1, (size_t)len - 1)));
		assert_null(private_key_parse_der(span_of(der, 0)));
		der = realloc(der, (size_t)len + 1);
		der[len] = 0;
		assert_null(private_key_parse_der(span_of(der, (size_t)len + 1)));
		free(der);
		PKCS8_PRIV_KEY_INFO_free(info);
	}
	ERR_clear_error();
}

// Keys of algorithms, curves and sizes that are not ours.
static void test_unsupported(void **state)
{
	EVP_PKEY *others[] = {
		EVP_EC_gen("P-521"),
		EVP_EC_gen("secp256k1"),
		EVP_RSA_gen(1024),
		EVP_RSA_gen(2056),
		EVP_PKEY_Q_keygen(NULL, NULL, "X25519"),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED448"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		_Alignas(64) uint8_t memory[256];
		const struct private_key *key = (const struct private_key *)memory;

		assert_non_null(others[i]);
		assert_int_equal(private_key_footprint(others[i]), 0);
		assert_int_equal(private_key_load((struct mut_span){memory, sizeof memory}, others[i],
					 SELECT_LANES_AUTO, &key),
			KEY_UNSUPPORTED);
		assert_null(key);
		EVP_PKEY_free(others[i]);
	}
}

// A key put together from the private part of one and the public part of another.
static EVP_PKEY *chimera_ec(void)
{
	EVP_PKEY *one = fixture_pkey(FIXTURE_ECDSA_P256), *other = EVP_EC_gen("P-256"), *mixed = NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	uint8_t point[65];
	size_t len;
	BIGNUM *d = NULL;

	assert_int_equal(EVP_PKEY_get_octet_string_param(
				 other, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof point, &len),
		1);
	assert_int_equal(EVP_PKEY_get_bn_param(one, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len);
	OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d);
	params = OSSL_PARAM_BLD_to_param(builder);
	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &mixed, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(other);
	BN_free(d);
	return mixed;
}

// An RSA key one of whose CRT parts is off by two.
static EVP_PKEY *broken_rsa(const char *part)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *numbers[8] = {NULL};
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params;

	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(
			EVP_PKEY_get_bn_param(fixture_pkey(FIXTURE_RSA2048), names[i], &numbers[i]), 1);
		if (strcmp(names[i], part) == 0)
			assert_int_equal(BN_add_word(numbers[i], 2), 1);
		OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]);
	}
	params = OSSL_PARAM_BLD_to_param(builder);
	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params), 1);
	for (size_t i = 0; i < 8; i++)
		BN_free(numbers[i]);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static void test_inconsistent(void **state)
{
	EVP_PKEY *bad[] = {
		chimera_ec(),
		broken_rsa(OSSL_PKEY_PARAM_RSA_N),
		broken_rsa(OSSL_PKEY_PARAM_RSA_FACTOR1),
		broken_rsa(OSSL_PKEY_PARAM_RSA_FACTOR2),
		broken_rsa(OSSL_PKEY_PARAM_RSA_EXPONENT1),
		broken_rsa(OSSL_PKEY_PARAM_RSA_EXPONENT2),
		broken_rsa(OSSL_PKEY_PARAM_RSA_COEFFICIENT1),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		size_t len = (private_key_footprint(bad[i]) + 63) / 64 * 64;
		uint8_t *memory = aligned_alloc(64, len);
		const struct private_key *key;

		memset(memory, 0xaa, len);
		assert_int_equal(
			private_key_load((struct mut_span){memory, len}, bad[i], SELECT_LANES_AUTO, &key),
			KEY_INCONSISTENT);
		assert_null(key);
		for (size_t j = 0; j < private_key_footprint(bad[i]); j++)
			assert_int_equal(memory[j], 0);
		free(memory);
		EVP_PKEY_free(bad[i]);
	}
}

static void test_destroy_wipes(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned i = 0; i < N_FIXTURE_KEYS; i++) {
		size_t len = (private_key_footprint(fixture_pkey(i)) + 63) / 64 * 64;
		uint8_t *memory = aligned_alloc(64, len);
		const struct private_key *key;
		uint8_t digest[2][32];

		memset(memory, 0, len);
		assert_int_equal(private_key_load((struct mut_span){memory, len}, fixture_pkey(i),
					 fixture->body, &key),
			KEY_OK);
		private_key_digest(key, digest[0]);
		private_key_digest(fixture_key(fixture, (i + 1) % N_FIXTURE_KEYS), digest[1]);
		assert_memory_not_equal(digest[0], digest[1], 32);
		private_key_destroy(key);
		for (size_t j = 0; j < len; j++)
			assert_int_equal(memory[j], 0);
		free(memory);
	}
}

// Flat public keys: from OpenSSL's object, from SPKI, and back.
static void test_public_keys(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_FIXTURE_KEYS; i++) {
		struct public_key key, again;
		unsigned char *spki = NULL;
		int len = i2d_PUBKEY(fixture_pkey(i), &spki);
		EVP_PKEY *back;

		assert_true(len > 0);
		memset(&key, 0, sizeof key);
		memset(&again, 0, sizeof again);
		assert_int_equal(public_key_from_pkey(&key, fixture_pkey(i)), KEY_OK);
		assert_int_equal(public_key_from_spki(&again, span_of(spki, (size_t)len)), KEY_OK);
		assert_int_equal(key.type, expected[i].type);
		assert_memory_equal(&key, &again, sizeof key);
		back = public_key_to_pkey(&key);
		assert_int_equal(EVP_PKEY_eq(back, fixture_pkey(i)), 1);
		EVP_PKEY_free(back);
		assert_int_equal(public_key_from_spki(&again, span_of(spki, (size_t)len - 1)), KEY_MALFORMED);
		assert_int_equal(public_key_from_spki(&again, span_of(spki, 0)), KEY_MALFORMED);
		spki[0] ^= 1;
		assert_int_equal(public_key_from_spki(&again, span_of(spki, (size_t)len)), KEY_MALFORMED);
		assert_memory_equal(&key, &again, sizeof key); // untouched by failures
		OPENSSL_free(spki);
	}
	ERR_clear_error();
}

// A certificate may hold its point compressed: the flat form is the same.
static void test_compressed_point(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_dup(fixture_pkey(FIXTURE_ECDSA_P256));
	struct public_key key, compressed;
	unsigned char *spki = NULL;
	int len;

	(void)state;
	memset(&key, 0, sizeof key);
	memset(&compressed, 0, sizeof compressed);
	assert_int_equal(public_key_from_pkey(&key, pkey), KEY_OK);
	assert_int_equal(EVP_PKEY_set_utf8_string_param(
				 pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"),
		1);
	len = i2d_PUBKEY(pkey, &spki);
	assert_int_equal(len, 59);
	assert_int_equal(public_key_from_spki(&compressed, span_of(spki, (size_t)len)), KEY_OK);
	assert_memory_equal(&key, &compressed, sizeof key);
	OPENSSL_free(spki);
	EVP_PKEY_free(pkey);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature_names),
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_pkcs8_round_trip),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_inconsistent),
		cmocka_unit_test(test_destroy_wipes),
		cmocka_unit_test(test_public_keys),
		cmocka_unit_test(test_compressed_point),
	};

	return fixture_run_tests(tests, sizeof tests / sizeof tests[0]);
}
