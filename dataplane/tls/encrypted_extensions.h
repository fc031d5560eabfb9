// SPDX-License-Identifier: Apache-2.0
//
// EncryptedExtensions (RFC 8446 4.3.1).
#pragma once

#include "tls/extensions.h"
#include "tls/wire.h"

struct tls_encrypted_extensions {
	struct span alpn;           // the name chosen, or empty
	uint16_t record_size_limit; // 0: not sent
	bool acknowledges_name;
};

// `offered` as for the ServerHello.
enum tls_verdict tls_encrypted_extensions_parse(
	struct span body, uint32_t offered, struct tls_encrypted_extensions *out) TLS_MUST_CHECK;

void tls_encrypted_extensions_write(struct writer *writer, const struct tls_encrypted_extensions *extensions);
