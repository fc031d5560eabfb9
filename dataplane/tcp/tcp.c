// SPDX-License-Identifier: Apache-2.0
//
// What the owner of connections calls (tcp.h), as far as it is not a module's own.
#include "tcp/tcp.h"

#include "base/assert.h"
#include "tcp/isn.h"
#include "tcp/lifecycle.h"
#include "tcp/output.h"
#include "tcp/reply.h"
#include "tcp/scoreboard.h"
#include "tcp/send_queue.h"
#include "tcp/timers.h"

enum {
	PORT_TRIES = 1024,        // per call; the next call goes on elsewhere
	REUSE_DISTANCE = 1 << 16, // how far a reused flow's numbers start beyond the old ones
	REUSE_AGE_MS = 1000       // RFC 6191 needs the timestamp clock to have ticked
};

bool tcp_listen(struct tcp *tcp, const struct ip_addr *addr, uint16_t port, uint32_t tag)
{
	return tcp_listeners_add(&tcp->listeners, addr, port, tag);
}

bool tcp_unlisten(struct tcp *tcp, const struct ip_addr *addr, uint16_t port)
{
	return tcp_listeners_remove(&tcp->listeners, addr, port);
}

struct tcp_handle tcp_conn_handle(const struct tcp *tcp, const struct tcp_conn *conn)
{
	return (struct tcp_handle){.idx = pool_index(&tcp->conns, conn), .generation = conn->generation};
}

struct tcp_conn *tcp_conn_at(struct tcp *tcp, struct tcp_handle handle)
{
	struct tcp_conn *conn;

	if (!pool_in_use(&tcp->conns, handle.idx))
		return NULL;
	conn = pool_at(&tcp->conns, handle.idx);
	return conn->generation == handle.generation && (conn->flags & TCP_CONN_ORPHAN) == 0 ? conn : NULL;
}

void tcp_conn_set_user(struct tcp *tcp, struct tcp_conn *conn, uint64_t user)
{
	tcp_cold(tcp, conn)->user = user;
}

uint32_t tcp_ready_burst(struct tcp *tcp, struct tcp_ready *out, uint32_t n)
{
	uint32_t i = 0;

	while (i < n) {
		struct tcp_conn *conn = tcp_conn_pop_ready(tcp);

		if (conn == NULL)
			break;
		if ((conn->flags & TCP_CONN_ORPHAN) != 0)
			continue; // given up after the event
		out[i++] = (struct tcp_ready){.conn = conn,
			.handle = tcp_conn_handle(tcp, conn),
			.tag = tcp_cold(tcp, conn)->tag,
			.events = conn->events,
			.user = tcp_cold(tcp, conn)->user};
		conn->events = 0;
	}
	return i;
}

// Whether the flow can be ours: not in use, and its TIME-WAIT, if any, reusable (RFC 6191). Removes that
// entry and raises *iss beyond its numbers.
static bool claim_flow(struct tcp *tcp, const struct flow_key *key, uint32_t hash, struct seq *iss)
{
	struct time_wait_entry *entry;
	uint32_t left_ms;

	if (flow_table_find(&tcp->flows, hash, key) != POOL_NONE ||
		syn_cache_find(&tcp->syn_cache, hash, key) != NULL)
		return false;
	entry = time_wait_find(&tcp->time_wait, hash, key);
	if (entry == NULL)
		return true;
	left_ms = (entry->deadline_ms - tcp->now_ms) & 0x7fffffff;
	if (!entry->timestamps || left_ms + REUSE_AGE_MS > tcp->config.time_wait_ms)
		return false;
	if (seq_lt(*iss, seq_add(entry->snd_nxt, REUSE_DISTANCE)))
		*iss = seq_add(entry->snd_nxt, REUSE_DISTANCE);
	time_wait_remove(&tcp->time_wait, hash, entry);
	tcp_count(tcp, COUNTER_TCP_TIME_WAIT_REUSED);
	return true;
}

// RFC 6056 3.3.3: the walk through the ports starts at a secret place for each destination.
static bool choose_port(
	struct tcp *tcp, const struct net_path *path, struct flow_key *key, struct tcp_isn *out_isn)
{
	uint64_t words[5] = {key->local.words[0], key->local.words[1], key->remote.words[0],
		key->remote.words[1], key->remote_port};
	uint32_t n_ports = 1u + tcp->config.connect_port_last - tcp->config.connect_port_first;
	uint32_t n_tries = n_ports < PORT_TRIES ? n_ports : PORT_TRIES;
	uint32_t offset = (uint32_t)siphash_2_4(&tcp->port_key, words, 5);

	while (n_tries-- != 0) {
		uint32_t port = tcp->config.connect_port_first + (offset + tcp->n_port_tries++) % n_ports;

		key->local_port = (uint16_t)port;
		if (net_worker_of(tcp->net, path->port_idx, key) != net_worker_idx(tcp->net))
			continue;
		*out_isn = tcp_isn_for(tcp, key);
		if (claim_flow(tcp, key, net_flow_hash(tcp->net, key), &out_isn->iss))
			return true;
	}
	return false;
}

enum tcp_connect_verdict tcp_connect(
	struct tcp *tcp, const struct tcp_connect *request, uint64_t now_us, struct tcp_conn **out_conn)
{
	struct flow_key key = {.local = request->local,
		.remote = request->remote,
		.local_port = request->local_port,
		.remote_port = request->remote_port};
	struct net_path path;
	struct tcp_isn isn;
	struct tcp_conn *conn;
	struct tcp_conn_cold *cold;

	tcp_set_now(tcp, now_us);
	if (!net_path_find(tcp->net, &key.local, &key.remote, &path))
		return TCP_CONNECT_NO_ROUTE;
	if (pool_n_free(&tcp->conns) == 0) {
		tcp_count(tcp, COUNTER_TCP_NO_CONN);
		return TCP_CONNECT_NO_ROOM;
	}
	if (key.local_port == 0) {
		if (!choose_port(tcp, &path, &key, &isn))
			return TCP_CONNECT_IN_USE;
	} else {
		isn = tcp_isn_for(tcp, &key);
		if (!claim_flow(tcp, &key, net_flow_hash(tcp->net, &key), &isn.iss))
			return TCP_CONNECT_IN_USE;
	}
	conn = tcp_conn_new(tcp, &key, net_flow_hash(tcp->net, &key));
	SLUICE_ASSERT(conn != NULL);
	cold = tcp_cold(tcp, conn);
	cold->path = path;
	cold->tag = request->tag;
	cold->user = request->user;
	cold->iss = isn.iss;
	conn->ts_offset = isn.ts_offset;
	conn->snd_una = isn.iss;
	conn->snd_nxt = seq_add(isn.iss, 1);
	conn->snd_end = conn->snd_nxt;
	conn->rto_us = tcp->config.rto_initial_ms * 1000;
	conn->flags |= TCP_CONN_ACTIVE_OPEN | TCP_CONN_SYN_DUE;
	conn->flags |= request->near ? TCP_CONN_NEAR : 0;
	tcp_conn_set_state(tcp, conn, TCP_SYN_SENT);
	tcp_conn_want_output(tcp, conn);
	tcp_count(tcp, COUNTER_TCP_CONNECT);
	*out_conn = conn;
	return TCP_CONNECT_STARTED;
}

static bool may_send(const struct tcp_conn *conn)
{
	return (conn->state == TCP_ESTABLISHED || conn->state == TCP_CLOSE_WAIT) &&
	       (conn->flags & TCP_CONN_SHUTDOWN) == 0;
}

uint32_t tcp_send_space(const struct tcp *tcp, const struct tcp_conn *conn)
{
	uint32_t queued = seq_len(conn->snd_end, conn->snd_una);

	if (!may_send(conn) || queued >= tcp->config.send_buffer ||
		tcp_cold(tcp, conn)->n_items >= tcp->config.send_items_max || pool_n_free(&tcp->items) == 0)
		return 0;
	return tcp->config.send_buffer - queued;
}

uint32_t tcp_send_queued(const struct tcp_conn *conn)
{
	return seq_lt(conn->snd_una, conn->snd_end) ? seq_len(conn->snd_end, conn->snd_una) : 0;
}

bool tcp_is_backed_up(struct tcp_conn *conn)
{
	bool backed_up = tcp_backlog(conn) != 0;

	if (backed_up)
		conn->flags |= TCP_CONN_WANT_ROOM;
	return backed_up;
}

bool tcp_send(struct tcp *tcp, struct tcp_conn *conn, struct rte_mbuf *mbuf, uint32_t offset, uint32_t len)
{
	SLUICE_ASSERT(len != 0 && offset <= UINT16_MAX && len <= UINT16_MAX);
	if (len > tcp_send_space(tcp, conn) ||
		!tcp_send_queue_push(tcp, conn, mbuf, (uint16_t)offset, (uint16_t)len))
		return false;
	tcp_conn_want_output(tcp, conn);
	return true;
}

void tcp_shutdown(struct tcp *tcp, struct tcp_conn *conn)
{
	if (!may_send(conn))
		return;
	conn->flags |= TCP_CONN_SHUTDOWN;
	tcp_conn_set_state(tcp, conn, conn->state == TCP_ESTABLISHED ? TCP_FIN_WAIT_1 : TCP_LAST_ACK);
	tcp_conn_want_output(tcp, conn);
}

void tcp_close(struct tcp *tcp, struct tcp_conn *conn)
{
	SLUICE_ASSERT((conn->flags & TCP_CONN_ORPHAN) == 0);
	// What was not read will never be: the peer must not believe otherwise.
	if (!tcp_conn_dead(conn) && (conn->rcv_queued != 0 || conn->state <= TCP_SYN_RECEIVED)) {
		tcp_abort(tcp, conn);
		return;
	}
	tcp_shutdown(tcp, conn);
	conn->flags |= TCP_CONN_ORPHAN;
	if (tcp_conn_dead(conn))
		tcp_conn_release(tcp, conn);
	else if (conn->state == TCP_FIN_WAIT_2)
		tcp_timer_set(
			tcp, conn, TCP_TIMER_KEEP, tcp->now_us + (uint64_t)tcp->config.fin_wait_2_ms * 1000);
}

void tcp_abort(struct tcp *tcp, struct tcp_conn *conn)
{
	SLUICE_ASSERT((conn->flags & TCP_CONN_ORPHAN) == 0);
	conn->flags |= TCP_CONN_ORPHAN;
	if (tcp_conn_dead(conn)) {
		tcp_conn_release(tcp, conn);
		return;
	}
	if (conn->state >= TCP_SYN_RECEIVED)
		tcp_reply_abort(tcp, conn);
	tcp_conn_die(tcp, conn, 0);
}

void tcp_set_nagle(struct tcp *tcp, struct tcp_conn *conn, bool on)
{
	(void)tcp;
	conn->flags = on ? conn->flags | TCP_CONN_NAGLE : conn->flags & ~(uint32_t)TCP_CONN_NAGLE;
}

void tcp_conn_info(const struct tcp *tcp, const struct tcp_conn *conn, struct tcp_conn_info *out)
{
	*out = (struct tcp_conn_info){.key = conn->key,
		.state = conn->state,
		.mss = conn->mss,
		.srtt_us = conn->srtt8_us / 8,
		.rto_us = conn->rto_us,
		.min_rtt_us = tcp_cold(tcp, conn)->min_rtt_us,
		.cwnd = conn->cwnd,
		.ssthresh = conn->ssthresh,
		.snd_wnd = conn->snd_wnd,
		.rcv_wnd = seq_len(conn->rcv_adv, conn->rcv_nxt),
		.snd_una = conn->snd_una.value,
		.n_unacked = seq_len(conn->snd_nxt, conn->snd_una),
		.n_unsent = tcp_unsent(conn),
		.n_readable = conn->rcv_queued,
		.timestamps = (conn->flags & TCP_CONN_TIMESTAMPS) != 0,
		.sack = (conn->flags & TCP_CONN_SACK) != 0,
		.ecn = (conn->flags & TCP_CONN_ECN) != 0};
}

struct tcp_conn *tcp_conn_next(struct tcp *tcp, uint32_t *cursor)
{
	while (*cursor < tcp->conns.n_items) {
		uint32_t idx = (*cursor)++;
		struct tcp_conn *conn = pool_at(&tcp->conns, idx);

		if (pool_in_use(&tcp->conns, idx) && (conn->flags & TCP_CONN_DEAD) == 0)
			return conn;
	}
	return NULL;
}
