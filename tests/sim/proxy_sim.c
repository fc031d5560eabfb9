// SPDX-License-Identifier: Apache-2.0
//
// The deterministic simulation of the dataplane's workers: clients and backends on one stack ("the world"),
// one to four workers with their TCP, TLS and proxy on the other, a wire with its own kinds of harm for each
// seed. Every byte that arrives must be the right one and in order; a stream that both ends meant to end in
// order must arrive whole, with its end; a session that is offered is resumed, whoever remembers it; every
// connection must come to its end, on the worker that accepted it; nothing may be left in any pool.
//
// Whose turn it is, and who stands still for a while, also follow from the seed.
//
//   proxy_sim [FIRST_SEED [COUNT [SEED...]]]      one seed that failed replays alone: proxy_sim SEED 1
#include "base/assert.h"
#include "proxy_workers.h"
#include "proxy_world.h"
#include "seam/clock_virtual.h"
#include "seam/random_seeded.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct sim sim;
enum {
	END_BOUND_S = 1000,
	LAST_US = 100000,
	ACTORS_MAX = 1 + TWIN_WORKERS_MAX,
	SURE_COUNT = 100 // so many seeds have everything in them
};

static uint64_t current_seed;
static struct tls_fixture_verifier verifier;
static struct tls_client_config client_configs[3]; // of both versions; of TLS 1.2; of that, by session ID
static struct tls_session_slot slots[3];

static void on_abort(int signal_number)
{
	char line[64];
	int len = snprintf(line, sizeof line, "failed: proxy_sim %llu 1\n", (unsigned long long)current_seed);

	(void)signal_number;
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

// --- what a seed is ---

static struct port_mem_wire random_wire(void)
{
	struct port_mem_wire wire = {.delay_us = ONE_OF(20, 100, 1000, 5000, 20000)};

	if (sim.calm) { // what one worker hands to another comes sooner than any answer
		wire.delay_us = ONE_OF(5000, 20000);
		return wire;
	}
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
	// Cookies have an owner, too. Not the world's: when a cookie's last segment is lost, and the server
	// is who speaks first, nobody ever knows.
	config.n_syn_cache = side == 1 ? ONE_OF(2, 64) : 64;
	for (uint32_t i = 0; i < sizeof config.secret; i++)
		config.secret[i] = (uint8_t)sim_random();
	return config;
}

// Which version, and whether a session is resumed: the later a flow begins, the likelier there is one.
static void choose_tls(struct flow *flow)
{
	uint32_t kind = sim_chance(50) ? 0 : 1 + sim_below(2);

	flow->config = &client_configs[kind];
	flow->slot = sim_chance(sim.limited ? 95 : 60) ? &slots[kind] : NULL;
}

static void choose_moods(struct flow *flow)
{
	if (sim_chance(30))
		flow->client.mood = sim_below(N_MOODS);
	if (sim_chance(30))
		flow->backend.mood = ONE_OF(MOOD_ORDERLY, MOOD_RESETS, MOOD_STALLS);
	if (flow->client.mood == MOOD_CUTS && !flow->has_tls)
		flow->client.mood = MOOD_ORDERLY;
}

static void make_flow(struct flow *flow)
{
	memset(flow, 0, sizeof *flow);
	flow->has_tls = sim_chance(70);
	flow->v6 = sim_chance(25);
	flow->seed = (uint32_t)sim_random();
	flow->start_us = clock_now_us() + sim_below(ONE_OF(1000, 500000, 3000000));
	flow->client.n_to_send = 4 + (sim_chance(20) ? 0 : sim_below(ONE_OF(10, 3000, 200000)));
	flow->backend.n_to_send = sim_chance(10) ? 0 : sim_below(ONE_OF(10, 3000, 300000));
	if (!sim.calm)
		choose_moods(flow);
	flow->trickles = flow->has_tls && (sim.shuffled || sim_chance(15));
	if (flow->trickles)
		flow->client.n_to_send = 4 + sim_below(sim.shuffled ? 60000 : 20000);
	if (sim_chance(sim.limited ? 50 : 20) && flow->client.mood < MOOD_CUTS) {
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

// --- the end ---

// Whether admission has let everything in that the flow asks for. The sessions of other workers are not
// looked at before.
static bool is_admitted(const struct flow *flow)
{
	return !sim.limited || !flow->has_tls || (flow->offers && flow->config != &client_configs[2]);
}

static bool orderly(const struct flow *flow)
{
	return sim.backends_die_us == 0 && is_admitted(flow) &&
	       (flow->client.mood == MOOD_ORDERLY || flow->client.mood == MOOD_STALLS) &&
	       (flow->backend.mood == MOOD_ORDERLY || flow->backend.mood == MOOD_STALLS);
}

static bool all_done(void)
{
	for (uint32_t i = 0; i < sim.n_flows; i++)
		if (!sim.flows[i].client.gone || sim.flows[i].backend.alive)
			return false;
	return workers_idle();
}

static void describe(const char *who, const struct peer *peer)
{
	fprintf(stderr,
		"  %s: alive %d gone %d mood %d sent %u of %u received %u broken %d ended %d heard_end %d\n",
		who, peer->alive, peer->gone, (int)peer->mood, peer->n_sent, peer->n_to_send,
		peer->n_received, peer->broken, peer->ended, peer->heard_end);
}

static void describe_flow(const struct flow *flow)
{
	fprintf(stderr, "flow %d, tls %d\n", (int)(flow - sim.flows), flow->has_tls);
	describe("client", &flow->client);
	describe("backend", &flow->backend);
}

static void describe_stall(void)
{
	for (uint32_t i = 0; i < sim.n_flows; i++)
		describe_flow(&sim.flows[i]);
	workers_describe();
}

static void check_flow(const struct flow *flow)
{
	// A clean end is heard only where one was said.
	SLUICE_ASSERT(!flow->backend.heard_end || (flow->client.ended && flow->client.mood != MOOD_CUTS));
	SLUICE_ASSERT(!flow->client.heard_end || flow->backend.ended || flow->client.mood >= MOOD_GARBAGE ||
		      flow->refused);
	if (flow->offers && !flow->tls.handshaking && !flow->tls.failed) {
		SLUICE_ASSERT(flow->tls.report.resumed);
		sim_totals.n_resumed_by_id += flow->config == &client_configs[2];
		sim_totals.n_starttls_resumed += sim.limited && flow->mail != MAIL_NONE;
	}
	if (!orderly(flow))
		return;
	if (flow->client.broken || flow->backend.broken ||
		flow->client.n_received != flow->backend.n_to_send) {
		describe_flow(flow);
		workers_describe();
	}
	SLUICE_ASSERT(!flow->client.broken && !flow->backend.broken);
	SLUICE_ASSERT(flow->client.n_received == flow->backend.n_to_send);
	SLUICE_ASSERT(flow->backend.n_received == flow->client.n_to_send);
	SLUICE_ASSERT(flow->client.heard_end && flow->backend.heard_end);
}

// --- the run ---

static void take_turn(uint32_t actor)
{
	if (actor != 0) {
		workers_turn(actor - 1);
		return;
	}
	twin_receive(&sim.twin, 0);
	world_turn();
	twin_send(&sim.twin, 0);
}

// Everybody once, in an order of this round's own.
static void round_of_turns(void)
{
	uint32_t order[ACTORS_MAX];

	for (uint32_t i = 0; i <= sim.n_workers; i++) {
		uint32_t k = sim_below(i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (uint32_t i = 0; i <= sim.n_workers; i++)
		take_turn(order[i]);
}

// To whatever is due next.
static void pass_time(void)
{
	uint64_t now_us = clock_now_us();
	uint64_t next_us = twin_side_next_us(&sim.twin, 0), workers_us = workers_next_us();

	next_us = workers_us < next_us ? workers_us : next_us;
	if (next_us > now_us + 1000)
		next_us = now_us + 1000;
	clock_virtual_set_now(next_us > now_us + 10 ? next_us : now_us + 10);
}

static void run(void)
{
	uint64_t end_us;

	while (!all_done()) {
		workers_reload();
		round_of_turns();
		pass_time();
		if (clock_now_us() >= UINT64_C(1000000) * END_BOUND_S)
			describe_stall();
		SLUICE_ASSERT(clock_now_us() < UINT64_C(1000000) * END_BOUND_S);
	}
	// What was said last arrives.
	for (end_us = clock_now_us() + (sim.calm ? LAST_US : 0); clock_now_us() < end_us; pass_time())
		round_of_turns();
}

static void draw(uint64_t seed)
{
	current_seed = seed;
	sim.random = seed;
	random_seeded_set(seed);
	sim.calm = sim_chance(10);
	sim.n_told = 0;
	sim.options = (struct twin_options){.seed = seed,
		.mtu = (uint16_t)ONE_OF(1280, 1500, 1500),
		.wire = {random_wire(), random_wire()}};
	sim.shuffled = !sim.calm && sim_chance(8);
	if (sim.shuffled) {
		sim.options.wire[0].reorder_ppm = 500000;
		sim.options.wire[0].reorder_us = 5000;
	}
	if (!sim.calm && sim_chance(20))
		sim.options.corrupt_ppm = ONE_OF(500, 5000);
	sim.options.tcp[0] = random_tcp(0);
	sim.options.tcp[1] = random_tcp(1);
	workers_draw();
}

static void run_seed(uint64_t seed)
{
	const struct tls_engine_settings settings = {.n_handshakes = 32, .n_clients = 32};

	draw(seed);
	twin_open(&sim.twin, &sim.options);
	tls_fixture_init(&sim.world, &settings);
	memset(slots, 0, sizeof slots);
	workers_open();
	world_open();
	sim.n_flows = 1 + sim_below(FLOWS_MAX);
	for (uint32_t i = 0; i < sim.n_flows; i++)
		make_flow(&sim.flows[i]);
	run();
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		check_flow(&sim.flows[i]);
		if (sim.flows[i].tls_begun)
			tls_end_destroy(&sim.flows[i].tls);
	}
	workers_check_end();
	tls_fixture_destroy(&sim.world);
	workers_close();
}

static void make_clients(void)
{
	tls_fixture_verifier_init(&verifier);
	for (uint32_t i = 0; i < 3; i++) {
		client_configs[i] = tls_fixture_client_config(&verifier);
		client_configs[i].keep_session = tls_fixture_keep_session;
		client_configs[i].keep_context = &slots[i];
		if (i != 0)
			client_configs[i].common.version_max = TLS_VERSION_12;
	}
	client_configs[2].tickets = false;
}

// What the seeds are there for has happened.
static void check_totals(void)
{
	const struct sim_totals *totals = &sim_totals;

	SLUICE_ASSERT(totals->counters[COUNTER_NET_FORWARDED] != 0);
	SLUICE_ASSERT(totals->by_others[COUNTER_PROXY_HANDSHAKES_FULL] != 0);
	SLUICE_ASSERT(totals->by_others[COUNTER_TCP_MTU_LOWERED] != 0);
	SLUICE_ASSERT(totals->counters[COUNTER_PROXY_SESSIONS_ASKED] != 0 && totals->n_resumed_by_id != 0);
	SLUICE_ASSERT(totals->n_stalls != 0 && totals->n_misdirected != 0 && totals->n_told != 0);
	SLUICE_ASSERT(totals->counters[COUNTER_PROXY_ADMISSION_GLOBAL_RATE] +
			      totals->counters[COUNTER_PROXY_ADMISSION_SOURCE_RATE] +
			      totals->counters[COUNTER_PROXY_ADMISSION_LISTENER_RATE] !=
		      0);
	SLUICE_ASSERT(totals->n_starttls_resumed != 0);
	SLUICE_ASSERT(totals->n_reloads != 0 && totals->n_waits != 0 && totals->n_shared != 0);
	SLUICE_ASSERT(totals->counters[COUNTER_TCP_COOKIE_ACCEPTED] != 0);
}

static void print_totals(uint64_t count)
{
	const struct sim_totals *totals = &sim_totals;

	printf("%llu seeds\n%8llu reloads\n%8llu waits\n%8llu shared\n", (unsigned long long)count,
		(unsigned long long)totals->n_reloads, (unsigned long long)totals->n_waits,
		(unsigned long long)totals->n_shared);
	printf("%8llu stalls\n%8llu misdirected\n%8llu told too big\n%8llu resumed by ID\n",
		(unsigned long long)totals->n_stalls, (unsigned long long)totals->n_misdirected,
		(unsigned long long)totals->n_told, (unsigned long long)totals->n_resumed_by_id);
	for (uint32_t i = 0; i < N_COUNTERS; i++)
		if (totals->counters[i] != 0)
			printf("%8llu %s\n", (unsigned long long)totals->counters[i],
				counter_name((enum counter)i));
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;

	(void)signal(SIGABRT, on_abort);
	twin_start(8191, 1500, APP_BUFFER_LEN, 0);
	workers_start();
	make_clients();
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed);
	for (int i = 3; i < argc; i++)
		run_seed(strtoull(argv[i], NULL, 10));
	print_totals(count);
	if (count >= SURE_COUNT)
		check_totals();
	return 0;
}
