// SPDX-License-Identifier: Apache-2.0
#include "records.h"

enum {
	RECORD_ALIGN = 8
};

enum records_status records_next(struct reader *reader, struct record *out_record)
{
	struct ipc_record_header header;
	struct span padding;

	if (reader_left(reader) == 0)
		return RECORDS_END;
	reader_copy(reader, &header, sizeof header);
	out_record->type = header.type;
	out_record->content = reader_bytes(reader, header.len);
	padding = reader_bytes(reader, (RECORD_ALIGN - header.len % RECORD_ALIGN) % RECORD_ALIGN);
	if (!reader_ok(reader) || header.reserved != 0)
		return RECORDS_CUT_OFF;
	for (size_t i = 0; i < padding.len; i++)
		if (padding.data[i] != 0)
			return RECORDS_CUT_OFF;
	return RECORDS_NEXT;
}

bool record_split(const struct record *record, void *out_body, size_t body_len, struct span *out_tail)
{
	struct reader reader = reader_over(record->content);

	reader_copy(&reader, out_body, body_len);
	*out_tail = reader_rest(&reader);
	return reader_ok(&reader);
}
