// SPDX-License-Identifier: Apache-2.0
#include "crypto/der.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"

enum {
	TAG_INTEGER = 0x02,
	TAG_SEQUENCE = 0x30,
	LENGTH_LONG = 0x80 // this bit: a long form follows
};

// X.690 8.3: no leading zeros but the one that keeps the number positive.
static void write_integer(struct writer *writer, const uint8_t *number, size_t len)
{
	struct writer_mark mark;

	while (len > 1 && number[0] == 0) {
		number++;
		len--;
	}
	writer_u8(writer, TAG_INTEGER);
	mark = writer_open8(writer);
	if ((number[0] & 0x80) != 0)
		writer_u8(writer, 0);
	writer_bytes(writer, span_of(number, len));
	writer_close(writer, mark);
}

size_t der_encode_ecdsa(uint8_t out[DER_ECDSA_MAX_LEN], const uint8_t *r_and_s, size_t number_len)
{
	struct writer writer = writer_over((struct mut_span){out, DER_ECDSA_MAX_LEN});
	struct writer_mark mark;

	SLUICE_ASSERT(number_len == 32 || number_len == 48);
	// 2 * (2 + 49) = 102 is below 128, so that every length is one byte (X.690 10.1).
	writer_u8(&writer, TAG_SEQUENCE);
	mark = writer_open8(&writer);
	write_integer(&writer, r_and_s, number_len);
	write_integer(&writer, r_and_s + number_len, number_len);
	writer_close(&writer, mark);
	SLUICE_ASSERT(writer_ok(&writer));
	return writer.len;
}

static void read_integer(struct reader *reader, uint8_t *out, size_t number_len)
{
	struct span bytes;

	if (reader_u8(reader) != TAG_INTEGER)
		reader_fail(reader);
	// A length of 128 or more in the short form's place is a long form, and runs out of bytes or of room.
	bytes = reader_vector8(reader);
	if (!reader_ok(reader) || bytes.len == 0 || (bytes.data[0] & 0x80) != 0) {
		reader_fail(reader);
		return;
	}
	if (bytes.len > 1 && bytes.data[0] == 0) {
		if ((bytes.data[1] & 0x80) == 0)
			reader_fail(reader);
		bytes = span_of(bytes.data + 1, bytes.len - 1);
	}
	if (bytes.len > number_len)
		reader_fail(reader);
	if (reader_ok(reader))
		memcpy(out + number_len - bytes.len, bytes.data, bytes.len);
}

bool der_decode_ecdsa(uint8_t *out_r_and_s, size_t number_len, struct span signature)
{
	struct reader reader = reader_over(signature);
	struct reader body;

	memset(out_r_and_s, 0, 2 * number_len);
	if (reader_u8(&reader) != TAG_SEQUENCE)
		reader_fail(&reader);
	if (reader_left(&reader) != 0 && (reader.next[0] & LENGTH_LONG) != 0)
		reader_fail(&reader);
	body = reader_sub8(&reader);
	if (!reader_done(&reader))
		reader_fail(&body);
	read_integer(&body, out_r_and_s, number_len);
	read_integer(&body, out_r_and_s + number_len, number_len);
	if (reader_done(&body))
		return true;
	memset(out_r_and_s, 0, 2 * number_len);
	return false;
}
