// SPDX-License-Identifier: Apache-2.0
#include "seam/random_seeded.h"

#include "base/clock.h"
#include "base/wipe.h"
#include "crypto/hash.h"

static uint64_t current_seed;
static uint64_t n_generators;

void random_seeded_set(uint64_t seed)
{
	current_seed = seed;
	n_generators = 0;
}

bool random_init(struct random *random)
{
	uint64_t start[2] = {current_seed, n_generators++};

	memset(random, 0, sizeof *random);
	hash_digest(HASH_SHA256, span_of(start, sizeof start), random->key);
	random->used = RANDOM_BLOCK_LEN;
	random->epoch = 1;
	random->seen_tsc_us = clock_now_us();
	random->seen_boot_us = clock_boot_us();
	random->seen_wall_us = clock_wall_us();
	return true;
}

// Output block after output block of SHA-256(key | counter), the counter kept in fork_mark.
void random_bytes(struct random *random, void *out, size_t len)
{
	uint8_t *next = out;

	while (len != 0) {
		uint8_t input[RANDOM_KEY_LEN + sizeof random->fork_mark];
		uint8_t digest[32];
		size_t n = len < sizeof digest ? len : sizeof digest;

		memcpy(input, random->key, RANDOM_KEY_LEN);
		memcpy(input + RANDOM_KEY_LEN, &random->fork_mark, sizeof random->fork_mark);
		random->fork_mark++;
		hash_digest(HASH_SHA256, span_of(input, sizeof input), digest);
		memcpy(next, digest, n);
		next += n;
		len -= n;
	}
}

void random_mix(struct random *random, struct span entropy)
{
	struct hash_state state;

	hash_init(&state, HASH_SHA256);
	hash_update(&state, span_of(random->key, RANDOM_KEY_LEN));
	hash_update(&state, entropy);
	hash_final(&state, random->key);
}

// Clock jumps count as breaks here too, so that simulations can cause them; the stream goes on.
bool random_check(struct random *random, uint64_t now_us)
{
	uint64_t elapsed_us = clock_now_us() - random->seen_tsc_us;
	bool broken = clock_boot_us() - random->seen_boot_us != elapsed_us ||
		      clock_wall_us() - random->seen_wall_us != elapsed_us;

	(void)now_us;
	random->seen_tsc_us += elapsed_us;
	random->seen_boot_us = clock_boot_us();
	random->seen_wall_us = clock_wall_us();
	if (broken)
		random->epoch++;
	return broken;
}

uint32_t random_epoch(struct random *random)
{
	return random->epoch;
}

void random_wipe(struct random *random)
{
	wipe(random, sizeof *random);
}
