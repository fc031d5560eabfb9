// SPDX-License-Identifier: Apache-2.0
//
// The details of the dataplane's events about handshakes (include/log_events.def), taken apart into the
// fields that programs read of the log; connection_events.h has the lines for people. What a client sent is
// in them as it came; whoever writes it cleans it.
#pragma once

#include "log_event.h"
#include "log_tls.h"

#include <stdbool.h>

enum {
	EVENT_TEXT_MAX = 256
};

// Of TLS_SESSION and TLS_FAILURE: facts point into the texts, so the struct must not be copied.
struct tls_event {
	struct tls_failure failure; // of a session: its facts alone
	uint16_t port;              // of the client
	uint32_t duration_us;
	bool starttls;
	char listener[EVENT_TEXT_MAX];
	char protocol[EVENT_TEXT_MAX];
	char server_name[EVENT_TEXT_MAX];
	char reason[EVENT_TEXT_MAX];
	char alert[8];
	char alpn[EVENT_TEXT_MAX];
};

// False: the event is of another kind, or not whole.
bool event_read_tls(const struct log_event *event, struct tls_event *out) __attribute__((warn_unused_result));
