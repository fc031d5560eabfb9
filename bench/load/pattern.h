// SPDX-License-Identifier: Apache-2.0
//
// What bodies consist of: one fixed stream of bytes without a short period, so that whoever receives any part
// of it can tell whether a byte is wrong, missing, doubled or out of place. The period is a prime, so that no
// power of two (records, segments, pages) hides a shift.
#pragma once

#include "base/span.h"

enum {
	PATTERN_PERIOD = 16381,
	PATTERN_LEN = 2 * PATTERN_PERIOD // of what pattern_bytes returns
};

// Two periods in a row: every run of PATTERN_PERIOD bytes of the stream lies in it in one piece.
const uint8_t *pattern_bytes(void);

// Where in pattern_bytes the stream's byte at this position is; PATTERN_PERIOD bytes may be read from there.
static inline uint32_t pattern_offset(uint64_t position)
{
	return (uint32_t)(position % PATTERN_PERIOD);
}

// Whether the bytes are those of the stream from this position on.
bool pattern_matches(uint64_t position, struct span bytes);
