// SPDX-License-Identifier: Apache-2.0
#include "base/log_ring.h"

#include "base/assert.h"

bool log_ring_init(struct log_ring *log, struct arena *arena, uint32_t capacity, uint16_t worker_idx)
{
	log->worker_idx = worker_idx;
	return ring_init(&log->ring, arena, capacity, sizeof(struct log_event));
}

void log_ring_push(struct log_ring *log, enum log_event_kind kind, uint64_t wall_us, struct span details)
{
	struct log_event event = {
		.wall_us = wall_us,
		.kind = (uint16_t)kind,
		.worker_idx = log->worker_idx,
		.details_len = (uint32_t)(details.len < LOG_EVENT_DETAILS_MAX ? details.len
									      : LOG_EVENT_DETAILS_MAX),
	};

	if (event.details_len != 0)
		memcpy(event.details, details.data, event.details_len);
	(void)ring_push(&log->ring, &event);
}

bool log_ring_pop(struct log_ring *log, struct log_event *out_event)
{
	return ring_pop(&log->ring, out_event);
}
