// SPDX-License-Identifier: Apache-2.0
//
// SHA-256, SHA-384 and SHA-512 (FIPS 180-4) without allocation.
//
// A hash_state is plain data: copying the struct copies the computation, which is how a handshake's running
// transcript is read in the middle. The compression functions are chosen at start by CPU (select.h): SHA-NI
// for SHA-256, portable C otherwise. SHA-NI leaves the core half idle between its rounds, so up to four
// independent SHA-256 streams run interleaved where the _burst forms find several to do.
//
// Timing depends on lengths only.
#pragma once

#include "base/span.h"

enum hash_id {
	HASH_SHA256,
	HASH_SHA384,
	HASH_SHA512,
	N_HASHES
};

enum {
	HASH_MAX_LEN = 64,
	HASH_BLOCK_MAX_LEN = 128
};

// The chaining value: 8 words of 32 or of 64 bits.
union hash_words {
	uint32_t w32[8];
	uint64_t w64[8];
};

struct hash_state {
	union hash_words chain;
	uint64_t total_len; // bytes absorbed, those in block included
	uint8_t block[HASH_BLOCK_MAX_LEN];
	uint8_t block_used; // bytes waiting in block, always less than a block
	uint8_t id;         // enum hash_id
};

// 32, 48 or 64 bytes.
static inline size_t hash_len(enum hash_id id)
{
	return id == HASH_SHA256 ? 32 : id == HASH_SHA384 ? 48 : 64;
}

static inline size_t hash_block_len(enum hash_id id)
{
	return id == HASH_SHA256 ? 64 : 128;
}

void hash_init(struct hash_state *state, enum hash_id id);
void hash_update(struct hash_state *state, struct span bytes);

// Writes hash_len bytes and wipes the state.
void hash_final(struct hash_state *state, uint8_t *out);

// The digest of what was absorbed so far; the state goes on.
void hash_peek(const struct hash_state *state, uint8_t *out);

// All at once.
void hash_digest(enum hash_id id, struct span bytes, uint8_t *out);

// Several independent streams, each with its own input; same results as n calls of the single form. The
// states must be distinct.
void hash_update_burst(struct hash_state *const *states, const struct span *inputs, size_t n);
void hash_final_burst(struct hash_state *const *states, uint8_t *const *outs, size_t n);
