// SPDX-License-Identifier: Apache-2.0
//
// Inside the server's half of the handshake: what its files call of each other.
#pragma once

#include "tls/client_hello.h"
#include "tls/suite.h"

struct tls_handshake;

// Goes on from a ClientHello for which this version was chosen.
enum tls_verdict tls_server13_begin(
	struct tls_handshake *hs, const struct tls_client_hello *hello) TLS_MUST_CHECK;
enum tls_verdict tls_server12_begin(
	struct tls_handshake *hs, const struct tls_client_hello *hello) TLS_MUST_CHECK;

// The certificate of the name that the client's algorithms and the suite allow, by our order of preference,
// and its scheme; false: none.
bool tls_server_choose_certificate(
	struct tls_handshake *hs, const struct tls_client_hello *hello, const struct tls_suite *suite);
void tls_server_commit_certificate(struct tls_handshake *hs);
