// SPDX-License-Identifier: Apache-2.0
//
// The sum of a buffer's 32-bit halves in 64-bit lanes: no carries to chase, so that lanes are independent.
// meson compiles this file once per instruction set, with the function's name in CHECKSUM_BODY and the number
// of lanes of a register in CHECKSUM_LANES.
#include "net/checksum_body.h"

#include <string.h>

enum {
	BLOCK_LEN = CHECKSUM_LANES * sizeof(uint64_t)
};

typedef uint64_t lanes __attribute__((vector_size(BLOCK_LEN)));

static inline lanes halves_of_block(const uint8_t *block)
{
	lanes words;

	memcpy(&words, block, sizeof words);
	return (words & 0xffffffff) + (words >> 32);
}

static inline uint64_t halves_of_word(const uint8_t *bytes, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, bytes, len);
	return (word & 0xffffffff) + (word >> 32);
}

// Whole blocks, four at a time.
static uint64_t sum_blocks(const uint8_t *next, size_t n_blocks)
{
	lanes a = halves_of_block(next), b = {0}, c = {0}, d = {0};
	uint64_t sum = 0;
	size_t i = 1;

	for (; i + 4 <= n_blocks; i += 4) {
		a += halves_of_block(next + i * BLOCK_LEN);
		b += halves_of_block(next + (i + 1) * BLOCK_LEN);
		c += halves_of_block(next + (i + 2) * BLOCK_LEN);
		d += halves_of_block(next + (i + 3) * BLOCK_LEN);
	}
	for (; i < n_blocks; i++)
		b += halves_of_block(next + i * BLOCK_LEN);
	a += b + c + d;
	for (int lane = 0; lane < CHECKSUM_LANES; lane++)
		sum += a[lane];
	return sum;
}

uint64_t CHECKSUM_BODY(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *next = data;

	if (len >= BLOCK_LEN) {
		sum += sum_blocks(next, len / BLOCK_LEN);
		next += len / BLOCK_LEN * BLOCK_LEN;
		len %= BLOCK_LEN;
	}
	for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), next += sizeof(uint64_t))
		sum += halves_of_word(next, sizeof(uint64_t));
	if ((len & 4) != 0) {
		sum += halves_of_word(next, 4);
		next += 4;
	}
	if ((len & 2) != 0) {
		sum += halves_of_word(next, 2);
		next += 2;
	}
	if ((len & 1) != 0)
		sum += halves_of_word(next, 1);
	return sum;
}
