// SPDX-License-Identifier: Apache-2.0
#include "proxy/check.h"

#include "base/assert.h"

struct check {
	struct upstream_check check;
	struct tcp_handle tcp;
};

size_t checks_footprint(void)
{
	return pool_footprint(CHECKS_MAX, sizeof(struct check));
}

bool checks_init(struct proxy *proxy, struct arena *arena)
{
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
		return;
	}
	pool_free(&proxy->checks, check);
	done(proxy, due, false);
}

uint32_t checks_begin(struct proxy *proxy)
{
	struct upstream_check due[CHECKS_MAX];
	uint32_t n;

	if (proxy->config == NULL)
		return 0;
	n = upstream_checks_due(&proxy->upstream, proxy->now_us, due, pool_n_free(&proxy->checks));
	for (uint32_t i = 0; i < n; i++)
		begin(proxy, &due[i]);
	return n;
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
