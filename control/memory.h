// SPDX-License-Identifier: Apache-2.0
//
// The heap of the control process. Running out of it is not something that the process could answer: it says
// so and ends, the dataplane goes on, and the supervisor (systemd) starts a new one.
//
// memory_zone is a heap that is given back as a whole: what is built in pieces and dies at once, such as a
// configuration.
#pragma once

#include <stddef.h>

// Zeroed memory; never NULL.
void *memory_alloc(size_t n_items, size_t item_size) __attribute__((alloc_size(1, 2), returns_nonnull));

// Makes room for at least n_wanted items by doubling; the new part is not zeroed. Updates *n_capacity.
void *memory_grow(void *items, size_t *n_capacity, size_t n_wanted, size_t item_size)
	__attribute__((warn_unused_result, returns_nonnull));

char *memory_string(const char *string) __attribute__((returns_nonnull));
char *memory_string_len(const char *string, size_t len) __attribute__((returns_nonnull));

struct memory_block;

struct memory_zone {
	struct memory_block *blocks;
};

void *memory_zone_alloc(struct memory_zone *zone, size_t len) __attribute__((returns_nonnull));
char *memory_zone_string(struct memory_zone *zone, const char *string, size_t len)
	__attribute__((returns_nonnull));

// Adds an item to an array in the zone and returns it, zeroed. *items and *n_items belong to the array alone:
// its capacity is the power of two at or above n_items. Earlier items may move.
void *memory_zone_append(struct memory_zone *zone, void **items, size_t *n_items, size_t item_size)
	__attribute__((returns_nonnull));

void memory_zone_free(struct memory_zone *zone);
