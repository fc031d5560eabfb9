// SPDX-License-Identifier: Apache-2.0
#include "tls_matrix.h"

static bool go_together(const struct tls_suite *suite, enum tls_fixture_kind kind)
{
	bool is_rsa = kind >= TLS_FIXTURE_RSA2048;

	return suite->auth == TLS_AUTH_ANY || (suite->auth == TLS_AUTH_RSA) == is_rsa;
}

static void for_each(void (*run)(const struct tls_combination *combination))
{
	for (uint32_t i = 0; i < tls_n_suites; i++) {
		for (uint32_t k = 0; k < tls_default_groups.n; k++) {
			for (int kind = 0; kind < TLS_N_FIXTURE_KINDS; kind++) {
				const struct tls_combination combination = {.version = tls_suites[i].version,
					.suite = tls_suites[i].id,
					.group = tls_default_groups.numbers[k],
					.kind = (enum tls_fixture_kind)kind};

				if (go_together(&tls_suites[i], combination.kind))
					run(&combination);
			}
		}
	}
}

void test_server_matrix(void **state)
{
	(void)state;
	for_each(tls_matrix_serve);
}

void test_client_matrix(void **state)
{
	(void)state;
	for_each(tls_matrix_connect);
}
