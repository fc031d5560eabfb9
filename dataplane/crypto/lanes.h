// SPDX-License-Identifier: Apache-2.0
//
// The lane scheduler: the one place where public-key operations wait for company. One per worker, no lock, no
// callback.
//
//   lanes_submit --> [ queue per operation ] --lanes_run--> kernel, 8 at a time --> [ completed ] -->
//   lanes_pop_completed
//                          |                                  ^ | sliced batches:
//                          +--> lanes_cancel                  +-+ one slice per call (RSA, P-384)
//
// A request is part of its owner's object and linked, never copied. Inputs and outputs that it points to
// belong to the owner and stay in place until the request is popped or cancelled.
//
// A queue fires (DESIGN.md section 5) when eight wait; or when the turn received nothing new; or when its
// oldest has waited its budget. A partial batch below the operation's break-even count goes to scalar code,
// where there is scalar code. What holds the core for more than about 150 us is done in slices, at most one
// slice of a kind per lanes_run; a sliced batch in progress is finished before a new one of its kind begins.
// RSA signs up to four in half the time of eight, so five to seven that are due go as four and the rest. No
// call begins anything more once it has worked for 75 us: what is due goes on in the next call.
//
// Each lane has a status of its own: a bad point in one says nothing about its neighbours.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/list.h"
#include "crypto/keys.h"
#include "crypto/select.h"

struct random;

enum {
	LANES = 8
};

enum lane_op {
#define LANE_OP(id, name, input, output) LANE_##id,
#include "crypto/lane_ops.def"
#undef LANE_OP
	N_LANE_OPS
};

enum lane_status {
	LANE_IDLE,      // in no queue
	LANE_WAITING,   // in a queue
	LANE_RUNNING,   // in a sliced batch
	LANE_OK,        // output written
	LANE_BAD_INPUT, // the peer's: point not on the curve, all-zero secret, signature that does not verify
	LANE_FAULT      // ours: a result that failed its own check; output zeroed
};

struct lane_request {
	struct list_link link;
	void *owner;    // the caller's, untouched
	uint8_t op;     // enum lane_op
	uint8_t status; // enum lane_status
	uint64_t submitted_tsc;
	// What lane_ops.def says of the operation.
	const struct private_key *key;
	const uint8_t *secret;
	const uint8_t *input;
	uint8_t *output;
};

struct helper_client;
struct lanes;

struct lanes_settings {
	enum select_lanes body;
	uint32_t budget_us; // how long the oldest may wait while more keeps arriving; 0 means 50
	// Who does the long operations when there are no kernels (helper.h); NULL: the worker itself.
	struct helper_client *helper;
};

// At start. NULL when the arena has no room or a scalar context can't be made.
struct lanes *lanes_create(struct arena *arena, const struct lanes_settings *settings, struct random *random,
	struct counters *counters);
size_t lanes_footprint(void);

// How long the oldest may wait from now on; 0: not at all.
void lanes_set_budget_us(struct lanes *lanes, uint32_t budget_us);

// Releases scalar contexts; the arena keeps the memory. No request may be in it.
void lanes_destroy(struct lanes *lanes);

// Sets the request's owner and clears it; op and pointers are then filled in by the caller.
void lane_request_init(struct lane_request *request, void *owner);

// Takes the request; status becomes LANE_WAITING.
void lanes_submit(struct lanes *lanes, struct lane_request *request, uint64_t now_tsc);

// Fires what the rule says at this time, and continues what is in progress. nothing_new: this turn's receive
// burst was empty. Returns the number of requests that completed.
uint32_t lanes_run(struct lanes *lanes, uint64_t now_tsc, bool nothing_new);

// The next completed request, status LANE_OK, LANE_BAD_INPUT or LANE_FAULT; NULL when there is none.
struct lane_request *lanes_pop_completed(struct lanes *lanes);

// Takes a request back at any time; status becomes LANE_IDLE and its memory may be reused at once. (A lane of
// a running batch computes on, for nobody.) Harmless on one that is idle or was popped.
void lanes_cancel(struct lanes *lanes, struct lane_request *request);

// Work in hand, requests and batches; 0 means that a worker may sleep.
uint32_t lanes_n_pending(const struct lanes *lanes);

// The TSC time at which the oldest waiting request's budget ends; UINT64_MAX when none waits.
uint64_t lanes_deadline_tsc(const struct lanes *lanes);

enum select_lanes lanes_body(const struct lanes *lanes);
