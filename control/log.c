// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[N_LOG_LEVELS] = {"error", "warning", "notice", "info", "debug"};
static const int level_priorities[N_LOG_LEVELS] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_init(
	struct log *log, enum log_format format, enum log_target target, enum log_level level, uint32_t rate)
{
	if (target == LOG_TARGET_SYSLOG && log->target != LOG_TARGET_SYSLOG)
		openlog("sluice-control", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	log->format = format;
	log->target = target;
	log->level = level;
	log->rate = rate;
}

static void send_line(struct log *log, enum log_level level, const char *reason, const struct text *line)
{
	if (log->sink != NULL) {
		log->sink(log->sink_context, level, text_string(line), line->len);
	} else if (log->target == LOG_TARGET_SYSLOG) {
		syslog(level_priorities[level], "%s", text_string(line));
	} else if (log->target == LOG_TARGET_JOURNALD) {
		if (sd_journal_send("MESSAGE=%s", text_string(line), "PRIORITY=%d", level_priorities[level],
			    "SLUICE_REASON=%s", reason, NULL) < 0)
			log->n_lost++;
	} else {
		const struct iovec pieces[] = {{.iov_base = line->data, .iov_len = line->len},
			{.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1}};

		if (writev(STDERR_FILENO, pieces, 2) < 0)
			log->n_lost++;
	}
	log->n_lines++;
}

static void compose_json(struct text *line, const char *when, enum log_level level, const char *reason,
	const struct log_field *fields, size_t n_fields, const struct text *message)
{
	text_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"reason\":\"%s\",\"message\":", when,
		level_names[level], reason);
	text_json(line, text_string(message), message->len);
	for (size_t i = 0; i < n_fields; i++) {
		text_printf(line, ",\"%s\":", fields[i].name);
		if (fields[i].value != NULL)
			text_json(line, fields[i].value, strlen(fields[i].value));
		else
			text_printf(line, "%lld", (long long)fields[i].number);
	}
	text_char(line, '}');
}

static void compose(struct log *log, enum log_level level, const char *reason, const struct log_field *fields,
	size_t n_fields, const struct text *message)
{
	struct text line = {0};
	struct text when = {0};

	text_time(&when, (int64_t)time(NULL));
	if (log->format == LOG_FORMAT_JSON)
		compose_json(&line, text_string(&when), level, reason, fields, n_fields, message);
	else if (log->target == LOG_TARGET_STDERR)
		text_printf(&line, "%s %s: %s", text_string(&when), level_names[level], text_string(message));
	else
		text_append(&line, text_string(message), message->len);
	send_line(log, level, reason, &line);
	text_free(&line);
	text_free(&when);
}

// The reason's own count; the last one is everybody's whose name finds no room.
static struct log_reason *find_reason(struct log *log, const char *name)
{
	for (size_t i = 0; i + 1 < LOG_REASONS_MAX; i++) {
		struct log_reason *reason = &log->reasons[i];

		if (reason->name[0] == '\0')
			(void)snprintf(reason->name, sizeof reason->name, "%s", name);
		if (strncmp(reason->name, name, sizeof reason->name - 1) == 0)
			return reason;
	}
	return &log->reasons[LOG_REASONS_MAX - 1];
}

// Whether a line of this reason may be written now.
static bool pass(struct log *log, const char *name)
{
	struct log_reason *reason = find_reason(log, name);
	const int64_t now = (int64_t)time(NULL);
	uint64_t n_suppressed = 0;

	if (reason->second != now) {
		reason->second = now;
		reason->n_written = 0;
		n_suppressed = reason->n_suppressed;
		reason->n_suppressed = 0;
	}
	if (n_suppressed != 0) {
		struct text message = {0};

		text_printf(&message, "%llu more lines of the kind '%s' were not written",
			(unsigned long long)n_suppressed, name);
		compose(log, LOG_LEVEL_NOTICE, "suppressed", NULL, 0, &message);
		text_free(&message);
	}
	if (reason->n_written++ < log->rate)
		return true;
	reason->n_suppressed++;
	log->n_suppressed++;
	return false;
}

void log_write(struct log *log, enum log_level level, const char *reason, const struct log_field *fields,
	size_t n_fields, const char *format, ...)
{
	struct text raw = {0};
	struct text message = {0};
	va_list arguments;

	if (level > log->level || !pass(log, reason))
		return;
	va_start(arguments, format);
	text_vprintf(&raw, format, arguments);
	va_end(arguments);
	text_clean(&message, text_string(&raw), raw.len);
	compose(log, level, reason, fields, n_fields, &message);
	text_free(&message);
	text_free(&raw);
}
