// SPDX-License-Identifier: Apache-2.0
//
// The deterministic simulation of a whole worker: clients and backends on one stack ("the world"), the proxy
// with its TCP and TLS on the other, a wire with its own kinds of harm for each seed. Every byte that arrives
// must be the right one and in order; a stream that both ends meant to end in order must arrive whole, with
// its end; every connection must come to its end; nothing may be left in any pool.
//
//   proxy_sim [FIRST_SEED [COUNT]]      one seed that failed replays alone: proxy_sim SEED 1
#include "base/assert.h"
#include "base/reader.h"
#include "net/packet_pool.h"
#include "proxy_world.h"
#include "seam/clock_virtual.h"
#include "seam/random_seeded.h"
#include "tcp/output.h"

#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct sim sim;
enum {
	LOG_EVENTS = 256,
	N_BUFFERS = 2047,
	END_BOUND_S = 1000
};

static uint64_t current_seed;
static uint64_t totals[N_COUNTERS];           // the proxy's, over all seeds
static uint64_t n_reloads, n_waits, n_shared; // that something was waiting, or shared, after a turn
static struct rte_mempool *small_pool, *record_pool;
static struct tls_fixture_verifier verifier;
static struct tls_client_config client_configs[2]; // of both versions, of TLS 1.2
static struct tls_session_slot slots[2];
static struct tls_server_config server_config;

static void on_abort(int signal_number)
{
	char line[64];
	int len = snprintf(line, sizeof line, "failed: proxy_sim %llu 1\n", (unsigned long long)current_seed);

	(void)signal_number;
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

// --- the run ---

static void worker_turn(void)
{
	struct crypto *crypto = &sim.worker.crypto;

	crypto_begin_turn(crypto, clock_now_us(), clock_tsc());
	tls_engine_set_wall(&sim.worker.engine, clock_wall_us());
	(void)lanes_run(crypto->lanes, crypto->now_tsc, true);
	proxy_lanes(&sim.proxy);
	(void)proxy_turn(&sim.proxy, clock_now_us());
}

static struct port_mem_wire random_wire(void)
{
	struct port_mem_wire wire = {.delay_us = ONE_OF(20, 100, 1000, 5000, 20000)};

	if (sim_chance(60))
		wire.loss_ppm = ONE_OF(100, 1000, 10000, 50000);
	if (sim_chance(30))
		wire.duplicate_ppm = ONE_OF(1000, 10000);
	if (sim_chance(30)) {
		wire.reorder_ppm = ONE_OF(1000, 20000);
		wire.reorder_us = ONE_OF(50, 500, 5000);
	}
	return wire;
}

static struct tcp_config random_tcp(uint32_t side)
{
	struct tcp_config config;

	tcp_config_default(&config, 64);
	config.n_listeners = 2 * LISTENERS;
	config.send_buffer = side == 1 ? ONE_OF(40000, 65536, 300000) : ONE_OF(20000, 65536);
	config.receive_window_initial = side == 1 ? ONE_OF(20000, 65535) : ONE_OF(3000, 16384, 65535);
	config.receive_window_max = ONE_OF(65535, 300000);
	config.rto_max_ms = 2000;
	config.user_timeout_ms = 0;
	config.time_wait_ms = 2000;
	config.fin_wait_2_ms = 60000;
	// A reset that was lost is asked for again.
	config.keepalive_idle_ms = side == 0 ? 5000 : 0;
	config.keepalive_interval_ms = 1000;
	config.keepalive_probes = 50;
	config.nagle = false;
	for (uint32_t i = 0; i < sizeof config.secret; i++)
		config.secret[i] = (uint8_t)sim_random();
	return config;
}

// Which version, and whether a session is resumed: the later a flow begins, the likelier there is one.
static void choose_tls(struct flow *flow)
{
	uint32_t version = sim_chance(35);

	flow->config = &client_configs[version];
	flow->slot = sim_chance(60) ? &slots[version] : NULL;
}

static void make_flow(struct flow *flow)
{
	memset(flow, 0, sizeof *flow);
	flow->has_tls = sim_chance(70);
	flow->v6 = sim_chance(25);
	flow->seed = (uint32_t)sim_random();
	flow->start_us = clock_now_us() + sim_below(500000);
	flow->client.n_to_send = 4 + (sim_chance(20) ? 0 : sim_below(ONE_OF(10, 3000, 200000)));
	flow->backend.n_to_send = sim_chance(10) ? 0 : sim_below(ONE_OF(10, 3000, 300000));
	if (sim_chance(30))
		flow->client.mood = sim_below(N_MOODS);
	if (sim_chance(30))
		flow->backend.mood = ONE_OF(MOOD_ORDERLY, MOOD_RESETS, MOOD_STALLS);
	if (flow->client.mood == MOOD_CUTS && !flow->has_tls)
		flow->client.mood = MOOD_ORDERLY;
	flow->trickles = flow->has_tls && sim_chance(15);
	if (flow->trickles)
		flow->client.n_to_send = 4 + sim_below(20000);
	if (sim_chance(20) && flow->client.mood < MOOD_CUTS) {
		flow->mail = MAIL_GREETING;
		flow->has_tls = false;
	}
	flow->proxied = flow->has_tls && sim_chance(10);
	choose_tls(flow);
	if (flow->client.mood >= MOOD_GARBAGE) {
		flow->proxied = false;
		flow->has_tls = false;
		flow->client.n_to_send = 0;
		flow->client.ended = true;
	}
}

static const uint16_t ports[LISTENERS] = {PORT_TLS, PORT_TCP, PORT_MAIL, PORT_REDIRECT, PORT_PROXIED};
static const enum listener_protocol protocols[LISTENERS] = {
	LISTENER_TLS, LISTENER_TCP, LISTENER_MAIL, LISTENER_HTTP_REDIRECT, LISTENER_TLS};

static void make_terms(void)
{
	memset(sim.terms, 0, sizeof sim.terms);
	for (uint32_t i = 0; i < LISTENERS; i++) {
		struct listener_terms *terms = &sim.terms[i];

		terms->idx = i;
		terms->protocol = protocols[i];
		terms->log_handshakes = terms->log_connections = true;
		(void)snprintf(terms->name, sizeof terms->name, "listener %u", ports[i]);
		listener_timeouts_default(&terms->timeouts);
		preamble_config_default(&terms->preamble, PREAMBLE_SMTP);
		terms->preamble.security = PREAMBLE_ENCRYPT;
		atomic_store(&sim.listener_holds[i], 0);
	}
	sim.server_terms = (struct server_terms){.backend = "backend"};
	atomic_store(&sim.server_hold, 0);
}

static void fill_listeners(struct sim_snapshot *snapshot)
{
	static const struct ip_addr anywhere; // ::/0
	static const uint8_t anywhere_len;

	snapshot->tls = server_config;
	for (uint32_t i = 0; i < 2 * LISTENERS; i++) {
		struct proxy_listener *listener = &snapshot->listeners[i];
		uint32_t kind = i % LISTENERS;

		listener->terms = &sim.terms[kind];
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
	snapshot->config.routes = sim.routes;
}

// A new snapshot in place of the one in force, if one of them is free.
static void reload(void)
{
	struct sim_snapshot *snapshot = NULL;

	for (uint32_t i = 0; i < PROXY_CONFIGS_MAX; i++) {
		if (proxy_uses(&sim.proxy, &sim.snapshots[i].config))
			continue;
		snapshot = &sim.snapshots[i];
		memset(snapshot, 0xa5, sizeof *snapshot); // whoever still reads it will stumble
	}
	if (snapshot == NULL)
		return;
	memset(snapshot, 0, sizeof *snapshot);
	fill_listeners(snapshot);
	fill_backends(snapshot);
	SLUICE_ASSERT(proxy_set_config(&sim.proxy, &snapshot->config));
	sim.snapshot = snapshot;
	n_reloads++;
}

static void reload_now_and_then(void)
{
	if (sim.reload_us == 0 || clock_now_us() < sim.reload_next_us)
		return;
	reload();
	sim.reload_next_us = clock_now_us() + sim.reload_us;
}

static void open_backends(void)
{
	struct upstream_pool_config config;
	struct upstream_server_config servers[2] = {
		{.addr = sim.twin.stacks[0].v4, .port = PORT_BACKEND, .weight = 1},
		{.addr = sim.twin.stacks[0].v4, .port = PORT_DEAD, .weight = 1}};

	for (uint32_t i = 0; i < 2; i++)
		servers[i].terms = &sim.server_terms;

	upstream_pool_config_default(&config);
	config.check_interval_us = sim_chance(30) ? 200000 : 0;
	SLUICE_ASSERT(upstream_set_pool(&sim.proxy.upstream, 0, &config, servers, sim_chance(30) ? 2 : 1));
	servers[0].port = PORT_MAIL_BACKEND;
	SLUICE_ASSERT(upstream_set_pool(&sim.proxy.upstream, 1, &config, servers, 1));
	servers[0].port = PORT_BACKEND;
	servers[0].addr = sim.twin.stacks[0].v6;
	SLUICE_ASSERT(upstream_set_pool(&sim.proxy.upstream, V6_BACKEND, &config, servers, 1));
}

static void open_proxy(void)
{
	struct routing_rule rules[] = {{.listener_idx = 0, .backend_idx = sim_chance(25) ? V6_BACKEND : 0}};
	struct proxy_setup setup = {.tcp = sim.twin.stacks[1].tcp,
		.engine = &sim.worker.engine,
		.counters = &sim.twin.stacks[1].counters,
		.log = &sim.log,
		.small_pool = small_pool,
		.record_pool = record_pool,
		.n_pairs = 32,
		.n_preambles = 8,
		.n_redirects = 4,
		.n_sources = 64,
		.holds = {.listeners = sim.listener_holds, .servers = &sim.server_hold},
		.upstream = {.n_pools = BACKENDS, .n_servers = 5}};
	uint32_t rule_idx;

	SLUICE_ASSERT(arena_init(
		&sim.arena, proxy_footprint(&setup) + LOG_EVENTS * sizeof(struct log_event) + 65536));
	SLUICE_ASSERT(log_ring_init(&sim.log, &sim.arena, LOG_EVENTS, 0));
	SLUICE_ASSERT(proxy_init(&sim.proxy, &sim.arena, &setup, clock_now_us()));
	SLUICE_ASSERT(routing_build(&sim.routes, &sim.arena, rules, 1, &rule_idx) == ROUTING_OK);
	make_terms();
	open_backends();
	reload();
	sim.reload_us = sim_chance(40) ? ONE_OF(1000, 20000, 300000) : 0;
	sim.reload_next_us = 0;
	world_listen();
	sim.backends_dead = false;
	sim.backends_die_us = sim_chance(15) ? clock_now_us() + sim_below(2000000) : 0;
	sim.backends_back_us = sim.backends_die_us + ONE_OF(100000, 2000000);
}

static bool orderly(const struct flow *flow)
{
	return sim.backends_die_us == 0 &&
	       (flow->client.mood == MOOD_ORDERLY || flow->client.mood == MOOD_STALLS) &&
	       (flow->backend.mood == MOOD_ORDERLY || flow->backend.mood == MOOD_STALLS);
}

static bool all_done(void)
{
	for (uint32_t i = 0; i < sim.n_flows; i++)
		if (!sim.flows[i].client.gone || sim.flows[i].backend.alive)
			return false;
	return sim.proxy.pairs.n_used == 0;
}

static void describe(const char *who, const struct peer *peer)
{
	fprintf(stderr,
		"  %s: alive %d gone %d mood %d sent %u of %u received %u broken %d ended %d heard_end %d\n",
		who, peer->alive, peer->gone, (int)peer->mood, peer->n_sent, peer->n_to_send,
		peer->n_received, peer->broken, peer->ended, peer->heard_end);
}

static void describe_stall(void)
{
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		fprintf(stderr, "flow %u, tls %d\n", i, sim.flows[i].has_tls);
		describe("client", &sim.flows[i].client);
		describe("backend", &sim.flows[i].backend);
	}
	for (uint32_t i = 0; i < sim.proxy.pairs.n_items; i++) {
		const struct pair *pair = pool_at(&sim.proxy.pairs, i);

		if (pool_in_use(&sim.proxy.pairs, i))
			fprintf(stderr, "pair %u: phase %d flags %x %x opened %u %u\n", i, pair->phase,
				pair->legs[0].flags, pair->legs[1].flags, pair->legs[0].opened_len,
				pair->legs[1].opened_len);
	}
}

static void check_flow(const struct flow *flow)
{
	// A clean end is heard only where one was said.
	SLUICE_ASSERT(!flow->backend.heard_end || (flow->client.ended && flow->client.mood != MOOD_CUTS));
	SLUICE_ASSERT(!flow->client.heard_end || flow->backend.ended || flow->client.mood >= MOOD_GARBAGE ||
		      flow->refused);
	if (!orderly(flow))
		return;
	if (flow->client.broken || flow->client.n_received != flow->backend.n_to_send) {
		fprintf(stderr, "flow %d, tls %d\n", (int)(flow - sim.flows), flow->has_tls);
		describe("client", &flow->client);
		describe("backend", &flow->backend);
	}
	SLUICE_ASSERT(!flow->client.broken && !flow->backend.broken);
	SLUICE_ASSERT(flow->client.n_received == flow->backend.n_to_send);
	SLUICE_ASSERT(flow->backend.n_received == flow->client.n_to_send);
	SLUICE_ASSERT(flow->client.heard_end && flow->backend.heard_end);
}

// The end of a connection is told under the names that it began with, however many reloads ago.
static void check_end(const struct log_event *event)
{
	struct reader reader = reader_over(span_of(event->details, event->details_len));
	struct span listener = reader_bytes(&reader, reader_u8(&reader));
	struct span backend;
	bool known = false;

	for (uint32_t i = 0; i < LISTENERS; i++)
		known = known || span_equal(listener, span_of_string(sim.terms[i].name));
	(void)reader_bytes(&reader, reader_u8(&reader));    // protocol
	(void)reader_bytes(&reader, 2 * (IP_ADDR_LEN + 2)); // peer and own
	(void)reader_bytes(&reader, reader_u8(&reader));    // reason
	(void)reader_bytes(&reader, reader_u8(&reader));    // detail
	backend = reader_bytes(&reader, reader_u8(&reader));
	SLUICE_ASSERT(reader_ok(&reader) && known);
	SLUICE_ASSERT(backend.len == 0 || span_equal(backend, span_of_string("backend")));
}

static void take_events(void)
{
	struct log_event event;

	while (log_ring_pop(&sim.log, &event)) {
		SLUICE_ASSERT(event.kind < N_LOG_EVENTS && event.details_len != 0);
		if (event.kind == LOG_EVENT_CONNECTION_END)
			check_end(&event);
		sim.n_events[event.kind]++;
	}
}

// Each connection's end was told, and each handshake's.
static void check_events(void)
{
	const struct twin *twin = &sim.twin;

	take_events();
	SLUICE_ASSERT(
		sim.n_events[LOG_EVENT_CONNECTION_END] == twin_count(twin, 1, COUNTER_PROXY_CONNECTIONS));
	SLUICE_ASSERT(sim.n_events[LOG_EVENT_TLS_SESSION] ==
		      twin_count(twin, 1, COUNTER_PROXY_HANDSHAKES_FULL) +
			      twin_count(twin, 1, COUNTER_PROXY_HANDSHAKES_RESUMED));
	SLUICE_ASSERT(
		sim.n_events[LOG_EVENT_TLS_FAILURE] == twin_count(twin, 1, COUNTER_PROXY_HANDSHAKES_FAILED));
	SLUICE_ASSERT(twin_count(twin, 1, COUNTER_PROXY_EVENTS_DROPPED) == 0);
}

// A leg that broke ends its pair in the turn that sees it: nothing else may come that would wake the pair.
// Plaintext that could leave in this turn is on its way: a record waits only behind bytes that wait for the
// peer. And an idle connection holds no buffer.
static void check_prompt(struct pair *pair)
{
	for (uint32_t side = 0; side < 2; side++) {
		const struct leg *from = &pair->legs[side], *to = &pair->legs[side ^ 1];

		if (!leg_is(to, LEG_TLS) || sim.proxy.unfinished)
			continue;
		SLUICE_ASSERT(leg_readable(&sim.proxy, from) == 0 || leg_space(&sim.proxy, to) == 0 ||
			      tcp_backlog(tcp_conn_at(sim.proxy.tcp, to->tcp)) != 0);
		SLUICE_ASSERT(to->shared == NULL || !leg_is(to, LEG_SHUT));
		n_waits += leg_readable(&sim.proxy, from) != 0 && leg_space(&sim.proxy, to) != 0;
		n_shared += to->shared != NULL;
	}
}

static void check_pairs(void)
{
	for (uint32_t i = 0; i < sim.proxy.pairs.n_items; i++) {
		struct pair *pair = pool_at(&sim.proxy.pairs, i);

		if (pool_in_use(&sim.proxy.pairs, i) && pair->phase == PAIR_FORWARD)
			check_prompt(pair);
		if (!pool_in_use(&sim.proxy.pairs, i) || list_link_linked(&pair->active) ||
			pair->phase == PAIR_ENDING)
			continue;
		SLUICE_ASSERT(((pair->legs[0].flags | pair->legs[1].flags) & LEG_BROKEN) == 0);
	}
}

static void run(void)
{
	while (!all_done()) {
		uint64_t next_us;

		twin_receive(&sim.twin, 0);
		world_turn();
		twin_send(&sim.twin, 0);
		twin_receive(&sim.twin, 1);
		reload_now_and_then();
		worker_turn();
		tcp_check_invariants(sim.twin.stacks[1].tcp);
		check_pairs();
		take_events();
		twin_send(&sim.twin, 1);
		next_us = twin_next_us(&sim.twin);
		if (proxy_next_us(&sim.proxy) < next_us)
			next_us = proxy_next_us(&sim.proxy);
		if (next_us > clock_now_us() + 1000)
			next_us = clock_now_us() + 1000;
		clock_virtual_set_now(next_us > clock_now_us() + 10 ? next_us : clock_now_us() + 10);
		if (clock_now_us() >= UINT64_C(1000000) * END_BOUND_S)
			describe_stall();
		SLUICE_ASSERT(clock_now_us() < UINT64_C(1000000) * END_BOUND_S);
	}
}

static void run_seed(uint64_t seed)
{
	const struct tls_engine_settings settings = {.n_handshakes = 32, .n_clients = 32, .n_sessions = 32};

	current_seed = seed;
	sim.random = seed;
	random_seeded_set(seed);
	sim.options = (struct twin_options){.seed = seed,
		.mtu = (uint16_t)ONE_OF(1280, 1500, 1500),
		.wire = {random_wire(), random_wire()}};
	sim.options.tcp[0] = random_tcp(0);
	sim.options.tcp[1] = random_tcp(1);
	twin_open(&sim.twin, &sim.options);
	tls_fixture_init(&sim.world, &settings);
	tls_fixture_init(&sim.worker, &settings);
	tls_fixture_ticket_keys(&sim.worker, 1, 2, 0);
	memset(slots, 0, sizeof slots);
	memset(sim.n_events, 0, sizeof sim.n_events);
	open_proxy();
	sim.n_flows = 1 + sim_below(FLOWS_MAX);
	for (uint32_t i = 0; i < sim.n_flows; i++)
		make_flow(&sim.flows[i]);
	run();
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		check_flow(&sim.flows[i]);
		if (sim.flows[i].tls_begun)
			tls_end_destroy(&sim.flows[i].tls);
	}
	for (uint32_t i = 0; i < sim.proxy.upstream.servers.n_items; i++)
		SLUICE_ASSERT(upstream_server_at(&sim.proxy.upstream, i)->n_connections == 0);
	SLUICE_ASSERT(sim.proxy.tls_conns.n_used == 0 && sim.proxy.admission.n_connections == 0);
	SLUICE_ASSERT(sim.worker.engine.handshakes.n_used == 0 && sim.proxy.n_handshakes == 0);
	for (uint32_t i = 0; i < LISTENERS; i++)
		SLUICE_ASSERT(sim.listener_holds[i] == 0);
	proxy_stop(&sim.proxy);
	check_events();
	for (uint32_t i = 0; i < N_COUNTERS; i++)
		totals[i] += twin_count(&sim.twin, 1, (enum counter)i);
	tls_fixture_destroy(&sim.worker);
	tls_fixture_destroy(&sim.world);
	twin_close(&sim.twin);
	SLUICE_ASSERT(rte_mempool_avail_count(small_pool) == N_BUFFERS);
	SLUICE_ASSERT(rte_mempool_avail_count(record_pool) == N_BUFFERS);
	arena_destroy(&sim.arena);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;
	struct tls_identity *identity;

	(void)signal(SIGABRT, on_abort);
	twin_start(8191, 1500, APP_BUFFER_LEN, 0);
	small_pool = packet_pool_create("sim_small", N_BUFFERS, PROXY_SMALL_LEN, 0, 0);
	record_pool = packet_pool_create("sim_record", N_BUFFERS, PROXY_RECORD_LEN, 0, 0);
	SLUICE_ASSERT(small_pool != NULL && record_pool != NULL);
	identity = tls_fixture_identity(TLS_FIXTURE_P256);
	server_config = tls_fixture_server_config(tls_fixture_names(&identity, 1));
	tls_fixture_verifier_init(&verifier);
	for (uint32_t i = 0; i < 2; i++) {
		client_configs[i] = tls_fixture_client_config(&verifier);
		client_configs[i].keep_session = tls_fixture_keep_session;
		client_configs[i].keep_context = &slots[i];
	}
	client_configs[1].common.version_max = TLS_VERSION_12;
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed);
	printf("%llu seeds\n%8llu reloads\n%8llu waits\n%8llu shared\n", (unsigned long long)count,
		(unsigned long long)n_reloads, (unsigned long long)n_waits, (unsigned long long)n_shared);
	for (uint32_t i = COUNTER_MAIL_SMTP_CONNECTIONS; i < COUNTER_WORKER_TURNS; i++)
		if (totals[i] != 0)
			printf("%8llu %s\n", (unsigned long long)totals[i], counter_name((enum counter)i));
	return 0;
}
