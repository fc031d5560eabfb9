// SPDX-License-Identifier: Apache-2.0
//
// The randomness seam. Two bodies exist and are chosen when linking: random.c for programs,
// tests/seam/random_seeded.c for simulations.
//
// The generator is one worker's: ChaCha20 with fast key erasure. It fills a block at a time; the block's
// first 32 bytes become the next key at once, RDRAND is mixed into that key, and what was handed out is wiped
// from the block. So neither the past nor (through RDRAND) the future follows from a stolen state.
//
//   block  [ next key | ........ wiped as used | not handed out yet ]
//                                              ^ used
//
// It reseeds itself from getrandom when the process was forked (a page that the kernel wipes in the child)
// and when the machine was suspended, restored from a snapshot or cloned: random_check compares TSC, boot
// time and wall clock. Whatever else must not survive such a break (ready keys, prepared nonces) compares
// `epoch` with the one that it was made in.
#pragma once

#include "base/span.h"

enum {
	RANDOM_KEY_LEN = 32,
	RANDOM_BLOCK_LEN = 1024
};

struct random {
	uint32_t used;  // bytes of block handed out, the key included
	uint32_t epoch; // counts seedings; never 0 once seeded
	uint64_t fork_mark;
	// The clocks when random_check last looked.
	uint64_t seen_tsc_us;
	uint64_t seen_boot_us;
	uint64_t seen_wall_us;
	uint8_t key[RANDOM_KEY_LEN];
	uint8_t block[RANDOM_BLOCK_LEN];
};

// Seeds from getrandom and RDRAND. False when the kernel refuses either randomness or a page that is wiped on
// fork: a start-up error. The clock must be initialised.
bool random_init(struct random *random);

// Fills out with len bytes. Checks for a fork first.
void random_bytes(struct random *random, void *out, size_t len);

// Mixes something into the state, such as a hash of the loaded private keys, so that even a broken source
// does not repeat what another machine with other keys draws.
void random_mix(struct random *random, struct span entropy);

// To be called once per turn with the time of the turn: looks at the clocks at most once per millisecond, and
// for a fork always. True when it found a break and reseeded (epoch has changed).
bool random_check(struct random *random, uint64_t now_us);

// The current epoch, after a check for a fork.
uint32_t random_epoch(struct random *random);

void random_wipe(struct random *random);
