// SPDX-License-Identifier: Apache-2.0
#include "crypto/chacha20.h"
#include "unit/crypto/hex.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

// RFC 8439 A.1, test vectors 1 and 2: a key of zeros, blocks 0 and 1.
static void test_published(void **state)
{
	static const uint8_t key[CHACHA20_KEY_LEN];
	uint8_t out[CHACHA20_GROUP_LEN];

	(void)state;
	chacha20_stream(key, out, 1);
	assert_hex(out, 128,
		"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
		"da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
		"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
		"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

static void test_against_openssl(void **state)
{
	static const uint8_t zeros[40 * CHACHA20_GROUP_LEN], iv[16];
	static uint8_t out[sizeof zeros], expected[sizeof zeros];
	uint8_t key[CHACHA20_KEY_LEN];

	(void)state;
	for (size_t n_groups = 0; n_groups <= 40; n_groups++) {
		EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
		int len;

		assert_int_equal(RAND_bytes(key, sizeof key), 1);
		assert_int_equal(EVP_EncryptInit_ex(context, EVP_chacha20(), NULL, key, iv), 1);
		assert_int_equal(EVP_EncryptUpdate(context, expected, &len, zeros,
					 (int)(n_groups * CHACHA20_GROUP_LEN)),
			1);
		chacha20_stream(key, out, n_groups);
		assert_memory_equal(out, expected, n_groups * CHACHA20_GROUP_LEN);
		EVP_CIPHER_CTX_free(context);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_against_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
