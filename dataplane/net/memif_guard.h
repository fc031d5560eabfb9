// SPDX-License-Identifier: Apache-2.0
//
// What DPDK's memif driver needs of us when a peer goes away: its memory stays mapped while a worker copies
// from or to it, and a device is not closed by two threads at once.
//
// DPDK's memif driver (22.11) notices in EAL's interrupt thread that the peer is gone. It marks the device as
// not connected, after which new bursts touch nothing, and unmaps the shared memory at once, although a
// worker may be in the middle of a burst. The driver has no hook in between; so munmap is taken over here for
// the whole process, and waits, in the interrupt thread only, until every burst that had begun is over:
//
//   interrupt thread   connected = 0 ------------------> munmap: waits ----------> unmapped
//   worker               enter, copies ........................ leave | enter, not connected: nothing, leave
//
// A guard counts entries and leavings; odd means inside. A worker that leaves and enters again has seen that
// the device is not connected, so one change of an odd count is all that is waited for.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

// Of one port: memif has no RSS, so that its only queue belongs to one worker.
struct memif_guard {
	_Alignas(64) _Atomic uint32_t n_passed;
};

// Main thread: from here on, and no longer, the interrupt thread waits for this one, which is zeroed before.
void memif_guard_add(struct memif_guard *guard);
void memif_guard_remove(struct memif_guard *guard);

static inline void memif_guard_enter(struct memif_guard *guard)
{
	// Must be visible before the driver's flag is read: the other side writes the flag and then reads
	// this.
	atomic_store_explicit(&guard->n_passed,
		atomic_load_explicit(&guard->n_passed, memory_order_relaxed) + 1, memory_order_seq_cst);
}

static inline void memif_guard_leave(struct memif_guard *guard)
{
	atomic_store_explicit(&guard->n_passed,
		atomic_load_explicit(&guard->n_passed, memory_order_relaxed) + 1, memory_order_release);
}
