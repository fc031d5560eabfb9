// SPDX-License-Identifier: Apache-2.0
//
// All that one worker's TCP owns. The modules of this folder share it; nobody outside sees it.
#pragma once

#include "base/counters.h"
#include "base/pool.h"
#include "base/timer_wheel.h"
#include "tcp/conn.h"
#include "tcp/flow_table.h"
#include "tcp/listener.h"
#include "tcp/siphash.h"
#include "tcp/syn_cache.h"
#include "tcp/tcp.h"
#include "tcp/time_wait.h"

// A list of connections through one of their *_next members.
struct tcp_conn_list {
	uint32_t head;
	uint32_t tail;
};

// A bucket of permits, filled at a steady rate up to one second's worth.
struct tcp_rate_limit {
	uint32_t per_s;
	uint32_t n_left;
	uint64_t filled_us;
};

// The last transitions between states, for whoever holds a core dump or a failed simulation.
struct tcp_trace_entry {
	uint64_t now_us;
	uint32_t conn_idx;
	uint8_t from;
	uint8_t to;
};

enum {
	TCP_TRACE_LEN = 64
};

struct tcp {
	struct net *net;
	struct counters *counters;
	uint64_t now_us; // of this turn
	uint32_t now_ms;
	struct pool conns; // struct tcp_conn
	struct tcp_conn_cold *colds;
	struct pool sent;   // struct tcp_sent
	struct pool items;  // struct tcp_send_item
	struct pool ranges; // struct tcp_range
	struct tcp_conn_list ready;
	struct tcp_conn_list output;
	struct flow_table flows;
	struct tcp_listeners listeners;
	struct syn_cache syn_cache;
	struct time_wait time_wait;
	uint64_t receive_memory; // bytes of buffers that all receive queues pin
	uint32_t buffers_left;   // segments that may come before the pool's free buffers are counted again
	bool buffers_low;        // less than a quarter of them is free
	uint64_t range_stamp;    // orders changes of out-of-order ranges
	uint32_t sack_steps;     // how much more of the scoreboards this turn may walk
	uint32_t cookie_ms;      // when the last cookie went out
	bool cookies_out;        // whether one ever did
	uint32_t n_port_tries;   // salt of the next search for a local port
	struct tcp_rate_limit challenge_limit;
	struct tcp_rate_limit reset_limit;
	struct siphash_key isn_key;
	struct siphash_key cookie_key;
	struct siphash_key port_key;
	struct timer_wheel wheel;
	struct tcp_config config;
	uint32_t trace_next;
	struct tcp_trace_entry trace[TCP_TRACE_LEN];
};

static inline struct tcp_conn_cold *tcp_cold(const struct tcp *tcp, const struct tcp_conn *conn)
{
	return &tcp->colds[pool_index(&tcp->conns, conn)];
}

// Bytes queued and not sent. (After the FIN snd_nxt lies one beyond snd_end.)
static inline uint32_t tcp_unsent(const struct tcp_conn *conn)
{
	return seq_lt(conn->snd_nxt, conn->snd_end) ? seq_len(conn->snd_end, conn->snd_nxt) : 0;
}

// Our timestamp clock ticks in milliseconds (RFC 7323 5.4), at an offset that differs from flow to flow.
static inline uint32_t tcp_ts_now(const struct tcp *tcp, const struct tcp_conn *conn)
{
	return tcp->now_ms + conn->ts_offset;
}

static inline void tcp_count(struct tcp *tcp, enum counter id)
{
	counter_inc(tcp->counters, id);
}

// Reads the clock of the turn into the forms that the modules use.
static inline void tcp_set_now(struct tcp *tcp, uint64_t now_us)
{
	if (now_us == tcp->now_us)
		return;
	tcp->now_us = now_us;
	tcp->now_ms = (uint32_t)(now_us / 1000);
}

// Takes one permit; false when there is none.
bool tcp_rate_limit_take(struct tcp_rate_limit *limit, uint64_t now_us);
