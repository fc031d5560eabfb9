// SPDX-License-Identifier: Apache-2.0
//
// A conversation through a preamble, for tests: both sides say text, cut into pieces of some size, and what
// each hears is collected. Bytes that the preamble does not want yet are offered again, as an owner does.
#pragma once

#include "base/counters.h"
#include "proxy/preamble.h"

enum talk_cut {
	TALK_WHOLE,
	TALK_BYTES,
	TALK_RANDOM,
	N_TALK_CUTS
};

enum {
	TALK_MAX = 1 << 18
};

struct talk_side {
	char queue[TALK_MAX]; // said, not consumed
	size_t queue_len;
	size_t n_offered; // of the queue: what has "arrived"
	char heard[TALK_MAX];
	size_t heard_len;
};

struct talk {
	struct preamble_config config;
	struct preamble_worker worker;
	struct preamble preamble;
	struct talk_side sides[2]; // by enum preamble_side
	enum preamble_action end;  // START_TLS, FAST_PATH or CLOSE once it came; else CONTINUE
	enum preamble_reason reason;
	enum talk_cut cut;
	uint32_t seed;
	uint64_t n_steps;
};

// Starts over with the configuration in talk->config and the cut and seed given.
void talk_begin(struct talk *talk, enum talk_cut cut, uint32_t seed);

void talk_say(struct talk *talk, enum preamble_side side, const char *text);
void talk_say_bytes(struct talk *talk, enum preamble_side side, struct span bytes);

// Offers everything that was said until nothing moves any more, or the preamble wants something else.
void talk_run(struct talk *talk);

// What a side has heard since it was last asked, as a string.
const char *talk_hear(struct talk *talk, enum preamble_side side);

void talk_tls_done(struct talk *talk, bool succeeded);

uint32_t talk_random(struct talk *talk, uint32_t below);

uint64_t talk_count(const struct talk *talk, enum counter id);

// Says, runs, and asserts what was heard.
void client_says(struct talk *talk, const char *text);
void backend_says(struct talk *talk, const char *text);
void client_hears(struct talk *talk, const char *text);
void backend_hears(struct talk *talk, const char *text);
void nobody_hears(struct talk *talk);
void is_closed(struct talk *talk, enum preamble_reason reason);
