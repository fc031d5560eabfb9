// SPDX-License-Identifier: Apache-2.0
//
// Wipes what a kernel left on the stack: products that did not fit into registers, tables of powers. The
// kernel's work is done by a function that is called and not inlined, and stack_wipe after it, from the same
// place. Its user defines STACK_WIPE_LEN, what its deepest chain of calls takes (gcc -fstack-usage), before
// including this.
#pragma once

#include <stdint.h>

#include "base/wipe.h"

static __attribute__((noinline)) void stack_wipe(void)
{
	uint8_t area[STACK_WIPE_LEN];

	wipe(area, sizeof(area));
}
