// SPDX-License-Identifier: Apache-2.0
//
// A question about one worker's tables, or an order to change them (include/ipc.h, QUERY), on its way from
// the main thread to the worker and back. The worker does a bounded part in each turn, so that listing a
// million connections makes no pause in their traffic:
//
//   mailbox --> query_step, once a turn, QUERY_LOOKS_PER_TURN places of the table
//                 until the answer is full (then the cursor says where to go on) or the table ends -->
//                 mailbox
#pragma once

#include "ipc.h"

#include <stdbool.h>

struct worker;

enum {
	QUERY_LOOKS_PER_TURN = 64,
	// Opening a ticket or walking two connections costs more than a look.
	QUERY_SESSIONS_PER_TURN = 16,
};

struct query {
	struct ipc_query ask;
	uint64_t cursor; // where the table is looked at next
	uint64_t n_done;
	uint32_t n_rows;
	bool over; // the end of the table was reached
	_Alignas(16) uint8_t rows[IPC_ROWS_LEN_MAX];
};

// Sessions that another dataplane remembered, bare ipc_sealed_session records; each worker takes its own.
struct session_import {
	const struct ipc_sealed_session *sessions;
	uint32_t n_sessions;
	uint32_t n_workers_left; // the main thread's
};

// NULL, or what is wrong with what was asked. The worker's number is the caller's to check.
const char *query_fault(const struct ipc_query *ask);

void query_begin(struct query *query, const struct ipc_query *ask);

// The worker's part, of one turn. True: the answer is complete.
bool query_step(struct query *query, struct worker *worker);

// Takes the worker's own out of at most QUERY_SESSIONS_PER_TURN sessions from *at on. True: that was all.
bool query_import_sessions(const struct session_import *import, uint32_t *at, struct worker *worker);
