// SPDX-License-Identifier: Apache-2.0
//
// What the dataplane tells of connections (the second half of log_events.def), as lines of the log:
//
//   mx/smtp: Anonymous TLS connection established from unknown[192.0.2.7]: TLSv1.3 with cipher ..., STARTTLS,
//   HELO client.example
//   mx/smtp: connection from [192.0.2.7]:50222 ended: preambles_closed (injection), 63 bytes in, 120 out, ...
#pragma once

#include "log_event.h"
#include "text.h"

#include <stdbool.h>

// Appends the event's line without time and worker. False, and nothing is appended: the event is not of
// connections, or its details are not what log_events.def says.
bool connection_event_format(const struct log_event *event, struct text *line)
	__attribute__((warn_unused_result));
