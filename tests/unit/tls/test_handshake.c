// SPDX-License-Identifier: Apache-2.0
//
// Engine against engine: every combination of version, suite, group and certificate, resumption, client
// certificates, and what both sides report about it.
#include "seam/cmocka_all.h"

#include "base/clock.h"
#include "tls_fixture.h"

#include <stdlib.h>

static struct tls_fixture fixture;
static struct tls_fixture_verifier verifier;

static int set_up(void **state)
{
	const struct tls_engine_settings settings = {
		.n_handshakes = 64, .n_clients = 16, .n_sessions = 64, .worker_idx = 3};

	(void)state;
	clock_init();
	tls_fixture_init(&fixture, &settings);
	tls_fixture_ticket_keys(&fixture, 1, 2, 3);
	tls_fixture_verifier_init(&verifier);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(fixture.engine.handshakes.n_used, 0);
	assert_int_equal(fixture.engine.blocks.n_used, 0);
	assert_int_equal(fixture.engine.medium.n_used, 0);
	assert_int_equal(fixture.engine.large.n_used, 0);
	assert_int_equal(fixture.engine.clients.n_used, 0);
	tls_fixture_destroy(&fixture);
	return 0;
}

// A pair of ends with configurations that a test may change before it connects.
struct pair {
	struct tls_server_config server_config;
	struct tls_client_config client_config;
	struct tls_session_slot slot;
	struct tls_end server;
	struct tls_end client;
	const struct tls_names *names;
};

static struct pair *pair_new(enum tls_fixture_kind kind)
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct tls_identity *identity = tls_fixture_identity(kind);

	pair->names = tls_fixture_names(&identity, 1);
	pair->server_config = tls_fixture_server_config(pair->names);
	pair->server_config.common.verifier = &verifier.base;
	pair->client_config = tls_fixture_client_config(&verifier);
	pair->client_config.keep_session = tls_fixture_keep_session;
	pair->client_config.keep_context = &pair->slot;
	tls_fixture_verifier_init(&verifier);
	return pair;
}

static void pair_begin(struct pair *pair, const struct tls_session *session)
{
	tls_end_init(&pair->server, &fixture);
	tls_end_init(&pair->client, &fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	tls_end_connect(&pair->client, &pair->client_config, "sluice.test", session);
}

static void pair_connect(struct pair *pair, const struct tls_session *session)
{
	pair_begin(pair, session);
	tls_fixture_pump(&pair->client, &pair->server);
}

static void pair_end(struct pair *pair)
{
	tls_end_destroy(&pair->server);
	tls_end_destroy(&pair->client);
}

static void pair_free(struct pair *pair)
{
	free((void *)(uintptr_t)pair->names);
	free(pair);
}

static void check_up(struct pair *pair)
{
	if (!tls_end_up(&pair->server) || !tls_end_up(&pair->client))
		print_message("server: %s in '%s', client: %s in '%s'\n",
			tls_alert_name(pair->server.report.alert),
			tls_state_name((enum tls_state)pair->server.report.failed_state),
			tls_alert_name(pair->client.report.alert),
			tls_state_name((enum tls_state)pair->client.report.failed_state));
	assert_true(tls_end_up(&pair->server));
	assert_true(tls_end_up(&pair->client));
}

// Data in both directions, then a clean end on both sides.
static void check_data(struct pair *pair)
{
	static uint8_t text[40000];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7);
	tls_end_send(&pair->client, text, sizeof text);
	tls_end_send(&pair->server, text, 100);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.data_len, sizeof text);
	assert_memory_equal(pair->server.data, text, sizeof text);
	assert_int_equal(pair->client.data_len, 100);
	assert_memory_equal(pair->client.data, text, 100);
	tls_end_close(&pair->client);
	tls_end_close(&pair->server);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_true(pair->server.closed && pair->client.closed);
	assert_false(tls_conn_is_truncated_now(&pair->server.conn));
	assert_false(tls_conn_is_truncated_now(&pair->client.conn));
}

static void check_reports_agree(const struct pair *pair)
{
	const struct tls_handshake_report *server = &pair->server.report;
	const struct tls_handshake_report *client = &pair->client.report;

	assert_int_equal(server->version, client->version);
	assert_int_equal(server->suite, client->suite);
	assert_int_equal(server->group, client->group);
	assert_int_equal(server->scheme, client->scheme);
	assert_int_equal(server->resumed, client->resumed);
	assert_int_equal(server->retried, client->retried);
	assert_int_equal(server->name_len, 11);
	assert_true(span_equal(server->alpn, client->alpn));
}

static void full_combination(
	uint16_t version, uint16_t suite, uint16_t group, enum tls_fixture_kind kind)
{
	struct pair *pair = pair_new(kind);

	pair->client_config.common.version_min = pair->client_config.common.version_max = version;
	pair->client_config.common.suites = (struct tls_preferences){&suite, 1};
	pair->server_config.common.groups = (struct tls_preferences){&group, 1};
	pair_connect(pair, NULL);
	check_up(pair);
	assert_int_equal(pair->server.report.version, version);
	assert_int_equal(pair->server.report.suite, suite);
	assert_int_equal(pair->server.report.group, group);
	assert_false(pair->server.report.resumed);
	assert_true(pair->client.report.peer_authenticated);
	check_reports_agree(pair);
	check_data(pair);
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
		cmocka_unit_test_setup_teardown(test_every_combination, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
