// SPDX-License-Identifier: Apache-2.0
//
// The virtual clock: base/clock.h's functions, but time stands still until a test moves it. One microsecond
// is 1,000 ticks of its time-stamp counter.
#pragma once

#include "base/clock.h"

// Starts over at now_us = 0 and a fixed civil date.
void clock_virtual_reset(void);

// Moves all clocks forward together.
void clock_virtual_advance(uint64_t us);

// Moves now_us to an absolute time, which must not lie in the past.
void clock_virtual_set_now(uint64_t now_us);

// Moves the civil clock alone, either way: an administrator setting the date, or a restored snapshot.
void clock_virtual_jump_wall(int64_t us);

// Moves the boot clock alone, forward: a machine that slept.
void clock_virtual_jump_boot(uint64_t us);
