// SPDX-License-Identifier: Apache-2.0
//
// A worker's sessions for resumption by session ID (TLS 1.2): a table of fixed size in sets of eight, indexed
// by the ID's own random bytes. A new session takes a free place of its set, else the oldest one's. Owned and
// used by one worker; others ask through the session finder (verifier.h).
//
// An operator may resize it while it is in use, up to what its memory holds: the size is a limit on sessions,
// so nothing moves. Making it smaller leaves sessions over, which tls_session_table_trim ends, so many a
// turn.
#pragma once

#include "base/arena.h"
#include "tls/session.h"
#include "tls/ticket.h"

struct tls_session_entry {
	uint8_t id[TLS_OWN_SESSION_ID_LEN];
	struct tls_session_state state; // version 0: free
};

struct tls_session_table {
	struct tls_session_entry *entries; // NULL: no table
	uint32_t n_entries;                // a multiple of the set's size
	uint32_t n_used;
	uint32_t n_max; // sessions that are kept
	uint32_t trim_cursor;
	uint64_t n_evicted;
};

size_t tls_session_table_footprint(uint32_t n_sessions);

// 0 sessions: no table, nothing is ever found. False when the arena has no room.
bool tls_session_table_init(struct tls_session_table *table, struct arena *arena, uint32_t n_sessions);

void tls_session_table_put(struct tls_session_table *table, const uint8_t id[TLS_OWN_SESSION_ID_LEN],
	const struct tls_session_state *state);

// At most so many sessions from now on, or what the memory holds if that is less, which is returned. 0: none.
uint32_t tls_session_table_resize(struct tls_session_table *table, uint32_t n_sessions);

// Looks at up to n_steps entries and ends sessions that are over the limit; true when none is.
bool tls_session_table_trim(struct tls_session_table *table, uint32_t n_steps);

// Copies the state out; one that has outlived itself is removed instead.
bool tls_session_table_find(
	struct tls_session_table *table, struct span id, uint64_t now_s, struct tls_session_state *out);

// Wipes one; false when it was not there.
bool tls_session_table_remove(struct tls_session_table *table, struct span id);

// For operators, who see metadata only: the entry at or after *cursor, which moves on; NULL at the end.
const struct tls_session_entry *tls_session_table_next(
	const struct tls_session_table *table, uint32_t *cursor);

void tls_session_table_wipe(struct tls_session_table *table);
