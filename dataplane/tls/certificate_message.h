// SPDX-License-Identifier: Apache-2.0
//
// Certificate (RFC 8446 4.4.2, RFC 5246 7.4.2) and CertificateStatus (RFC 6066 8).
#pragma once

#include "tls/extensions.h"
#include "tls/wire.h"

enum {
	TLS_CHAIN_MAX = 10
};

// A peer's chain, leaf first, borrowed from the message. Only the leaf's staple and timestamps are looked at.
struct tls_cert_chain {
	uint32_t n_certificates; // 0: a client that has none
	struct span certificates[TLS_CHAIN_MAX];
	struct span staple; // an OCSPResponse, or empty
	struct span scts;
	const char *signed_with; // of one of ours: certificate_signature_name of the leaf, or NULL
};

// RFC 6962 3.3: a list of timestamps, neither it nor one of them empty.
bool tls_timestamps_are_sound(struct span list);

// `offered` is the set of extensions that entries may carry. The context must be what the request said: empty
// in a handshake (RFC 8446 4.4.2). A chain that is too long is bad_certificate.
enum tls_verdict tls_certificate_parse_13(
	struct span body, uint32_t offered, struct tls_cert_chain *out) TLS_MUST_CHECK;
enum tls_verdict tls_certificate_parse_12(struct span body, struct tls_cert_chain *out) TLS_MUST_CHECK;

void tls_certificate_write_13(struct writer *writer, const struct tls_cert_chain *chain);
void tls_certificate_write_12(struct writer *writer, const struct tls_cert_chain *chain);

enum tls_verdict tls_certificate_status_parse(struct span body, struct span *out_staple) TLS_MUST_CHECK;
void tls_certificate_status_write(struct writer *writer, struct span staple);
