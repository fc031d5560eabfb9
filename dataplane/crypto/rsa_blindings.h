// SPDX-License-Identifier: Apache-2.0
//
// A worker's RSA blindings (crypto/mb/rsa.h): one per key in use, in a bounded cache, because a worker may
// serve many thousands of keys. A key whose blinding was evicted gets a fresh one, which costs a few per cent
// of one signature. Internal to crypto.
#pragma once

#include "base/arena.h"
#include "crypto/mb/rsa.h"

struct rsa_blindings {
	uint8_t *memory; // n_slots times slot_len
	struct rsa_blinding_slot *slots;
	size_t slot_len;
	uint32_t n_slots;
	uint32_t hand; // of the clock that evicts
};

size_t rsa_blindings_footprint(enum mb_rsa_size size, uint32_t n_slots);

// n_slots must exceed the number of keys in one job. False when the arena has no room.
bool rsa_blindings_init(
	struct rsa_blindings *blindings, struct arena *arena, enum mb_rsa_size size, uint32_t n_slots);

// The blinding of the key that the serial names, pinned until rsa_blindings_unpin: what a job in progress
// uses is not evicted.
struct mb_rsa_blinding *rsa_blindings_pin(struct rsa_blindings *blindings, uint64_t serial);

// Ends all pins: no job is in progress any more.
void rsa_blindings_unpin(struct rsa_blindings *blindings);
