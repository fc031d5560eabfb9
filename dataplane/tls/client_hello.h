// SPDX-License-Identifier: Apache-2.0
//
// ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2): taken apart for the server, built for the client.
//
// Parsing looks at the syntax of everything that the engine knows, whether it is going to be used or not, so
// that a malformed extension is decode_error everywhere and all later code may trust the spans. All spans are
// borrowed from the message.
#pragma once

#include "tls/extensions.h"
#include "tls/wire.h"

struct tls_client_hello {
	uint16_t legacy_version;
	const uint8_t *random; // TLS_RANDOM_LEN bytes
	struct span session_id;
	struct span suites; // list of 16-bit numbers
	struct span compressions;
	struct tls_extensions extensions;

	// Lists of 16-bit numbers; empty when the extension is absent.
	struct span versions;
	struct span groups;
	struct span signatures;
	struct span cert_signatures;

	struct span server_name; // one host name, or empty
	struct span alpn;        // list of 8-bit vectors
	struct span key_shares;  // list of {group, 16-bit vector}
	struct span cookie;
	struct span ticket;     // TLS 1.2; present and empty asks for one
	struct span identities; // list of {16-bit vector, obfuscated age}
	struct span binders;    // list of 8-bit vectors
	size_t binders_len;     // bytes at the end of the message that binders don't cover, prefix included
	uint16_t record_size_limit; // 0: not sent
	bool binders_match;         // as many as identities
	bool psk_dhe;               // psk_dhe_ke is among the modes
	bool wants_staple;
	bool secure_renegotiation; // the empty extension or the SCSV
	bool fallback;             // TLS_FALLBACK_SCSV
};

// `body` is the message without its header.
enum tls_verdict tls_client_hello_parse(struct span body, struct tls_client_hello *out) TLS_MUST_CHECK;

static inline bool tls_client_hello_has(const struct tls_client_hello *hello, enum tls_extension id)
{
	return tls_extensions_have(&hello->extensions, id);
}

// Whether a list of 16-bit numbers holds one.
bool tls_list_has(struct span list, uint16_t number);

// One entry of a list, and the list moves on. False at the end.
struct tls_key_share {
	uint16_t group;
	struct span share;
};
struct tls_psk_identity {
	struct span ticket;
	uint32_t obfuscated_age;
};
bool tls_next_key_share(struct span *list, struct tls_key_share *out);
bool tls_next_identity(struct span *list, struct tls_psk_identity *out);
bool tls_next_vector8(struct span *list, struct span *out); // ALPN names and binders

// What a client offers. Spans are lists as above; an empty one leaves the extension out.
struct tls_client_offer {
	const uint8_t *random;
	struct span session_id;
	const uint16_t *suites;
	uint32_t n_suites;
	uint16_t version_min;
	uint16_t version_max;
	struct span server_name;
	const uint16_t *groups;
	uint32_t n_groups;
	const uint16_t *signatures;
	uint32_t n_signatures;
	struct span alpn;
	const struct tls_key_share *key_shares;
	uint32_t n_key_shares;
	struct span cookie;
	bool with_ticket_extension; // TLS 1.2 ticket, possibly empty
	struct span ticket_12;
	struct span identity; // TLS 1.3 ticket, or empty
	uint32_t obfuscated_age;
	uint8_t binder_len;
	uint16_t record_size_limit; // 0 leaves it out
	bool wants_staple;
	bool wants_sct;
	bool fallback;
	uint16_t grease; // 0, or a value of RFC 8701 for suites, groups, versions and two extensions
};

// Writes the whole message. A binder is written as zeros and stands in the last binder_len bytes; the hash
// for it covers all but the last binder_len + 3 (RFC 8446 4.2.11.2).
void tls_client_hello_write(struct writer *writer, const struct tls_client_offer *offer);

// What the offer invites the server to answer, as a set for tls_extensions_parse.
uint32_t tls_client_offer_extensions(const struct tls_client_offer *offer);
