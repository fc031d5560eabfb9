// SPDX-License-Identifier: Apache-2.0
//
// Numbers of the wire: record and message types, versions, lengths and limits. Everything here is fixed by an
// RFC; what a deployment may choose is in config.h, and what suites and groups exist is in suite.h and
// named_group.h.
#pragma once

#include <stdint.h>

enum {
	TLS_VERSION_SSL3 = 0x0300, // met, never spoken
	TLS_VERSION_12 = 0x0303,
	TLS_VERSION_13 = 0x0304,
	TLS_LEGACY_RECORD_VERSION = 0x0301, // a ClientHello's record may say so (RFC 8446 5.1)
};

// RFC 8446 5.1 and B.1.
enum tls_content_type {
	TLS_CONTENT_INVALID = 0,
	TLS_CONTENT_CHANGE_CIPHER_SPEC = 20,
	TLS_CONTENT_ALERT = 21,
	TLS_CONTENT_HANDSHAKE = 22,
	TLS_CONTENT_APPLICATION_DATA = 23,
};

// RFC 8446 4 and RFC 5246 7.4. The values above 255 never appear on the wire: they stand for what else moves
// a handshake on (see state_table.h).
enum tls_message_type {
	TLS_HELLO_REQUEST = 0,
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_NEW_SESSION_TICKET = 4,
	TLS_END_OF_EARLY_DATA = 5,
	TLS_ENCRYPTED_EXTENSIONS = 8,
	TLS_CERTIFICATE = 11,
	TLS_SERVER_KEY_EXCHANGE = 12,
	TLS_CERTIFICATE_REQUEST = 13,
	TLS_SERVER_HELLO_DONE = 14,
	TLS_CERTIFICATE_VERIFY = 15,
	TLS_CLIENT_KEY_EXCHANGE = 16,
	TLS_FINISHED = 20,
	TLS_CERTIFICATE_STATUS = 22,
	TLS_KEY_UPDATE = 24,
	TLS_MESSAGE_HASH = 254,
	// A change_cipher_spec record, which TLS 1.2 treats as a step of the handshake (RFC 5246 7.1).
	TLS_EVENT_CHANGE_CIPHER_SPEC = 0x100,
	// What was waited for has come: key share and secret, signature, session, verdict on a certificate.
	TLS_EVENT_START = 0x101,
	TLS_EVENT_KX = 0x102,
	TLS_EVENT_SIGNED = 0x103,
	TLS_EVENT_FOUND = 0x104,
	TLS_EVENT_VERIFIED = 0x105,
};

enum {
	TLS_RECORD_HEADER_LEN = 5,
	TLS_MESSAGE_HEADER_LEN = 4,
	TLS_PLAINTEXT_MAX = 16384,
	TLS_CIPHERTEXT_MAX_13 = TLS_PLAINTEXT_MAX + 256,  // RFC 8446 5.2
	TLS_CIPHERTEXT_MAX_12 = TLS_PLAINTEXT_MAX + 2048, // RFC 5246 6.2.3
	TLS_AEAD_TAG_LEN = 16,
	TLS_EXPLICIT_NONCE_LEN = 8,     // GCM in TLS 1.2 (RFC 5288 3)
	TLS_RECORD_SIZE_LIMIT_MIN = 64, // RFC 8449 4
	TLS_RANDOM_LEN = 32,
	TLS_SESSION_ID_MAX = 32,
	TLS_MASTER_SECRET_LEN = 48,
	TLS_VERIFY_DATA_LEN_12 = 12,
	TLS_HASH_MAX = 48,
	TLS_TICKET_LIFETIME_MAX_S = 7 * 24 * 3600, // RFC 8446 4.6.1
};

// RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest" in place of the random, and the last eight bytes of the
// random of a server that could have done better.
extern const uint8_t tls_hello_retry_random[TLS_RANDOM_LEN];
extern const uint8_t tls_downgrade_to_12[8];
extern const uint8_t tls_downgrade_to_11[8];

enum {
	TLS_SCSV_EMPTY_RENEGOTIATION = 0x00ff, // RFC 5746 3.3
	TLS_SCSV_FALLBACK = 0x5600,            // RFC 7507
};

enum {
	TLS_COMPRESSION_NONE = 0,
	TLS_NAME_TYPE_HOST = 0,
	TLS_STATUS_TYPE_OCSP = 1,
	TLS_PSK_MODE_DHE_KE = 1,
	TLS_POINT_UNCOMPRESSED = 0,
	TLS_CURVE_TYPE_NAMED = 3,
	TLS_CERT_TYPE_RSA_SIGN = 1,
	TLS_CERT_TYPE_ECDSA_SIGN = 64,
	TLS_KEY_UPDATE_NOT_REQUESTED = 0,
	TLS_KEY_UPDATE_REQUESTED = 1,
};

// A value that RFC 8701 reserves so that peers stay tolerant: 0x0a0a, 0x1a1a, ... 0xfafa.
static inline int tls_is_grease(uint16_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}
