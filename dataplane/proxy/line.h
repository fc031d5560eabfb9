// SPDX-License-Identifier: Apache-2.0
//
// Lines that end in CR LF, cut from a stream that arrives in any pieces, with a bound on what is kept.
//
//   input   ... E H L O   a \r \n M A I L ...      a line that is whole in the input is handed out where it
//                                                  lies; a part of one is copied to the buffer and waits
//   buffer  [ first `capacity` bytes of a line ]
//
// A line that does not fit the buffer is handed out in pieces: a HEAD of exactly `capacity` bytes, MIDDLEs,
// and a TAIL with the CR LF. How the stream was segmented never shows in the sequence WHOLE | HEAD MIDDLE*
// TAIL but for the number and the sizes of the MIDDLEs, so that a decision taken on WHOLE or HEAD is the same
// for any segmentation.
//
// CR and LF stand only next to each other and NUL nowhere (RFC 5321 2.3.8, RFC 9051 2.2): anything else is
// refused here, for all protocols, because servers differ in where they see the end of such a line. After a
// refusal the splitter must not be used again.
#pragma once

#include "base/span.h"

enum line_kind {
	LINE_NONE, // all input was taken, no line has ended
	LINE_WHOLE,
	LINE_HEAD,
	LINE_MIDDLE,
	LINE_TAIL,
	LINE_BARE_LF,
	LINE_BARE_CR,
	LINE_NUL,
	LINE_TOO_LONG,
};

struct line_splitter {
	uint8_t *buffer; // the owner's
	uint16_t capacity;
	uint16_t len;      // bytes in the buffer
	uint32_t line_len; // bytes of the line that were accepted before the buffer's
	bool complete;     // the buffer holds a WHOLE or a HEAD that was not accepted
	bool after_head;   // the next piece is a MIDDLE or a TAIL
	bool after_cr;     // the last byte seen is a CR whose LF has to follow
};

// One piece. `bytes` lies in the input or in the buffer and lasts until the next call or the input's end.
// n_taken bytes of the input belong to it; n_kept of these are in the buffer already, so that a caller who
// does not accept the piece yet gives back only n_taken - n_kept.
struct line {
	enum line_kind kind;
	struct span bytes;
	size_t n_taken;
	size_t n_kept;
};

void line_splitter_init(struct line_splitter *splitter, uint8_t *buffer, uint16_t capacity);

// The next piece of a line of at most line_max bytes, CR LF included. The same piece comes again (with other
// n_taken) until line_accept is called.
struct line line_next(struct line_splitter *splitter, struct span input, uint32_t line_max);

// The caller has dealt with the piece that line_next returned.
void line_accept(struct line_splitter *splitter, const struct line *line);

// Whether nothing of a line has been taken: the stream stands between two lines.
static inline bool line_between(const struct line_splitter *splitter)
{
	return splitter->len == 0 && !splitter->after_head && !splitter->after_cr;
}

// Whether a part of a line was handed out and its end was not.
static inline bool line_open(const struct line_splitter *splitter)
{
	return splitter->after_head;
}

// The line without its CR LF, if it has one.
static inline struct span line_text(const struct line *line)
{
	size_t len = line->bytes.len;

	if (len >= 2 && line->bytes.data[len - 1] == '\n')
		len -= 2;
	return span_of(line->bytes.data, len);
}
