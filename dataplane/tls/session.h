// SPDX-License-Identifier: Apache-2.0
//
// What two peers remember so that the next handshake needs no certificate: for a client the ticket and its
// secret (TLS 1.3 PSK, TLS 1.2 ticket or session ID), for a server the same without the ticket, as it is
// sealed into tickets (ticket.h) or kept in the session table (session_table.h).
#pragma once

#include "base/span.h"
#include "tls/wire.h"

enum {
	TLS_TICKET_MAX = 1536, // longer ones from other servers are not kept
	TLS_POLICY_ID_LEN = 16,
};

// The server's half, and the part that both have. Plain data: what is in it is what gets sealed.
struct tls_session_state {
	uint64_t created_s; // civil time
	uint32_t lifetime_s;
	uint32_t age_add; // TLS 1.3
	uint16_t version;
	uint16_t suite;
	uint8_t secret_len;
	uint8_t extended_master_secret; // TLS 1.2; a session without it is not resumed (RFC 7627 5.3)
	uint8_t peer_authenticated;     // the client showed a certificate that was accepted
	uint8_t name_len;               // 0: no SNI
	uint8_t name_hash[16];          // truncated SHA-256 of the SNI
	uint8_t policy_id[TLS_POLICY_ID_LEN];
	uint8_t peer_hash[16]; // truncated SHA-256 of the client's certificate
	uint8_t secret[TLS_HASH_MAX];
};

// The client's.
struct tls_session {
	struct tls_session_state state;
	uint64_t received_us; // now_us of the ticket's arrival
	uint16_t ticket_len;
	uint8_t session_id_len;
	uint8_t session_id[TLS_SESSION_ID_MAX];
	uint8_t ticket[TLS_TICKET_MAX];
};
