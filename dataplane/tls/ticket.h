// SPDX-License-Identifier: Apache-2.0
//
// Session tickets (RFC 8446 4.6.1, RFC 5077): the server's half of a session, sealed with AES-256-GCM under a
// key that every worker holds, so that the server keeps nothing.
//
//   name of the key (16) | nonce (12) | box: form (1), session (fixed), tag (16)        the name is
//   authenticated
//
// There are three keys: the current one seals; the previous one still opens (and the client gets a new
// ticket); the next one opens too, because another machine of the same service may have rotated first.
//
// Session IDs of TLS 1.2 are boxes of the same keys, in which only the worker's number is: nonce (12) | box
// (20).
#pragma once

#include "crypto/aead.h"
#include "tls/session.h"

struct tls_engine;

enum {
	TLS_TICKET_NAME_LEN = 16,
	TLS_TICKET_STATE_LEN = 1 + 8 + 4 + 4 + 2 + 2 + 4 + 16 + TLS_POLICY_ID_LEN + 16 + TLS_HASH_MAX,
	TLS_OWN_TICKET_LEN = TLS_TICKET_NAME_LEN + AEAD_NONCE_LEN + TLS_TICKET_STATE_LEN + AEAD_TAG_LEN,
	TLS_OWN_SESSION_ID_LEN = 32,
};

enum tls_ticket_key_role {
	TLS_TICKET_CURRENT,
	TLS_TICKET_NEXT,
	TLS_TICKET_PREVIOUS,
	TLS_N_TICKET_KEYS
};

// As the control process publishes them.
struct tls_ticket_key {
	uint8_t name[TLS_TICKET_NAME_LEN];
	uint8_t key[32];
	bool valid;
};

// The worker's own copy.
struct tls_tickets {
	struct aead_key keys[TLS_N_TICKET_KEYS];
	uint8_t names[TLS_N_TICKET_KEYS][TLS_TICKET_NAME_LEN];
	bool valid[TLS_N_TICKET_KEYS];
};

// Replaces all keys, wiping the old ones.
void tls_tickets_set(struct tls_engine *engine, const struct tls_ticket_key keys[TLS_N_TICKET_KEYS]);

// False when there is no current key.
bool tls_ticket_seal(
	struct tls_engine *engine, const struct tls_session_state *state, uint8_t out[TLS_OWN_TICKET_LEN]);

// False for anything that is not a whole ticket of ours. *out_is_old: sealed under the previous key.
bool tls_ticket_open(
	struct tls_engine *engine, struct span ticket, struct tls_session_state *out, bool *out_is_old);

// A new session ID that names this worker; false when there is no current key. And the worker that one names.
bool tls_session_id_make(struct tls_engine *engine, uint8_t out[TLS_OWN_SESSION_ID_LEN]);
bool tls_session_id_worker(struct tls_engine *engine, struct span session_id, uint16_t *out_worker_idx);
