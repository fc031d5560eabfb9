// SPDX-License-Identifier: Apache-2.0
#include "answer.h"

#include "base/assert.h"

#include <string.h>

void answer_begin(struct answer *answer, struct text *out, bool json)
{
	*answer = (struct answer){.out = out, .json = json, .start = out->len};
}

void answer_facts(struct answer *answer)
{
	answer->kind = ANSWER_FACTS;
	answer_row(answer);
}

void answer_table(struct answer *answer)
{
	answer->kind = ANSWER_TABLE;
	if (answer->json)
		text_char(answer->out, '[');
}

void answer_row(struct answer *answer)
{
	answer->in_row = true;
	answer->n_cells = 0;
	text_clear(&answer->row);
	if (answer->json)
		text_char(&answer->row, '{');
}

static void trim(struct text *text)
{
	while (text->len != 0 && text->data[text->len - 1] == ' ')
		text_drop_to(text, text->len - 1);
}

void answer_row_end(struct answer *answer)
{
	if (!answer->in_row)
		return;
	answer->in_row = false;
	if (answer->json) {
		text_string_append(answer->out, answer->n_rows != 0 ? ",\n" : "");
		text_char(&answer->row, '}');
		text_append(answer->out, text_string(&answer->row), answer->row.len);
	} else {
		trim(&answer->row);
		trim(&answer->header);
		if (answer->n_rows == 0 && answer->header.len != 0)
			text_printf(answer->out, "%s\n", text_string(&answer->header));
		text_append(answer->out, text_string(&answer->row), answer->row.len);
		if (answer->kind == ANSWER_TABLE)
			text_char(answer->out, '\n');
	}
	answer->n_rows++;
}

static void pad(struct text *text, size_t from, int width)
{
	text_char(text, ' ');
	while (width > 0 && text->len - from < (size_t)width + 1)
		text_char(text, ' ');
}

// A cell whose text and JSON forms are given.
static void add_cell(
	struct answer *answer, const char *name, int width, const struct text *value, bool quoted)
{
	const size_t from = answer->row.len;

	SLUICE_ASSERT(answer->in_row);
	if (answer->json) {
		text_string_append(&answer->row, answer->n_cells != 0 ? "," : "");
		text_json(&answer->row, name, strlen(name));
		text_char(&answer->row, ':');
		if (quoted)
			text_json(&answer->row, text_string(value), value->len);
		else
			text_append(&answer->row, text_string(value), value->len);
	} else if (answer->kind == ANSWER_FACTS) {
		text_printf(&answer->row, "%s: ", name);
		text_clean(&answer->row, text_string(value), value->len);
		text_char(&answer->row, '\n');
	} else {
		const size_t header_from = answer->header.len;

		if (answer->n_rows == 0) {
			text_string_append(&answer->header, name);
			pad(&answer->header, header_from, width);
		}
		if (value->len != 0)
			text_clean(&answer->row, text_string(value), value->len);
		else
			text_char(&answer->row, '-');
		pad(&answer->row, from, width);
	}
	answer->n_cells++;
}

void answer_bytes(struct answer *answer, const char *name, int width, const char *value, size_t len)
{
	struct text text = {0};

	text_append(&text, value, len);
	add_cell(answer, name, width, &text, true);
	text_free(&text);
}

void answer_string(struct answer *answer, const char *name, int width, const char *value)
{
	answer_bytes(answer, name, width, value, strlen(value));
}

void answer_number(struct answer *answer, const char *name, int width, uint64_t value)
{
	struct text text = {0};

	text_printf(&text, "%llu", (unsigned long long)value);
	add_cell(answer, name, width, &text, false);
	text_free(&text);
}

void answer_signed(struct answer *answer, const char *name, int width, int64_t value)
{
	struct text text = {0};

	text_printf(&text, "%lld", (long long)value);
	add_cell(answer, name, width, &text, false);
	text_free(&text);
}

void answer_bool(struct answer *answer, const char *name, int width, bool value)
{
	struct text text = {0};

	text_string_append(&text, answer->json ? (value ? "true" : "false") : (value ? "yes" : "no"));
	add_cell(answer, name, width, &text, false);
	text_free(&text);
}

void answer_time(struct answer *answer, const char *name, int width, int64_t seconds)
{
	struct text text = {0};

	if (answer->json) {
		answer_signed(answer, name, width, seconds);
		return;
	}
	text_time(&text, seconds);
	answer_string(answer, name, width, text_string(&text));
	text_free(&text);
}

void answer_line(struct answer *answer, const char *line)
{
	if (answer->kind == ANSWER_DONE)
		answer_table(answer);
	if (answer->json) {
		text_string_append(answer->out, answer->n_rows != 0 ? ",\n" : "");
		text_json(answer->out, line, strlen(line));
	} else {
		text_printf(answer->out, "%s\n", line);
	}
	answer->n_rows++;
}

static void __attribute__((format(printf, 4, 0)))
refuse(struct answer *answer, enum answer_kind kind, const char *word, const char *format, va_list arguments)
{
	struct text message = {0};

	text_vprintf(&message, format, arguments);
	while (message.len != 0 && message.data[message.len - 1] == '\n')
		text_drop_to(&message, message.len - 1);
	if (answer->start <= answer->out->len)
		text_drop_to(answer->out, answer->start);
	answer->in_row = false;
	answer->kind = kind;
	if (answer->json) {
		text_printf(answer->out, "{\"%s\":", word);
		text_json(answer->out, text_string(&message), message.len);
		text_char(answer->out, '}');
	} else {
		text_printf(answer->out, "%s: %s\n", word, text_string(&message));
	}
	text_free(&message);
}

void answer_error(struct answer *answer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	refuse(answer, ANSWER_ERROR, "error", format, arguments);
	va_end(arguments);
}

void answer_usage(struct answer *answer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	refuse(answer, ANSWER_USAGE, "usage", format, arguments);
	va_end(arguments);
}

void answer_end(struct answer *answer)
{
	answer_row_end(answer);
	if (answer->json) {
		if (answer->kind == ANSWER_TABLE)
			text_string_append(answer->out, "]");
		else if (answer->kind == ANSWER_DONE)
			text_string_append(answer->out, "{}");
		text_string_append(answer->out, "\n\n");
	} else {
		text_char(answer->out, '\n');
	}
	text_free(&answer->header);
	text_free(&answer->row);
}
