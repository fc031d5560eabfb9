// SPDX-License-Identifier: Apache-2.0
//
// Invariants, with T = now_tick:
//  - an armed timer that is not on `due` has a tick t > T;
//  - it sits at the lowest level l with (t >> 8l) - (T >> 8l) < 256, in slot (t >> 8l) & 255, or at the
//  highest level
//    in the slot that comes up last, when it is further away than that;
//  - a slot of level l >= 1 that contains T itself is empty: its timers were dealt out when T entered it.
// A timer's tick is its deadline rounded up, so that it never fires early.
#include "base/timer_wheel.h"

#include "base/assert.h"

#include <string.h>

static uint64_t tick_of_deadline(uint64_t deadline_us)
{
	const uint64_t round = (1u << TIMER_TICK_SHIFT) - 1;

	return deadline_us > UINT64_MAX - round ? UINT64_MAX >> TIMER_TICK_SHIFT
						: (deadline_us + round) >> TIMER_TICK_SHIFT;
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_us)
{
	memset(wheel, 0, sizeof *wheel);
	wheel->now_tick = now_us >> TIMER_TICK_SHIFT;
	list_init(&wheel->due);
	for (unsigned level = 0; level < TIMER_LEVELS; level++)
		for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

void timer_init(struct timer *timer)
{
	list_link_init(&timer->link);
	timer->deadline_us = 0;
}

// Puts an unlinked timer where the invariants want it.
static void place(struct timer_wheel *wheel, struct timer *timer)
{
	uint64_t tick = tick_of_deadline(timer->deadline_us);
	unsigned level = 0;
	uint64_t slot;

	if (tick <= wheel->now_tick) {
		list_push_back(&wheel->due, &timer->link);
		return;
	}
	while (level < TIMER_LEVELS - 1 &&
		(tick >> (TIMER_SLOT_BITS * level)) - (wheel->now_tick >> (TIMER_SLOT_BITS * level)) >=
			TIMER_SLOTS)
		level++;
	slot = tick >> (TIMER_SLOT_BITS * level);
	if (slot - (wheel->now_tick >> (TIMER_SLOT_BITS * level)) >= TIMER_SLOTS)
		slot = (wheel->now_tick >> (TIMER_SLOT_BITS * level)) + TIMER_SLOTS - 1;
	slot &= TIMER_SLOTS - 1;
	list_push_back(&wheel->slots[level][slot], &timer->link);
	wheel->occupied[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

void timer_start(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_us)
{
	timer_stop(wheel, timer);
	timer->deadline_us = deadline_us;
	place(wheel, timer);
	wheel->n_armed++;
}

void timer_stop(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer_armed(timer))
		return;
	list_remove(&timer->link);
	wheel->n_armed--;
}

// Takes a slot's timers and places each anew, relative to the present now_tick.
static void deal_out(struct timer_wheel *wheel, unsigned level, unsigned slot)
{
	struct list timers;
	struct list_link *link;

	list_init(&timers);
	list_splice_back(&timers, &wheel->slots[level][slot]);
	wheel->occupied[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	while ((link = list_pop_front(&timers)) != NULL)
		place(wheel, LIST_ITEM(link, struct timer, link));
}

// Distance from position `from` (exclusive) to the first occupied slot of a level, going round; 0 when there
// is none.
static unsigned next_occupied(const struct timer_wheel *wheel, unsigned level, unsigned from)
{
	for (unsigned step = 1; step <= TIMER_SLOTS;) {
		unsigned slot = (from + step) % TIMER_SLOTS;
		uint64_t bits = wheel->occupied[level][slot / 64] >> (slot % 64);

		if (bits != 0) {
			step += (unsigned)__builtin_ctzll(bits);
			return step <= TIMER_SLOTS ? step : 0;
		}
		step += 64 - slot % 64;
	}
	return 0;
}

// The first tick after now_tick at which some slot has to be looked at; UINT64_MAX when all are empty.
static uint64_t next_event_tick(const struct timer_wheel *wheel)
{
	uint64_t first = UINT64_MAX;

	for (unsigned level = 0; level < TIMER_LEVELS; level++) {
		unsigned shift = TIMER_SLOT_BITS * level;
		uint64_t position = wheel->now_tick >> shift;
		unsigned distance = next_occupied(wheel, level, (unsigned)(position % TIMER_SLOTS));
		uint64_t tick = (position + distance) << shift;

		if (distance != 0 && tick < first)
			first = tick;
	}
	return first;
}

// Enters a tick at which something happens: higher slots that begin here are dealt out first, then level 0 is
// due.
static void enter_tick(struct timer_wheel *wheel, uint64_t tick)
{
	wheel->now_tick = tick;
	for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
		unsigned shift = TIMER_SLOT_BITS * level;

		if ((tick & ((UINT64_C(1) << shift) - 1)) == 0)
			deal_out(wheel, level, (unsigned)((tick >> shift) % TIMER_SLOTS));
	}
	deal_out(wheel, 0, (unsigned)(tick % TIMER_SLOTS));
}

uint32_t timer_wheel_expire(
	struct timer_wheel *wheel, uint64_t now_us, struct timer **out_timers, uint32_t n_max)
{
	uint64_t target = now_us >> TIMER_TICK_SHIFT;
	uint32_t n = 0;

	// Most turns of a busy worker fall into the tick of the one before.
	if (target <= wheel->now_tick && list_empty(&wheel->due))
		return 0;
	for (;;) {
		struct list_link *link;
		uint64_t tick;

		while (n < n_max && (link = list_pop_front(&wheel->due)) != NULL) {
			out_timers[n++] = LIST_ITEM(link, struct timer, link);
			wheel->n_armed--;
		}
		if (n == n_max)
			return n;
		tick = next_event_tick(wheel);
		if (tick > target)
			break;
		enter_tick(wheel, tick);
	}
	if (target > wheel->now_tick)
		wheel->now_tick = target;
	return n;
}

uint64_t timer_wheel_next_us(const struct timer_wheel *wheel)
{
	uint64_t tick;

	if (wheel->n_armed == 0)
		return UINT64_MAX;
	if (!list_empty(&wheel->due))
		return wheel->now_tick << TIMER_TICK_SHIFT;
	tick = next_event_tick(wheel);
	SLUICE_DEBUG_ASSERT(tick != UINT64_MAX);
	return tick << TIMER_TICK_SHIFT;
}
