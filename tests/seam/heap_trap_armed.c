// SPDX-License-Identifier: Apache-2.0
//
// The allocator's entry points, defined in the executable and therefore found before the library's, each
// handing on to the next definition (jemalloc's) after a look at the calling thread's trap. Only in builds
// with -Dheap_trap=true.
#include "heap_trap.h"

#include "base/assert.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local bool armed;

void heap_trap_arm(void)
{
	armed = true;
}

void heap_trap_disarm(void)
{
	armed = false;
}

static void *next(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	SLUICE_ASSERT(!armed);
	SLUICE_ASSERT(function != NULL);
	return function;
}

void *malloc(size_t len)
{
	static void *(*function)(size_t);
	void *symbol;

	SLUICE_ASSERT(!armed);
	if (function == NULL) {
		symbol = next("malloc");
		memcpy(&function, &symbol, sizeof function);
	}
	return function(len);
}

void *calloc(size_t n, size_t len)
{
	static void *(*function)(size_t, size_t);
	void *symbol;

	SLUICE_ASSERT(!armed);
	if (function == NULL) {
		symbol = next("calloc");
		memcpy(&function, &symbol, sizeof function);
	}
	return function(n, len);
}

void *realloc(void *memory, size_t len)
{
	static void *(*function)(void *, size_t);
	void *symbol;

	SLUICE_ASSERT(!armed);
	if (function == NULL) {
		symbol = next("realloc");
		memcpy(&function, &symbol, sizeof function);
	}
	return function(memory, len);
}

int posix_memalign(void **out_memory, size_t align, size_t len)
{
	static int (*function)(void **, size_t, size_t);
	void *symbol;

	SLUICE_ASSERT(!armed);
	if (function == NULL) {
		symbol = next("posix_memalign");
		memcpy(&function, &symbol, sizeof function);
	}
	return function(out_memory, align, len);
}

void *aligned_alloc(size_t align, size_t len)
{
	void *memory = NULL;
	int error = posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, len);

	if (error != 0)
		errno = error;
	return memory;
}
