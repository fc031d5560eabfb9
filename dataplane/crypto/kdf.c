// SPDX-License-Identifier: Apache-2.0
//
// All of it stands on one function, hmac_buffers: n messages in buffers that have room for their padding go
// through the compression function stage by stage, all streams of a stage together. A single HMAC is a burst
// of one.
#include "crypto/kdf.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "base/writer.h"
#include "crypto/compress.h"

enum {
	BURST = 8, // derivations handled at once; longer bursts are cut
	// HkdfLabel (RFC 8446 7.1): length, label and context with a length byte each; HKDF-Expand's counter.
	INFO_MAX_LEN = 2 + 1 + 255 + 1 + 255 + 1,
	// A message and its padding.
	BUFFER_LEN = 6 * HASH_BLOCK_MAX_LEN,
	SHORT_MAX_LEN = BUFFER_LEN - 1 - HASH_BLOCK_MAX_LEN / 8
};

_Static_assert(INFO_MAX_LEN + HASH_MAX_LEN <= SHORT_MAX_LEN, "whatever HKDF-Expand-Label hashes is short");

const uint8_t kdf_zeros[HASH_MAX_LEN];

// HMAC of the lens[i] bytes at buffers[i], each of BUFFER_LEN, which are padded in place.
static void hmac_buffers(const struct hmac_key *const *keys, uint8_t (*buffers)[BUFFER_LEN],
	const size_t *lens, uint8_t *const *outs, size_t n)
{
	enum hash_id id = keys[0]->id;
	size_t block_len = hash_block_len(id);
	struct compress_stream streams[BURST];
	union hash_words chains[BURST];
	uint8_t outer[BURST][HASH_BLOCK_MAX_LEN];

	for (size_t i = 0; i < n; i++) {
		chains[i] = keys[i]->inner;
		streams[i] = (struct compress_stream){
			&chains[i], buffers[i], compress_pad(id, buffers[i], lens[i], block_len + lens[i])};
	}
	compress_burst(id, streams, n);
	for (size_t i = 0; i < n; i++) {
		compress_digest(id, &chains[i], outer[i]);
		chains[i] = keys[i]->outer;
		streams[i] = (struct compress_stream){&chains[i], outer[i],
			compress_pad(id, outer[i], hash_len(id), block_len + hash_len(id))};
	}
	compress_burst(id, streams, n);
	for (size_t i = 0; i < n; i++)
		compress_digest(id, &chains[i], outs[i]);
	wipe(chains, n * sizeof chains[0]);
	wipe(outer, n * sizeof outer[0]);
}

typedef uint64_t pad_word __attribute__((vector_size(16), may_alias));

// A key that fits a block, XORed with RFC 2104's two pads. Whole vectors are stored, because whole vectors
// are what the compression function loads a moment later.
static void xor_pads(struct span secret, size_t block_len, uint8_t *inner, uint8_t *outer)
{
	const pad_word inner_pad = {UINT64_C(0x3636363636363636), UINT64_C(0x3636363636363636)};
	const pad_word outer_pad = {UINT64_C(0x5c5c5c5c5c5c5c5c), UINT64_C(0x5c5c5c5c5c5c5c5c)};
	pad_word key[HASH_BLOCK_MAX_LEN / sizeof(pad_word)] = {{0}};

	if (secret.len != 0)
		memcpy(key, secret.data, secret.len);
	for (size_t i = 0; i < block_len / sizeof(pad_word); i++) {
		*(pad_word *)(void *)(inner + i * sizeof(pad_word)) = key[i] ^ inner_pad;
		*(pad_word *)(void *)(outer + i * sizeof(pad_word)) = key[i] ^ outer_pad;
	}
	wipe(key, sizeof key);
}

// Keys that fit a block, all pads compressed together.
static void key_init_burst(
	struct hmac_key *const *keys, enum hash_id id, const struct span *secrets, size_t n)
{
	_Alignas(16) uint8_t pads[2 * BURST][HASH_BLOCK_MAX_LEN];
	struct compress_stream streams[2 * BURST];

	for (size_t i = 0; i < n; i++) {
		xor_pads(secrets[i], hash_block_len(id), pads[2 * i], pads[2 * i + 1]);
		keys[i]->id = (uint8_t)id;
		compress_init(&keys[i]->inner, id);
		compress_init(&keys[i]->outer, id);
		streams[2 * i] = (struct compress_stream){&keys[i]->inner, pads[2 * i], 1};
		streams[2 * i + 1] = (struct compress_stream){&keys[i]->outer, pads[2 * i + 1], 1};
	}
	compress_burst(id, streams, 2 * n);
	wipe(pads, sizeof pads[0] * 2 * n);
}

void hmac_key_init(struct hmac_key *key, enum hash_id id, struct span secret)
{
	uint8_t digest[HASH_MAX_LEN];

	if (secret.len > hash_block_len(id)) {
		hash_digest(id, secret, digest);
		secret = span_of(digest, hash_len(id));
	}
	key_init_burst(&key, id, &secret, 1);
	wipe(digest, sizeof digest);
}

// A hash that has absorbed the inner or outer pad already.
static void init_after_pad(struct hash_state *state, enum hash_id id, const union hash_words *chain)
{
	state->chain = *chain;
	state->total_len = hash_block_len(id);
	state->block_used = 0;
	state->id = (uint8_t)id;
}

void hmac_init(struct hmac_state *state, const struct hmac_key *key)
{
	init_after_pad(&state->inner, key->id, &key->inner);
	state->outer = key->outer;
}

void hmac_update(struct hmac_state *state, struct span bytes)
{
	hash_update(&state->inner, bytes);
}

void hmac_final(struct hmac_state *state, uint8_t *out)
{
	uint8_t digest[HASH_MAX_LEN];
	enum hash_id id = state->inner.id;

	hash_final(&state->inner, digest);
	init_after_pad(&state->inner, id, &state->outer);
	hash_update(&state->inner, span_of(digest, hash_len(id)));
	hash_final(&state->inner, out);
	wipe(digest, sizeof digest);
	wipe(&state->outer, sizeof state->outer);
}

static void hmac_long(const struct hmac_key *key, const struct span *parts, size_t n_parts, uint8_t *out)
{
	struct hmac_state state;

	hmac_init(&state, key);
	for (size_t i = 0; i < n_parts; i++)
		hmac_update(&state, parts[i]);
	hmac_final(&state, out);
}

void hmac_parts(const struct hmac_key *key, const struct span *parts, size_t n_parts, uint8_t *out)
{
	uint8_t buffer[1][BUFFER_LEN];
	size_t len = 0;

	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].len > SHORT_MAX_LEN - len) {
			hmac_long(key, parts, n_parts, out);
			return;
		}
		if (parts[i].len != 0)
			memcpy(buffer[0] + len, parts[i].data, parts[i].len);
		len += parts[i].len;
	}
	hmac_buffers(&key, buffer, &len, &out, 1);
	wipe(buffer, len);
}

void hmac(enum hash_id id, struct span secret, struct span message, uint8_t *out)
{
	struct hmac_key key;

	hmac_key_init(&key, id, secret);
	hmac_parts(&key, &message, 1, out);
	wipe(&key, sizeof key);
}

void hkdf_extract(enum hash_id id, struct span salt, struct span ikm, uint8_t *out)
{
	hmac(id, salt, ikm, out);
}

// T(1), T(2), ... of RFC 5869 2.3 with a key that is set.
static void expand(const struct hmac_key *key, struct span info, struct mut_span out)
{
	uint8_t block[HASH_MAX_LEN];
	size_t block_len = 0;
	uint8_t counter = 0;

	SLUICE_ASSERT(out.len <= 255 * hash_len(key->id));
	while (out.len != 0) {
		size_t len;

		counter++;
		hmac_parts(key, (const struct span[]){{block, block_len}, info, {&counter, 1}}, 3, block);
		block_len = hash_len(key->id);
		len = out.len < block_len ? out.len : block_len;
		memcpy(out.data, block, len);
		out.data += len;
		out.len -= len;
	}
	wipe(block, sizeof block);
}

void hkdf_expand(enum hash_id id, struct span prk, struct span info, struct mut_span out)
{
	struct hmac_key key;

	hmac_key_init(&key, id, prk);
	expand(&key, info, out);
	wipe(&key, sizeof key);
}

// struct HkdfLabel of RFC 8446 7.1; returns its length.
static size_t write_label(uint8_t *buffer, const char *label, struct span context, size_t out_len)
{
	struct writer writer = writer_over((struct mut_span){buffer, INFO_MAX_LEN});
	struct writer_mark mark;

	writer_u16(&writer, (uint16_t)out_len);
	mark = writer_open8(&writer);
	writer_bytes(&writer, span_of_string("tls13 "));
	writer_bytes(&writer, span_of_string(label));
	writer_close(&writer, mark);
	mark = writer_open8(&writer);
	writer_bytes(&writer, context);
	writer_close(&writer, mark);
	SLUICE_ASSERT(writer_ok(&writer));
	return writer.len;
}

void kdf_expand_label(
	enum hash_id id, struct span secret, const char *label, struct span context, struct mut_span out)
{
	uint8_t info[INFO_MAX_LEN];

	if (out.len <= hash_len(id)) {
		const struct kdf_label_job job = {secret, label, context, out};

		kdf_expand_label_burst(id, &job, 1);
		return;
	}
	hkdf_expand(id, secret, span_of(info, write_label(info, label, context, out.len)), out);
}

void kdf_derive_secret(
	enum hash_id id, struct span secret, const char *label, struct span transcript_hash, uint8_t *out)
{
	kdf_expand_label(id, secret, label, transcript_hash, (struct mut_span){out, hash_len(id)});
}

// Keys for the secrets of a burst; neighbours that name the same secret share one.
static void key_jobs(enum hash_id id, const struct kdf_label_job *jobs, size_t n, struct hmac_key keys[BURST],
	const struct hmac_key *out_key_of[BURST])
{
	struct hmac_key *fresh[BURST];
	struct span secrets[BURST];
	size_t n_fresh = 0;

	for (size_t i = 0; i < n; i++) {
		SLUICE_ASSERT(jobs[i].secret.len == hash_len(id));
		if (i == 0 || jobs[i].secret.data != jobs[i - 1].secret.data) {
			secrets[n_fresh] = jobs[i].secret;
			fresh[n_fresh] = &keys[n_fresh];
			n_fresh++;
		}
		out_key_of[i] = fresh[n_fresh - 1];
	}
	key_init_burst(fresh, id, secrets, n_fresh);
}

// Single-block HKDF-Expand (RFC 5869 2.3: T(1) = HMAC(PRK, info | 1)) of up to BURST jobs.
static void expand_label_burst(enum hash_id id, const struct kdf_label_job *jobs, size_t n)
{
	struct hmac_key keys[BURST];
	const struct hmac_key *key_of[BURST];
	uint8_t buffers[BURST][BUFFER_LEN];
	size_t lens[BURST];
	uint8_t digests[BURST][HASH_MAX_LEN];
	uint8_t *digest_at[BURST];

	key_jobs(id, jobs, n, keys, key_of);
	for (size_t i = 0; i < n; i++) {
		SLUICE_ASSERT(jobs[i].out.len <= hash_len(id));
		lens[i] = write_label(buffers[i], jobs[i].label, jobs[i].context, jobs[i].out.len);
		buffers[i][lens[i]++] = 1;
		digest_at[i] = digests[i];
	}
	hmac_buffers(key_of, buffers, lens, digest_at, n);
	for (size_t i = 0; i < n; i++)
		memcpy(jobs[i].out.data, digests[i], jobs[i].out.len);
	wipe(keys, n * sizeof keys[0]);
	wipe(digests, n * sizeof digests[0]);
}

void kdf_expand_label_burst(enum hash_id id, const struct kdf_label_job *jobs, size_t n)
{
	while (n != 0) {
		size_t len = n < BURST ? n : BURST;

		expand_label_burst(id, jobs, len);
		jobs += len;
		n -= len;
	}
}

void kdf_tls12_prf(enum hash_id id, struct span secret, const char *label, const struct span seeds[2],
	struct mut_span out)
{
	const struct span seed[3] = {span_of_string(label), seeds[0], seeds[1]};
	struct hmac_key key;
	uint8_t a[HASH_MAX_LEN];
	uint8_t block[HASH_MAX_LEN];
	size_t block_len = hash_len(id);

	hmac_key_init(&key, id, secret);
	hmac_parts(&key, seed, 3, a);
	while (out.len != 0) {
		const struct span parts[4] = {span_of(a, block_len), seed[0], seed[1], seed[2]};
		size_t len = out.len < block_len ? out.len : block_len;

		hmac_parts(&key, parts, 4, block);
		memcpy(out.data, block, len);
		out.data += len;
		out.len -= len;
		if (out.len != 0)
			hmac_parts(&key, parts, 1, a);
	}
	wipe(&key, sizeof key);
	wipe(a, sizeof a);
	wipe(block, sizeof block);
}
