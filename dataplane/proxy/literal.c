// SPDX-License-Identifier: Apache-2.0
#include "proxy/literal.h"

enum {
	SCAN_TEXT,   // no literal so far
	SCAN_NUMBER, // after the brace
	SCAN_PLUS,   // after the sign
	SCAN_CLOSED  // after the closing brace
};

// Larger than any message that a server would take; and no sum with it overflows.
#define LITERAL_MAX (UINT64_C(1) << 40)

static void feed_brace(struct literal_scan *scan, uint8_t byte)
{
	if (scan->state == SCAN_NUMBER && byte >= '0' && byte <= '9') {
		if (scan->n <= LITERAL_MAX)
			scan->n = scan->n * 10 + (uint64_t)(byte - '0');
		scan->digits = true;
	} else if (scan->state == SCAN_NUMBER && scan->digits && (byte == '+' || byte == '-')) {
		scan->non_sync = true;
		scan->state = SCAN_PLUS;
	} else if ((scan->state == SCAN_PLUS || (scan->state == SCAN_NUMBER && scan->digits)) &&
		   byte == '}') {
		scan->state = SCAN_CLOSED;
	} else if (byte != '\r' && byte != '\n') {
		literal_begin(scan);
		literal_feed(scan, span_of(&byte, 1));
	}
}

void literal_feed(struct literal_scan *scan, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t byte = bytes.data[i];

		if (scan->state != SCAN_TEXT) {
			feed_brace(scan, byte);
		} else if (scan->quoted) {
			if (!scan->escaped && byte == '"')
				scan->quoted = false;
			scan->escaped = !scan->escaped && byte == '\\';
		} else if (byte == '"') {
			scan->quoted = true;
		} else if (byte == '{') {
			*scan = (struct literal_scan){.state = SCAN_NUMBER};
		}
	}
}

enum literal_end literal_end(struct literal_scan *scan)
{
	enum literal_end end = LITERAL_NONE;
	uint64_t n = scan->n;

	if (scan->quoted || (scan->state == SCAN_CLOSED && n > LITERAL_MAX))
		end = LITERAL_BROKEN;
	else if (scan->state == SCAN_CLOSED)
		end = scan->non_sync ? LITERAL_NON_SYNC : LITERAL_SYNC;
	literal_begin(scan);
	scan->n = n;
	return end;
}
