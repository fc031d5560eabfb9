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

// Asks the workers from the query's to the last; show NULL: an order.
static enum command_result begin_at(struct command_call *call, const struct ipc_query *ask,
	uint16_t last_worker, void (*show)(struct command_call *, const struct ipc_query *, const void *))
{
	struct live *live = memory_alloc(1, sizeof *live);

	*live = (struct live){.query = {.ask = *ask, .answered = on_answered, .owner = live},
		.server = &call->control->server,
		.client_id = call->client_id,
		.last_worker = last_worker,
		.show = show,
		.rows = memory_alloc(IPC_ROWS_LEN_MAX, 1)};
	call->state = live;
	call->next = live_next;
	call->end = live_end;
	if (show != NULL)
		answer_table(&call->answer);
	return COMMAND_MORE;
}

// Asks the one worker of a number.
static enum command_result begin_one(struct command_call *call, struct ipc_query ask, uint64_t worker,
	void (*show)(struct command_call *, const struct ipc_query *, const void *))
{
	if (worker < call->control->link.facts.n_workers) {
		ask.worker_idx = (uint16_t)worker;
		return begin_at(call, &ask, ask.worker_idx, show);
	}
	answer_error(&call->answer, "there is no core %llu; see show cores", (unsigned long long)worker);
	return COMMAND_ANSWERED;
}

// Reads "core N" out of the arguments from `first` on, and asks it, or all.
static enum command_result begin(struct command_call *call, struct ipc_query ask, size_t first,
	void (*show)(struct command_call *, const struct ipc_query *, const void *))
{
	const uint32_t n_workers = call->control->link.facts.n_workers;
	uint64_t worker;

	if (call->n_arguments == first)
		return begin_at(call, &ask, (uint16_t)(n_workers != 0 ? n_workers - 1 : 0), show);
	if (call->n_arguments == first + 2 && strcmp(call->arguments[first], "core") == 0 &&
		text_number(call->arguments[first + 1], UINT16_MAX, &worker))
		return begin_one(call, ask, worker, show);
	answer_usage(&call->answer, "%s %s", call->command->words, call->command->arguments);
	return COMMAND_ANSWERED;
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

// ---- Connections ---------------------------------------------------------------------------------------

static const char *word(const char *const *words, size_t n, size_t idx)
{
	return idx < n && words[idx] != NULL ? words[idx] : "";
}

#define WORD(words, idx) word(words, sizeof(words) / sizeof((words)[0]), idx)

static void answer_endpoint(
	struct answer *answer, const char *name, int width, const uint8_t bytes[16], uint16_t port)
{
	struct endpoint endpoint = {.port = port};
	char text[ADDRESS_TEXT_MAX];

	memcpy(endpoint.address.bytes, bytes, sizeof endpoint.address.bytes);
	endpoint_format(&endpoint, text);
	answer_string(answer, name, width, port != 0 ? text : "");
}

static void answer_named(struct answer *answer, const char *name, int width, uint16_t number,
	void (*add)(struct text *text, uint16_t number))
{
	struct text text = {0};

	if (number != 0)
		add(&text, number);
	answer_string(answer, name, width, text_string(&text));
	text_free(&text);
}

static void answer_leg(struct answer *answer, const struct ipc_leg *leg, const char *const names[4])
{
	static const char *const states[N_IPC_TCP_STATES] = {"", "syn-sent", "syn-received", "established",
		"fin-wait-1", "fin-wait-2", "close-wait", "closing", "last-ack", "time-wait"};

	answer_string(answer, names[0], 16, WORD(states, leg->tcp_state));
	answer_number(answer, names[1], 13, leg->rtt_us);
	answer_number(answer, names[2], 11, leg->cwnd);
	answer_number(answer, names[3], 10, leg->mss);
}

static void answer_connection_details(struct answer *answer, const struct ipc_connection *row)
{
	static const char *const client[] = {"client_tcp", "client_rtt_us", "client_cwnd", "client_mss"};
	static const char *const server[] = {"server_tcp", "server_rtt_us", "server_cwnd", "server_mss"};

	answer_endpoint(answer, "own", 24, row->own_address, row->own_port);
	answer_named(answer, "group", 8, row->group, log_tls_group);
	answer_bytes(answer, "alpn", 10, row->alpn, strnlen(row->alpn, sizeof row->alpn));
	answer_bool(answer, "resumed", 7, row->resumed != 0);
	answer_bool(answer, "client_certificate", 18, row->client_verified != 0);
	answer_number(answer, "idle_us", 12, row->idle_us);
	answer_leg(answer, &row->client, client);
	answer_leg(answer, &row->server, server);
}

static void show_connection_in(struct command_call *call, const struct ipc_query *ask,
	const struct ipc_connection *row, bool details)
{
	static const char *const phases[N_IPC_PHASES] = {
		"header", "handshake", "connect", "preamble", "redirect", "forward", "ending"};
	struct answer *answer = &call->answer;
	struct text id = {0};

	text_printf(&id, "%u-%llx", ask->worker_idx, (unsigned long long)row->id);
	answer_row(answer);
	answer_string(answer, "id", 20, text_string(&id));
	answer_endpoint(answer, "client", 24, row->client_address, row->client_port);
	answer_bytes(answer, "listener", 12, row->listener, strnlen(row->listener, sizeof row->listener));
	answer_bytes(answer, "backend", 12, row->backend, strnlen(row->backend, sizeof row->backend));
	answer_endpoint(answer, "server", 24, row->server_address, row->server_port);
	answer_string(answer, "phase", 9, WORD(phases, row->phase));
	answer_named(answer, "version", 8, row->version, log_tls_version);
	answer_named(answer, "cipher", 29, row->suite, log_tls_suite);
	answer_number(answer, "age_us", 12, row->age_us);
	answer_number(answer, "bytes_in", 12, row->n_bytes_in);
	answer_number(answer, "bytes_out", 12, row->n_bytes_out);
	if (details)
		answer_connection_details(answer, row);
	answer_bytes(answer, "sni", 0, row->name,
		row->name_len < sizeof row->name ? row->name_len : sizeof row->name);
	answer_row_end(answer);
	text_free(&id);
}

static void show_connection(struct command_call *call, const struct ipc_query *ask, const void *row)
{
	show_connection_in(call, ask, row, false);
}

static void show_connection_details(struct command_call *call, const struct ipc_query *ask, const void *row)
{
	show_connection_in(call, ask, row, true);
}

// "client=192.0.2.7" and the like into the match. False: it is none of these.
static bool read_condition(const char *word, struct ipc_match *match)
{
	const char *value = strchr(word, '=');
	struct endpoint endpoint;
	struct address address;

	if (value++ == NULL)
		return false;
	if (strncmp(word, "listener=", 9) == 0 && strlen(value) < sizeof match->listener) {
		(void)snprintf(match->listener, sizeof match->listener, "%s", value);
	} else if (strncmp(word, "backend=", 8) == 0 && strlen(value) < sizeof match->backend) {
		(void)snprintf(match->backend, sizeof match->backend, "%s", value);
	} else if (strncmp(word, "client=", 7) == 0 && address_parse(value, &address)) {
		memcpy(match->client_address, address.bytes, sizeof match->client_address);
	} else if (strncmp(word, "server=", 7) == 0 && endpoint_parse(value, &endpoint)) {
		memcpy(match->server_address, endpoint.address.bytes, sizeof match->server_address);
		match->server_port = endpoint.port;
	} else {
		return false;
	}
	return true;
}

// Conditions come first, "core N" last. Returns how many words are conditions.
static size_t read_conditions(const struct command_call *call, struct ipc_match *match)
{
	size_t n = 0;

	while (n < call->n_arguments && read_condition(call->arguments[n], match))
		n++;
	return n;
}

enum command_result command_show_conn(struct command_call *call)
{
	struct ipc_query ask = {.kind = IPC_QUERY_CONNECTIONS};
	size_t first = read_conditions(call, &ask.match);
	const bool details = call->n_arguments > first &&
			     strcmp(call->arguments[call->n_arguments - 1], "detail") == 0;

	call->n_arguments -= details;
	return begin(call, ask, first, details ? show_connection_details : show_connection);
}

// "CORE-ID" as show conn gives it.
static bool read_id(const char *text, struct ipc_query *ask)
{
	unsigned long long id;
	unsigned worker;
	int len = 0;

	if (sscanf(text, "%5u-%16llx%n", &worker, &id, &len) != 2 || text[len] != '\0' ||
		worker > UINT16_MAX || id == 0)
		return false;
	ask->worker_idx = (uint16_t)worker;
	ask->match.id = id;
	return true;
}

enum command_result command_kill_conn(struct command_call *call)
{
	struct ipc_query ask = {.kind = IPC_ORDER_KILL};
	size_t first;

	if (call->n_arguments == 1 && read_id(call->arguments[0], &ask))
		return begin_one(call, ask, ask.worker_idx, NULL);
	first = read_conditions(call, &ask.match);
	if (first != 0)
		return begin(call, ask, first, NULL);
	answer_usage(&call->answer, "%s %s", call->command->words, call->command->arguments);
	return COMMAND_ANSWERED;
}

enum command_result command_kill_matching(struct command_call *call, const struct ipc_match *match)
{
	const uint32_t n_workers = call->control->link.facts.n_workers;

	return begin_at(call, &(struct ipc_query){.kind = IPC_ORDER_KILL, .match = *match},
		(uint16_t)(n_workers != 0 ? n_workers - 1 : 0), NULL);
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
