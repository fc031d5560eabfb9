// SPDX-License-Identifier: Apache-2.0
//
// A span is a borrowed piece of memory: where it starts and how many bytes it has. It owns nothing and is
// passed by value. A span of no bytes may have any pointer, NULL included.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *data;
	size_t len;
};

struct mut_span {
	uint8_t *data;
	size_t len;
};

static inline struct span span_of(const void *data, size_t len)
{
	return (struct span){.data = data, .len = len};
}

// The characters of a string, without its terminating zero.
static inline struct span span_of_string(const char *string)
{
	return span_of(string, strlen(string));
}

static inline struct span span_from_mut(struct mut_span span)
{
	return (struct span){.data = span.data, .len = span.len};
}

// Equality of public bytes; not constant time. Secrets are compared with wipe.h's constant_time_equal.
static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
