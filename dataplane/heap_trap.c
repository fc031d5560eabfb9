// SPDX-License-Identifier: Apache-2.0
#include "heap_trap.h"

void heap_trap_arm(void)
{
}

void heap_trap_disarm(void)
{
}
