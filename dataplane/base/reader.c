// SPDX-License-Identifier: Apache-2.0
#include "base/reader.h"

void reader_fail(struct reader *reader)
{
	reader->failed = true;
	reader->next = reader->end;
}

// The one place that moves the cursor: NULL when len bytes are not there.
static const uint8_t *take(struct reader *reader, size_t len)
{
	const uint8_t *bytes = reader->next;

	if (reader->failed || reader_left(reader) < len) {
		reader_fail(reader);
		return NULL;
	}
	if (len != 0)
		reader->next += len;
	return bytes;
}

static uint64_t take_integer(struct reader *reader, size_t len)
{
	const uint8_t *bytes = take(reader, len);
	uint64_t value = 0;

	if (bytes == NULL)
		return 0;
	for (size_t i = 0; i < len; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint8_t reader_u8(struct reader *reader)
{
	return (uint8_t)take_integer(reader, 1);
}

uint16_t reader_u16(struct reader *reader)
{
	return (uint16_t)take_integer(reader, 2);
}

uint32_t reader_u24(struct reader *reader)
{
	return (uint32_t)take_integer(reader, 3);
}

uint32_t reader_u32(struct reader *reader)
{
	return (uint32_t)take_integer(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
	return take_integer(reader, 8);
}

struct span reader_bytes(struct reader *reader, size_t len)
{
	const uint8_t *bytes = take(reader, len);

	return span_of(bytes, reader->failed ? 0 : len);
}

void reader_copy(struct reader *reader, void *out, size_t len)
{
	const uint8_t *bytes = take(reader, len);

	if (len == 0)
		return;
	if (bytes != NULL)
		memcpy(out, bytes, len);
	else
		memset(out, 0, len);
}

void reader_skip(struct reader *reader, size_t len)
{
	(void)take(reader, len);
}

struct span reader_rest(struct reader *reader)
{
	return reader_bytes(reader, reader_left(reader));
}

struct span reader_vector8(struct reader *reader)
{
	return reader_bytes(reader, reader_u8(reader));
}

struct span reader_vector16(struct reader *reader)
{
	return reader_bytes(reader, reader_u16(reader));
}

struct span reader_vector24(struct reader *reader)
{
	return reader_bytes(reader, reader_u24(reader));
}

static struct reader sub_reader(const struct reader *reader, struct span span)
{
	struct reader sub = reader_over(span);

	sub.failed = reader->failed;
	return sub;
}

struct reader reader_sub8(struct reader *reader)
{
	struct span span = reader_vector8(reader);

	return sub_reader(reader, span);
}

struct reader reader_sub16(struct reader *reader)
{
	struct span span = reader_vector16(reader);

	return sub_reader(reader, span);
}

struct reader reader_sub24(struct reader *reader)
{
	struct span span = reader_vector24(reader);

	return sub_reader(reader, span);
}
