// SPDX-License-Identifier: Apache-2.0
//
// Counters of single objects, listeners and servers: a row each, written by one worker alone with relaxed
// stores, as counters.h has it for the worker as a whole. The lists are include/tallies_*.def, the page that
// holds the rows is include/tally_page_layout.h.
#pragma once

#include "tally_page_layout.h"

#include <stdatomic.h>
#include <stdint.h>

struct tally_listener_row {
	_Alignas(64) _Atomic uint64_t values[N_TALLIES_LISTENER];
};

struct tally_server_row {
	_Alignas(64) _Atomic uint64_t values[N_TALLIES_SERVER];
};

// A worker's rows; row 0 is always there.
struct tallies {
	struct tally_listener_row *listeners;
	struct tally_server_row *servers;
};

static inline void tally_add(_Atomic uint64_t *value, uint64_t n)
{
	atomic_store_explicit(
		value, atomic_load_explicit(value, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void tally_listener_add(struct tally_listener_row *row, enum tally_listener id, uint64_t n)
{
	tally_add(&row->values[id], n);
}

static inline void tally_server_add(struct tally_server_row *row, enum tally_server id, uint64_t n)
{
	tally_add(&row->values[id], n);
}

static inline void tally_server_set(struct tally_server_row *row, enum tally_server id, uint64_t value)
{
	atomic_store_explicit(&row->values[id], value, memory_order_relaxed);
}
