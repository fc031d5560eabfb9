// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include "address.h"
#include "base/assert.h"
#include "base/reader.h"
#include "connection_events.h"
#include "event_reader.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIELDS_MAX = 24 // of one event
};

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

// Fields of one line. Their texts are kept here until it is written; what is empty is left out.
struct fields {
	struct log_field all[FIELDS_MAX];
	struct text texts[FIELDS_MAX];
	size_t n;
};

static struct log_field *add_field(struct fields *fields, const char *name)
{
	SLUICE_ASSERT(fields->n < FIELDS_MAX);
	fields->all[fields->n] = (struct log_field){.name = name};
	return &fields->all[fields->n++];
}

static void add_number(struct fields *fields, const char *name, uint64_t number)
{
	add_field(fields, name)->number = number < INT64_MAX ? (int64_t)number : INT64_MAX;
}

static void add_string(struct fields *fields, const char *name, const char *string)
{
	if (string != NULL && string[0] != '\0')
		add_field(fields, name)->value = string;
}

// Makes the text of a field that the caller fills and gives to add_made.
static struct text *begin_text(struct fields *fields)
{
	return &fields->texts[fields->n];
}

static void add_made(struct fields *fields, const char *name)
{
	const struct text *text = &fields->texts[fields->n];

	if (text->len != 0)
		add_field(fields, name)->value = text_string(text);
}

static void add_clean(struct fields *fields, const char *name, const char *string)
{
	if (string != NULL)
		text_clean(begin_text(fields), string, strlen(string));
	add_made(fields, name);
}

static void add_named(struct fields *fields, const char *name, uint16_t number,
	void (*add)(struct text *text, uint16_t number))
{
	if (number != 0)
		add(begin_text(fields), number);
	add_made(fields, name);
}

static void add_list(struct fields *fields, const char *name, const uint16_t *numbers, size_t n,
	void (*add)(struct text *text, uint16_t number))
{
	log_tls_list(begin_text(fields), numbers, n, add);
	add_made(fields, name);
}

static void add_endpoint(struct fields *fields, const char *name, const struct endpoint *endpoint)
{
	char text[ADDRESS_TEXT_MAX];

	endpoint_format(endpoint, text);
	text_string_append(begin_text(fields), text);
	add_made(fields, name);
}

static void add_peer(struct fields *fields, const struct event_peer *peer)
{
	char text[ADDRESS_TEXT_MAX];

	add_clean(fields, "listener", peer->listener);
	add_clean(fields, "protocol", peer->protocol);
	address_format(&peer->client.address, text);
	text_string_append(begin_text(fields), text);
	add_made(fields, "client");
	add_number(fields, "client_port", peer->client.port);
}

static void free_fields(struct fields *fields)
{
	for (size_t i = 0; i < FIELDS_MAX; i++)
		text_free(&fields->texts[i]);
}

static void add_failure(struct fields *fields, const struct tls_event *tls)
{
	const struct tls_failure *failure = &tls->failure;

	add_clean(fields, "cause", failure->reason);
	add_clean(fields, "state", tls->state);
	if (failure->alert != NULL) {
		add_string(fields, "alert", failure->alert);
		add_string(fields, "alert_by", failure->by_peer ? "client" : "sluice");
	}
	add_list(fields, "versions_offered", failure->versions, failure->n_versions, log_tls_version);
	add_list(fields, "ciphers_offered", failure->suites, failure->n_suites, log_tls_suite);
	add_list(fields, "groups_offered", failure->groups, failure->n_groups, log_tls_group);
}

static void add_tls(struct fields *fields, const struct log_event *event, const struct tls_event *tls)
{
	const struct tls_facts *facts = &tls->failure.facts;

	add_peer(fields, &tls->peer);
	add_number(fields, "handshake_us", tls->duration_us);
	add_number(fields, "starttls", tls->starttls);
	add_named(fields, "version", facts->version, log_tls_version);
	add_named(fields, "cipher", facts->suite, log_tls_suite);
	add_named(fields, "group", facts->group, log_tls_group);
	add_clean(fields, "sni", facts->server_name);
	add_clean(fields, "hello", tls->hello);
	if (event->kind == LOG_EVENT_TLS_FAILURE) {
		add_failure(fields, tls);
		return;
	}
	add_number(fields, "resumed", facts->resumed);
	add_clean(fields, "alpn", tls->alpn);
	add_clean(fields, "client_cn", tls->subject);
}

static void add_connection(
	struct fields *fields, const struct log_event *event, const struct connection_event *connection)
{
	if (event->kind != LOG_EVENT_SERVER_STATE)
		add_peer(fields, &connection->peer);
	add_clean(fields, "cause", connection->reason);
	add_clean(fields, "detail", connection->detail);
	add_clean(fields, "backend", connection->backend);
	if (connection->server.port != 0)
		add_endpoint(fields, "server", &connection->server);
	if (event->kind == LOG_EVENT_CONNECTION_END) {
		add_number(fields, "attempts", connection->n_attempts);
		add_number(fields, "bytes_in", connection->n_bytes_in);
		add_number(fields, "bytes_out", connection->n_bytes_out);
		add_number(fields, "duration_us", connection->duration_us);
		add_clean(fields, "sni", connection->server_name);
	} else if (event->kind == LOG_EVENT_CONNECTION_REFUSED) {
		add_number(fields, "connections", connection->n_connections);
	} else {
		add_clean(fields, "state", connection->state);
		add_clean(fields, "by", connection->by);
	}
}

// "tls-no_shared_cipher". The cause is a word of ours, unless the dataplane is in another's hands.
static void set_failure_reason(char *out, size_t room, const char *cause)
{
	(void)snprintf(out, room, "tls-%s", cause);
	for (char *c = out; *c != '\0'; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '_'))
			*c = '_';
}

void event_log(const struct log_event *event, struct log *log)
{
	const bool failed = event->kind == LOG_EVENT_TLS_FAILURE;
	struct connection_event connection;
	struct fields fields = {0};
	struct text line = {0};
	struct tls_event tls;
	char reason[32];

	(void)snprintf(reason, sizeof reason, "%s", event_name(event->kind));
	add_number(&fields, "worker", event->worker_idx);
	add_string(&fields, "event", event_name(event->kind));
	if (event_read_tls(event, &tls)) {
		add_tls(&fields, event, &tls);
		// Failures count by their cause.
		if (failed)
			set_failure_reason(reason, sizeof reason, tls.failure.reason);
		else
			(void)snprintf(reason, sizeof reason, "tls");
	} else if (event_read_connection(event, &connection)) {
		add_connection(&fields, event, &connection);
	}
	format_details(event, &line);
	log_write(log, failed ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, reason, fields.all, fields.n, "%s: %s",
		event_name(event->kind), text_string(&line));
	text_free(&line);
	free_fields(&fields);
}
