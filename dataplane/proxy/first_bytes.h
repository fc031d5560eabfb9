// SPDX-License-Identifier: Apache-2.0
//
// What a client seems to speak, from the first bytes that it sent. Only for telling operators why a
// connection came to nothing, and for ending one early: nothing is let through because of it.
#pragma once

#include "base/span.h"

enum first_bytes {
	FIRST_BYTES_SHORT, // too few to tell
	FIRST_BYTES_TLS,   // a TLS handshake record, or the SSL 2 form of a hello
	FIRST_BYTES_HTTP,
	FIRST_BYTES_SMTP,
	FIRST_BYTES_OTHER_MAIL, // a tagged or POP3 command
	FIRST_BYTES_PROXY,      // a PROXY protocol header
	FIRST_BYTES_UNKNOWN
};

enum first_bytes first_bytes_kind(struct span bytes);

const char *first_bytes_name(enum first_bytes kind);
