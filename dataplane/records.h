// SPDX-License-Identifier: Apache-2.0
//
// The records that travel over the control link (ipc.h, snapshot.h): a header, a body of fixed width, a tail,
// padding with zeros to the next multiple of 8.
#pragma once

#include "base/reader.h"
#include "ipc.h"

struct record {
	uint16_t type;
	struct span content; // body and tail
};

enum records_status {
	RECORDS_NEXT,
	RECORDS_END,
	RECORDS_CUT_OFF, // the last record is not whole, or what must be zero is not
};

// Reads the next record.
enum records_status records_next(struct reader *reader, struct record *out_record);

// Splits a record's content: copies the body of `body_len` bytes out; what follows is the tail. False: it is
// too short.
bool record_split(const struct record *record, void *out_body, size_t body_len, struct span *out_tail);
