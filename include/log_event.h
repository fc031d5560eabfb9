// SPDX-License-Identifier: Apache-2.0
//
// One event on its way from a worker to the log: fixed width, the same in memory and on the control link.
// `details` holds what log_events.def says of the kind, in network byte order, strings with a one-byte length
// in front. It never holds message content and never a key.
#pragma once

#include <stdint.h>

enum {
	LOG_EVENT_DETAILS_MAX = 1008
};

enum log_event_kind {
#define LOG_EVENT(id, name, details) LOG_EVENT_##id,
#include "log_events.def"
#undef LOG_EVENT
	N_LOG_EVENTS
};

struct log_event {
	uint64_t wall_us; // microseconds since 1970-01-01 UTC
	uint16_t kind;    // enum log_event_kind
	uint16_t worker_idx;
	uint32_t details_len;
	uint8_t details[LOG_EVENT_DETAILS_MAX];
};

_Static_assert(sizeof(struct log_event) == 1024, "the control link carries events as they are");
