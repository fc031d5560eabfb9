// SPDX-License-Identifier: Apache-2.0
//
// Every scheme with every key that fits it: what we sign OpenSSL accepts, and what OpenSSL or we sign we
// verify. With prepared nonces and without.
#include "base/assert.h"
#include "crypto/sign.h"
#include "crypto/verify.h"
#include "unit/crypto/crypto_fixture.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

static const uint16_t code_points[] = {
	0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0807, 0x0809, 0x080a, 0x080b};

enum {
	N_SCHEMES = sizeof code_points / sizeof code_points[0]
};

static struct public_key public_key_of(unsigned idx)
{
	struct public_key key;

	assert_int_equal(public_key_from_pkey(&key, fixture_pkey(idx)), KEY_OK);
	return key;
}

// Runs the signing to its end.
static void sign(struct crypto_fixture *fixture, struct signing *signing, unsigned key_idx,
	const struct scheme *scheme, struct span message)
{
	enum sign_status status;

	signing_init(signing, signing);
	status = sign_start(&fixture->crypto, signing, fixture_key(fixture, key_idx), scheme, message);
	if (status == SIGN_WAIT) {
		assert_int_equal(sign_poll(signing), SIGN_WAIT);
		fixture_run_all(fixture);
		assert_ptr_equal(lanes_pop_completed(fixture->crypto.lanes), &signing->request);
		status = sign_poll(signing);
	}
	assert_int_equal(status, SIGN_DONE);
	assert_in_range(
		signing->signature_len, 1, private_key_signature_max_len(fixture_key(fixture, key_idx)));
}

static bool verify(struct crypto_fixture *fixture, unsigned key_idx, const struct scheme *scheme,
	struct span message, struct span signature)
{
	struct public_key key = public_key_of(key_idx);
	struct verification verification;
	enum verify_status status;
	bool by_openssl = verify_now(&key, scheme, message, signature);

	verification_init(&verification, &verification);
	status = verify_start(
		&fixture->crypto, &verification, &key, scheme, (const struct span[]){message, signature});
	if (status == VERIFY_WAIT) {
		fixture_run_all(fixture);
		assert_ptr_equal(lanes_pop_completed(fixture->crypto.lanes), &verification.request);
		status = verify_poll(&verification);
	}
	verification_destroy(&fixture->crypto, &verification);
	assert_int_equal(status == VERIFY_GOOD, by_openssl);
	ERR_clear_error();
	return status == VERIFY_GOOD;
}

static bool worth_its_time(const struct crypto_fixture *fixture, unsigned key_idx)
{
	return fixture->body != SELECT_LANES_PLAIN ||
	       (key_idx != FIXTURE_RSA3072 && key_idx != FIXTURE_RSA4096 && key_idx != FIXTURE_RSA_PSS2048);
}

static void test_every_scheme(void **state)
{
	struct crypto_fixture *fixture = *state;
	uint8_t message[SIGN_MESSAGE_MAX_LEN];
	unsigned n = 0;

	for (unsigned i = 0; i < N_SCHEMES; i++) {
		const struct scheme *scheme = scheme_find(code_points[i]);

		for (unsigned key_idx = 0; key_idx < N_FIXTURE_KEYS; key_idx++) {
			struct signing signing;
			size_t len = 1 + n * 37 % (sizeof message - 1);

			if (!scheme_fits_tls12(scheme, private_key_type(fixture_key(fixture, key_idx))) ||
				!worth_its_time(fixture, key_idx))
				continue;
			n++;
			assert_int_equal(RAND_bytes(message, sizeof message), 1);
			sign(fixture, &signing, key_idx, scheme, span_of(message, len));
			assert_true(verify(fixture, key_idx, scheme, span_of(message, len),
				span_of(signing.signature, signing.signature_len)));
			message[0] ^= 1;
			assert_false(verify(fixture, key_idx, scheme, span_of(message, len),
				span_of(signing.signature, signing.signature_len)));
			signing_destroy(&fixture->crypto, &signing);
		}
	}
	assert_true(n >= 4 + 1 + 6);
}

// A signature with any one byte changed, one too short, one too long, an empty one.
static void test_wrong_signatures(void **state)
{
	struct crypto_fixture *fixture = *state;
	static const struct {
		unsigned key_idx;
		uint16_t scheme;
	} cases[] = {{FIXTURE_ECDSA_P256, 0x0403}, {FIXTURE_ECDSA_P384, 0x0503}, {FIXTURE_ED25519, 0x0807},
		{FIXTURE_RSA2048, 0x0804}, {FIXTURE_RSA2048, 0x0401}};
	struct span message = span_of_string("a message");

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct scheme *scheme = scheme_find(cases[i].scheme);
		struct signing signing;
		uint8_t *bytes = signing.signature;
		size_t step = fixture->body == SELECT_LANES_PLAIN ? 31 : 7;

		sign(fixture, &signing, cases[i].key_idx, scheme, message);
		for (size_t j = 0; j < signing.signature_len; j += step) {
			bytes[j] ^= 0x10;
			assert_false(verify(fixture, cases[i].key_idx, scheme, message,
				span_of(bytes, signing.signature_len)));
			bytes[j] ^= 0x10;
		}
		for (size_t len = 0; len <= signing.signature_len + 1u; len++) {
			if (len == signing.signature_len || (len > 2 && len + 2 < signing.signature_len))
				continue;
			if (len > signing.signature_len && len > sizeof signing.signature)
				continue;
			bytes[len > 0 ? len - 1 : 0] ^= 0;
			assert_false(verify(fixture, cases[i].key_idx, scheme, message, span_of(bytes, len)));
		}
		signing_destroy(&fixture->crypto, &signing);
	}
}

// Signatures of one message differ: every ECDSA signature and every PSS salt is fresh; the others are
// functions of key and message.
static void test_freshness(void **state)
{
	struct crypto_fixture *fixture = *state;
	static const struct {
		unsigned key_idx;
		uint16_t scheme;
		bool fresh;
	} cases[] = {{FIXTURE_ECDSA_P256, 0x0403, true}, {FIXTURE_ECDSA_P384, 0x0503, true},
		{FIXTURE_ED25519, 0x0807, false}, {FIXTURE_RSA2048, 0x0804, true},
		{FIXTURE_RSA2048, 0x0401, false}};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct signing first, second;
		bool same;

		sign(fixture, &first, cases[i].key_idx, scheme_find(cases[i].scheme), span_of_string("same"));
		sign(fixture, &second, cases[i].key_idx, scheme_find(cases[i].scheme),
			span_of_string("same"));
		same = span_equal(span_of(first.signature, first.signature_len),
			span_of(second.signature, second.signature_len));
		assert_int_equal(same, !cases[i].fresh);
		signing_destroy(&fixture->crypto, &first);
		signing_destroy(&fixture->crypto, &second);
	}
}

// Prepared nonces make ECDSA immediate; without them it waits for a lane.
static void test_prepared_or_not(void **state)
{
	struct crypto_fixture *outer = *state;
	struct crypto_fixture *fixture = calloc(1, sizeof *fixture);
	const struct scheme *scheme = scheme_find(0x0403);
	struct signing signing;

	signing_init(&signing, NULL);
	assert_int_equal(sign_start(&outer->crypto, &signing, fixture_key(outer, FIXTURE_ECDSA_P256), scheme,
				 span_of_string("now")),
		outer->body == SELECT_LANES_SCALAR ? SIGN_WAIT : SIGN_DONE);
	signing_destroy(&outer->crypto, &signing);

	fixture_init(fixture, outer->body, false);
	signing_init(&signing, NULL);
	assert_int_equal(sign_start(&fixture->crypto, &signing, fixture_key(fixture, FIXTURE_ECDSA_P256),
				 scheme, span_of_string("later")),
		SIGN_WAIT);
	fixture_run_all(fixture);
	assert_ptr_equal(lanes_pop_completed(fixture->crypto.lanes), &signing.request);
	assert_int_equal(sign_poll(&signing), SIGN_DONE);
	assert_true(verify(fixture, FIXTURE_ECDSA_P256, scheme, span_of_string("later"),
		span_of(signing.signature, signing.signature_len)));
	signing_destroy(&fixture->crypto, &signing);
	fixture_destroy(fixture);

	// And turned off, and on again, at run time.
	fixture_init(fixture, outer->body, true);
	for (int on = 0; on < 2; on++) {
		crypto_prepare_signatures(&fixture->crypto, on != 0);
		signing_init(&signing, NULL);
		assert_int_equal(
			sign_start(&fixture->crypto, &signing, fixture_key(fixture, FIXTURE_ECDSA_P256),
				scheme, span_of_string("x")),
			on == 0 || outer->body == SELECT_LANES_SCALAR ? SIGN_WAIT : SIGN_DONE);
		signing_destroy(&fixture->crypto, &signing);
	}
	fixture_destroy(fixture);
	free(fixture);
}

// A wiped signing leaves neither message nor signature, whenever it is given up.
static void test_destroy(void **state)
{
	struct crypto_fixture *fixture = *state;
	static const struct signing zero;
	struct signing signing;

	signing_init(&signing, NULL);
	assert_int_equal(sign_start(&fixture->crypto, &signing, fixture_key(fixture, FIXTURE_RSA2048),
				 scheme_find(0x0804), span_of_string("given up")),
		SIGN_WAIT);
	signing_destroy(&fixture->crypto, &signing);
	assert_memory_equal(&signing, &zero, sizeof zero);
	assert_int_equal(lanes_n_pending(fixture->crypto.lanes), 0);
	assert_null(lanes_pop_completed(fixture->crypto.lanes));
}

static void test_schemes(void **state)
{
	(void)state;
	for (unsigned code_point = 0; code_point <= 0xffff; code_point++) {
		bool ours = false;

		for (unsigned i = 0; i < N_SCHEMES; i++)
			ours = ours || code_points[i] == code_point;
		assert_int_equal(scheme_find((uint16_t)code_point) != NULL, ours);
	}
	// RFC 8446 4.2.3: the curve is fixed, and PKCS#1 v1.5 is for certificates only.
	assert_false(scheme_fits_tls13(scheme_find(0x0403), KEY_ECDSA_P384));
	assert_true(scheme_fits_tls12(scheme_find(0x0403), KEY_ECDSA_P384));
	assert_false(scheme_fits_tls13(scheme_find(0x0401), KEY_RSA));
	assert_true(scheme_fits_tls12(scheme_find(0x0401), KEY_RSA));
	assert_false(scheme_fits_tls12(scheme_find(0x0401), KEY_RSA_PSS));
	assert_false(scheme_fits_tls13(scheme_find(0x0804), KEY_RSA_PSS));
	assert_false(scheme_fits_tls13(scheme_find(0x0809), KEY_RSA));
	assert_true(scheme_fits_tls13(scheme_find(0x0809), KEY_RSA_PSS));
	assert_false(scheme_fits_tls12(scheme_find(0x0807), KEY_ECDSA_P256));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_scheme),
		cmocka_unit_test(test_wrong_signatures),
		cmocka_unit_test(test_freshness),
		cmocka_unit_test(test_prepared_or_not),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_schemes),
	};

	return fixture_run_tests(tests, sizeof tests / sizeof tests[0]);
}
