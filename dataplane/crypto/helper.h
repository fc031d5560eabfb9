// SPDX-License-Identifier: Apache-2.0
//
// The helper thread of workers without kernels: it does what scalar code can't do within a slice of a
// worker's turn (RSA and P-384), so that no call holds a worker's core for longer.
//
//   worker (lanes.c)                                        helper thread
//   task = helper_take_task   fill in   helper_submit --> [ requests ring ] --> scalar code
//   helper_next_done          <------------------------- [ answers ring ]
//   helper_free_task (wipes)
//
// A task holds copies of all that it works on; the key's EVP_PKEY is referenced while it does. One client per
// worker; each ring has one writer and one reader. The helper sleeps on a semaphore when there is nothing to
// do; a worker never waits for it.
#pragma once

#include "base/arena.h"
#include "crypto/lanes.h"

enum {
	HELPER_INPUT_MAX_LEN = 512,
	HELPER_TASKS = 64 // per client
};

struct helper;
struct helper_client;

struct helper_task {
	uint8_t op; // enum lane_op
	bool ok;
	struct evp_pkey_st *pkey;     // referenced; NULL for key agreement
	struct lane_request *request; // the worker's; the helper does not look at it. NULL: cancelled
	uint8_t secret[48];
	uint8_t input[HELPER_INPUT_MAX_LEN];
	uint8_t output[HELPER_INPUT_MAX_LEN];
};

size_t helper_footprint(unsigned n_clients);

// At start. NULL when the arena has no room or no thread is to be had.
struct helper *helper_start(struct arena *arena, unsigned n_clients);

struct helper_client *helper_client(struct helper *helper, unsigned idx);

// Ends the thread; what it has not done is dropped. No worker may use its client any more.
void helper_stop(struct helper *helper);

// The worker's side. A free task, or NULL when all are out.
struct helper_task *helper_take_task(struct helper_client *client);
void helper_submit(struct helper_client *client, struct helper_task *task);
// A task that is done, or NULL.
struct helper_task *helper_next_done(struct helper_client *client);
void helper_free_task(struct helper_client *client, struct helper_task *task);

// The task that works for a request, or NULL: for cancelling.
struct helper_task *helper_find_task(struct helper_client *client, const struct lane_request *request);
