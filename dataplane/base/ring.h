// SPDX-License-Identifier: Apache-2.0
//
// A ring between exactly one writing and one reading thread, for elements of one fixed size, copied in and
// out.
//
//   head (writer)  counts elements ever written        head - tail = elements waiting
//   tail (reader)  counts elements ever read           both run freely and wrap at 2^32
//
// Neither side ever waits: a full ring refuses, and the refusal is counted. Each side keeps its own copy of
// the other's position and looks at the shared one only when the copy says full or empty, so that a busy ring
// costs no cache-line transfer per element.
#pragma once

#include "base/arena.h"

#include <stdatomic.h>

struct ring {
	// Set once.
	uint8_t *elements;
	uint32_t element_size;
	uint32_t mask; // capacity - 1
	// The writer's line.
	_Alignas(64) _Atomic uint32_t head;
	uint32_t tail_seen;
	_Atomic uint64_t n_dropped;
	// The reader's line.
	_Alignas(64) _Atomic uint32_t tail;
	uint32_t head_seen;
};

// Capacity is a power of two. False when the arena has no room.
bool ring_init(struct ring *ring, struct arena *arena, uint32_t capacity, size_t element_size);

// Writer only. False when the ring is full: the element was not taken, and n_dropped counts it.
bool ring_push(struct ring *ring, const void *element);

// Reader only. False when the ring is empty.
bool ring_pop(struct ring *ring, void *out_element);

// Reader only: up to n elements at once; returns how many.
uint32_t ring_pop_burst(struct ring *ring, void *out_elements, uint32_t n);

// Either side, and any thread that only looks: elements waiting, exact only on the side that asks of itself.
uint32_t ring_count(const struct ring *ring);

uint64_t ring_dropped(const struct ring *ring);
