// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4 6.2) with the SHA extensions. Like crypto/mb/vec.h this file holds intrinsics, and only
// for this one instruction set; its plain reference is sha256_blocks_portable.
//
// sha256rnds2 does two rounds but takes four cycles, and each needs the one before: a single stream leaves
// the unit idle most of the time. So the body is written for n streams side by side, and n is 1 to 4.
//
// The instructions keep the eight working variables as two vectors, (a b e f) and (c d g h), highest word
// first.
#include "crypto/compress.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

struct ni_state {
	__m128i abef;
	__m128i cdgh;
};

INLINE struct ni_state state_load(const uint32_t chain[8])
{
	__m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)chain);
	__m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(chain + 4));
	__m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
	__m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);

	return (struct ni_state){
		.abef = _mm_alignr_epi8(cdab, efgh, 8),
		.cdgh = _mm_blend_epi16(efgh, cdab, 0xf0),
	};
}

INLINE void state_store(uint32_t chain[8], struct ni_state state)
{
	__m128i feba = _mm_shuffle_epi32(state.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)(void *)chain, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)(chain + 4), _mm_alignr_epi8(dchg, feba, 8));
}

INLINE __m128i load_words(const uint8_t *data)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)data), swap);
}

// Rounds 4i to 4i+3 of one stream; words are the message words of those rounds.
INLINE void four_rounds(struct ni_state *state, __m128i words, int i)
{
	const __m128i *constants = (const __m128i *)(const void *)sha256_round_constants;
	__m128i sum = _mm_add_epi32(words, _mm_loadu_si128(constants + i));

	state->cdgh = _mm_sha256rnds2_epu32(state->cdgh, state->abef, sum);
	state->abef = _mm_sha256rnds2_epu32(state->abef, state->cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

// W[t] for the next four t, from the sixteen before them: w0 is the oldest four.
INLINE __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));

	return _mm_sha256msg2_epu32(sum, w3);
}

// n_streams is a constant wherever this is inlined, so that all loops over streams vanish.
INLINE void blocks(struct compress_stream *const *streams, size_t n_blocks, int n_streams)
{
	struct ni_state state[SHA256_WIDTH], before[SHA256_WIDTH];
	const uint8_t *data[SHA256_WIDTH];
	__m128i w[SHA256_WIDTH][4];

	for (int s = 0; s < n_streams; s++) {
		state[s] = state_load(streams[s]->chain->w32);
		data[s] = streams[s]->data;
	}
	for (size_t block = 0; block < n_blocks; block++) {
		for (int s = 0; s < n_streams; s++)
			before[s] = state[s];
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			for (int s = 0; s < n_streams; s++) {
				__m128i *ring = w[s];

				if (i < 4)
					ring[i] = load_words(data[s] + 64 * block + 16 * i);
				else
					ring[i & 3] = next_words(ring[i & 3], ring[(i + 1) & 3],
						ring[(i + 2) & 3], ring[(i + 3) & 3]);
				four_rounds(&state[s], ring[i & 3], i);
			}
		}
		for (int s = 0; s < n_streams; s++) {
			state[s].abef = _mm_add_epi32(state[s].abef, before[s].abef);
			state[s].cdgh = _mm_add_epi32(state[s].cdgh, before[s].cdgh);
		}
	}
	for (int s = 0; s < n_streams; s++)
		state_store(streams[s]->chain->w32, state[s]);
}

void sha256_blocks_ni(uint32_t chain[8], const uint8_t *data, size_t n_blocks)
{
	struct compress_stream stream = {(union hash_words *)(void *)chain, data, n_blocks};
	struct compress_stream *pointer = &stream;

	blocks(&pointer, n_blocks, 1);
}

void sha256_blocks_ni_many(struct compress_stream *const *streams, size_t n, size_t n_blocks)
{
	switch (n) {
	case 4:
		blocks(streams, n_blocks, 4);
		break;
	case 3:
		blocks(streams, n_blocks, 3);
		break;
	case 2:
		blocks(streams, n_blocks, 2);
		break;
	default:
		blocks(streams, n_blocks, 1);
		break;
	}
}
