// SPDX-License-Identifier: Apache-2.0
//
// Proof that workers allocate nothing: in a build with -Dheap_trap=true the process dies at once when a
// thread that has armed the trap calls malloc, calloc, realloc, memalign or their kin. Other builds have none
// of it.
#pragma once

#ifdef SLUICE_HEAP_TRAP
void heap_trap_arm(void);
void heap_trap_disarm(void);
#else
static inline void heap_trap_arm(void)
{
}

static inline void heap_trap_disarm(void)
{
}
#endif
