// SPDX-License-Identifier: Apache-2.0
#include "load/pattern.h"

static uint8_t bytes_of_pattern[PATTERN_LEN];

// Marsaglia's xorshift64: any stream will do as long as both sides have the same.
static void make(void)
{
	uint64_t state = 0x9e3779b97f4a7c15;

	for (uint32_t i = 0; i < PATTERN_PERIOD; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes_of_pattern[i] = (uint8_t)(state >> 24);
		bytes_of_pattern[i + PATTERN_PERIOD] = bytes_of_pattern[i];
	}
}

const uint8_t *pattern_bytes(void)
{
	static bool made;

	if (!made)
		make();
	made = true;
	return bytes_of_pattern;
}

bool pattern_matches(uint64_t position, struct span bytes)
{
	const uint8_t *pattern = pattern_bytes();

	while (bytes.len != 0) {
		size_t n = bytes.len < PATTERN_PERIOD ? bytes.len : PATTERN_PERIOD;

		if (memcmp(bytes.data, pattern + pattern_offset(position), n) != 0)
			return false;
		bytes = span_of(bytes.data + n, bytes.len - n);
		position += n;
	}
	return true;
}
