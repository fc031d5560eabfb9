// SPDX-License-Identifier: Apache-2.0
#include "crypto/openssl_heap.h"

#include "base/assert.h"
#include "base/wipe.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	SMALLEST_SHIFT = 6, // blocks of 64 bytes, head included
	LARGEST_SHIFT = 17,
	N_CLASSES = LARGEST_SHIFT - SMALLEST_SHIFT + 1
};

// In front of every block, a heap's and malloc's: OpenSSL frees on whatever thread it likes.
struct block {
	union {
		struct openssl_heap *heap; // while in use; NULL: malloc's
		struct block *next;        // while free
	};
	uint64_t size; // class of a heap's block, bytes of malloc's
};

_Static_assert(sizeof(struct block) == 16, "payloads are aligned like malloc's");

struct openssl_heap {
	uint8_t *region;
	size_t len;
	size_t used;
	size_t n_blocks;
	struct block *free[N_CLASSES];
	_Atomic(struct block *) remote;
};

static _Thread_local struct openssl_heap *current;

static size_t class_len(uint64_t size_class)
{
	return (size_t)1 << (size_class + SMALLEST_SHIFT);
}

static void give_back(struct openssl_heap *heap, struct block *block)
{
	wipe(block + 1, class_len(block->size) - sizeof *block);
	block->next = heap->free[block->size];
	heap->free[block->size] = block;
	heap->n_blocks--;
}

static void collect_remote(struct openssl_heap *heap)
{
	struct block *block;

	if (atomic_load_explicit(&heap->remote, memory_order_relaxed) == NULL)
		return;
	block = atomic_exchange_explicit(&heap->remote, NULL, memory_order_acquire);
	while (block != NULL) {
		struct block *next = block->next;

		give_back(heap, block);
		block = next;
	}
}

static struct block *take(struct openssl_heap *heap, size_t len)
{
	struct block *block;
	uint64_t size_class = 0;

	collect_remote(heap);
	while (size_class < N_CLASSES && class_len(size_class) - sizeof *block < len)
		size_class++;
	if (size_class == N_CLASSES)
		return NULL;
	block = heap->free[size_class];
	if (block != NULL) {
		heap->free[size_class] = block->next;
	} else {
		if (heap->len - heap->used < class_len(size_class))
			return NULL;
		block = (struct block *)(void *)(heap->region + heap->used);
		heap->used += class_len(size_class);
	}
	block->heap = heap;
	block->size = size_class;
	heap->n_blocks++;
	return block;
}

static void *allocate(size_t len, const char *file, int line)
{
	struct block *block;

	(void)file;
	(void)line;
	if (len > SIZE_MAX - sizeof *block)
		return NULL;
	if (current != NULL) {
		block = take(current, len);
	} else {
		block = malloc(sizeof *block + len);
		if (block != NULL)
			*block = (struct block){.heap = NULL, .size = len};
	}
	return block != NULL ? block + 1 : NULL;
}

static void release(void *payload, const char *file, int line)
{
	struct block *block = payload;
	struct openssl_heap *heap;

	(void)file;
	(void)line;
	if (payload == NULL)
		return;
	block--;
	heap = block->heap;
	if (heap == NULL) {
		free(block);
	} else if (heap == current) {
		give_back(heap, block);
	} else {
		struct block *head = atomic_load_explicit(&heap->remote, memory_order_relaxed);

		do {
			block->next = head;
		} while (!atomic_compare_exchange_weak_explicit(
			&heap->remote, &head, block, memory_order_release, memory_order_relaxed));
	}
}

static size_t payload_len(const struct block *block)
{
	return block->heap == NULL ? block->size : class_len(block->size) - sizeof *block;
}

static void *reallocate(void *payload, size_t len, const char *file, int line)
{
	size_t old_len;
	void *moved;

	if (payload == NULL)
		return allocate(len, file, line);
	if (len == 0) {
		release(payload, file, line);
		return NULL;
	}
	old_len = payload_len((struct block *)payload - 1);
	moved = allocate(len, file, line);
	if (moved == NULL)
		return NULL;
	memcpy(moved, payload, old_len < len ? old_len : len);
	release(payload, file, line);
	return moved;
}

bool openssl_heap_install(void)
{
	return CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

struct openssl_heap *openssl_heap_create(struct arena *arena, size_t len)
{
	struct openssl_heap *heap = arena_alloc(arena, sizeof *heap, 64);

	if (heap == NULL)
		return NULL;
	*heap = (struct openssl_heap){.region = arena_alloc(arena, len, 64), .len = len};
	return heap->region != NULL ? heap : NULL;
}

void openssl_heap_use(struct openssl_heap *heap)
{
	current = heap;
}

size_t openssl_heap_used(const struct openssl_heap *heap)
{
	return heap->used;
}

size_t openssl_heap_n_blocks(const struct openssl_heap *heap)
{
	return heap->n_blocks;
}
