// SPDX-License-Identifier: Apache-2.0
#include "crypto/lanes.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "crypto/helper.h"
#include "crypto/lane_engine.h"
#include "crypto/private_key.h"

#include <openssl/evp.h>

enum {
	BUDGET_DEFAULT_US = 50,
	// A call of lanes_run ends its work on new batches after this long; what is due then waits for the
	// next turn. The longest batch in one piece takes about as long again, so that a call stays below 150
	// us.
	CALL_US = 75
};

struct lane_queue {
	struct list waiting;
	uint32_t n;
};

// A sliced batch in progress. A request that was cancelled leaves NULL behind.
struct lane_batch {
	struct lane_request *requests[LANES];
	unsigned n; // 0: none in progress
};

struct lanes {
	struct lane_engine engine;
	struct lane_queue queues[N_LANE_OPS];
	struct lane_batch batches[N_LANE_OPS];
	struct list completed;
	uint32_t n_pending;
	uint32_t n_batches;
	uint32_t n_tasks; // out at the helper
	struct helper_client *helper;
	unsigned next_op; // where the next call begins, for fairness
	uint64_t budget_tsc;
	uint64_t call_tsc;
	enum select_lanes body;
	struct counters *counters;
	// Where a cancelled request's lane of a sliced batch goes.
	uint8_t nowhere[LANES][LANE_OUTPUT_MAX_LEN];
};

static void count(struct lanes *lanes, enum counter id, uint64_t n)
{
	if (lanes->counters != NULL)
		counter_add(lanes->counters, id, n);
}

static void count_wait(struct lanes *lanes, uint64_t waited_tsc)
{
	count(lanes, COUNTER_CRYPTO_LANE_WAIT_TSC, waited_tsc);
	if (lanes->counters != NULL)
		counter_observe(lanes->counters, COUNTER_CRYPTO_LANE_WAIT_LE_10, 10, 14, waited_tsc);
}

size_t lanes_footprint(void)
{
	return sizeof(struct lanes) + 64 + lane_engine_footprint();
}

struct lanes *lanes_create(struct arena *arena, const struct lanes_settings *settings, struct random *random,
	struct counters *counters)
{
	struct lanes *lanes = arena_alloc(arena, sizeof *lanes, 64);
	enum select_lanes body = select_resolve_lanes(settings->body);
	uint64_t tsc_per_us = clock_tsc_hz() / 1000000;

	if (lanes == NULL || !lane_engine_init(&lanes->engine, arena, body, random))
		return NULL;
	lanes->body = body;
	lanes->helper = lanes->engine.kernels == NULL ? settings->helper : NULL;
	lanes->counters = counters;
	lanes->engine.counters = counters;
	lanes_set_budget_us(
		lanes, settings->budget_us != 0 ? settings->budget_us : (uint32_t)BUDGET_DEFAULT_US);
	lanes->call_tsc = tsc_per_us * CALL_US;
	list_init(&lanes->completed);
	for (unsigned op = 0; op < N_LANE_OPS; op++)
		list_init(&lanes->queues[op].waiting);
	return lanes;
}

void lanes_set_budget_us(struct lanes *lanes, uint32_t budget_us)
{
	lanes->budget_tsc = clock_tsc_hz() / 1000000 * budget_us;
}

void lanes_destroy(struct lanes *lanes)
{
	SLUICE_ASSERT(lanes->n_pending == 0);
	// Batches and tasks whose requests were all cancelled still hold secrets until they finish.
	while (lanes->n_batches != 0 || lanes->n_tasks != 0)
		(void)lanes_run(lanes, clock_tsc(), true);
	lane_engine_destroy(&lanes->engine);
}

void lane_request_init(struct lane_request *request, void *owner)
{
	*request = (struct lane_request){.owner = owner, .status = LANE_IDLE};
	list_link_init(&request->link);
}

void lanes_submit(struct lanes *lanes, struct lane_request *request, uint64_t now_tsc)
{
	struct lane_queue *queue = &lanes->queues[request->op];

	SLUICE_ASSERT(request->op < N_LANE_OPS);
	SLUICE_ASSERT(request->status != LANE_WAITING && request->status != LANE_RUNNING);
	list_remove(&request->link); // in case that it is completed, not popped, and used again
	request->status = LANE_WAITING;
	request->submitted_tsc = now_tsc;
	list_push_back(&queue->waiting, &request->link);
	queue->n++;
	lanes->n_pending++;
	count(lanes, COUNTER_CRYPTO_LANE_REQUESTS, 1);
}

static struct lane_request *queue_pop(struct lane_queue *queue)
{
	struct list_link *link = list_pop_front(&queue->waiting);

	queue->n--;
	return LIST_ITEM(link, struct lane_request, link);
}

static void complete(struct lanes *lanes, struct lane_request *request, bool ok)
{
	const struct lane_operation *operation = &lane_operations[request->op];

	request->status = ok ? (uint8_t)LANE_OK : operation->refusal;
	if (!ok && operation->output_len != 0)
		wipe(request->output, operation->output_len);
	if (!ok)
		count(lanes,
			operation->refusal == LANE_FAULT ? COUNTER_CRYPTO_LANE_FAULTS
							 : COUNTER_CRYPTO_LANE_BAD_INPUT,
			1);
	list_push_back(&lanes->completed, &request->link);
	lanes->n_pending--;
}

// How many requests go together. Where half of them take half the time, who came first need not wait for the
// few behind, who are joined by others meanwhile.
static unsigned batch_len(const struct lanes *lanes, enum lane_op op)
{
	uint32_t n = lanes->queues[op].n;
	unsigned half = lane_operations[op].half;

	if (n >= LANES)
		return LANES;
	return half != 0 && n > half ? half : n;
}

// Takes up to eight requests off the queue and counts them as fired.
static unsigned take_batch(
	struct lanes *lanes, enum lane_op op, struct lane_request *requests[LANES], uint64_t now_tsc)
{
	struct lane_queue *queue = &lanes->queues[op];
	unsigned n = batch_len(lanes, op);

	for (unsigned i = 0; i < n; i++) {
		requests[i] = queue_pop(queue);
		count_wait(lanes, now_tsc - requests[i]->submitted_tsc);
	}
	return n;
}

static void count_batch(struct lanes *lanes, unsigned n)
{
	count(lanes, n == LANES ? COUNTER_CRYPTO_LANE_FIRED_FULL : COUNTER_CRYPTO_LANE_FIRED_PARTIAL, 1);
	count(lanes, COUNTER_CRYPTO_LANE_OCCUPIED, n);
	count(lanes, (enum counter)(COUNTER_CRYPTO_LANE_BATCH_1 + n - 1), 1);
}

static EVP_PKEY *pkey_of(const struct lane_request *request)
{
	return request->key != NULL ? request->key->pkey : NULL;
}

static uint32_t run_scalar(struct lanes *lanes, struct lane_request *const *requests, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		complete(lanes, requests[i],
			lane_operations[requests[i]->op].run_scalar(
				&lanes->engine, requests[i], pkey_of(requests[i])));
	count(lanes, COUNTER_CRYPTO_LANE_FIRED_SCALAR, n);
	return n;
}

// Hands a request to the helper; false when it has no task left, and the request waits on.
static bool hand_over(struct lanes *lanes, struct lane_request *request)
{
	const struct lane_operation *operation = &lane_operations[request->op];
	struct helper_task *task = helper_take_task(lanes->helper);

	if (task == NULL)
		return false;
	task->op = request->op;
	task->request = request;
	task->pkey = pkey_of(request);
	if (task->pkey != NULL)
		SLUICE_ASSERT(EVP_PKEY_up_ref(task->pkey) == 1);
	if (request->secret != NULL)
		memcpy(task->secret, request->secret, sizeof task->secret);
	if (operation->input_len != 0)
		memcpy(task->input, request->input, operation->input_len);
	helper_submit(lanes->helper, task);
	request->status = LANE_RUNNING;
	lanes->n_tasks++;
	return true;
}

static void hand_over_queue(struct lanes *lanes, enum lane_op op, uint64_t now_tsc)
{
	struct lane_queue *queue = &lanes->queues[op];
	uint32_t n_before = queue->n;

	while (queue->n != 0) {
		struct lane_request *request = LIST_ITEM(queue->waiting.head.next, struct lane_request, link);

		if (!hand_over(lanes, request))
			break;
		(void)queue_pop(queue);
		count_wait(lanes, now_tsc - request->submitted_tsc);
	}
	count(lanes, COUNTER_CRYPTO_LANE_FIRED_SCALAR, n_before - queue->n);
}

static uint32_t collect_tasks(struct lanes *lanes)
{
	struct helper_task *task;
	uint32_t n_completed = 0;

	while (lanes->n_tasks != 0 && (task = helper_next_done(lanes->helper)) != NULL) {
		struct lane_request *request = task->request;

		if (request != NULL) {
			memcpy(request->output, task->output, lane_operations[task->op].output_len);
			complete(lanes, request, task->ok);
			n_completed++;
		}
		helper_free_task(lanes->helper, task);
		lanes->n_tasks--;
	}
	return n_completed;
}

// Runs one batch that is not sliced, or begins one that is; returns how many requests completed.
static uint32_t fire(struct lanes *lanes, enum lane_op op, uint64_t now_tsc)
{
	const struct lane_operation *operation = &lane_operations[op];
	struct lane_request *requests[LANES];
	unsigned n = take_batch(lanes, op, requests, now_tsc);
	uint64_t ok;

	if (lanes->engine.kernels == NULL || n < lanes->engine.break_even[op])
		return run_scalar(lanes, requests, n);
	count_batch(lanes, n);
	if (operation->run != NULL) {
		ok = operation->run(&lanes->engine, requests, n);
		for (unsigned i = 0; i < n; i++)
			complete(lanes, requests[i], (ok >> i & 1) != 0);
		return n;
	}
	operation->begin(&lanes->engine, requests, n);
	for (unsigned i = 0; i < n; i++)
		requests[i]->status = LANE_RUNNING;
	memcpy(lanes->batches[op].requests, requests, n * sizeof requests[0]);
	lanes->batches[op].n = n;
	lanes->n_batches++;
	return 0;
}

static uint32_t finish_batch(struct lanes *lanes, enum lane_op op)
{
	struct lane_batch *batch = &lanes->batches[op];
	uint8_t *outputs[LANES];
	uint32_t n_completed = 0;
	uint64_t ok;

	for (unsigned i = 0; i < batch->n; i++)
		outputs[i] = batch->requests[i] != NULL ? batch->requests[i]->output : lanes->nowhere[i];
	ok = lane_operations[op].finish(&lanes->engine, op, outputs);
	for (unsigned i = 0; i < batch->n; i++) {
		if (batch->requests[i] == NULL) {
			wipe(lanes->nowhere[i], sizeof lanes->nowhere[i]);
			continue;
		}
		complete(lanes, batch->requests[i], (ok >> i & 1) != 0);
		n_completed++;
	}
	*batch = (struct lane_batch){.n = 0};
	lanes->n_batches--;
	return n_completed;
}

// One slice of the operation's batch in progress.
static uint32_t run_slice(struct lanes *lanes, enum lane_op op)
{
	return lane_operations[op].step(&lanes->engine, op) ? 0 : finish_batch(lanes, op);
}

static bool is_due(const struct lanes *lanes, enum lane_op op, uint64_t now_tsc, bool nothing_new)
{
	const struct lane_queue *queue = &lanes->queues[op];
	const struct lane_request *oldest;

	if (queue->n == 0 || lanes->batches[op].n != 0)
		return false;
	if (nothing_new || queue->n >= LANES || lanes->engine.kernels == NULL)
		return true;
	oldest = LIST_ITEM(queue->waiting.head.next, struct lane_request, link);
	return now_tsc - oldest->submitted_tsc >= lanes->budget_tsc;
}

uint32_t lanes_run(struct lanes *lanes, uint64_t now_tsc, bool nothing_new)
{
	unsigned first_op = lanes->next_op;
	uint32_t n_completed = 0;
	uint64_t started_tsc;

	if (lanes->n_pending == 0 && lanes->n_batches == 0 && lanes->n_tasks == 0)
		return 0;
	started_tsc = clock_tsc();
	n_completed = collect_tasks(lanes);
	for (unsigned i = 0; i < N_LANE_OPS; i++) {
		enum lane_op op = (enum lane_op)((first_op + i) % N_LANE_OPS);
		bool in_progress = lanes->batches[op].n != 0;

		if (lanes->helper != NULL && lane_operations[op].is_slow) {
			hand_over_queue(lanes, op, now_tsc);
			continue;
		}
		while (in_progress || is_due(lanes, op, now_tsc, nothing_new)) {
			n_completed += in_progress ? run_slice(lanes, op) : fire(lanes, op, now_tsc);
			lanes->next_op = (op + 1) % N_LANE_OPS;
			if (clock_tsc() - started_tsc >= lanes->call_tsc)
				return n_completed;
			if (in_progress)
				break;
		}
	}
	return n_completed;
}

struct lane_request *lanes_pop_completed(struct lanes *lanes)
{
	struct list_link *link = list_pop_front(&lanes->completed);

	return link != NULL ? LIST_ITEM(link, struct lane_request, link) : NULL;
}

void lanes_cancel(struct lanes *lanes, struct lane_request *request)
{
	struct lane_batch *batch = &lanes->batches[request->op];

	switch ((enum lane_status)request->status) {
	case LANE_IDLE:
		return;
	case LANE_WAITING:
		lanes->queues[request->op].n--;
		lanes->n_pending--;
		break;
	case LANE_RUNNING:
		for (unsigned i = 0; i < batch->n; i++)
			if (batch->requests[i] == request)
				batch->requests[i] = NULL;
		if (lanes->helper != NULL)
			helper_find_task(lanes->helper, request)->request = NULL;
		lanes->n_pending--;
		break;
	case LANE_OK:
	case LANE_BAD_INPUT:
	case LANE_FAULT:
		break;
	}
	if (request->status == LANE_WAITING || request->status == LANE_RUNNING)
		count(lanes, COUNTER_CRYPTO_LANE_CANCELLED, 1);
	list_remove(&request->link);
	request->status = LANE_IDLE;
}

uint32_t lanes_n_pending(const struct lanes *lanes)
{
	// A request out at the helper counts twice, which does not matter.
	return lanes->n_pending + lanes->n_batches + lanes->n_tasks;
}

uint64_t lanes_deadline_tsc(const struct lanes *lanes)
{
	uint64_t earliest = UINT64_MAX;

	for (unsigned op = 0; op < N_LANE_OPS; op++) {
		const struct lane_queue *queue = &lanes->queues[op];
		const struct lane_request *oldest;

		if (queue->n == 0)
			continue;
		oldest = LIST_ITEM(queue->waiting.head.next, struct lane_request, link);
		if (oldest->submitted_tsc + lanes->budget_tsc < earliest)
			earliest = oldest->submitted_tsc + lanes->budget_tsc;
	}
	return earliest;
}

struct lane_engine *lanes_engine(struct lanes *lanes)
{
	return &lanes->engine;
}

enum select_lanes lanes_body(const struct lanes *lanes)
{
	return lanes->body;
}
