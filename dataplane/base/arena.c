// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "base/assert.h"
#include "base/wipe.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
	ARENA_HUGE_PAGE = 2 << 20,
	ARENA_CACHE_LINE = 64
};

static size_t round_up(size_t value, size_t to)
{
	return (value + to - 1) & ~(to - 1);
}

bool arena_init(struct arena *arena, size_t capacity)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t len;
	void *start;

	*arena = (struct arena){0};
	if (capacity == 0 || capacity > SIZE_MAX - ARENA_HUGE_PAGE)
		return false;
	len = round_up(capacity, ARENA_HUGE_PAGE);
	start = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	arena->huge = start != MAP_FAILED;
	if (!arena->huge) {
		start = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (start == MAP_FAILED)
			return false;
		(void)madvise(start, len, MADV_HUGEPAGE);
	}
	(void)madvise(start, len, MADV_DONTDUMP);
	(void)madvise(start, len, MADV_WIPEONFORK);
	arena->locked = mlock(start, len) == 0;
	arena->start = start;
	arena->capacity = len;
	return true;
}

void *arena_alloc(struct arena *arena, size_t len, size_t align)
{
	size_t offset;

	SLUICE_ASSERT(align >= ARENA_CACHE_LINE && (align & (align - 1)) == 0 && align <= ARENA_HUGE_PAGE);
	if (arena->used > arena->capacity - (align - 1))
		return NULL;
	offset = round_up(arena->used, align);
	if (arena->capacity - offset < len)
		return NULL;
	arena->used = offset + len;
	return arena->start + offset;
}

void arena_destroy(struct arena *arena)
{
	if (arena->start == NULL)
		return;
	wipe(arena->start, arena->used);
	(void)munmap(arena->start, arena->capacity);
	*arena = (struct arena){0};
}
