// SPDX-License-Identifier: Apache-2.0
//
// The client's end of the operators' socket: sends a command, collects its answer.
#pragma once

#include "text.h"

#include <stdbool.h>

struct operator_link {
	int fd;
	const char *path;
};

// Also the exit status of sluicectl.
enum operator_result {
	OPERATOR_DONE = 0,
	OPERATOR_REFUSED = 1,
	OPERATOR_USAGE = 2,
	OPERATOR_NO_CONNECTION = 3,
};

// False: errno says why.
bool operator_connect(struct operator_link *link, const char *path);
void operator_disconnect(struct operator_link *link);

// Adds a word to a command line, with what the other end would take for a separator escaped.
void operator_add_word(struct text *line, const char *word);

// Sends a line (without its end) and, if there is one, a payload; the answer without its last, empty line is
// added to `answer`.
enum operator_result operator_ask(
	struct operator_link *link, const char *line, const struct text *payload, struct text *answer);

// Sends a line and prints what comes until the connection ends: for events.
enum operator_result operator_follow(struct operator_link *link, const char *line);
