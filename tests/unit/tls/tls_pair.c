// SPDX-License-Identifier: Apache-2.0
#include "tls_pair.h"

#include "base/clock.h"

#include <stdlib.h>

struct tls_fixture tls_pair_fixture;
struct tls_fixture_verifier tls_pair_verifier;

int pair_set_up(void **state)
{
	const struct tls_engine_settings settings = {
		.n_handshakes = 64, .n_clients = 16, .n_sessions = 64, .worker_idx = 3};

	(void)state;
	clock_init();
	tls_fixture_init(&tls_pair_fixture, &settings);
	tls_fixture_ticket_keys(&tls_pair_fixture, 1, 2, 3);
	tls_fixture_verifier_init(&tls_pair_verifier);
	return 0;
}

int pair_tear_down(void **state)
{
	(void)state;
	assert_int_equal(tls_pair_fixture.engine.handshakes.n_used, 0);
	assert_int_equal(tls_pair_fixture.engine.blocks.n_used, 0);
	assert_int_equal(tls_pair_fixture.engine.medium.n_used, 0);
	assert_int_equal(tls_pair_fixture.engine.large.n_used, 0);
	assert_int_equal(tls_pair_fixture.engine.clients.n_used, 0);
	tls_fixture_destroy(&tls_pair_fixture);
	return 0;
}

struct pair *pair_new(enum tls_fixture_kind kind)
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct tls_identity *identity = tls_fixture_identity(kind);

	pair->names = tls_fixture_names(&identity, 1);
	pair->server_config = tls_fixture_server_config(pair->names);
	pair->server_config.common.verifier = &tls_pair_verifier.base;
	pair->client_config = tls_fixture_client_config(&tls_pair_verifier);
	pair->client_config.keep_session = tls_fixture_keep_session;
	pair->client_config.keep_context = &pair->slot;
	tls_fixture_verifier_init(&tls_pair_verifier);
	return pair;
}

void pair_begin(struct pair *pair, const struct tls_session *session)
{
	tls_end_init(&pair->server, &tls_pair_fixture);
	tls_end_init(&pair->client, &tls_pair_fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	tls_end_connect(&pair->client, &pair->client_config, "sluice.test", session);
}

void pair_connect(struct pair *pair, const struct tls_session *session)
{
	pair_begin(pair, session);
	tls_fixture_pump(&pair->client, &pair->server);
}

void pair_end(struct pair *pair)
{
	tls_end_destroy(&pair->server);
	tls_end_destroy(&pair->client);
}

struct pair *pair_of_version(uint16_t version)
{
	struct pair *pair = pair_new(TLS_FIXTURE_P256);

	pair->client_config.common.version_min = pair->client_config.common.version_max = version;
	return pair;
}

struct tls_handshake *pair_handshake_of(const struct tls_end *end)
{
	return pool_at(&tls_pair_fixture.engine.handshakes, end->conn.handshake_idx);
}

void pair_free(struct pair *pair)
{
	free((void *)(uintptr_t)pair->names);
	free(pair);
}

void pair_check_up(struct pair *pair)
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

void pair_check_data(struct pair *pair)
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

void pair_check_reports_agree(const struct pair *pair)
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

static void check_refused(const struct tls_end *refuser, const struct tls_end *refused, enum tls_alert alert)
{
	if (!refuser->failed || refuser->report.failed_by_peer || refuser->report.alert != alert)
		print_message("failed %d by peer %d: %s instead of %s in '%s'\n", refuser->failed,
			refuser->report.failed_by_peer, tls_alert_name(refuser->report.alert),
			tls_alert_name(alert), tls_state_name((enum tls_state)refuser->report.failed_state));
	assert_true(refuser->failed);
	assert_false(refuser->report.failed_by_peer);
	assert_int_equal(refuser->report.alert, alert);
	assert_true(refused->failed);
	assert_int_equal(refused->peer_alert, alert);
}

void pair_check_server_refused(struct pair *pair, enum tls_alert alert)
{
	check_refused(&pair->server, &pair->client, alert);
}

void pair_check_client_refused(struct pair *pair, enum tls_alert alert)
{
	check_refused(&pair->client, &pair->server, alert);
}
