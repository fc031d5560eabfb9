// SPDX-License-Identifier: Apache-2.0
//
// Four blocks side by side: word i of all four is one vector, so that the rounds need no shuffles and the
// plain-C source (with the compilers' vector type) becomes SSE by itself. No branch or index depends on the
// key.
#include "crypto/chacha20.h"

#include "base/wipe.h"

#include <string.h>

typedef uint32_t word4 __attribute__((vector_size(16)));

static inline word4 rotate(word4 x, int n)
{
	return x << n | x >> (32 - n);
}

// RFC 8439 2.1.
static inline void quarter_round(word4 *a, word4 *b, word4 *c, word4 *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

static void four_blocks(const word4 start[16], uint8_t out[CHACHA20_GROUP_LEN])
{
	word4 x[16];

	memcpy(x, start, sizeof x);
	for (int i = 0; i < 10; i++) {
		quarter_round(&x[0], &x[4], &x[8], &x[12]);
		quarter_round(&x[1], &x[5], &x[9], &x[13]);
		quarter_round(&x[2], &x[6], &x[10], &x[14]);
		quarter_round(&x[3], &x[7], &x[11], &x[15]);
		quarter_round(&x[0], &x[5], &x[10], &x[15]);
		quarter_round(&x[1], &x[6], &x[11], &x[12]);
		quarter_round(&x[2], &x[7], &x[8], &x[13]);
		quarter_round(&x[3], &x[4], &x[9], &x[14]);
	}
	for (size_t i = 0; i < 16; i++) {
		x[i] += start[i];
		for (size_t block = 0; block < 4; block++) {
			uint32_t word = x[i][block];

			memcpy(out + 64 * block + 4 * i, &word, sizeof word);
		}
	}
	wipe(x, sizeof x);
}

void chacha20_stream(const uint8_t key[CHACHA20_KEY_LEN], uint8_t *out, size_t n_groups)
{
	static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	word4 start[16];

	for (size_t i = 0; i < 16; i++) {
		uint32_t word = 0;

		if (i < 4)
			word = constants[i];
		else if (i < 12)
			memcpy(&word, key + 4 * (i - 4), sizeof word);
		start[i] = (word4){word, word, word, word};
	}
	start[12] = (word4){0, 1, 2, 3};
	for (size_t group = 0; group < n_groups; group++) {
		four_blocks(start, out + CHACHA20_GROUP_LEN * group);
		start[12] += 4;
	}
	wipe(start, sizeof start);
}
