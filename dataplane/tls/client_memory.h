// SPDX-License-Identifier: Apache-2.0
//
// What a client's connection keeps for as long as tickets may still come (RFC 8446 4.6.1: at any time): the
// resumption secret and a place to put a ticket together. It comes from a small pool of the engine and goes
// back when the promised number of tickets has come or the connection ends. Without one, which is counted,
// the connection works and simply can't be resumed.
#pragma once

#include "tls/conn.h"
#include "tls/session.h"

struct tls_client_config;

struct tls_client_memory {
	const struct tls_client_config *config;
	void *owner;
	uint32_t message_len;           // of the ticket that is coming
	uint32_t n_taken;               // bytes of it in `message`
	uint32_t n_kept;                // tickets handed to the store
	bool too_long;                  // passed over
	struct tls_session_state state; // secret is the resumption master secret
	uint8_t message[TLS_TICKET_MAX + 512];
};

// The header of a NewSessionTicket was read.
void tls_client_memory_begin_ticket(struct tls_engine *engine, struct tls_conn *conn, uint32_t len);

// The next part of its body; `complete` with the last. Malformed tickets are the peer's fault.
enum tls_verdict tls_client_memory_add_ticket(
	struct tls_engine *engine, struct tls_conn *conn, struct span part, bool complete) TLS_MUST_CHECK;

void tls_client_memory_release(struct tls_engine *engine, struct tls_conn *conn);
