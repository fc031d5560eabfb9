// SPDX-License-Identifier: Apache-2.0
#include "base/ring.h"

#include "base/assert.h"

#include <string.h>

bool ring_init(struct ring *ring, struct arena *arena, uint32_t capacity, size_t element_size)
{
	SLUICE_ASSERT(capacity != 0 && (capacity & (capacity - 1)) == 0);
	memset(ring, 0, sizeof *ring);
	ring->element_size = (uint32_t)element_size;
	ring->mask = capacity - 1;
	ring->elements = arena_alloc(arena, (size_t)capacity * element_size, 64);
	return ring->elements != NULL;
}

static uint8_t *element_at(struct ring *ring, uint32_t position)
{
	return ring->elements + (size_t)(position & ring->mask) * ring->element_size;
}

bool ring_push(struct ring *ring, const void *element)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head - ring->tail_seen > ring->mask) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head - ring->tail_seen > ring->mask) {
			atomic_store_explicit(&ring->n_dropped, ring_dropped(ring) + 1, memory_order_relaxed);
			return false;
		}
	}
	memcpy(element_at(ring, head), element, ring->element_size);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

uint32_t ring_pop_burst(struct ring *ring, void *out_elements, uint32_t n)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint8_t *out = out_elements;
	uint32_t n_ready = ring->head_seen - tail;

	if (n_ready < n) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		n_ready = ring->head_seen - tail;
	}
	if (n > n_ready)
		n = n_ready;
	for (uint32_t i = 0; i < n; i++)
		memcpy(out + (size_t)i * ring->element_size, element_at(ring, tail + i), ring->element_size);
	if (n != 0)
		atomic_store_explicit(&ring->tail, tail + n, memory_order_release);
	return n;
}

bool ring_pop(struct ring *ring, void *out_element)
{
	return ring_pop_burst(ring, out_element, 1) == 1;
}

uint32_t ring_count(const struct ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}

uint64_t ring_dropped(const struct ring *ring)
{
	return atomic_load_explicit(&ring->n_dropped, memory_order_relaxed);
}
