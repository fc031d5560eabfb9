// SPDX-License-Identifier: Apache-2.0
//
// Literals: {123} or {123+} in front of a line's CR LF announces that many bytes, after which the line goes
// on (RFC 9051 4.3, RFC 7888, RFC 5804 4). The scan follows a line piece by piece and keeps track of quoted
// strings, in which a brace means nothing.
#pragma once

#include "proxy/preamble.h"

enum literal_end {
	LITERAL_NONE,
	LITERAL_SYNC,
	LITERAL_NON_SYNC, // {n+} or {n-}
	LITERAL_BROKEN    // the line ends inside a quoted string, or the number is too large
};

static inline void literal_begin(struct literal_scan *scan)
{
	*scan = (struct literal_scan){0};
}

void literal_feed(struct literal_scan *scan, struct span bytes);

// What the line that was fed ended with; scan->n is the literal's length. Starts over for the next line.
enum literal_end literal_end(struct literal_scan *scan);
