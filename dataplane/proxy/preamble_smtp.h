// SPDX-License-Identifier: Apache-2.0
//
// Between preamble_smtp.c (the client's commands) and preamble_smtp_reply.c (the backend's replies).
//
//   backend_buffer   [ the line that is coming in | the line of an EHLO answer that is held back ]
#pragma once

#include "proxy/preamble_machine.h"

enum {
	PREAMBLE_SMTP_LINE_MAX = PREAMBLE_BACKEND_BUFFER / 2 // RFC 5321 4.5.3.1.5: 512 bytes
};

void preamble_smtp_backend_line(struct preamble_call *call, const struct line *line);
