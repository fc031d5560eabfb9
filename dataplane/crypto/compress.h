// SPDX-License-Identifier: Apache-2.0
//
// The compression functions below hash.h: whole blocks into a chaining value, one stream or several at once.
// Internal to crypto; hash.c and kdf.c are its users.
#pragma once

#include "crypto/hash.h"

// Blocks that are to go into one chaining value.
struct compress_stream {
	union hash_words *chain;
	const uint8_t *data;
	size_t n_blocks;
};

// Starts a chaining value (FIPS 180-4 5.3).
void compress_init(union hash_words *chain, enum hash_id id);

// One stream.
void compress_blocks(enum hash_id id, union hash_words *chain, const uint8_t *data, size_t n_blocks);

// n independent streams, side by side where the CPU gains by it. Uses the array up: on return every n_blocks
// is 0.
void compress_burst(enum hash_id id, struct compress_stream *streams, size_t n);

// The chaining value as the digest's bytes, hash_len of them.
void compress_digest(enum hash_id id, const union hash_words *chain, uint8_t *out);

// The bodies, for tests and benchmarks.
void sha256_blocks_portable(uint32_t chain[8], const uint8_t *data, size_t n_blocks);
void sha512_blocks_portable(uint64_t chain[8], const uint8_t *data, size_t n_blocks);
void sha512_blocks_bmi2(uint64_t chain[8], const uint8_t *data, size_t n_blocks);
void sha256_blocks_ni(uint32_t chain[8], const uint8_t *data, size_t n_blocks);
// Two and four streams of the same number of blocks.
void sha256_blocks_ni_x2(uint32_t *const chains[2], const uint8_t *const data[2], size_t n_blocks);
void sha256_blocks_ni_x4(uint32_t *const chains[4], const uint8_t *const data[4], size_t n_blocks);

extern const uint32_t sha256_round_constants[64];
