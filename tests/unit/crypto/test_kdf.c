// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf.h"
#include "seam/cmocka_all.h"
#include "unit/crypto/hex.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

static const char *const names[N_HASHES] = {"SHA256", "SHA384", "SHA512"};

static unsigned random_below(unsigned n)
{
	uint32_t value;

	assert_int_equal(RAND_bytes((uint8_t *)&value, sizeof value), 1);
	return value % n;
}

// RFC 4231 test case 2: key "Jefe".
static void test_hmac_published(void **state)
{
	struct bytes expected = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	uint8_t tag[HASH_MAX_LEN];

	(void)state;
	hmac(HASH_SHA256, span_of_string("Jefe"), span_of_string("what do ya want for nothing?"), tag);
	assert_memory_equal(tag, expected.data, 32);
	expected = hex(
		"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ec"
		"fab21649");
	hmac(HASH_SHA384, span_of_string("Jefe"), span_of_string("what do ya want for nothing?"), tag);
	assert_memory_equal(tag, expected.data, 48);
}

// Keys shorter and longer than a block, messages in one and in several pieces.
static void test_hmac_against_openssl(void **state)
{
	uint8_t secret[300], message[500], tag[HASH_MAX_LEN], expected[HASH_MAX_LEN];

	(void)state;
	assert_int_equal(RAND_bytes(secret, sizeof secret), 1);
	assert_int_equal(RAND_bytes(message, sizeof message), 1);
	for (int round = 0; round < 2000; round++) {
		enum hash_id id = random_below(N_HASHES);
		size_t secret_len = random_below(sizeof secret);
		size_t len = random_below(sizeof message);
		size_t cut = random_below((unsigned)len + 1);
		const struct span parts[3] = {
			span_of(message, cut), span_of(NULL, 0), span_of(message + cut, len - cut)};
		struct hmac_key key;

		assert_non_null(HMAC(EVP_get_digestbyname(names[id]), secret, (int)secret_len, message, len,
			expected, NULL));
		hmac_key_init(&key, id, span_of(secret, secret_len));
		hmac_parts(&key, parts, 3, tag);
		assert_memory_equal(tag, expected, hash_len(id));
		hmac_parts(&key, parts, 3, tag); // a key may be used again
		assert_memory_equal(tag, expected, hash_len(id));
	}
}

static void test_outputs_may_be_inputs(void **state)
{
	uint8_t expected[HASH_MAX_LEN], in_place[HASH_MAX_LEN];
	struct span ikm = span_of_string("input keying material");

	(void)state;
	memset(in_place, 7, sizeof in_place);
	hkdf_extract(HASH_SHA256, span_of(in_place, 32), ikm, expected);
	hkdf_extract(HASH_SHA256, span_of(in_place, 32), ikm, in_place);
	assert_memory_equal(in_place, expected, 32);
	memset(in_place, 7, sizeof in_place);
	hkdf_extract(HASH_SHA384, ikm, span_of(in_place, 48), expected);
	hkdf_extract(HASH_SHA384, ikm, span_of(in_place, 48), in_place);
	assert_memory_equal(in_place, expected, 48);
}

static void openssl_kdf(const char *name, OSSL_PARAM *params, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);

	assert_int_equal(EVP_KDF_derive(context, out, len, params), 1);
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
}

static void test_hkdf_against_openssl(void **state)
{
	uint8_t salt[100], ikm[100], info[200], prk[HASH_MAX_LEN], okm[1000], expected[1000];

	(void)state;
	assert_int_equal(RAND_bytes(salt, sizeof salt), 1);
	assert_int_equal(RAND_bytes(ikm, sizeof ikm), 1);
	assert_int_equal(RAND_bytes(info, sizeof info), 1);
	for (int round = 0; round < 500; round++) {
		enum hash_id id = random_below(N_HASHES);
		size_t salt_len = 1 + random_below(sizeof salt - 1),
		       ikm_len = 1 + random_below(sizeof ikm - 1);
		size_t info_len = random_below(sizeof info), len = 1 + random_below(sizeof okm);
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(
				OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)names[id], 0),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, salt_len),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, ikm, ikm_len),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_len),
			OSSL_PARAM_construct_end(),
		};

		openssl_kdf("HKDF", params, expected, len);
		hkdf_extract(id, span_of(salt, salt_len), span_of(ikm, ikm_len), prk);
		hkdf_expand(
			id, span_of(prk, hash_len(id)), span_of(info, info_len), (struct mut_span){okm, len});
		assert_memory_equal(okm, expected, len);
	}
}

// RFC 8448 section 3, server: from the shared secret to the handshake traffic keys.
static void test_tls13_key_schedule(void **state)
{
	struct bytes shared = hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
	struct bytes hello_hash = hex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
	uint8_t empty_hash[32], secret[32], traffic[2][32], key[16], iv[12];

	(void)state;
	hash_digest(HASH_SHA256, span_of(NULL, 0), empty_hash);
	hkdf_extract(HASH_SHA256, span_of(kdf_zeros, 32), span_of(kdf_zeros, 32), secret);
	assert_hex(secret, 32, "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
	kdf_derive_secret(HASH_SHA256, span_of(secret, 32), "derived", span_of(empty_hash, 32), secret);
	assert_hex(secret, 32, "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba");
	hkdf_extract(HASH_SHA256, span_of(secret, 32), span_of(shared.data, 32), secret);
	assert_hex(secret, 32, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
	{
		const struct kdf_label_job jobs[2] = {
			{span_of(secret, 32), "c hs traffic", span_of(hello_hash.data, 32), {traffic[0], 32}},
			{span_of(secret, 32), "s hs traffic", span_of(hello_hash.data, 32), {traffic[1], 32}},
		};

		kdf_expand_label_burst(HASH_SHA256, jobs, 2);
	}
	assert_hex(traffic[0], 32, "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21");
	assert_hex(traffic[1], 32, "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
	kdf_expand_label(
		HASH_SHA256, span_of(traffic[1], 32), "key", span_of(NULL, 0), (struct mut_span){key, 16});
	kdf_expand_label(
		HASH_SHA256, span_of(traffic[1], 32), "iv", span_of(NULL, 0), (struct mut_span){iv, 12});
	assert_hex(key, 16, "3fce516009c21727d0f2e4e86ee403bc");
	assert_hex(iv, 12, "5d313eb2671276ee13000b30");
	kdf_derive_secret(HASH_SHA256, span_of(secret, 32), "derived", span_of(empty_hash, 32), secret);
	assert_hex(secret, 32, "43de77e0c77713859a944db9db2590b53190a65b3ee2e4f12dd7a0bb7ce254b4");
}

static void test_label_bursts_equal_singles(void **state)
{
	static const char *const labels[] = {"key", "iv", "finished", "c ap traffic", "resumption", ""};
	uint8_t secrets[20][HASH_MAX_LEN], outs[20][HASH_MAX_LEN], expected[HASH_MAX_LEN], context[255];

	(void)state;
	assert_int_equal(RAND_bytes((uint8_t *)secrets, sizeof secrets), 1);
	assert_int_equal(RAND_bytes(context, sizeof context), 1);
	for (int round = 0; round < 200; round++) {
		enum hash_id id = random_below(N_HASHES);
		size_t n = random_below(20) + 1;
		struct kdf_label_job jobs[20];

		for (size_t i = 0; i < n; i++)
			jobs[i] = (struct kdf_label_job){
				// Neighbours often share a secret.
				.secret = i != 0 && random_below(2) == 0 ? jobs[i - 1].secret
									 : span_of(secrets[i], hash_len(id)),
				.label = labels[random_below(6)],
				.context = span_of(context, random_below(256)),
				.out = {outs[i], random_below((unsigned)hash_len(id) + 1)},
			};
		kdf_expand_label_burst(id, jobs, n);
		for (size_t i = 0; i < n; i++) {
			kdf_expand_label(id, jobs[i].secret, jobs[i].label, jobs[i].context,
				(struct mut_span){expected, jobs[i].out.len});
			assert_memory_equal(outs[i], expected, jobs[i].out.len);
		}
	}
}

// The P_SHA256 vector that TLS implementers have passed around since 2009 (IETF TLS list, M. Orthmann).
static void test_tls12_prf_published(void **state)
{
	struct bytes secret = hex("9bbe436ba940f017b17652849a71db35");
	struct bytes seed = hex("a0ba9f936cda311827a6f796ffd5198c");
	uint8_t out[100];

	(void)state;
	kdf_tls12_prf(HASH_SHA256, span_of(secret.data, 16), "test label",
		(const struct span[]){span_of(seed.data, 8), span_of(seed.data + 8, 8)},
		(struct mut_span){out, 100});
	assert_hex(out, 100,
		"e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14ba"
		"f9af"
		"0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110ff"
		"f701"
		"87347b66");
}

static void test_tls12_prf_against_openssl(void **state)
{
	uint8_t secret[48], seed[64], out[200], expected[200];

	(void)state;
	assert_int_equal(RAND_bytes(secret, sizeof secret), 1);
	assert_int_equal(RAND_bytes(seed, sizeof seed), 1);
	for (size_t len = 1; len <= sizeof out; len++) {
		enum hash_id id = len % 2 == 0 ? HASH_SHA256 : HASH_SHA384;
		char label_and_seed[13 + 64];
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(
				OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)names[id], 0),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, sizeof secret),
			OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label_and_seed, 13 + 64),
			OSSL_PARAM_construct_end(),
		};

		memcpy(label_and_seed, "master secret", 13);
		memcpy(label_and_seed + 13, seed, sizeof seed);
		openssl_kdf("TLS1-PRF", params, expected, len);
		kdf_tls12_prf(id, span_of(secret, sizeof secret), "master secret",
			(const struct span[]){span_of(seed, 32), span_of(seed + 32, 32)},
			(struct mut_span){out, len});
		assert_memory_equal(out, expected, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac_published),
		cmocka_unit_test(test_hmac_against_openssl),
		cmocka_unit_test(test_outputs_may_be_inputs),
		cmocka_unit_test(test_hkdf_against_openssl),
		cmocka_unit_test(test_tls13_key_schedule),
		cmocka_unit_test(test_label_bursts_equal_singles),
		cmocka_unit_test(test_tls12_prf_published),
		cmocka_unit_test(test_tls12_prf_against_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
