// SPDX-License-Identifier: Apache-2.0
#include "base/writer.h"

void writer_fail(struct writer *writer)
{
	writer->failed = true;
}

uint8_t *writer_reserve(struct writer *writer, size_t len)
{
	uint8_t *room;

	if (writer->failed || writer_left(writer) < len) {
		writer->failed = true;
		return NULL;
	}
	room = writer->start + writer->len;
	writer->len += len;
	return room;
}

static void put_integer(uint8_t *out, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

static void write_integer(struct writer *writer, uint64_t value, size_t len)
{
	uint8_t *room = writer_reserve(writer, len);

	if (room != NULL)
		put_integer(room, value, len);
}

void writer_u8(struct writer *writer, uint8_t value)
{
	write_integer(writer, value, 1);
}

void writer_u16(struct writer *writer, uint16_t value)
{
	write_integer(writer, value, 2);
}

void writer_u24(struct writer *writer, uint32_t value)
{
	if (value >> 24 != 0)
		writer_fail(writer);
	write_integer(writer, value, 3);
}

void writer_u32(struct writer *writer, uint32_t value)
{
	write_integer(writer, value, 4);
}

void writer_u64(struct writer *writer, uint64_t value)
{
	write_integer(writer, value, 8);
}

void writer_bytes(struct writer *writer, struct span bytes)
{
	uint8_t *room = writer_reserve(writer, bytes.len);

	if (room != NULL && bytes.len != 0)
		memcpy(room, bytes.data, bytes.len);
}

static struct writer_mark open_block(struct writer *writer, uint8_t n_length_bytes)
{
	struct writer_mark mark = {.offset = writer->len, .n_length_bytes = n_length_bytes};

	write_integer(writer, 0, n_length_bytes);
	return mark;
}

struct writer_mark writer_open8(struct writer *writer)
{
	return open_block(writer, 1);
}

struct writer_mark writer_open16(struct writer *writer)
{
	return open_block(writer, 2);
}

struct writer_mark writer_open24(struct writer *writer)
{
	return open_block(writer, 3);
}

void writer_close(struct writer *writer, struct writer_mark mark)
{
	size_t body_len;

	if (writer->failed)
		return;
	body_len = writer->len - mark.offset - mark.n_length_bytes;
	if ((uint64_t)body_len >> (8 * mark.n_length_bytes) != 0) {
		writer_fail(writer);
		return;
	}
	put_integer(writer->start + mark.offset, body_len, mark.n_length_bytes);
}
