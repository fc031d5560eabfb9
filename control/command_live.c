// SPDX-License-Identifier: Apache-2.0
//
// Commands that ask the dataplane's workers, or order them: lists by cursors, one answer of a worker at a
// time, the next when the client has taken the last.
//
//   ask worker 0 --rows--> written to the client --> ask again with the cursor --> ... --> worker 1 --> ...
#include "command.h"
#include "control.h"
#include "log_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROWS_PER_STEP = 64
};

struct live {
	struct query query;
	struct server *server;
	uint64_t client_id;
	uint16_t last_worker;
	void (*show)(struct command_call *call, const struct ipc_query *ask, const void *row);
	uint8_t *rows; // of the last answer
	uint32_t n_rows;
	uint32_t at;
	bool over;
	uint64_t n_done;
	char reason[IPC_REASON_MAX];
};

static void on_answered(struct query *query, const struct ipc_rows *rows, const char *reason)
{
	struct live *live = query->owner;

	live->at = live->n_rows = 0;
	if (rows == NULL) {
		(void)snprintf(live->reason, sizeof live->reason, "%s", reason);
	} else {
		const size_t len = rows->n_rows * (size_t)ipc_row_len(rows->kind);

		memcpy(live->rows, rows + 1, len);
		live->n_rows = rows->n_rows;
		live->n_done += rows->n_done;
		query->ask.cursor = rows->cursor;
		if (rows->cursor == 0) {
			live->over = query->ask.worker_idx == live->last_worker;
			query->ask.worker_idx += !live->over;
		}
	}
	server_resume(live->server, live->client_id);
}

static void live_end(struct command_call *call)
{
	struct live *live = call->state;

	queries_cancel(&live->query);
	free(live->rows);
	free(live);
}

static enum command_result live_next(struct command_call *call)
{
	struct live *live = call->state;
	const char *fault;

	if (live->reason[0] != '\0') {
		answer_error(&call->answer, "%s", live->reason);
		return COMMAND_ANSWERED;
	}
	for (uint32_t i = 0; i < ROWS_PER_STEP && live->at < live->n_rows; i++)
		live->show(call, &live->query.ask,
			live->rows + (size_t)live->at++ * ipc_row_len(live->query.ask.kind));
	if (live->at < live->n_rows)
		return COMMAND_MORE;
	if (live->over) {
		if (live->show == NULL) {
			answer_facts(&call->answer);
			answer_number(&call->answer, "changed", 0, live->n_done);
			answer_row_end(&call->answer);
		}
		return COMMAND_ANSWERED;
	}
	fault = queries_ask(&call->control->queries, &live->query);
	if (fault == NULL)
		return COMMAND_WAITS;
	answer_error(&call->answer, "%s", fault);
	return COMMAND_ANSWERED;
}

// Reads "core N" out of the arguments from `first` on, and asks; show NULL: an order.
static enum command_result begin(struct command_call *call, struct ipc_query ask, size_t first,
	void (*show)(struct command_call *, const struct ipc_query *, const void *))
{
	const uint32_t n_workers = call->control->link.facts.n_workers;
	uint64_t worker = 0;
	struct live *live;

	if (call->n_arguments > first) {
		if (call->n_arguments != first + 2 || strcmp(call->arguments[first], "core") != 0 ||
			!text_number(call->arguments[first + 1], UINT16_MAX, &worker)) {
			answer_usage(&call->answer, "%s %s", call->command->words, call->command->arguments);
			return COMMAND_ANSWERED;
		}
		if (worker >= n_workers) {
			answer_error(&call->answer, "there is no core %s; see show cores",
				call->arguments[first + 1]);
			return COMMAND_ANSWERED;
		}
	}
	ask.worker_idx = (uint16_t)worker;
	live = memory_alloc(1, sizeof *live);
	*live = (struct live){.query = {.ask = ask, .answered = on_answered, .owner = live},
		.server = &call->control->server,
		.client_id = call->client_id,
		.last_worker = (uint16_t)(call->n_arguments > first || n_workers == 0 ? worker
										      : n_workers - 1),
		.show = show,
		.rows = memory_alloc(IPC_ROWS_LEN_MAX, 1)};
	call->state = live;
	call->next = live_next;
	call->end = live_end;
	if (show != NULL)
		answer_table(&call->answer);
	return COMMAND_MORE;
}

// ---- Sessions ------------------------------------------------------------------------------------------

static void show_session(struct command_call *call, const struct ipc_query *ask, const void *bytes)
{
	const struct ipc_session *row = bytes;
	struct answer *answer = &call->answer;
	char id[2 * sizeof row->id_start + 1];
	struct text name = {0};

	for (size_t i = 0; i < sizeof row->id_start; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", row->id_start[i]);
	answer_row(answer);
	answer_number(answer, "core", 4, ask->worker_idx);
	answer_string(answer, "id", 16, id);
	log_tls_version(&name, row->version);
	answer_string(answer, "version", 8, text_string(&name));
	text_drop_to(&name, 0);
	log_tls_suite(&name, row->suite);
	answer_string(answer, "cipher", 30, text_string(&name));
	text_free(&name);
	answer_time(answer, "created", 20, (int64_t)row->created_s);
	answer_number(answer, "lifetime_seconds", 16, row->lifetime_s);
	answer_bool(answer, "client_certificate", 0, row->client_verified != 0);
	answer_row_end(answer);
}

enum command_result command_show_sessions(struct command_call *call)
{
	return begin(call, (struct ipc_query){.kind = IPC_QUERY_SESSIONS}, 0, show_session);
}

enum command_result command_clear_sessions(struct command_call *call)
{
	return begin(call, (struct ipc_query){.kind = IPC_ORDER_CLEAR_SESSIONS}, 0, NULL);
}

enum command_result command_set_sessions(struct command_call *call)
{
	struct ipc_query ask = {.kind = IPC_ORDER_SIZE_SESSIONS};

	if (text_number(call->arguments[0], UINT32_MAX, &ask.argument) && ask.argument != 0)
		return begin(call, ask, 1, NULL);
	answer_error(&call->answer, "'%s' is no number of sessions; allowed: 1 and more, see show tables",
		call->arguments[0]);
	return COMMAND_ANSWERED;
}

// ---- Tables --------------------------------------------------------------------------------------------

static void show_tables(struct command_call *call, const struct ipc_query *ask, const void *bytes)
{
	const struct ipc_tables *row = bytes;
	struct answer *answer = &call->answer;

	answer_row(answer);
	answer_number(answer, "core", 4, ask->worker_idx);
	answer_number(answer, "connections", 11, row->n_connections);
	answer_number(answer, "connections_max", 15, row->n_connections_max);
	answer_number(answer, "sessions", 9, row->n_sessions);
	answer_number(answer, "sessions_max", 12, row->n_sessions_max);
	answer_number(answer, "sessions_capacity", 17, row->n_sessions_capacity);
	answer_number(answer, "sessions_evicted", 16, row->n_sessions_evicted);
	answer_number(answer, "neighbors", 9, row->n_neighbors);
	answer_number(answer, "neighbors_max", 13, row->n_neighbors_max);
	answer_number(answer, "snapshots", 9, row->n_deployments);
	answer_row_end(answer);
}

enum command_result command_show_tables(struct command_call *call)
{
	return begin(call, (struct ipc_query){.kind = IPC_QUERY_TABLES}, 0, show_tables);
}

// ---- Neighbours ----------------------------------------------------------------------------------------

static void show_neighbor(struct command_call *call, const struct ipc_query *ask, const void *bytes)
{
	static const char *const states[] = {
		[IPC_NEIGHBOR_FAILED] = "failed",
		[IPC_NEIGHBOR_INCOMPLETE] = "incomplete",
		[IPC_NEIGHBOR_STALE] = "stale",
		[IPC_NEIGHBOR_PROBE] = "probe",
		[IPC_NEIGHBOR_REACHABLE] = "reachable",
	};
	const struct config_dataplane *dataplane = &call->control->config->dataplane;
	const struct ipc_neighbor *row = bytes;
	const uint8_t *mac = row->link_address;
	struct answer *answer = &call->answer;
	char text[ADDRESS_TEXT_MAX];
	struct address address;

	memcpy(address.bytes, row->address, sizeof address.bytes);
	address_format(&address, text);
	answer_row(answer);
	answer_number(answer, "core", 4, ask->worker_idx);
	answer_string(answer, "address", 40, text);
	(void)snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5]);
	answer_string(answer, "link_address", 17, row->state >= IPC_NEIGHBOR_STALE ? text : "");
	answer_string(answer, "port", 16,
		row->port_idx < dataplane->n_ports ? dataplane->ports[row->port_idx].name : "");
	answer_string(
		answer, "state", 10, row->state < sizeof states / sizeof states[0] ? states[row->state] : "");
	answer_bool(answer, "gateway", 7, row->is_gateway != 0);
	answer_number(answer, "waiting", 7, row->n_waiting);
	answer_signed(answer, "confirmed_seconds", 17,
		row->confirmed_us == UINT64_MAX ? -1 : (int64_t)(row->confirmed_us / 1000000));
	answer_signed(answer, "used_seconds", 0,
		row->used_us == UINT64_MAX ? -1 : (int64_t)(row->used_us / 1000000));
	answer_row_end(answer);
}

enum command_result command_show_arp(struct command_call *call)
{
	return begin(call, (struct ipc_query){.kind = IPC_QUERY_NEIGHBORS}, 0, show_neighbor);
}
