// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "base/writer.h"
#include "crypto/compress.h"

enum {
	BURST = 8, // derivations handled at once; longer bursts are cut
	// HkdfLabel: length, label and context with a length byte each, and HKDF-Expand's counter.
	INFO_MAX_LEN = 2 + 1 + 255 + 1 + 255 + 1
};

const uint8_t kdf_zeros[HASH_MAX_LEN];

// Keys that fit a block, one per stream: RFC 2104's two pads, all compressed together.
static void key_init_burst(
	struct hmac_key *const *keys, enum hash_id id, const struct span *secrets, size_t n)
{
	uint8_t pads[2 * BURST][HASH_BLOCK_MAX_LEN];
	struct compress_stream streams[2 * BURST];
	size_t block_len = hash_block_len(id);

	for (size_t i = 0; i < n; i++) {
		uint8_t *inner = pads[2 * i];
		uint8_t *outer = pads[2 * i + 1];

		memset(inner, 0x36, block_len);
		memset(outer, 0x5c, block_len);
		for (size_t j = 0; j < secrets[i].len; j++) {
			inner[j] = (uint8_t)(inner[j] ^ secrets[i].data[j]);
			outer[j] = (uint8_t)(outer[j] ^ secrets[i].data[j]);
		}
		keys[i]->id = (uint8_t)id;
		compress_init(&keys[i]->inner, id);
		compress_init(&keys[i]->outer, id);
		streams[2 * i] = (struct compress_stream){&keys[i]->inner, inner, 1};
		streams[2 * i + 1] = (struct compress_stream){&keys[i]->outer, outer, 1};
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

void hmac_parts(const struct hmac_key *key, const struct span *parts, size_t n_parts, uint8_t *out)
{
	struct hmac_state state;

	hmac_init(&state, key);
	for (size_t i = 0; i < n_parts; i++)
		hmac_update(&state, parts[i]);
	hmac_final(&state, out);
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

// struct HkdfLabel of RFC 8446 7.1.
static struct span write_label(
	uint8_t buffer[INFO_MAX_LEN], const char *label, struct span context, size_t out_len)
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
	return writer_span(&writer);
}

void kdf_expand_label(
	enum hash_id id, struct span secret, const char *label, struct span context, struct mut_span out)
{
	uint8_t info[INFO_MAX_LEN];

	hkdf_expand(id, secret, write_label(info, label, context, out.len), out);
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

// Single-block HKDF-Expand of up to BURST jobs, stage by stage.
static void expand_label_burst(enum hash_id id, const struct kdf_label_job *jobs, size_t n)
{
	static const uint8_t first_counter = 1;
	struct hmac_key keys[BURST];
	const struct hmac_key *key_of[BURST];
	struct hash_state states[BURST];
	struct hash_state *state_at[BURST];
	uint8_t digests[BURST][HASH_MAX_LEN];
	uint8_t *digest_at[BURST];
	struct span inputs[BURST];

	key_jobs(id, jobs, n, keys, key_of);
	for (size_t i = 0; i < n; i++) {
		uint8_t info[INFO_MAX_LEN];
		struct span label = write_label(info, jobs[i].label, jobs[i].context, jobs[i].out.len);

		SLUICE_ASSERT(jobs[i].out.len <= hash_len(id));
		state_at[i] = &states[i];
		digest_at[i] = digests[i];
		init_after_pad(&states[i], id, &key_of[i]->inner);
		hash_update(&states[i], label);
		hash_update(&states[i], span_of(&first_counter, 1));
	}
	hash_final_burst(state_at, digest_at, n);
	for (size_t i = 0; i < n; i++) {
		init_after_pad(&states[i], id, &key_of[i]->outer);
		inputs[i] = span_of(digests[i], hash_len(id));
	}
	hash_update_burst(state_at, inputs, n);
	hash_final_burst(state_at, digest_at, n);
	for (size_t i = 0; i < n; i++)
		memcpy(jobs[i].out.data, digests[i], jobs[i].out.len);
	wipe(keys, sizeof keys);
	wipe(digests, sizeof digests);
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
