// SPDX-License-Identifier: Apache-2.0
//
// A builder over a buffer of fixed size whose failure is sticky, the twin of reader.h.
//
// A write that does not fit makes the writer failed, writes nothing, and so do all later writes; the caller
// asks once at the end. Length-prefixed blocks nest: open one, write its body, close it, and the length is
// patched in. Integers are in network byte order.
#pragma once

#include "base/span.h"

struct writer {
	uint8_t *start;
	size_t len;      // bytes written
	size_t capacity; // bytes there are
	bool failed;
};

// Where an open block's length stands; valid for the writer that made it.
struct writer_mark {
	size_t offset;
	uint8_t n_length_bytes;
};

static inline struct writer writer_over(struct mut_span span)
{
	return (struct writer){.start = span.data, .capacity = span.len};
}

static inline bool writer_ok(const struct writer *writer)
{
	return !writer->failed;
}

static inline size_t writer_left(const struct writer *writer)
{
	return writer->capacity - writer->len;
}

// What was written; empty when the writer failed.
static inline struct span writer_span(const struct writer *writer)
{
	return span_of(writer->start, writer->failed ? 0 : writer->len);
}

void writer_fail(struct writer *writer);
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u24(struct writer *writer, uint32_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_bytes(struct writer *writer, struct span bytes);

// Room for len bytes that the caller fills in; NULL when it is not there.
uint8_t *writer_reserve(struct writer *writer, size_t len);

// Opens a block with a length of 1, 2 or 3 bytes. Closing one whose body is too long for it fails the writer.
struct writer_mark writer_open8(struct writer *writer);
struct writer_mark writer_open16(struct writer *writer);
struct writer_mark writer_open24(struct writer *writer);
void writer_close(struct writer *writer, struct writer_mark mark);
