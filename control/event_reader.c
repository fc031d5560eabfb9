// SPDX-License-Identifier: Apache-2.0
#include "event_reader.h"

#include <stdio.h>

enum {
	SESSION_RESUMED = 1,
	SESSION_CLIENT_VERIFIED = 4,
	AFTER_STARTTLS = 8,
	FAILURE_SENT = 1,
	FAILURE_RECEIVED = 2,
};

void event_read_text(struct reader *details, char out[static EVENT_TEXT_MAX])
{
	const struct span bytes = reader_vector8(details);

	for (size_t i = 0; i < bytes.len; i++)
		out[i] = bytes.data[i] != 0 ? (char)bytes.data[i] : '\x01';
	out[bytes.len] = '\0';
}

struct endpoint event_read_endpoint(struct reader *details)
{
	struct endpoint endpoint = {0};

	reader_copy(details, endpoint.address.bytes, sizeof endpoint.address.bytes);
	endpoint.port = reader_u16(details);
	return endpoint;
}

void event_read_peer(struct reader *details, struct event_peer *out)
{
	event_read_text(details, out->listener);
	event_read_text(details, out->protocol);
	out->client = event_read_endpoint(details);
	out->local = event_read_endpoint(details);
}

static size_t read_list(struct reader *details, uint16_t out[static TLS_OFFERED_MAX])
{
	struct reader list = reader_sub8(details);
	size_t n = 0;

	while (reader_left(&list) != 0) {
		const uint16_t number = reader_u16(&list);

		if (n < TLS_OFFERED_MAX)
			out[n++] = number;
	}
	if (!reader_ok(&list))
		reader_fail(details);
	return n;
}

static void read_tls_peer(struct reader *details, struct tls_event *out)
{
	struct tls_facts *facts = &out->failure.facts;

	event_read_peer(details, &out->peer);
	facts->listener = out->peer.listener;
	facts->protocol = out->peer.protocol;
	facts->peer = out->peer.client.address;
}

static void read_server_name(struct reader *details, struct tls_event *out)
{
	event_read_text(details, out->server_name);
	out->failure.facts.server_name = out->server_name[0] != '\0' ? out->server_name : NULL;
}

static void read_session(struct reader *details, struct tls_event *out)
{
	struct tls_facts *facts = &out->failure.facts;
	uint8_t flags;

	read_tls_peer(details, out);
	flags = reader_u8(details);
	facts->resumed = (flags & SESSION_RESUMED) != 0;
	facts->trust = (flags & SESSION_CLIENT_VERIFIED) != 0 ? TLS_TRUST_TRUSTED : TLS_TRUST_ANONYMOUS;
	out->starttls = (flags & AFTER_STARTTLS) != 0;
	facts->version = reader_u16(details);
	facts->suite = reader_u16(details);
	facts->group = reader_u16(details);
	facts->scheme = reader_u16(details);
	(void)reader_u16(details); // the client's scheme
	(void)reader_u32(details); // the certificate's id: control's own, of no use to a reader
	out->duration_us = reader_u32(details);
	read_server_name(details, out);
	event_read_text(details, out->alpn);
	event_read_text(details, out->subject);
	event_read_text(details, out->hello);
}

static void read_failure(struct reader *details, struct tls_event *out)
{
	struct tls_failure *failure = &out->failure;
	uint16_t schemes[TLS_OFFERED_MAX];
	uint8_t flags;

	read_tls_peer(details, out);
	flags = reader_u8(details);
	out->starttls = (flags & AFTER_STARTTLS) != 0;
	failure->by_peer = (flags & FAILURE_RECEIVED) != 0;
	(void)snprintf(out->alert, sizeof out->alert, "%u", reader_u8(details));
	failure->alert = (flags & (FAILURE_SENT | FAILURE_RECEIVED)) != 0 ? out->alert : NULL;
	failure->facts.version = reader_u16(details);
	out->duration_us = reader_u32(details);
	event_read_text(details, out->reason);
	failure->reason = out->reason;
	event_read_text(details, out->state);
	(void)reader_u8(details); // the message being handled: the state says the same
	read_server_name(details, out);
	event_read_text(details, out->hello);
	failure->n_versions = read_list(details, failure->versions);
	failure->n_suites = read_list(details, failure->suites);
	failure->n_groups = read_list(details, failure->groups);
	(void)read_list(details, schemes);
}

bool event_read_tls(const struct log_event *event, struct tls_event *out)
{
	struct reader details = reader_over(span_of(event->details, event->details_len));

	*out = (struct tls_event){0};
	if (event->kind == LOG_EVENT_TLS_SESSION)
		read_session(&details, out);
	else if (event->kind == LOG_EVENT_TLS_FAILURE)
		read_failure(&details, out);
	else
		return false;
	return reader_done(&details);
}

static void read_end(struct reader *details, struct connection_event *out)
{
	event_read_peer(details, &out->peer);
	event_read_text(details, out->reason);
	event_read_text(details, out->detail);
	event_read_text(details, out->backend);
	out->server = event_read_endpoint(details);
	out->n_bytes_in = reader_u64(details);
	out->n_bytes_out = reader_u64(details);
	out->duration_us = reader_u64(details);
	out->n_attempts = reader_u8(details);
	event_read_text(details, out->server_name);
}

static void read_refused(struct reader *details, struct connection_event *out)
{
	event_read_peer(details, &out->peer);
	event_read_text(details, out->reason);
	out->n_connections = reader_u32(details);
}

static void read_server_state(struct reader *details, struct connection_event *out)
{
	event_read_text(details, out->backend);
	out->server = event_read_endpoint(details);
	event_read_text(details, out->state);
	event_read_text(details, out->by);
}

bool event_read_connection(const struct log_event *event, struct connection_event *out)
{
	struct reader details = reader_over(span_of(event->details, event->details_len));

	*out = (struct connection_event){0};
	if (event->kind == LOG_EVENT_CONNECTION_END)
		read_end(&details, out);
	else if (event->kind == LOG_EVENT_CONNECTION_REFUSED)
		read_refused(&details, out);
	else if (event->kind == LOG_EVENT_SERVER_STATE)
		read_server_state(&details, out);
	else
		return false;
	return reader_done(&details);
}
