// SPDX-License-Identifier: Apache-2.0
//
// The counters of the proxy that is loaded, read by the generator itself at the edges of each window, so that
// both mean the same time: its shared page (counter_page_layout.h), as a file (/proc/PID/fd/N).
#pragma once

#include "base/counters.h"

#include <stdbool.h>

struct watched {
	const void *page; // NULL: no proxy is watched
	uint64_t tsc_hz;
};

// False: the file is no such page, or one of another release; `*out_reason` says which.
bool watched_open(struct watched *watched, const char *path, const char **out_reason)
	__attribute__((warn_unused_result));

// Every counter, summed over all workers. All zero when none is watched.
void watched_read(const struct watched *watched, uint64_t out[N_COUNTERS]);
