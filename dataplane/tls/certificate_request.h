// SPDX-License-Identifier: Apache-2.0
//
// CertificateRequest (RFC 8446 4.3.2, RFC 5246 7.4.4).
#pragma once

#include "tls/extensions.h"
#include "tls/wire.h"

struct tls_certificate_request {
	struct span signatures;  // list of 16-bit numbers
	struct span authorities; // list of 16-bit vectors, or empty
	bool wants_staple;
	bool wants_sct;
	bool takes_rsa; // TLS 1.2's certificate types
	bool takes_ecdsa;
};

enum tls_verdict tls_certificate_request_parse_13(
	struct span body, struct tls_certificate_request *out) TLS_MUST_CHECK;
enum tls_verdict tls_certificate_request_parse_12(
	struct span body, struct tls_certificate_request *out) TLS_MUST_CHECK;

void tls_certificate_request_write_13(
	struct writer *writer, const uint16_t *signatures, uint32_t n_signatures, struct span authorities);
void tls_certificate_request_write_12(
	struct writer *writer, const uint16_t *signatures, uint32_t n_signatures, struct span authorities);
