// SPDX-License-Identifier: Apache-2.0
//
// No core dump of this process, and nobody but root may look into it with a debugger: it holds private keys.
#pragma once

#include <sys/prctl.h>
#include <sys/resource.h>

static inline void dumpable_off(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
