// SPDX-License-Identifier: Apache-2.0
//
// The details of the dataplane's events about connections (include/log_events.def), taken apart: for the
// lines that people read (connection_events.h) and for the fields that programs do (events.h). What a client
// sent is in them as it came; whoever writes it cleans it. Zero bytes alone become \x01, because a C string
// ends at them.
#pragma once

#include "base/reader.h"
#include "log_event.h"
#include "log_tls.h"

#include <stdbool.h>

enum {
	EVENT_TEXT_MAX = 256 // a length of one byte, and the terminating zero
};

// Who is there, as every event of a connection begins.
struct event_peer {
	char listener[EVENT_TEXT_MAX];
	char protocol[EVENT_TEXT_MAX];
	struct endpoint client;
	struct endpoint local;
};

void event_read_text(struct reader *details, char out[static EVENT_TEXT_MAX]);
struct endpoint event_read_endpoint(struct reader *details);
void event_read_peer(struct reader *details, struct event_peer *out);

// Of TLS_SESSION and TLS_FAILURE: facts point into the texts, so the struct must not be copied.
struct tls_event {
	struct event_peer peer;
	struct tls_failure failure; // of a session: its facts alone
	uint32_t duration_us;
	bool starttls;
	char server_name[EVENT_TEXT_MAX];
	char hello[EVENT_TEXT_MAX]; // HELO
	char alpn[EVENT_TEXT_MAX];
	char subject[EVENT_TEXT_MAX]; // CN of the client's certificate
	char reason[EVENT_TEXT_MAX];
	char state[EVENT_TEXT_MAX];
	char alert[4]; // its number: the reason is its name, where that is all that is known
};

// False: the event is of another kind, or not whole.
bool event_read_tls(const struct log_event *event, struct tls_event *out) __attribute__((warn_unused_result));

// Of CONNECTION_END, CONNECTION_REFUSED and SERVER_STATE; what a kind does not have is zero.
struct connection_event {
	struct event_peer peer;
	char reason[EVENT_TEXT_MAX];
	char detail[EVENT_TEXT_MAX];
	char backend[EVENT_TEXT_MAX];
	struct endpoint server; // port 0: none was reached
	uint64_t n_bytes_in;
	uint64_t n_bytes_out;
	uint64_t duration_us;
	uint32_t n_connections; // that were refused
	uint8_t n_attempts;
	char server_name[EVENT_TEXT_MAX];
	char state[EVENT_TEXT_MAX]; // of the server, and who saw it
	char by[EVENT_TEXT_MAX];
};

// False: as above.
bool event_read_connection(const struct log_event *event, struct connection_event *out)
	__attribute__((warn_unused_result));
