// SPDX-License-Identifier: Apache-2.0
//
// Metrics over HTTP: GET /metrics in OpenMetrics 1.0 text, all workers in one scrape. Served by libevent's
// HTTP server in the same thread as everything else; requests with bodies or of other paths are refused.
#pragma once

#include "config.h"

struct control;
struct evhttp;

struct metrics {
	struct control *control;
	struct evhttp *http; // NULL: none configured
	uint64_t n_scrapes;
};

// False: `reason` names the address that can't be used. Also takes over other addresses after a reload.
bool metrics_open(struct metrics *metrics, struct control *control, struct text *reason);
void metrics_close(struct metrics *metrics);

// The whole exposition, as a scrape gets it.
void metrics_write(const struct control *control, struct text *out);
