// SPDX-License-Identifier: Apache-2.0
#include "credentials.h"

#include "base/writer.h"
#include "seam/cmocka_all.h"
#include "snapshot.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

enum {
	N_KEYS = 70, // more than two bursts
	WIDTH = 32
};

static struct credentials credentials;
static uint8_t room[1 << 16];
static struct writer writer;
static char reason[IPC_REASON_MAX];

static int set_up(void **state)
{
	static const enum select_lanes bodies[] = {
		SELECT_LANES_AUTO, SELECT_LANES_PLAIN, SELECT_LANES_SCALAR};

	assert_true(credentials_init(&credentials, bodies[*(const int *)*state]));
	writer = writer_over((struct mut_span){room, sizeof room});
	reason[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	credentials_sweep(&credentials);
	assert_int_equal(credentials.entries.n_used, 0);
	for (uint32_t i = 0; i < credentials.n_chunks; i++)
		assert_int_equal(credentials.chunks[i].n_entries, 0);
	credentials_destroy(&credentials);
	return 0;
}

static void put(struct span bytes)
{
	writer_bytes(&writer, bytes);
}

static void put_record(unsigned type, struct span body, struct span tail)
{
	static const uint8_t zeros[8];
	const struct ipc_record_header header = {
		.type = (uint16_t)type, .len = (uint32_t)(body.len + tail.len)};

	put(span_of(&header, sizeof header));
	put(body);
	put(tail);
	put(span_of(zeros, (8 - header.len % 8) % 8));
}

static void put_scalar(uint32_t id, const uint8_t scalar[WIDTH])
{
	const struct snapshot_private_key head = {
		.certificate_id = id, .len = WIDTH, .bits = 256, .type = SNAPSHOT_KEY_P256};

	put_record(SNAPSHOT_PRIVATE_KEY, span_of(&head, sizeof head), span_of(scalar, WIDTH));
}

static void put_key(uint32_t id, uint8_t scalar)
{
	const uint8_t bytes[WIDTH] = {[WIDTH - 1] = scalar};

	put_scalar(id, bytes);
}

static void put_certificate(uint32_t id, EVP_PKEY *pkey)
{
	X509 *certificate = X509_new();
	uint8_t *der = NULL;
	struct snapshot_certificate head = {.id = id, .n_certificates = 1};

	assert_int_equal(X509_set_pubkey(certificate, pkey), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 60));
	assert_true(X509_sign(certificate, pkey, EVP_sha256()) > 0);
	head.lens[0] = (uint32_t)i2d_X509(certificate, &der);
	put_record(SNAPSHOT_CERTIFICATE, span_of(&head, sizeof head), span_of(der, head.lens[0]));
	OPENSSL_free(der);
	X509_free(certificate);
}

static bool add_keys(void)
{
	const bool well = credentials_add_keys(&credentials, writer_span(&writer), reason);

	writer = writer_over((struct mut_span){room, sizeof room});
	return well;
}

static bool add_certificates(void)
{
	const bool well = credentials_add_certificates(&credentials, writer_span(&writer), reason);

	writer = writer_over((struct mut_span){room, sizeof room});
	return well;
}

static void refused(bool well, const char *word)
{
	assert_false(well);
	if (strstr(reason, word) == NULL)
		fail_msg("'%s' is not in: %s", word, reason);
}

static void assert_all_have_keys(uint32_t n)
{
	uint32_t n_found = 0;

	for (uint32_t i = 0; i < credentials.entries.n_items; i++) {
		if (!pool_in_use(&credentials.entries, i))
			continue;
		n_found++;
		assert_non_null(((struct credential *)pool_at(&credentials.entries, i))->key);
	}
	assert_int_equal(n_found, n);
}

static void test_bursts(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N_KEYS; i++)
		put_key(i, (uint8_t)(i + 1));
	assert_true(add_keys());
	assert_all_have_keys(N_KEYS);
	credentials_sweep(&credentials);
	assert_all_have_keys(0);
}

// Each place of a burst in turn has a key that is none; those that came with it stay or go, but none is half
// there.
static void test_a_bad_key_anywhere(void **state)
{
	(void)state;
	for (uint32_t bad = 0; bad < N_KEYS; bad++) {
		char word[64];

		for (uint32_t i = 0; i < N_KEYS; i++)
			put_key(i, i == bad ? 0 : 1);
		(void)snprintf(word, sizeof word, "certificate %u is not one of ours", bad);
		refused(add_keys(), word);
		for (uint32_t i = 0; i < credentials.entries.n_items; i++)
			if (pool_in_use(&credentials.entries, i))
				assert_non_null(((struct credential *)pool_at(&credentials.entries, i))->key);
		credentials_sweep(&credentials);
	}
}

static void test_refused_records(void **state)
{
	static const uint8_t zeros[WIDTH];
	struct snapshot_private_key head = {.certificate_id = 9, .len = WIDTH, .bits = 256, .type = 77};

	(void)state;
	put_key(1, 1);
	put_key(1, 2);
	refused(add_keys(), "certificate 1 has one already");
	assert_all_have_keys(1);
	put_key(2, 1);
	put_record(SNAPSHOT_PRIVATE_KEY, span_of(&head, sizeof head), span_of(zeros, WIDTH));
	refused(add_keys(), "certificate 9 is not one of ours");
	assert_all_have_keys(2);
	head.type = SNAPSHOT_KEY_P256;
	head.len = WIDTH - 1;
	put_record(SNAPSHOT_PRIVATE_KEY, span_of(&head, sizeof head), span_of(zeros, WIDTH));
	refused(add_keys(), "a record that is none");
	put_record(SNAPSHOT_PRIVATE_KEY, span_of(&head, sizeof head), span_of(zeros, WIDTH - 1));
	refused(add_keys(), "certificate 9 is not one of ours");
	put_key(3, 1);
	put(span_of(zeros, 5));
	refused(add_keys(), "the last record is cut off");
	assert_all_have_keys(3);
	put_key(SNAPSHOT_NONE, 1);
	refused(add_keys(), "has one already");
	put_record(SNAPSHOT_CERTIFICATE, span_of(zeros, 8), span_of(zeros, 0));
	refused(add_keys(), "a record that is none");
}

static void scalar_of(const EVP_PKEY *pkey, uint8_t out[WIDTH])
{
	BIGNUM *d = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	assert_int_equal(BN_bn2binpad(d, out, WIDTH), WIDTH);
	BN_clear_free(d);
}

// Control sends a batch again whose certificates were refused, keys first: what was taken of it is replaced,
// not in the way. What a snapshot uses is left alone.
static void test_sent_again(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	EVP_PKEY *other = EVP_EC_gen("P-256");
	struct credential *credential;
	uint8_t scalar[WIDTH];

	(void)state;
	scalar_of(pkey, scalar);
	for (int round = 0; round < 3; round++) {
		put_scalar(1, scalar);
		put_scalar(2, scalar);
		assert_true(add_keys());
		put_certificate(1, pkey);
		put_certificate(2, other);
		refused(add_certificates(), "number 2 is not its key's");
	}
	put_scalar(1, scalar);
	put_scalar(2, scalar);
	assert_true(add_keys());
	put_certificate(1, pkey);
	put_certificate(2, pkey);
	assert_true(add_certificates());
	credential = credentials_find(&credentials, 1);
	assert_non_null(credential);
	credentials_use(credential);
	put_scalar(1, scalar);
	refused(add_keys(), "certificate 1 has one already");
	assert_ptr_equal(credentials_find(&credentials, 1), credential);
	credentials_release(&credentials, credential);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(other);
}

int main(void)
{
	static int bodies[] = {0, 1, 2};
	int failed = 0;

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		const struct CMUnitTest tests[] = {
			cmocka_unit_test_prestate_setup_teardown(test_bursts, set_up, tear_down, &bodies[i]),
			cmocka_unit_test_prestate_setup_teardown(
				test_a_bad_key_anywhere, set_up, tear_down, &bodies[i]),
			cmocka_unit_test_prestate_setup_teardown(
				test_refused_records, set_up, tear_down, &bodies[i]),
			cmocka_unit_test_prestate_setup_teardown(
				test_sent_again, set_up, tear_down, &bodies[i]),
		};

		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
