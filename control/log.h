// SPDX-License-Identifier: Apache-2.0
//
// The log of the control process: its own doings, those of operators, and the events of the dataplane. A line
// is a level, a reason (a short stable word, which is also what the rate limit counts by) and a text; it goes
// to stderr, syslog or journald as text or as one JSON object. Fields go into the object as they are, and are
// in the text already.
//
// More than `rate` lines a second of one reason are counted instead of written; the next second starts with a
// line that says how many. Never logged: message content, keys, payloads of operators.
#pragma once

#include "text.h"

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	N_LOG_LEVELS
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON
};
enum log_target {
	LOG_TARGET_STDERR,
	LOG_TARGET_SYSLOG,
	LOG_TARGET_JOURNALD
};

// A fact beside the text, for programs.
struct log_field {
	const char *name;
	const char *value; // NULL: the number
	int64_t number;
};

enum {
	LOG_REASONS_MAX = 128
};

struct log_reason {
	char name[32];
	int64_t second;
	uint32_t n_written;
	uint64_t n_suppressed;
};

struct log {
	enum log_format format;
	enum log_target target;
	enum log_level level;
	uint32_t rate;
	uint64_t n_lines;
	uint64_t n_suppressed;
	uint64_t n_lost; // stderr or the journal did not take them
	struct log_reason reasons[LOG_REASONS_MAX];
	void (*sink)(
		void *context, enum log_level level, const char *line, size_t len); // tests; NULL: the target
	void *sink_context;
};

void log_init(
	struct log *log, enum log_format format, enum log_target target, enum log_level level, uint32_t rate);

void log_write(struct log *log, enum log_level level, const char *reason, const struct log_field *fields,
	size_t n_fields, const char *format, ...) __attribute__((format(printf, 6, 7)));

// The commonest case.
#define LOG(log, level, reason, ...) log_write(log, level, reason, NULL, 0, __VA_ARGS__)

const char *log_level_name(enum log_level level);
