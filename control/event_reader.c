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
