// SPDX-License-Identifier: Apache-2.0
//
// Sessions that another worker remembers: TLS 1.2's session IDs name the worker whose table has the session,
// and a client that comes back may reach any (tls/verifier.h, WAIT_LOOKUP). One per process, made before the
// workers run.
//
//   asker   a place of its own: who asks, the ID  --[ its index ]-->  owner   looks into its table
//   asker   tls_handshake_found, wipes the place  <--[ its index ]--  owner   fills the place in
//
// Each worker has so many places; with none free, or a worker that does not exist in the ID (it was made by a
// dataplane with more of them), the session is not found at once: bounded, and nobody ever waits for room. A
// place belongs to whoever got its index last; a handshake that has ended meanwhile costs its place until the
// answer has come. Sessions are secrets: they are in places only while they are on their way.
#pragma once

#include "base/arena.h"
#include "tls/verifier.h"

#include <stdbool.h>

struct session_lookup;
struct tls_engine;

enum {
	SESSION_LOOKUP_PLACES = 64, // of each worker; a power of two
	SESSION_LOOKUP_BURST = 16   // questions of each other worker that are answered in a turn
};

size_t session_lookup_footprint(uint32_t n_workers);

// NULL when the arena has no room.
struct session_lookup *session_lookup_init(struct arena *arena, uint32_t n_workers);

// What a worker's engine asks.
struct tls_session_finder *session_lookup_finder(struct session_lookup *lookup, uint32_t worker_idx);

// Answers what others ask this engine's worker; returns how much that was.
uint32_t session_lookup_serve(struct session_lookup *lookup, struct tls_engine *engine);

// The next answer to a question of this engine's worker: the handshake, on which tls_handshake_resume is
// called next. Answers that nobody waits for any more are passed over. NULL: there is none now.
struct tls_handshake *session_lookup_next(struct session_lookup *lookup, struct tls_engine *engine);
