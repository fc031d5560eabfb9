// SPDX-License-Identifier: Apache-2.0
//
// What a command answers: either one set of facts or a table of rows, written once by the command and shown
// as text for people or as JSON for programs. Text: "name: value" lines, or columns under a header. JSON: an
// object, or an array with one object a line. An answer never has an empty line inside: that is its end.
#pragma once

#include "text.h"

#include <stdbool.h>

enum answer_kind {
	ANSWER_DONE,  // nothing to tell, yet
	ANSWER_FACTS, // one row
	ANSWER_TABLE,
	ANSWER_ERROR, // refused: "error: what; what to do"
	ANSWER_USAGE  // not understood: "usage: ..."
};

struct answer {
	struct text *out;
	enum answer_kind kind;
	bool json;
	bool in_row;
	size_t n_rows;
	size_t n_cells;     // of the row
	size_t start;       // of this answer in `out`, as long as nothing was sent
	struct text header; // of a table, until its first row is complete
	struct text row;
};

void answer_begin(struct answer *answer, struct text *out, bool json);

// One set of facts, or a table, begins; rows of a table are opened and closed.
void answer_facts(struct answer *answer);
void answer_table(struct answer *answer);
void answer_row(struct answer *answer);
void answer_row_end(struct answer *answer);

// Cells. `width` is that of the column in text; 0: no padding (the last).
void answer_string(struct answer *answer, const char *name, int width, const char *value);
void answer_bytes(struct answer *answer, const char *name, int width, const char *value, size_t len);
void answer_number(struct answer *answer, const char *name, int width, uint64_t value);
void answer_signed(struct answer *answer, const char *name, int width, int64_t value);
void answer_bool(struct answer *answer, const char *name, int width, bool value);

// Seconds since 1970: a date and time in text, the number in JSON.
void answer_time(struct answer *answer, const char *name, int width, int64_t seconds);

// Plain lines of text: help. In JSON, one string each.
void answer_line(struct answer *answer, const char *line);

// Takes back what was written of this answer and says why instead.
void answer_error(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void answer_usage(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Closes the answer with its empty line.
void answer_end(struct answer *answer);
