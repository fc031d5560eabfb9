// SPDX-License-Identifier: Apache-2.0
#include "proxy/check.h"

#include "base/assert.h"

struct check {
	struct upstream_check check;
	struct tcp_handle tcp;
	uint64_t end_us; // without an answer it has failed
};

size_t checks_footprint(void)
{
	return pool_footprint(CHECKS_MAX, sizeof(struct check));
}

bool checks_init(struct proxy *proxy, struct arena *arena)
{
	proxy->check_end_us = UINT64_MAX;
	return pool_init(&proxy->checks, arena, CHECKS_MAX, sizeof(struct check));
}

static void done(struct proxy *proxy, const struct upstream_check *check, bool good)
{
	enum upstream_change change = upstream_check_done(&proxy->upstream, check, good, proxy->now_us);

	proxy_log_server(proxy, check->server_idx, change, "check");
	counter_inc(proxy->counters, good ? COUNTER_PROXY_CHECKS_GOOD : COUNTER_PROXY_CHECKS_FAILED);
	if (change == UPSTREAM_WENT_UP)
		counter_inc(proxy->counters, COUNTER_PROXY_SERVERS_UP);
	if (change == UPSTREAM_WENT_DOWN)
		counter_inc(proxy->counters, COUNTER_PROXY_SERVERS_DOWN);
}

static void begin(struct proxy *proxy, const struct upstream_check *due)
{
	uint32_t pool_idx = upstream_server_at(&proxy->upstream, due->server_idx)->pool_idx;
	const struct proxy_backend *backend = &proxy->config->backends[pool_idx];
	uint32_t source_idx = proxy_backend_source(backend, &due->addr, 0);
	struct check *check = pool_alloc(&proxy->checks);
	struct tcp_connect request = {.remote = due->addr, .remote_port = due->port};
	struct tcp_conn *conn;

	SLUICE_ASSERT(check != NULL);
	request.user = CHECK_USER | pool_index(&proxy->checks, check);
	check->check = *due;
	if (source_idx != PROXY_SOURCES_MAX)
		request.local = backend->locals[source_idx];
	if (source_idx != PROXY_SOURCES_MAX &&
		tcp_connect(proxy->tcp, &request, proxy->now_us, &conn) == TCP_CONNECT_STARTED) {
		check->tcp = tcp_conn_handle(proxy->tcp, conn);
		check->end_us = proxy->now_us + due->timeout_us;
		if (check->end_us < proxy->check_end_us)
			proxy->check_end_us = check->end_us;
		return;
	}
	pool_free(&proxy->checks, check);
	done(proxy, due, false);
}

// TCP would wait longer than an operator wants to, and a place for a check with it.
static uint32_t end_late(struct proxy *proxy)
{
	uint64_t next_us = UINT64_MAX;
	uint32_t n = 0;

	if (proxy->check_end_us > proxy->now_us)
		return 0;
	for (uint32_t i = 0; i < CHECKS_MAX; i++) {
		struct check *check = pool_at(&proxy->checks, i);

		if (!pool_in_use(&proxy->checks, i))
			continue;
		if (check->end_us > proxy->now_us) {
			next_us = check->end_us < next_us ? check->end_us : next_us;
			continue;
		}
		tcp_abort(proxy->tcp, tcp_conn_at(proxy->tcp, check->tcp));
		done(proxy, &check->check, false);
		pool_free(&proxy->checks, check);
		n++;
	}
	proxy->check_end_us = next_us;
	return n;
}

uint32_t checks_begin(struct proxy *proxy)
{
	struct upstream_check due[CHECKS_MAX];
	uint32_t n, n_late = end_late(proxy);

	if (proxy->config == NULL)
		return n_late;
	n = upstream_checks_due(&proxy->upstream, proxy->now_us, due, pool_n_free(&proxy->checks));
	for (uint32_t i = 0; i < n; i++)
		begin(proxy, &due[i]);
	return n + n_late;
}

void check_events(struct proxy *proxy, const struct tcp_ready *ready)
{
	struct check *check = pool_at(&proxy->checks, (uint32_t)ready->user);
	bool failed = (ready->events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0;

	SLUICE_ASSERT(pool_in_use(&proxy->checks, (uint32_t)ready->user));
	if (!failed && (ready->events & TCP_EVENT_CONNECTED) == 0)
		return;
	if (failed)
		tcp_abort(proxy->tcp, ready->conn);
	else
		tcp_close(proxy->tcp, ready->conn);
	done(proxy, &check->check, !failed);
	pool_free(&proxy->checks, check);
}

void checks_stop(struct proxy *proxy)
{
	for (uint32_t i = 0; i < CHECKS_MAX; i++) {
		struct check *check = pool_at(&proxy->checks, i);
		struct tcp_conn *conn;

		if (!pool_in_use(&proxy->checks, i))
			continue;
		conn = tcp_conn_at(proxy->tcp, check->tcp);
		if (conn != NULL)
			tcp_abort(proxy->tcp, conn);
		pool_free(&proxy->checks, check);
	}
}
