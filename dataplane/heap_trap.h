// SPDX-License-Identifier: Apache-2.0
//
// The heap seam: proof that workers allocate nothing. A worker arms the trap when it begins its loop and
// disarms it after the last turn. Two bodies, chosen when linking: heap_trap.c does nothing;
// tests/seam/heap_trap_armed.c replaces the allocator's entry points, and the process dies when a thread that
// has armed the trap calls one.
#pragma once

void heap_trap_arm(void);
void heap_trap_disarm(void);
