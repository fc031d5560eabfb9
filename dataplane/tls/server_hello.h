// SPDX-License-Identifier: Apache-2.0
//
// ServerHello in its three shapes: of TLS 1.3, as HelloRetryRequest (both RFC 8446 4.1.3, 4.1.4), and of
// TLS 1.2 (RFC 5246 7.4.1.3). Which one it is, the message itself says: through supported_versions and the
// random.
#pragma once

#include "tls/client_hello.h"

struct tls_server_hello {
	uint16_t version; // what was chosen, TLS_VERSION_12 or TLS_VERSION_13
	bool is_retry;
	const uint8_t *random;
	struct span session_id;
	uint16_t suite;
	struct tls_extensions extensions;

	// TLS 1.3. In a HelloRetryRequest the share is empty.
	struct tls_key_share key_share;
	struct span cookie;
	uint16_t selected_identity;

	// TLS 1.2.
	struct span alpn;
	struct span scts;
	uint16_t record_size_limit; // 0: not sent
};

// `offered` is what the ClientHello invited, see tls_client_offer_extensions. A version that is neither of
// ours is protocol_version.
enum tls_verdict tls_server_hello_parse(
	struct span body, uint32_t offered, struct tls_server_hello *out) TLS_MUST_CHECK;

static inline bool tls_server_hello_has(const struct tls_server_hello *hello, enum tls_extension id)
{
	return tls_extensions_have(&hello->extensions, id);
}

// TLS 1.3. An empty share with a group makes it a HelloRetryRequest's key_share; a negative identity means no
// pre_shared_key.
struct tls_server_hello_13 {
	const uint8_t *random;
	struct span session_id;
	uint16_t suite;
	struct tls_key_share key_share;
	int selected_identity;
};
void tls_server_hello_write_13(struct writer *writer, const struct tls_server_hello_13 *hello);

// TLS 1.2. Only what the client sent an extension for may be set.
struct tls_server_hello_12 {
	const uint8_t *random;
	struct span session_id;
	uint16_t suite;
	struct span alpn; // one name, or empty
	struct span scts; // a SignedCertificateTimestampList, or empty
	uint16_t record_size_limit;
	bool extended_master_secret;
	bool secure_renegotiation;
	bool point_formats;
	bool acknowledges_name;
	bool will_send_ticket;
	bool will_send_staple;
};
void tls_server_hello_write_12(struct writer *writer, const struct tls_server_hello_12 *hello);

// An ALPN extension with one name, for ServerHello and EncryptedExtensions, and its parser.
void tls_alpn_write_choice(struct writer *writer, struct span name);
bool tls_alpn_parse_choice(struct span body, struct span *out_name);
