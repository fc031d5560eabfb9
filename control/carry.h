// SPDX-License-Identifier: Apache-2.0
//
// TLS sessions on their way from a dataplane that is about to be stopped to the one after it, so that clients
// of TLS 1.2 go on resuming. They are sealed under the ticket keys (the dataplane does that, and opens them
// again); here they are bytes, and nobody is shown them.
//
//   empty --carry_collect--> collecting, worker by worker --> full --carry_take--> empty
#pragma once

#include "queries.h"

#include <stddef.h>
#include <stdint.h>

struct control;

struct carry {
	struct control *control;
	struct query query;
	bool collecting;
	uint8_t *sessions; // struct ipc_sealed_session, one after the other
	size_t len;
	size_t capacity;
	void (*done)(struct control *control, void *context);
	void *context;
};

void carry_init(struct carry *carry, struct control *control);

// Asks every worker; `done` is called when all have answered, or as soon as something is in the way: then
// what came so far is what there is. At once when the dataplane does not run.
void carry_collect(struct carry *carry, void (*done)(struct control *control, void *context), void *context);

bool carry_is_full(const struct carry *carry);

// What was collected, as a memfd that is the caller's; -1 when there is none to be had. Empty afterwards.
int carry_take(struct carry *carry);

void carry_destroy(struct carry *carry);
