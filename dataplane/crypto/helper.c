// SPDX-License-Identifier: Apache-2.0
#include "crypto/helper.h"

#include "base/assert.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/wipe.h"
#include "crypto/lane_engine.h"
#include "crypto/scalar.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct helper_client {
	struct ring requests; // of task indices
	struct ring answers;
	struct pool tasks; // the worker's
	struct helper *helper;
};

struct helper {
	struct helper_client *clients;
	unsigned n_clients;
	struct lane_engine engine; // scalar code only
	sem_t work;
	atomic_bool stopping;
	pthread_t thread;
};

size_t helper_footprint(unsigned n_clients)
{
	return sizeof(struct helper) + 2 * 64 +
	       n_clients * (sizeof(struct helper_client) +
				   pool_footprint(HELPER_TASKS, sizeof(struct helper_task)) +
				   2 * (HELPER_TASKS * sizeof(uint32_t) + 64) + 4 * 64);
}

static void run_task(struct helper *helper, struct helper_task *task)
{
	struct lane_request request = {
		.op = task->op,
		.secret = task->secret,
		.input = task->input,
		.output = task->output,
	};

	task->ok = lane_operations[task->op].run_scalar(&helper->engine, &request, task->pkey);
	EVP_PKEY_free(task->pkey);
	task->pkey = NULL;
}

// One task of each client; false when nobody has one.
static bool run_round(struct helper *helper)
{
	bool worked = false;
	uint32_t idx;

	for (unsigned i = 0; i < helper->n_clients; i++) {
		struct helper_client *client = &helper->clients[i];

		if (!ring_pop(&client->requests, &idx))
			continue;
		run_task(helper, pool_at(&client->tasks, idx));
		// There are as many places as tasks.
		SLUICE_ASSERT(ring_push(&client->answers, &idx));
		worked = true;
	}
	return worked;
}

static void *helper_main(void *argument)
{
	struct helper *helper = argument;

	while (!atomic_load_explicit(&helper->stopping, memory_order_acquire)) {
		if (run_round(helper))
			continue;
		while (sem_wait(&helper->work) != 0)
			SLUICE_ASSERT(errno == EINTR);
	}
	return NULL;
}

static bool make_client(struct helper_client *client, struct arena *arena, struct helper *helper)
{
	client->helper = helper;
	return ring_init(&client->requests, arena, HELPER_TASKS, sizeof(uint32_t)) &&
	       ring_init(&client->answers, arena, HELPER_TASKS, sizeof(uint32_t)) &&
	       pool_init(&client->tasks, arena, HELPER_TASKS, sizeof(struct helper_task));
}

struct helper *helper_start(struct arena *arena, unsigned n_clients)
{
	struct helper *helper = arena_alloc(arena, sizeof *helper, 64);

	if (helper == NULL)
		return NULL;
	helper->n_clients = n_clients;
	helper->clients = arena_alloc(arena, n_clients * sizeof *helper->clients, 64);
	if (helper->clients == NULL)
		return NULL;
	for (unsigned i = 0; i < n_clients; i++)
		if (!make_client(&helper->clients[i], arena, helper))
			return NULL;
	helper->engine.scalar = scalar_create();
	if (helper->engine.scalar == NULL)
		return NULL;
	if (sem_init(&helper->work, 0, 0) == 0 &&
		pthread_create(&helper->thread, NULL, helper_main, helper) == 0)
		return helper;
	scalar_destroy(helper->engine.scalar);
	return NULL;
}

struct helper_client *helper_client(struct helper *helper, unsigned idx)
{
	SLUICE_ASSERT(idx < helper->n_clients);
	return &helper->clients[idx];
}

void helper_stop(struct helper *helper)
{
	uint32_t idx;

	atomic_store_explicit(&helper->stopping, true, memory_order_release);
	SLUICE_ASSERT(sem_post(&helper->work) == 0);
	SLUICE_ASSERT(pthread_join(helper->thread, NULL) == 0);
	for (unsigned i = 0; i < helper->n_clients; i++) {
		struct pool *tasks = &helper->clients[i].tasks;

		while (ring_pop(&helper->clients[i].requests, &idx))
			EVP_PKEY_free(((struct helper_task *)pool_at(tasks, idx))->pkey);
		wipe(tasks->items, (size_t)tasks->n_items * tasks->item_size);
	}
	SLUICE_ASSERT(sem_destroy(&helper->work) == 0);
	scalar_destroy(helper->engine.scalar);
}

struct helper_task *helper_take_task(struct helper_client *client)
{
	return pool_alloc(&client->tasks);
}

void helper_submit(struct helper_client *client, struct helper_task *task)
{
	uint32_t idx = pool_index(&client->tasks, task);

	// There are as many places as tasks.
	SLUICE_ASSERT(ring_push(&client->requests, &idx));
	SLUICE_ASSERT(sem_post(&client->helper->work) == 0);
}

struct helper_task *helper_next_done(struct helper_client *client)
{
	uint32_t idx;

	return ring_pop(&client->answers, &idx) ? pool_at(&client->tasks, idx) : NULL;
}

void helper_free_task(struct helper_client *client, struct helper_task *task)
{
	wipe(task, sizeof *task);
	pool_free(&client->tasks, task);
}

struct helper_task *helper_find_task(struct helper_client *client, const struct lane_request *request)
{
	for (uint32_t i = 0; i < HELPER_TASKS; i++) {
		struct helper_task *task = pool_at(&client->tasks, i);

		if (pool_in_use(&client->tasks, i) && task->request == request)
			return task;
	}
	return NULL;
}
