// SPDX-License-Identifier: Apache-2.0
//
// The clock of programs. The TSC is invariant on every machine that Sluice supports; its rate is measured
// once against CLOCK_MONOTONIC_RAW, and a reading is turned into microseconds by one 64x64->128
// multiplication.
#include "base/clock.h"

#include "base/assert.h"

#include <time.h>
#include <x86intrin.h>

enum {
	CALIBRATION_NS = 10 * 1000 * 1000
};

static uint64_t tsc_start;
static uint64_t tsc_hz;
static uint64_t us_per_tsc_q64; // microseconds per tick as a fraction of 2^64

static uint64_t read_clock_ns(clockid_t id)
{
	struct timespec ts;

	SLUICE_ASSERT(clock_gettime(id, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

// Pairs a TSC reading with a clock reading; the pair with the shortest bracket of several is the truest.
static void read_pair(uint64_t *out_tsc, uint64_t *out_ns)
{
	uint64_t best = UINT64_MAX;

	*out_tsc = 0;
	*out_ns = 0;
	for (int i = 0; i < 8; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = read_clock_ns(CLOCK_MONOTONIC_RAW);
		uint64_t after = __rdtsc();

		if (after - before < best) {
			best = after - before;
			*out_tsc = before + (after - before) / 2;
			*out_ns = ns;
		}
	}
}

void clock_init(void)
{
	uint64_t tsc0, ns0, tsc1, ns1;

	if (tsc_hz != 0)
		return;
	read_pair(&tsc0, &ns0);
	do {
		read_pair(&tsc1, &ns1);
	} while (ns1 - ns0 < CALIBRATION_NS);
	tsc_hz = (uint64_t)((unsigned __int128)(tsc1 - tsc0) * 1000000000u / (ns1 - ns0));
	us_per_tsc_q64 = (uint64_t)(((unsigned __int128)1000000u << 64) / tsc_hz);
	tsc_start = tsc0;
}

uint64_t clock_now_us(void)
{
	return (uint64_t)(((unsigned __int128)(__rdtsc() - tsc_start) * us_per_tsc_q64) >> 64);
}

uint64_t clock_tsc(void)
{
	return __rdtsc();
}

uint64_t clock_tsc_hz(void)
{
	return tsc_hz;
}

uint64_t clock_wall_us(void)
{
	return read_clock_ns(CLOCK_REALTIME) / 1000u;
}

uint64_t clock_boot_us(void)
{
	return read_clock_ns(CLOCK_BOOTTIME) / 1000u;
}
