// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include "address.h"
#include "base/reader.h"
#include "connection_events.h"

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

static void format_conflict(struct reader *details, struct text *line)
{
	const unsigned port = reader_u16(details);
	struct address address;
	uint8_t link[6];
	char text[ADDRESS_TEXT_MAX];

	reader_copy(details, address.bytes, sizeof address.bytes);
	reader_copy(details, link, sizeof link);
	address_format(&address, text);
	text_printf(line, "port %u: another machine (%02x:%02x:%02x:%02x:%02x:%02x) claims our address %s",
		port, link[0], link[1], link[2], link[3], link[4], link[5], text);
}

static void format_details(const struct log_event *event, struct text *line)
{
	struct reader details = reader_over(span_of(event->details, event->details_len));
	struct text decoded = {0};

	if (event->kind == LOG_EVENT_NEIGHBOR_CONFLICT) {
		format_conflict(&details, &decoded);
	} else if (event->kind == LOG_EVENT_LINK_STATE) {
		const unsigned port = reader_u16(&details);
		const unsigned up = reader_u8(&details);

		text_printf(&decoded, "port %u: the link is %s", port, up != 0 ? "up" : "down");
	} else {
		connection_event_format((enum log_event_kind)event->kind, &details, &decoded);
	}
	if (reader_ok(&details))
		text_append(line, text_string(&decoded), decoded.len);
	else
		text_hex(line, event->details, event->details_len);
	text_free(&decoded);
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
