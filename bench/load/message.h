// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 as far as a load generator needs it (RFC 9112): the head of a request or an answer, of which it
// keeps the first line, Content-Length and Connection, and then so many bytes of body, which it checks
// against the pattern.
//
//   first line -> header lines -> empty line -> body -> whole
//
// Chunked bodies are refused: neither side of ours sends them, and nginx sends them for nothing we ask of it.
#pragma once

#include "base/span.h"

enum {
	MESSAGE_LINE_MAX = 96 // what is longer is cut; the lines that matter are shorter
};

enum message_state {
	MESSAGE_FIRST_LINE,
	MESSAGE_HEADERS,
	MESSAGE_BODY,
	MESSAGE_WHOLE,
	MESSAGE_MALFORMED,
	MESSAGE_CORRUPT // the body is not the pattern
};

struct message {
	uint64_t body_len;
	uint64_t body_seen;
	uint8_t state; // enum message_state
	bool close;    // Connection: close
	bool is_request;
	bool check_body;     // against the pattern
	uint8_t line_len;    // of the line that is being read
	uint16_t status;     // answer
	bool is_put;         // request
	uint64_t wanted_len; // request: the number that its path is
	char line[MESSAGE_LINE_MAX];
};

// A body is checked in requests always and in answers when their status is 200.
void message_begin(struct message *message, bool is_request);

// Takes the next bytes; returns how many of them belong to this message. After MESSAGE_WHOLE it takes none.
size_t message_feed(struct message *message, struct span bytes);

static inline bool message_is_over(const struct message *message)
{
	return message->state >= MESSAGE_WHOLE;
}

// Whether something of it has come and something is missing.
static inline bool message_is_partial(const struct message *message)
{
	return message->state < MESSAGE_WHOLE &&
	       (message->state != MESSAGE_FIRST_LINE || message->line_len != 0);
}
