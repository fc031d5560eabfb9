// SPDX-License-Identifier: Apache-2.0
//
// A certificate of ours as the engine uses it: an immutable object, made once from parts that the control
// process checked, then read by every worker. Its Certificate message is encoded in every form beforehand, so
// that a handshake only points at bytes:
//
//   TLS 1.3   [plain] [with staple] [with timestamps] [with both]     a client gets only what it asked for
//   TLS 1.2   [plain]  staple and timestamps travel in other messages
//
// The object and all its encodings are one piece of memory of the caller's, who keeps it until no handshake
// uses it any more (tls_engine_uses). The private key belongs to the caller too.
#pragma once

#include "crypto/keys.h"
#include "tls/certificate_message.h"

enum tls_certificate_form {
	TLS_FORM_PLAIN = 0,
	TLS_FORM_STAPLE = 1 << 0,
	TLS_FORM_SCTS = 1 << 1,
	TLS_N_FORMS = 4,
};

struct tls_certificate {
	const struct private_key *key;
	struct span messages_13[TLS_N_FORMS]; // indexed by a set of enum tls_certificate_form
	struct span message_12;
	struct span status_12;   // a whole CertificateStatus, or empty
	struct span scts;        // a SignedCertificateTimestampList, or empty
	struct span leaf;        // DER, inside message_12
	const char *signed_with; // the leaf, by its issuer: "SHA256"; NULL: not known
	uint32_t id;             // the control process's name for it, for logs
};

// Bytes of memory that the object takes for this chain (with its staple and timestamps, where it has them).
size_t tls_certificate_footprint(const struct tls_cert_chain *chain);

// Lays the object out at the start of memory, which is aligned to 8. NULL when the memory is too short or the
// chain is empty or too long for a message.
const struct tls_certificate *tls_certificate_build(struct mut_span memory,
	const struct tls_cert_chain *chain, const struct private_key *key, uint32_t id);

// The TLS 1.3 message for a client that asked for a staple, for timestamps, or not.
struct span tls_certificate_message_13(
	const struct tls_certificate *certificate, bool wants_staple, bool wants_scts);
