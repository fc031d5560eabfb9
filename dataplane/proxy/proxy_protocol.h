// SPDX-License-Identifier: Apache-2.0
//
// The PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt, 2020/03/05 and its later types):
// the header with which a connection's first bytes tell a server who is on the other end, and what of TLS the
// server does not see. Built for backends, and parsed from sources that the configuration trusts.
//
//   version 2   signature 12 | 0x21 or 0x20 | family | length 2 | addresses | TLVs
//   TLVs        ALPN, AUTHORITY, UNIQUE_ID, SSL {client 1, verify 4, sub-TLVs}, CRC32C over the whole header
//   version 1   "PROXY TCP4 source destination sport dport\r\n", at most 107 bytes
#pragma once

#include "base/span.h"
#include "net/addr.h"

enum proxy_protocol_version {
	PROXY_PROTOCOL_NONE,
	PROXY_PROTOCOL_V1,
	PROXY_PROTOCOL_V2
};

enum {
	PROXY_PROTOCOL_HEADER_MAX = 1536,   // what is built: two names and the rest fit
	PROXY_PROTOCOL_ACCEPTED_MAX = 4096, // what is parsed: a client's certificate may be in it
	PROXY_PROTOCOL_UNIQUE_ID_MAX = 128
};

// The facts of a header. Spans are borrowed: from the builder's caller, or from the bytes that were parsed.
struct proxy_protocol_facts {
	struct ip_addr source;
	struct ip_addr destination;
	uint16_t source_port;
	uint16_t destination_port;
	bool local;               // no addresses: the sender's own connection (a health check), or unknown
	bool tls;                 // the client spoke TLS; without it the fields below are not written
	bool client_cert;         // it showed a certificate in this connection
	bool client_cert_session; // ... or in the one that this resumes
	bool client_verified;     // and it was verified
	struct span tls_version;  // "TLSv1.3"
	struct span cipher;
	struct span common_name;         // of the client's certificate
	struct span signature_algorithm; // of the server's certificate: "SHA256"
	struct span key_algorithm;       // "EC256", "RSA2048"
	struct span group;               // the key exchange's
	struct span alpn;
	struct span authority; // the client's SNI
	struct span unique_id;
};

// Writes a header; 0: it does not fit `out` (PROXY_PROTOCOL_HEADER_MAX suffices when no span is longer than
// 255 bytes), or the version is NONE.
size_t proxy_protocol_write(enum proxy_protocol_version version, const struct proxy_protocol_facts *facts,
	struct mut_span out) __attribute__((warn_unused_result));

enum proxy_protocol_verdict {
	PROXY_PROTOCOL_MORE, // everything so far could be a header's beginning
	PROXY_PROTOCOL_DONE,
	PROXY_PROTOCOL_BAD // no header, or a wrong one: the connection has to end
};

// Parses the header at the beginning of what a trusted source sent. Called again with more bytes, from the
// first one, while it says MORE; never with more than it needs looked at: PROXY_PROTOCOL_ACCEPTED_MAX. With
// DONE, *out_facts is written (its spans lie in `bytes`) and *out_len is the header's length.
enum proxy_protocol_verdict proxy_protocol_parse(struct span bytes, struct proxy_protocol_facts *out_facts,
	size_t *out_len) __attribute__((warn_unused_result));

// CRC-32C (Castagnoli, reflected, RFC 3720 B.4), begun with 0.
uint32_t proxy_protocol_crc32c(uint32_t crc, struct span bytes);
