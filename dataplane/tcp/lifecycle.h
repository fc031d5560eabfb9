// SPDX-License-Identifier: Apache-2.0
//
// Birth, states, lists and death of connections. Everything that changes conn->state goes through here.
//
//   tcp_conn_new ---> in the flow table ---> (states) ---> tcp_conn_enter_time_wait  its flow is a 64-byte
//   entry
//                                                     \--> tcp_conn_die             nothing is left of its
//                                                     flow
//   in both cases the object stays, without buffers but for unread data, until the owner has closed it; then,
//   and when no list holds it any more, it goes back to the pool.
#pragma once

#include "tcp/stack.h"

// A connection in state CLOSED, in the flow table, with everything zero or empty. NULL when there is none.
struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct flow_key *key, uint32_t hash);

void tcp_conn_set_state(struct tcp *tcp, struct tcp_conn *conn, enum tcp_state state);

// Tells the owner, unless there is none any more.
void tcp_conn_event(struct tcp *tcp, struct tcp_conn *conn, uint16_t events);

// Puts it on the output list.
static inline void tcp_conn_want_output(struct tcp *tcp, struct tcp_conn *conn);

// The end of its life on the wire: out of the flow table, timers stopped, send side and out-of-order data
// freed. With an event that says why (RESET, TIMED_OUT) unread data goes too.
void tcp_conn_die(struct tcp *tcp, struct tcp_conn *conn, uint16_t event);

// RFC 9293 3.10.7.4: its flow waits in the TIME-WAIT table, the object is done.
void tcp_conn_enter_time_wait(struct tcp *tcp, struct tcp_conn *conn);

// The owner is gone and so is the wire: back to the pool, once no list holds it.
void tcp_conn_release(struct tcp *tcp, struct tcp_conn *conn);

// The first of a list, taken off; NULL when it is empty. Objects that died while on the list are freed here.
struct tcp_conn *tcp_conn_pop_ready(struct tcp *tcp);
struct tcp_conn *tcp_conn_pop_output(struct tcp *tcp, struct tcp_conn_list *list);

void tcp_conn_list_push(struct tcp *tcp, struct tcp_conn_list *list, struct tcp_conn *conn);

static inline bool tcp_conn_synchronized(const struct tcp_conn *conn)
{
	return conn->state >= TCP_ESTABLISHED;
}

static inline bool tcp_conn_dead(const struct tcp_conn *conn)
{
	return (conn->flags & TCP_CONN_IN_TABLE) == 0;
}

static inline void tcp_conn_want_output(struct tcp *tcp, struct tcp_conn *conn)
{
	if ((conn->flags & TCP_CONN_IN_OUTPUT) == 0)
		tcp_conn_list_push(tcp, &tcp->output, conn);
}
