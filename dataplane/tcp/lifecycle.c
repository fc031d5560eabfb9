// SPDX-License-Identifier: Apache-2.0
#include "tcp/lifecycle.h"

#include "base/assert.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"
#include "tcp/send_queue.h"
#include "tcp/timers.h"

static const char *const state_names[N_TCP_STATES] = {
#define TCP_STATE(id, name) [TCP_##id] = (name),
#include "tcp/states.def"
#undef TCP_STATE
};

const char *tcp_state_name(enum tcp_state state)
{
	return state < N_TCP_STATES ? state_names[state] : "unknown";
}

struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct flow_key *key, uint32_t hash)
{
	struct tcp_conn *conn = pool_alloc(&tcp->conns);
	uint32_t generation;

	if (conn == NULL) {
		tcp_count(tcp, COUNTER_TCP_NO_CONN);
		return NULL;
	}
	generation = conn->generation;
	*conn = (struct tcp_conn){.key = *key,
		.hash = hash,
		.generation = generation,
		.ready_next = POOL_NONE,
		.output_next = POOL_NONE,
		.flags = TCP_CONN_IN_TABLE | (tcp->config.nagle ? TCP_CONN_NAGLE : 0),
		.state = TCP_CLOSED,
		.send_head = POOL_NONE,
		.send_tail = POOL_NONE,
		.send_next = POOL_NONE,
		.sent_head = POOL_NONE,
		.sent_tail = POOL_NONE,
		.flight_head = POOL_NONE,
		.flight_tail = POOL_NONE,
		.lost_hint = POOL_NONE,
		.range_head = POOL_NONE};
	timer_init(&conn->timer);
	*tcp_cold(tcp, conn) = (struct tcp_conn_cold){.received_ms = tcp->now_ms, .progress_ms = tcp->now_ms};
	flow_table_insert(&tcp->flows, hash, pool_index(&tcp->conns, conn));
	return conn;
}

void tcp_conn_set_state(struct tcp *tcp, struct tcp_conn *conn, enum tcp_state state)
{
	tcp->trace[tcp->trace_next++ % TCP_TRACE_LEN] = (struct tcp_trace_entry){.now_us = tcp->now_us,
		.conn_idx = pool_index(&tcp->conns, conn),
		.from = conn->state,
		.to = (uint8_t)state};
	if (state == TCP_ESTABLISHED)
		tcp_count(tcp, COUNTER_TCP_ESTABLISHED);
	if (tcp_conn_synchronized(conn) && (state == TCP_CLOSED || state == TCP_TIME_WAIT))
		tcp_count(tcp, COUNTER_TCP_ENDED);
	conn->state = (uint8_t)state;
}

void tcp_conn_list_push(struct tcp *tcp, struct tcp_conn_list *list, struct tcp_conn *conn)
{
	uint32_t idx = pool_index(&tcp->conns, conn);
	bool ready = list == &tcp->ready;

	conn->flags |= ready ? TCP_CONN_IN_READY : TCP_CONN_IN_OUTPUT;
	*(ready ? &conn->ready_next : &conn->output_next) = POOL_NONE;
	if (list->head == POOL_NONE) {
		list->head = idx;
	} else {
		struct tcp_conn *tail = pool_at(&tcp->conns, list->tail);

		*(ready ? &tail->ready_next : &tail->output_next) = idx;
	}
	list->tail = idx;
}

// The object itself goes back when it is dead and on no list. Only the two functions below call this, so that
// a connection that dies stays readable until its turn's lists are worked off.
static void free_if_unlisted(struct tcp *tcp, struct tcp_conn *conn)
{
	if ((conn->flags & (TCP_CONN_IN_READY | TCP_CONN_IN_OUTPUT)) == 0)
		pool_free(&tcp->conns, conn);
}

struct tcp_conn *tcp_conn_pop_ready(struct tcp *tcp)
{
	while (tcp->ready.head != POOL_NONE) {
		struct tcp_conn *conn = pool_at(&tcp->conns, tcp->ready.head);

		tcp->ready.head = conn->ready_next;
		conn->flags &= ~(uint32_t)TCP_CONN_IN_READY;
		if ((conn->flags & TCP_CONN_DEAD) == 0)
			return conn;
		free_if_unlisted(tcp, conn);
	}
	return NULL;
}

struct tcp_conn *tcp_conn_pop_output(struct tcp *tcp, struct tcp_conn_list *list)
{
	while (list->head != POOL_NONE) {
		struct tcp_conn *conn = pool_at(&tcp->conns, list->head);

		list->head = conn->output_next;
		conn->flags &= ~(uint32_t)TCP_CONN_IN_OUTPUT;
		if ((conn->flags & TCP_CONN_DEAD) == 0)
			return conn;
		free_if_unlisted(tcp, conn);
	}
	return NULL;
}

void tcp_conn_event(struct tcp *tcp, struct tcp_conn *conn, uint16_t events)
{
	if ((conn->flags & TCP_CONN_ORPHAN) != 0)
		return;
	conn->events |= events;
	if ((conn->flags & TCP_CONN_IN_READY) == 0)
		tcp_conn_list_push(tcp, &tcp->ready, conn);
}

void tcp_conn_release(struct tcp *tcp, struct tcp_conn *conn)
{
	SLUICE_ASSERT(tcp_conn_dead(conn) && (conn->flags & TCP_CONN_ORPHAN) != 0);
	tcp_receive_queue_clear(tcp, conn);
	conn->generation++;
	conn->flags |= TCP_CONN_DEAD;
	tcp_conn_want_output(tcp, conn);
}

// What both ends of a life on the wire have in common.
static void leave_wire(struct tcp *tcp, struct tcp_conn *conn)
{
	flow_table_remove(&tcp->flows, conn->hash, pool_index(&tcp->conns, conn));
	conn->flags &= ~(uint32_t)TCP_CONN_IN_TABLE;
	timer_stop(&tcp->wheel, &conn->timer);
	tcp_scoreboard_clear(tcp, conn);
	tcp_send_queue_clear(tcp, conn);
	tcp_ranges_clear(tcp, conn);
}

void tcp_conn_die(struct tcp *tcp, struct tcp_conn *conn, uint16_t event)
{
	leave_wire(tcp, conn);
	tcp_conn_set_state(tcp, conn, TCP_CLOSED);
	if ((conn->flags & TCP_CONN_ORPHAN) != 0) {
		tcp_conn_release(tcp, conn);
		return;
	}
	if ((event & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0)
		tcp_receive_queue_clear(tcp, conn);
	tcp_conn_event(tcp, conn, event);
}

// Room for one more: the oldest goes when the table is full.
static struct time_wait_entry *insert_time_wait(struct tcp *tcp, const struct tcp_conn *conn)
{
	struct time_wait_entry *entry = time_wait_insert(&tcp->time_wait, conn->hash, &conn->key);
	struct time_wait_entry *oldest;
	struct flow_key key;

	if (entry != NULL)
		return entry;
	oldest = time_wait_oldest(&tcp->time_wait);
	key = time_wait_key(oldest);
	time_wait_remove(&tcp->time_wait, net_flow_hash(tcp->net, &key), oldest);
	tcp_count(tcp, COUNTER_TCP_TIME_WAIT_DISPLACED);
	return time_wait_insert(&tcp->time_wait, conn->hash, &conn->key);
}

void tcp_conn_enter_time_wait(struct tcp *tcp, struct tcp_conn *conn)
{
	struct time_wait_entry *entry = insert_time_wait(tcp, conn);

	entry->snd_nxt = conn->snd_nxt;
	entry->rcv_nxt = conn->rcv_nxt;
	entry->ts_recent = conn->ts_recent;
	entry->timestamps = (conn->flags & TCP_CONN_TIMESTAMPS) != 0;
	entry->deadline_ms = (tcp->now_ms + tcp->config.time_wait_ms) & 0x7fffffff;
	tcp_count(tcp, COUNTER_TCP_TIME_WAIT);
	leave_wire(tcp, conn);
	tcp_conn_set_state(tcp, conn, TCP_TIME_WAIT);
	if ((conn->flags & TCP_CONN_ORPHAN) != 0)
		tcp_conn_release(tcp, conn);
	else
		tcp_conn_event(tcp, conn, TCP_EVENT_CLOSED);
}
