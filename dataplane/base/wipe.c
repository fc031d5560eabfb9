// SPDX-License-Identifier: Apache-2.0
#include "base/wipe.h"

#include <stdint.h>
#include <string.h>

void wipe(void *memory, size_t len)
{
	if (len != 0)
		explicit_bzero(memory, len);
}

bool constant_time_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t difference = 0;

	for (size_t i = 0; i < len; i++)
		difference = (uint8_t)(difference | (x[i] ^ y[i]));
	return difference == 0;
}
