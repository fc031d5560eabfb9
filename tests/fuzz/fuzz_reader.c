// SPDX-License-Identifier: Apache-2.0
//
// Drives reader.h with operations taken from the input itself; ASan finds a step out of bounds, the asserts
// find a cursor that moves back, grows, or forgets a failure.
#include "base/assert.h"
#include "base/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static volatile uint8_t sink;

static void touch(struct span span)
{
	for (size_t i = 0; i < span.len; i++)
		sink = (uint8_t)(sink ^ span.data[i]);
}

static void step(struct reader *reader, uint8_t operation)
{
	struct reader sub;
	uint8_t copy[16];

	switch (operation % 10) {
	case 0:
		sink = reader_u8(reader);
		break;
	case 1:
		sink = (uint8_t)reader_u16(reader);
		break;
	case 2:
		sink = (uint8_t)reader_u24(reader);
		break;
	case 3:
		sink = (uint8_t)reader_u32(reader);
		break;
	case 4:
		sink = (uint8_t)reader_u64(reader);
		break;
	case 5:
		touch(reader_vector8(reader));
		break;
	case 6:
		touch(reader_vector16(reader));
		break;
	case 7:
		touch(reader_vector24(reader));
		break;
	case 8:
		reader_copy(reader, copy, operation / 16);
		break;
	default:
		sub = reader_sub8(reader);
		touch(reader_rest(&sub));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t n_operations = len / 4;
	struct reader reader = reader_over(span_of(data + n_operations, len - n_operations));

	for (size_t i = 0; i < n_operations; i++) {
		size_t left = reader_left(&reader);
		bool failed = !reader_ok(&reader);

		step(&reader, data[i]);
		SLUICE_ASSERT(reader_left(&reader) <= left);
		SLUICE_ASSERT(!failed || !reader_ok(&reader));
		SLUICE_ASSERT(reader_ok(&reader) || reader_left(&reader) == 0);
	}
	return 0;
}
