// SPDX-License-Identifier: Apache-2.0
//
// What one worker owns of this layer: generator, lanes, pools of things made ahead, AEAD cache. Made at start
// in the worker's arena, used by that worker alone, never grown.
#pragma once

#include "crypto/aead.h"
#include "crypto/ephemeral.h"
#include "crypto/lanes.h"
#include "crypto/nonces.h"
#include "crypto/random.h"

struct crypto_settings {
	struct lanes_settings lanes;
	uint32_t n_aead_slots;        // 0 means 4,096
	uint32_t n_ready;             // ready key pairs of a kind and prepared nonces; 0 means 256
	bool prepared_signatures_off; // draw every ECDSA nonce when it is needed, hedged
};

struct crypto {
	struct random random;
	struct lanes *lanes;
	struct ephemeral_pool *ephemeral[N_EPHEMERAL_KINDS];
	struct nonce_pool *nonces[N_NONCE_POOLS]; // by enum mb_curve; NULL: no kernels
	bool prepared_signatures_off;             // they stay empty
	struct aead_cache aead;
	struct counters *counters;
	uint64_t now_us; // of this turn
	uint64_t now_tsc;
};

size_t crypto_footprint(const struct crypto_settings *settings);

// False when the arena has no room or the machine no randomness: a start-up error. counters may be NULL.
bool crypto_init(struct crypto *crypto, struct arena *arena, const struct crypto_settings *settings,
	struct counters *counters);

// Start of a turn: takes the time, notices forks and breaks in time (and then wipes everything made ahead).
void crypto_begin_turn(struct crypto *crypto, uint64_t now_us, uint64_t now_tsc);

// The worker has time: makes batches for the pools that are below their marks until budget_tsc is used up (at
// least one slice if any is needed). urgent: only those below their low mark. True if there is more to do.
bool crypto_refill(struct crypto *crypto, uint64_t budget_tsc, bool urgent);

// Whether nonces are made ahead from now on; turned off, what lies ready is wiped and each ECDSA nonce is
// drawn when it is needed, hedged with key and message.
void crypto_prepare_signatures(struct crypto *crypto, bool on);

// A key was loaded or removed: mixes it into the generator.
void crypto_note_key(struct crypto *crypto, const struct private_key *key);

// When a sleeping worker has to take its next turn, for lanes to be run or for something to be wiped in time;
// UINT64_MAX: not for us.
uint64_t crypto_next_us(const struct crypto *crypto);

// Wipes everything; no request may be pending.
void crypto_destroy(struct crypto *crypto);
