// SPDX-License-Identifier: Apache-2.0
//
// Events of the dataplane, as lines: the latest are kept for `show events`, and everybody who follows gets
// each one. What an event's details are is told by log_events.def in words and decoded here.
#pragma once

#include "log_event.h"
#include "text.h"

enum {
	EVENTS_KEPT = 1024
};

struct events {
	char *lines[EVENTS_KEPT];
	uint64_t n; // ever; the next goes to n % EVENTS_KEPT
};

// One line for people; the details of a kind that is not known here are shown in hex.
void event_format(const struct log_event *event, struct text *out_line);

// Keeps the event; returns its line, which is the ring's.
const char *events_add(struct events *events, const struct log_event *event);

// The idx-th of those kept, the oldest first; NULL at the end.
const char *events_at(const struct events *events, size_t idx);

void events_free(struct events *events);

const char *event_name(uint16_t kind);

struct log;

// The event's line in the log: TLS as Postfix has it, with fields for programs; failures count by their
// reason, so that one kind of trouble does not hide another.
void event_log(const struct log_event *event, struct log *log);
