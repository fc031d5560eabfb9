// SPDX-License-Identifier: Apache-2.0
#include "proxy/line.h"

#include "base/assert.h"

void line_splitter_init(struct line_splitter *splitter, uint8_t *buffer, uint16_t capacity)
{
	*splitter = (struct line_splitter){.buffer = buffer, .capacity = capacity};
}

// How far a line goes in the input, at most `limit` bytes.
struct scan {
	enum line_kind fault; // LINE_NONE when there is none
	size_t len;
	bool ended; // the last of the bytes is the line's LF
	bool after_cr;
};

static struct scan scan_line(struct span input, size_t limit, bool after_cr)
{
	struct scan scan = {.fault = LINE_NONE, .after_cr = after_cr};

	while (scan.len < input.len && scan.len < limit && !scan.ended && scan.fault == LINE_NONE) {
		uint8_t byte = input.data[scan.len];

		if (scan.after_cr) {
			if (byte != '\n')
				scan.fault = LINE_BARE_CR;
			scan.ended = true;
			scan.after_cr = false;
		} else if (byte == '\n') {
			scan.fault = LINE_BARE_LF;
		} else if (byte == '\0') {
			scan.fault = LINE_NUL;
		} else if (byte == '\r') {
			scan.after_cr = true;
		}
		scan.len++;
	}
	return scan;
}

// The bytes after a head, handed out where they lie.
static struct line next_of_long_line(struct line_splitter *splitter, struct span input, uint32_t line_max)
{
	struct scan scan = scan_line(input, input.len, splitter->after_cr);
	struct line line = {.kind = LINE_NONE};

	if (scan.fault != LINE_NONE) {
		line.kind = scan.fault;
	} else if (splitter->line_len + scan.len > line_max) {
		line.kind = LINE_TOO_LONG;
	} else if (scan.len != 0) {
		line.kind = scan.ended ? LINE_TAIL : LINE_MIDDLE;
		line.bytes = span_of(input.data, scan.len);
		line.n_taken = scan.len;
	}
	return line;
}

static struct line buffered_line(struct line_splitter *splitter, size_t n_taken)
{
	bool ended = splitter->buffer[splitter->len - 1] == '\n';

	splitter->complete = true;
	return (struct line){.kind = ended ? LINE_WHOLE : LINE_HEAD,
		.bytes = span_of(splitter->buffer, splitter->len),
		.n_taken = n_taken,
		.n_kept = n_taken};
}

struct line line_next(struct line_splitter *splitter, struct span input, uint32_t line_max)
{
	struct line line = {.kind = LINE_NONE};
	struct scan scan;

	if (splitter->after_head)
		return next_of_long_line(splitter, input, line_max);
	if (splitter->complete)
		return buffered_line(splitter, 0);
	scan = scan_line(input, (size_t)splitter->capacity - splitter->len, splitter->after_cr);
	if (scan.fault != LINE_NONE) {
		line.kind = scan.fault;
		return line;
	}
	if (splitter->len + scan.len > line_max) {
		line.kind = LINE_TOO_LONG;
		return line;
	}
	if (splitter->len == 0 && (scan.ended || scan.len == splitter->capacity)) {
		line.kind = scan.ended ? LINE_WHOLE : LINE_HEAD;
		line.bytes = span_of(input.data, scan.len);
		line.n_taken = scan.len;
		return line;
	}
	if (scan.len != 0)
		memcpy(splitter->buffer + splitter->len, input.data, scan.len);
	splitter->len = (uint16_t)(splitter->len + scan.len);
	splitter->after_cr = scan.after_cr;
	if (scan.ended || splitter->len == splitter->capacity)
		return buffered_line(splitter, scan.len);
	line.n_taken = scan.len;
	line.n_kept = scan.len;
	return line;
}

void line_accept(struct line_splitter *splitter, const struct line *line)
{
	const uint8_t *bytes = line->bytes.data;

	SLUICE_ASSERT(line->kind >= LINE_WHOLE && line->kind <= LINE_TAIL && line->bytes.len != 0);
	splitter->after_head = line->kind == LINE_HEAD || line->kind == LINE_MIDDLE;
	splitter->after_cr = splitter->after_head && bytes[line->bytes.len - 1] == '\r';
	splitter->line_len = splitter->after_head ? splitter->line_len + (uint32_t)line->bytes.len : 0;
	splitter->len = 0;
	splitter->complete = false;
}
