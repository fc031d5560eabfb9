// SPDX-License-Identifier: Apache-2.0
//
// The server's transitions. A message that has no row in a state is unexpected_message. The last column is
// true where the handler puts the message into the transcript itself (or must see the transcript without it).
#include "tls/handshake_state.h"

#define ROW(state, message, handler, next, hashes) \
	{ \
		TLS_STATE_##state, TLS_STATE_##next, TLS_##message, hashes, handler \
	}

const struct tls_transition tls_server_table[] = {
	// Both versions. The handlers choose the state that follows.
	ROW(SERVER_HELLO, CLIENT_HELLO, tls_server_hello_received, SERVER13_SHARED, true),
	ROW(SERVER_LOOKUP, EVENT_FOUND, tls_server_lookup_done, SERVER12_SHARE, false),
	// TLS 1.3.
	ROW(SERVER13_SECOND_HELLO, CLIENT_HELLO, tls_server13_second_hello, SERVER13_SHARED, true),
	ROW(SERVER13_SHARED, EVENT_KX, tls_server13_shared, SERVER13_SIGNED, false),
	ROW(SERVER13_SIGNED, EVENT_SIGNED, tls_server13_signed, SERVER13_FINISHED, false),
	ROW(SERVER13_CERTIFICATE, CERTIFICATE, tls_server13_certificate, SERVER13_CHAIN, false),
	ROW(SERVER13_CHAIN, EVENT_VERIFIED, tls_server13_chain, SERVER13_CERTIFICATE_VERIFY, false),
	ROW(SERVER13_CERTIFICATE_VERIFY, CERTIFICATE_VERIFY, tls_server13_certificate_verify, SERVER13_PROOF,
		true),
	ROW(SERVER13_PROOF, EVENT_SIGNED, tls_server13_proof, SERVER13_FINISHED, false),
	ROW(SERVER13_FINISHED, FINISHED, tls_server13_finished, ESTABLISHED, true),
	// TLS 1.2.
	ROW(SERVER12_SHARE, EVENT_KX, tls_server12_share, SERVER12_SIGNED, false),
	ROW(SERVER12_SIGNED, EVENT_SIGNED, tls_server12_signed, SERVER12_CLIENT_KEY_EXCHANGE, false),
	ROW(SERVER12_CERTIFICATE, CERTIFICATE, tls_server12_certificate, SERVER12_CHAIN, false),
	ROW(SERVER12_CHAIN, EVENT_VERIFIED, tls_server12_chain, SERVER12_CLIENT_KEY_EXCHANGE, false),
	ROW(SERVER12_CLIENT_KEY_EXCHANGE, CLIENT_KEY_EXCHANGE, tls_server12_client_key_exchange,
		SERVER12_SHARED, false),
	ROW(SERVER12_SHARED, EVENT_KX, tls_server12_shared, SERVER12_CHANGE_CIPHER_SPEC, false),
	ROW(SERVER12_CERTIFICATE_VERIFY, CERTIFICATE_VERIFY, tls_server12_certificate_verify, SERVER12_PROOF,
		true),
	ROW(SERVER12_PROOF, EVENT_SIGNED, tls_server12_proof, SERVER12_CHANGE_CIPHER_SPEC, false),
	ROW(SERVER12_CHANGE_CIPHER_SPEC, EVENT_CHANGE_CIPHER_SPEC, tls_server12_change_cipher_spec,
		SERVER12_FINISHED, false),
	ROW(SERVER12_FINISHED, FINISHED, tls_server12_finished, ESTABLISHED, true),
};

const uint32_t tls_n_server_transitions = sizeof tls_server_table / sizeof tls_server_table[0];
