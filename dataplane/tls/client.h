// SPDX-License-Identifier: Apache-2.0
//
// Inside the client's half of the handshake: what its files call of each other.
#pragma once

#include "tls/server_hello.h"
#include "tls/session.h"

struct tls_handshake;

// Goes on from a ServerHello of this version.
enum tls_verdict tls_client13_begin(
	struct tls_handshake *hs, const struct tls_server_hello *hello) TLS_MUST_CHECK;
enum tls_verdict tls_client12_begin(
	struct tls_handshake *hs, const struct tls_server_hello *hello) TLS_MUST_CHECK;
enum tls_verdict tls_client13_retry(
	struct tls_handshake *hs, const struct tls_server_hello *hello) TLS_MUST_CHECK;

// The session that was offered, or NULL; it is wiped by tls_client_drop_session.
const struct tls_session *tls_client_session(const struct tls_handshake *hs);
void tls_client_drop_session(struct tls_handshake *hs);

// Whether the server's choice of protocol was ours; notes it.
enum tls_verdict tls_client_take_protocol(struct tls_handshake *hs, struct span name) TLS_MUST_CHECK;

// Our certificate for a CertificateRequest: sets hs->scheme, to NULL when we have none that the server would
// take.
void tls_client_choose_certificate(struct tls_handshake *hs, struct span signatures, uint16_t version);
