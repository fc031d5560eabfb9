// SPDX-License-Identifier: Apache-2.0
#include "connection_events.h"

#include "event_reader.h"

#include <string.h>

enum {
	SECOND_US = 1000000,
};

static void add_string(struct text *line, const char *before, const char *string)
{
	if (string[0] == '\0')
		return;
	text_string_append(line, before);
	text_clean(line, string, strlen(string));
}

static void add_endpoint(struct text *line, const char *before, const struct endpoint *endpoint)
{
	char text[ADDRESS_TEXT_MAX];

	endpoint_format(endpoint, text);
	text_printf(line, "%s%s", before, text);
}

static void add_seconds(struct text *line, uint64_t us)
{
	text_printf(line, ", %llu.%03llu s", (unsigned long long)(us / SECOND_US),
		(unsigned long long)(us % SECOND_US / 1000));
}

static void begin_line(struct text *line, const struct event_peer *peer)
{
	add_string(line, "", peer->listener);
	add_string(line, "/", peer->protocol);
	text_string_append(line, ": ");
}

static void format_session(const struct tls_event *tls, struct text *line)
{
	begin_line(line, &tls->peer);
	log_tls_session(line, &tls->failure.facts);
	if (tls->starttls)
		text_string_append(line, ", STARTTLS");
	add_string(line, ", ALPN ", tls->alpn);
	add_string(line, ", client CN ", tls->subject);
	add_string(line, ", HELO ", tls->hello);
	add_seconds(line, tls->duration_us);
}

static void format_failure(const struct tls_event *tls, struct text *line)
{
	log_tls_failure(line, &tls->failure);
	if (tls->starttls)
		text_string_append(line, ", STARTTLS");
	add_string(line, ", HELO ", tls->hello);
	add_string(line, ", in state ", tls->state);
	add_seconds(line, tls->duration_us);
}

static void format_end(struct reader *details, struct text *line)
{
	struct event_peer peer;
	char reason[EVENT_TEXT_MAX], detail[EVENT_TEXT_MAX], backend[EVENT_TEXT_MAX],
		server_name[EVENT_TEXT_MAX];
	struct endpoint server;
	uint64_t n_in, n_out, us;
	uint8_t attempts;

	event_read_peer(details, &peer);
	event_read_text(details, reason);
	event_read_text(details, detail);
	event_read_text(details, backend);
	server = event_read_endpoint(details);
	n_in = reader_u64(details);
	n_out = reader_u64(details);
	us = reader_u64(details);
	attempts = reader_u8(details);
	event_read_text(details, server_name);
	begin_line(line, &peer);
	add_endpoint(line, "connection from ", &peer.client);
	add_string(line, " ended: ", reason);
	add_string(line, ", ", detail);
	add_string(line, ", backend ", backend);
	if (server.port != 0)
		add_endpoint(line, " ", &server);
	if (attempts > 1)
		text_printf(line, " (attempt %u)", attempts);
	text_printf(line, ", %llu bytes in, %llu out", (unsigned long long)n_in, (unsigned long long)n_out);
	add_string(line, ", SNI ", server_name);
	add_seconds(line, us);
}

static void format_refused(struct reader *details, struct text *line)
{
	struct event_peer peer;
	char reason[EVENT_TEXT_MAX];
	uint32_t n;

	event_read_peer(details, &peer);
	event_read_text(details, reason);
	n = reader_u32(details);
	begin_line(line, &peer);
	text_printf(line, "%u connections refused", n);
	add_string(line, ": ", reason);
	add_endpoint(line, ", the last from ", &peer.client);
}

static void format_server(struct reader *details, struct text *line)
{
	char backend[EVENT_TEXT_MAX], state[EVENT_TEXT_MAX], by[EVENT_TEXT_MAX];
	struct endpoint server;

	event_read_text(details, backend);
	server = event_read_endpoint(details);
	event_read_text(details, state);
	event_read_text(details, by);
	add_string(line, "backend ", backend);
	add_endpoint(line, " server ", &server);
	add_string(line, ": ", state);
	add_string(line, ", as seen by a ", by);
}

bool connection_event_format(const struct log_event *event, struct text *line)
{
	struct reader details = reader_over(span_of(event->details, event->details_len));
	const size_t len = line->len;
	struct tls_event tls;

	switch ((enum log_event_kind)event->kind) {
	case LOG_EVENT_TLS_SESSION:
	case LOG_EVENT_TLS_FAILURE:
		if (!event_read_tls(event, &tls))
			return false;
		(event->kind == LOG_EVENT_TLS_SESSION ? format_session : format_failure)(&tls, line);
		return true;
	case LOG_EVENT_CONNECTION_END:
		format_end(&details, line);
		break;
	case LOG_EVENT_CONNECTION_REFUSED:
		format_refused(&details, line);
		break;
	case LOG_EVENT_SERVER_STATE:
		format_server(&details, line);
		break;
	default:
		return false;
	}
	if (!reader_done(&details))
		text_drop_to(line, len);
	return reader_done(&details);
}
