// SPDX-License-Identifier: Apache-2.0
//
// An event of the dataplane, packed by hand as log_events.def says, so that a change of one side shows.
#pragma once

#include "../../../control/events.h"

#include "base/writer.h"

#include <string.h>

static struct log_event event;
static struct writer writer;

static inline void begin(enum log_event_kind kind)
{
	memset(&event, 0, sizeof event);
	event.kind = (uint16_t)kind;
	event.worker_idx = 3;
	event.wall_us = 1000000;
	writer = writer_over((struct mut_span){.data = event.details, .len = sizeof event.details});
}

static inline void word(const char *text)
{
	writer_u8(&writer, (uint8_t)strlen(text));
	writer_bytes(&writer, span_of_string(text));
}

// 192.0.2.`last`
static inline void endpoint(uint8_t last, uint16_t port)
{
	static const uint8_t mapped[15] = {[10] = 0xff, 0xff, 192, 0, 2};

	writer_bytes(&writer, span_of(mapped, sizeof mapped));
	writer_u8(&writer, last);
	writer_u16(&writer, port);
}

static inline void peer(void)
{
	word("mx");
	word("smtp");
	endpoint(7, 50222);
	endpoint(1, 25);
}
