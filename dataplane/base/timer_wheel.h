// SPDX-License-Identifier: Apache-2.0
//
// Hierarchical timing wheels (Varghese and Lauck, SOSP 1987, scheme 7): starting, stopping and expiring a
// timer cost the same whatever their number.
//
//   level 0   256 slots of 1 tick        a timer sits in the lowest level whose slots still tell its deadline
//   apart; level 1   256 slots of 2^8 ticks     when the wheel's time enters a slot of a higher level, that
//   slot's timers level 2   256 slots of 2^16 ticks    are dealt out again to the levels below level 3   256
//   slots of 2^24 ticks
//
// One tick is 2^TIMER_TICK_SHIFT microseconds (64 us): fine enough to pace packets, and four levels span 76
// hours; a later deadline waits in the last slot and is looked at again. A timer never fires before its
// deadline and fires at most one tick after it, given that the wheel is advanced that often.
//
// A timer is embedded in its owner and belongs to one wheel of one thread. Time never goes back.
#pragma once

#include "base/list.h"

#include <stdint.h>

enum {
	TIMER_TICK_SHIFT = 6,
	TIMER_LEVELS = 4,
	TIMER_SLOT_BITS = 8,
	TIMER_SLOTS = 1 << TIMER_SLOT_BITS
};

struct timer {
	struct list_link link;
	uint64_t deadline_us;
};

struct timer_wheel {
	uint64_t now_tick; // every timer due at or before this tick has been moved to `due`
	uint32_t n_armed;
	struct list due;
	uint64_t occupied[TIMER_LEVELS][TIMER_SLOTS / 64]; // a set bit: the slot may have timers
	struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_us);

void timer_init(struct timer *timer);

static inline bool timer_armed(const struct timer *timer)
{
	return list_link_linked(&timer->link);
}

// Starts the timer, or moves it when it is armed. A deadline in the past fires at the next advance.
void timer_start(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_us);

// Stops the timer; harmless when it is not armed.
void timer_stop(struct timer_wheel *wheel, struct timer *timer);

// Moves the wheel to now_us and takes off at most n_max expired timers, in order of their ticks; returns how
// many were written to out_timers. They are not armed any more. When it returns n_max, more may be due: call
// again.
uint32_t timer_wheel_expire(
	struct timer_wheel *wheel, uint64_t now_us, struct timer **out_timers, uint32_t n_max);

// The earliest time at which something may be due, never later than the first deadline's tick: how long an
// idle worker may sleep. UINT64_MAX when no timer is armed.
uint64_t timer_wheel_next_us(const struct timer_wheel *wheel);
