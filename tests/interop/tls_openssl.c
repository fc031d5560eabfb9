// SPDX-License-Identifier: Apache-2.0
//
// Our engine against OpenSSL's libssl in one process, over memory BIOs, in both roles: every combination of
// version, suite, group, certificate and resumption, client certificates, key updates, retries.
#include "seam/cmocka_all.h"

#include "base/clock.h"
#include "tls_matrix.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

static struct tls_fixture fixture;
static struct tls_fixture_verifier verifier;

// One conversation: our end and OpenSSL's.
struct talk {
	struct tls_end ours;
	SSL *theirs;
	BIO *to_them;
	BIO *from_them;
	bool them_up;
};

// What a conversation shall be like; zeros mean anything.
struct plan {
	uint16_t version;
	uint16_t suite;
	uint16_t group;
	enum tls_fixture_kind kind;
	bool client_certificate;
	enum tls_fixture_kind client_kind; // of that certificate
	bool no_tickets;                   // TLS 1.2 by session ID
};

static const char *suite_openssl_name(uint16_t id)
{
	switch (id) {
	case 0x1301:
		return "TLS_AES_128_GCM_SHA256";
	case 0x1302:
		return "TLS_AES_256_GCM_SHA384";
	case 0x1303:
		return "TLS_CHACHA20_POLY1305_SHA256";
	case 0xc02b:
		return "ECDHE-ECDSA-AES128-GCM-SHA256";
	case 0xc02f:
		return "ECDHE-RSA-AES128-GCM-SHA256";
	case 0xc02c:
		return "ECDHE-ECDSA-AES256-GCM-SHA384";
	case 0xc030:
		return "ECDHE-RSA-AES256-GCM-SHA384";
	case 0xcca9:
		return "ECDHE-ECDSA-CHACHA20-POLY1305";
	default:
		return "ECDHE-RSA-CHACHA20-POLY1305";
	}
}

static void restrict_context(SSL_CTX *context, const struct plan *plan)
{
	assert_int_equal(SSL_CTX_set_min_proto_version(context, plan->version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(context, plan->version), 1);
	if (plan->version == TLS1_3_VERSION)
		assert_int_equal(SSL_CTX_set_ciphersuites(context, suite_openssl_name(plan->suite)), 1);
	else
		assert_int_equal(SSL_CTX_set_cipher_list(context, suite_openssl_name(plan->suite)), 1);
	assert_int_equal(SSL_CTX_set1_sigalgs_list(context,
				 "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:rsa_pss_rsae_sha256:"
				 "rsa_pss_pss_sha256:rsa_pss_rsae_sha384:RSA+SHA256"),
		1);
}

static void use_identity(SSL_CTX *context, enum tls_fixture_kind kind)
{
	struct tls_identity *identity = tls_fixture_identity(kind);

	assert_int_equal(SSL_CTX_use_certificate(context, identity->x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, identity->pkey), 1);
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static void talk_begin(struct talk *talk, SSL_CTX *context)
{
	memset(talk, 0, sizeof *talk);
	tls_end_init(&talk->ours, &fixture);
	talk->theirs = SSL_new(context);
	talk->to_them = BIO_new(BIO_s_mem());
	talk->from_them = BIO_new(BIO_s_mem());
	SSL_set_bio(talk->theirs, talk->to_them, talk->from_them);
}

static bool move_bytes(struct talk *talk)
{
	uint8_t buffer[16384];
	bool moved = talk->ours.out_len != 0;
	int n;

	if (moved)
		assert_int_equal(BIO_write(talk->to_them, talk->ours.out, (int)talk->ours.out_len),
			(int)talk->ours.out_len);
	talk->ours.out_len = 0;
	while ((n = BIO_read(talk->from_them, buffer, sizeof buffer)) > 0) {
		tls_end_receive(&talk->ours, buffer, (size_t)n);
		moved = true;
	}
	return moved;
}

static void pump(struct talk *talk)
{
	bool progress = true;

	while (progress) {
		if (!talk->them_up)
			talk->them_up = SSL_do_handshake(talk->theirs) == 1;
		progress = move_bytes(talk);
		progress = tls_end_step(&talk->ours) || progress;
		progress = progress || lanes_n_pending(fixture.crypto.lanes) != 0;
		tls_fixture_run_lanes(&fixture);
	}
}

static void check_up(struct talk *talk)
{
	if (!talk->them_up || !tls_end_up(&talk->ours)) {
		print_message("ours: %s by %s in '%s'\n", tls_alert_name(talk->ours.report.alert),
			talk->ours.report.failed_by_peer ? "them" : "us",
			tls_state_name((enum tls_state)talk->ours.report.failed_state));
		ERR_print_errors_fp(stdout);
	}
	assert_true(talk->them_up);
	assert_true(tls_end_up(&talk->ours));
}

static void read_theirs(struct talk *talk, const uint8_t *expected, size_t len)
{
	static uint8_t buffer[65536];
	size_t n_read = 0;
	int n;

	while ((n = SSL_read(talk->theirs, buffer + n_read, (int)(sizeof buffer - n_read))) > 0)
		n_read += (size_t)n;
	assert_int_equal(n_read, len);
	assert_memory_equal(buffer, expected, len);
}

// Data both ways, then both say goodbye.
static void check_data(struct talk *talk)
{
	static uint8_t text[40000];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 13);
	tls_end_send(&talk->ours, text, sizeof text);
	assert_int_equal(SSL_write(talk->theirs, text, sizeof text), (int)sizeof text);
	pump(talk);
	read_theirs(talk, text, sizeof text);
	assert_int_equal(talk->ours.data_len, sizeof text);
	assert_memory_equal(talk->ours.data, text, sizeof text);
	tls_end_close(&talk->ours);
	SSL_shutdown(talk->theirs);
	pump(talk);
	assert_int_equal(SSL_read(talk->theirs, text, 1), 0);
	assert_int_equal(SSL_get_error(talk->theirs, 0), SSL_ERROR_ZERO_RETURN);
	assert_true(talk->ours.closed);
}

static void talk_end(struct talk *talk)
{
	tls_end_destroy(&talk->ours);
	SSL_free(talk->theirs);
	ERR_clear_error();
}

// Our server, their client.

static SSL_CTX *client_context(const struct plan *plan)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	restrict_context(context, plan);
	assert_int_equal(SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384"), 1);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
	if (plan->no_tickets)
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	if (plan->client_certificate)
		use_identity(context, plan->client_kind);
	return context;
}

static void serve_once(const struct plan *plan, SSL_CTX *context, const struct tls_server_config *config,
	SSL_SESSION **session)
{
	struct talk talk;
	bool resumes = *session != NULL;

	talk_begin(&talk, context);
	SSL_set_connect_state(talk.theirs);
	SSL_set_tlsext_host_name(talk.theirs, "sluice.test");
	if (resumes)
		assert_int_equal(SSL_set_session(talk.theirs, *session), 1);
	tls_end_serve(&talk.ours, config);
	pump(&talk);
	check_up(&talk);
	assert_int_equal(SSL_session_reused(talk.theirs), resumes);
	assert_int_equal(talk.ours.report.resumed, resumes);
	assert_int_equal(talk.ours.report.suite, plan->suite);
	assert_int_equal(talk.ours.report.peer_authenticated, plan->client_certificate);
	check_data(&talk);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(talk.theirs);
	talk_end(&talk);
}

static void server_plan(const struct plan *plan)
{
	struct tls_identity *identity = tls_fixture_identity(plan->kind);
	const struct tls_names *names = tls_fixture_names(&identity, 1);
	struct tls_server_config config = tls_fixture_server_config(names);
	SSL_CTX *context = client_context(plan);
	SSL_SESSION *session = NULL;

	config.common.verifier = &verifier.base;
	if (plan->group != 0)
		config.common.groups = (struct tls_preferences){&plan->group, 1};
	if (plan->client_certificate)
		config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	serve_once(plan, context, &config, &session);
	serve_once(plan, context, &config, &session);
	serve_once(plan, context, &config, &session);
	SSL_SESSION_free(session);
	SSL_CTX_free(context);
	free((void *)(uintptr_t)names);
}

// Our client, their server.

static SSL_CTX *server_context(const struct plan *plan)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	restrict_context(context, plan);
	assert_int_equal(SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384"), 1);
	use_identity(context, plan->kind);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"sluice", 6);
	if (plan->no_tickets)
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	if (plan->client_certificate)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
	return context;
}

static void connect_once(const struct plan *plan, SSL_CTX *context, const struct tls_client_config *config,
	struct tls_session_slot *slot, bool resumes)
{
	struct talk talk;

	talk_begin(&talk, context);
	SSL_set_accept_state(talk.theirs);
	tls_end_connect(&talk.ours, config, "sluice.test", resumes ? &slot->session : NULL);
	pump(&talk);
	check_up(&talk);
	assert_int_equal(SSL_session_reused(talk.theirs), resumes);
	assert_int_equal(talk.ours.report.resumed, resumes);
	assert_int_equal(talk.ours.report.suite, plan->suite);
	check_data(&talk);
	assert_true(slot->n_kept > 0);
	talk_end(&talk);
}

// All groups, the plan's first; a TLS 1.2 server takes the certificate's curve from the same list.
static void reorder_groups(uint16_t first, uint16_t out[3])
{
	unsigned n = 1;

	out[0] = first != 0 ? first : tls_default_groups.numbers[0];
	for (unsigned i = 0; i < 3; i++) {
		if (tls_default_groups.numbers[i] != out[0])
			out[n++] = tls_default_groups.numbers[i];
	}
}

static void client_plan(const struct plan *plan)
{
	struct tls_session_slot slot = {.n_kept = 0};
	struct tls_client_config config = tls_fixture_client_config(&verifier);
	SSL_CTX *context = server_context(plan);
	uint16_t groups[3];

	config.keep_session = tls_fixture_keep_session;
	config.keep_context = &slot;
	reorder_groups(plan->group, groups);
	config.common.groups = (struct tls_preferences){groups, 3};
	if (plan->client_certificate)
		config.certificate = tls_fixture_identity(plan->client_kind)->certificate;
	connect_once(plan, context, &config, &slot, false);
	connect_once(plan, context, &config, &slot, true);
	connect_once(plan, context, &config, &slot, true);
	SSL_CTX_free(context);
}

static int set_up(void **state)
{
	const struct tls_engine_settings settings = {.n_handshakes = 8, .n_clients = 8, .n_sessions = 64};

	(void)state;
	clock_init();
	tls_fixture_init(&fixture, &settings);
	tls_fixture_ticket_keys(&fixture, 1, 0, 0);
	tls_fixture_verifier_init(&verifier);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(fixture.engine.handshakes.n_used, 0);
	assert_int_equal(fixture.engine.blocks.n_used, 0);
	tls_fixture_destroy(&fixture);
	return 0;
}

static struct plan plan_of(const struct tls_combination *combination)
{
	return (struct plan){.version = combination->version,
		.suite = combination->suite,
		.group = combination->group,
		.kind = combination->kind};
}

void tls_matrix_serve(const struct tls_combination *combination)
{
	const struct plan plan = plan_of(combination);

	server_plan(&plan);
}

void tls_matrix_connect(const struct tls_combination *combination)
{
	const struct plan plan = plan_of(combination);

	client_plan(&plan);
}

static void test_server_session_id(void **state)
{
	const struct plan plan = {
		.version = TLS1_2_VERSION, .suite = 0xc02b, .kind = TLS_FIXTURE_P256, .no_tickets = true};

	(void)state;
	server_plan(&plan);
}

static void test_client_session_id(void **state)
{
	const struct plan plan = {
		.version = TLS1_2_VERSION, .suite = 0xc02b, .kind = TLS_FIXTURE_P256, .no_tickets = true};

	(void)state;
	client_plan(&plan);
}

static void test_client_certificates(void **state)
{
	const struct plan plan_13 = {.version = TLS1_3_VERSION,
		.suite = 0x1302,
		.kind = TLS_FIXTURE_RSA2048,
		.client_certificate = true};
	const struct plan plan_12 = {.version = TLS1_2_VERSION,
		.suite = 0xc030,
		.kind = TLS_FIXTURE_RSA2048,
		.client_certificate = true};

	(void)state;
	server_plan(&plan_13);
	server_plan(&plan_12);
	client_plan(&plan_13);
	client_plan(&plan_12);
	for (int kind = 0; kind < TLS_N_FIXTURE_KINDS; kind++) {
		struct plan plan = plan_12;

		plan.client_kind = (enum tls_fixture_kind)kind;
		server_plan(&plan); // Ed25519 in TLS 1.2 too
		client_plan(&plan);
	}
}

// Their client guesses P-256 and we have only X25519, and the other way round.
static void test_retry(void **state)
{
	const struct plan plan = {.version = TLS1_3_VERSION, .suite = 0x1301, .kind = TLS_FIXTURE_P256};
	const uint16_t p384_first[2] = {0x0018, 0x0017};
	struct tls_identity *identity = tls_fixture_identity(plan.kind);
	const struct tls_names *names = tls_fixture_names(&identity, 1);
	struct tls_server_config server_config = tls_fixture_server_config(names);
	struct tls_client_config client_config = tls_fixture_client_config(&verifier);
	const uint16_t p384 = 0x0018;
	struct talk talk;
	SSL_CTX *context;

	(void)state;
	server_config.common.groups = (struct tls_preferences){&p384, 1};
	context = client_context(&plan);
	assert_int_equal(SSL_CTX_set1_groups_list(context, "X25519:P-384"), 1);
	talk_begin(&talk, context);
	SSL_set_connect_state(talk.theirs);
	tls_end_serve(&talk.ours, &server_config);
	pump(&talk);
	check_up(&talk);
	assert_true(talk.ours.report.retried);
	check_data(&talk);
	talk_end(&talk);
	SSL_CTX_free(context);

	client_config.common.groups = (struct tls_preferences){p384_first, 2};
	context = server_context(&plan);
	assert_int_equal(SSL_CTX_set1_groups_list(context, "P-256"), 1);
	talk_begin(&talk, context);
	SSL_set_accept_state(talk.theirs);
	tls_end_connect(&talk.ours, &client_config, "sluice.test", NULL);
	pump(&talk);
	check_up(&talk);
	assert_true(talk.ours.report.retried);
	assert_int_equal(talk.ours.report.group, 0x0017);
	check_data(&talk);
	talk_end(&talk);
	SSL_CTX_free(context);
	free((void *)(uintptr_t)names);
}

static int make_cookie(SSL *ssl, unsigned char *cookie, size_t *len)
{
	(void)ssl;
	*len = 32;
	memset(cookie, 0x77, *len);
	return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, size_t len)
{
	unsigned char expected[32];

	(void)ssl;
	memset(expected, 0x77, sizeof expected);
	return len == sizeof expected && memcmp(cookie, expected, len) == 0;
}

// A server that keeps nothing between the hellos: its cookie comes back.
static void test_cookie(void **state)
{
	const struct plan plan = {.version = TLS1_3_VERSION, .suite = 0x1301, .kind = TLS_FIXTURE_P256};
	struct tls_client_config config = tls_fixture_client_config(&verifier);
	SSL_CTX *context = server_context(&plan);
	struct talk talk;
	int result = 0;

	(void)state;
	SSL_CTX_set_stateless_cookie_generate_cb(context, make_cookie);
	SSL_CTX_set_stateless_cookie_verify_cb(context, check_cookie);
	talk_begin(&talk, context);
	tls_end_connect(&talk.ours, &config, "sluice.test", NULL);
	for (unsigned i = 0; i < 4 && result != 1; i++) {
		(void)tls_end_step(&talk.ours);
		(void)move_bytes(&talk);
		result = SSL_stateless(talk.theirs);
		(void)move_bytes(&talk);
	}
	assert_int_equal(result, 1);
	pump(&talk);
	check_up(&talk);
	assert_true(talk.ours.report.retried);
	check_data(&talk);
	talk_end(&talk);
	SSL_CTX_free(context);
}

static void test_key_updates(void **state)
{
	const struct plan plan = {.version = TLS1_3_VERSION, .suite = 0x1302, .kind = TLS_FIXTURE_P256};
	struct tls_identity *identity = tls_fixture_identity(plan.kind);
	const struct tls_names *names = tls_fixture_names(&identity, 1);
	struct tls_server_config config = tls_fixture_server_config(names);
	SSL_CTX *context = client_context(&plan);
	struct talk talk;

	(void)state;
	talk_begin(&talk, context);
	SSL_set_connect_state(talk.theirs);
	tls_end_serve(&talk.ours, &config);
	pump(&talk);
	check_up(&talk);
	for (int i = 0; i < 5; i++) {
		uint8_t byte = (uint8_t)i;

		tls_conn_update_keys(&talk.ours.conn, true);
		assert_int_equal(SSL_key_update(talk.theirs, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(talk.theirs, &byte, 1), 1);
		tls_end_send(&talk.ours, &byte, 1);
		pump(&talk);
		read_theirs(&talk, &byte, 1);
		assert_int_equal(talk.ours.data_len, i + 1);
	}
	check_up(&talk);
	talk_end(&talk);
	SSL_CTX_free(context);
	free((void *)(uintptr_t)names);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
	unsigned int in_len, void *argument)
{
	static const unsigned char ours[] = "\x08http/1.1\x04smtp";

	(void)ssl;
	(void)argument;
	return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof ours - 1, in,
		       in_len) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Protocol, staple and name, as the other side sees them.
static void protocol_and_staple(uint16_t version, uint16_t suite)
{
	const struct plan plan = {.version = version, .suite = suite, .kind = TLS_FIXTURE_P256};
	struct tls_identity *identity = tls_fixture_identity(plan.kind);
	const struct tls_names *names = tls_fixture_names(&identity, 1);
	struct tls_server_config server_config = tls_fixture_server_config(names);
	struct tls_client_config client_config = tls_fixture_client_config(&verifier);
	SSL_CTX *context = client_context(&plan);
	const unsigned char *name;
	const unsigned char *staple;
	unsigned int len;
	struct talk talk;

	server_config.common.alpn = span_of("\x04imap\x04smtp", 10);
	assert_int_equal(SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x03pop\x04smtp", 9), 0);
	SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
	talk_begin(&talk, context);
	SSL_set_connect_state(talk.theirs);
	SSL_set_tlsext_host_name(talk.theirs, "sluice.test");
	tls_end_serve(&talk.ours, &server_config);
	pump(&talk);
	check_up(&talk);
	SSL_get0_alpn_selected(talk.theirs, &name, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(name, "smtp", 4);
	assert_int_equal(SSL_get_tlsext_status_ocsp_resp(talk.theirs, &staple), 30);
	assert_int_equal(talk.ours.report.name_match, TLS_NAME_EXACT);
	talk_end(&talk);
	SSL_CTX_free(context);

	context = server_context(&plan);
	SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
	client_config.common.alpn = span_of("\x04smtp\x08http/1.1", 14);
	client_config.grease = true;
	talk_begin(&talk, context);
	SSL_set_accept_state(talk.theirs);
	tls_end_connect(&talk.ours, &client_config, "mail.sluice.test", NULL);
	pump(&talk);
	check_up(&talk);
	assert_true(span_equal(talk.ours.report.alpn, span_of("http/1.1", 8)));
	assert_string_equal(SSL_get_servername(talk.theirs, TLSEXT_NAMETYPE_host_name), "mail.sluice.test");
	talk_end(&talk);
	SSL_CTX_free(context);
	free((void *)(uintptr_t)names);
}

static void test_protocol_and_staple(void **state)
{
	(void)state;
	protocol_and_staple(TLS1_3_VERSION, 0x1301);
	protocol_and_staple(TLS1_2_VERSION, 0xc02b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_matrix),
		cmocka_unit_test(test_client_matrix),
		cmocka_unit_test(test_server_session_id),
		cmocka_unit_test(test_client_session_id),
		cmocka_unit_test(test_client_certificates),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_protocol_and_staple),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
