// SPDX-License-Identifier: Apache-2.0
//
// Engine against engine: every combination of version, suite, group and certificate.
#include "tls_pair.h"

static void full_combination(uint16_t version, uint16_t suite, uint16_t group, enum tls_fixture_kind kind)
{
	struct pair *pair = pair_new(kind);

	pair->client_config.common.version_min = pair->client_config.common.version_max = version;
	pair->client_config.common.suites = (struct tls_preferences){&suite, 1};
	pair->server_config.common.groups = (struct tls_preferences){&group, 1};
	pair_connect(pair, NULL);
	pair_check_up(pair);
	assert_int_equal(pair->server.report.version, version);
	assert_int_equal(pair->server.report.suite, suite);
	assert_int_equal(pair->server.report.group, group);
	assert_false(pair->server.report.resumed);
	assert_true(pair->client.report.peer_authenticated);
	pair_check_reports_agree(pair);
	pair_check_data(pair);
	pair_end(pair);
	pair_free(pair);
}

static bool suite_serves(const struct tls_suite *suite, enum tls_fixture_kind kind)
{
	bool is_rsa = kind >= TLS_FIXTURE_RSA2048;

	return suite->auth == TLS_AUTH_ANY || (suite->auth == TLS_AUTH_RSA) == is_rsa;
}

static void test_every_combination(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < tls_n_suites; i++) {
		for (uint32_t k = 0; k < tls_default_groups.n; k++) {
			for (int kind = 0; kind < TLS_N_FIXTURE_KINDS; kind++) {
				if (suite_serves(&tls_suites[i], (enum tls_fixture_kind)kind))
					full_combination(tls_suites[i].version, tls_suites[i].id,
						tls_default_groups.numbers[k], (enum tls_fixture_kind)kind);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_every_combination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
