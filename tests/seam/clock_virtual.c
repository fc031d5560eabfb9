// SPDX-License-Identifier: Apache-2.0
#include "seam/clock_virtual.h"

#include "base/assert.h"

enum {
	TSC_PER_US = 1000
};

// 2026-01-01 00:00:00 UTC.
#define WALL_START_US UINT64_C(1767225600000000)

static uint64_t now_us;
static uint64_t wall_offset_us = WALL_START_US;
static uint64_t boot_offset_us;

void clock_virtual_reset(void)
{
	now_us = 0;
	wall_offset_us = WALL_START_US;
	boot_offset_us = 0;
}

void clock_virtual_advance(uint64_t us)
{
	now_us += us;
}

void clock_virtual_set_now(uint64_t us)
{
	SLUICE_ASSERT(us >= now_us);
	now_us = us;
}

void clock_virtual_jump_wall(int64_t us)
{
	wall_offset_us += (uint64_t)us;
}

void clock_virtual_jump_boot(uint64_t us)
{
	boot_offset_us += us;
}

void clock_init(void)
{
}

uint64_t clock_now_us(void)
{
	return now_us;
}

uint64_t clock_tsc(void)
{
	return now_us * TSC_PER_US;
}

uint64_t clock_tsc_hz(void)
{
	return UINT64_C(1000000) * TSC_PER_US;
}

uint64_t clock_wall_us(void)
{
	return wall_offset_us + now_us;
}

uint64_t clock_boot_us(void)
{
	return boot_offset_us + now_us;
}
