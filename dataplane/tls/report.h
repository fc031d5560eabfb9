// SPDX-License-Identifier: Apache-2.0
//
// What a handshake leaves behind for counters and the log, whether it succeeded or not.
#pragma once

#include "tls/names.h"

// What a ClientHello offered, cut to what a log can show. Lists as they came, GREASE (RFC 8701) left out.
enum {
	TLS_OFFERED_VERSIONS = 8,
	TLS_OFFERED_SUITES = 32,
	TLS_OFFERED_GROUPS = 16,
	TLS_OFFERED_SCHEMES = 24,
};

struct tls_offered {
	uint16_t versions[TLS_OFFERED_VERSIONS];
	uint16_t suites[TLS_OFFERED_SUITES];
	uint16_t groups[TLS_OFFERED_GROUPS];
	uint16_t schemes[TLS_OFFERED_SCHEMES];
	uint8_t n_versions;
	uint8_t n_suites;
	uint8_t n_groups;
	uint8_t n_schemes;
};

enum {
	TLS_PEER_NAME_MAX = 64 // RFC 5280 A.1: ub-common-name
};

struct tls_handshake_report {
	uint16_t version; // 0: not agreed on, and so for the rest
	uint16_t suite;
	uint16_t group;
	uint16_t scheme;      // of our signature (server) or the peer's (client)
	uint16_t peer_scheme; // of the other side's signature with a client certificate
	bool resumed;
	bool retried; // a HelloRetryRequest passed
	bool extended_master_secret;
	bool peer_authenticated;
	bool name_acknowledged;
	uint8_t name_match;    // enum tls_name_match, server
	uint8_t peer_name_len; // the peer's certificate's common name; none where the session was resumed
	char peer_name[TLS_PEER_NAME_MAX];
	uint16_t key_bits;                   // of our certificate's key, where we signed with it
	const char *certificate_signed_with; // by its issuer: "SHA256"; NULL: not known, or none was shown
	uint32_t certificate_id;
	struct span alpn; // inside the configuration, or empty
	uint8_t name_len; // SNI
	char name[TLS_NAME_MAX];

	// A failure: the alert, who sent it, and what was on the table at that time.
	bool failed;
	bool failed_by_peer;
	uint8_t alert;
	uint8_t failed_state;    // enum tls_state, tls_state_name
	uint16_t failed_message; // enum tls_message_type

	// Waiting, in TSC ticks and times.
	uint64_t wait_kx_tsc;
	uint64_t wait_sign_tsc;
	uint64_t wait_verify_tsc;
	uint64_t wait_lookup_tsc;
	uint16_t n_waits;

	struct tls_offered offered; // server
};
