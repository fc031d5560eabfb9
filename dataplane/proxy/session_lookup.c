// SPDX-License-Identifier: Apache-2.0
#include "proxy/session_lookup.h"

#include "base/assert.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/wipe.h"
#include "tls/engine.h"
#include "tls/handshake.h"

struct place {
	struct tls_reference who;
	bool found;
	uint8_t id[TLS_OWN_SESSION_ID_LEN];
	struct tls_session_state state; // where found
};

struct asker {
	struct tls_session_finder base;
	struct session_lookup *lookup;
	uint32_t worker_idx;
	struct pool places;
	uint32_t next_owner; // whose answers are looked at next
};

struct session_lookup {
	uint32_t n_workers;
	struct asker *askers;
	struct ring *questions; // of place indices, [asker * n_workers + owner]; the diagonal is unused
	struct ring *answers;   // the same, the other way
};

static bool ask(struct tls_session_finder *base, struct tls_reference who, uint16_t worker_idx,
	struct span session_id, bool *out_found, struct tls_session_state *out_state)
{
	struct asker *asker = (struct asker *)base; // its first member
	struct session_lookup *lookup = asker->lookup;
	struct place *place = NULL;
	uint32_t idx;

	(void)out_state;
	*out_found = false;
	if (worker_idx < lookup->n_workers && session_id.len == sizeof place->id)
		place = pool_alloc(&asker->places);
	if (place == NULL)
		return true;
	SLUICE_ASSERT(worker_idx != asker->worker_idx);
	place->who = who;
	memcpy(place->id, session_id.data, sizeof place->id);
	idx = pool_index(&asker->places, place);
	// There is room for all of an asker's places.
	SLUICE_ASSERT(
		ring_push(&lookup->questions[asker->worker_idx * lookup->n_workers + worker_idx], &idx));
	return false;
}

struct tls_session_finder *session_lookup_finder(struct session_lookup *lookup, uint32_t worker_idx)
{
	SLUICE_ASSERT(worker_idx < lookup->n_workers);
	return &lookup->askers[worker_idx].base;
}

uint32_t session_lookup_serve(struct session_lookup *lookup, struct tls_engine *engine)
{
	uint32_t n_answered = 0;

	for (uint32_t i = 0; i < lookup->n_workers; i++) {
		struct ring *questions = &lookup->questions[i * lookup->n_workers + engine->worker_idx];
		struct ring *answers = &lookup->answers[i * lookup->n_workers + engine->worker_idx];
		uint32_t idxs[SESSION_LOOKUP_BURST];
		uint32_t n = ring_pop_burst(questions, idxs, SESSION_LOOKUP_BURST);

		for (uint32_t k = 0; k < n; k++) {
			struct place *place = pool_at(&lookup->askers[i].places, idxs[k]);

			place->found = tls_session_table_find(&engine->sessions,
				span_of(place->id, sizeof place->id), engine->wall_s, &place->state);
			SLUICE_ASSERT(ring_push(answers, &idxs[k]));
		}
		n_answered += n;
	}
	return n_answered;
}

// False: no answer is there.
static bool pop_answer(struct asker *asker, uint32_t *out_idx)
{
	const struct session_lookup *lookup = asker->lookup;

	for (uint32_t i = 0; i < lookup->n_workers; i++) {
		uint32_t owner = asker->next_owner;

		if (ring_pop(&lookup->answers[asker->worker_idx * lookup->n_workers + owner], out_idx))
			return true;
		asker->next_owner = owner + 1 < lookup->n_workers ? owner + 1 : 0;
	}
	return false;
}

struct tls_handshake *session_lookup_next(struct session_lookup *lookup, struct tls_engine *engine)
{
	struct asker *asker = &lookup->askers[engine->worker_idx];
	struct tls_handshake *handshake = NULL;
	uint32_t idx;

	while (handshake == NULL && pop_answer(asker, &idx)) {
		struct place *place = pool_at(&asker->places, idx);

		handshake = tls_handshake_found(engine, place->who, place->found ? &place->state : NULL);
		wipe(place, sizeof *place);
		pool_free(&asker->places, place);
	}
	return handshake;
}

// --- start ---

static size_t rings_len(uint32_t n_workers)
{
	return (size_t)n_workers * n_workers * sizeof(struct ring);
}

size_t session_lookup_footprint(uint32_t n_workers)
{
	size_t ring_bytes = SESSION_LOOKUP_PLACES * sizeof(uint32_t) + 64;

	return sizeof(struct session_lookup) + 4 * 64 + 2 * rings_len(n_workers) +
	       2 * (size_t)n_workers * n_workers * ring_bytes +
	       n_workers *
		       (sizeof(struct asker) + pool_footprint(SESSION_LOOKUP_PLACES, sizeof(struct place)));
}

static bool init_asker(struct session_lookup *lookup, uint32_t worker_idx, struct arena *arena)
{
	struct asker *asker = &lookup->askers[worker_idx];

	*asker = (struct asker){.base = {.ask = ask}, .lookup = lookup, .worker_idx = worker_idx};
	return pool_init(&asker->places, arena, SESSION_LOOKUP_PLACES, sizeof(struct place));
}

static bool init_ring(struct ring *ring, struct arena *arena)
{
	return ring_init(ring, arena, SESSION_LOOKUP_PLACES, sizeof(uint32_t));
}

struct session_lookup *session_lookup_init(struct arena *arena, uint32_t n_workers)
{
	struct session_lookup *lookup = arena_alloc(arena, sizeof *lookup, 64);

	if (lookup == NULL)
		return NULL;
	lookup->n_workers = n_workers;
	lookup->askers = arena_alloc(arena, n_workers * sizeof *lookup->askers, 64);
	lookup->questions = arena_alloc(arena, rings_len(n_workers), 64);
	lookup->answers = arena_alloc(arena, rings_len(n_workers), 64);
	if (lookup->askers == NULL || lookup->questions == NULL || lookup->answers == NULL)
		return NULL;
	for (uint32_t i = 0; i < n_workers; i++)
		if (!init_asker(lookup, i, arena))
			return NULL;
	for (uint32_t i = 0; i < n_workers * n_workers; i++)
		if (!init_ring(&lookup->questions[i], arena) || !init_ring(&lookup->answers[i], arena))
			return NULL;
	return lookup;
}
