// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ZONE_BLOCK_LEN = 64 << 10,
	ZONE_ALIGN = 16
};

struct memory_block {
	struct memory_block *next;
	size_t used;
	size_t capacity;
	_Alignas(ZONE_ALIGN) unsigned char bytes[];
};

_Noreturn static void out_of_memory(size_t len)
{
	(void)fprintf(stderr, "sluice: out of memory (%zu bytes wanted)\n", len);
	abort();
}

void *memory_alloc(size_t n_items, size_t item_size)
{
	void *memory = calloc(n_items != 0 ? n_items : 1, item_size != 0 ? item_size : 1);

	if (memory == NULL)
		out_of_memory(n_items * item_size);
	return memory;
}

void *memory_grow(void *items, size_t *n_capacity, size_t n_wanted, size_t item_size)
{
	size_t capacity = *n_capacity != 0 ? *n_capacity : 8;
	void *grown;

	if (items != NULL && n_wanted <= *n_capacity)
		return items;
	while (capacity < n_wanted) {
		if (capacity > SIZE_MAX / 2 / item_size)
			out_of_memory(SIZE_MAX);
		capacity *= 2;
	}
	grown = realloc(items, capacity * item_size);
	if (grown == NULL)
		out_of_memory(capacity * item_size);
	*n_capacity = capacity;
	return grown;
}

char *memory_string_len(const char *string, size_t len)
{
	char *copy = memory_alloc(len + 1, 1);

	memcpy(copy, string, len);
	return copy;
}

char *memory_string(const char *string)
{
	return memory_string_len(string, strlen(string));
}

void *memory_zone_alloc(struct memory_zone *zone, size_t len)
{
	const size_t rounded = (len + ZONE_ALIGN - 1) & ~(size_t)(ZONE_ALIGN - 1);
	struct memory_block *block = zone->blocks;

	if (block == NULL || block->capacity - block->used < rounded) {
		const size_t capacity = rounded > ZONE_BLOCK_LEN ? rounded : ZONE_BLOCK_LEN;

		block = memory_alloc(1, sizeof *block + capacity);
		block->capacity = capacity;
		block->next = zone->blocks;
		zone->blocks = block;
	}
	block->used += rounded;
	return block->bytes + block->used - rounded;
}

char *memory_zone_string(struct memory_zone *zone, const char *string, size_t len)
{
	char *copy = memory_zone_alloc(zone, len + 1);

	memcpy(copy, string, len);
	copy[len] = '\0';
	return copy;
}

void *memory_zone_append(struct memory_zone *zone, void **items, size_t *n_items, size_t item_size)
{
	const size_t n = *n_items;

	if ((n & (n - 1)) == 0) {
		unsigned char *grown = memory_zone_alloc(zone, (n != 0 ? 2 * n : 1) * item_size);

		if (n != 0)
			memcpy(grown, *items, n * item_size);
		*items = grown;
	}
	*n_items = n + 1;
	memset((unsigned char *)*items + n * item_size, 0, item_size);
	return (unsigned char *)*items + n * item_size;
}

void memory_zone_free(struct memory_zone *zone)
{
	while (zone->blocks != NULL) {
		struct memory_block *block = zone->blocks;

		zone->blocks = block->next;
		free(block);
	}
}
