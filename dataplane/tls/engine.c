// SPDX-License-Identifier: Apache-2.0
#include "tls/engine.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "tls/client_memory.h"
#include "tls/handshake_state.h"

enum {
	DEFAULT_N_MEDIUM = 64,
	DEFAULT_N_LARGE = 4,
	SCRATCH_LEN = TLS_CIPHERTEXT_MAX_12,
};

_Static_assert(
	sizeof(struct tls_handshake) <= 3072 + sizeof(struct key_exchange), "a stuck handshake is cheap");
_Static_assert(sizeof(struct tls_session) <= TLS_BLOCK_LEN, "a client's session waits in a block");

// Sizes are rounded so that pool items start at a cache line.
static size_t lines(size_t len)
{
	return (len + 63) / 64 * 64;
}

static struct tls_engine_settings with_defaults(const struct tls_engine_settings *settings)
{
	struct tls_engine_settings full = *settings;

	if (full.n_blocks == 0)
		full.n_blocks = 2 * full.n_handshakes;
	if (full.n_medium == 0)
		full.n_medium = DEFAULT_N_MEDIUM;
	if (full.n_large == 0)
		full.n_large = DEFAULT_N_LARGE;
	if (full.n_clients == 0)
		full.n_clients = 1;
	return full;
}

size_t tls_engine_footprint(const struct tls_engine_settings *settings)
{
	struct tls_engine_settings full = with_defaults(settings);

	return pool_footprint(full.n_handshakes, lines(sizeof(struct tls_handshake))) +
	       pool_footprint(full.n_blocks, TLS_BLOCK_LEN) + pool_footprint(full.n_medium, TLS_MEDIUM_LEN) +
	       pool_footprint(full.n_large, TLS_LARGE_LEN) +
	       pool_footprint(full.n_clients, lines(sizeof(struct tls_client_memory))) +
	       tls_session_table_footprint(full.n_sessions) + lines(SCRATCH_LEN) + 64;
}

bool tls_engine_init(struct tls_engine *engine, struct arena *arena,
	const struct tls_engine_settings *settings, struct crypto *crypto)
{
	struct tls_engine_settings full = with_defaults(settings);

	memset(engine, 0, sizeof *engine);
	engine->crypto = crypto;
	engine->counters = crypto->counters;
	engine->worker_idx = full.worker_idx;
	if (!pool_init(&engine->handshakes, arena, full.n_handshakes, lines(sizeof(struct tls_handshake))) ||
		!pool_init(&engine->blocks, arena, full.n_blocks, TLS_BLOCK_LEN) ||
		!pool_init(&engine->medium, arena, full.n_medium, TLS_MEDIUM_LEN) ||
		!pool_init(&engine->large, arena, full.n_large, TLS_LARGE_LEN) ||
		!pool_init(
			&engine->clients, arena, full.n_clients, lines(sizeof(struct tls_client_memory))) ||
		!tls_session_table_init(&engine->sessions, arena, full.n_sessions))
		return false;
	engine->scratch = arena_alloc(arena, SCRATCH_LEN, 64);
	return engine->scratch != NULL;
}

void tls_engine_set_wall(struct tls_engine *engine, uint64_t wall_us)
{
	engine->wall_s = wall_us / 1000000;
}

void tls_engine_destroy(struct tls_engine *engine)
{
	SLUICE_ASSERT(engine->handshakes.n_used == 0);
	for (unsigned i = 0; i < TLS_N_TICKET_KEYS; i++)
		aead_key_destroy(&engine->crypto->aead, &engine->tickets.keys[i]);
	tls_session_table_wipe(&engine->sessions);
	wipe(engine->scratch, SCRATCH_LEN);
}
