// SPDX-License-Identifier: Apache-2.0
#include "secret.h"

#include "base/assert.h"
#include "base/wipe.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLAB_LEN = 1 << 20,
	SMALLEST_SHIFT = 7, // 64 bytes of head and 64 of content
	N_CLASSES = 14,     // 128 bytes to 1 MB, heads included
	MAGIC_USED = 0x5ec2e75
};

// Before every piece. While the piece is free, `next` links it.
struct head {
	uint32_t magic; // MAGIC_USED, or 0 when free
	uint32_t class_idx;
	struct head *next;
	uint8_t reserved[48];
};

_Static_assert(sizeof(struct head) == 64, "content is aligned to 64");

static struct {
	pthread_mutex_t mutex;
	struct head *free[N_CLASSES];
	uint64_t unlocked_len;
	uint64_t used_len;
} heap = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static size_t class_len(size_t class_idx)
{
	return (size_t)1 << (SMALLEST_SHIFT + class_idx);
}

static size_t class_of(size_t len)
{
	size_t class_idx = 0;

	while (class_len(class_idx) < len + sizeof(struct head))
		class_idx++;
	return class_idx;
}

static void add_slab(size_t class_idx)
{
	const size_t piece_len = class_len(class_idx);
	uint8_t *slab = mmap(NULL, SLAB_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (slab == MAP_FAILED) {
		(void)fprintf(stderr, "sluice: out of memory for secrets\n");
		abort();
	}
	if (mlock(slab, SLAB_LEN) != 0)
		heap.unlocked_len += SLAB_LEN;
	(void)madvise(slab, SLAB_LEN, MADV_DONTDUMP);
	(void)madvise(slab, SLAB_LEN, MADV_WIPEONFORK);
	for (size_t offset = 0; offset + piece_len <= SLAB_LEN; offset += piece_len) {
		struct head *head = (struct head *)(void *)(slab + offset);

		head->class_idx = (uint32_t)class_idx;
		head->next = heap.free[class_idx];
		heap.free[class_idx] = head;
	}
}

void *secret_alloc(size_t len)
{
	size_t class_idx;
	struct head *head;

	SLUICE_ASSERT(len <= SECRET_LEN_MAX);
	class_idx = class_of(len);
	(void)pthread_mutex_lock(&heap.mutex);
	if (heap.free[class_idx] == NULL)
		add_slab(class_idx);
	head = heap.free[class_idx];
	heap.free[class_idx] = head->next;
	heap.used_len += class_len(class_idx);
	(void)pthread_mutex_unlock(&heap.mutex);
	head->magic = MAGIC_USED;
	head->next = NULL;
	return head + 1;
}

void secret_free(void *memory)
{
	struct head *head = (struct head *)memory - 1;

	if (memory == NULL)
		return;
	SLUICE_ASSERT(head->magic == MAGIC_USED && head->class_idx < N_CLASSES);
	wipe(memory, class_len(head->class_idx) - sizeof *head);
	head->magic = 0;
	(void)pthread_mutex_lock(&heap.mutex);
	head->next = heap.free[head->class_idx];
	heap.free[head->class_idx] = head;
	heap.used_len -= class_len(head->class_idx);
	(void)pthread_mutex_unlock(&heap.mutex);
}

void *secret_grow(void *memory, size_t old_len, size_t len)
{
	void *grown;

	if (memory != NULL && class_len(((struct head *)memory - 1)->class_idx) - sizeof(struct head) >= len)
		return memory;
	grown = secret_alloc(len);
	if (memory != NULL)
		memcpy(grown, memory, old_len);
	secret_free(memory);
	return grown;
}

uint64_t secret_unlocked_len(void)
{
	uint64_t len;

	(void)pthread_mutex_lock(&heap.mutex);
	len = heap.unlocked_len;
	(void)pthread_mutex_unlock(&heap.mutex);
	return len;
}

uint64_t secret_used_len(void)
{
	uint64_t len;

	(void)pthread_mutex_lock(&heap.mutex);
	len = heap.used_len;
	(void)pthread_mutex_unlock(&heap.mutex);
	return len;
}
