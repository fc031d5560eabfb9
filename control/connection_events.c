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

static void format_end(const struct connection_event *end, struct text *line)
{
	begin_line(line, &end->peer);
	add_endpoint(line, "connection from ", &end->peer.client);
	add_string(line, " ended: ", end->reason);
	add_string(line, ", ", end->detail);
	add_string(line, ", backend ", end->backend);
	if (end->server.port != 0)
		add_endpoint(line, " ", &end->server);
	if (end->n_attempts > 1)
		text_printf(line, " (attempt %u)", end->n_attempts);
	text_printf(line, ", %llu bytes in, %llu out", (unsigned long long)end->n_bytes_in,
		(unsigned long long)end->n_bytes_out);
	add_string(line, ", SNI ", end->server_name);
	add_seconds(line, end->duration_us);
}

static void format_refused(const struct connection_event *refused, struct text *line)
{
	begin_line(line, &refused->peer);
	text_printf(line, "%u connections refused", refused->n_connections);
	add_string(line, ": ", refused->reason);
	add_endpoint(line, ", the last from ", &refused->peer.client);
}

static void format_server(const struct connection_event *server, struct text *line)
{
	add_string(line, "backend ", server->backend);
	add_endpoint(line, " server ", &server->server);
	add_string(line, ": ", server->state);
	add_string(line, ", as seen by a ", server->by);
}

bool connection_event_format(const struct log_event *event, struct text *line)
{
	struct connection_event connection;
	struct tls_event tls;

	if (event_read_tls(event, &tls)) {
		(event->kind == LOG_EVENT_TLS_SESSION ? format_session : format_failure)(&tls, line);
		return true;
	}
	if (!event_read_connection(event, &connection))
		return false;
	if (event->kind == LOG_EVENT_CONNECTION_END)
		format_end(&connection, line);
	else if (event->kind == LOG_EVENT_CONNECTION_REFUSED)
		format_refused(&connection, line);
	else
		format_server(&connection, line);
	return true;
}
