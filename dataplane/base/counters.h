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

// Counts a value in the bucket of a histogram (include/histograms.def): `first` is that of values up to
// 2^exponent, and what is over all of them has the last of the n_buckets.
static inline void counter_observe(
	struct counters *counters, enum counter first, unsigned exponent, unsigned n_buckets, uint64_t value)
{
	const unsigned width = value <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(value - 1);
	const unsigned bucket = width <= exponent ? 0 : width - exponent;

	counter_inc(counters, (enum counter)(first + (bucket < n_buckets ? bucket : n_buckets - 1)));
}

// The name that operators see ("rx_packets") and one sentence of explanation.
const char *counter_name(enum counter id);

// What a shared page of counters is told by: FNV-1a, 64 bits (Fowler, Noll, Vo), over every name with its
// terminating zero.
uint64_t counters_layout_hash(void);

const char *counter_help(enum counter id);
