// SPDX-License-Identifier: Apache-2.0
//
// The engine with a group of ML-KEM-768's sizes, which is nothing but one more row of a table: shares of over
// a kilobyte, longer one way than the other, a secret of 64 bytes, chosen at once, after a retry, and with a
// session.
#include "seam/cmocka_all.h"

#include "crypto/group.h"
#include "tls_fuzz.h"

#include <string.h>

enum {
	MAX = 65536
};

static uint8_t client_bytes[MAX], server_bytes[MAX];
static size_t client_len, server_len;

static void connect_with(const uint16_t *groups, uint32_t n, uint8_t options)
{
	tls_fuzz_groups = (struct tls_preferences){groups, n};
	assert_true(tls_fuzz_record(options, client_bytes, &client_len, server_bytes, &server_len, MAX));
}

static void test_first_choice(void **state)
{
	static const uint16_t hybrid_first[2] = {GROUP_DUMMY_HYBRID, GROUP_X25519};

	(void)state;
	connect_with(hybrid_first, 2, TLS_FUZZ_NO_12);
	assert_true(client_len > GROUP_CLIENT_SHARE_LEN && server_len > GROUP_SERVER_SHARE_LEN);
	connect_with(hybrid_first, 2, TLS_FUZZ_NO_12 | TLS_FUZZ_RESUME);
	connect_with(hybrid_first, 2, TLS_FUZZ_NO_12 | TLS_FUZZ_CLIENT_AUTH | TLS_FUZZ_SIZE_LIMIT);
}

static void test_without_it(void **state)
{
	static const uint16_t classical[1] = {GROUP_X25519};

	(void)state;
	connect_with(classical, 1, TLS_FUZZ_NO_12);
	assert_true(client_len < GROUP_CLIENT_SHARE_LEN && server_len < GROUP_SERVER_SHARE_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_choice),
		cmocka_unit_test(test_without_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
