// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/compress.h"

enum {
	BURST = 8 // streams handled at once; longer bursts are cut
};

void hash_init(struct hash_state *state, enum hash_id id)
{
	compress_init(&state->chain, id);
	state->total_len = 0;
	state->block_used = 0;
	state->id = (uint8_t)id;
}

void hash_update(struct hash_state *state, struct span bytes)
{
	size_t block_len = hash_block_len(state->id);
	size_t n_blocks;

	if (bytes.len == 0)
		return;
	state->total_len += bytes.len;
	if (state->block_used != 0) {
		size_t room = block_len - state->block_used;
		size_t len = bytes.len < room ? bytes.len : room;

		memcpy(state->block + state->block_used, bytes.data, len);
		state->block_used = (uint8_t)(state->block_used + len);
		bytes.data += len;
		bytes.len -= len;
		if (state->block_used < block_len)
			return;
		compress_blocks(state->id, &state->chain, state->block, 1);
		state->block_used = 0;
	}
	n_blocks = bytes.len / block_len;
	if (n_blocks != 0)
		compress_blocks(state->id, &state->chain, bytes.data, n_blocks);
	bytes.data += n_blocks * block_len;
	bytes.len -= n_blocks * block_len;
	if (bytes.len != 0)
		memcpy(state->block, bytes.data, bytes.len);
	state->block_used = (uint8_t)bytes.len;
}

// The last bytes and what belongs behind them; returns the number of blocks, 1 or 2.
static size_t pad(const struct hash_state *state, uint8_t out[2 * HASH_BLOCK_MAX_LEN])
{
	memcpy(out, state->block, state->block_used);
	return compress_pad(state->id, out, state->block_used, state->total_len);
}

void hash_peek(const struct hash_state *state, uint8_t *out)
{
	uint8_t last[2 * HASH_BLOCK_MAX_LEN];
	union hash_words chain = state->chain;

	compress_blocks(state->id, &chain, last, pad(state, last));
	compress_digest(state->id, &chain, out);
	wipe(last, sizeof last);
	wipe(&chain, sizeof chain);
}

void hash_final(struct hash_state *state, uint8_t *out)
{
	hash_peek(state, out);
	wipe(state, sizeof *state);
}

void hash_digest(enum hash_id id, struct span bytes, uint8_t *out)
{
	struct hash_state state;

	hash_init(&state, id);
	hash_update(&state, bytes);
	hash_final(&state, out);
}

// Tops up the partial blocks. Streams whose block became full are compressed together; what is left of each
// input starts at a block's beginning.
static void top_up(struct hash_state *const *states, struct span *inputs, size_t n)
{
	struct compress_stream full[BURST];
	size_t n_full = 0;
	size_t block_len = hash_block_len(states[0]->id);

	for (size_t i = 0; i < n; i++) {
		struct hash_state *state = states[i];
		size_t room = block_len - state->block_used;
		size_t len = inputs[i].len < room ? inputs[i].len : room;

		state->total_len += inputs[i].len;
		if (state->block_used == 0 || inputs[i].len == 0)
			continue;
		memcpy(state->block + state->block_used, inputs[i].data, len);
		state->block_used = (uint8_t)(state->block_used + len);
		inputs[i] = span_of(inputs[i].data + len, inputs[i].len - len);
		if (state->block_used < block_len)
			continue;
		state->block_used = 0;
		full[n_full++] = (struct compress_stream){
			.chain = &state->chain, .data = state->block, .n_blocks = 1};
	}
	compress_burst(states[0]->id, full, n_full);
}

static void update_burst(struct hash_state *const *states, const struct span *inputs, size_t n)
{
	struct compress_stream streams[BURST];
	struct span left[BURST];
	size_t n_streams = 0;
	size_t block_len = hash_block_len(states[0]->id);

	memcpy(left, inputs, n * sizeof *left);
	top_up(states, left, n);
	for (size_t i = 0; i < n; i++)
		if (left[i].len >= block_len)
			streams[n_streams++] = (struct compress_stream){.chain = &states[i]->chain,
				.data = left[i].data,
				.n_blocks = left[i].len / block_len};
	compress_burst(states[0]->id, streams, n_streams);
	for (size_t i = 0; i < n; i++) {
		size_t rest = left[i].len % block_len;

		if (rest == 0)
			continue;
		memcpy(states[i]->block + states[i]->block_used, left[i].data + left[i].len - rest, rest);
		states[i]->block_used = (uint8_t)(states[i]->block_used + rest);
	}
}

// How many of the first n states have the first one's hash, at most a burst.
static size_t run_length(struct hash_state *const *states, size_t n)
{
	size_t len = 1;

	while (len < n && len < BURST && states[len]->id == states[0]->id)
		len++;
	return len;
}

void hash_update_burst(struct hash_state *const *states, const struct span *inputs, size_t n)
{
	while (n != 0) {
		size_t len = run_length(states, n);

		update_burst(states, inputs, len);
		states += len;
		inputs += len;
		n -= len;
	}
}

void hash_final_burst(struct hash_state *const *states, uint8_t *const *outs, size_t n)
{
	uint8_t last[BURST][2 * HASH_BLOCK_MAX_LEN];
	struct compress_stream streams[BURST];

	while (n != 0) {
		size_t len = run_length(states, n);

		for (size_t i = 0; i < len; i++)
			streams[i] = (struct compress_stream){.chain = &states[i]->chain,
				.data = last[i],
				.n_blocks = pad(states[i], last[i])};
		compress_burst(states[0]->id, streams, len);
		for (size_t i = 0; i < len; i++) {
			compress_digest(states[i]->id, &states[i]->chain, outs[i]);
			wipe(states[i], sizeof *states[i]);
		}
		states += len;
		outs += len;
		n -= len;
	}
	wipe(last, sizeof last);
}
