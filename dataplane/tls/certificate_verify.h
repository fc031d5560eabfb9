// SPDX-License-Identifier: Apache-2.0
//
// CertificateVerify (RFC 8446 4.4.3, RFC 5246 7.4.8): a signature over the transcript.
#pragma once

#include "tls/alert.h"
#include "tls/wire.h"

#include "base/reader.h"
#include "base/writer.h"

struct tls_certificate_verify {
	uint16_t scheme;
	struct span signature;
};

enum tls_verdict tls_certificate_verify_parse(
	struct span body, struct tls_certificate_verify *out) TLS_MUST_CHECK;
void tls_certificate_verify_write(struct writer *writer, const struct tls_certificate_verify *verify);

// What TLS 1.3 signs: 64 spaces, a text that names the signing side, a zero, the transcript's hash.
enum {
	TLS_SIGNED_CONTENT_MAX = 64 + 33 + 1 + TLS_HASH_MAX
};
size_t tls_signed_content_13(
	uint8_t out[TLS_SIGNED_CONTENT_MAX], bool by_server, struct span transcript_hash);
