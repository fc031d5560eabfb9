// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_numbers.h"

#include "crypto/private_key.h"
#include "unit/crypto/crypto_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <stdlib.h>

enum {
	NUMBERS_LEN_MAX = 4096,
	ROOM = 16384,
	N_BURST_TYPES = 6 // all of the fixture but RSA-PSS, which does not come this way
};

struct burst {
	struct key_numbers_load loads[KEY_NUMBERS_BURST];
	uint8_t numbers[KEY_NUMBERS_BURST][NUMBERS_LEN_MAX];
	unsigned n;
};

static struct span take_number(EVP_PKEY *pkey, const char *name, size_t width, uint8_t *to)
{
	BIGNUM *number = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
	assert_true(BN_bn2binpad(number, to, (int)width) > 0);
	BN_free(number);
	return span_of(to, width);
}

static void take_rsa(EVP_PKEY *pkey, struct key_numbers *out, uint8_t *to)
{
	const size_t width = (size_t)EVP_PKEY_get_bits(pkey) / 8;

	out->type = KEY_RSA;
	out->rsa.n = take_number(pkey, OSSL_PKEY_PARAM_RSA_N, width, to);
	out->rsa.e = take_number(pkey, OSSL_PKEY_PARAM_RSA_E, 8, to += width);
	out->rsa_d = take_number(pkey, OSSL_PKEY_PARAM_RSA_D, width, to += 8);
	out->rsa.p = take_number(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, width / 2, to += width);
	out->rsa.q = take_number(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, width / 2, to += width / 2);
	out->rsa.dp = take_number(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT1, width / 2, to += width / 2);
	out->rsa.dq = take_number(pkey, OSSL_PKEY_PARAM_RSA_EXPONENT2, width / 2, to += width / 2);
	out->rsa.qinv = take_number(pkey, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, width / 2, to + width / 2);
}

static void take_numbers(unsigned idx, struct key_numbers *out, uint8_t *to)
{
	EVP_PKEY *pkey = fixture_pkey(idx);
	size_t len = 32;

	*out = (struct key_numbers){.type = KEY_ED25519};
	if (idx == FIXTURE_ED25519) {
		assert_int_equal(EVP_PKEY_get_raw_private_key(pkey, to, &len), 1);
		out->scalar = span_of(to, len);
	} else if (idx == FIXTURE_ECDSA_P256 || idx == FIXTURE_ECDSA_P384) {
		out->type = idx == FIXTURE_ECDSA_P256 ? KEY_ECDSA_P256 : KEY_ECDSA_P384;
		out->scalar = take_number(
			pkey, OSSL_PKEY_PARAM_PRIV_KEY, idx == FIXTURE_ECDSA_P256 ? 32 : 48, to);
	} else {
		take_rsa(pkey, out, to);
	}
}

// Fills every place of a burst, the types in turn.
static struct burst *make_burst(void)
{
	struct burst *burst = calloc(1, sizeof *burst);

	for (unsigned i = 0; i < KEY_NUMBERS_BURST; i++) {
		struct key_numbers_load *load = &burst->loads[i];

		take_numbers(i % N_BURST_TYPES, &load->numbers, burst->numbers[i]);
		load->memory.len = key_numbers_footprint(&load->numbers);
		assert_true(load->memory.len != 0 && load->memory.len <= ROOM);
		assert_int_equal(load->memory.len, private_key_footprint(fixture_pkey(i % N_BURST_TYPES)));
		load->memory.data = aligned_alloc(64, ROOM);
		memset(load->memory.data, 0xaa, ROOM);
	}
	burst->n = KEY_NUMBERS_BURST;
	return burst;
}

static void free_burst(struct burst *burst)
{
	for (unsigned i = 0; i < burst->n; i++) {
		private_key_destroy(burst->loads[i].key);
		free(burst->loads[i].memory.data);
	}
	free(burst);
}

// How many bytes of two keys must be the same: an RSA key ends with a random blinding.
static size_t len_in_common(const struct private_key *key)
{
	const struct mb_rsa_key *rsa = &key->rsa;

	if (key->type != KEY_RSA)
		return key->footprint - offsetof(struct private_key, public_digest);
	return (size_t)((const uint8_t *)&rsa->digits[MB_RSA_BLIND * MB_RSA_PRIME_DIGITS(rsa->size)] -
			key->public_digest);
}

static void test_same_as_from_openssl(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct burst *burst = make_burst();

	key_numbers_load_burst(burst->loads, burst->n, fixture->body);
	for (unsigned i = 0; i < burst->n; i++) {
		const struct private_key *key = burst->loads[i].key;
		const struct private_key *other = fixture_key(fixture, i % N_BURST_TYPES);

		assert_non_null(key);
		assert_int_equal(private_key_type(key), private_key_type(other));
		assert_int_equal(private_key_bits(key), private_key_bits(other));
		assert_int_equal(key->footprint, other->footprint);
		assert_int_equal(key->rsa_size, other->rsa_size);
		assert_memory_equal(key->public_digest, other->public_digest, len_in_common(key));
		assert_true(key->serial != other->serial);
		for (unsigned j = 0; j < i; j++)
			assert_true(key->serial != burst->loads[j].key->serial);
	}
	free_burst(burst);
}

static void test_ends_of_a_burst(void **state)
{
	struct crypto_fixture *fixture = *state;
	struct burst *burst = make_burst();

	// One alone, and what comes after it is left as it was.
	key_numbers_load_burst(burst->loads, 1, fixture->body);
	assert_non_null(burst->loads[0].key);
	assert_null(burst->loads[1].key);
	assert_int_equal(burst->loads[1].memory.data[0], 0xaa);
	free_burst(burst);
}

static void assert_wiped(const struct key_numbers_load *load)
{
	assert_null(load->key);
	for (size_t i = 0; i < load->memory.len; i++)
		assert_true(load->memory.data[i] == 0 || load->memory.data[i] == 0xaa);
}

// Numbers that are out of range or do not belong together: they alone are refused.
static void test_bad_numbers(void **state)
{
	static const uint8_t p256_order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3,
		0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
	struct crypto_fixture *fixture = *state;
	struct burst *burst = make_burst();
	struct key_numbers_load *loads = burst->loads;

	memset(burst->numbers[FIXTURE_ECDSA_P256], 0, 32);
	memset(burst->numbers[FIXTURE_ECDSA_P384], 0xff, 48);
	memcpy(burst->numbers[N_BURST_TYPES + FIXTURE_ECDSA_P256], p256_order, 32);
	if (fixture->body != SELECT_LANES_SCALAR) // OpenSSL recovers from some of these
		burst->numbers[FIXTURE_RSA2048][256 + 8 + 256 + 127] ^= 2; // p
	key_numbers_load_burst(loads, burst->n, fixture->body);
	assert_wiped(&loads[FIXTURE_ECDSA_P256]);
	assert_wiped(&loads[FIXTURE_ECDSA_P384]);
	assert_wiped(&loads[N_BURST_TYPES + FIXTURE_ECDSA_P256]);
	for (unsigned i = 0; i < burst->n; i++) {
		const bool bad = i == FIXTURE_ECDSA_P256 || i == FIXTURE_ECDSA_P384 ||
				 i == N_BURST_TYPES + FIXTURE_ECDSA_P256 ||
				 (i == FIXTURE_RSA2048 && fixture->body != SELECT_LANES_SCALAR);

		assert_int_equal(loads[i].key == NULL, bad);
	}
	free_burst(burst);
}

// What has not the lengths of a type of ours takes no memory and is not loaded.
static void test_lengths(void **state)
{
	uint8_t bytes[NUMBERS_LEN_MAX];
	struct key_numbers numbers;

	(void)state;
	for (unsigned i = 0; i < N_BURST_TYPES; i++) {
		take_numbers(i, &numbers, bytes);
		assert_int_not_equal(key_numbers_footprint(&numbers), 0);
		numbers.scalar.len--;
		numbers.rsa.n.len--;
		assert_int_equal(key_numbers_footprint(&numbers), 0);
		numbers.scalar.len += 2;
		numbers.rsa.n.len += 2;
		assert_int_equal(key_numbers_footprint(&numbers), 0);
	}
	take_numbers(FIXTURE_RSA2048, &numbers, bytes);
	numbers.rsa.e.len = 9;
	assert_int_equal(key_numbers_footprint(&numbers), 0);
	take_numbers(FIXTURE_RSA2048, &numbers, bytes);
	numbers.type = KEY_RSA_PSS;
	assert_int_equal(key_numbers_footprint(&numbers), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_from_openssl),
		cmocka_unit_test(test_ends_of_a_burst),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_lengths),
	};

	return fixture_run_tests(tests, sizeof tests / sizeof tests[0]);
}
