// SPDX-License-Identifier: Apache-2.0
//
// Features of the handshake, engine against engine: resumption in all its forms and what forbids it, retries,
// names, protocols, client certificates, waiting verifiers, size limits, key updates, fragments.
#include "tls_pair.h"

#include "crypto/group.h"

#include <stdlib.h>

static const uint16_t versions[2] = {TLS_VERSION_12, TLS_VERSION_13};

static void connect_and_check(struct pair *pair, const struct tls_session *session, bool resumed)
{
	pair_connect(pair, session);
	pair_check_up(pair);
	assert_int_equal(pair->server.report.resumed, resumed);
	pair_check_reports_agree(pair);
	pair_check_data(pair);
	pair_end(pair);
}

static void test_tickets_resume(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		connect_and_check(pair, NULL, false);
		assert_int_equal(pair->slot.n_kept, versions[i] == TLS_VERSION_13 ? 2 : 1);
		connect_and_check(pair, &pair->slot.session, true);
		connect_and_check(pair, &pair->slot.session, true);
		pair_free(pair);
	}
}

static void test_every_suite_resumes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < tls_n_suites; i++) {
		struct pair *pair = pair_new(
			tls_suites[i].auth == TLS_AUTH_RSA ? TLS_FIXTURE_RSA2048 : TLS_FIXTURE_P256);

		pair->client_config.common.suites = (struct tls_preferences){&tls_suites[i].id, 1};
		pair->client_config.common.version_min = pair->client_config.common.version_max =
			tls_suites[i].version;
		connect_and_check(pair, NULL, false);
		connect_and_check(pair, &pair->slot.session, true);
		pair_free(pair);
	}
}

static void test_session_ids_resume(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_12);
	uint32_t cursor = 0;

	(void)state;
	pair->server_config.tickets_12 = false;
	connect_and_check(pair, NULL, false);
	assert_int_equal(pair->slot.session.ticket_len, 0);
	assert_int_equal(pair->slot.session.session_id_len, 32);
	assert_int_equal(tls_pair_fixture.engine.sessions.n_used, 1);
	connect_and_check(pair, &pair->slot.session, true);
	assert_non_null(tls_session_table_next(&tls_pair_fixture.engine.sessions, &cursor));
	// Evicted by an operator.
	assert_true(tls_session_table_remove(
		&tls_pair_fixture.engine.sessions, span_of(pair->slot.session.session_id, 32)));
	connect_and_check(pair, &pair->slot.session, false);
	// Too old: an ID may live shorter than a ticket.
	pair->server_config.session_id_lifetime_12_s = 5;
	connect_and_check(pair, NULL, false);
	connect_and_check(pair, &pair->slot.session, true);
	tls_pair_fixture.ahead_us += 10000000;
	connect_and_check(pair, &pair->slot.session, false);
	pair_free(pair);
}

// Another worker's session: found at once, found later, not there.
struct finder {
	struct tls_session_finder base;
	struct tls_session_state state;
	struct tls_reference who;
	uint16_t worker_idx;
	bool has_it, later;
};

static bool find(struct tls_session_finder *base, struct tls_reference who, uint16_t worker_idx,
	struct span id, bool *out_found, struct tls_session_state *out_state)
{
	struct finder *finder = (struct finder *)base;

	(void)id;
	finder->who = who;
	finder->worker_idx = worker_idx;
	*out_found = finder->has_it;
	*out_state = finder->state;
	return !finder->later;
}

static void test_sessions_of_other_workers(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_12);
	struct finder finder = {.base = {.ask = find}};
	struct tls_handshake *handshake;
	struct tls_engine *engine = &tls_pair_fixture.engine;
	uint32_t cursor = 0;

	(void)state;
	pair->server_config.tickets_12 = false;
	connect_and_check(pair, NULL, false);
	finder.state = tls_session_table_next(&engine->sessions, &cursor)->state;
	engine->worker_idx = 9;
	connect_and_check(pair, &pair->slot.session, false); // nobody to ask
	engine->worker_idx = 3;
	connect_and_check(pair, NULL, false);
	engine->worker_idx = 9;
	engine->finder = &finder.base;
	connect_and_check(pair, &pair->slot.session, false); // asked in vain
	assert_int_equal(finder.worker_idx, 3);
	engine->worker_idx = 3;
	connect_and_check(pair, NULL, false);
	cursor = 0;
	while (memcmp(finder.state.secret, pair->slot.session.state.secret, 48) != 0)
		finder.state = tls_session_table_next(&engine->sessions, &cursor)->state;
	engine->worker_idx = 9;
	finder.has_it = true;
	connect_and_check(pair, &pair->slot.session, true);
	finder.later = true;
	pair_begin(pair, &pair->slot.session);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.status, TLS_WAIT_LOOKUP);
	handshake = tls_handshake_found(engine, finder.who, &finder.state);
	assert_non_null(handshake);
	pair->server.status = tls_handshake_resume(handshake);
	tls_fixture_pump(&pair->client, &pair->server);
	pair_check_up(pair);
	assert_true(pair->server.report.resumed);
	assert_null(tls_handshake_found(engine, finder.who, &finder.state));
	pair_end(pair);
	engine->finder = NULL;
	engine->worker_idx = 3;
	pair_free(pair);
}

static void test_ticket_key_rotation(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		tls_fixture_ticket_keys(&tls_pair_fixture, 1, 2, 0);
		connect_and_check(pair, NULL, false);
		tls_fixture_ticket_keys(&tls_pair_fixture, 2, 3, 1);
		pair->slot.n_kept = 0;
		connect_and_check(pair, &pair->slot.session, true);
		assert_true(pair->slot.n_kept > 0); // renewed under the new key
		tls_fixture_ticket_keys(&tls_pair_fixture, 3, 4, 2);
		connect_and_check(pair, &pair->slot.session, true);
		tls_fixture_ticket_keys(&tls_pair_fixture, 7, 8, 9);
		connect_and_check(pair, &pair->slot.session, false);
		// Another machine is one rotation ahead.
		tls_fixture_ticket_keys(&tls_pair_fixture, 6, 7, 5);
		connect_and_check(pair, &pair->slot.session, true);
		pair_free(pair);
	}
	tls_fixture_ticket_keys(&tls_pair_fixture, 1, 2, 3);
}

static void refuse_session(struct pair *pair)
{
	connect_and_check(pair, &pair->slot.session, false);
	connect_and_check(pair, NULL, false);
}

static void test_what_forbids_resumption(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		connect_and_check(pair, NULL, false);
		pair->server_config.policy_id[5] ^= 1;
		refuse_session(pair);
		pair->server_config.policy_id[5] ^= 1;
		connect_and_check(pair, NULL, false);
		pair_begin(pair, NULL);
		pair_end(pair);
		// Too old: the ticket's own life counts, not what the client believes.
		pair->server_config.ticket_lifetime_s = pair->server_config.session_lifetime_12_s = 1;
		connect_and_check(pair, NULL, false);
		pair->slot.session.state.lifetime_s = 100000;
		tls_pair_fixture.ahead_us += 10000000;
		connect_and_check(pair, &pair->slot.session, false);
		pair_free(pair);
	}
}

static void test_sessions_are_bound_to_the_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		connect_and_check(pair, NULL, false);
		tls_end_init(&pair->server, &tls_pair_fixture);
		tls_end_init(&pair->client, &tls_pair_fixture);
		tls_end_serve(&pair->server, &pair->server_config);
		tls_end_connect(&pair->client, &pair->client_config, "other.test", &pair->slot.session);
		tls_fixture_pump(&pair->client, &pair->server);
		pair_check_up(pair);
		assert_false(pair->server.report.resumed);
		pair_end(pair);
		tls_end_init(&pair->server, &tls_pair_fixture);
		tls_end_init(&pair->client, &tls_pair_fixture);
		tls_end_serve(&pair->server, &pair->server_config);
		tls_end_connect(&pair->client, &pair->client_config, "SLUICE.test", &pair->slot.session);
		tls_fixture_pump(&pair->client, &pair->server);
		pair_check_up(pair);
		pair_end(pair);
		pair_free(pair);
	}
}

static void test_resumption_negotiates_alpn_afresh(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		pair->server_config.common.alpn = span_of("\x04smtp\x04imap", 10);
		pair->client_config.common.alpn = span_of("\x04smtp", 5);
		connect_and_check(pair, NULL, false);
		pair->client_config.common.alpn = span_of("\x04imap", 5);
		pair_connect(pair, &pair->slot.session);
		pair_check_up(pair);
		assert_true(pair->server.report.resumed);
		assert_true(span_equal(pair->client.report.alpn, span_of("imap", 4)));
		pair_end(pair);
		pair_free(pair);
	}
}

static void test_damaged_tickets_fall_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		connect_and_check(pair, NULL, false);
		for (unsigned at = 0; at < TLS_OWN_TICKET_LEN; at += 13) {
			struct tls_session session = pair->slot.session;

			session.ticket[at] ^= 0x10;
			pair_connect(pair, &session);
			pair_check_up(pair);
			assert_false(pair->server.report.resumed);
			pair_end(pair);
		}
		pair_free(pair);
	}
}

// The client has the right ticket and the wrong secret.
static void test_wrong_binder(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	connect_and_check(pair, NULL, false);
	pair->slot.session.state.secret[0] ^= 1;
	pair_connect(pair, &pair->slot.session);
	pair_check_server_refused(pair, TLS_ALERT_DECRYPT_ERROR);
	pair_end(pair);
	pair_free(pair);
}

static void test_wrong_master_secret(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_12);

	(void)state;
	connect_and_check(pair, NULL, false);
	pair->slot.session.state.secret[0] ^= 1;
	pair_connect(pair, &pair->slot.session);
	pair_check_client_refused(pair, TLS_ALERT_BAD_RECORD_MAC);
	pair_end(pair);
	pair_free(pair);
}

static void test_retry(void **state)
{
	static const uint16_t client_groups[2] = {GROUP_X25519, GROUP_SECP384R1};
	static const uint16_t server_group = GROUP_SECP384R1;
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair->client_config.common.groups = (struct tls_preferences){client_groups, 2};
	pair->server_config.common.groups = (struct tls_preferences){&server_group, 1};
	pair_connect(pair, NULL);
	pair_check_up(pair);
	assert_true(pair->server.report.retried);
	assert_int_equal(pair->server.report.group, GROUP_SECP384R1);
	pair_check_reports_agree(pair);
	pair_check_data(pair);
	pair_end(pair);
	// With a ticket as well.
	pair_connect(pair, &pair->slot.session);
	pair_check_up(pair);
	assert_true(pair->server.report.retried && pair->server.report.resumed);
	pair_check_data(pair);
	pair_end(pair);
	pair_free(pair);
}

static void test_no_common_ground(void **state)
{
	static const uint16_t x25519 = GROUP_X25519, p384 = GROUP_SECP384R1;
	static const uint16_t suite_128 = 0x1301, suite_256 = 0x1302;
	static const uint16_t rsa_only = SCHEME_RSA_PSS_RSAE_SHA256;
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair->client_config.common.groups = (struct tls_preferences){&x25519, 1};
	pair->server_config.common.groups = (struct tls_preferences){&p384, 1};
	pair_connect(pair, NULL);
	pair_check_server_refused(pair, TLS_ALERT_HANDSHAKE_FAILURE);
	pair_end(pair);
	pair->server_config.common.groups = tls_default_groups;
	pair->client_config.common.suites = (struct tls_preferences){&suite_128, 1};
	pair->server_config.common.suites = (struct tls_preferences){&suite_256, 1};
	pair_connect(pair, NULL);
	pair_check_server_refused(pair, TLS_ALERT_HANDSHAKE_FAILURE);
	pair_end(pair);
	pair->server_config.common.suites = tls_default_suites;
	pair->client_config.common.signatures = (struct tls_preferences){&rsa_only, 1};
	pair_connect(pair, NULL);
	pair_check_server_refused(pair, TLS_ALERT_HANDSHAKE_FAILURE);
	pair_end(pair);
	pair_free(pair);
	pair = pair_of_version(TLS_VERSION_12);
	pair->server_config.common.version_min = TLS_VERSION_13;
	pair_connect(pair, NULL);
	pair_check_server_refused(pair, TLS_ALERT_PROTOCOL_VERSION);
	pair_end(pair);
	pair_free(pair);
}

static void test_fallback_scsv(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_12);

	(void)state;
	pair->client_config.fallback = true;
	pair_connect(pair, NULL);
	pair_check_server_refused(pair, TLS_ALERT_INAPPROPRIATE_FALLBACK);
	pair_end(pair);
	pair->server_config.common.version_max = TLS_VERSION_12;
	connect_and_check(pair, NULL, false);
	pair_free(pair);
}

static void test_grease(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		pair->client_config.grease = true;
		connect_and_check(pair, NULL, false);
		connect_and_check(pair, &pair->slot.session, true);
		pair_free(pair);
	}
}

static void test_names(void **state)
{
	struct pair *pair = pair_new(TLS_FIXTURE_P256);
	struct tls_identity *ecdsa = tls_fixture_identity(TLS_FIXTURE_P256);
	struct tls_identity *rsa = tls_fixture_identity(TLS_FIXTURE_RSA2048);
	const struct tls_name names[] = {
		{span_of_string("Sluice.test"), rsa->certificate},
		{span_of_string("*.mail.test"), ecdsa->certificate},
	};
	uint8_t memory[4096] __attribute__((aligned(8)));

	(void)state;
	pair->server_config.names = tls_names_build((struct mut_span){memory, sizeof memory}, names, 2);
	pair_connect(pair, NULL);
	pair_check_up(pair);
	assert_int_equal(pair->server.report.scheme, SCHEME_RSA_PSS_RSAE_SHA256);
	assert_int_equal(pair->server.report.name_match, TLS_NAME_EXACT);
	assert_string_equal(tls_pair_verifier.name, "sluice.test");
	pair_end(pair);
	tls_end_init(&pair->server, &tls_pair_fixture);
	tls_end_init(&pair->client, &tls_pair_fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	tls_end_connect(&pair->client, &pair->client_config, "MX1.mail.test", NULL);
	tls_fixture_pump(&pair->client, &pair->server);
	pair_check_up(pair);
	assert_int_equal(pair->server.report.scheme, SCHEME_ECDSA_SECP256R1_SHA256);
	assert_int_equal(pair->server.report.name_match, TLS_NAME_WILDCARD);
	pair_end(pair);
	tls_end_init(&pair->server, &tls_pair_fixture);
	tls_end_init(&pair->client, &tls_pair_fixture);
	tls_end_serve(&pair->server, &pair->server_config);
	tls_end_connect(&pair->client, &pair->client_config, "unknown.test", NULL);
	tls_fixture_pump(&pair->client, &pair->server);
	pair_check_server_refused(pair, TLS_ALERT_UNRECOGNIZED_NAME);
	pair_end(pair);
	pair_free(pair);
}

// One name, two certificates: the client's signature algorithms decide.
static void test_certificate_by_algorithm(void **state)
{
	struct tls_identity *identities[2] = {
		tls_fixture_identity(TLS_FIXTURE_P256), tls_fixture_identity(TLS_FIXTURE_RSA2048)};
	static const uint16_t rsa_only[2] = {SCHEME_RSA_PSS_RSAE_SHA384, SCHEME_RSA_PKCS1_SHA256};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);
		const struct tls_names *names = tls_fixture_names(identities, 2);

		pair->server_config.names = names;
		pair_connect(pair, NULL);
		pair_check_up(pair);
		assert_int_equal(pair->client.report.scheme, SCHEME_ECDSA_SECP256R1_SHA256);
		pair_end(pair);
		pair->client_config.common.signatures = (struct tls_preferences){rsa_only, 2};
		pair_connect(pair, NULL);
		pair_check_up(pair);
		assert_int_equal(pair->client.report.scheme, SCHEME_RSA_PSS_RSAE_SHA384);
		pair_end(pair);
		free((void *)(uintptr_t)names);
		pair_free(pair);
	}
}

static void test_alpn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		pair->server_config.common.alpn = span_of("\x04imap\x04smtp", 10);
		pair->client_config.common.alpn = span_of("\x03pop\x04smtp\x04imap", 14);
		pair_connect(pair, NULL);
		pair_check_up(pair);
		assert_true(span_equal(pair->server.report.alpn, span_of("imap", 4)));
		pair_check_reports_agree(pair);
		pair_end(pair);
		pair->client_config.common.alpn = span_of("\x03pop", 4);
		pair_connect(pair, NULL);
		pair_check_server_refused(pair, TLS_ALERT_NO_APPLICATION_PROTOCOL);
		pair_end(pair);
		pair->client_config.common.alpn = span_of(NULL, 0);
		connect_and_check(pair, NULL, false);
		pair->server_config.alpn_required = true;
		pair_connect(pair, NULL);
		pair_check_server_refused(pair, TLS_ALERT_NO_APPLICATION_PROTOCOL);
		pair_end(pair);
		pair_free(pair);
	}
}

// A staple and timestamps reach only a client that asked.
static void test_staple_and_timestamps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned wish = 0; wish < 4; wish++) {
			struct pair *pair = pair_of_version(versions[i]);

			pair->client_config.wants_staple = (wish & 1) != 0;
			pair->client_config.wants_scts = (wish & 2) != 0;
			connect_and_check(pair, NULL, false);
			assert_int_equal(tls_pair_verifier.staple_len != 0, wish & 1);
			assert_int_equal(tls_pair_verifier.scts_len != 0, (wish & 2) != 0);
			pair_free(pair);
		}
	}
}

static void client_certificates(uint16_t version, enum tls_fixture_kind kind)
{
	struct pair *pair = pair_of_version(version);

	pair->server_config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	pair->client_config.certificate = tls_fixture_identity(kind)->certificate;
	pair_connect(pair, NULL);
	pair_check_up(pair);
	assert_true(pair->server.report.peer_authenticated);
	assert_true(pair->server.report.peer_scheme != 0);
	pair_check_data(pair);
	pair_end(pair);
	connect_and_check(pair, &pair->slot.session, true);
	assert_true(pair->server.report.peer_authenticated);
	pair_free(pair);
}

static void test_client_certificates(void **state)
{
	static const enum tls_fixture_kind for_12[] = {TLS_FIXTURE_P256, TLS_FIXTURE_P384,
		TLS_FIXTURE_RSA2048, TLS_FIXTURE_RSA3072, TLS_FIXTURE_RSA_PSS};

	(void)state;
	for (int kind = 0; kind < TLS_N_FIXTURE_KINDS; kind++)
		client_certificates(TLS_VERSION_13, (enum tls_fixture_kind)kind);
	for (unsigned i = 0; i < sizeof for_12 / sizeof for_12[0]; i++)
		client_certificates(TLS_VERSION_12, for_12[i]);
}

static void test_client_without_certificate(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		pair->server_config.client_auth = TLS_CLIENT_AUTH_OPTIONAL;
		connect_and_check(pair, NULL, false);
		assert_false(pair->server.report.peer_authenticated);
		// Such a session is not good enough for a listener that demands certificates.
		pair->server_config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
		pair_connect(pair, &pair->slot.session);
		pair_check_server_refused(pair, versions[i] == TLS_VERSION_13 ? TLS_ALERT_CERTIFICATE_REQUIRED
									      : TLS_ALERT_HANDSHAKE_FAILURE);
		pair_end(pair);
		pair_free(pair);
	}
}

// The verifier's alert is the one that leaves, on both sides.
static void test_verifier_refuses(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);

		tls_pair_verifier.verdict = TLS_REFUSE_CERTIFICATE_EXPIRED;
		pair_connect(pair, NULL);
		pair_check_client_refused(pair, TLS_ALERT_CERTIFICATE_EXPIRED);
		pair_end(pair);
		pair_free(pair);
	}
}

static void test_verifier_takes_its_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(versions[i]);
		struct tls_handshake *handshake;

		tls_pair_verifier.deferred = true;
		pair_connect(pair, NULL);
		assert_int_equal(pair->client.status, TLS_WAIT_VERIFY);
		assert_true(tls_pair_verifier.pending);
		handshake = tls_fixture_answer(&tls_pair_verifier, &tls_pair_fixture.engine);
		assert_non_null(handshake);
		assert_null(tls_fixture_answer(&tls_pair_verifier, &tls_pair_fixture.engine));
		pair->client.status = tls_handshake_resume(handshake);
		tls_fixture_pump(&pair->client, &pair->server);
		pair_check_up(pair);
		pair_check_data(pair);
		pair_end(pair);
		// An answer that comes after the end finds nobody.
		pair_connect(pair, NULL);
		assert_int_equal(pair->client.status, TLS_WAIT_VERIFY);
		pair_end(pair);
		assert_null(tls_fixture_answer(&tls_pair_verifier, &tls_pair_fixture.engine));
		pair_free(pair);
	}
}

static void test_size_limits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t type_len = versions[i] == TLS_VERSION_13 ? 1 : 0;
		struct pair *pair = pair_of_version(versions[i]);

		pair->client_config.common.record_size_limit = 512;
		pair->server_config.common.record_size_limit = 64;
		pair_connect(pair, NULL);
		pair_check_up(pair);
		assert_int_equal(pair->server.conn.send_max, 512 - type_len);
		assert_int_equal(pair->client.conn.send_max, 64 - type_len);
		pair_check_data(pair);
		pair_end(pair);
		// Whoever does not keep to it is cut off.
		pair_connect(pair, NULL);
		pair_check_up(pair);
		pair->client.conn.send_max = TLS_PLAINTEXT_MAX;
		tls_end_send(&pair->client,
			"0123456789012345678901234567890123456789012345678901234567890123456", 67);
		tls_fixture_pump(&pair->client, &pair->server);
		pair_check_server_refused(pair, TLS_ALERT_RECORD_OVERFLOW);
		pair_end(pair);
		pair_free(pair);
	}
}

static void test_key_updates(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair_connect(pair, NULL);
	pair_check_up(pair);
	for (unsigned i = 0; i < 8; i++) {
		tls_conn_update_keys(&pair->client.conn, (i & 1) != 0);
		tls_conn_update_keys(&pair->server.conn, (i & 2) != 0);
		tls_end_send(&pair->client, "x", 1);
		tls_end_send(&pair->server, "y", 1);
		tls_fixture_pump(&pair->client, &pair->server);
		assert_int_equal(pair->client.data_len, i + 1);
		assert_int_equal(pair->server.data_len, i + 1);
	}
	pair_check_up(pair);
	pair_end(pair);
	pair_free(pair);
}

// Worn keys are replaced without anybody asking (RFC 8446 5.5).
static void test_worn_keys(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);

	(void)state;
	pair_connect(pair, NULL);
	pair_check_up(pair);
	pair->client.conn.write_seq = pair->server.conn.read_seq = UINT64_C(1) << 23;
	tls_end_send(&pair->client, "x", 1);
	tls_fixture_pump(&pair->client, &pair->server);
	assert_int_equal(pair->server.data_len, 1);
	assert_true(pair->client.conn.write_seq < 10);
	assert_true(pair->server.conn.read_seq < 10);
	pair_check_up(pair);
	pair_end(pair);
	pair_free(pair);
}

// What arrives byte by byte, and what leaves in small pieces, is the same handshake.
static void test_small_pieces(void **state)
{
	static const size_t chunks[] = {1, 3, 7, 100, 1000};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < sizeof chunks / sizeof chunks[0]; k++) {
			struct pair *pair = pair_of_version(versions[i]);

			pair->server_config.client_auth = TLS_CLIENT_AUTH_OPTIONAL;
			pair->client_config.certificate = tls_fixture_identity(TLS_FIXTURE_P256)->certificate;
			pair_begin(pair, NULL);
			pair->client.chunk = pair->server.chunk = chunks[k];
			pair->client.output_max = pair->server.output_max = 100 + 50 * k;
			tls_fixture_pump(&pair->client, &pair->server);
			pair_check_up(pair);
			pair_end(pair);
			pair_free(pair);
		}
	}
}

static void test_pool_shortage(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_13);
	struct tls_end ends[64];
	struct tls_conn conn;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		tls_end_init(&ends[i], &tls_pair_fixture);
		tls_end_serve(&ends[i], &pair->server_config);
	}
	tls_conn_init(&conn);
	assert_false(tls_server_start(&tls_pair_fixture.engine, &conn, &pair->server_config, NULL));
	for (unsigned i = 0; i < 64; i++)
		tls_end_destroy(&ends[i]);
	pair_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_tickets_resume),
		PAIR_TEST(test_every_suite_resumes),
		PAIR_TEST(test_session_ids_resume),
		PAIR_TEST(test_sessions_of_other_workers),
		PAIR_TEST(test_ticket_key_rotation),
		PAIR_TEST(test_what_forbids_resumption),
		PAIR_TEST(test_sessions_are_bound_to_the_name),
		PAIR_TEST(test_resumption_negotiates_alpn_afresh),
		PAIR_TEST(test_damaged_tickets_fall_back),
		PAIR_TEST(test_wrong_binder),
		PAIR_TEST(test_wrong_master_secret),
		PAIR_TEST(test_retry),
		PAIR_TEST(test_no_common_ground),
		PAIR_TEST(test_fallback_scsv),
		PAIR_TEST(test_grease),
		PAIR_TEST(test_names),
		PAIR_TEST(test_certificate_by_algorithm),
		PAIR_TEST(test_alpn),
		PAIR_TEST(test_staple_and_timestamps),
		PAIR_TEST(test_client_certificates),
		PAIR_TEST(test_client_without_certificate),
		PAIR_TEST(test_verifier_refuses),
		PAIR_TEST(test_verifier_takes_its_time),
		PAIR_TEST(test_size_limits),
		PAIR_TEST(test_key_updates),
		PAIR_TEST(test_worn_keys),
		PAIR_TEST(test_small_pieces),
		PAIR_TEST(test_pool_shortage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
