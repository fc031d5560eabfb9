// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include "address.h"
#include "base/reader.h"
#include "connection_events.h"
#include "event_reader.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *event_name(uint16_t kind)
{
	static const char *const names[] = {
#define LOG_EVENT(id, name, details) [LOG_EVENT_##id] = name,
#include "log_events.def"
#undef LOG_EVENT
	};

	return kind < N_LOG_EVENTS ? names[kind] : "unknown";
}

static bool format_conflict(struct reader *details, struct text *line)
{
	const unsigned port = reader_u16(details);
	struct address address;
	uint8_t link[6];
	char text[ADDRESS_TEXT_MAX];

	reader_copy(details, address.bytes, sizeof address.bytes);
	reader_copy(details, link, sizeof link);
	if (!reader_done(details))
		return false;
	address_format(&address, text);
	text_printf(line, "port %u: another machine (%02x:%02x:%02x:%02x:%02x:%02x) claims our address %s",
		port, link[0], link[1], link[2], link[3], link[4], link[5], text);
	return true;
}

static bool format_link(struct reader *details, struct text *line)
{
	const unsigned port = reader_u16(details);
	const unsigned up = reader_u8(details);

	if (!reader_done(details))
		return false;
	text_printf(line, "port %u: the link is %s", port, up != 0 ? "up" : "down");
	return true;
}

static void format_details(const struct log_event *event, struct text *line)
{
	struct reader details = reader_over(span_of(event->details, event->details_len));
	bool known;

	if (event->kind == LOG_EVENT_NEIGHBOR_CONFLICT)
		known = format_conflict(&details, line);
	else if (event->kind == LOG_EVENT_LINK_STATE)
		known = format_link(&details, line);
	else
		known = connection_event_format(event, line);
	if (!known)
		text_hex(line, event->details, event->details_len);
}

void event_format(const struct log_event *event, struct text *out_line)
{
	text_time(out_line, (int64_t)(event->wall_us / 1000000));
	text_printf(out_line, " worker %u %s: ", event->worker_idx, event_name(event->kind));
	format_details(event, out_line);
}

const char *events_add(struct events *events, const struct log_event *event)
{
	struct text line = {0};
	char **slot = &events->lines[events->n++ % EVENTS_KEPT];

	event_format(event, &line);
	free(*slot);
	*slot = line.data;
	return *slot;
}

const char *events_at(const struct events *events, size_t idx)
{
	const uint64_t n_kept = events->n < EVENTS_KEPT ? events->n : EVENTS_KEPT;

	return idx < n_kept ? events->lines[(events->n - n_kept + idx) % EVENTS_KEPT] : NULL;
}

void events_free(struct events *events)
{
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(events->lines[i]);
	*events = (struct events){0};
}

// ---- The log -------------------------------------------------------------------------------------------

static void add_text(struct log_field *fields, size_t *n, const char *name, const struct text *value)
{
	if (value->len != 0)
		fields[(*n)++] = (struct log_field){.name = name, .value = text_string(value)};
}

static void log_tls(const struct log_event *event, const struct tls_event *tls, struct log *log)
{
	const struct tls_facts *facts = &tls->failure.facts;
	const bool failed = event->kind == LOG_EVENT_TLS_FAILURE;
	struct text line = {0};
	struct text version = {0};
	struct text suite = {0};
	struct text name = {0};
	struct log_field fields[12];
	char address[ADDRESS_TEXT_MAX];
	char reason[32];
	size_t n = 0;

	address_format(&facts->peer, address);
	if (facts->version != 0)
		log_tls_version(&version, facts->version);
	if (facts->suite != 0)
		log_tls_suite(&suite, facts->suite);
	if (facts->server_name != NULL)
		text_clean(&name, facts->server_name, strlen(facts->server_name));
	fields[n++] = (struct log_field){.name = "worker", .number = event->worker_idx};
	fields[n++] = (struct log_field){.name = "listener", .value = facts->listener};
	fields[n++] = (struct log_field){.name = "protocol", .value = facts->protocol};
	fields[n++] = (struct log_field){.name = "client", .value = address};
	fields[n++] = (struct log_field){.name = "client_port", .number = tls->peer.client.port};
	fields[n++] = (struct log_field){.name = "handshake_us", .number = tls->duration_us};
	fields[n++] = (struct log_field){.name = "starttls", .number = tls->starttls};
	add_text(fields, &n, "version", &version);
	add_text(fields, &n, "cipher", &suite);
	add_text(fields, &n, "sni", &name);
	if (failed) {
		fields[n++] = (struct log_field){.name = "cause", .value = tls->failure.reason};
		(void)snprintf(reason, sizeof reason, "tls-%s", tls->failure.reason);
	} else {
		fields[n++] = (struct log_field){.name = "resumed", .number = facts->resumed};
		(void)snprintf(reason, sizeof reason, "tls");
	}
	format_details(event, &line);
	log_write(log, failed ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, reason, fields, n, "%s: %s",
		event_name(event->kind), text_string(&line));
	text_free(&line);
	text_free(&version);
	text_free(&suite);
	text_free(&name);
}

void event_log(const struct log_event *event, struct log *log)
{
	struct text line = {0};
	const struct log_field fields[] = {{.name = "worker", .number = event->worker_idx}};
	struct tls_event tls;

	if (event_read_tls(event, &tls)) {
		log_tls(event, &tls, log);
		return;
	}
	format_details(event, &line);
	log_write(log, LOG_LEVEL_INFO, event_name(event->kind), fields, 1, "%s: %s", event_name(event->kind),
		text_string(&line));
	text_free(&line);
}
