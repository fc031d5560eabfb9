// SPDX-License-Identifier: Apache-2.0
//
// ServerKeyExchange, ClientKeyExchange and ServerHelloDone of TLS 1.2 with ephemeral elliptic curves
// (RFC 8422 5.4, 5.7), the only key exchange there is.
#pragma once

#include "tls/alert.h"
#include "tls/wire.h"

#include "base/reader.h"
#include "base/writer.h"

struct tls_server_key_exchange {
	uint16_t group;
	struct span share;
	struct span params; // what is signed, after the two randoms: curve type, group and share
	uint16_t scheme;
	struct span signature;
};

enum tls_verdict tls_server_key_exchange_parse(
	struct span body, struct tls_server_key_exchange *out) TLS_MUST_CHECK;

// The signed part alone, and the whole message.
void tls_server_params_write(struct writer *writer, uint16_t group, struct span share);
void tls_server_key_exchange_write(struct writer *writer, const struct tls_server_key_exchange *exchange);

void tls_server_hello_done_write(struct writer *writer);

enum tls_verdict tls_client_key_exchange_parse(struct span body, struct span *out_share) TLS_MUST_CHECK;
void tls_client_key_exchange_write(struct writer *writer, struct span share);
