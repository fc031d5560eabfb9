// SPDX-License-Identifier: Apache-2.0
#include "tcp/timers.h"

#include "tcp/handshake.h"
#include "tcp/lifecycle.h"
#include "tcp/loss_timer.h"
#include "tcp/mtu.h"
#include "tcp/output.h"
#include "tcp/recovery.h"
#include "tcp/reply.h"

enum {
	EXPIRE_BURST = 64,
	BACKOFF_MAX = 16
};

static uint64_t now_tick(const struct tcp *tcp)
{
	return tcp->now_us >> TIMER_TICK_SHIFT;
}

void tcp_timer_set(struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer_slot slot, uint64_t deadline_us)
{
	uint64_t tick = (deadline_us + (1u << TIMER_TICK_SHIFT) - 1) >> TIMER_TICK_SHIFT;

	conn->deadlines[slot] = (uint32_t)tick != 0 ? (uint32_t)tick : 1;
	if (!timer_armed(&conn->timer) || tick << TIMER_TICK_SHIFT < conn->timer.deadline_us)
		timer_start(&tcp->wheel, &conn->timer, tick << TIMER_TICK_SHIFT);
}

// The peer has not answered for longer than anyone wants to wait.
static bool user_timed_out(const struct tcp *tcp, const struct tcp_conn *conn)
{
	uint32_t timeout_ms = tcp->config.user_timeout_ms;

	return timeout_ms != 0 && tcp->now_ms - tcp_cold(tcp, conn)->progress_ms >= timeout_ms;
}

static void time_out(struct tcp *tcp, struct tcp_conn *conn)
{
	tcp_count(tcp, COUNTER_TCP_TIMED_OUT);
	if (tcp_conn_synchronized(conn))
		tcp_reply_abort(tcp, conn);
	tcp_conn_die(tcp, conn, TCP_EVENT_TIMED_OUT);
}

static void back_off(struct tcp_conn *conn)
{
	if (conn->backoff < BACKOFF_MAX)
		conn->backoff++;
}

// A SYN was not answered.
static void syn_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	if (tcp->now_ms - tcp_cold(tcp, conn)->progress_ms >= tcp->config.connect_timeout_ms) {
		time_out(tcp, conn);
		return;
	}
	back_off(conn);
	conn->flags |= TCP_CONN_SYN_DUE;
	tcp_loss_timer_start_rto(tcp, conn);
	tcp_conn_want_output(tcp, conn);
}

static void rto_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	if (user_timed_out(tcp, conn)) {
		time_out(tcp, conn);
		return;
	}
	tcp_recovery_timeout(tcp, conn);
	back_off(conn);
	tcp_mtu_timeout(tcp, conn);
	tcp_loss_timer_start_rto(tcp, conn);
	tcp_conn_want_output(tcp, conn);
}

static void persist_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	if (user_timed_out(tcp, conn)) {
		time_out(tcp, conn);
		return;
	}
	back_off(conn);
	conn->flags |= TCP_CONN_PROBE_DUE;
	conn->timer_kind = TCP_TIMER_KIND_PERSIST;
	tcp_timer_set(tcp, conn, TCP_TIMER_RETRANSMIT, tcp->now_us + tcp_rto_us(tcp, conn));
	tcp_conn_want_output(tcp, conn);
	tcp_count(tcp, COUNTER_TCP_WINDOW_PROBE);
}

static void loss_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	if (conn->state <= TCP_SYN_RECEIVED) {
		syn_timeout(tcp, conn);
		return;
	}
	switch ((enum tcp_timer_kind)conn->timer_kind) {
	case TCP_TIMER_KIND_PERSIST:
		if (seq_eq(conn->snd_una, conn->snd_nxt) && tcp_unsent(conn) != 0)
			persist_timeout(tcp, conn);
		return;
	case TCP_TIMER_KIND_REORDER: {
		uint32_t again_us = tcp_recovery_reorder_timeout(tcp, conn);

		if (again_us != 0)
			tcp_loss_timer_start_reorder(tcp, conn, again_us);
		else
			tcp_loss_timer_start_rto(tcp, conn);
		tcp_conn_want_output(tcp, conn);
		return;
	}
	case TCP_TIMER_KIND_PROBE:
		conn->flags |= TCP_CONN_TLP_DUE;
		tcp_loss_timer_start_rto(tcp, conn);
		tcp_conn_want_output(tcp, conn);
		return;
	case TCP_TIMER_KIND_RTO:
		if (!seq_eq(conn->snd_una, conn->snd_nxt))
			rto_timeout(tcp, conn);
		return;
	}
}

// Keepalive (RFC 9293 3.8.4), and the end of an orphan's FIN-WAIT-2.
static void keep_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
	struct tcp_conn_cold *cold = tcp_cold(tcp, conn);
	uint32_t idle_ms = tcp->now_ms - cold->received_ms;
	uint32_t wait_ms = tcp->config.keepalive_interval_ms;

	if ((conn->flags & TCP_CONN_ORPHAN) != 0 && conn->state == TCP_FIN_WAIT_2) {
		tcp_count(tcp, COUNTER_TCP_FIN_WAIT_2_TIMED_OUT);
		tcp_conn_die(tcp, conn, TCP_EVENT_TIMED_OUT);
		return;
	}
	if (tcp->config.keepalive_idle_ms == 0 || !tcp_conn_synchronized(conn))
		return;
	if (idle_ms < tcp->config.keepalive_idle_ms) {
		wait_ms = tcp->config.keepalive_idle_ms - idle_ms;
	} else if (!seq_eq(conn->snd_una, conn->snd_nxt)) {
		wait_ms = tcp->config.keepalive_idle_ms; // retransmission looks after it
	} else if (cold->n_probes >= tcp->config.keepalive_probes) {
		tcp_count(tcp, COUNTER_TCP_KEEPALIVE_DEAD);
		time_out(tcp, conn);
		return;
	} else {
		cold->n_probes++;
		conn->flags |= TCP_CONN_PROBE_DUE;
		tcp_conn_want_output(tcp, conn);
		tcp_count(tcp, COUNTER_TCP_KEEPALIVE_SENT);
	}
	tcp_timer_set(tcp, conn, TCP_TIMER_KEEP, tcp->now_us + (uint64_t)wait_ms * 1000);
}

static void slot_due(struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer_slot slot)
{
	switch (slot) {
	case TCP_TIMER_RETRANSMIT:
		loss_timeout(tcp, conn);
		break;
	case TCP_TIMER_ACK:
		conn->flags |= TCP_CONN_ACK_NOW;
		tcp_conn_want_output(tcp, conn);
		break;
	case TCP_TIMER_PACE:
		tcp_conn_want_output(tcp, conn);
		break;
	case TCP_TIMER_KEEP:
		keep_timeout(tcp, conn);
		break;
	case N_TCP_TIMERS:
		break;
	}
}

// The wheel's timer fired: what is due is done, and it starts again for the earliest of the rest.
static void conn_due(struct tcp *tcp, struct tcp_conn *conn)
{
	uint32_t tick = (uint32_t)now_tick(tcp);
	int32_t earliest = INT32_MAX;

	for (uint32_t slot = 0; slot < N_TCP_TIMERS; slot++) {
		if (conn->deadlines[slot] == 0 || (int32_t)(conn->deadlines[slot] - tick) > 0)
			continue;
		conn->deadlines[slot] = 0;
		slot_due(tcp, conn, (enum tcp_timer_slot)slot);
		if (tcp_conn_dead(conn))
			return;
	}
	for (uint32_t slot = 0; slot < N_TCP_TIMERS; slot++) {
		int32_t left = (int32_t)(conn->deadlines[slot] - tick);

		if (conn->deadlines[slot] != 0 && left < earliest)
			earliest = left;
	}
	if (earliest != INT32_MAX)
		timer_start(&tcp->wheel, &conn->timer,
			(now_tick(tcp) + (uint64_t)(earliest > 0 ? earliest : 0)) << TIMER_TICK_SHIFT);
}

static void time_wait_timers(struct tcp *tcp)
{
	struct time_wait_entry *entry;
	uint32_t n = 0;

	while (n++ < EXPIRE_BURST && (entry = time_wait_oldest(&tcp->time_wait)) != NULL) {
		struct flow_key key = time_wait_key(entry);

		// 31 bits: the difference's sign is in bit 30.
		if (((tcp->now_ms - entry->deadline_ms) & 0x40000000) != 0)
			return;
		time_wait_remove(&tcp->time_wait, net_flow_hash(tcp->net, &key), entry);
	}
}

void tcp_timers(struct tcp *tcp, uint64_t now_us)
{
	struct timer *due[EXPIRE_BURST];
	uint32_t n;

	tcp_set_now(tcp, now_us);
	n = timer_wheel_expire(&tcp->wheel, now_us, due, EXPIRE_BURST);
	for (uint32_t i = 0; i < n; i++)
		conn_due(tcp, LIST_ITEM(due[i], struct tcp_conn, timer));
	tcp_handshake_timers(tcp);
	time_wait_timers(tcp);
}

void tcp_output_flush(struct tcp *tcp, uint64_t now_us)
{
	struct tcp_conn_list batch = tcp->output;
	struct tcp_conn *conn;

	tcp_set_now(tcp, now_us);
	// What asks for more while this runs waits for the next turn.
	tcp->output = (struct tcp_conn_list){.head = POOL_NONE, .tail = POOL_NONE};
	while ((conn = tcp_conn_pop_output(tcp, &batch)) != NULL)
		tcp_output(tcp, conn);
}

uint64_t tcp_next_timer_us(const struct tcp *tcp)
{
	uint64_t next_us = timer_wheel_next_us(&tcp->wheel);
	uint64_t half_open_us = UINT64_MAX;

	if (tcp->output.head != POOL_NONE || tcp->ready.head != POOL_NONE)
		return tcp->now_us;
	for (uint32_t stage = 0; stage < SYN_STAGES; stage++) {
		const struct syn_entry *entry = syn_cache_oldest(&tcp->syn_cache, stage);

		if (entry != NULL) {
			int32_t left_ms = (int32_t)(entry->deadline_ms - tcp->now_ms);
			uint64_t due_us = tcp->now_us + (left_ms > 0 ? (uint64_t)left_ms * 1000 : 0);

			half_open_us = due_us < half_open_us ? due_us : half_open_us;
		}
	}
	// TIME-WAIT entries only take room: now and then is soon enough.
	if (time_wait_oldest(&tcp->time_wait) != NULL && half_open_us > tcp->now_us + 1000000)
		half_open_us = tcp->now_us + 1000000;
	return next_us < half_open_us ? next_us : half_open_us;
}
