// SPDX-License-Identifier: Apache-2.0
//
// The page of counters that the control process maps (layout: include/counter_page_layout.h): a sealed memfd,
// written by the workers and readable by whoever is handed the descriptor.
#pragma once

#include "base/counters.h"
#include "tally_page.h"

#include <stdbool.h>
#include <stddef.h>

struct counter_page {
	int fd;
	size_t len;
	void *start;
	struct tally_page tallies;
};

// False: errno says why. Nobody who gets the descriptor can write to the page or resize it.
bool counter_page_create(struct counter_page *page, uint32_t n_workers, uint64_t tsc_hz);

struct counters *counter_page_worker(const struct counter_page *page, uint32_t worker_idx);

void counter_page_destroy(struct counter_page *page);
