// SPDX-License-Identifier: Apache-2.0
//
// The encodings against OpenSSL's in both directions, and what the decoders must refuse.
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "base/assert.h"
#include "crypto/rsa_padding.h"
#include "rsa_fixture.h"
#include "seam/cmocka_all.h"

static struct rsa_fixture *fixture;

static const EVP_MD *md_of(enum hash_id hash)
{
	return hash == HASH_SHA256 ? EVP_sha256() : hash == HASH_SHA384 ? EVP_sha384() : EVP_sha512();
}

static EVP_PKEY_CTX *openssl_context(bool signs, int padding, enum hash_id hash, int salt_len)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(fixture->pkey, NULL);

	assert_int_equal(signs ? EVP_PKEY_sign_init(context) : EVP_PKEY_verify_init(context), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, padding), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(context, md_of(hash)), 1);
	if (padding == RSA_PKCS1_PSS_PADDING)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_len), 1);
	return context;
}

// The encoded message that OpenSSL signs.
static void openssl_encode(
	int padding, enum hash_id hash, int salt_len, const uint8_t *digest, uint8_t *out_em)
{
	EVP_PKEY_CTX *context = openssl_context(true, padding, hash, salt_len);
	uint8_t signature[RSA_PADDING_MAX_LEN];
	size_t len = fixture->len;

	assert_int_equal(EVP_PKEY_sign(context, signature, &len, digest, hash_len(hash)), 1);
	rsa_fixture_public(fixture, signature, out_em);
	EVP_PKEY_CTX_free(context);
}

// Whether OpenSSL takes a signature of this encoded message.
static bool openssl_accepts(
	int padding, enum hash_id hash, int salt_len, const uint8_t *digest, const uint8_t *em)
{
	EVP_PKEY_CTX *context = openssl_context(false, padding, hash, salt_len);
	uint8_t signature[RSA_PADDING_MAX_LEN];
	bool accepts;

	rsa_fixture_private(fixture, em, signature);
	accepts = EVP_PKEY_verify(context, signature, fixture->len, digest, hash_len(hash)) == 1;
	EVP_PKEY_CTX_free(context);
	return accepts;
}

static void random_bytes(uint8_t *out, size_t len)
{
	assert_int_equal(RAND_bytes(out, (int)len), 1);
}

static struct span em_of(const uint8_t *em)
{
	return span_of(em, fixture->len);
}

static struct mut_span em_into(uint8_t *em)
{
	return (struct mut_span){.data = em, .len = fixture->len};
}

static void pkcs1_is_openssls(void **state)
{
	(void)state;
	for (enum hash_id hash = 0; hash < N_HASHES; hash++) {
		uint8_t digest[HASH_MAX_LEN], em[RSA_PADDING_MAX_LEN], expected[RSA_PADDING_MAX_LEN];

		random_bytes(digest, sizeof(digest));
		openssl_encode(RSA_PKCS1_PADDING, hash, 0, digest, expected);
		rsa_pkcs1_encode(hash, digest, em_into(em));
		assert_memory_equal(em, expected, fixture->len);
		assert_true(rsa_pkcs1_verify(hash, digest, em_of(em)));
		assert_true(openssl_accepts(RSA_PKCS1_PADDING, hash, 0, digest, em));
	}
}

static void pss_is_openssls(void **state)
{
	(void)state;
	for (enum hash_id hash = 0; hash < N_HASHES; hash++) {
		const size_t salt_lens[] = {hash_len(hash), 0, 1, hash_len(hash) - 1};

		for (unsigned i = 0; i < 4 * 4; i++) {
			size_t salt_len = salt_lens[i % 4];
			uint8_t digest[HASH_MAX_LEN], salt[HASH_MAX_LEN], em[RSA_PADDING_MAX_LEN];

			random_bytes(digest, sizeof(digest));
			random_bytes(salt, sizeof(salt));
			openssl_encode(RSA_PKCS1_PSS_PADDING, hash, (int)salt_len, digest, em);
			assert_true(rsa_pss_verify(hash, digest, salt_len, em_of(em)));
			rsa_pss_encode(hash, digest, span_of(salt, salt_len), em_into(em));
			assert_true(rsa_pss_verify(hash, digest, salt_len, em_of(em)));
			assert_true(openssl_accepts(RSA_PKCS1_PSS_PADDING, hash, (int)salt_len, digest, em));
		}
	}
}

static void any_changed_bit_is_refused(void **state)
{
	(void)state;
	for (enum hash_id hash = 0; hash < N_HASHES; hash++) {
		uint8_t digest[HASH_MAX_LEN], pkcs1[RSA_PADDING_MAX_LEN], pss[RSA_PADDING_MAX_LEN];

		random_bytes(digest, sizeof(digest));
		rsa_pkcs1_encode(hash, digest, em_into(pkcs1));
		rsa_pss_encode(hash, digest, span_of(digest, hash_len(hash)), em_into(pss));
		for (size_t bit = 0; bit < fixture->len * 8; bit++) {
			pkcs1[bit / 8] ^= (uint8_t)(1 << bit % 8);
			pss[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(rsa_pkcs1_verify(hash, digest, em_of(pkcs1)));
			assert_false(rsa_pss_verify(hash, digest, hash_len(hash), em_of(pss)));
			pkcs1[bit / 8] ^= (uint8_t)(1 << bit % 8);
			pss[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < hash_len(hash) * 8; bit++) {
			digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(rsa_pkcs1_verify(hash, digest, em_of(pkcs1)));
			assert_false(rsa_pss_verify(hash, digest, hash_len(hash), em_of(pss)));
			digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_true(rsa_pkcs1_verify(hash, digest, em_of(pkcs1)));
		assert_true(rsa_pss_verify(hash, digest, hash_len(hash), em_of(pss)));
	}
}

static void other_hashes_and_encodings_are_refused(void **state)
{
	uint8_t digest[HASH_MAX_LEN] = {1, 2, 3}, pkcs1[RSA_PADDING_MAX_LEN], pss[RSA_PADDING_MAX_LEN];

	(void)state;
	for (enum hash_id made = 0; made < N_HASHES; made++) {
		rsa_pkcs1_encode(made, digest, em_into(pkcs1));
		rsa_pss_encode(made, digest, span_of(digest, 32), em_into(pss));
		for (enum hash_id hash = 0; hash < N_HASHES; hash++) {
			assert_true(rsa_pkcs1_verify(hash, digest, em_of(pkcs1)) == (hash == made));
			assert_true(rsa_pss_verify(hash, digest, 32, em_of(pss)) == (hash == made));
			assert_false(rsa_pkcs1_verify(hash, digest, em_of(pss)));
			assert_false(rsa_pss_verify(hash, digest, 32, em_of(pkcs1)));
		}
	}
}

static void pss_salt_length_is_exact(void **state)
{
	uint8_t digest[HASH_MAX_LEN] = {9}, salt[HASH_MAX_LEN] = {0}, em[RSA_PADDING_MAX_LEN];

	(void)state;
	// A salt of zeros and ones is where a decoder that searches for the 01 goes wrong.
	salt[5] = 1;
	for (size_t made = 0; made <= 32; made++) {
		rsa_pss_encode(HASH_SHA256, digest, span_of(salt, made), em_into(em));
		for (size_t salt_len = 0; salt_len <= 40; salt_len++)
			assert_true(rsa_pss_verify(HASH_SHA256, digest, salt_len, em_of(em)) ==
				    (salt_len == made));
	}
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	uint8_t digest[HASH_MAX_LEN] = {7}, em[RSA_PADDING_MAX_LEN + 8] = {0};

	(void)state;
	for (enum hash_id hash = 0; hash < N_HASHES; hash++) {
		rsa_pkcs1_encode(hash, digest, em_into(em));
		for (size_t len = 0; len <= sizeof(em); len++)
			assert_true(
				rsa_pkcs1_verify(hash, digest, span_of(em, len)) == (len == fixture->len));
		rsa_pss_encode(hash, digest, span_of(digest, hash_len(hash)), em_into(em));
		for (size_t len = 0; len <= sizeof(em); len++)
			assert_true(rsa_pss_verify(hash, digest, hash_len(hash), span_of(em, len)) ==
				    (len == fixture->len));
	}
}

// PKCS#1 encodings that lax decoders have taken (Bleichenbacher 2006 and its sequels).
static void lax_pkcs1_forms_are_refused(void **state)
{
	uint8_t digest[HASH_MAX_LEN] = {0x55}, good[RSA_PADDING_MAX_LEN], em[RSA_PADDING_MAX_LEN];
	size_t len = fixture->len;
	size_t info = len - 51; // where DigestInfo starts, for SHA-256

	(void)state;
	rsa_pkcs1_encode(HASH_SHA256, digest, em_into(good));

	// Fewer ff, and garbage after the digest.
	for (size_t n_garbage = 1; n_garbage < info - 11; n_garbage++) {
		memcpy(em, good, len);
		memmove(em + info - 1 - n_garbage, good + info - 1, 52);
		assert_false(rsa_pkcs1_verify(HASH_SHA256, digest, em_of(em)));
	}
	// Without the NULL parameter, lengths right.
	memcpy(em, good, len);
	memmove(em + 4, good + 2, info + 15 - 2);
	em[2] = em[3] = 0xff;
	em[info + 3] = 0x2f;
	em[info + 5] = 0x0b;
	assert_false(rsa_pkcs1_verify(HASH_SHA256, digest, em_of(em)));
	// Block types 0 and 2, and no separator.
	memcpy(em, good, len);
	em[1] = 0;
	assert_false(rsa_pkcs1_verify(HASH_SHA256, digest, em_of(em)));
	em[1] = 2;
	assert_false(rsa_pkcs1_verify(HASH_SHA256, digest, em_of(em)));
	memcpy(em, good, len);
	em[info - 1] = 0xff;
	assert_false(rsa_pkcs1_verify(HASH_SHA256, digest, em_of(em)));
	// The digest without DigestInfo.
	memset(em + 2, 0xff, len - 2);
	em[len - 33] = 0;
	memcpy(em + len - 32, digest, 32);
	assert_false(rsa_pkcs1_verify(HASH_SHA256, digest, em_of(em)));
}

static int setup(void **state)
{
	(void)state;
	fixture = rsa_fixture_new(MB_RSA_2048, 0, 65537);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rsa_fixture_free(fixture);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pkcs1_is_openssls),
		cmocka_unit_test(pss_is_openssls),
		cmocka_unit_test(any_changed_bit_is_refused),
		cmocka_unit_test(other_hashes_and_encodings_are_refused),
		cmocka_unit_test(pss_salt_length_is_exact),
		cmocka_unit_test(lengths_that_cannot_be_are_refused),
		cmocka_unit_test(lax_pkcs1_forms_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
