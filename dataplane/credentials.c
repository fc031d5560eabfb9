// SPDX-License-Identifier: Apache-2.0
#include "credentials.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "key_record.h"
#include "records.h"
#include "refusal.h"
#include "snapshot.h"

enum {
	CHUNK_LEN = 8 << 20,
	BUCKETS = CREDENTIALS_MAX,
	OBJECT_ALIGN = 64
};

bool credentials_init(struct credentials *credentials, enum select_lanes lanes)
{
	const size_t footprint = pool_footprint(CREDENTIALS_MAX, sizeof(struct credential)) +
				 BUCKETS * sizeof(uint32_t) + 64;

	memset(credentials, 0, sizeof *credentials);
	credentials->lanes = lanes;
	if (!arena_init(&credentials->arena, footprint))
		return false;
	credentials->buckets = arena_alloc(&credentials->arena, BUCKETS * sizeof(uint32_t), 64);
	if (credentials->buckets == NULL || !pool_init(&credentials->entries, &credentials->arena,
						    CREDENTIALS_MAX, sizeof(struct credential)))
		return false;
	memset(credentials->buckets, 0xff, BUCKETS * sizeof(uint32_t));
	return true;
}

void credentials_destroy(struct credentials *credentials)
{
	for (uint32_t i = 0; i < credentials->n_chunks; i++)
		arena_destroy(&credentials->chunks[i].arena);
	arena_destroy(&credentials->arena);
	credentials->n_chunks = 0;
}

static uint32_t *bucket_of(struct credentials *credentials, uint32_t id)
{
	return &credentials->buckets[id % BUCKETS];
}

static struct credential *find_any(struct credentials *credentials, uint32_t id)
{
	uint32_t idx = *bucket_of(credentials, id);

	while (idx != POOL_NONE) {
		struct credential *credential = pool_at(&credentials->entries, idx);

		if (credential->id == id)
			return credential;
		idx = credential->next;
	}
	return NULL;
}

struct credential *credentials_find(struct credentials *credentials, uint32_t id)
{
	struct credential *credential = find_any(credentials, id);

	return credential != NULL && credential->certificate != NULL ? credential : NULL;
}

// The chunk that has room for len bytes: the last one, or a new one. POOL_NONE: no memory.
static uint32_t chunk_with_room(struct credentials *credentials, size_t len)
{
	uint32_t free_idx = POOL_NONE;

	for (uint32_t i = credentials->n_chunks; i-- > 0;) {
		const struct arena *arena = &credentials->chunks[i].arena;

		if (arena->capacity == 0)
			free_idx = i;
		else if (arena->capacity - arena->used >= len + OBJECT_ALIGN)
			return i;
	}
	if (free_idx == POOL_NONE && credentials->n_chunks < CREDENTIALS_CHUNKS_MAX)
		free_idx = credentials->n_chunks++;
	if (free_idx == POOL_NONE || !arena_init(&credentials->chunks[free_idx].arena,
					     len + OBJECT_ALIGN > CHUNK_LEN ? len + OBJECT_ALIGN : CHUNK_LEN))
		return POOL_NONE;
	return free_idx;
}

static void *take_room(struct credentials *credentials, size_t len, uint16_t *out_chunk)
{
	uint32_t idx = chunk_with_room(credentials, len);

	if (idx == POOL_NONE)
		return NULL;
	credentials->chunks[idx].n_entries++;
	*out_chunk = (uint16_t)idx;
	return arena_alloc(&credentials->chunks[idx].arena, len, OBJECT_ALIGN);
}

static void leave_chunk(struct credentials *credentials, uint16_t idx)
{
	struct credentials_chunk *chunk = &credentials->chunks[idx];

	SLUICE_ASSERT(chunk->n_entries > 0);
	if (--chunk->n_entries == 0)
		arena_destroy(&chunk->arena);
}

static void enter_bucket(struct credentials *credentials, struct credential *credential)
{
	uint32_t *bucket = bucket_of(credentials, credential->id);

	credential->next = *bucket;
	*bucket = pool_index(&credentials->entries, credential);
}

static void leave_bucket(struct credentials *credentials, struct credential *credential)
{
	uint32_t *place = bucket_of(credentials, credential->id);

	if (credential->nameless)
		return;
	while (pool_at(&credentials->entries, *place) != credential)
		place = &((struct credential *)pool_at(&credentials->entries, *place))->next;
	*place = credential->next;
	credential->nameless = true;
}

static void forget(struct credentials *credentials, struct credential *credential)
{
	leave_bucket(credentials, credential);
	private_key_destroy(credential->key);
	leave_chunk(credentials, credential->key_chunk);
	if (credential->certificate != NULL)
		leave_chunk(credentials, credential->certificate_chunk);
	pool_free(&credentials->entries, credential);
}

// Keys of one burst: their entries are made, and become known when all are laid out.
struct key_burst {
	struct key_numbers_load loads[KEY_NUMBERS_BURST];
	struct credential *credentials[KEY_NUMBERS_BURST];
	unsigned n;
};

static bool refuse_key(char *reason, uint32_t id)
{
	return refuse(
		reason, "private keys: that of certificate %u is not one of ours, or memory is short", id);
}

static bool is_in_burst(const struct key_burst *burst, const struct credential *credential)
{
	for (unsigned i = 0; i < burst->n; i++)
		if (burst->credentials[i] == credential)
			return true;
	return false;
}

// Makes an entry for the key of a record, with room in locked memory.
static bool add_to_burst(
	struct credentials *credentials, const struct record *record, struct key_burst *burst, char *reason)
{
	struct key_numbers_load *load = &burst->loads[burst->n];
	struct snapshot_private_key head;
	struct credential *credential;
	struct span numbers;

	if (record->type != SNAPSHOT_PRIVATE_KEY || !record_split(record, &head, sizeof head, &numbers) ||
		head.len != numbers.len)
		return refuse(reason, "private keys: a record that is none");
	credential = find_any(credentials, head.certificate_id);
	if (head.certificate_id == SNAPSHOT_NONE || (credential != NULL && credential->n_users != 0) ||
		is_in_burst(burst, credential))
		return refuse(reason, "private keys: certificate %u has one already", head.certificate_id);
	// What no snapshot uses came with a message that was refused: it is sent again.
	if (credential != NULL)
		forget(credentials, credential);
	if (!key_record_read(&head, numbers, &load->numbers))
		return refuse_key(reason, head.certificate_id);
	credential = pool_alloc(&credentials->entries);
	if (credential == NULL)
		return refuse(reason, "private keys: at most %d are possible", CREDENTIALS_MAX);
	*credential = (struct credential){.id = head.certificate_id, .next = POOL_NONE};
	load->memory.len = key_numbers_footprint(&load->numbers);
	load->memory.data = take_room(credentials, load->memory.len, &credential->key_chunk);
	if (load->memory.data == NULL) {
		pool_free(&credentials->entries, credential);
		return refuse_key(reason, head.certificate_id);
	}
	enter_bucket(credentials, credential);
	burst->credentials[burst->n++] = credential;
	return true;
}

// Lays the keys out. What can't be is forgotten again, and what came with it stays until it is swept.
static bool load_burst(struct credentials *credentials, struct key_burst *burst, char *reason)
{
	bool well = true;

	if (burst->n == 0)
		return true;
	key_numbers_load_burst(burst->loads, burst->n, credentials->lanes);
	for (unsigned i = 0; i < burst->n; i++) {
		burst->credentials[i]->key = burst->loads[i].key;
		if (burst->loads[i].key != NULL)
			continue;
		well = refuse_key(reason, burst->credentials[i]->id);
		forget(credentials, burst->credentials[i]);
	}
	burst->n = 0;
	return well;
}

static bool read_chain(
	const struct snapshot_certificate *head, struct span tail, struct tls_cert_chain *out_chain)
{
	struct reader reader = reader_over(tail);

	*out_chain = (struct tls_cert_chain){.n_certificates = head->n_certificates};
	if (head->n_certificates == 0 || head->n_certificates > SNAPSHOT_CHAIN_MAX)
		return false;
	for (uint32_t i = 0; i < head->n_certificates; i++)
		out_chain->certificates[i] = reader_bytes(&reader, head->lens[i]);
	out_chain->staple = reader_bytes(&reader, head->staple_len);
	out_chain->scts = reader_bytes(&reader, head->scts_len);
	return reader_done(&reader);
}

static bool add_certificate(struct credentials *credentials, const struct record *record, char *reason)
{
	struct snapshot_certificate head;
	struct credential *credential;
	struct tls_cert_chain chain;
	struct span tail;
	size_t len;
	void *room;

	if (record->type != SNAPSHOT_CERTIFICATE || !record_split(record, &head, sizeof head, &tail) ||
		!read_chain(&head, tail, &chain))
		return refuse(reason, "certificates: a record that is none");
	credential = find_any(credentials, head.id);
	if (credential == NULL || credential->certificate != NULL)
		return refuse(reason, "certificates: number %u has no key, or came before", head.id);
	// Control has checked it, but a wrong pair would fail every handshake.
	if (!private_key_matches_certificate(credential->key, chain.certificates[0]))
		return refuse(reason, "certificates: number %u is not its key's", head.id);
	chain.signed_with = certificate_signature_name(chain.certificates[0]);
	len = tls_certificate_footprint(&chain);
	room = take_room(credentials, len, &credential->certificate_chunk);
	if (room == NULL)
		return refuse(reason, "certificates: memory is short");
	credential->certificate = tls_certificate_build(
		(struct mut_span){.data = room, .len = len}, &chain, credential->key, head.id);
	if (credential->certificate != NULL)
		return true;
	leave_chunk(credentials, credential->certificate_chunk);
	return refuse(reason, "certificates: number %u is too long", head.id);
}

static struct credential *any_entry(struct credentials *credentials, uint32_t idx)
{
	return pool_in_use(&credentials->entries, idx) ? pool_at(&credentials->entries, idx) : NULL;
}

bool credentials_add_keys(
	struct credentials *credentials, struct span records, char reason[static IPC_REASON_MAX])
{
	struct reader reader = reader_over(records);
	struct key_burst burst = {.n = 0};
	struct record record;
	enum records_status status;
	bool well = true;

	while (well && (status = records_next(&reader, &record)) == RECORDS_NEXT) {
		well = add_to_burst(credentials, &record, &burst, reason);
		if (well && burst.n == KEY_NUMBERS_BURST)
			well = load_burst(credentials, &burst, reason);
	}
	if (well && status != RECORDS_END)
		well = refuse(reason, "private keys: the last record is cut off");
	// The entries of a burst are loaded also when a later record was refused: none stays without a key.
	return load_burst(credentials, &burst, reason) && well;
}

bool credentials_add_certificates(
	struct credentials *credentials, struct span records, char reason[static IPC_REASON_MAX])
{
	struct reader reader = reader_over(records);
	struct record record;
	enum records_status status;

	while ((status = records_next(&reader, &record)) == RECORDS_NEXT)
		if (!add_certificate(credentials, &record, reason))
			return false;
	return status == RECORDS_END || refuse(reason, "certificates: the last record is cut off");
}

void credentials_use(struct credential *credential)
{
	credential->n_users++;
}

void credentials_unuse(struct credential *credential)
{
	SLUICE_ASSERT(credential->n_users > 0);
	credential->n_users--;
}

void credentials_release(struct credentials *credentials, struct credential *credential)
{
	credentials_unuse(credential);
	if (credential->n_users == 0)
		forget(credentials, credential);
}

void credentials_sweep(struct credentials *credentials)
{
	for (uint32_t idx = 0; idx < credentials->entries.n_items; idx++) {
		struct credential *credential = any_entry(credentials, idx);

		if (credential != NULL && credential->n_users == 0)
			forget(credentials, credential);
	}
}

void credentials_forget_ids(struct credentials *credentials)
{
	credentials_sweep(credentials);
	for (uint32_t idx = 0; idx < credentials->entries.n_items; idx++) {
		struct credential *credential = any_entry(credentials, idx);

		if (credential != NULL)
			leave_bucket(credentials, credential);
	}
}
