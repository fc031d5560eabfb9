// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy.h"

#include "base/assert.h"
#include "proxy/check.h"
#include "proxy/forward.h"
#include "proxy/session_lookup.h"

enum {
	EVENTS_BURST = 64,
	TIMERS_BURST = 64,
	SPANS_LEN = PROXY_PIECES_MAX * sizeof(struct span),
	PIECES_LEN = PROXY_PIECES_MAX * sizeof(struct tcp_piece),
	ARENA_ALIGN = 64
};

static size_t n_listener_rows(const struct proxy_setup *setup)
{
	return setup->tallies.listeners != NULL ? TALLY_LISTENERS : 1;
}

size_t proxy_footprint(const struct proxy_setup *setup)
{
	return pool_footprint(setup->n_pairs, sizeof(struct pair)) +
	       setup->n_pairs * sizeof(struct pair_facts) +
	       pool_footprint(setup->n_pairs, sizeof(struct tls_conn)) + // backends' legs have no TLS
	       pool_footprint(setup->n_preambles, sizeof(struct preamble)) +
	       pool_footprint(setup->n_redirects, sizeof(struct http_redirect)) +
	       upstream_footprint(&setup->upstream) + admission_footprint(setup->n_sources) +
	       forward_footprint() + checks_footprint() + SPANS_LEN + PIECES_LEN + 6 * (size_t)ARENA_ALIGN +
	       sizeof(struct tally_listener_row) + sizeof(uint32_t) +
	       n_listener_rows(setup) * sizeof(struct admission_rate) + ARENA_ALIGN;
}

bool proxy_init(struct proxy *proxy, struct arena *arena, const struct proxy_setup *setup, uint64_t now_us)
{
	bool well;

	*proxy = (struct proxy){.tcp = setup->tcp,
		.engine = setup->engine,
		.lookup = setup->lookup,
		.counters = setup->counters,
		.small_pool = setup->small_pool,
		.record_pool = setup->record_pool,
		.log = {.ring = setup->log},
		.source_key = setup->source_key,
		.n_workers = setup->n_workers != 0 ? setup->n_workers : 1,
		.now_us = now_us};
	list_init(&proxy->active);
	timer_wheel_init(&proxy->wheel, now_us);
	proxy->preamble_worker.counters = setup->counters;
	if (setup->lookup != NULL)
		setup->engine->finder = session_lookup_finder(setup->lookup, setup->engine->worker_idx);
	proxy->batch = forward_init(arena);
	proxy->facts = arena_alloc(arena, setup->n_pairs * sizeof(struct pair_facts), ARENA_ALIGN);
	proxy->spans = arena_alloc(arena, SPANS_LEN, ARENA_ALIGN);
	proxy->pieces = arena_alloc(arena, PIECES_LEN, ARENA_ALIGN);
	proxy->listener_tallies = setup->tallies.listeners;
	if (proxy->listener_tallies == NULL)
		proxy->listener_tallies = arena_alloc(arena, sizeof *proxy->listener_tallies, ARENA_ALIGN);
	proxy->listener_rates = arena_alloc(
		arena, n_listener_rows(setup) * sizeof *proxy->listener_rates, ARENA_ALIGN);
	proxy->listener_holds = setup->holds.listeners;
	if (proxy->listener_holds == NULL)
		proxy->listener_holds = arena_alloc(arena, sizeof *proxy->listener_holds, ARENA_ALIGN);
	well = proxy->listener_tallies != NULL && proxy->listener_rates != NULL &&
	       proxy->listener_holds != NULL && proxy->batch != NULL && proxy->facts != NULL &&
	       proxy->spans != NULL && proxy->pieces != NULL &&
	       pool_init(&proxy->pairs, arena, setup->n_pairs, sizeof(struct pair)) &&
	       pool_init(&proxy->tls_conns, arena, setup->n_pairs, sizeof(struct tls_conn)) &&
	       pool_init(&proxy->preambles, arena, setup->n_preambles, sizeof(struct preamble)) &&
	       pool_init(&proxy->redirects, arena, setup->n_redirects, sizeof(struct http_redirect)) &&
	       checks_init(proxy, arena) && upstream_init(&proxy->upstream, arena, &setup->upstream) &&
	       admission_init(
		       &proxy->admission, arena, setup->n_sources, &setup->limits, setup->admission_key);
	if (well && setup->tallies.servers != NULL)
		proxy->upstream.tallies = setup->tallies.servers;
	if (well && setup->holds.servers != NULL)
		proxy->upstream.holds = setup->holds.servers;
	return well;
}

static bool same_address(const struct proxy_listener *a, const struct proxy_listener *b)
{
	return a->port == b->port && ip_addr_equal(&a->addr, &b->addr);
}

static struct proxy_use *free_use(struct proxy *proxy)
{
	struct proxy_use *use = proxy->uses;

	while (use->n != 0)
		SLUICE_ASSERT(++use < proxy->uses + PROXY_CONFIGS_MAX);
	return use;
}

bool proxy_set_config(struct proxy *proxy, const struct proxy_config *config)
{
	const struct proxy_config *old = proxy->config;
	bool all = true;

	// The tag is an index into the snapshot, so that every listener is made anew; connections that TCP
	// has accepted and nobody has taken yet are taken under the old one before (proxy_turn).
	for (uint32_t i = 0; old != NULL && i < old->n_listeners; i++)
		(void)tcp_unlisten(proxy->tcp, &old->listeners[i].addr, old->listeners[i].port);
	for (uint32_t i = 0; i < config->n_listeners; i++) {
		bool first = true;

		for (uint32_t k = 0; k < i; k++)
			first = first && !same_address(&config->listeners[k], &config->listeners[i]);
		all = all && first &&
		      tcp_listen(proxy->tcp, &config->listeners[i].addr, config->listeners[i].port, i);
	}
	proxy->config = config;
	proxy->use = free_use(proxy);
	proxy->use->config = config;
	return all;
}

static struct pair *next_pair(const struct proxy *proxy, uint32_t *cursor)
{
	while (*cursor < proxy->pairs.n_items) {
		uint32_t idx = (*cursor)++;

		if (pool_in_use(&proxy->pairs, idx))
			return pool_at(&proxy->pairs, idx);
	}
	return NULL;
}

bool proxy_uses(const struct proxy *proxy, const struct proxy_config *config)
{
	for (uint32_t i = 0; i < PROXY_CONFIGS_MAX; i++)
		if (proxy->uses[i].config == config && proxy->uses[i].n != 0)
			return true;
	return proxy->config == config;
}

uint32_t proxy_find_listener(const struct proxy *proxy, const struct listener_terms *terms)
{
	const struct proxy_config *config = proxy->config;

	for (uint32_t i = 0; i < config->n_listeners; i++)
		if (config->listeners[i].terms == terms)
			return i;
	for (uint32_t i = 0; i < config->n_listeners; i++) {
		const struct listener_terms *now = config->listeners[i].terms;

		if (now->protocol == terms->protocol && now->preamble.protocol == terms->preamble.protocol &&
			now->preamble.implicit_tls == terms->preamble.implicit_tls &&
			strcmp(now->name, terms->name) == 0)
			return i;
	}
	return POOL_NONE;
}

static uint32_t take_events(struct proxy *proxy)
{
	struct tcp_ready ready[EVENTS_BURST];
	uint32_t n, total = 0;

	do {
		n = tcp_ready_burst(proxy->tcp, ready, EVENTS_BURST);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t idx = (uint32_t)(ready[i].user >> 1);

			if ((ready[i].user & CHECK_USER) != 0)
				check_events(proxy, &ready[i]);
			else if ((ready[i].events & TCP_EVENT_ACCEPTED) != 0)
				pair_accept(proxy, &ready[i]);
			else if (pool_in_use(&proxy->pairs, idx))
				pair_events(proxy, pool_at(&proxy->pairs, idx), ready[i].user & 1,
					ready[i].events);
		}
		total += n;
	} while (n == EVENTS_BURST);
	return total;
}

static uint32_t run_timers(struct proxy *proxy)
{
	struct timer *timers[TIMERS_BURST];
	uint32_t n = timer_wheel_expire(&proxy->wheel, proxy->now_us, timers, TIMERS_BURST);

	for (uint32_t i = 0; i < n; i++)
		pair_timer(proxy, LIST_ITEM(timers[i], struct pair, timer));
	return n;
}

// What a client's handshake waited for is there.
static void resume(struct proxy *proxy, struct tls_handshake *handshake)
{
	struct leg *leg = tls_handshake_owner(handshake);

	leg->tls_status = (uint8_t)tls_handshake_resume(handshake);
	pair_activate(proxy, pair_of(leg));
}

void proxy_lanes(struct proxy *proxy)
{
	struct lane_request *request;

	while ((request = lanes_pop_completed(proxy->engine->crypto->lanes)) != NULL)
		resume(proxy, request->owner);
}

// Other workers' questions about our sessions, and their answers to ours.
static uint32_t look_up_sessions(struct proxy *proxy)
{
	struct tls_handshake *handshake;
	uint32_t n;

	if (proxy->lookup == NULL)
		return 0;
	n = session_lookup_serve(proxy->lookup, proxy->engine);
	counter_add(proxy->counters, COUNTER_PROXY_SESSIONS_ASKED, n);
	while ((handshake = session_lookup_next(proxy->lookup, proxy->engine)) != NULL) {
		resume(proxy, handshake);
		n++;
	}
	return n;
}

void proxy_verified(struct proxy *proxy, struct tls_reference who, const struct tls_verify_answer *answer)
{
	struct tls_handshake *handshake = tls_handshake_verified(proxy->engine, who, answer);

	if (handshake != NULL) // otherwise its client has gone
		resume(proxy, handshake);
}

uint32_t proxy_turn(struct proxy *proxy, uint64_t now_us)
{
	uint32_t n;

	proxy->now_us = now_us;
	proxy->preamble_worker.now_us = now_us;
	proxy->unfinished = false;
	n = take_events(proxy);
	n += look_up_sessions(proxy);
	n += run_timers(proxy);
	n += checks_begin(proxy);
	n += forward_run(proxy);
	// What has no more to do now is woken by an event, a lane or its timer; only buffers come back
	// silently.
	while (!proxy->unfinished && !list_empty(&proxy->active))
		list_remove(list_first(&proxy->active));
	return n;
}

uint64_t proxy_next_us(const struct proxy *proxy)
{
	uint64_t check_us = upstream_next_check_us(&proxy->upstream);
	uint64_t timer_us = timer_wheel_next_us(&proxy->wheel);

	timer_us = proxy->check_end_us < timer_us ? proxy->check_end_us : timer_us;
	if (!list_empty(&proxy->active))
		return 0;
	// A check that found no place waits for one that is out, and that one's end is an event.
	if (pool_n_free(&proxy->checks) == 0)
		return timer_us;
	return timer_us < check_us ? timer_us : check_us;
}

void proxy_stop(struct proxy *proxy)
{
	uint32_t cursor = 0;
	struct pair *pair;

	checks_stop(proxy);
	while ((pair = next_pair(proxy, &cursor)) != NULL)
		pair_abort(proxy, pair, COUNTER_PROXY_STOPPED);
}
