// SPDX-License-Identifier: Apache-2.0
//
// What is told: a line of progress while it runs, a table or one JSON object at the end.
#pragma once

#include "load/generator.h"

struct report {
	const struct load_options *options;
	struct statistics *windows; // n_windows measured ones
	uint32_t n_windows;
	const struct statistics *filled, *warm_up; // before the windows
	const struct statistics *settled;          // after them
	uint64_t n_overdue;                        // due in the last window, and never begun
	const struct generator *generator;
};

// Overwrites the line of before.
void report_progress(const struct generator *generator, double done);
void report_progress_end(void);

// Prints everything to stdout, and what went wrong also in words to stderr. Returns the exit status.
int report_print(const struct report *report);

// What the backend's side alone has seen.
int report_served(const struct serve *serve);
