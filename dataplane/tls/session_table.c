// SPDX-License-Identifier: Apache-2.0
#include "tls/session_table.h"

#include "base/assert.h"
#include "base/wipe.h"

enum {
	WAYS = 8,
	PUT_STEPS_MAX = 1024,
};

static uint32_t rounded(uint32_t n_sessions)
{
	return (n_sessions + WAYS - 1) / WAYS * WAYS;
}

size_t tls_session_table_footprint(uint32_t n_sessions)
{
	return rounded(n_sessions) * sizeof(struct tls_session_entry) + 64;
}

bool tls_session_table_init(struct tls_session_table *table, struct arena *arena, uint32_t n_sessions)
{
	*table = (struct tls_session_table){.n_entries = rounded(n_sessions), .n_max = rounded(n_sessions)};
	if (n_sessions == 0)
		return true;
	table->entries = arena_alloc(arena, table->n_entries * sizeof(struct tls_session_entry), 64);
	return table->entries != NULL;
}

// The first bytes of an ID are its nonce: random.
static struct tls_session_entry *set_of(const struct tls_session_table *table, const uint8_t *id)
{
	uint32_t random = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];

	return &table->entries[random % (table->n_entries / WAYS) * WAYS];
}

static void clear(struct tls_session_table *table, struct tls_session_entry *entry)
{
	wipe(entry, sizeof *entry);
	table->n_used--;
}

// A used entry at or after the trim cursor, which moves on; NULL after n_steps without one.
static struct tls_session_entry *next_victim(struct tls_session_table *table, uint32_t n_steps)
{
	for (uint32_t i = 0; i < n_steps; i++) {
		struct tls_session_entry *entry = &table->entries[table->trim_cursor];

		table->trim_cursor = table->trim_cursor + 1 < table->n_entries ? table->trim_cursor + 1 : 0;
		if (entry->state.version != 0)
			return entry;
	}
	return NULL;
}

static void evict(struct tls_session_table *table, struct tls_session_entry *entry)
{
	clear(table, entry);
	table->n_evicted++;
}

uint32_t tls_session_table_resize(struct tls_session_table *table, uint32_t n_sessions)
{
	table->n_max = n_sessions < table->n_entries ? n_sessions : table->n_entries;
	return table->n_max;
}

bool tls_session_table_trim(struct tls_session_table *table, uint32_t n_steps)
{
	for (uint32_t i = 0; i < n_steps && table->n_used > table->n_max; i++) {
		struct tls_session_entry *entry = next_victim(table, 1);

		if (entry != NULL)
			evict(table, entry);
	}
	return table->n_used <= table->n_max;
}

static struct tls_session_entry *free_of(struct tls_session_entry *set)
{
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].state.version == 0)
			return &set[i];
	}
	return NULL;
}

// The set's oldest session; NULL where it has none.
static struct tls_session_entry *oldest_of(struct tls_session_entry *set)
{
	struct tls_session_entry *oldest = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].state.version != 0 &&
			(oldest == NULL || set[i].state.created_s < oldest->state.created_s))
			oldest = &set[i];
	}
	return oldest;
}

void tls_session_table_put(struct tls_session_table *table, const uint8_t id[TLS_OWN_SESSION_ID_LEN],
	const struct tls_session_state *state)
{
	struct tls_session_entry *set;
	struct tls_session_entry *victim;
	struct tls_session_entry *place;

	if (table->n_max == 0)
		return;
	SLUICE_ASSERT(state->version != 0);
	set = set_of(table, id);
	if (free_of(set) == NULL || table->n_used >= table->n_max) {
		victim = oldest_of(set);
		if (victim == NULL)
			victim = next_victim(table, PUT_STEPS_MAX);
		// A table that is all but empty although it is full to its limit: the new session is not
		// kept.
		if (victim == NULL)
			return;
		evict(table, victim);
	}
	place = free_of(set);
	memcpy(place->id, id, TLS_OWN_SESSION_ID_LEN);
	place->state = *state;
	table->n_used++;
}

static struct tls_session_entry *find(const struct tls_session_table *table, struct span id)
{
	struct tls_session_entry *set;

	if (table->entries == NULL || id.len != TLS_OWN_SESSION_ID_LEN)
		return NULL;
	set = set_of(table, id.data);
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].state.version != 0 && memcmp(set[i].id, id.data, id.len) == 0)
			return &set[i];
	}
	return NULL;
}

bool tls_session_table_find(
	struct tls_session_table *table, struct span id, uint64_t now_s, struct tls_session_state *out)
{
	struct tls_session_entry *entry = find(table, id);

	if (entry == NULL)
		return false;
	if (now_s < entry->state.created_s || now_s - entry->state.created_s > entry->state.lifetime_s) {
		clear(table, entry);
		return false;
	}
	*out = entry->state;
	return true;
}

bool tls_session_table_remove(struct tls_session_table *table, struct span id)
{
	struct tls_session_entry *entry = find(table, id);

	if (entry == NULL)
		return false;
	clear(table, entry);
	return true;
}

const struct tls_session_entry *tls_session_table_next(
	const struct tls_session_table *table, uint32_t *cursor)
{
	while (table->entries != NULL && *cursor < table->n_entries) {
		const struct tls_session_entry *entry = &table->entries[(*cursor)++];

		if (entry->state.version != 0)
			return entry;
	}
	return NULL;
}

void tls_session_table_wipe(struct tls_session_table *table)
{
	if (table->entries != NULL)
		wipe(table->entries, table->n_entries * sizeof *table->entries);
	table->n_used = 0;
}
