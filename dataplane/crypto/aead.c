// SPDX-License-Identifier: Apache-2.0
//
// Records in one piece go through ipsec-mb's direct calls, which are the fastest that it has for a single
// record. AES-GCM records in several pieces go through its init, update and finalize: for 16 KB in segments
// of 1,448 bytes that costs no more than gathering the pieces first, needs no buffer, and works in place.
// ChaCha20-Poly1305 is slow in pieces that are not whole blocks: where the output is one piece, the input is
// gathered there first and then worked on in one call. docs/crypto.md has the figures.
#include "crypto/aead.h"

#include "base/assert.h"
#include "base/wipe.h"

#include <intel-ipsec-mb.h>

#define COUNT(cache, id, n) \
	do { \
		if ((cache)->counters != NULL) \
			counter_add((cache)->counters, COUNTER_##id, (n)); \
	} while (0)

// What both algorithms keep while a record is under way; holds key stream, so it is wiped.
union aead_context {
	struct gcm_context_data gcm;
	struct chacha20_poly1305_context_data chacha;
};

// One record's operation, resolved: which functions, with which key and nonce.
struct operation {
	const struct aead_cache *cache;
	const struct aead_key *key;
	const struct gcm_key_data *tables; // NULL for ChaCha20-Poly1305
	union aead_context *context;
	struct span aad;
	uint8_t nonce[AEAD_NONCE_LEN];
	bool seal;
};

// A place in a list of pieces.
struct input_cursor {
	const struct span *piece;
	const struct span *end;
	size_t offset;
};

struct output_cursor {
	const struct mut_span *piece;
	const struct mut_span *end;
	size_t offset;
};

size_t aead_cache_footprint(uint32_t n_slots)
{
	return imb_get_mb_mgr_size() +
	       n_slots * (sizeof(struct gcm_key_data) + sizeof(struct aead_slot_head)) + 4 * 64;
}

bool aead_cache_init(
	struct aead_cache *cache, struct arena *arena, uint32_t n_slots, struct counters *counters)
{
	void *mgr = arena_alloc(arena, imb_get_mb_mgr_size(), 64);

	SLUICE_ASSERT(n_slots >= 1 && n_slots <= UINT16_MAX);
	*cache = (struct aead_cache){.n_slots = n_slots, .counters = counters};
	cache->slots = arena_alloc(arena, n_slots * sizeof *cache->slots, 64);
	cache->heads = arena_alloc(arena, n_slots * sizeof *cache->heads, 64);
	if (mgr == NULL || cache->slots == NULL || cache->heads == NULL)
		return false;
	cache->mgr = imb_set_pointers_mb_mgr(mgr, 0, 1);
	if (cache->mgr == NULL)
		return false;
	init_mb_mgr_auto(cache->mgr, NULL);
	return imb_get_errno(cache->mgr) == 0;
}

void aead_cache_wipe(struct aead_cache *cache)
{
	wipe(cache->slots, cache->n_slots * sizeof *cache->slots);
	wipe(cache->heads, cache->n_slots * sizeof *cache->heads);
}

void aead_key_init(struct aead_cache *cache, struct aead_key *key, enum aead_id id, enum aead_nonce_form form,
	const struct span key_and_iv[2])
{
	SLUICE_ASSERT(key_and_iv[0].len == aead_key_len(id) && key_and_iv[1].len == aead_iv_len(form));
	memset(key, 0, sizeof *key);
	memcpy(key->key, key_and_iv[0].data, key_and_iv[0].len);
	memcpy(key->iv, key_and_iv[1].data, key_and_iv[1].len);
	key->id = (uint8_t)id;
	key->nonce_form = (uint8_t)form;
	key->serial = ++cache->last_serial;
}

static bool slot_holds(const struct aead_cache *cache, const struct aead_key *key)
{
	return key->serial != 0 && key->slot_idx < cache->n_slots &&
	       cache->heads[key->slot_idx].serial == key->serial;
}

void aead_key_destroy(struct aead_cache *cache, struct aead_key *key)
{
	if (slot_holds(cache, key)) {
		wipe(&cache->slots[key->slot_idx], sizeof *cache->slots);
		cache->heads[key->slot_idx] = (struct aead_slot_head){0};
	}
	wipe(key, sizeof *key);
}

// The clock hand gives every slot that was used since its last round one more round.
static uint16_t free_slot(struct aead_cache *cache)
{
	for (;;) {
		uint32_t idx = cache->hand;
		struct aead_slot_head *head = &cache->heads[idx];

		cache->hand = idx + 1 < cache->n_slots ? idx + 1 : 0;
		if (head->serial == 0)
			return (uint16_t)idx;
		if (!head->referenced) {
			wipe(&cache->slots[idx], sizeof *cache->slots);
			head->serial = 0;
			COUNT(cache, CRYPTO_AEAD_EVICTED, 1);
			return (uint16_t)idx;
		}
		head->referenced = false;
	}
}

static const struct gcm_key_data *expanded(struct aead_cache *cache, struct aead_key *key)
{
	if (key->id == AEAD_CHACHA20_POLY1305)
		return NULL;
	SLUICE_ASSERT(key->serial != 0);
	if (!slot_holds(cache, key)) {
		key->slot_idx = free_slot(cache);
		if (key->id == AEAD_AES_128_GCM)
			IMB_AES128_GCM_PRE(cache->mgr, key->key, &cache->slots[key->slot_idx]);
		else
			IMB_AES256_GCM_PRE(cache->mgr, key->key, &cache->slots[key->slot_idx]);
		cache->heads[key->slot_idx].serial = key->serial;
		COUNT(cache, CRYPTO_AEAD_EXPANDED, 1);
	}
	cache->heads[key->slot_idx].referenced = true;
	return &cache->slots[key->slot_idx];
}

// RFC 8446 5.3, RFC 5288 3.
static void make_nonce(const struct aead_key *key, uint64_t number, uint8_t nonce[AEAD_NONCE_LEN])
{
	memcpy(nonce, key->iv, AEAD_NONCE_LEN);
	for (size_t i = 0; i < 8; i++) {
		uint8_t byte = (uint8_t)(number >> (56 - 8 * i));

		nonce[4 + i] = key->nonce_form == AEAD_NONCE_XOR ? nonce[4 + i] ^ byte : byte;
	}
}

// A record that lies in one piece on both sides.
static void run_whole(const struct operation *op, uint8_t *out, const uint8_t *in, size_t len, uint8_t *tag)
{
	IMB_MGR *mgr = op->cache->mgr;
	aes_gcm_enc_dec_t function;

	if (op->tables == NULL) {
		IMB_CHACHA20_POLY1305_INIT(
			mgr, op->key->key, &op->context->chacha, op->nonce, op->aad.data, op->aad.len);
		if (op->seal)
			IMB_CHACHA20_POLY1305_ENC_UPDATE(
				mgr, op->key->key, &op->context->chacha, out, in, len);
		else
			IMB_CHACHA20_POLY1305_DEC_UPDATE(
				mgr, op->key->key, &op->context->chacha, out, in, len);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr, &op->context->chacha, tag, AEAD_TAG_LEN);
		return;
	}
	if (op->key->id == AEAD_AES_128_GCM)
		function = op->seal ? mgr->gcm128_enc : mgr->gcm128_dec;
	else
		function = op->seal ? mgr->gcm256_enc : mgr->gcm256_dec;
	function(op->tables, &op->context->gcm, out, in, len, op->nonce, op->aad.data, op->aad.len, tag,
		AEAD_TAG_LEN);
}

static void begin(const struct operation *op)
{
	IMB_MGR *mgr = op->cache->mgr;

	if (op->tables == NULL)
		IMB_CHACHA20_POLY1305_INIT(
			mgr, op->key->key, &op->context->chacha, op->nonce, op->aad.data, op->aad.len);
	else if (op->key->id == AEAD_AES_128_GCM)
		IMB_AES128_GCM_INIT(mgr, op->tables, &op->context->gcm, op->nonce, op->aad.data, op->aad.len);
	else
		IMB_AES256_GCM_INIT(mgr, op->tables, &op->context->gcm, op->nonce, op->aad.data, op->aad.len);
}

static void update(const struct operation *op, uint8_t *out, const uint8_t *in, size_t len)
{
	IMB_MGR *mgr = op->cache->mgr;
	aes_gcm_enc_dec_update_t function;

	if (op->tables == NULL) {
		if (op->seal)
			IMB_CHACHA20_POLY1305_ENC_UPDATE(
				mgr, op->key->key, &op->context->chacha, out, in, len);
		else
			IMB_CHACHA20_POLY1305_DEC_UPDATE(
				mgr, op->key->key, &op->context->chacha, out, in, len);
		return;
	}
	if (op->key->id == AEAD_AES_128_GCM)
		function = op->seal ? mgr->gcm128_enc_update : mgr->gcm128_dec_update;
	else
		function = op->seal ? mgr->gcm256_enc_update : mgr->gcm256_dec_update;
	function(op->tables, &op->context->gcm, out, in, len);
}

static void finish(const struct operation *op, uint8_t tag[AEAD_TAG_LEN])
{
	IMB_MGR *mgr = op->cache->mgr;

	if (op->tables == NULL)
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr, &op->context->chacha, tag, AEAD_TAG_LEN);
	else if (op->key->id == AEAD_AES_128_GCM)
		IMB_AES128_GCM_ENC_FINALIZE(mgr, op->tables, &op->context->gcm, tag, AEAD_TAG_LEN);
	else
		IMB_AES256_GCM_ENC_FINALIZE(mgr, op->tables, &op->context->gcm, tag, AEAD_TAG_LEN);
}

static size_t input_len(const struct aead_job *job)
{
	size_t len = 0;

	for (unsigned i = 0; i < job->n_inputs; i++)
		len += job->inputs[i].len;
	return len;
}

static size_t output_len(const struct aead_job *job)
{
	size_t len = 0;

	for (unsigned i = 0; i < job->n_outputs; i++)
		len += job->outputs[i].len;
	return len;
}

// Steps over exhausted pieces; what is left of the current one, 0 at the end.
static size_t input_left(struct input_cursor *cursor)
{
	while (cursor->piece != cursor->end && cursor->offset == cursor->piece->len) {
		cursor->piece++;
		cursor->offset = 0;
	}
	return cursor->piece != cursor->end ? cursor->piece->len - cursor->offset : 0;
}

static size_t output_left(struct output_cursor *cursor)
{
	while (cursor->piece != cursor->end && cursor->offset == cursor->piece->len) {
		cursor->piece++;
		cursor->offset = 0;
	}
	return cursor->piece != cursor->end ? cursor->piece->len - cursor->offset : 0;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

// Runs len bytes from piece to piece; both cursors stand behind them afterwards.
static void run_pieces(
	const struct operation *op, struct input_cursor *in, struct output_cursor *out, size_t len)
{
	begin(op);
	while (len != 0) {
		size_t n = smallest(input_left(in), output_left(out), len);

		update(op, out->piece->data + out->offset, in->piece->data + in->offset, n);
		in->offset += n;
		out->offset += n;
		len -= n;
	}
}

// In place, by the rule of aead.h: then the pieces lie in a row.
static bool is_in_place(const struct aead_job *job)
{
	for (unsigned i = 0; i < job->n_inputs; i++)
		if (job->inputs[i].len != 0)
			return job->inputs[i].data == job->outputs[0].data;
	return false;
}

static void gather(const struct aead_job *job, size_t len, uint8_t *out)
{
	for (unsigned i = 0; i < job->n_inputs && len != 0; i++) {
		size_t n = job->inputs[i].len < len ? job->inputs[i].len : len;

		if (n == 0)
			continue;
		memcpy(out, job->inputs[i].data, n);
		out += n;
		len -= n;
	}
}

// Where the first len bytes of the input lie in one piece, for a job whose output is one; NULL when they are
// to be worked on piece by piece.
static const uint8_t *whole_input(const struct operation *op, const struct aead_job *job, size_t len)
{
	if (job->n_outputs != 1)
		return NULL;
	if (job->n_inputs == 1)
		return job->inputs[0].data;
	if (!is_in_place(job)) {
		if (op->tables != NULL)
			return NULL;
		gather(job, len, job->outputs[0].data);
	}
	return job->outputs[0].data;
}

static void seal_job(struct operation *op, struct aead_job *job)
{
	size_t len = input_len(job);
	struct input_cursor in = {job->inputs, job->inputs + job->n_inputs, 0};
	struct output_cursor out = {job->outputs, job->outputs + job->n_outputs, 0};
	uint8_t tag[AEAD_TAG_LEN];
	const uint8_t *data;
	size_t done = 0;

	SLUICE_ASSERT(output_len(job) == len + AEAD_TAG_LEN);
	job->status = AEAD_OK;
	data = whole_input(op, job, len);
	if (data != NULL) {
		run_whole(op, job->outputs[0].data, data, len, job->outputs[0].data + len);
		return;
	}
	run_pieces(op, &in, &out, len);
	finish(op, tag);
	while (done < AEAD_TAG_LEN) {
		size_t n = smallest(output_left(&out), AEAD_TAG_LEN - done, AEAD_TAG_LEN);

		memcpy(out.piece->data + out.offset, tag + done, n);
		out.offset += n;
		done += n;
	}
}

// Copies the last bytes of the input, from offset on, before anything is written that may lie there.
static void read_tag(const struct aead_job *job, size_t offset, uint8_t tag[AEAD_TAG_LEN])
{
	size_t done = 0;

	for (unsigned i = 0; i < job->n_inputs; i++) {
		struct span piece = job->inputs[i];
		size_t skipped = smallest(offset, piece.len, piece.len);

		offset -= skipped;
		if (piece.len != skipped)
			memcpy(tag + done, piece.data + skipped, piece.len - skipped);
		done += piece.len - skipped;
	}
}

static void open_job(struct operation *op, struct aead_job *job)
{
	size_t len = input_len(job);
	struct input_cursor in = {job->inputs, job->inputs + job->n_inputs, 0};
	struct output_cursor out = {job->outputs, job->outputs + job->n_outputs, 0};
	uint8_t expected[AEAD_TAG_LEN];
	uint8_t tag[AEAD_TAG_LEN];
	const uint8_t *data;

	job->status = AEAD_BAD_TAG;
	SLUICE_ASSERT(output_len(job) == (len < AEAD_TAG_LEN ? 0 : len - AEAD_TAG_LEN));
	if (len < AEAD_TAG_LEN)
		return;
	len -= AEAD_TAG_LEN;
	read_tag(job, len, tag);
	data = whole_input(op, job, len);
	if (data != NULL) {
		run_whole(op, job->outputs[0].data, data, len, expected);
	} else {
		run_pieces(op, &in, &out, len);
		finish(op, expected);
	}
	if (constant_time_equal(tag, expected, AEAD_TAG_LEN)) {
		job->status = AEAD_OK;
	} else {
		for (unsigned i = 0; i < job->n_outputs; i++)
			wipe(job->outputs[i].data, job->outputs[i].len);
	}
	wipe(expected, sizeof expected);
}

// Fetches what the jobs behind the current one will need: a key's tables are 1 KB in lines of 64 bytes, and
// between two records of a connection many others pass.
static void prefetch(const struct aead_cache *cache, const struct aead_job *jobs, size_t n)
{
	const uint8_t *tables;

	if (n > 2)
		__builtin_prefetch(jobs[2].key);
	if (n < 2 || !slot_holds(cache, jobs[1].key))
		return;
	tables = (const uint8_t *)&cache->slots[jobs[1].key->slot_idx];
	for (size_t offset = 0; offset < sizeof *cache->slots; offset += 64)
		__builtin_prefetch(tables + offset);
}

void aead_seal_burst(struct aead_cache *cache, struct aead_job *jobs, size_t n)
{
	union aead_context context;
	struct operation op = {.cache = cache, .context = &context, .seal = true};

	for (size_t i = 0; i < n; i++) {
		prefetch(cache, jobs + i, n - i);
		op.key = jobs[i].key;
		op.tables = expanded(cache, jobs[i].key);
		op.aad = jobs[i].aad;
		make_nonce(op.key, jobs[i].nonce, op.nonce);
		seal_job(&op, &jobs[i]);
	}
	wipe(&context, sizeof context);
	COUNT(cache, CRYPTO_SEALED_RECORDS, n);
}

size_t aead_open_burst(struct aead_cache *cache, struct aead_job *jobs, size_t n)
{
	union aead_context context;
	struct operation op = {.cache = cache, .context = &context, .seal = false};
	size_t n_bad = 0;

	for (size_t i = 0; i < n; i++) {
		prefetch(cache, jobs + i, n - i);
		op.key = jobs[i].key;
		op.tables = expanded(cache, jobs[i].key);
		op.aad = jobs[i].aad;
		make_nonce(op.key, jobs[i].nonce, op.nonce);
		open_job(&op, &jobs[i]);
		n_bad += jobs[i].status != AEAD_OK;
	}
	wipe(&context, sizeof context);
	COUNT(cache, CRYPTO_OPENED_RECORDS, n - n_bad);
	COUNT(cache, CRYPTO_BAD_TAGS, n_bad);
	return n_bad;
}

void aead_seal(struct aead_cache *cache, struct aead_key *key, const uint8_t nonce[AEAD_NONCE_LEN],
	const struct span aad_and_plaintext[2], struct mut_span out)
{
	union aead_context context;
	struct operation op = {
		.cache = cache,
		.key = key,
		.tables = expanded(cache, key),
		.context = &context,
		.aad = aad_and_plaintext[0],
		.seal = true,
	};
	struct aead_job job = {
		.inputs = &aad_and_plaintext[1], .n_inputs = 1, .outputs = &out, .n_outputs = 1};

	memcpy(op.nonce, nonce, AEAD_NONCE_LEN);
	seal_job(&op, &job);
	wipe(&context, sizeof context);
}

enum aead_status aead_open(struct aead_cache *cache, struct aead_key *key,
	const uint8_t nonce[AEAD_NONCE_LEN], const struct span aad_and_box[2], struct mut_span out)
{
	union aead_context context;
	struct operation op = {
		.cache = cache,
		.key = key,
		.tables = expanded(cache, key),
		.context = &context,
		.aad = aad_and_box[0],
		.seal = false,
	};
	struct aead_job job = {.inputs = &aad_and_box[1], .n_inputs = 1, .outputs = &out, .n_outputs = 1};

	memcpy(op.nonce, nonce, AEAD_NONCE_LEN);
	open_job(&op, &job);
	wipe(&context, sizeof context);
	return job.status;
}
