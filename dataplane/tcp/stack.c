// SPDX-License-Identifier: Apache-2.0
#include "tcp/stack.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "tcp/lifecycle.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"
#include "tcp/send_queue.h"

void tcp_config_default(struct tcp_config *config, uint32_t n_conns)
{
	*config = (struct tcp_config){
		.n_conns = n_conns,
		.n_time_wait = n_conns,
		.n_syn_cache = n_conns < 65536 ? n_conns : 65536,
		.n_listeners = 1024,
		// What idle connections don't hold: for the busy ones, of which many connections have a part.
		.n_send_items = n_conns < 131072 ? 65536 : n_conns / 2,
		.n_sent = n_conns < 131072 ? 65536 : n_conns / 2,
		.n_ranges = n_conns < 65536 ? 16384 : n_conns / 4,
		.receive_memory = UINT64_C(256) << 20,
		.send_buffer = 1 << 20,
		.send_items_max = 4096,
		.sent_max = 4096,
		.ranges_max = 256,
		.receive_window_initial = 65535,
		.receive_window_max = 4 << 20,
		.receive_window_near = 512 << 10,
		.mss_min = 64,
		.rto_initial_ms = 1000,
		.rto_min_ms = 200,
		.rto_max_ms = 60000,
		.delayed_ack_ms = 40,
		.user_timeout_ms = 180000,
		.connect_timeout_ms = 30000,
		.keepalive_idle_ms = 7200000,
		.keepalive_interval_ms = 75000,
		.keepalive_probes = 9,
		.fin_wait_2_ms = 60000,
		.time_wait_ms = 60000,
		.mtu_probe_interval_ms = 600000,
		.challenge_acks_per_s = 1000,
		.resets_per_s = 1000,
		.cc = TCP_CC_CUBIC,
		.timestamps = true,
		.sack = true,
		.window_scaling = true,
		.ecn = true,
		.pacing = true,
		.syn_cookies = true,
		.connect_port_first = 32768,
		.connect_port_last = 60999,
	};
}

size_t tcp_footprint(const struct tcp_config *config)
{
	return sizeof(struct tcp) + 64 + pool_footprint(config->n_conns, sizeof(struct tcp_conn)) +
	       (size_t)config->n_conns * sizeof(struct tcp_conn_cold) + 64 +
	       pool_footprint(config->n_sent, sizeof(struct tcp_sent)) +
	       pool_footprint(config->n_send_items, sizeof(struct tcp_send_item)) +
	       pool_footprint(config->n_ranges, sizeof(struct tcp_range)) +
	       flow_table_footprint(config->n_conns) +
	       pool_footprint(config->n_listeners, sizeof(struct tcp_listener)) +
	       syn_cache_footprint(config->n_syn_cache) + time_wait_footprint(config->n_time_wait);
}

static bool take_memory(struct tcp *tcp, struct arena *arena)
{
	const struct tcp_config *config = &tcp->config;

	tcp->colds = arena_alloc(arena, (size_t)config->n_conns * sizeof(struct tcp_conn_cold), 64);
	return tcp->colds != NULL &&
	       pool_init(&tcp->conns, arena, config->n_conns, sizeof(struct tcp_conn)) &&
	       pool_init(&tcp->sent, arena, config->n_sent, sizeof(struct tcp_sent)) &&
	       pool_init(&tcp->items, arena, config->n_send_items, sizeof(struct tcp_send_item)) &&
	       pool_init(&tcp->ranges, arena, config->n_ranges, sizeof(struct tcp_range)) &&
	       flow_table_init(&tcp->flows, arena, &tcp->conns) &&
	       tcp_listeners_init(&tcp->listeners, arena, config->n_listeners) &&
	       syn_cache_init(&tcp->syn_cache, arena, config->n_syn_cache) &&
	       time_wait_init(&tcp->time_wait, arena, config->n_time_wait);
}

struct tcp *tcp_init(const struct tcp_config *config, struct arena *arena, struct net *net,
	struct counters *counters, uint64_t now_us)
{
	struct tcp *tcp = arena_alloc(arena, sizeof(struct tcp), 64);

	if (tcp == NULL)
		return NULL;
	SLUICE_ASSERT(config->mss_min >= TCP_MSS_FLOOR);
	tcp->config = *config;
	if (!take_memory(tcp, arena))
		return NULL;
	tcp->net = net;
	tcp->counters = counters;
	tcp->now_us = now_us;
	tcp->now_ms = (uint32_t)(now_us / 1000);
	tcp->ready = (struct tcp_conn_list){.head = POOL_NONE, .tail = POOL_NONE};
	tcp->output = tcp->ready;
	tcp->challenge_limit = (struct tcp_rate_limit){.per_s = config->challenge_acks_per_s,
		.n_left = config->challenge_acks_per_s,
		.filled_us = now_us};
	tcp->reset_limit = (struct tcp_rate_limit){
		.per_s = config->resets_per_s, .n_left = config->resets_per_s, .filled_us = now_us};
	memcpy(&tcp->isn_key, config->secret, sizeof tcp->isn_key);
	memcpy(&tcp->cookie_key, config->secret + 16, sizeof tcp->cookie_key);
	memcpy(&tcp->port_key, config->secret + 32, sizeof tcp->port_key);
	wipe(tcp->config.secret, sizeof tcp->config.secret);
	timer_wheel_init(&tcp->wheel, now_us);
	return tcp;
}

void tcp_stop(struct tcp *tcp)
{
	for (uint32_t idx = 0; idx < tcp->conns.n_items; idx++) {
		struct tcp_conn *conn = pool_at(&tcp->conns, idx);

		if (!pool_in_use(&tcp->conns, idx) || (conn->flags & TCP_CONN_DEAD) != 0)
			continue;
		conn->flags |= TCP_CONN_ORPHAN;
		if (tcp_conn_dead(conn))
			tcp_conn_release(tcp, conn);
		else
			tcp_conn_die(tcp, conn, 0);
	}
	while (tcp_conn_pop_ready(tcp) != NULL || tcp_conn_pop_output(tcp, &tcp->output) != NULL)
		;
	wipe(&tcp->isn_key, sizeof tcp->isn_key);
	wipe(&tcp->cookie_key, sizeof tcp->cookie_key);
	wipe(&tcp->port_key, sizeof tcp->port_key);
}
