// SPDX-License-Identifier: Apache-2.0
#include "query.h"

#include "base/clock.h"
#include "base/wipe.h"
#include "net/neighbor.h"
#include "proxy/pair.h"
#include "tcp/state.h"
#include "worker.h"

_Static_assert(sizeof((struct ipc_sealed_session){0}.ticket) >= TLS_OWN_TICKET_LEN, "a ticket fits");
_Static_assert(sizeof((struct ipc_sealed_session){0}.id) == TLS_OWN_SESSION_ID_LEN, "an ID is an ID");

static bool is_terminated(const char name[IPC_NAME_MAX])
{
	return memchr(name, '\0', IPC_NAME_MAX) != NULL;
}

static bool is_for_connections(uint16_t kind)
{
	return kind == IPC_QUERY_CONNECTIONS || kind == IPC_ORDER_KILL;
}

const char *query_fault(const struct ipc_query *ask)
{
	static const struct ipc_match everything;

	if (ask->kind >= N_IPC_QUERIES)
		return "a query of an unknown kind";
	if (ask->reserved != 0 || (ask->argument != 0 && ask->kind != IPC_ORDER_SIZE_SESSIONS) ||
		(!is_for_connections(ask->kind) && memcmp(&ask->match, &everything, sizeof everything) != 0))
		return "a query with a field that its kind does not have";
	if (!is_terminated(ask->match.listener) || !is_terminated(ask->match.backend))
		return "a query with a name without end";
	if (ask->kind == IPC_ORDER_SIZE_SESSIONS && (ask->argument == 0 || ask->argument > UINT32_MAX))
		return "a session table of an impossible size";
	return NULL;
}

void query_begin(struct query *query, const struct ipc_query *ask)
{
	query->ask = *ask;
	query->cursor = ask->cursor;
	query->n_done = 0;
	query->n_rows = 0;
	query->over = false;
}

// The next row, zero; NULL when the answer is full.
static void *add_row(struct query *query)
{
	const uint32_t len = ipc_row_len(query->ask.kind);
	uint8_t *row = query->rows + (size_t)query->n_rows * len;

	if ((query->n_rows + 1) * (size_t)len > sizeof query->rows)
		return NULL;
	memset(row, 0, len);
	query->n_rows++;
	return row;
}

static bool is_full(const struct query *query)
{
	return (query->n_rows + 1) * (size_t)ipc_row_len(query->ask.kind) > sizeof query->rows;
}

// A table's cursor is 32 bits wide; a larger one, which only a mistaken asker sends, is the end.
static uint32_t cursor_of(const struct query *query)
{
	return query->cursor < UINT32_MAX ? (uint32_t)query->cursor : UINT32_MAX;
}

static void list_tables(struct query *query, struct worker *worker)
{
	const struct tls_session_table *sessions = &worker->tls.sessions;
	struct ipc_tables *row = add_row(query);

	row->n_connections = worker->proxy.pairs.n_used;
	row->n_connections_max = worker->proxy.pairs.n_items;
	row->n_sessions = sessions->n_used;
	row->n_sessions_max = sessions->n_max;
	row->n_sessions_capacity = sessions->n_entries;
	row->n_sessions_evicted = sessions->n_evicted;
	row->n_neighbors = neighbor_count(worker->net);
	row->n_neighbors_max = neighbor_capacity(worker->net);
	row->n_deployments = worker->n_deployments;
	query->over = true;
}

static void add_session(struct query *query, const struct tls_session_entry *entry)
{
	struct ipc_session *row = add_row(query);

	memcpy(row->id_start, entry->id, sizeof row->id_start);
	row->created_s = entry->state.created_s;
	row->lifetime_s = entry->state.lifetime_s;
	row->version = entry->state.version;
	row->suite = entry->state.suite;
	row->client_verified = entry->state.peer_authenticated != 0;
}

// Sessions whose ticket can't be made (there are no keys) can't be carried over.
static void add_sealed(struct query *query, struct worker *worker, const struct tls_session_entry *entry)
{
	uint8_t ticket[TLS_OWN_TICKET_LEN];
	struct ipc_sealed_session *row;

	if (!tls_ticket_seal(&worker->tls, &entry->state, ticket))
		return;
	row = add_row(query);
	memcpy(row->id, entry->id, sizeof row->id);
	memcpy(row->ticket, ticket, sizeof ticket);
	row->ticket_len = sizeof ticket;
	row->worker_idx = (uint16_t)worker->setup.worker_idx;
}

static void list_sessions(struct query *query, struct worker *worker)
{
	const struct tls_session_table *sessions = &worker->tls.sessions;
	const bool sealed = query->ask.kind == IPC_QUERY_SEALED_SESSIONS;
	const uint32_t n_looks = sealed ? QUERY_SESSIONS_PER_TURN : QUERY_LOOKS_PER_TURN;
	const uint64_t now_s = clock_wall_us() / 1000000;
	uint32_t at = cursor_of(query);

	for (uint32_t i = 0; i < n_looks && !is_full(query); i++) {
		const struct tls_session_entry *entry;

		if (sessions->entries == NULL || at >= sessions->n_entries) {
			query->over = true;
			break;
		}
		entry = &sessions->entries[at++];
		if (entry->state.version == 0 || entry->state.created_s + entry->state.lifetime_s < now_s)
			continue;
		if (sealed)
			add_sealed(query, worker, entry);
		else
			add_session(query, entry);
	}
	query->cursor = at;
}

static enum ipc_neighbor_state state_of(const struct neighbor *neighbor)
{
	static const enum ipc_neighbor_state states[N_NEIGHBOR_STATES] = {
		[NEIGHBOR_FREE] = IPC_NEIGHBOR_FAILED,
		[NEIGHBOR_FAILED] = IPC_NEIGHBOR_FAILED,
		[NEIGHBOR_INCOMPLETE] = IPC_NEIGHBOR_INCOMPLETE,
		[NEIGHBOR_STALE] = IPC_NEIGHBOR_STALE,
		[NEIGHBOR_PROBE] = IPC_NEIGHBOR_PROBE,
		[NEIGHBOR_REACHABLE] = IPC_NEIGHBOR_REACHABLE,
	};

	return states[neighbor->state];
}

static uint64_t ago(uint64_t then_us, uint64_t now_us)
{
	return then_us == 0 ? UINT64_MAX : now_us - (then_us < now_us ? then_us : now_us);
}

static void list_neighbors(struct query *query, struct worker *worker)
{
	const uint64_t now_us = clock_now_us();
	uint32_t n_looks = QUERY_LOOKS_PER_TURN;
	uint32_t at = cursor_of(query);
	const struct neighbor *neighbor;

	while (!is_full(query) && (neighbor = neighbor_next(worker->net, &at, &n_looks)) != NULL) {
		struct ipc_neighbor *row = add_row(query);

		memcpy(row->address, &neighbor->addr, sizeof row->address);
		if (neighbor_resolved(neighbor))
			memcpy(row->link_address, neighbor->link_header, sizeof row->link_address);
		row->port_idx = neighbor->port_idx;
		row->state = (uint8_t)state_of(neighbor);
		row->is_gateway = neighbor->is_gateway;
		row->n_waiting = neighbor->n_pending;
		row->confirmed_us = ago(neighbor->confirmed_us, now_us);
		row->used_us = ago(neighbor->used_us, now_us);
	}
	query->over = at >= neighbor_capacity(worker->net);
	query->cursor = at;
}

// ---- Connections
// ----------------------------------------------------------------------------------------------------

// The place of a pair and the time of its birth: no two have the same at one time, nor soon after each other.
static uint64_t id_of(const struct proxy *proxy, const struct pair *pair)
{
	return (pair->begun_us & UINT32_MAX) << 32 | pool_index(&proxy->pairs, pair);
}

static const struct upstream_server *server_of(const struct proxy *proxy, const struct pair *pair)
{
	return pair->server_idx != UPSTREAM_NONE ? upstream_server_at(&proxy->upstream, pair->server_idx)
						 : NULL;
}

static bool is_none(const uint8_t address[IP_ADDR_LEN])
{
	static const uint8_t none[IP_ADDR_LEN];

	return memcmp(address, none, sizeof none) == 0;
}

static bool matches(const struct ipc_match *match, const struct proxy *proxy, const struct pair *pair)
{
	const struct upstream_server *server = server_of(proxy, pair);

	return (match->id == 0 || match->id == id_of(proxy, pair)) &&
	       (match->listener[0] == '\0' || strcmp(match->listener, pair->terms->name) == 0) &&
	       (match->backend[0] == '\0' || strcmp(match->backend, pair_backend(proxy, pair)) == 0) &&
	       (is_none(match->client_address) ||
		       memcmp(match->client_address, pair->addresses.client_addr.bytes, IP_ADDR_LEN) == 0) &&
	       (is_none(match->server_address) ||
		       (server != NULL &&
			       memcmp(match->server_address, server->addr.bytes, IP_ADDR_LEN) == 0)) &&
	       (match->server_port == 0 || (server != NULL && server->port == match->server_port));
}

static void fill_leg(struct tcp *tcp, const struct leg *leg, struct ipc_leg *out)
{
	static const uint8_t states[N_TCP_STATES] = {
		[TCP_SYN_SENT] = IPC_TCP_SYN_SENT,
		[TCP_SYN_RECEIVED] = IPC_TCP_SYN_RECEIVED,
		[TCP_ESTABLISHED] = IPC_TCP_ESTABLISHED,
		[TCP_FIN_WAIT_1] = IPC_TCP_FIN_WAIT_1,
		[TCP_FIN_WAIT_2] = IPC_TCP_FIN_WAIT_2,
		[TCP_CLOSE_WAIT] = IPC_TCP_CLOSE_WAIT,
		[TCP_CLOSING] = IPC_TCP_CLOSING,
		[TCP_LAST_ACK] = IPC_TCP_LAST_ACK,
		[TCP_TIME_WAIT] = IPC_TCP_TIME_WAIT,
	};
	struct tcp_conn *conn = leg_is(leg, LEG_OPEN) ? tcp_conn_at(tcp, leg->tcp) : NULL;
	struct tcp_conn_info info;

	if (conn == NULL)
		return;
	tcp_conn_info(tcp, conn, &info);
	*out = (struct ipc_leg){
		.tcp_state = states[info.state], .rtt_us = info.srtt_us, .cwnd = info.cwnd, .mss = info.mss};
}

static void copy_name(char *field, size_t width, const char *name)
{
	const size_t len = strnlen(name, width - 1);

	memcpy(field, name, len);
}

static void fill_facts(const struct pair_facts *facts, struct ipc_connection *row)
{
	row->version = facts->version;
	row->suite = facts->suite;
	row->group = facts->group;
	row->resumed = facts->resumed;
	row->client_verified = facts->peer_authenticated;
	row->name_len = facts->name_len;
	memcpy(row->name, facts->name, facts->name_len);
	memcpy(row->alpn, facts->alpn, facts->alpn_len);
}

static void add_connection(struct query *query, struct worker *worker, const struct pair *pair)
{
	const struct proxy *proxy = &worker->proxy;
	const struct upstream_server *server = server_of(proxy, pair);
	const uint64_t now_us = clock_now_us();
	struct ipc_connection *row = add_row(query);

	row->id = id_of(proxy, pair);
	row->age_us = ago(pair->begun_us, now_us);
	row->idle_us = pair->moved_us != 0 ? ago(pair->moved_us, now_us) : row->age_us;
	row->n_bytes_in = pair->legs[PAIR_CLIENT].n_read;
	row->n_bytes_out = pair->legs[PAIR_CLIENT].n_written;
	fill_leg(worker->tcp, &pair->legs[PAIR_CLIENT], &row->client);
	fill_leg(worker->tcp, &pair->legs[PAIR_BACKEND], &row->server);
	memcpy(row->client_address, pair->addresses.client_addr.bytes, IP_ADDR_LEN);
	memcpy(row->own_address, pair->addresses.local_addr.bytes, IP_ADDR_LEN);
	row->client_port = pair->addresses.client_port;
	row->own_port = pair->addresses.local_port;
	if (server != NULL) {
		memcpy(row->server_address, server->addr.bytes, IP_ADDR_LEN);
		row->server_port = server->port;
	}
	row->phase = pair->phase;
	copy_name(row->listener, sizeof row->listener, pair->terms->name);
	copy_name(row->backend, sizeof row->backend, pair_backend(proxy, pair));
	fill_facts(pair_facts(proxy, pair), row);
}

_Static_assert((int)N_PAIR_PHASES == (int)N_IPC_PHASES &&
		       PAIR_NAME_MAX <= sizeof((struct ipc_connection){0}.name) &&
		       PAIR_ALPN_MAX <= sizeof((struct ipc_connection){0}.alpn),
	"what a row has room for");

static void go_through_connections(struct query *query, struct worker *worker)
{
	struct proxy *proxy = &worker->proxy;
	const bool kill = query->ask.kind == IPC_ORDER_KILL;
	const uint32_t n_looks = kill ? QUERY_SESSIONS_PER_TURN : QUERY_LOOKS_PER_TURN;
	uint32_t at = cursor_of(query);

	for (uint32_t i = 0; i < n_looks && (kill || !is_full(query)) && at < proxy->pairs.n_items; i++) {
		const uint32_t idx = at++;
		struct pair *pair = pool_in_use(&proxy->pairs, idx) ? pool_at(&proxy->pairs, idx) : NULL;

		if (pair == NULL || !matches(&query->ask.match, proxy, pair))
			continue;
		if (kill) {
			pair_abort(proxy, pair, COUNTER_PROXY_KILLED);
			query->n_done++;
		} else {
			add_connection(query, worker, pair);
		}
	}
	query->over = at >= proxy->pairs.n_items;
	query->cursor = at;
}

static void clear_sessions(struct query *query, struct worker *worker)
{
	uint32_t at = cursor_of(query);

	query->n_done += tls_session_table_clear(&worker->tls.sessions, &at, QUERY_LOOKS_PER_TURN);
	query->over = at == UINT32_MAX;
	query->cursor = at;
}

// The new size counts at once; what is over it goes part by part.
static void size_sessions(struct query *query, struct worker *worker)
{
	struct tls_session_table *sessions = &worker->tls.sessions;
	const uint32_t n_before = sessions->n_used;

	(void)tls_session_table_resize(sessions, (uint32_t)query->ask.argument);
	query->over = tls_session_table_trim(sessions, QUERY_LOOKS_PER_TURN);
	query->n_done += n_before - sessions->n_used;
}

bool query_step(struct query *query, struct worker *worker)
{
	switch ((enum ipc_query_kind)query->ask.kind) {
	case IPC_QUERY_TABLES:
		list_tables(query, worker);
		break;
	case IPC_QUERY_SESSIONS:
	case IPC_QUERY_SEALED_SESSIONS:
		list_sessions(query, worker);
		break;
	case IPC_QUERY_NEIGHBORS:
		list_neighbors(query, worker);
		break;
	case IPC_ORDER_CLEAR_SESSIONS:
		clear_sessions(query, worker);
		break;
	case IPC_ORDER_SIZE_SESSIONS:
		size_sessions(query, worker);
		break;
	case IPC_QUERY_CONNECTIONS:
	case IPC_ORDER_KILL:
		go_through_connections(query, worker);
		break;
	default:
		query->over = true;
		break;
	}
	return query->over || (ipc_row_len(query->ask.kind) != 0 && is_full(query));
}

bool query_import_sessions(const struct session_import *import, uint32_t *at, struct worker *worker)
{
	struct tls_session_state state;
	bool is_old;

	for (uint32_t i = 0; i < QUERY_SESSIONS_PER_TURN && *at < import->n_sessions; i++) {
		const struct ipc_sealed_session *session = &import->sessions[(*at)++];

		if (session->worker_idx != worker->setup.worker_idx ||
			session->ticket_len > sizeof session->ticket)
			continue;
		if (!tls_ticket_open(
			    &worker->tls, span_of(session->ticket, session->ticket_len), &state, &is_old) ||
			state.version != TLS_VERSION_12) {
			counter_inc(worker->setup.counters, COUNTER_WORKER_SESSIONS_REFUSED);
			continue;
		}
		tls_session_table_put(&worker->tls.sessions, session->id, &state);
		counter_inc(worker->setup.counters, COUNTER_WORKER_SESSIONS_CARRIED);
	}
	wipe(&state, sizeof state);
	return *at == import->n_sessions;
}
