// SPDX-License-Identifier: Apache-2.0
#include "desk.h"

#include "base/assert.h"

#include <string.h>

struct desk_sheet {
	struct query query;
	uint8_t message[sizeof(struct ipc_rows) + IPC_ROWS_LEN_MAX];
};

bool desk_init(struct desk *desk)
{
	*desk = (struct desk){.state = DESK_FREE};
	if (!arena_init(&desk->arena, sizeof *desk->sheet + 64))
		return false;
	desk->sheet = arena_alloc(&desk->arena, sizeof *desk->sheet, 64);
	return desk->sheet != NULL;
}

void desk_destroy(struct desk *desk)
{
	arena_destroy(&desk->arena);
}

struct query *desk_ask(
	struct desk *desk, const struct ctl_request *request, uint32_t n_workers, const char **out_reason)
{
	*out_reason = desk->state != DESK_FREE ? "an earlier query is still being answered; try again"
		      : request->query.worker_idx >= n_workers ? "there is no such worker"
							       : query_fault(&request->query);
	if (*out_reason != NULL)
		return NULL;
	desk->state = DESK_OUT;
	desk->orphaned = false;
	desk->id = request->id;
	query_begin(&desk->sheet->query, &request->query);
	return &desk->sheet->query;
}

void desk_take_back(struct desk *desk)
{
	SLUICE_ASSERT(desk->state == DESK_OUT);
	desk->state = desk->orphaned ? DESK_FREE : DESK_ANSWERED;
}

void desk_send(struct desk *desk, struct ctl *ctl)
{
	const struct query *query = &desk->sheet->query;
	const size_t rows_len = (size_t)query->n_rows * ipc_row_len(query->ask.kind);
	struct ipc_rows head = {.kind = query->ask.kind,
		.worker_idx = query->ask.worker_idx,
		.n_rows = query->n_rows,
		.cursor = query->over ? 0 : query->cursor,
		.n_done = query->n_done};

	if (desk->state != DESK_ANSWERED)
		return;
	memcpy(desk->sheet->message, &head, sizeof head);
	memcpy(desk->sheet->message + sizeof head, query->rows, rows_len);
	if (ctl_send(ctl, desk->sheet->message, sizeof head + rows_len, IPC_ROWS, desk->id, -1) ||
		ctl->control_fd < 0)
		desk->state = DESK_FREE;
}

void desk_orphan(struct desk *desk)
{
	desk->orphaned = true;
	if (desk->state == DESK_ANSWERED)
		desk->state = DESK_FREE;
}
