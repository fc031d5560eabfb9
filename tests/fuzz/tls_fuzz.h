// SPDX-License-Identifier: Apache-2.0
//
// One side of a TLS connection, fed with what a fuzzer makes of the other side's bytes, over predictable
// crypto.
//
// The first byte of an input chooses the configuration, the second how the rest is cut into arrivals.
#pragma once

#include "tls/config.h"

// Groups of both sides; none: the default ones.
extern struct tls_preferences tls_fuzz_groups;

enum tls_fuzz_option {
	TLS_FUZZ_NO_13 = 1 << 0,
	TLS_FUZZ_NO_12 = 1 << 1,
	TLS_FUZZ_CLIENT_AUTH = 1 << 2, // asked for by a server; a client has a certificate to show
	TLS_FUZZ_ALPN = 1 << 3,
	TLS_FUZZ_RESUME = 1 << 4, // a client offers a session
	TLS_FUZZ_SIZE_LIMIT = 1 << 5,
	TLS_FUZZ_P384_ONLY = 1 << 6, // a server that makes most clients try again
	TLS_FUZZ_NO_TICKETS = 1 << 7,
};

// Runs the handshake and what follows over one input and checks that nothing is left behind.
void tls_fuzz_server(const uint8_t *data, size_t len);
void tls_fuzz_client(const uint8_t *data, size_t len);

// Both sides facing each other under an option byte: writes what each side sent, for making corpora. Returns
// whether the handshake completed.
int tls_fuzz_record(uint8_t options, uint8_t *client_bytes, size_t *client_len, uint8_t *server_bytes,
	size_t *server_len, size_t max);
