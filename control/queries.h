// SPDX-License-Identifier: Apache-2.0
//
// Questions to the dataplane's workers: they wait here for their turn, because the link carries one at a
// time. A list is read by asking again with the cursor that the last answer gave; others get their turn in
// between.
#pragma once

#include "base/list.h"
#include "ipc.h"

#include <stdbool.h>

struct dataplane_link;

struct query {
	struct list_link link;
	struct queries *waits_in; // NULL: it is not being asked
	struct ipc_query ask;
	// Rows, or NULL and a reason. The query may be asked again, or freed, in here.
	void (*answered)(struct query *query, const struct ipc_rows *rows, const char *reason);
	void *owner;
};

struct queries {
	struct dataplane_link *to;
	struct list waiting;
	struct query *out; // on its way; NULL: none is, or nobody waits for it any more
};

void queries_init(struct queries *queries, struct dataplane_link *to);

// Asks, at once or when those before it were answered. NULL, or why not.
const char *queries_ask(struct queries *queries, struct query *query) __attribute__((warn_unused_result));

// Nobody waits for it any more. One that is not being asked is left alone.
void queries_cancel(struct query *query);

// From the link: an answer came; the dataplane is gone.
void queries_answered(struct queries *queries, const struct ipc_rows *rows, const char *reason);
void queries_link_down(struct queries *queries);
