// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include "base/assert.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void reserve(struct text *text, size_t more)
{
	text->data = memory_grow(text->data, &text->capacity, text->len + more + 1, 1);
}

void text_append(struct text *text, const char *data, size_t len)
{
	reserve(text, len);
	if (len != 0)
		memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void text_string_append(struct text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

void text_char(struct text *text, char character)
{
	text_append(text, &character, 1);
}

void text_vprintf(struct text *text, const char *format, va_list arguments)
{
	va_list again;
	int len;

	va_copy(again, arguments);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	SLUICE_ASSERT(len >= 0);
	reserve(text, (size_t)len);
	(void)vsnprintf(text->data + text->len, (size_t)len + 1, format, arguments);
	text->len += (size_t)len;
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vprintf(text, format, arguments);
	va_end(arguments);
}

// Bytes of the UTF-8 sequence at `bytes`, or 0 where it is none (Unicode 15 table 3-7: no overlong forms, no
// surrogates).
static size_t utf8_len(const unsigned char *bytes, size_t left)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high, len;
	} forms[] = {
		{0x00, 0x7f, 0x00, 0x00, 1},
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		const size_t len = forms[i].len;

		if (bytes[0] < forms[i].first_low || bytes[0] > forms[i].first_high)
			continue;
		if (len > left ||
			(len > 1 && (bytes[1] < forms[i].second_low || bytes[1] > forms[i].second_high)))
			return 0;
		for (size_t j = 2; j < len; j++)
			if ((bytes[j] & 0xc0) != 0x80)
				return 0;
		return len;
	}
	return 0;
}

void text_json(struct text *text, const char *data, size_t len)
{
	text_char(text, '"');
	for (size_t i = 0; i < len;) {
		const unsigned char byte = (unsigned char)data[i];
		const size_t n = utf8_len((const unsigned char *)data + i, len - i);

		if (byte == '"' || byte == '\\')
			text_printf(text, "\\%c", byte);
		else if (byte == '\n')
			text_string_append(text, "\\n");
		else if (byte < 0x20 || byte == 0x7f)
			text_printf(text, "\\u%04x", byte);
		else if (n == 0)
			text_string_append(text, "\\ufffd");
		else
			text_append(text, data + i, n);
		i += n != 0 ? n : 1;
	}
	text_char(text, '"');
}

void text_clean(struct text *text, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char byte = (unsigned char)data[i];

		if (byte < 0x20 || byte > 0x7e)
			text_printf(text, "\\x%02x", byte);
		else
			text_char(text, data[i]);
	}
}

void text_hex(struct text *text, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < len; i++)
		text_printf(text, "%02x", byte[i]);
}

void text_time(struct text *text, int64_t seconds)
{
	const time_t when = (time_t)seconds;
	char written[32];
	struct tm broken_down;

	if (gmtime_r(&when, &broken_down) == NULL ||
		strftime(written, sizeof written, "%Y-%m-%dT%H:%M:%SZ", &broken_down) == 0)
		text_printf(text, "@%lld", (long long)seconds);
	else
		text_string_append(text, written);
}

void text_clear(struct text *text)
{
	text->len = 0;
	if (text->data != NULL)
		text->data[0] = '\0';
}

void text_drop(struct text *text, size_t len)
{
	SLUICE_ASSERT(len <= text->len);
	if (len == 0)
		return;
	text->len -= len;
	memmove(text->data, text->data + len, text->len);
	text->data[text->len] = '\0';
}

void text_drop_to(struct text *text, size_t len)
{
	SLUICE_ASSERT(len <= text->len);
	text->len = len;
	if (text->data != NULL)
		text->data[len] = '\0';
}

void text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

bool text_number(const char *text, uint64_t max, uint64_t *out_number)
{
	uint64_t number = 0;

	if (text[0] == '\0')
		return false;
	for (; *text != '\0'; text++) {
		const uint64_t digit = (uint64_t)(unsigned char)*text - '0';

		if (digit > 9 || number > (max - digit) / 10)
			return false;
		number = 10 * number + digit;
	}
	*out_number = number;
	return true;
}
