// SPDX-License-Identifier: Apache-2.0
//
// TLS in the log, as mail administrators know it from Postfix:
//
//   Anonymous TLS connection established from host[192.0.2.7]: TLSv1.3 with cipher TLS_AES_128_GCM_SHA256
//   (128/128 bits) key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256
//
// and failed handshakes with everything that tells why. What is not known is left out.
#pragma once

#include "address.h"

// How much the client's certificate was believed: Postfix's words.
enum tls_trust {
	TLS_TRUST_ANONYMOUS, // it showed none
	TLS_TRUST_UNTRUSTED, // it showed one that leads to no authority that is believed
	TLS_TRUST_TRUSTED,   // to one that is
	TLS_TRUST_VERIFIED   // and its name is the one that was wanted
};

struct tls_facts {
	const char *listener;
	const char *protocol;  // "smtp", "tls"
	const char *peer_name; // NULL: unknown
	struct address peer;
	uint16_t version; // IANA's numbers; 0: not agreed on, and so for the rest
	uint16_t suite;
	uint16_t group;
	uint16_t scheme;         // of the server's signature
	const char *server_name; // SNI; NULL: none
	enum tls_trust trust;
	bool resumed;
};

#define TLS_OFFERED_MAX 32

struct tls_failure {
	struct tls_facts facts;
	const char *reason; // a short stable word: the rate limit counts by it
	const char *alert;  // NULL: none was sent
	bool by_peer;       // the alert was the client's
	uint16_t versions[TLS_OFFERED_MAX];
	size_t n_versions;
	uint16_t suites[TLS_OFFERED_MAX];
	size_t n_suites;
	uint16_t groups[TLS_OFFERED_MAX];
	size_t n_groups;
};

void log_tls_session(struct text *line, const struct tls_facts *facts);
void log_tls_failure(struct text *line, const struct tls_failure *failure);

// "TLSv1.3"; "0x1301" and the like for what has no name here.
void log_tls_version(struct text *text, uint16_t version);
void log_tls_suite(struct text *text, uint16_t suite);
void log_tls_group(struct text *text, uint16_t group);

// Several of them, with colons between, as OpenSSL's tools write such lists.
void log_tls_list(struct text *text, const uint16_t *numbers, size_t n,
	void (*add)(struct text *text, uint16_t number));
