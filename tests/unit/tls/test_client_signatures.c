// SPDX-License-Identifier: Apache-2.0
//
// What a client of TLS 1.2 signs with its own key, where no suite names the hash: all messages have to be
// kept until then.
#include "tls_pair.h"

#include "tls/handshake_state.h"

// TLS 1.2: a client proves its key with a hash that no suite has.
static void test_with_sha512(void **state)
{
	static const uint16_t schemes[2] = {SCHEME_RSA_PSS_RSAE_SHA512, SCHEME_RSA_PKCS1_SHA512};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pair *pair = pair_of_version(TLS_VERSION_12);

		pair->server_config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
		pair->client_config.certificate = tls_fixture_identity(TLS_FIXTURE_RSA2048)->certificate;
		pair->client_config.own_signatures = (struct tls_preferences){&schemes[i], 1};
		pair_connect(pair, NULL);
		pair_check_up(pair);
		assert_int_equal(pair->server.report.peer_scheme, schemes[i]);
		assert_true(pair->server.report.peer_authenticated);
		pair_end(pair);
		// Without memory for the messages the scheme is not offered, and the client has none to use.
		pair_begin(pair, NULL);
		pair_handshake_of(&pair->client)->flags &= ~(uint32_t)TLS_HS_KEEPS_MESSAGES;
		tls_fixture_pump(&pair->client, &pair->server);
		pair_check_server_refused(pair, TLS_ALERT_HANDSHAKE_FAILURE);
		pair_end(pair);
		pair_free(pair);
	}
}

// What the lanes have waiting, but nothing that follows from it.
static void run_lanes_once(void)
{
	struct lanes *lanes = tls_pair_fixture.crypto.lanes;
	struct lane_request *request;

	(void)lanes_run(lanes, tls_pair_fixture.crypto.now_tsc, true);
	while ((request = lanes_pop_completed(lanes)) != NULL) {
		struct tls_end *end = tls_handshake_owner(request->owner);

		end->status = tls_handshake_resume(request->owner);
	}
}

// TLS 1.2: Ed25519 hashes for itself, so it signs all messages as they are; they are long here, and stay
// until then. Ended while it waits for its lane, nothing of it is left.
static void test_with_ed25519(void **state)
{
	struct pair *pair = pair_of_version(TLS_VERSION_12);

	(void)state;
	pair->server_config.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	pair->client_config.certificate = tls_fixture_identity(TLS_FIXTURE_ED25519)->certificate;
	pair_connect(pair, NULL);
	pair_check_up(pair);
	assert_int_equal(pair->server.report.peer_scheme, SCHEME_ED25519);
	assert_true(pair->server.report.peer_authenticated);
	pair_end(pair);
	pair_begin(pair, NULL);
	for (unsigned i = 0; i < 100 && pair_handshake_of(&pair->client)->state != TLS_STATE_CLIENT12_SIGNED;
		i++) {
		run_lanes_once();
		(void)tls_end_step(&pair->server);
		tls_end_receive(&pair->client, pair->server.out, pair->server.out_len);
		pair->server.out_len = 0;
		(void)tls_end_step(&pair->client);
		tls_end_receive(&pair->server, pair->client.out, pair->client.out_len);
		pair->client.out_len = 0;
	}
	assert_int_equal(pair_handshake_of(&pair->client)->state, TLS_STATE_CLIENT12_SIGNED);
	assert_int_equal(pair_handshake_of(&pair->client)->status, TLS_WAIT_SIGN);
	assert_true(pair_handshake_of(&pair->client)->messages.len > SIGN_MESSAGE_MAX_LEN);
	pair_end(pair);
	pair_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_with_sha512),
		PAIR_TEST(test_with_ed25519),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
