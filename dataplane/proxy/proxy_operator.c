// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_operator.h"

#include "proxy/pair.h"

// --- connections ---

static uint64_t id_of(const struct proxy *proxy, const struct pair *pair)
{
	return (uint64_t)pair->generation << 32 | pool_index(&proxy->pairs, pair);
}

// The next item of a pool that is in use; UINT32_MAX and NULL at the end, NULL alone when enough was looked
// at.
static void *next_item(const struct pool *pool, uint32_t *cursor, uint32_t *n_looks)
{
	while (*cursor < pool->n_items && *n_looks != 0) {
		uint32_t idx = (*cursor)++;

		(*n_looks)--;
		if (pool_in_use(pool, idx))
			return pool_at(pool, idx);
	}
	if (*cursor >= pool->n_items)
		*cursor = UINT32_MAX;
	return NULL;
}

static void describe_leg(const struct proxy *proxy, const struct leg *leg, struct proxy_leg_info *out)
{
	const struct tcp_conn *conn = leg_is(leg, LEG_OPEN) ? tcp_conn_at(proxy->tcp, leg->tcp) : NULL;

	out->open = conn != NULL;
	if (out->open)
		tcp_conn_info(proxy->tcp, conn, &out->tcp);
}

static const char *phase_name(enum pair_phase phase)
{
	static const char *const names[N_PAIR_PHASES] = {
		[PAIR_HEADER] = "header",
		[PAIR_HANDSHAKE] = "handshake",
		[PAIR_CONNECT] = "connect",
		[PAIR_PREAMBLE] = "preamble",
		[PAIR_REDIRECT] = "redirect",
		[PAIR_FORWARD] = "forward",
		[PAIR_ENDING] = "ending",
	};

	return names[phase];
}

static void describe_server(
	const struct proxy *proxy, const struct pair *pair, struct proxy_connection_info *out)
{
	const struct upstream_server *server;

	if (pair->choice.n_tried != 0)
		out->backend = pair->config->backends[pair->choice.pool_idx].name;
	if (pair->server_idx == UPSTREAM_NONE)
		return;
	server = upstream_server_at(&proxy->upstream, pair->server_idx);
	out->server_addr = server->addr;
	out->server_port = server->port;
}

bool proxy_operator_next_connection(
	const struct proxy *proxy, uint32_t *cursor, uint32_t *n_looks, struct proxy_connection_info *out)
{
	const struct pair *pair = next_item(&proxy->pairs, cursor, n_looks);
	const struct pair_facts *facts;

	if (pair == NULL)
		return false;
	facts = pair_facts(proxy, pair);
	*out = (struct proxy_connection_info){
		.id = id_of(proxy, pair),
		.listener = pair->listener->name,
		.protocol = proxy_log_protocol(pair->listener),
		.phase = phase_name((enum pair_phase)pair->phase),
		.phase_number = pair->phase,
		.addresses = pair->addresses,
		.version = facts->version,
		.suite = facts->suite,
		.group = facts->group,
		.resumed = facts->resumed,
		.client_verified = facts->peer_authenticated,
		.alpn = facts->alpn,
		.name = span_of(facts->name, facts->name_len),
		.age_us = proxy->now_us - pair->begun_us,
		.idle_us = proxy->now_us - pair->moved_us,
		.n_bytes_in = pair->legs[PAIR_CLIENT].n_read,
		.n_bytes_out = pair->legs[PAIR_CLIENT].n_written,
	};
	describe_server(proxy, pair, out);
	for (uint32_t side = 0; side < 2; side++)
		describe_leg(proxy, &pair->legs[side], &out->legs[side]);
	return true;
}

bool proxy_operator_kill(struct proxy *proxy, uint64_t id)
{
	uint32_t idx = (uint32_t)id;
	struct pair *pair;

	if (idx >= proxy->pairs.n_items || !pool_in_use(&proxy->pairs, idx))
		return false;
	pair = pool_at(&proxy->pairs, idx);
	if (id_of(proxy, pair) != id)
		return false;
	pair_abort(proxy, pair, COUNTER_PROXY_KILLED);
	return true;
}

// --- servers ---

bool proxy_operator_next_server(
	const struct proxy *proxy, uint32_t *cursor, uint32_t *n_looks, struct proxy_server_info *out)
{
	const struct upstream_server *server;

	do {
		server = next_item(&proxy->upstream.servers, cursor, n_looks);
		if (server == NULL || proxy->config == NULL)
			return false;
	} while (server->pool_idx >= proxy->config->n_backends);
	*out = (struct proxy_server_info){
		.backend = proxy->config->backends[server->pool_idx].name,
		.tally_idx = server->tally_idx,
		.addr = server->addr,
		.port = server->port,
		.weight = server->weight,
		.mode = server->mode,
		.up = server->state == UPSTREAM_UP,
		.ejected = server->ejected_until_us > proxy->now_us,
		.draining = server->drain,
		.n_connections = server->n_connections,
	};
	return true;
}

static uint32_t order_servers(struct proxy *proxy, enum proxy_order order, uint32_t tally_idx, uint32_t value)
{
	uint32_t n_done = 0;

	for (uint32_t i = 0; i < proxy->upstream.servers.n_items; i++) {
		if (!pool_in_use(&proxy->upstream.servers, i) ||
			upstream_server_at(&proxy->upstream, i)->tally_idx != tally_idx ||
			upstream_server_at(&proxy->upstream, i)->pool_idx == UPSTREAM_NONE)
			continue;
		if (order == PROXY_ORDER_SERVER_MODE)
			upstream_set_mode(&proxy->upstream, i, (enum upstream_mode)value);
		else
			upstream_set_weight(&proxy->upstream, i, (uint16_t)value);
		n_done++;
	}
	return n_done;
}

// --- listeners ---

static uint32_t enable_listener(struct proxy *proxy, uint32_t tally_idx, bool enabled)
{
	const struct proxy_config *config = proxy->config;
	uint32_t n_done = 0;

	for (uint32_t i = 0; i < config->n_listeners; i++) {
		const struct proxy_listener *listener = &config->listeners[i];

		if (listener->tally_idx != tally_idx)
			continue;
		if (!enabled)
			(void)tcp_unlisten(proxy->tcp, &listener->addr, listener->port);
		else if (proxy_listener_is_off(proxy, tally_idx))
			(void)!tcp_listen(proxy->tcp, &listener->addr, listener->port, i);
		n_done++;
	}
	if (n_done != 0)
		proxy_listener_set_off(proxy, tally_idx, !enabled);
	return n_done;
}

uint32_t proxy_operator_order(struct proxy *proxy, enum proxy_order order, uint32_t tally_idx, uint32_t value)
{
	if (proxy->config == NULL || tally_idx == 0)
		return 0;
	switch (order) {
	case PROXY_ORDER_SERVER_MODE:
		return value < N_UPSTREAM_MODES ? order_servers(proxy, order, tally_idx, value) : 0;
	case PROXY_ORDER_SERVER_WEIGHT:
		return value <= UPSTREAM_WEIGHT_MAX || value == UPSTREAM_WEIGHT_CONFIGURED
			       ? order_servers(proxy, order, tally_idx, value)
			       : 0;
	case PROXY_ORDER_LISTENER_ENABLED:
		return value <= 1 && tally_idx < TALLY_LISTENERS
			       ? enable_listener(proxy, tally_idx, value != 0)
			       : 0;
	default:
		return 0;
	}
}
