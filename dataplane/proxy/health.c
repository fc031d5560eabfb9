// SPDX-License-Identifier: Apache-2.0
//
// Health checks of upstream.h: which server is due, and what a result means. A server changes its state after
// `rise` or `fall` results in a row against it. The probe itself is the caller's.
#include "base/assert.h"
#include "proxy/upstream.h"

static uint64_t interval_us(const struct upstream *upstream, const struct upstream_server *server)
{
	const struct upstream_pool_config *config = &upstream->pools[server->pool_idx].config;

	if (server->state == UPSTREAM_DOWN && config->check_interval_down_us != 0)
		return config->check_interval_down_us;
	return config->check_interval_us;
}

uint32_t upstream_checks_due(
	struct upstream *upstream, uint64_t now_us, struct upstream_check *out, uint32_t n)
{
	uint64_t next_us = UINT64_MAX;
	uint32_t n_due = 0;

	if (upstream->check_due_us > now_us)
		return 0;
	for (uint32_t p = 0; p < upstream->n_pools; p++) {
		const struct upstream_pool *pool = &upstream->pools[p];

		for (uint32_t i = 0; i < pool->n_servers; i++) {
			struct upstream_server *server = pool_at(&upstream->servers, pool->servers[i]);

			if (server->check_due_us <= now_us && n_due < n) {
				out[n_due++] = (struct upstream_check){.server_idx = pool->servers[i],
					.generation = server->generation,
					.addr = server->addr,
					.port = server->port,
					.timeout_us = pool->config.check_timeout_us};
				server->check_due_us = UINT64_MAX;
				server->check_out = true;
			}
			if (server->check_due_us < next_us)
				next_us = server->check_due_us;
		}
	}
	upstream->check_due_us = next_us;
	return n_due;
}

static enum upstream_change count_result(
	const struct upstream_pool_config *config, struct upstream_server *server, bool good, uint64_t now_us)
{
	bool agrees = good == (server->state == UPSTREAM_UP);
	uint16_t needed = good ? config->rise : config->fall;

	if (agrees) {
		server->n_check_streak = 0;
		return UPSTREAM_NO_CHANGE;
	}
	if (++server->n_check_streak < needed)
		return UPSTREAM_NO_CHANGE;
	server->n_check_streak = 0;
	server->state = good ? UPSTREAM_UP : UPSTREAM_DOWN;
	if (good) {
		server->up_since_us = now_us;
		server->ejected_until_us = 0;
		server->n_ejections = 0;
		server->n_failures = 0;
	}
	return good ? UPSTREAM_WENT_UP : UPSTREAM_WENT_DOWN;
}

static void show_result(struct upstream *upstream, const struct upstream_server *server, bool good,
	enum upstream_change change)
{
	struct tally_server_row *row = upstream_row(upstream, server);

	tally_server_add(row, good ? TALLY_SERVER_CHECKS_GOOD : TALLY_SERVER_CHECKS_FAILED, 1);
	if (change == UPSTREAM_NO_CHANGE)
		return;
	tally_server_add(row, change == UPSTREAM_WENT_UP ? TALLY_SERVER_WENT_UP : TALLY_SERVER_WENT_DOWN, 1);
	upstream_show_state(upstream, server);
}

enum upstream_change upstream_check_done(
	struct upstream *upstream, const struct upstream_check *check, bool good, uint64_t now_us)
{
	struct upstream_server *server = pool_at(&upstream->servers, check->server_idx);
	enum upstream_change change;

	// It may have left, or another may have its place.
	if (!pool_in_use(&upstream->servers, check->server_idx) || server->generation != check->generation ||
		!server->check_out || server->pool_idx == UPSTREAM_NONE)
		return UPSTREAM_NO_CHANGE;
	server->check_out = false;
	change = count_result(&upstream->pools[server->pool_idx].config, server, good, now_us);
	show_result(upstream, server, good, change);
	server->check_due_us = now_us + interval_us(upstream, server);
	if (server->check_due_us < upstream->check_due_us)
		upstream->check_due_us = server->check_due_us;
	return change;
}
