// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void sluice_assert_failed(const char *expression, const char *file, int line, const char *function)
{
	char text[512];
	int len = snprintf(text, sizeof text, "sluice: assertion failed: %s (%s:%d, %s)\n", expression, file,
		line, function);

	if (len > 0) {
		size_t n = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
		ssize_t written = write(STDERR_FILENO, text, n);
		(void)written;
	}
	abort();
}
