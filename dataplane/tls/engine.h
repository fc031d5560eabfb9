// SPDX-License-Identifier: Apache-2.0
//
// What one worker owns of this layer: the pools that handshakes live in, the ticket keys, the session table.
// Made at start in the worker's arena, used by that worker alone, never grown. All of the layer's functions
// take it, directly or through a handshake.
//
//   handshakes   struct tls_handshake, from the first byte to the end of the handshake
//   blocks       one while a flight waits to leave, one while a message is incomplete
//   medium,      a message that outgrew its block, and a peer's chain until it is judged
//   large
//   clients      struct tls_client_memory, while tickets may still come
//
// A pool that is empty refuses: the handshake fails with internal_error and is counted.
#pragma once

#include "base/counters.h"
#include "base/pool.h"
#include "crypto/crypto.h"
#include "tls/session_table.h"
#include "tls/ticket.h"

struct tls_session_finder;

enum {
	TLS_BLOCK_LEN = 2560,
	TLS_MEDIUM_LEN = 17 * 1024,
	TLS_LARGE_LEN = 132 * 1024,
};

struct tls_engine_settings {
	uint32_t n_handshakes;
	uint32_t n_blocks; // 0: two per handshake, which always suffices for the ordinary
	uint32_t n_medium; // 0: 64
	uint32_t n_large;  // 0: 4
	uint32_t n_clients;
	uint32_t n_sessions;
	uint16_t worker_idx;
};

struct tls_engine {
	struct crypto *crypto;
	struct counters *counters; // may be NULL
	struct pool handshakes;
	struct pool blocks;
	struct pool medium;
	struct pool large;
	struct pool clients;
	struct tls_tickets tickets;
	struct tls_session_table sessions;
	struct tls_session_finder *finder; // NULL: other workers' sessions are not looked for
	uint64_t wall_s;
	uint16_t worker_idx;
	uint8_t *scratch; // one opened record
};

size_t tls_engine_footprint(const struct tls_engine_settings *settings);

// False when the arena has no room: a start-up error.
bool tls_engine_init(struct tls_engine *engine, struct arena *arena,
	const struct tls_engine_settings *settings, struct crypto *crypto);

// The civil time, of which only seconds count: lives of sessions and tickets. Before the first handshake, and
// whenever it may have gone on.
void tls_engine_set_wall(struct tls_engine *engine, uint64_t wall_us);

// Wipes everything; handshakes and connections must have ended.
void tls_engine_destroy(struct tls_engine *engine);

static inline void tls_engine_count(struct tls_engine *engine, enum counter id)
{
	if (engine->counters != NULL)
		counter_inc(engine->counters, id);
}
