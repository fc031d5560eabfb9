// SPDX-License-Identifier: Apache-2.0
#include "crypto/der.h"
#include "unit/crypto/hex.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/rand.h>

// Random numbers with leading zeros, against OpenSSL, there and back.
static void test_against_openssl(void **state)
{
	(void)state;
	for (int round = 0; round < 5000; round++) {
		size_t len = round % 2 == 0 ? 32 : 48;
		uint8_t numbers[96], decoded[96], encoded[DER_ECDSA_MAX_LEN], expected[DER_ECDSA_MAX_LEN];
		unsigned char *next = expected;
		ECDSA_SIG *signature = ECDSA_SIG_new();
		size_t encoded_len;

		assert_int_equal(RAND_bytes(numbers, sizeof numbers), 1);
		memset(numbers, 0, (size_t)round / 2 % (len + 1));
		memset(numbers + len, 0, (size_t)round / 3 % (len + 1));
		assert_int_equal(ECDSA_SIG_set0(signature, BN_bin2bn(numbers, (int)len, NULL),
					 BN_bin2bn(numbers + len, (int)len, NULL)),
			1);
		encoded_len = der_encode_ecdsa(encoded, numbers, len);
		assert_int_equal(i2d_ECDSA_SIG(signature, &next), encoded_len);
		assert_memory_equal(encoded, expected, encoded_len);
		assert_true(der_decode_ecdsa(decoded, len, span_of(encoded, encoded_len)));
		assert_memory_equal(decoded, numbers, 2 * len);
		ECDSA_SIG_free(signature);
	}
}

static void assert_refused(const char *text)
{
	static const uint8_t zeros[64];
	struct bytes bytes = hex(text);
	uint8_t numbers[64];

	memset(numbers, 0xaa, sizeof numbers);
	assert_false(der_decode_ecdsa(numbers, 32, span_of(bytes.data, bytes.len)));
	assert_memory_equal(numbers, zeros, sizeof zeros);
}

static void test_malformed(void **state)
{
	uint8_t numbers[64];
	struct bytes good = hex("3006020101020102");

	(void)state;
	assert_true(der_decode_ecdsa(numbers, 32, span_of(good.data, good.len)));
	assert_refused("");
	assert_refused("30");
	assert_refused("3000");
	assert_refused("3106020101020102");   // not a sequence
	assert_refused("3005020101020102");   // too short
	assert_refused("3007020101020102");   // too long
	assert_refused("300602010102010200"); // something behind it
	assert_refused("300702010102010200"); // something inside, behind the numbers
	assert_refused("3003020101");         // one number
	assert_refused("300602010103010200"); // not an integer
	assert_refused("30060201ff020102");   // negative
	assert_refused("3006020101020180");   // negative
	assert_refused("300702020001020102"); // leading zero
	assert_refused("300702010102020001"); // leading zero
	assert_refused("3005020002010202");   // no bytes
	assert_refused("300402000200");       // no bytes
	assert_refused("308106020101020102"); // long form of a short length
	assert_refused("3080020101020102"
		       "0000"); // indefinite length
	assert_refused("30070281010102"
		       "0102"); // long form inside
	assert_refused("3082000602010102"
		       "0102");
	assert_refused("3026"
		       "0221" // 33 bytes of number
		       "01"
		       "0000000000000000000000000000000000000000000000000000000000000000"
		       "020101");
	assert_refused("3026"
		       "0221" // 32 bytes below 2^255 with a zero in front
		       "00"
		       "7000000000000000000000000000000000000000000000000000000000000000"
		       "020101");
}

// Cutting a good encoding anywhere, or changing any bit, gives a refusal or another pair of numbers.
static void test_every_cut_and_bit(void **state)
{
	uint8_t numbers[64], decoded[64], encoded[DER_ECDSA_MAX_LEN];
	size_t len;

	(void)state;
	assert_int_equal(RAND_bytes(numbers, sizeof numbers), 1);
	len = der_encode_ecdsa(encoded, numbers, 32);
	for (size_t i = 0; i < len; i++)
		assert_false(der_decode_ecdsa(decoded, 32, span_of(encoded, i)));
	for (size_t bit = 0; bit < 8 * len; bit++) {
		encoded[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (der_decode_ecdsa(decoded, 32, span_of(encoded, len)))
			assert_memory_not_equal(decoded, numbers, sizeof numbers);
		encoded[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_openssl),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_every_cut_and_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
