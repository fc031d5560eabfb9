// SPDX-License-Identifier: Apache-2.0
//
// What the dataplane tells of connections (the second half of log_events.def), as lines of the log:
//
//   mx/smtp: Anonymous TLS connection established from unknown[192.0.2.7]: TLSv1.3 with cipher ..., STARTTLS,
//   HELO client.example
//   mx/smtp: connection from [192.0.2.7]:50222 ended: preambles_closed (injection), 63 bytes in, 120 out, ...
#pragma once

#include "base/reader.h"
#include "log_event.h"
#include "text.h"

// Appends the event's line without time and worker. A kind that is not of connections, or details that are
// not what log_events.def says, fail the reader.
void connection_event_format(enum log_event_kind kind, struct reader *details, struct text *line);
