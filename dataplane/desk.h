// SPDX-License-Identifier: Apache-2.0
//
// Where the control process's questions about workers wait: one at a time, on its way to a worker, back, and
// to the control process, which may not be there any more, or not the one that asked.
//
//   free --desk_ask--> out (the worker's) --desk_take_back--> answered --desk_send--> free
#pragma once

#include "base/arena.h"
#include "ctl.h"
#include "query.h"

enum desk_state {
	DESK_FREE,
	DESK_OUT,
	DESK_ANSWERED
};

struct desk {
	enum desk_state state;
	bool orphaned; // who asked is gone
	uint32_t id;   // of the question
	struct arena arena;
	struct desk_sheet *sheet; // the query between the head of its message and its rows
};

// False: no memory.
bool desk_init(struct desk *desk) __attribute__((warn_unused_result));
void desk_destroy(struct desk *desk);

// Takes a question; the result goes to the worker's mailbox. NULL: `reason` says why not.
struct query *desk_ask(
	struct desk *desk, const struct ctl_request *request, uint32_t n_workers, const char **out_reason);

void desk_take_back(struct desk *desk);

// Sends what was answered, if it was, and the control process takes it.
void desk_send(struct desk *desk, struct ctl *ctl);

// The control process is gone or another one: nobody waits for the answer.
void desk_orphan(struct desk *desk);
