// SPDX-License-Identifier: Apache-2.0
//
// A cursor over untrusted bytes whose failure is sticky.
//
// Every read checks its bounds. The first read that does not fit makes the reader failed: it and all later
// reads return zero (or an empty span) and consume nothing more. A parser therefore reads a whole structure
// without looking and asks once, at its end, `reader_ok` or `reader_done`. Integers are in network byte
// order.
#pragma once

#include "base/span.h"

struct reader {
	const uint8_t *next;
	const uint8_t *end;
	bool failed;
};

static inline struct reader reader_over(struct span span)
{
	return (struct reader){.next = span.data, .end = span.len != 0 ? span.data + span.len : span.data};
}

static inline size_t reader_left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->next);
}

// Whether everything read so far was there.
static inline bool reader_ok(const struct reader *reader)
{
	return !reader->failed;
}

// Whether everything was there and nothing is left over.
static inline bool reader_done(const struct reader *reader)
{
	return !reader->failed && reader->next == reader->end;
}

// Marks the reader failed, for a parser that finds a value it can't accept.
void reader_fail(struct reader *reader);

uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u24(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);

// The next len bytes, borrowed from what is read.
struct span reader_bytes(struct reader *reader, size_t len);

// Copies len bytes out; the destination is zeroed when they are not there.
void reader_copy(struct reader *reader, void *out, size_t len);

void reader_skip(struct reader *reader, size_t len);

// Everything that is left.
struct span reader_rest(struct reader *reader);

// A vector with a length prefix of 1, 2 or 3 bytes, as a span or as a reader of its own. A sub-reader of a
// failed reader is failed too; failing the sub-reader does not fail its parent.
struct span reader_vector8(struct reader *reader);
struct span reader_vector16(struct reader *reader);
struct span reader_vector24(struct reader *reader);
struct reader reader_sub8(struct reader *reader);
struct reader reader_sub16(struct reader *reader);
struct reader reader_sub24(struct reader *reader);
