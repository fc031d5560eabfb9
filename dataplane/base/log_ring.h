// SPDX-License-Identifier: Apache-2.0
//
// Where a worker leaves what shall be logged. Never blocks: when the main thread does not keep up, events are
// dropped and counted. The event's form is include/log_event.h; the main thread forwards events to the
// control process as they are.
#pragma once

#include "base/ring.h"
#include "base/span.h"
#include "log_event.h"

struct log_ring {
	struct ring ring;
	uint16_t worker_idx;
};

bool log_ring_init(struct log_ring *log, struct arena *arena, uint32_t capacity, uint16_t worker_idx);

// Writer only. The details are the kind's own encoding (log_events.def) and are cut to what an event holds.
void log_ring_push(struct log_ring *log, enum log_event_kind kind, uint64_t wall_us, struct span details);

// Reader only.
bool log_ring_pop(struct log_ring *log, struct log_event *out_event);
