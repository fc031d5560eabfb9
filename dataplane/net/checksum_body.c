// SPDX-License-Identifier: Apache-2.0
//
// The sum of a buffer's 32-bit halves in 64-bit accumulators: no carries to chase, so that the compiler makes
// vector code of the main loop. meson compiles this file once per instruction set, with the function's name
// in CHECKSUM_BODY.
#include "net/checksum_body.h"

#include <string.h>

enum {
	BLOCK_WORDS = 16 // 64-bit words summed side by side
};

uint64_t CHECKSUM_BODY(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *next = data;
	uint64_t lanes[BLOCK_WORDS] = {0};
	uint64_t words[BLOCK_WORDS];

	for (; len >= sizeof words; len -= sizeof words, next += sizeof words) {
		memcpy(words, next, sizeof words);
		for (int i = 0; i < BLOCK_WORDS; i++)
			lanes[i] += (words[i] & 0xffffffff) + (words[i] >> 32);
	}
	for (int i = 0; i < BLOCK_WORDS; i++)
		sum += lanes[i];
	for (; len >= sizeof words[0]; len -= sizeof words[0], next += sizeof words[0]) {
		memcpy(words, next, sizeof words[0]);
		sum += (words[0] & 0xffffffff) + (words[0] >> 32);
	}
	if (len != 0) {
		words[0] = 0;
		memcpy(words, next, len);
		sum += (words[0] & 0xffffffff) + (words[0] >> 32);
	}
	return sum;
}
