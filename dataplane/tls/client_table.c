// SPDX-License-Identifier: Apache-2.0
//
// The client's transitions; see server_table.c.
#include "tls/handshake_state.h"

#define ROW(state, message, handler, next, hashes) \
	{ \
		TLS_STATE_##state, TLS_STATE_##next, TLS_##message, hashes, handler \
	}

const struct tls_transition tls_client_table[] = {
	// Both versions.
	ROW(CLIENT_START, EVENT_START, tls_client_start_hello, CLIENT_SHARE, false),
	ROW(CLIENT_SHARE, EVENT_KX, tls_client_share, CLIENT_SERVER_HELLO, false),
	ROW(CLIENT_SERVER_HELLO, SERVER_HELLO, tls_client_server_hello, CLIENT13_SHARED, true),
	// TLS 1.3.
	ROW(CLIENT13_SHARED, EVENT_KX, tls_client13_shared, CLIENT13_ENCRYPTED_EXTENSIONS, false),
	ROW(CLIENT13_ENCRYPTED_EXTENSIONS, ENCRYPTED_EXTENSIONS, tls_client13_encrypted_extensions,
		CLIENT13_CERTIFICATE, false),
	ROW(CLIENT13_CERTIFICATE, CERTIFICATE_REQUEST, tls_client13_certificate_request, CLIENT13_CERTIFICATE,
		false),
	ROW(CLIENT13_CERTIFICATE, CERTIFICATE, tls_client13_certificate, CLIENT13_CHAIN, false),
	ROW(CLIENT13_CHAIN, EVENT_VERIFIED, tls_client13_chain, CLIENT13_CERTIFICATE_VERIFY, false),
	ROW(CLIENT13_CERTIFICATE_VERIFY, CERTIFICATE_VERIFY, tls_client13_certificate_verify, CLIENT13_PROOF,
		true),
	ROW(CLIENT13_PROOF, EVENT_SIGNED, tls_client13_proof, CLIENT13_FINISHED, false),
	ROW(CLIENT13_FINISHED, FINISHED, tls_client13_finished, ESTABLISHED, true),
	ROW(CLIENT13_SIGNED, EVENT_SIGNED, tls_client13_signed, ESTABLISHED, false),
	// TLS 1.2.
	ROW(CLIENT12_CERTIFICATE, CERTIFICATE, tls_client12_certificate, CLIENT12_KEY_EXCHANGE, false),
	ROW(CLIENT12_KEY_EXCHANGE, CERTIFICATE_STATUS, tls_client12_status, CLIENT12_KEY_EXCHANGE, false),
	ROW(CLIENT12_KEY_EXCHANGE, SERVER_KEY_EXCHANGE, tls_client12_key_exchange, CLIENT12_CHAIN, false),
	ROW(CLIENT12_CHAIN, EVENT_VERIFIED, tls_client12_chain, CLIENT12_PROOF, false),
	ROW(CLIENT12_PROOF, EVENT_SIGNED, tls_client12_proof, CLIENT12_HELLO_DONE, false),
	ROW(CLIENT12_HELLO_DONE, CERTIFICATE_REQUEST, tls_client12_certificate_request, CLIENT12_HELLO_DONE,
		false),
	ROW(CLIENT12_HELLO_DONE, SERVER_HELLO_DONE, tls_client12_hello_done, CLIENT12_SHARED, false),
	ROW(CLIENT12_SHARED, EVENT_KX, tls_client12_shared, CLIENT12_CHANGE_CIPHER_SPEC, false),
	ROW(CLIENT12_SIGNED, EVENT_SIGNED, tls_client12_signed, CLIENT12_CHANGE_CIPHER_SPEC, false),
	ROW(CLIENT12_CHANGE_CIPHER_SPEC, NEW_SESSION_TICKET, tls_client12_ticket, CLIENT12_CHANGE_CIPHER_SPEC,
		false),
	ROW(CLIENT12_CHANGE_CIPHER_SPEC, EVENT_CHANGE_CIPHER_SPEC, tls_client12_change_cipher_spec,
		CLIENT12_FINISHED, false),
	ROW(CLIENT12_FINISHED, FINISHED, tls_client12_finished, ESTABLISHED, true),
};

const uint32_t tls_n_client_transitions = sizeof tls_client_table / sizeof tls_client_table[0];
