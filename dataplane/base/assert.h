// SPDX-License-Identifier: Apache-2.0
//
// Assertions: a broken invariant of ours ends the process at the place where it was noticed.
//
// SLUICE_ASSERT is always on and belongs wherever the check is cheap. SLUICE_DEBUG_ASSERT costs something
// that a burst would feel and exists only where SLUICE_DEBUG is defined. Neither is ever used for what a peer
// sends: a peer's fault is a verdict and a counter.
#pragma once

// Prints one line to stderr and aborts. Allocates nothing.
_Noreturn void sluice_assert_failed(const char *expression, const char *file, int line, const char *function);

#define SLUICE_ASSERT(expression) \
	do { \
		if (__builtin_expect(!(expression), 0)) \
			sluice_assert_failed(#expression, __FILE_NAME__, __LINE__, __func__); \
	} while (0)

#ifdef SLUICE_DEBUG
#define SLUICE_DEBUG_ASSERT(expression) SLUICE_ASSERT(expression)
#else
#define SLUICE_DEBUG_ASSERT(expression) ((void)sizeof(!(expression)))
#endif
