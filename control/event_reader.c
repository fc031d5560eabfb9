// SPDX-License-Identifier: Apache-2.0
#include "event_reader.h"

#include "base/reader.h"

#include <stdio.h>
#include <string.h>

enum {
	SESSION_RESUMED = 1,
	SESSION_CLIENT_VERIFIED = 4,
	AFTER_STARTTLS = 8,
	FAILURE_SENT = 1,
	FAILURE_RECEIVED = 2,
};

// A string of at most 255 bytes, terminated; zero bytes inside become '?', because a C string ends there.
static void read_string(struct reader *reader, char out[static EVENT_TEXT_MAX])
{
	const struct span bytes = reader_vector8(reader);

	for (size_t i = 0; i < bytes.len; i++)
		out[i] = bytes.data[i] != 0 ? (char)bytes.data[i] : '?';
	out[bytes.len] = '\0';
}

static struct endpoint read_endpoint(struct reader *reader)
{
	struct endpoint endpoint;

	reader_copy(reader, endpoint.address.bytes, sizeof endpoint.address.bytes);
	endpoint.port = reader_u16(reader);
	return endpoint;
}

static size_t read_list(struct reader *reader, uint16_t out[static TLS_OFFERED_MAX])
{
	struct reader list = reader_over(reader_vector8(reader));
	size_t n = 0;

	while (reader_left(&list) >= 2 && n < TLS_OFFERED_MAX)
		out[n++] = reader_u16(&list);
	return n;
}

static void read_tls_peer(struct reader *reader, struct tls_event *out)
{
	struct tls_facts *facts = &out->failure.facts;
	struct endpoint client;

	read_string(reader, out->listener);
	read_string(reader, out->protocol);
	client = read_endpoint(reader);
	(void)read_endpoint(reader);
	facts->listener = out->listener;
	facts->protocol = out->protocol;
	facts->peer = client.address;
	out->port = client.port;
}

static void read_server_name(struct reader *reader, struct tls_event *out)
{
	read_string(reader, out->server_name);
	out->failure.facts.server_name = out->server_name[0] != '\0' ? out->server_name : NULL;
}

static void read_session(struct reader *reader, struct tls_event *out)
{
	struct tls_facts *facts = &out->failure.facts;
	char text[EVENT_TEXT_MAX];
	uint8_t flags;

	read_tls_peer(reader, out);
	flags = reader_u8(reader);
	facts->resumed = (flags & SESSION_RESUMED) != 0;
	facts->trust = (flags & SESSION_CLIENT_VERIFIED) != 0 ? TLS_TRUST_TRUSTED : TLS_TRUST_ANONYMOUS;
	out->starttls = (flags & AFTER_STARTTLS) != 0;
	facts->version = reader_u16(reader);
	facts->suite = reader_u16(reader);
	facts->group = reader_u16(reader);
	facts->scheme = reader_u16(reader);
	(void)reader_u16(reader); // the client's scheme
	(void)reader_u32(reader); // the certificate's id
	out->duration_us = reader_u32(reader);
	read_server_name(reader, out);
	read_string(reader, out->alpn);
	read_string(reader, text); // the client certificate's name
	read_string(reader, text); // HELO
}

static void read_failure(struct reader *reader, struct tls_event *out)
{
	struct tls_failure *failure = &out->failure;
	uint16_t schemes[TLS_OFFERED_MAX];
	char text[EVENT_TEXT_MAX];
	uint8_t flags;

	read_tls_peer(reader, out);
	flags = reader_u8(reader);
	out->starttls = (flags & AFTER_STARTTLS) != 0;
	failure->by_peer = (flags & FAILURE_RECEIVED) != 0;
	(void)snprintf(out->alert, sizeof out->alert, "%u", reader_u8(reader));
	failure->alert = (flags & (FAILURE_SENT | FAILURE_RECEIVED)) != 0 ? out->alert : NULL;
	failure->facts.version = reader_u16(reader);
	out->duration_us = reader_u32(reader);
	read_string(reader, out->reason);
	failure->reason = out->reason;
	read_string(reader, text); // the state
	(void)reader_u8(reader);   // the message
	read_server_name(reader, out);
	read_string(reader, text); // HELO
	failure->n_versions = read_list(reader, failure->versions);
	failure->n_suites = read_list(reader, failure->suites);
	failure->n_groups = read_list(reader, failure->groups);
	(void)read_list(reader, schemes);
}

bool event_read_tls(const struct log_event *event, struct tls_event *out)
{
	struct reader reader = reader_over(span_of(event->details, event->details_len));

	*out = (struct tls_event){0};
	if (event->kind == LOG_EVENT_TLS_SESSION)
		read_session(&reader, out);
	else if (event->kind == LOG_EVENT_TLS_FAILURE)
		read_failure(&reader, out);
	else
		return false;
	return reader_done(&reader);
}

// ---- Lines ---------------------------------------------------------------------------------------------

static void add_clean(struct text *line, const char *text)
{
	text_clean(line, text, strlen(text));
}

static void add_endpoint(struct text *line, const struct endpoint *endpoint)
{
	char text[ADDRESS_TEXT_MAX];

	endpoint_format(endpoint, text);
	text_string_append(line, text);
}

// "listener mx (smtp): client 192.0.2.7:4711"
static void describe_peer(struct reader *reader, struct text *line)
{
	char listener[EVENT_TEXT_MAX];
	char protocol[EVENT_TEXT_MAX];
	struct endpoint client;

	read_string(reader, listener);
	read_string(reader, protocol);
	client = read_endpoint(reader);
	(void)read_endpoint(reader);
	text_string_append(line, "listener ");
	add_clean(line, listener);
	text_string_append(line, " (");
	add_clean(line, protocol);
	text_string_append(line, "): client ");
	add_endpoint(line, &client);
}

static void describe_end(struct reader *reader, struct text *line)
{
	char reason[EVENT_TEXT_MAX];
	char detail[EVENT_TEXT_MAX];
	char backend[EVENT_TEXT_MAX];
	char name[EVENT_TEXT_MAX];
	struct endpoint server;
	uint64_t n_in;
	uint64_t n_out;
	uint64_t duration_us;

	describe_peer(reader, line);
	read_string(reader, reason);
	read_string(reader, detail);
	read_string(reader, backend);
	server = read_endpoint(reader);
	n_in = reader_u64(reader);
	n_out = reader_u64(reader);
	duration_us = reader_u64(reader);
	(void)reader_u8(reader); // attempts
	read_string(reader, name);
	text_string_append(line, ": ");
	add_clean(line, reason);
	if (detail[0] != '\0') {
		text_string_append(line, ", ");
		add_clean(line, detail);
	}
	if (server.port != 0) {
		text_string_append(line, ", backend ");
		add_clean(line, backend);
		text_string_append(line, ", server ");
		add_endpoint(line, &server);
	}
	text_printf(line, ", %llu bytes in, %llu bytes out, %llu.%06llu s", (unsigned long long)n_in,
		(unsigned long long)n_out, (unsigned long long)(duration_us / 1000000),
		(unsigned long long)(duration_us % 1000000));
	if (name[0] != '\0') {
		text_string_append(line, ", SNI ");
		add_clean(line, name);
	}
}

static void describe_refusal(struct reader *reader, struct text *line)
{
	char reason[EVENT_TEXT_MAX];
	unsigned n;

	describe_peer(reader, line);
	read_string(reader, reason);
	n = reader_u32(reader);
	text_string_append(line, " and others: refused, ");
	add_clean(line, reason);
	text_printf(line, ", %u connections", n);
}

static void describe_server(struct reader *reader, struct text *line)
{
	char backend[EVENT_TEXT_MAX];
	char state[EVENT_TEXT_MAX];
	char by[EVENT_TEXT_MAX];
	struct endpoint server;

	read_string(reader, backend);
	server = read_endpoint(reader);
	read_string(reader, state);
	read_string(reader, by);
	text_string_append(line, "backend ");
	add_clean(line, backend);
	text_string_append(line, ": server ");
	add_endpoint(line, &server);
	text_string_append(line, " is ");
	add_clean(line, state);
	text_string_append(line, ", noticed by ");
	add_clean(line, by);
}

static void describe_conflict(struct reader *reader, struct text *line)
{
	const unsigned port = reader_u16(reader);
	struct address address;
	uint8_t link[6];
	char text[ADDRESS_TEXT_MAX];

	reader_copy(reader, address.bytes, sizeof address.bytes);
	reader_copy(reader, link, sizeof link);
	address_format(&address, text);
	text_printf(line, "port %u: another machine (%02x:%02x:%02x:%02x:%02x:%02x) claims our address %s",
		port, link[0], link[1], link[2], link[3], link[4], link[5], text);
}

static void describe_link(struct reader *reader, struct text *line)
{
	const unsigned port = reader_u16(reader);
	const unsigned up = reader_u8(reader);

	text_printf(line, "port %u: the link is %s", port, up != 0 ? "up" : "down");
}

bool event_describe(const struct log_event *event, struct text *out_line)
{
	static void (*const describers[N_LOG_EVENTS])(struct reader * reader, struct text * line) = {
		[LOG_EVENT_NEIGHBOR_CONFLICT] = describe_conflict,
		[LOG_EVENT_LINK_STATE] = describe_link,
		[LOG_EVENT_CONNECTION_END] = describe_end,
		[LOG_EVENT_CONNECTION_REFUSED] = describe_refusal,
		[LOG_EVENT_SERVER_STATE] = describe_server,
	};
	struct reader reader = reader_over(span_of(event->details, event->details_len));
	struct text line = {0};
	const bool known = event->kind < N_LOG_EVENTS && describers[event->kind] != NULL;

	if (known)
		describers[event->kind](&reader, &line);
	if (known && reader_done(&reader))
		text_append(out_line, text_string(&line), line.len);
	text_free(&line);
	return known && reader_done(&reader);
}
