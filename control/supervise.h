// SPDX-License-Identifier: Apache-2.0
//
// Keeps a dataplane attached: connects to one that listens, starts one when none does (and that is wanted),
// hands it its start configuration, and begins again when it is lost, each time after a longer pause.
//
//   nobody listens, start: never   -> try again every second
//   nobody listens, start: auto    -> start one in a session of its own, then connect
//   it has nothing running yet     -> START
//   START refused                  -> log why; try again after a pause, or a reload
//   it hung up or died             -> log why; 0.1 s, 0.2 s, ... 10 s, and 0.1 s again after a minute of
//   peace
//
// A dataplane that was started here is no child to be taken along: it has its own session, and goes on when
// we end. While we are its parent we learn how it ended; after a restart of ours only that it did.
#pragma once

#include "dataplane_link.h"

#include <sys/types.h>

struct control;
struct event;

struct supervise {
	struct control *control;
	struct event *timer;
	struct event *child_ended;
	pid_t child;   // 0: none of ours
	bool disabled; // by an operator
	bool started_here;
	uint64_t backoff_us;
	int64_t running_since_s;
	uint64_t n_starts;     // processes started
	uint64_t n_losses;     // links lost without being asked for
	char last_reason[256]; // of the last loss or refusal
	bool running_differs;  // the running one was started with another configuration than ours
};

bool supervise_open(struct supervise *supervise, struct control *control);

// Stops the dataplane and does not start it again; and the other way round. NULL, or why not.
const char *supervise_disable(struct supervise *supervise);
void supervise_enable(struct supervise *supervise);

// Tries now instead of after the pause: a new configuration may be what was missing.
void supervise_hurry(struct supervise *supervise);

// From the link.
void supervise_link_changed(
	struct supervise *supervise, enum link_state before, enum link_state now, const char *reason);

void supervise_close(struct supervise *supervise);
