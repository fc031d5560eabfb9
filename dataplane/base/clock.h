// SPDX-License-Identifier: Apache-2.0
//
// The clock seam. Everything that needs time takes it from here, and a worker reads it once per turn. Two
// bodies exist and are chosen when linking: clock.c (TSC) for programs, tests/seam/clock_virtual.c for
// simulations.
//
// now_us is monotonic, in microseconds, starts near zero when the process does, and is the time base of all
// timers. tsc counts ticks of the time-stamp counter and is only for measuring. wall is the civil clock and
// may jump.
#pragma once

#include <stdint.h>

// Measures the TSC against the system's clocks (a few milliseconds). Call once before any other function
// here.
void clock_init(void);

uint64_t clock_now_us(void);
uint64_t clock_tsc(void);
uint64_t clock_tsc_hz(void);

// Microseconds since 1970-01-01 UTC.
uint64_t clock_wall_us(void);

// Microseconds since boot including time asleep (CLOCK_BOOTTIME); compared with the others to notice a
// restored snapshot or a clone of the machine.
uint64_t clock_boot_us(void);
