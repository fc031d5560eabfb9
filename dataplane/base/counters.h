// SPDX-License-Identifier: Apache-2.0
//
// Counters: one block of 64-bit values per worker in the shared page, written by that worker alone with
// relaxed stores, read by anyone at any time. The list is include/counters.def; the page's layout is
// include/counter_page_layout.h.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define COUNTER(id, name, help) COUNTER_##id,
#include "counters.def"
#undef COUNTER
	N_COUNTERS
};

struct counters {
	_Alignas(64) _Atomic uint64_t values[N_COUNTERS];
};

static inline void counter_add(struct counters *counters, enum counter id, uint64_t n)
{
	uint64_t value = atomic_load_explicit(&counters->values[id], memory_order_relaxed);

	atomic_store_explicit(&counters->values[id], value + n, memory_order_relaxed);
}

static inline void counter_inc(struct counters *counters, enum counter id)
{
	counter_add(counters, id, 1);
}

// For gauges: the value itself instead of a sum.
static inline void counter_set(struct counters *counters, enum counter id, uint64_t value)
{
	atomic_store_explicit(&counters->values[id], value, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counters *counters, enum counter id)
{
	return atomic_load_explicit(&counters->values[id], memory_order_relaxed);
}

// The name that operators see ("rx_packets") and one sentence of explanation.
const char *counter_name(enum counter id);
const char *counter_help(enum counter id);
