// SPDX-License-Identifier: Apache-2.0
#include "connection_events.h"

#include "log_tls.h"

#include <stdio.h>
#include <string.h>

enum {
	FLAG_AUTHENTICATED = 4,
	FLAG_STARTTLS = 8,
	FLAG_RESUMED = 1,
	FAILURE_ALERT_SENT = 1,
	FAILURE_ALERT_RECEIVED = 2,
	STRING_MAX = 256, // a length of one byte, and the terminating zero
	SECOND_US = 1000000,
};

struct string {
	char text[STRING_MAX];
};

// Who is there, as every event of a connection begins.
struct peer {
	struct string listener;
	struct string protocol;
	struct endpoint client;
	struct endpoint local;
};

// Zeros inside become what text_clean makes of other bytes that harm a log: a string must not end early.
static void read_string(struct reader *details, struct string *out)
{
	struct span bytes = reader_vector8(details);

	for (size_t i = 0; i < bytes.len; i++)
		out->text[i] = bytes.data[i] != 0 ? (char)bytes.data[i] : '\x01';
	out->text[bytes.len] = 0;
}

static struct endpoint read_endpoint(struct reader *details)
{
	struct endpoint endpoint = {0};

	reader_copy(details, endpoint.address.bytes, sizeof endpoint.address.bytes);
	endpoint.port = reader_u16(details);
	return endpoint;
}

static void read_peer(struct reader *details, struct peer *peer)
{
	read_string(details, &peer->listener);
	read_string(details, &peer->protocol);
	peer->client = read_endpoint(details);
	peer->local = read_endpoint(details);
}

static void add_string(struct text *line, const char *before, const struct string *string)
{
	if (string->text[0] == 0)
		return;
	text_string_append(line, before);
	text_clean(line, string->text, strlen(string->text));
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

static void begin_line(struct text *line, const struct peer *peer)
{
	add_string(line, "", &peer->listener);
	add_string(line, "/", &peer->protocol);
	text_string_append(line, ": ");
}

static const char *or_null(const struct string *string)
{
	return string->text[0] != 0 ? string->text : NULL;
}

static void format_session(struct reader *details, struct text *line)
{
	struct peer peer;
	struct string server_name, alpn, subject, hello;
	struct tls_facts facts = {0};
	uint8_t flags;
	uint32_t us;

	read_peer(details, &peer);
	flags = reader_u8(details);
	facts.version = reader_u16(details);
	facts.suite = reader_u16(details);
	facts.group = reader_u16(details);
	facts.scheme = reader_u16(details);
	(void)reader_u16(details); // the client's scheme
	(void)reader_u32(details); // the certificate's id: control's own, of no use to a reader
	us = reader_u32(details);
	read_string(details, &server_name);
	read_string(details, &alpn);
	read_string(details, &subject);
	read_string(details, &hello);
	if (!reader_done(details)) {
		reader_fail(details);
		return;
	}
	facts.peer = peer.client.address;
	facts.server_name = or_null(&server_name);
	facts.trust = flags & FLAG_AUTHENTICATED ? TLS_TRUST_TRUSTED : TLS_TRUST_ANONYMOUS;
	facts.resumed = (flags & FLAG_RESUMED) != 0;
	begin_line(line, &peer);
	log_tls_session(line, &facts);
	if (flags & FLAG_STARTTLS)
		text_string_append(line, ", STARTTLS");
	add_string(line, ", ALPN ", &alpn);
	add_string(line, ", client CN ", &subject);
	add_string(line, ", HELO ", &hello);
	add_seconds(line, us);
}

static size_t read_list(struct reader *details, uint16_t *out, size_t max)
{
	struct reader list = reader_sub8(details);
	size_t n = 0;

	while (reader_left(&list) != 0) {
		uint16_t number = reader_u16(&list);

		if (n < max)
			out[n++] = number;
	}
	if (!reader_ok(&list))
		reader_fail(details);
	return n;
}

static void format_failure(struct reader *details, struct text *line)
{
	struct peer peer;
	struct string reason, state, server_name, hello;
	struct tls_failure failure = {0};
	uint16_t schemes[TLS_OFFERED_MAX];
	char alert_text[4]; // its number: the reason is its name, where that is all that is known
	uint8_t flags, alert;
	uint32_t us;

	read_peer(details, &peer);
	flags = reader_u8(details);
	alert = reader_u8(details);
	failure.facts.version = reader_u16(details);
	us = reader_u32(details);
	read_string(details, &reason);
	read_string(details, &state);
	(void)reader_u8(details); // the message being handled: the state says the same
	read_string(details, &server_name);
	read_string(details, &hello);
	failure.n_versions = read_list(details, failure.versions, TLS_OFFERED_MAX);
	failure.n_suites = read_list(details, failure.suites, TLS_OFFERED_MAX);
	failure.n_groups = read_list(details, failure.groups, TLS_OFFERED_MAX);
	(void)read_list(details, schemes, TLS_OFFERED_MAX);
	if (!reader_done(details)) {
		reader_fail(details);
		return;
	}
	failure.facts.listener = peer.listener.text;
	failure.facts.protocol = peer.protocol.text;
	failure.facts.peer = peer.client.address;
	failure.facts.server_name = or_null(&server_name);
	failure.reason = reason.text;
	(void)snprintf(alert_text, sizeof alert_text, "%u", alert);
	if (flags & (FAILURE_ALERT_SENT | FAILURE_ALERT_RECEIVED))
		failure.alert = alert_text;
	failure.by_peer = (flags & FAILURE_ALERT_RECEIVED) != 0;
	log_tls_failure(line, &failure);
	if (flags & FLAG_STARTTLS)
		text_string_append(line, ", STARTTLS");
	add_string(line, ", HELO ", &hello);
	add_string(line, ", in state ", &state);
	add_seconds(line, us);
}

static void format_end(struct reader *details, struct text *line)
{
	struct peer peer;
	struct string reason, detail, backend, server_name;
	struct endpoint server;
	uint64_t n_in, n_out, us;
	uint8_t attempts;

	read_peer(details, &peer);
	read_string(details, &reason);
	read_string(details, &detail);
	read_string(details, &backend);
	server = read_endpoint(details);
	n_in = reader_u64(details);
	n_out = reader_u64(details);
	us = reader_u64(details);
	attempts = reader_u8(details);
	read_string(details, &server_name);
	if (!reader_done(details)) {
		reader_fail(details);
		return;
	}
	begin_line(line, &peer);
	add_endpoint(line, "connection from ", &peer.client);
	add_string(line, " ended: ", &reason);
	add_string(line, ", ", &detail);
	add_string(line, ", backend ", &backend);
	if (server.port != 0)
		add_endpoint(line, " ", &server);
	if (attempts > 1)
		text_printf(line, " (attempt %u)", attempts);
	text_printf(line, ", %llu bytes in, %llu out", (unsigned long long)n_in, (unsigned long long)n_out);
	add_string(line, ", SNI ", &server_name);
	add_seconds(line, us);
}

static void format_refused(struct reader *details, struct text *line)
{
	struct peer peer;
	struct string reason;
	uint32_t n;

	read_peer(details, &peer);
	read_string(details, &reason);
	n = reader_u32(details);
	if (!reader_done(details)) {
		reader_fail(details);
		return;
	}
	begin_line(line, &peer);
	text_printf(line, "%u connections refused", n);
	add_string(line, ": ", &reason);
	add_endpoint(line, ", the last from ", &peer.client);
}

static void format_server(struct reader *details, struct text *line)
{
	struct string backend, state, by;
	struct endpoint server;

	read_string(details, &backend);
	server = read_endpoint(details);
	read_string(details, &state);
	read_string(details, &by);
	if (!reader_done(details)) {
		reader_fail(details);
		return;
	}
	add_string(line, "backend ", &backend);
	add_endpoint(line, " server ", &server);
	add_string(line, ": ", &state);
	add_string(line, ", as seen by a ", &by);
}

void connection_event_format(enum log_event_kind kind, struct reader *details, struct text *line)
{
	switch (kind) {
	case LOG_EVENT_TLS_SESSION:
		format_session(details, line);
		break;
	case LOG_EVENT_TLS_FAILURE:
		format_failure(details, line);
		break;
	case LOG_EVENT_CONNECTION_END:
		format_end(details, line);
		break;
	case LOG_EVENT_CONNECTION_REFUSED:
		format_refused(details, line);
		break;
	case LOG_EVENT_SERVER_STATE:
		format_server(details, line);
		break;
	default:
		reader_fail(details);
		break;
	}
}
