// SPDX-License-Identifier: Apache-2.0
#include "net/memif_guard.h"

#include "base/assert.h"

#include <pthread.h>
#include <rte_interrupts.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	GUARDS_MAX = 64,    // memif ports of one process
	WAIT_NS = 10 * 1000 // a burst takes microseconds, unless its thread has lost the core
};

// Held by the interrupt thread while it waits, so that guards outlive that.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct memif_guard *guards[GUARDS_MAX];

static void replace(struct memif_guard *old, struct memif_guard *new)
{
	uint32_t idx = 0;

	(void)pthread_mutex_lock(&lock);
	while (idx < GUARDS_MAX && guards[idx] != old)
		idx++;
	SLUICE_ASSERT(idx < GUARDS_MAX);
	guards[idx] = new;
	(void)pthread_mutex_unlock(&lock);
}

void memif_guard_add(struct memif_guard *guard)
{
	replace(NULL, guard);
}

void memif_guard_remove(struct memif_guard *guard)
{
	replace(guard, NULL);
}

static void wait_until_left(struct memif_guard *guard)
{
	const uint32_t n_passed = atomic_load_explicit(&guard->n_passed, memory_order_acquire);

	// Sleeps, since it may hold the very core that the worker needs.
	while ((n_passed & 1) != 0 &&
		atomic_load_explicit(&guard->n_passed, memory_order_acquire) == n_passed)
		(void)nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
}

static void wait_until_all_left(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < GUARDS_MAX; i++)
		if (guards[i] != NULL)
			wait_until_left(guards[i]);
	(void)pthread_mutex_unlock(&lock);
}

// In the place of libc's, for every library of the process.
int munmap(void *address, size_t len)
{
	if (rte_thread_is_intr() != 0)
		wait_until_all_left();
	return (int)syscall(SYS_munmap, address, len);
}
