// SPDX-License-Identifier: Apache-2.0
//
// The seeded generator: crypto/random.h's functions with everything drawn following from one number, for
// simulations that shall replay.
#pragma once

#include "crypto/random.h"

// What generators initialised from now on start from. Each random_init of a process draws a different stream
// from it, so that workers differ; setting the seed starts over.
void random_seeded_set(uint64_t seed);
