// SPDX-License-Identifier: Apache-2.0
#include "proxy_workers.h"

#include "base/assert.h"
#include "base/reader.h"
#include "net/packet_pool.h"
#include "proxy/session_lookup.h"
#include "proxy_world.h"
#include "seam/clock_virtual.h"
#include "tcp/output.h"

#include <rte_mempool.h>
#include <stdio.h>

enum {
	LOG_EVENTS = 256,
	N_BUFFERS = 2047,
	PATIENCE_US = 60 * 1000 * 1000,
	TOLD_MAX = 64 // connections of a seed that hear of a smaller packet size
};

struct sim_totals sim_totals;
static struct rte_mempool *small_pool, *record_pool;
static struct tls_server_config server_config;

static struct {
	struct listener_terms terms[LISTENERS];
	struct server_terms server_terms;
	struct arena arena; // what workers share
	struct session_lookup *lookup;
	struct routing_table routes;
	struct sim_snapshot snapshots[PROXY_CONFIGS_MAX];
	const struct sim_snapshot *newest;
	uint64_t reload_us; // between two reloads; 0: there are none
	uint64_t reload_next_us;
	uint32_t stall_ppm; // of turns after which a worker stands still for a while
	uint32_t check_interval_us;
	uint32_t n_servers; // of the first pool: with the second one that is dead
	bool black_hole;    // ... and does not even say so
	struct admission_limits limits;
	uint32_t listener_per_second;
	uint64_t begin_us;
	uint32_t n_tell; // of so many turns, one after which a router complains
	struct {
		uint32_t worker_idx;
		struct tcp_handle handle;
	} told[TOLD_MAX]; // sim.n_told of them
} plan;

void workers_start(void)
{
	struct tls_identity *identity = tls_fixture_identity(TLS_FIXTURE_P256);

	server_config = tls_fixture_server_config(tls_fixture_names(&identity, 1));
	small_pool = packet_pool_create("sim_small", N_BUFFERS, PROXY_SMALL_LEN, 0, 0);
	record_pool = packet_pool_create("sim_record", N_BUFFERS, PROXY_RECORD_LEN, 0, 0);
	SLUICE_ASSERT(small_pool != NULL && record_pool != NULL);
}

void workers_draw(void)
{
	memset(&plan, 0, sizeof plan);
	sim.n_workers = sim_chance(25) ? 1 : 2 + sim_below(3);
	sim.options.n_workers = sim.n_workers;
	sim.options.rss = sim.n_workers > 1 && sim_chance(50);
	if (!sim.calm && sim_chance(50))
		sim.options.misdirect_ppm = ONE_OF(1000, 50000, 500000);
	if (!sim.calm && sim_chance(40))
		plan.stall_ppm = ONE_OF(100, 1000, 20000);
	plan.n_tell = sim.calm || sim_chance(30) ? ONE_OF(1, 100) : 0;
	plan.reload_us = sim_chance(40) ? ONE_OF(1000, 20000, 300000) : 0;
	plan.check_interval_us = sim_chance(30) ? 200000 : 0;
	plan.n_servers = sim_chance(30) ? 2 : 1;
	plan.black_hole = sim.options.seed % 3 == 0;
	sim.limited = !sim.calm && sim_chance(20);
	if (!sim.limited)
		return;
	// Of all, of the listeners, whose row of counters is one, or of a source.
	if (sim_chance(30))
		plan.limits = (struct admission_limits){.handshakes_per_second = 1, .handshakes_burst = 1};
	else if (sim_chance(50))
		plan.listener_per_second = 1;
	else
		plan.limits = (struct admission_limits){
			.source_handshakes_per_second = 1, .source_handshakes_burst = 2};
	plan.limits.resumptions_pending = 16;
	plan.limits.handshakes_pending = ONE_OF(0, 2);
}

// --- snapshots ---

static const uint16_t ports[LISTENERS] = {PORT_TLS, PORT_TCP, PORT_MAIL, PORT_REDIRECT, PORT_PROXIED};
static const enum listener_protocol protocols[LISTENERS] = {
	LISTENER_TLS, LISTENER_TCP, LISTENER_MAIL, LISTENER_HTTP_REDIRECT, LISTENER_TLS};

static void make_terms(void)
{
	for (uint32_t i = 0; i < LISTENERS; i++) {
		struct listener_terms *terms = &plan.terms[i];

		terms->idx = i;
		terms->protocol = protocols[i];
		terms->log_handshakes = terms->log_connections = true;
		(void)snprintf(terms->name, sizeof terms->name, "listener %u", ports[i]);
		listener_timeouts_default(&terms->timeouts);
		// Some wires lose three SYNs in a row.
		terms->timeouts.connect_us = terms->timeouts.handshake_us = PATIENCE_US;
		terms->limits.handshakes_per_second = plan.listener_per_second;
		preamble_config_default(&terms->preamble, PREAMBLE_SMTP);
		terms->preamble.security = PREAMBLE_ENCRYPT;
	}
	plan.server_terms = (struct server_terms){.backend = "backend"};
}

static void fill_listeners(struct sim_snapshot *snapshot)
{
	static const struct ip_addr anywhere; // ::/0
	static const uint8_t anywhere_len;

	snapshot->tls = server_config;
	for (uint32_t i = 0; i < 2 * LISTENERS; i++) {
		struct proxy_listener *listener = &snapshot->listeners[i];
		uint32_t kind = i % LISTENERS;

		listener->terms = &plan.terms[kind];
		listener->addr = i < LISTENERS ? sim.twin.stacks[1].v4 : sim.twin.stacks[1].v6;
		listener->port = ports[kind];
		listener->pool_idx = protocols[kind] == LISTENER_MAIL;
		listener->redirect.port = PORT_TLS;
		listener->tls = &snapshot->tls;
		listener->accepts_proxy = ports[kind] == PORT_PROXIED;
		listener->trusted = &anywhere;
		listener->trusted_lens = &anywhere_len;
		listener->n_trusted = 1;
	}
	snapshot->config.listeners = snapshot->listeners;
	snapshot->config.n_listeners = 2 * LISTENERS;
}

static void fill_backends(struct sim_snapshot *snapshot)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		snapshot->backends[i] = (struct proxy_backend){
			.name = "backend", .locals = {sim.twin.stacks[1].v4}, .n_locals = 1};
	snapshot->backends[V6_BACKEND].locals[0] = sim.twin.stacks[1].v6;
	snapshot->config.backends = snapshot->backends;
	snapshot->config.n_backends = BACKENDS;
	snapshot->config.routes = plan.routes;
}

static bool anybody_uses(const struct sim_snapshot *snapshot)
{
	for (uint32_t i = 0; i < sim.n_workers; i++)
		if (proxy_uses(&sim.workers[i].proxy, &snapshot->config))
			return true;
	return false;
}

static void make_snapshot(void)
{
	struct sim_snapshot *snapshot = NULL;

	for (uint32_t i = 0; i < PROXY_CONFIGS_MAX; i++) {
		if (anybody_uses(&plan.snapshots[i]))
			continue;
		snapshot = &plan.snapshots[i];
		memset(snapshot, 0xa5, sizeof *snapshot); // whoever still reads it will stumble
	}
	if (snapshot == NULL)
		return;
	memset(snapshot, 0, sizeof *snapshot);
	fill_listeners(snapshot);
	fill_backends(snapshot);
	plan.newest = snapshot;
	sim_totals.n_reloads++;
}

void workers_reload(void)
{
	if (plan.reload_us == 0 || clock_now_us() < plan.reload_next_us)
		return;
	make_snapshot();
	plan.reload_next_us = clock_now_us() + plan.reload_us;
}

static void take_snapshot(struct sim_worker *worker)
{
	if (worker->snapshot == plan.newest)
		return;
	worker->snapshot = plan.newest;
	SLUICE_ASSERT(proxy_set_config(&worker->proxy, &plan.newest->config));
}

// --- start ---

static void open_backends(struct proxy *proxy)
{
	struct upstream_pool_config config;
	struct upstream_server_config servers[2] = {
		{.addr = sim.twin.stacks[0].v4, .port = PORT_BACKEND, .weight = 1},
		{.addr = sim.twin.stacks[0].v4, .port = PORT_DEAD, .weight = 1}};

	for (uint32_t i = 0; i < 2; i++)
		servers[i].terms = &plan.server_terms;
	if (plan.black_hole)
		servers[1].addr = ip_addr_v4_of(192, 0, 2, 77);
	upstream_pool_config_default(&config);
	config.check_interval_us = plan.check_interval_us;
	config.check_timeout_us = PATIENCE_US / 4; // on a wire that loses SYNs a server is not down
	SLUICE_ASSERT(upstream_set_pool(&proxy->upstream, 0, &config, servers, plan.n_servers));
	servers[0].port = PORT_MAIL_BACKEND;
	SLUICE_ASSERT(upstream_set_pool(&proxy->upstream, 1, &config, servers, 1));
	servers[0].port = PORT_BACKEND;
	servers[0].addr = sim.twin.stacks[0].v6;
	SLUICE_ASSERT(upstream_set_pool(&proxy->upstream, V6_BACKEND, &config, servers, 1));
}

static void open_worker(uint32_t idx)
{
	const struct tls_engine_settings settings = {
		.n_handshakes = 32, .n_sessions = 32, .worker_idx = (uint16_t)idx};
	struct sim_worker *worker = &sim.workers[idx];
	struct proxy_setup setup = {.engine = &worker->tls.engine,
		.lookup = plan.lookup,
		.log = &worker->log,
		.small_pool = small_pool,
		.record_pool = record_pool,
		.n_pairs = 32,
		.n_preambles = 8,
		.n_redirects = 4,
		.n_sources = 64,
		.limits = plan.limits,
		.holds = {.listeners = worker->listener_holds, .servers = &worker->server_hold},
		.upstream = {.n_pools = BACKENDS, .n_servers = 5}};

	memset(worker, 0, sizeof *worker);
	worker->stack = twin_worker(&sim.twin, idx);
	setup.tcp = worker->stack->tcp;
	setup.counters = &worker->stack->counters;
	tls_fixture_init(&worker->tls, &settings);
	tls_fixture_ticket_keys(&worker->tls, 1, 2, 0);
	SLUICE_ASSERT(arena_init(
		&worker->arena, proxy_footprint(&setup) + LOG_EVENTS * sizeof(struct log_event) + 65536));
	SLUICE_ASSERT(log_ring_init(&worker->log, &worker->arena, LOG_EVENTS, (uint16_t)idx));
	SLUICE_ASSERT(proxy_init(&worker->proxy, &worker->arena, &setup, clock_now_us()));
	open_backends(&worker->proxy);
}

void workers_open(void)
{
	struct routing_rule rules[] = {{.listener_idx = 0, .backend_idx = sim_chance(25) ? V6_BACKEND : 0}};
	uint32_t rule_idx;

	plan.begin_us = clock_now_us();
	make_terms();
	SLUICE_ASSERT(arena_init(&plan.arena, session_lookup_footprint(sim.n_workers) + 65536));
	SLUICE_ASSERT(routing_build(&plan.routes, &plan.arena, rules, 1, &rule_idx) == ROUTING_OK);
	if (sim.n_workers > 1) {
		plan.lookup = session_lookup_init(&plan.arena, sim.n_workers);
		SLUICE_ASSERT(plan.lookup != NULL);
	}
	for (uint32_t i = 0; i < sim.n_workers; i++)
		open_worker(i);
	make_snapshot();
	for (uint32_t i = 0; i < sim.n_workers; i++)
		take_snapshot(&sim.workers[i]);
}

// --- what is checked after a turn ---

// The end of a connection is told under the names that it began with, however many reloads ago.
static void check_end(const struct log_event *event)
{
	struct reader reader = reader_over(span_of(event->details, event->details_len));
	struct span listener = reader_bytes(&reader, reader_u8(&reader));
	struct span backend;
	bool known = false;

	for (uint32_t i = 0; i < LISTENERS; i++)
		known = known || span_equal(listener, span_of_string(plan.terms[i].name));
	(void)reader_bytes(&reader, reader_u8(&reader));    // protocol
	(void)reader_bytes(&reader, 2 * (IP_ADDR_LEN + 2)); // peer and own
	(void)reader_bytes(&reader, reader_u8(&reader));    // reason
	(void)reader_bytes(&reader, reader_u8(&reader));    // detail
	backend = reader_bytes(&reader, reader_u8(&reader));
	SLUICE_ASSERT(reader_ok(&reader) && known);
	SLUICE_ASSERT(backend.len == 0 || span_equal(backend, span_of_string("backend")));
}

static void take_events(struct sim_worker *worker)
{
	struct log_event event;

	while (log_ring_pop(&worker->log, &event)) {
		SLUICE_ASSERT(event.kind < N_LOG_EVENTS && event.details_len != 0);
		if (event.kind == LOG_EVENT_CONNECTION_END)
			check_end(&event);
		worker->n_events[event.kind]++;
	}
}

// Plaintext that could leave in this turn is on its way: a record waits only behind bytes that wait for the
// peer. And an idle connection holds no buffer.
static void check_prompt(struct proxy *proxy, struct pair *pair)
{
	for (uint32_t side = 0; side < 2; side++) {
		const struct leg *from = &pair->legs[side], *to = &pair->legs[side ^ 1];

		if (!leg_is(to, LEG_TLS) || proxy->unfinished)
			continue;
		SLUICE_ASSERT(leg_readable(proxy, from) == 0 || leg_space(proxy, to) == 0 ||
			      tcp_backlog(tcp_conn_at(proxy->tcp, to->tcp)) != 0);
		SLUICE_ASSERT(to->shared == NULL || !leg_is(to, LEG_SHUT));
		sim_totals.n_waits += leg_readable(proxy, from) != 0 && leg_space(proxy, to) != 0;
		sim_totals.n_shared += to->shared != NULL;
	}
}

// Both connections of a pair belong to the worker that has it: no packet of theirs needs another one.
static void check_owner(const struct sim_worker *worker, const struct pair *pair)
{
	const struct net *net = worker->stack->net;

	for (uint32_t side = 0; side < 2; side++) {
		const struct leg *leg = &pair->legs[side];
		struct tcp_conn_info info;

		if (!leg_is(leg, LEG_OPEN))
			continue;
		tcp_conn_info(worker->stack->tcp, tcp_conn_at(worker->stack->tcp, leg->tcp), &info);
		SLUICE_ASSERT(net_worker_of(net, 0, &info.key) == net_worker_idx(net));
	}
}

// A leg that broke ends its pair in the turn that sees it: nothing else may come that would wake the pair.
static void check_pairs(struct sim_worker *worker)
{
	struct proxy *proxy = &worker->proxy;

	SLUICE_ASSERT(proxy->check_end_us > proxy->now_us &&
		      (proxy->checks.n_used == 0 || proxy->check_end_us != UINT64_MAX));
	for (uint32_t i = 0; i < proxy->pairs.n_items; i++) {
		struct pair *pair = pool_at(&proxy->pairs, i);

		if (!pool_in_use(&proxy->pairs, i))
			continue;
		if (pair->phase_us == proxy->now_us)
			check_owner(worker, pair);
		if (pair->phase == PAIR_FORWARD)
			check_prompt(proxy, pair);
		if (!list_link_linked(&pair->active) && pair->phase != PAIR_ENDING)
			SLUICE_ASSERT(((pair->legs[0].flags | pair->legs[1].flags) & LEG_BROKEN) == 0);
	}
}

// No more full handshakes than a source and all sources together may have had by now. The world is two
// sources.
static void check_limits(const struct sim_worker *worker)
{
	const struct admission_limits *limits = &plan.limits;
	uint64_t n_full = counter_get(&worker->stack->counters, COUNTER_PROXY_HANDSHAKES_FULL);
	uint64_t seconds = (clock_now_us() - plan.begin_us) / 1000000;

	if (!sim.limited)
		return;
	if (limits->handshakes_per_second != 0 || plan.listener_per_second != 0)
		SLUICE_ASSERT(n_full <= 1 + seconds);
	else
		SLUICE_ASSERT(n_full <= 2 * (limits->source_handshakes_burst + seconds));
	SLUICE_ASSERT(worker->proxy.n_handshakes <= limits->resumptions_pending);
}

static bool was_told(uint32_t worker_idx, const struct leg *leg)
{
	for (uint32_t i = 0; i < sim.n_told; i++)
		if (plan.told[i].worker_idx == worker_idx &&
			memcmp(&plan.told[i].handle, &leg->tcp, sizeof leg->tcp) == 0)
			return true;
	return false;
}

// A connection that may hear of a smaller packet size after this turn; NULL: not this time. Each hears it
// once.
static const struct leg *choose_leg(uint32_t idx)
{
	const struct pool *pairs = &sim.workers[idx].proxy.pairs;
	uint32_t pair_idx = sim_below(FLOWS_MAX), side = sim_below(2); // the pool gives low places first
	const struct pair *pair = pool_at(pairs, pair_idx);
	const struct leg *leg = &pair->legs[side];

	if (sim.n_told == TOLD_MAX || !pool_in_use(pairs, pair_idx) || pair->phase != PAIR_FORWARD ||
		!leg_is(leg, LEG_OPEN) || was_told(idx, leg))
		return NULL;
	return leg;
}

static void look_at(uint32_t idx, const struct leg *leg, struct tcp_conn_info *out)
{
	struct tcp *tcp = sim.workers[idx].proxy.tcp;

	tcp_conn_info(tcp, tcp_conn_at(tcp, leg->tcp), out);
}

// Sends, and a router on the way complains about the size of what a connection has sent just now: what was
// sent before may have been acknowledged by the time that it hears of it.
static void send_and_tell(uint32_t idx)
{
	const struct leg *leg = choose_leg(idx);
	struct tcp_conn_info before, after;

	if (leg != NULL)
		look_at(idx, leg, &before);
	twin_worker_send(&sim.twin, idx);
	if (leg == NULL)
		return;
	look_at(idx, leg, &after);
	if (!ip_addr_is_v4(&after.key.local) || after.mss < TOLD_MTU || before.snd_una != after.snd_una ||
		before.n_unacked == after.n_unacked ||
		!world_tell_too_big(&after.key, after.snd_una + after.n_unacked - 1))
		return;
	plan.told[sim.n_told].worker_idx = idx;
	plan.told[sim.n_told++].handle = leg->tcp;
}

// --- the turn ---

static bool stalls(struct sim_worker *worker)
{
	if (clock_now_us() < worker->stalled_until_us)
		return true;
	if (plan.stall_ppm == 0 || sim_below(1000000) >= plan.stall_ppm)
		return false;
	worker->stalled_until_us = clock_now_us() + ONE_OF(500, 20000, 200000);
	sim_totals.n_stalls++;
	return true;
}

void workers_turn(uint32_t idx)
{
	struct sim_worker *worker = &sim.workers[idx];
	struct crypto *crypto = &worker->tls.crypto;

	if (stalls(worker))
		return;
	twin_worker_receive(&sim.twin, idx);
	take_snapshot(worker);
	crypto_begin_turn(crypto, clock_now_us(), clock_tsc());
	tls_engine_set_wall(&worker->tls.engine, clock_wall_us());
	(void)lanes_run(crypto->lanes, crypto->now_tsc, true);
	proxy_lanes(&worker->proxy);
	(void)proxy_turn(&worker->proxy, clock_now_us());
	tcp_check_invariants(worker->stack->tcp);
	check_pairs(worker);
	check_limits(worker);
	take_events(worker);
	if (plan.n_tell != 0 && sim_below(plan.n_tell) == 0)
		send_and_tell(idx);
	else
		twin_worker_send(&sim.twin, idx);
}

uint64_t workers_next_us(void)
{
	uint64_t next_us = UINT64_MAX;

	for (uint32_t i = 0; i < sim.n_workers; i++) {
		const struct sim_worker *worker = &sim.workers[i];
		uint64_t stack_us = twin_worker_next_us(&sim.twin, i);
		uint64_t due_us = proxy_next_us(&worker->proxy);

		due_us = stack_us < due_us ? stack_us : due_us;
		due_us = due_us > worker->stalled_until_us ? due_us : worker->stalled_until_us;
		next_us = due_us < next_us ? due_us : next_us;
	}
	return next_us;
}

// --- the end ---

bool workers_idle(void)
{
	for (uint32_t i = 0; i < sim.n_workers; i++)
		if (sim.workers[i].proxy.pairs.n_used != 0)
			return false;
	return true;
}

static void describe_worker(uint32_t idx)
{
	const struct sim_worker *worker = &sim.workers[idx];
	const struct pool *pairs = &worker->proxy.pairs;

	for (uint32_t i = 0; i < pairs->n_items; i++) {
		const struct pair *pair = pool_at(pairs, i);

		if (pool_in_use(pairs, i))
			fprintf(stderr, "worker %u, pair %u: phase %d flags %x %x opened %u %u\n", idx, i,
				pair->phase, pair->legs[0].flags, pair->legs[1].flags,
				pair->legs[0].opened_len, pair->legs[1].opened_len);
	}
}

static void describe_counters(const char *who, const struct counters *counters)
{
	for (uint32_t id = 0; id < COUNTER_PROXY_HANDSHAKE_US; id++) {
		uint64_t n = counter_get(counters, (enum counter)id);

		if (n != 0)
			fprintf(stderr, "%s: %llu %s\n", who, (unsigned long long)n,
				counter_name((enum counter)id));
	}
}

void workers_describe(void)
{
	fprintf(stderr, "%u workers, rss %d\n", sim.n_workers, sim.options.rss);
	for (uint32_t i = 0; i < 2; i++) {
		const struct port_mem_wire *wire = &sim.options.wire[i];
		struct port_mem_stats stats;

		port_mem_wire_stats(sim.twin.stacks[i].wire_end, &stats);
		fprintf(stderr, "side %u sends: %u ppm lost, %u us, %llu sent, %llu lost, %llu no room\n", i,
			wire->loss_ppm, wire->delay_us, (unsigned long long)stats.sent,
			(unsigned long long)stats.lost,
			(unsigned long long)(stats.queue_full + stats.no_mbuf));
	}
	describe_counters("world", &sim.twin.stacks[0].counters);
	for (uint32_t i = 0; i < sim.n_workers; i++) {
		char who[16];

		(void)snprintf(who, sizeof who, "worker %u", i);
		describe_worker(i);
		describe_counters(who, &sim.workers[i].stack->counters);
	}
}

static uint64_t count(enum counter id)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < sim.n_workers; i++)
		n += counter_get(&sim.workers[i].stack->counters, id);
	return n;
}

static void check_worker(struct sim_worker *worker)
{
	const struct counters *counters = &worker->stack->counters;
	struct proxy *proxy = &worker->proxy;

	for (uint32_t i = 0; i < proxy->upstream.servers.n_items; i++)
		SLUICE_ASSERT(upstream_server_at(&proxy->upstream, i)->n_connections == 0);
	SLUICE_ASSERT(proxy->tls_conns.n_used == 0 && proxy->admission.n_connections == 0);
	SLUICE_ASSERT(proxy->preambles.n_used == 0 && proxy->redirects.n_used == 0);
	SLUICE_ASSERT(worker->tls.engine.handshakes.n_used == 0 && proxy->n_handshakes == 0);
	for (uint32_t i = 0; i < LISTENERS; i++)
		SLUICE_ASSERT(worker->listener_holds[i] == 0);
	proxy_stop(proxy);
	take_events(worker);
	// Each connection's end was told, and each handshake's.
	SLUICE_ASSERT(worker->n_events[LOG_EVENT_CONNECTION_END] ==
		      counter_get(counters, COUNTER_PROXY_CONNECTIONS));
	SLUICE_ASSERT(worker->n_events[LOG_EVENT_TLS_SESSION] ==
		      counter_get(counters, COUNTER_PROXY_HANDSHAKES_FULL) +
			      counter_get(counters, COUNTER_PROXY_HANDSHAKES_RESUMED));
	SLUICE_ASSERT(worker->n_events[LOG_EVENT_TLS_FAILURE] ==
		      counter_get(counters, COUNTER_PROXY_HANDSHAKES_FAILED));
	SLUICE_ASSERT(counter_get(counters, COUNTER_MAIL_SMTP_STARTED) ==
		      counter_get(counters, COUNTER_MAIL_SMTP_USED) +
			      counter_get(counters, COUNTER_MAIL_SMTP_FAILED));
	SLUICE_ASSERT(counter_get(counters, COUNTER_PROXY_EVENTS_DROPPED) == 0);
}

void workers_check_end(void)
{
	for (uint32_t i = 0; i < sim.n_workers; i++)
		check_worker(&sim.workers[i]);
	// With nothing in the way every complaint has reached the connection that it was about.
	if (sim.calm && count(COUNTER_NET_DROP_EXCHANGE) == 0)
		SLUICE_ASSERT(count(COUNTER_TCP_MTU_LOWERED) == sim.n_told);
	for (uint32_t id = 0; id < N_COUNTERS; id++) {
		uint64_t n = count((enum counter)id);

		sim_totals.counters[id] += n;
		sim_totals.by_others[id] += n -
					    counter_get(&sim.workers[0].stack->counters, (enum counter)id);
	}
	sim_totals.n_misdirected += sim.twin.stacks[1].port.n_misdirected;
	sim_totals.n_told += sim.n_told;
}

void workers_close(void)
{
	for (uint32_t i = 0; i < sim.n_workers; i++)
		tls_fixture_destroy(&sim.workers[i].tls);
	twin_close(&sim.twin);
	SLUICE_ASSERT(rte_mempool_avail_count(small_pool) == N_BUFFERS);
	SLUICE_ASSERT(rte_mempool_avail_count(record_pool) == N_BUFFERS);
	for (uint32_t i = 0; i < sim.n_workers; i++)
		arena_destroy(&sim.workers[i].arena);
	arena_destroy(&plan.arena);
}
