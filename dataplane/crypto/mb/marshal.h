// SPDX-License-Identifier: Apache-2.0
//
// From byte strings, one per lane, to digits in vecs, and back. A group is up to eight lanes; the lanes
// behind the last request are zero.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/mb/vec.h"

#define MARSHAL_WORDS_MAX 6

enum byte_order {
	LITTLE_ENDIAN_BYTES,
	BIG_ENDIAN_BYTES,
};

// Word i of lane l, least significant word first: eight lanes of byte strings on their way in or out.
struct lane_words {
	uint64_t word[MARSHAL_WORDS_MAX + 1][VEC_LANES];
};

// Reads 8 * n_words bytes of each of n_lanes strings. The word above the highest is zero.
static inline void lane_words_read(struct lane_words *out, size_t n_words, enum byte_order order,
	const uint8_t *const strings[], size_t offset, unsigned n_lanes)
{
	memset(out, 0, sizeof(*out));
	for (unsigned lane = 0; lane < n_lanes; lane++) {
		for (size_t i = 0; i < n_words; i++) {
			size_t at = order == BIG_ENDIAN_BYTES ? n_words - 1 - i : i;
			uint64_t word;

			memcpy(&word, strings[lane] + offset + 8 * at, sizeof(word));
			out->word[i][lane] = order == BIG_ENDIAN_BYTES ? __builtin_bswap64(word) : word;
		}
	}
}

// Writes 8 * n_words bytes to each of n_lanes strings; the reverse of lane_words_read.
static inline void lane_words_write(const struct lane_words *words, size_t n_words, enum byte_order order,
	uint8_t *const out_strings[], size_t offset, unsigned n_lanes)
{
	for (unsigned lane = 0; lane < n_lanes; lane++) {
		for (size_t i = 0; i < n_words; i++) {
			size_t at = order == BIG_ENDIAN_BYTES ? n_words - 1 - i : i;
			uint64_t word = words->word[i][lane];

			word = order == BIG_ENDIAN_BYTES ? __builtin_bswap64(word) : word;
			memcpy(out_strings[lane] + offset + 8 * at, &word, sizeof(word));
		}
	}
}

// The words as n_digits digits of `bits` bits, least significant first. What exceeds the digits stays in the
// topmost, which is not masked when it is the last the words can fill.
static inline void digits_from_words(
	vec out[], size_t n_digits, unsigned bits, const struct lane_words *words)
{
	const vec mask = vec_set1((UINT64_C(1) << bits) - 1);

	for (size_t i = 0; i < n_digits; i++) {
		size_t from = i * bits / 64;
		unsigned shift = (unsigned)(i * bits % 64);
		vec digit = vec_shr(vec_load(words->word[from]), shift);

		if (shift + bits > 64 && from < MARSHAL_WORDS_MAX)
			digit = vec_or(digit, vec_shl(vec_load(words->word[from + 1]), 64 - shift));
		out[i] = vec_and(digit, mask);
	}
}

// Digits of `bits` bits, each below 2^bits, as words; the reverse of digits_from_words.
static inline void words_from_digits(
	struct lane_words *out, size_t n_words, const vec digits[], size_t n_digits, unsigned bits)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n_digits; i++) {
		size_t to = i * bits / 64;
		unsigned shift = (unsigned)(i * bits % 64);

		if (to >= n_words)
			break;
		vec_store(out->word[to], vec_or(vec_load(out->word[to]), vec_shl(digits[i], shift)));
		if (shift + bits > 64)
			vec_store(out->word[to + 1], vec_shr(digits[i], 64 - shift));
	}
}

// The mask of the first n lanes.
static inline vmask lanes_first(unsigned n)
{
	return (vmask)(VEC_ALL >> (VEC_LANES - n));
}
