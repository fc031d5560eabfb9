// SPDX-License-Identifier: Apache-2.0
#include "terms_table.h"

#include "base/assert.h"

#include <string.h>

enum {
	BUCKETS = 4096, // a power of two
	ALIGN = 64
};

struct terms_place {
	uint32_t hash;
	uint32_t next; // of the same bucket
	uint32_t n_uses;
};

static size_t index_footprint(uint32_t n)
{
	return pool_footprint(n, sizeof(struct terms_place)) + BUCKETS * sizeof(uint32_t) + ALIGN;
}

static bool index_init(struct terms_index *index, struct arena *arena, uint32_t n)
{
	struct terms_place *nobody;

	index->buckets = arena_alloc(arena, BUCKETS * sizeof(uint32_t), ALIGN);
	if (index->buckets == NULL || !pool_init(&index->places, arena, n, sizeof(struct terms_place)))
		return false;
	memset(index->buckets, 0xff, BUCKETS * sizeof(uint32_t));
	nobody = pool_alloc(&index->places);
	SLUICE_ASSERT(pool_index(&index->places, nobody) == 0);
	*nobody = (struct terms_place){.next = POOL_NONE, .n_uses = 1};
	return true;
}

bool terms_table_init(struct terms_table *table, struct tally_page *tallies)
{
	const size_t footprint = index_footprint(TERMS_LISTENERS) + index_footprint(TERMS_SERVERS) +
				 index_footprint(TERMS_BACKENDS) +
				 TERMS_LISTENERS * sizeof(struct listener_terms) +
				 TERMS_SERVERS * sizeof(struct server_terms) +
				 TERMS_BACKENDS * sizeof(table->backends[0]) + 3 * (size_t)ALIGN;
	struct arena *arena = &table->arena;

	*table = (struct terms_table){.tallies = tallies};
	if (!arena_init(arena, footprint) || !index_init(&table->listener_index, arena, TERMS_LISTENERS) ||
		!index_init(&table->server_index, arena, TERMS_SERVERS) ||
		!index_init(&table->backend_index, arena, TERMS_BACKENDS))
		return false;
	table->listeners = arena_alloc(arena, TERMS_LISTENERS * sizeof(struct listener_terms), ALIGN);
	table->servers = arena_alloc(arena, TERMS_SERVERS * sizeof(struct server_terms), ALIGN);
	table->backends = arena_alloc(arena, TERMS_BACKENDS * sizeof(table->backends[0]), ALIGN);
	return table->listeners != NULL && table->servers != NULL && table->backends != NULL;
}

void terms_table_destroy(struct terms_table *table)
{
	arena_destroy(&table->arena);
}

// --- places ---

// FNV-1a.
static uint32_t hash_of(const char *name, uint32_t seed)
{
	uint32_t hash = 2166136261u ^ seed;

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

static struct terms_place *place_at(const struct terms_index *index, uint32_t idx)
{
	return pool_at(&index->places, idx);
}

// The first place of this hash, or the next one after it.
static uint32_t next_of_hash(const struct terms_index *index, uint32_t idx, uint32_t hash)
{
	while (idx != POOL_NONE && place_at(index, idx)->hash != hash)
		idx = place_at(index, idx)->next;
	return idx;
}

static uint32_t first_of_hash(const struct terms_index *index, uint32_t hash)
{
	return next_of_hash(index, index->buckets[hash % BUCKETS], hash);
}

static uint32_t following(const struct terms_index *index, uint32_t idx)
{
	return next_of_hash(index, place_at(index, idx)->next, place_at(index, idx)->hash);
}

static void use(struct terms_index *index, uint32_t idx)
{
	index->n_idle -= place_at(index, idx)->n_uses++ == 0;
}

static void drop(struct terms_index *index, uint32_t idx)
{
	SLUICE_ASSERT(pool_in_use(&index->places, idx) && place_at(index, idx)->n_uses != 0);
	index->n_idle += --place_at(index, idx)->n_uses == 0;
}

// A place of its own, used once. POOL_NONE: all are taken.
static uint32_t take_place(struct terms_index *index, uint32_t hash)
{
	struct terms_place *place = pool_alloc(&index->places);
	uint32_t *bucket = &index->buckets[hash % BUCKETS];

	if (place == NULL)
		return POOL_NONE;
	*place = (struct terms_place){.hash = hash, .next = *bucket, .n_uses = 1};
	*bucket = pool_index(&index->places, place);
	return *bucket;
}

static void free_place(struct terms_index *index, uint32_t idx)
{
	struct terms_place *place = place_at(index, idx);
	uint32_t *link = &index->buckets[place->hash % BUCKETS];

	while (*link != idx)
		link = &place_at(index, *link)->next;
	*link = place->next;
	index->n_idle--;
	pool_free(&index->places, place);
}

static bool is_idle(const struct terms_index *index, uint32_t idx)
{
	return pool_in_use(&index->places, idx) && place_at(index, idx)->n_uses == 0;
}

static void copy_name(char out[static TERMS_NAME_MAX + 1], const char *name)
{
	memset(out, 0, TERMS_NAME_MAX + 1);
	memcpy(out, name, strnlen(name, TERMS_NAME_MAX));
}

// --- listeners ---

static bool same_timeouts(const struct listener_timeouts *a, const struct listener_timeouts *b)
{
	return a->handshake_us == b->handshake_us && a->connect_us == b->connect_us &&
	       a->idle_us == b->idle_us && a->linger_us == b->linger_us && a->total_us == b->total_us;
}

static bool same_preamble(const struct preamble_config *a, const struct preamble_config *b)
{
	return a->protocol == b->protocol && a->security == b->security &&
	       a->implicit_tls == b->implicit_tls && a->xclient == b->xclient &&
	       strcmp(a->hello_name, b->hello_name) == 0 && a->line_max == b->line_max &&
	       a->n_commands_max == b->n_commands_max && a->greeting_timeout_us == b->greeting_timeout_us &&
	       a->command_timeout_us == b->command_timeout_us &&
	       a->plaintext_timeout_us == b->plaintext_timeout_us;
}

static bool same_listener(const struct listener_terms *a, const struct listener_terms *b)
{
	return a->protocol == b->protocol && a->log_handshakes == b->log_handshakes &&
	       a->log_connections == b->log_connections && strcmp(a->name, b->name) == 0 &&
	       a->limits.connections == b->limits.connections &&
	       a->limits.handshakes_per_second == b->limits.handshakes_per_second &&
	       same_timeouts(&a->timeouts, &b->timeouts) && same_preamble(&a->preamble, &b->preamble);
}

const struct listener_terms *terms_use_listener(struct terms_table *table, const struct listener_terms *terms)
{
	struct terms_index *index = &table->listener_index;
	const uint32_t hash = hash_of(terms->name, 0);
	struct listener_terms *own;
	uint32_t idx;

	for (idx = first_of_hash(index, hash); idx != POOL_NONE; idx = following(index, idx)) {
		if (!same_listener(&table->listeners[idx], terms))
			continue;
		use(index, idx);
		return &table->listeners[idx];
	}
	idx = take_place(index, hash);
	if (idx == POOL_NONE)
		return NULL;
	own = &table->listeners[idx];
	*own = *terms;
	own->idx = idx;
	own->tally_idx = tally_page_use_listener(table->tallies, own->name);
	return own;
}

void terms_drop_listener(struct terms_table *table, const struct listener_terms *terms)
{
	drop(&table->listener_index, terms->idx);
}

// --- servers ---

const struct server_terms *terms_use_server(struct terms_table *table, const struct tally_server_id *id)
{
	struct terms_index *index = &table->server_index;
	const uint32_t tally_idx = tally_page_use_server(table->tallies, id);
	const uint32_t hash = hash_of(id->backend, tally_idx);
	uint32_t idx;

	for (idx = first_of_hash(index, hash); idx != POOL_NONE; idx = following(index, idx)) {
		const struct server_terms *terms = &table->servers[idx];

		if (terms->tally_idx != tally_idx || strcmp(terms->backend, id->backend) != 0)
			continue;
		tally_page_drop_server(table->tallies, tally_idx); // these terms have a use of it already
		use(index, idx);
		return terms;
	}
	idx = take_place(index, hash);
	if (idx == POOL_NONE) {
		tally_page_drop_server(table->tallies, tally_idx);
		return NULL;
	}
	table->servers[idx] = (struct server_terms){.idx = idx, .tally_idx = tally_idx};
	copy_name(table->servers[idx].backend, id->backend);
	return &table->servers[idx];
}

void terms_drop_server(struct terms_table *table, const struct server_terms *terms)
{
	drop(&table->server_index, terms->idx);
}

// --- backends ---

uint32_t terms_use_backend(struct terms_table *table, const char *name)
{
	struct terms_index *index = &table->backend_index;
	const uint32_t hash = hash_of(name, 0);
	uint32_t idx = first_of_hash(index, hash);

	while (idx != POOL_NONE && strcmp(table->backends[idx], name) != 0)
		idx = following(index, idx);
	if (idx != POOL_NONE) {
		use(index, idx);
		return idx;
	}
	idx = take_place(index, hash);
	if (idx != POOL_NONE)
		copy_name(table->backends[idx], name);
	return idx;
}

// Nobody but snapshots uses a number, so that it is free with the last of them.
void terms_drop_backend(struct terms_table *table, uint32_t idx)
{
	drop(&table->backend_index, idx);
	if (is_idle(&table->backend_index, idx))
		free_place(&table->backend_index, idx);
}

// --- the end ---

// Acquired: what a worker did under the terms is done.
static uint32_t n_held(_Atomic uint32_t *count)
{
	return atomic_load_explicit(count, memory_order_acquire);
}

static bool listener_is_held(const struct terms_holds *holds, uint32_t n_holds, uint32_t idx)
{
	for (uint32_t i = 0; i < n_holds; i++)
		if (n_held(&holds[i].listeners[idx]) != 0)
			return true;
	return false;
}

static bool server_is_held(const struct terms_holds *holds, uint32_t n_holds, uint32_t idx)
{
	for (uint32_t i = 0; i < n_holds; i++)
		if (n_held(&holds[i].servers[idx]) != 0)
			return true;
	return false;
}

void terms_sweep(struct terms_table *table, const struct terms_holds *holds, uint32_t n_holds)
{
	struct terms_index *listeners = &table->listener_index, *servers = &table->server_index;

	for (uint32_t idx = 1; listeners->n_idle != 0 && idx < TERMS_LISTENERS; idx++) {
		if (!is_idle(listeners, idx) || listener_is_held(holds, n_holds, idx))
			continue;
		tally_page_drop_listener(table->tallies, table->listeners[idx].tally_idx);
		free_place(listeners, idx);
	}
	for (uint32_t idx = 1; servers->n_idle != 0 && idx < TERMS_SERVERS; idx++) {
		if (!is_idle(servers, idx) || server_is_held(holds, n_holds, idx))
			continue;
		tally_page_drop_server(table->tallies, table->servers[idx].tally_idx);
		free_place(servers, idx);
	}
}
