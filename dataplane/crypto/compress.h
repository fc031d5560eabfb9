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

// FIPS 180-4 5.1: behind the last len bytes of a message of total_len, a one bit, zeros, and the length. last
// has room for len + 1 + an eighth of a block, rounded up to blocks. Returns the number of blocks.
size_t compress_pad(enum hash_id id, uint8_t *last, size_t len, uint64_t total_len);

enum {
	SHA256_WIDTH = 4,
	SHA512_WIDTH = 8,
	// Eight lanes take as long as two and a bit streams one after another, however many of them are used.
	SHA512_WORTH_IT = 3
};

// The bodies. Those of several streams do n_blocks of each and leave the streams as they are but for the
// chaining values.
void sha256_blocks_portable(uint32_t chain[8], const uint8_t *data, size_t n_blocks);
void sha256_blocks_ni(uint32_t chain[8], const uint8_t *data, size_t n_blocks);
void sha256_blocks_ni_many(struct compress_stream *const *streams, size_t n, size_t n_blocks);
void sha512_blocks_x8(struct compress_stream *const *streams, size_t n, size_t n_blocks);

extern const uint32_t sha256_round_constants[64];
