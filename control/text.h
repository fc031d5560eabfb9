// SPDX-License-Identifier: Apache-2.0
//
// A string that grows: what answers, log lines and metrics are built in. Zero-initialised it is empty; its
// owner frees it. It always ends in a zero that `len` does not count.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data; // NULL while nothing was ever added
	size_t len;
	size_t capacity;
};

static inline const char *text_string(const struct text *text)
{
	return text->data != NULL ? text->data : "";
}

void text_append(struct text *text, const char *data, size_t len);
void text_string_append(struct text *text, const char *string);
void text_char(struct text *text, char character);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

// A quoted JSON string (RFC 8259 section 7). Bytes that are not UTF-8 become U+FFFD.
void text_json(struct text *text, const char *data, size_t len);

// The same characters made harmless for a terminal or a log line: controls and bytes above 0x7e as \xNN.
void text_clean(struct text *text, const char *data, size_t len);

void text_hex(struct text *text, const void *bytes, size_t len);

// "2026-11-24T10:12:45Z"
void text_time(struct text *text, int64_t seconds);

// A number in decimal digits alone, at most `max`; false for anything else.
bool text_number(const char *text, uint64_t max, uint64_t *out_number) __attribute__((warn_unused_result));

// Forgets the content, keeps the memory; text_drop takes the first len bytes away.
void text_clear(struct text *text);
void text_drop(struct text *text, size_t len);

// Cuts the text back to its first len bytes.
void text_drop_to(struct text *text, size_t len);
void text_free(struct text *text);
