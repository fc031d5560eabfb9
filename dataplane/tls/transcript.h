// SPDX-License-Identifier: Apache-2.0
//
// The running hash of a handshake's messages. Until the suite is known, and in TLS 1.2 where a client's
// CertificateVerify names a hash of its own, SHA-256 and SHA-384 run side by side; tls_transcript_keep drops
// what is not needed any more.
#pragma once

#include "crypto/hash.h"

enum {
	TLS_TRANSCRIPT_HASHES = 2
};

struct tls_transcript {
	uint8_t kept; // set of 1 << enum hash_id
	struct hash_state states[TLS_TRANSCRIPT_HASHES];
};

void tls_transcript_init(struct tls_transcript *transcript);

// From here on only this hash.
void tls_transcript_keep(struct tls_transcript *transcript, enum hash_id hash);

// A whole message or any part of it.
void tls_transcript_add(struct tls_transcript *transcript, struct span bytes);

// The hash so far (hash_len bytes); it must be one that is kept (asserted).
void tls_transcript_hash(const struct tls_transcript *transcript, enum hash_id hash, uint8_t *out);

// RFC 8446 4.4.1: replaces everything so far (the first ClientHello) by a message_hash of it.
void tls_transcript_fold(struct tls_transcript *transcript, enum hash_id hash);
