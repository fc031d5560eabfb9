// SPDX-License-Identifier: Apache-2.0
//
// Bytes typed in hexadecimal, for tests.
#pragma once

#include "seam/cmocka_all.h"

#include <stdio.h>

struct bytes {
	size_t len;
	uint8_t data[512];
};

static inline struct bytes hex(const char *text)
{
	struct bytes bytes = {0};

	for (; *text != '\0'; text += 2) {
		unsigned byte = 0;

		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		assert_true(bytes.len < sizeof bytes.data);
		bytes.data[bytes.len++] = (uint8_t)byte;
	}
	return bytes;
}

static inline void assert_hex(const uint8_t *bytes, size_t len, const char *text)
{
	struct bytes expected = hex(text);

	assert_int_equal(expected.len, len);
	assert_memory_equal(bytes, expected.data, len);
}
