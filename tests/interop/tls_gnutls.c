// SPDX-License-Identifier: Apache-2.0
//
// Our engine against GnuTLS in one process, through its transport callbacks, in both roles: version, suite,
// group, certificate and resumption, client certificates, retries, key updates, size limits, protocols,
// staples.
#include "seam/cmocka_all.h"

#include "base/clock.h"
#include "crypto/group.h"
#include "tls_matrix.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

static struct tls_fixture fixture;
static struct tls_fixture_verifier verifier;

struct talk {
	struct tls_end ours;
	gnutls_session_t theirs;
	bool them_up;
	int them_failed; // GnuTLS's error
};

struct plan {
	uint16_t version;
	uint16_t suite;
	uint16_t group; // 0: any
	enum tls_fixture_kind kind;
	int client_kind;  // certificate of the client, or -1
	bool no_tickets;  // TLS 1.2 by session ID
	bool retry;       // the client's first share is of another group
	const char *more; // of the priority string
};

// GnuTLS's sessions by ID: one is enough.
static gnutls_datum_t stored_key, stored_data;

static int store(void *context, gnutls_datum_t key, gnutls_datum_t data)
{
	(void)context;
	gnutls_free(stored_key.data);
	gnutls_free(stored_data.data);
	stored_key = (gnutls_datum_t){gnutls_malloc(key.size), key.size};
	stored_data = (gnutls_datum_t){gnutls_malloc(data.size), data.size};
	memcpy(stored_key.data, key.data, key.size);
	memcpy(stored_data.data, data.data, data.size);
	return 0;
}

static gnutls_datum_t retrieve(void *context, gnutls_datum_t key)
{
	gnutls_datum_t none = {NULL, 0};
	gnutls_datum_t copy;

	(void)context;
	if (key.size != stored_key.size || memcmp(key.data, stored_key.data, key.size) != 0)
		return none;
	copy = (gnutls_datum_t){gnutls_malloc(stored_data.size), stored_data.size};
	memcpy(copy.data, stored_data.data, stored_data.size);
	return copy;
}

static int forget(void *context, gnutls_datum_t key)
{
	(void)context;
	(void)key;
	return 0;
}

static ssize_t push(gnutls_transport_ptr_t context, const void *bytes, size_t len)
{
	struct talk *talk = context;

	tls_end_receive(&talk->ours, bytes, len);
	return (ssize_t)len;
}

static ssize_t pull(gnutls_transport_ptr_t context, void *bytes, size_t len)
{
	struct talk *talk = context;
	struct tls_end *ours = &talk->ours;

	if (ours->out_len == 0) {
		gnutls_transport_set_errno(talk->theirs, EAGAIN);
		return -1;
	}
	len = len < ours->out_len ? len : ours->out_len;
	memcpy(bytes, ours->out, len);
	memmove(ours->out, ours->out + len, ours->out_len - len);
	ours->out_len -= len;
	return (ssize_t)len;
}

static int wait_for_bytes(gnutls_transport_ptr_t context, unsigned int ms)
{
	struct talk *talk = context;

	(void)ms;
	return talk->ours.out_len != 0;
}

static const char *cipher_name(uint16_t suite)
{
	switch (tls_suite_find(suite)->aead) {
	case AEAD_AES_128_GCM:
		return "AES-128-GCM";
	case AEAD_AES_256_GCM:
		return "AES-256-GCM";
	default:
		return "CHACHA20-POLY1305";
	}
}

static const char *group_name(uint16_t group)
{
	return group == GROUP_SECP256R1 ? "SECP256R1" : group == GROUP_SECP384R1 ? "SECP384R1" : "X25519";
}

static void set_priority(gnutls_session_t session, const struct plan *plan, const char *groups)
{
	char text[512];
	const char *where;

	(void)snprintf(text, sizeof text,
		"NONE:+VERS-TLS1.%c:+%s:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:%s:+SIGN-ALL:+COMP-ALL:+CTYPE-X509%s",
		plan->version == TLS_VERSION_13 ? '3' : '2', cipher_name(plan->suite), groups,
		plan->more != NULL ? plan->more : "");
	if (gnutls_priority_set_direct(session, text, &where) != 0)
		fail_msg("priority %s at %s", text, where);
}

static void use_identity(gnutls_certificate_credentials_t credentials, enum tls_fixture_kind kind)
{
	struct tls_identity *identity = tls_fixture_identity(kind);
	BIO *bios[2] = {BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
	gnutls_datum_t pem[2];

	assert_int_equal(PEM_write_bio_X509(bios[0], identity->x509), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(bios[1], identity->pkey, NULL, NULL, 0, NULL, NULL), 1);
	for (unsigned i = 0; i < 2; i++) {
		char *data;

		pem[i].size = (unsigned)BIO_get_mem_data(bios[i], &data);
		pem[i].data = (unsigned char *)data;
	}
	assert_int_equal(
		gnutls_certificate_set_x509_key_mem(credentials, &pem[0], &pem[1], GNUTLS_X509_FMT_PEM), 0);
	BIO_free(bios[0]);
	BIO_free(bios[1]);
}

static void talk_begin(struct talk *talk, const struct plan *plan, unsigned flags,
	gnutls_certificate_credentials_t credentials, const char *groups)
{
	memset(talk, 0, sizeof *talk);
	tls_end_init(&talk->ours, &fixture);
	if (plan->no_tickets)
		flags |= GNUTLS_NO_TICKETS;
	assert_int_equal(gnutls_init(&talk->theirs, flags | GNUTLS_NONBLOCK), 0);
	set_priority(talk->theirs, plan, groups);
	assert_int_equal(gnutls_credentials_set(talk->theirs, GNUTLS_CRD_CERTIFICATE, credentials), 0);
	gnutls_transport_set_ptr(talk->theirs, talk);
	gnutls_transport_set_push_function(talk->theirs, push);
	gnutls_transport_set_pull_function(talk->theirs, pull);
	gnutls_transport_set_pull_timeout_function(talk->theirs, wait_for_bytes);
}

static void pump(struct talk *talk)
{
	bool progress = true;

	while (progress) {
		size_t before = talk->ours.out_len;
		int result = 0;

		if (!talk->them_up && talk->them_failed == 0) {
			result = gnutls_handshake(talk->theirs);
			talk->them_up = result == 0;
			if (result < 0 && gnutls_error_is_fatal(result))
				talk->them_failed = result;
		}
		progress = talk->ours.out_len != before;
		progress = tls_end_step(&talk->ours) || progress;
		progress = progress || lanes_n_pending(fixture.crypto.lanes) != 0;
		tls_fixture_run_lanes(&fixture);
	}
}

static void check_up(const struct talk *talk, const struct plan *plan)
{
	if (!talk->them_up || !tls_end_up(&talk->ours))
		print_message("suite %04x group %04x %s: ours %s by %s in '%s', theirs %s\n", plan->suite,
			plan->group, tls_fixture_kind_name(plan->kind),
			tls_alert_name(talk->ours.report.alert),
			talk->ours.report.failed_by_peer ? "them" : "us",
			tls_state_name((enum tls_state)talk->ours.report.failed_state),
			gnutls_strerror(talk->them_failed));
	assert_true(talk->them_up);
	assert_true(tls_end_up(&talk->ours));
}

static void read_theirs(struct talk *talk, const uint8_t *expected, size_t len)
{
	static uint8_t buffer[65536];
	size_t n_read = 0;

	// It may come back empty-handed after a message that is no data, with more in its own buffer.
	for (unsigned n_empty = 0; n_read < len && n_empty < 20;) {
		ssize_t n = gnutls_record_recv(talk->theirs, buffer + n_read, sizeof buffer - n_read);

		n_read += n > 0 ? (size_t)n : 0;
		n_empty += n > 0 ? 0 : 1;
		if (n < 0 && gnutls_error_is_fatal((int)n))
			fail_msg("they read: %s", gnutls_strerror((int)n));
	}
	assert_int_equal(n_read, len);
	assert_memory_equal(buffer, expected, len);
}

static void exchange(struct talk *talk, size_t len)
{
	static uint8_t text[40000];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 11);
	tls_end_send(&talk->ours, text, len);
	for (size_t sent = 0; sent < len;) {
		ssize_t n = gnutls_record_send(talk->theirs, text + sent, len - sent);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	read_theirs(talk, text, len);
	pump(talk);
	assert_int_equal(talk->ours.data_len, len);
	assert_memory_equal(talk->ours.data, text, len);
	talk->ours.data_len = 0;
}

static void say_goodbye(struct talk *talk)
{
	uint8_t byte;
	ssize_t n = GNUTLS_E_AGAIN;

	tls_end_close(&talk->ours);
	assert_int_equal(gnutls_bye(talk->theirs, GNUTLS_SHUT_WR), 0);
	pump(talk);
	for (unsigned i = 0; i < 5 && n == GNUTLS_E_AGAIN; i++)
		n = gnutls_record_recv(talk->theirs, &byte, 1);
	if (n != 0)
		fail_msg("they end with: %s", gnutls_strerror((int)n));
	assert_true(talk->ours.closed);
}

static void talk_end(struct talk *talk)
{
	tls_end_destroy(&talk->ours);
	gnutls_deinit(talk->theirs);
}

// Our server, their client. With a retry we have the plan's group only, and its key share is of another.

static void serve_once(const struct plan *plan, gnutls_certificate_credentials_t credentials,
	const struct tls_server_config *config, gnutls_datum_t *session)
{
	const char *groups = plan->retry ? "+GROUP-SECP384R1:+GROUP-X25519:+GROUP-SECP256R1"
					 : "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1";
	bool resumes = session->data != NULL;
	struct talk talk;

	talk_begin(
		&talk, plan, GNUTLS_CLIENT | (plan->retry ? GNUTLS_KEY_SHARE_TOP : 0), credentials, groups);
	assert_int_equal(gnutls_server_name_set(talk.theirs, GNUTLS_NAME_DNS, "sluice.test", 11), 0);
	if (resumes)
		assert_int_equal(gnutls_session_set_data(talk.theirs, session->data, session->size), 0);
	tls_end_serve(&talk.ours, config);
	pump(&talk);
	check_up(&talk, plan);
	assert_int_equal(gnutls_session_is_resumed(talk.theirs) != 0, resumes);
	assert_int_equal(talk.ours.report.resumed, resumes);
	assert_int_equal(talk.ours.report.suite, plan->suite);
	assert_true(talk.ours.report.retried || !plan->retry);
	assert_int_equal(talk.ours.report.peer_authenticated, plan->client_kind >= 0);
	exchange(&talk, 40000);
	gnutls_free(session->data);
	assert_int_equal(gnutls_session_get_data2(talk.theirs, session), 0);
	say_goodbye(&talk);
	talk_end(&talk);
}

static void server_plan(const struct plan *plan)
{
	struct tls_identity *identity = tls_fixture_identity(plan->kind);
	const struct tls_names *names = tls_fixture_names(&identity, 1);
	struct tls_server_config config = tls_fixture_server_config(names);
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t session = {NULL, 0};

	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	config.common.verifier = &verifier.base;
	if (plan->group != 0)
		config.common.groups = (struct tls_preferences){&plan->group, 1};
	if (plan->client_kind >= 0) {
		use_identity(credentials, (enum tls_fixture_kind)plan->client_kind);
		config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	}
	config.tickets_12 = !plan->no_tickets;
	serve_once(plan, credentials, &config, &session);
	serve_once(plan, credentials, &config, &session);
	gnutls_free(session.data);
	gnutls_certificate_free_credentials(credentials);
	free((void *)(uintptr_t)names);
}

// Our client, their server.

static gnutls_datum_t ticket_key;

static void connect_once(const struct plan *plan, gnutls_certificate_credentials_t credentials,
	const struct tls_client_config *config, struct tls_session_slot *slot, bool resumes)
{
	char groups[64];
	struct talk talk;

	(void)snprintf(groups, sizeof groups, "+GROUP-%s%s", group_name(plan->group),
		plan->group == GROUP_SECP256R1 ? "" : ":+GROUP-SECP256R1");
	if (plan->retry)
		(void)snprintf(groups, sizeof groups, "+GROUP-SECP384R1");
	talk_begin(&talk, plan, GNUTLS_SERVER, credentials, groups);
	if (plan->no_tickets) {
		gnutls_db_set_store_function(talk.theirs, store);
		gnutls_db_set_retrieve_function(talk.theirs, retrieve);
		gnutls_db_set_remove_function(talk.theirs, forget);
	} else {
		assert_int_equal(gnutls_session_ticket_enable_server(talk.theirs, &ticket_key), 0);
	}
	if (plan->client_kind >= 0)
		gnutls_certificate_server_set_request(talk.theirs, GNUTLS_CERT_REQUIRE);
	tls_end_connect(&talk.ours, config, "sluice.test", resumes ? &slot->session : NULL);
	pump(&talk);
	check_up(&talk, plan);
	assert_int_equal(gnutls_session_is_resumed(talk.theirs) != 0, resumes);
	assert_int_equal(talk.ours.report.resumed, resumes);
	assert_int_equal(talk.ours.report.suite, plan->suite);
	assert_int_equal(talk.ours.report.retried, plan->retry);
	exchange(&talk, 40000);
	say_goodbye(&talk);
	talk_end(&talk);
}

static void client_plan(const struct plan *plan)
{
	struct tls_session_slot slot = {.n_kept = 0};
	struct tls_client_config config = tls_fixture_client_config(&verifier);
	const uint16_t groups[3] = {
		plan->group != 0 ? plan->group : GROUP_X25519, GROUP_SECP256R1, GROUP_SECP384R1};
	gnutls_certificate_credentials_t credentials;

	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	use_identity(credentials, plan->kind);
	config.keep_session = tls_fixture_keep_session;
	config.keep_context = &slot;
	config.common.groups = (struct tls_preferences){groups, 3};
	// GnuTLS's server always asks for a staple, and takes one only from a client that asked too.
	config.wants_staple = plan->client_kind >= 0;
	if (plan->client_kind >= 0)
		config.certificate =
			tls_fixture_identity((enum tls_fixture_kind)plan->client_kind)->certificate;
	config.tickets = !plan->no_tickets;
	connect_once(plan, credentials, &config, &slot, false);
	assert_true(slot.n_kept > 0);
	connect_once(plan, credentials, &config, &slot, true);
	gnutls_certificate_free_credentials(credentials);
}

static int set_up(void **state)
{
	const struct tls_engine_settings settings = {.n_handshakes = 8, .n_clients = 8, .n_sessions = 64};

	(void)state;
	clock_init();
	tls_fixture_init(&fixture, &settings);
	tls_fixture_ticket_keys(&fixture, 1, 0, 0);
	tls_fixture_verifier_init(&verifier);
	return gnutls_global_init() | gnutls_session_ticket_key_generate(&ticket_key);
}

static int tear_down(void **state)
{
	(void)state;
	gnutls_free(ticket_key.data);
	gnutls_free(stored_key.data);
	gnutls_free(stored_data.data);
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
		.kind = combination->kind,
		.client_kind = -1};
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

static void test_session_ids(void **state)
{
	const struct plan plan = {.version = TLS_VERSION_12,
		.suite = 0xc02b,
		.kind = TLS_FIXTURE_P256,
		.client_kind = -1,
		.no_tickets = true};

	(void)state;
	server_plan(&plan);
	client_plan(&plan);
}

static void test_retry(void **state)
{
	const struct plan plan = {.version = TLS_VERSION_13,
		.suite = 0x1302,
		.group = GROUP_X25519,
		.kind = TLS_FIXTURE_P256,
		.client_kind = -1,
		.retry = true};

	(void)state;
	server_plan(&plan);
	client_plan(&plan);
}

// Ed25519 and SHA-512 in TLS 1.2 too.
static void test_client_certificates(void **state)
{
	const int kinds[] = {TLS_FIXTURE_P256, TLS_FIXTURE_P384, TLS_FIXTURE_RSA2048, TLS_FIXTURE_ED25519};

	(void)state;
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct plan plan = {.version = TLS_VERSION_13,
			.suite = 0x1301,
			.kind = TLS_FIXTURE_RSA2048,
			.client_kind = kinds[i]};

		server_plan(&plan);
		client_plan(&plan);
		plan.version = TLS_VERSION_12;
		plan.suite = 0xc02f;
		server_plan(&plan);
		client_plan(&plan);
		if (kinds[i] == TLS_FIXTURE_RSA2048) {
			plan.more = ":-SIGN-ALL:+SIGN-RSA-SHA512:+SIGN-RSA-PSS-RSAE-SHA512";
			server_plan(&plan);
			client_plan(&plan);
		}
	}
}

// Key updates both ways, a size limit, a protocol and a staple, as GnuTLS sees them.
static void test_features(void **state)
{
	struct plan plan = {
		.version = TLS_VERSION_13, .suite = 0x1301, .kind = TLS_FIXTURE_P256, .client_kind = -1};
	const gnutls_datum_t protocols[2] = {{(unsigned char *)"pop3", 4}, {(unsigned char *)"smtp", 4}};
	struct tls_identity *identity = tls_fixture_identity(plan.kind);
	const struct tls_names *names = tls_fixture_names(&identity, 1);
	struct tls_server_config config = tls_fixture_server_config(names);
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t chosen, staple;
	struct talk talk;

	(void)state;
	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	config.common.alpn = span_of("\x04imap\x04smtp", 10);
	config.common.record_size_limit = 2048;
	for (unsigned i = 0; i < 2; i++) {
		plan.version = i == 0 ? TLS_VERSION_13 : TLS_VERSION_12;
		plan.suite = i == 0 ? 0x1301 : 0xc02b;
		talk_begin(&talk, &plan, GNUTLS_CLIENT, credentials, "+GROUP-ALL");
		assert_int_equal(gnutls_alpn_set_protocols(talk.theirs, protocols, 2, 0), 0);
		assert_int_equal(gnutls_ocsp_status_request_enable_client(talk.theirs, NULL, 0, NULL), 0);
		assert_int_equal((int)gnutls_record_set_max_recv_size(talk.theirs, 1024), 0);
		tls_end_serve(&talk.ours, &config);
		pump(&talk);
		check_up(&talk, &plan);
		assert_int_equal(gnutls_alpn_get_selected_protocol(talk.theirs, &chosen), 0);
		assert_int_equal(chosen.size, 4);
		assert_memory_equal(chosen.data, "smtp", 4);
		assert_int_equal(gnutls_ocsp_status_request_get(talk.theirs, &staple), 0);
		assert_int_equal(staple.size, 30);
		assert_int_equal(talk.ours.conn.send_max, 1024);
		exchange(&talk, 10000);
		for (unsigned k = 0; k < 4 && i == 0; k++) {
			assert_int_equal(
				gnutls_session_key_update(talk.theirs, k % 2 != 0 ? GNUTLS_KU_PEER : 0), 0);
			tls_conn_update_keys(&talk.ours.conn,
				k == 2); // never both at once: GnuTLS takes that for an error
			exchange(&talk, 100);
		}
		say_goodbye(&talk);
		talk_end(&talk);
	}
	gnutls_certificate_free_credentials(credentials);
	free((void *)(uintptr_t)names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_matrix),
		cmocka_unit_test(test_client_matrix),
		cmocka_unit_test(test_session_ids),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_client_certificates),
		cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
