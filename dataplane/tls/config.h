// SPDX-License-Identifier: Apache-2.0
//
// What a deployment chooses: immutable parts of a configuration snapshot, made and checked by whoever
// publishes it, read by every worker. A handshake keeps the pointer that it began with; the owner frees a
// configuration only when tls_engine_uses says that no handshake does.
#pragma once

#include "tls/names.h"
#include "tls/session.h"

struct tls_verifier;

enum tls_client_auth {
	TLS_CLIENT_AUTH_NONE,
	TLS_CLIENT_AUTH_OPTIONAL,
	TLS_CLIENT_AUTH_REQUIRED,
};

// A list of 16-bit numbers in order of preference.
struct tls_preferences {
	const uint16_t *numbers;
	uint32_t n;
};

// Both roles. Only what the engine has may be listed; tls_config_check says whether it is so.
struct tls_common_config {
	uint16_t version_min;
	uint16_t version_max;
	struct tls_preferences suites;
	struct tls_preferences groups;
	struct tls_preferences signatures; // of the peer's CertificateVerify or ServerKeyExchange
	struct span alpn;                  // list of 8-bit vectors in order of preference; empty: no ALPN
	uint16_t record_size_limit;        // 0: not offered
	struct tls_verifier *verifier;     // NULL: no peer certificate can be accepted
};

struct tls_server_config {
	struct tls_common_config common;
	const struct tls_names *names;
	struct tls_preferences own_signatures; // ours, in order of preference
	struct span authorities;               // for CertificateRequest: list of 16-bit vectors, or empty
	uint8_t client_auth;                   // enum tls_client_auth
	bool strict_names;                     // unknown SNI is unrecognized_name instead of the default
	bool alpn_required;                    // no common protocol is no_application_protocol
	uint8_t n_tickets;                     // TLS 1.3, at most TLS_TICKETS_MAX; 0: none
	bool tickets_12;
	bool session_ids_12;
	uint32_t ticket_lifetime_s;
	uint32_t session_lifetime_12_s; // of tickets, and of session IDs unless theirs is shorter
	uint32_t session_id_lifetime_12_s;
	// Sessions are resumed only under the policy that they were made under: client-auth mode, trust
	// anchors, security level, digested by whoever makes the configuration.
	uint8_t policy_id[TLS_POLICY_ID_LEN];
};

enum {
	TLS_TICKETS_MAX = 4,
	TLS_AUTHORITIES_MAX =
		1024, // the request for a certificate shares a block with the rest of the flight
};

struct tls_client_config {
	struct tls_common_config common;
	const struct tls_certificate *certificate; // for a server that asks, or NULL
	struct tls_preferences own_signatures;     // ours, in order of preference; none: any
	bool grease;                               // RFC 8701
	bool wants_staple;
	bool wants_scts;
	bool tickets;             // offer the TLS 1.2 ticket extension and take tickets
	bool fallback;            // TLS_FALLBACK_SCSV: this is a second try with a lower version
	uint8_t n_tickets_wanted; // after so many, later ones are passed over
	// A session that may be resumed: valid during the call, copied by the callee. NULL: none are kept.
	void (*keep_session)(void *context, void *owner, const struct tls_session *session);
	void *keep_context;
};

// Whether all that is listed exists, nothing is missing, and the versions are in order; the reason otherwise.
bool tls_common_config_check(const struct tls_common_config *config, const char **out_reason);
bool tls_server_config_check(const struct tls_server_config *config, const char **out_reason);
bool tls_client_config_check(const struct tls_client_config *config, const char **out_reason);

// Everything that the engine has, best first: a start for configurations.
extern const struct tls_preferences tls_default_suites;
extern const struct tls_preferences tls_default_groups;
extern const struct tls_preferences tls_default_signatures;
