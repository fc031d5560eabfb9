// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/wipe.h"
#include "chain_verifier.h"
#include "deployment.h"
#include "heap_trap.h"
#include "net/net.h"
#include "query.h"
#include "tcp/tcp.h"
#include "terms_table.h"

#include <rte_pause.h>
#include <time.h>

enum {
	REFILL_BUDGET_TSC = 400000, // of an idle turn: about 150 us
	HANDSHAKES_MAX = 8192,      // under way at once, of one worker
	SESSIONS_MAX = 65536,       // TLS 1.2 sessions that a worker remembers
	SERVERS_EXTRA = 1024,       // servers that left the configuration and still have connections
	HASH_SLOTS = 4099,          // of a pool's table for source hashing
};

enum {
	STEPS_MAX = 8
};

// What a step took, until it is known whether anything happened in the turn.
struct step {
	enum counter tsc, items;
	uint64_t n_tsc, n_items;
};

struct turn {
	uint64_t now_us;
	uint64_t step_start_tsc;
	struct step steps[STEPS_MAX];
	uint32_t n_steps;
	uint32_t n_segments;
	struct segment segments[WORKER_BURST];
};

static struct crypto_settings crypto_settings(void)
{
	return (struct crypto_settings){.lanes = {.body = SELECT_LANES_AUTO}};
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static struct tls_engine_settings tls_settings(const struct worker_setup *setup)
{
	return (struct tls_engine_settings){
		.n_handshakes = smaller(setup->n_connections, HANDSHAKES_MAX),
		.n_sessions = smaller(4 * setup->n_connections, SESSIONS_MAX),
		.worker_idx = (uint16_t)setup->worker_idx,
	};
}

// Each pair has two connections; some more are on their way in or out. Of a pair's two the one whose end we
// say first lingers.
static void tcp_settings(const struct worker_setup *setup, struct tcp_config *out)
{
	tcp_config_default(out, 2 * setup->n_connections + setup->n_connections / 8 + 64);
	out->n_time_wait = setup->n_connections + setup->n_connections / 8 + 64;
	out->receive_memory = setup->receive_memory;
}

static struct proxy_setup proxy_settings(struct worker *worker)
{
	const struct worker_setup *setup = &worker->setup;

	return (struct proxy_setup){
		.tcp = worker->tcp,
		.engine = &worker->tls,
		.lookup = setup->session_lookup,
		.counters = setup->counters,
		.tallies = setup->tallies,
		.holds = worker->holds,
		.log = &worker->log,
		.small_pool = setup->tx_pool,
		.record_pool = setup->record_pool,
		.n_pairs = setup->n_connections,
		.n_preambles = smaller(setup->n_connections, HANDSHAKES_MAX),
		.n_redirects = smaller(setup->n_connections, 1024),
		.n_sources = WORKER_SOURCES,
		.n_workers = setup->n_workers,
		.upstream = {.n_pools = TERMS_BACKENDS,
			.n_workers = setup->n_workers,
			.n_servers = DEPLOYMENT_SERVERS_MAX + SERVERS_EXTRA,
			.table_max = HASH_SLOTS},
		.source_key = setup->source_key,
	};
}

static size_t holds_footprint(void)
{
	return (TERMS_LISTENERS + TERMS_SERVERS) * sizeof(uint32_t) + 128;
}

size_t worker_footprint(const struct worker_setup *setup)
{
	const struct crypto_settings crypto = crypto_settings();
	const struct tls_engine_settings tls = tls_settings(setup);
	struct worker shape = {.setup = *setup};
	const struct proxy_setup proxy = proxy_settings(&shape);
	struct tcp_config tcp;

	tcp_settings(setup, &tcp);
	return net_footprint(setup->net_config) + WORKER_LOG_EVENTS * sizeof(struct log_event) + 64 +
	       mailbox_footprint() + holds_footprint() + crypto_footprint(&crypto) +
	       tls_engine_footprint(&tls) + tcp_footprint(&tcp) + proxy_footprint(&proxy);
}

static bool init_holds(struct worker *worker)
{
	struct terms_holds *holds = &worker->holds;

	holds->listeners = arena_alloc(&worker->arena, TERMS_LISTENERS * sizeof *holds->listeners, 64);
	holds->servers = arena_alloc(&worker->arena, TERMS_SERVERS * sizeof *holds->servers, 64);
	return holds->listeners != NULL && holds->servers != NULL;
}

static bool init_net(struct worker *worker, uint64_t now_us)
{
	const struct worker_setup *setup = &worker->setup;
	const struct net_setup net = {
		.config = setup->net_config,
		.counters = setup->counters,
		.log = &worker->log,
		.exchange = setup->exchange,
		.tx_pool = setup->tx_pool,
		.worker_idx = setup->worker_idx,
		.n_workers = setup->n_workers,
	};

	worker->net = net_init(&net, &worker->arena, now_us);
	return worker->net != NULL;
}

static bool init_tcp(struct worker *worker, uint64_t now_us)
{
	struct tcp_config config;

	tcp_settings(&worker->setup, &config);
	random_bytes(&worker->crypto.random, config.secret, sizeof config.secret);
	worker->tcp = tcp_init(&config, &worker->arena, worker->net, worker->setup.counters, now_us);
	wipe(&config, sizeof config);
	return worker->tcp != NULL;
}

static bool init_proxy(struct worker *worker, uint64_t now_us)
{
	struct proxy_setup setup = proxy_settings(worker);

	random_bytes(&worker->crypto.random, setup.admission_key, sizeof setup.admission_key);
	return proxy_init(&worker->proxy, &worker->arena, &setup, now_us);
}

int worker_init(void *argument)
{
	struct worker *worker = argument;
	const struct crypto_settings crypto = crypto_settings();
	const struct tls_engine_settings tls = tls_settings(&worker->setup);
	const uint64_t now_us = clock_now_us();

	worker->ready = arena_init(&worker->arena, worker_footprint(&worker->setup)) &&
			log_ring_init(&worker->log, &worker->arena, WORKER_LOG_EVENTS,
				(uint16_t)worker->setup.worker_idx) &&
			mailbox_init(&worker->mailbox, &worker->arena) && init_holds(worker) &&
			init_net(worker, now_us) &&
			crypto_init(&worker->crypto, &worker->arena, &crypto, worker->setup.counters) &&
			tls_engine_init(&worker->tls, &worker->arena, &tls, &worker->crypto) &&
			init_tcp(worker, now_us) && init_proxy(worker, now_us);
	return worker->ready ? 0 : -1;
}

void worker_destroy(struct worker *worker)
{
	if (worker->ready) {
		tls_engine_destroy(&worker->tls);
		crypto_destroy(&worker->crypto);
	}
	arena_destroy(&worker->arena);
	worker->ready = false;
}

// ---- mail
// -----------------------------------------------------------------------------------------------------------

static void send_back(struct worker *worker, enum mail_kind kind, void *thing)
{
	const struct mail mail = {.kind = kind, .thing = thing};

	// The main thread never has more on their way than the ring holds.
	SLUICE_ASSERT(ring_push(&worker->mailbox.to_main, &mail));
}

// The limits of all workers together, divided: RSS spreads sources and connections evenly.
static void set_limits(struct worker *worker, const struct deployment *deployment)
{
	const uint32_t n = worker->setup.n_workers;
	struct admission_limits limits = deployment->limits;

	limits.connections = admission_share(limits.connections, n);
	limits.handshakes_per_second = admission_share(limits.handshakes_per_second, n);
	limits.handshakes_burst = admission_share(limits.handshakes_burst, n);
	limits.source_connections = admission_share(limits.source_connections, n);
	limits.source_handshakes_per_second = admission_share(limits.source_handshakes_per_second, n);
	limits.source_handshakes_burst = admission_share(limits.source_handshakes_burst, n);
	// When half of all that can be under way is, only resumptions begin: they are short.
	limits.resumptions_pending = tls_settings(&worker->setup).n_handshakes;
	limits.handshakes_pending = limits.resumptions_pending / 2;
	admission_set_limits(&worker->proxy.admission, &limits);
}

static bool has_pool(const struct deployment *deployment, uint32_t pool_idx)
{
	return pool_idx < deployment->proxy.n_backends && deployment->proxy.backends[pool_idx].n_locals != 0;
}

static void put_in_place(struct worker *worker, struct deployment *deployment)
{
	struct counters *counters = worker->setup.counters;
	const struct deployment *before = worker->n_deployments != 0
						  ? worker->deployments[worker->n_deployments - 1]
						  : NULL;

	for (uint32_t i = 0; i < deployment->n_pools; i++) {
		const struct deployment_pool *pool = &deployment->pools[i];

		if (!upstream_set_pool(&worker->proxy.upstream, pool->idx, &pool->config, pool->servers,
			    pool->n_servers))
			counter_inc(counters, COUNTER_WORKER_DEPLOYMENT_SHORTAGES);
	}
	for (uint32_t i = 0; before != NULL && i < before->n_pools; i++)
		if (!has_pool(deployment, before->pools[i].idx))
			upstream_retire_pool(&worker->proxy.upstream, before->pools[i].idx);
	set_limits(worker, deployment);
	lanes_set_budget_us(worker->crypto.lanes, deployment->lane_wait_us);
	crypto_prepare_signatures(&worker->crypto, deployment->prepared_signatures);
	if (!proxy_set_config(&worker->proxy, &deployment->proxy))
		counter_inc(counters, COUNTER_WORKER_DEPLOYMENT_SHORTAGES);
	for (uint32_t i = 0; i < deployment->n_credentials; i++)
		crypto_note_key(&worker->crypto, deployment->credentials[i]->key);
	worker->deployments[worker->n_deployments++] = deployment;
	counter_inc(counters, COUNTER_WORKER_DEPLOYMENTS);
}

// Pools that no deployment names any more.
static void remove_pools(struct worker *worker, const struct deployment *gone)
{
	for (uint32_t i = 0; i < gone->n_pools; i++) {
		bool named = false;

		for (uint32_t k = 0; k < worker->n_deployments; k++)
			named = named || has_pool(worker->deployments[k], gone->pools[i].idx);
		if (!named)
			upstream_remove_pool(&worker->proxy.upstream, gone->pools[i].idx);
	}
}

// Gives back the deployments that no handshake and no connect uses any more; the one in force stays.
static void let_go(struct worker *worker)
{
	struct deployment *gone[WORKER_DEPLOYMENTS_MAX];
	uint32_t n_kept = 0, n_gone = 0;

	for (uint32_t i = 0; i < worker->n_deployments; i++) {
		struct deployment *deployment = worker->deployments[i];

		if (i + 1 == worker->n_deployments || proxy_uses(&worker->proxy, &deployment->proxy))
			worker->deployments[n_kept++] = deployment;
		else
			gone[n_gone++] = deployment;
	}
	worker->n_deployments = n_kept;
	for (uint32_t i = 0; i < n_gone; i++) {
		remove_pools(worker, gone[i]);
		send_back(worker, MAIL_DEPLOYMENT, gone[i]);
	}
}

// With too many deployments in use the newest one waits until handshakes have ended, which have deadlines.
static void take_deployment(struct worker *worker, struct deployment *deployment)
{
	if (worker->waiting != NULL) {
		send_back(worker, MAIL_DEPLOYMENT, worker->waiting);
		counter_inc(worker->setup.counters, COUNTER_WORKER_DEPLOYMENTS_SKIPPED);
	}
	worker->waiting = deployment;
}

static void end_waiting(struct worker *worker)
{
	if (worker->waiting == NULL || worker->n_deployments == WORKER_DEPLOYMENTS_MAX)
		return;
	put_in_place(worker, worker->waiting);
	worker->waiting = NULL;
}

static void read_mail(struct worker *worker)
{
	struct mail mail;

	if (worker->n_deployments > 1)
		let_go(worker);
	end_waiting(worker);
	while (ring_pop(&worker->mailbox.to_worker, &mail)) {
		if (mail.kind == MAIL_DEPLOYMENT) {
			take_deployment(worker, mail.thing);
			end_waiting(worker);
		} else if (mail.kind == MAIL_TICKET_KEYS) {
			tls_tickets_set(&worker->tls, mail.thing);
			send_back(worker, MAIL_TICKET_KEYS, mail.thing);
		} else if (mail.kind == MAIL_QUERY) {
			worker->query = mail.thing;
		} else {
			worker->import = mail.thing;
			worker->import_at = 0;
		}
	}
}

// The mailbox now and then, and a part of what takes several turns.
static void serve_main(struct worker *worker)
{
	if (worker->n_turns++ % WORKER_MAIL_TURNS == 0 || worker->n_attentive_turns != 0) {
		worker->n_attentive_turns -= worker->n_attentive_turns != 0;
		read_mail(worker);
	}
	if (worker->query != NULL && query_step(worker->query, worker)) {
		send_back(worker, MAIL_QUERY, worker->query);
		worker->query = NULL;
		worker->n_attentive_turns = WORKER_ATTENTIVE_TURNS;
	}
	if (worker->import != NULL && query_import_sessions(worker->import, &worker->import_at, worker)) {
		send_back(worker, MAIL_SESSIONS, (void *)(uintptr_t)worker->import);
		worker->import = NULL;
	}
}

// ---- the turn
// -------------------------------------------------------------------------------------------------------

// Ends a step: its cycles and items will go to two counters, and the next one begins.
static void end_step(struct turn *turn, enum counter tsc, enum counter items, uint64_t n_items)
{
	uint64_t now_tsc = clock_tsc();

	SLUICE_ASSERT(turn->n_steps < STEPS_MAX);
	turn->steps[turn->n_steps++] = (struct step){
		.tsc = tsc, .items = items, .n_tsc = now_tsc - turn->step_start_tsc, .n_items = n_items};
	turn->step_start_tsc = now_tsc;
}

// Looking round for work is not work: the cycles of a turn in which nothing happened are counted apart, so
// that the steps' cycles divided by what they did are its price.
static void end_turn(struct worker *worker, struct turn *turn, bool anything)
{
	struct counters *counters = worker->setup.counters;
	uint64_t idle_tsc = 0;

	for (uint32_t i = 0; i < turn->n_steps; i++) {
		const struct step *step = &turn->steps[i];

		idle_tsc += step->n_tsc;
		if (!anything)
			continue;
		counter_add(counters, step->tsc, step->n_tsc);
		counter_add(counters, step->items, step->n_items);
	}
	if (anything)
		return;
	counter_add(counters, COUNTER_WORKER_IDLE_TSC, idle_tsc);
	counter_inc(counters, COUNTER_WORKER_IDLE_TURNS);
}

static void take_icmp_errors(struct worker *worker, const struct turn *turn)
{
	struct net_icmp_error errors[16];
	uint32_t n;

	while ((n = net_icmp_errors(worker->net, errors, 16)) != 0)
		tcp_input_icmp(worker->tcp, errors, n, turn->now_us);
}

// Receives and parses; returns how many packets came.
static uint64_t receive(struct worker *worker, struct turn *turn)
{
	struct counters *counters = worker->setup.counters;
	uint64_t n_in = counter_get(counters, COUNTER_NET_RX_PACKETS);

	turn->n_segments = net_rx_burst(worker->net, turn->now_us, turn->segments, WORKER_BURST);
	n_in = counter_get(counters, COUNTER_NET_RX_PACKETS) - n_in;
	end_step(turn, COUNTER_WORKER_RX_TSC, COUNTER_WORKER_RX_ITEMS, n_in);
	return n_in + turn->n_segments;
}

// Of clients' certificates that had to be judged elsewhere.
static void take_verdicts(struct worker *worker)
{
	struct tls_verify_answer answer;
	struct tls_reference who;

	while (chain_verifier_next(&who, &answer))
		proxy_verified(&worker->proxy, who, &answer);
}

// One turn. Returns the number of things that were done, 0 when there was nothing to do.
static uint64_t run_turn(struct worker *worker, struct turn *turn)
{
	struct counters *counters = worker->setup.counters;
	uint64_t n_out = counter_get(counters, COUNTER_NET_TX_PACKETS);
	uint64_t n_in;
	uint32_t n_lanes;
	uint32_t n_moved;

	turn->now_us = clock_now_us();
	turn->step_start_tsc = clock_tsc();
	turn->n_steps = 0;
	crypto_begin_turn(&worker->crypto, turn->now_us, turn->step_start_tsc);
	if (turn->now_us >= worker->wall_due_us) {
		tls_engine_set_wall(&worker->tls, clock_wall_us());
		worker->wall_due_us = turn->now_us + WORKER_WALL_US;
	}
	n_in = receive(worker, turn);
	tcp_input_burst(worker->tcp, turn->segments, turn->n_segments, turn->now_us);
	take_icmp_errors(worker, turn);
	end_step(turn, COUNTER_WORKER_TCP_IN_TSC, COUNTER_WORKER_TCP_IN_ITEMS, turn->n_segments);
	n_lanes = lanes_run(worker->crypto.lanes, clock_tsc(), n_in == 0);
	proxy_lanes(&worker->proxy);
	take_verdicts(worker);
	end_step(turn, COUNTER_WORKER_LANES_TSC, COUNTER_WORKER_LANES_ITEMS, n_lanes);
	n_moved = proxy_turn(&worker->proxy, turn->now_us);
	end_step(turn, COUNTER_WORKER_PROXY_TSC, COUNTER_WORKER_PROXY_ITEMS, n_moved);
	tcp_timers(worker->tcp, turn->now_us);
	tcp_output_flush(worker->tcp, turn->now_us);
	net_timers(worker->net, turn->now_us);
	end_step(turn, COUNTER_WORKER_TCP_OUT_TSC, COUNTER_WORKER_TCP_OUT_RUNS, 1);
	net_flush(worker->net, turn->now_us);
	n_out = counter_get(counters, COUNTER_NET_TX_PACKETS) - n_out;
	end_step(turn, COUNTER_WORKER_FLUSH_TSC, COUNTER_WORKER_FLUSH_ITEMS, n_out);
	// A slice of a long operation completes nothing by itself.
	end_turn(worker, turn,
		n_in + n_lanes + n_moved + n_out != 0 || lanes_n_pending(worker->crypto.lanes) != 0);
	serve_main(worker);
	counter_inc(counters, COUNTER_WORKER_TURNS);
	return n_in + n_lanes + n_moved + n_out;
}

// Makes keys and nonces ahead: what is short at once, the rest when there is nothing else to do.
static bool refill(struct worker *worker, struct turn *turn, bool urgent)
{
	bool more;

	turn->step_start_tsc = clock_tsc();
	turn->n_steps = 0;
	more = crypto_refill(&worker->crypto, REFILL_BUDGET_TSC, urgent);
	end_step(turn, COUNTER_WORKER_REFILL_TSC, COUNTER_WORKER_REFILL_RUNS, 1);
	end_turn(worker, turn, urgent || more);
	return more;
}

static uint64_t next_due_us(const struct worker *worker)
{
	uint64_t due_us = net_next_timer_us(worker->net);
	uint64_t tcp_us = tcp_next_timer_us(worker->tcp);
	uint64_t proxy_us = proxy_next_us(&worker->proxy);
	uint64_t crypto_us = crypto_next_us(&worker->crypto);

	due_us = tcp_us < due_us ? tcp_us : due_us;
	due_us = crypto_us < due_us ? crypto_us : due_us;
	return proxy_us < due_us ? proxy_us : due_us;
}

// Sleeps until the next timer, at most WORKER_SLEEP_MAX_US: what arrives meanwhile waits in the NIC's ring.
static void sleep_until_due(struct worker *worker)
{
	uint64_t now_us = clock_now_us();
	uint64_t due_us = next_due_us(worker);
	uint64_t sleep_us = due_us > now_us ? due_us - now_us : 0;
	struct timespec pause = {0};

	if (lanes_n_pending(worker->crypto.lanes) != 0)
		return;
	if (sleep_us > WORKER_SLEEP_MAX_US)
		sleep_us = WORKER_SLEEP_MAX_US;
	if (sleep_us == 0)
		return;
	pause.tv_nsec = (long)sleep_us * 1000;
	(void)nanosleep(&pause, NULL);
	counter_inc(worker->setup.counters, COUNTER_WORKER_SLEEPS);
}

int worker_run(void *argument)
{
	struct worker *worker = argument;
	struct turn turn;
	uint32_t n_empty = 0;

	chain_verifier_use(worker->setup.chain_verifier, worker->setup.worker_idx);
	heap_trap_arm();
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		if (run_turn(worker, &turn) != 0) {
			n_empty = 0;
			(void)refill(worker, &turn, true);
		} else if (refill(worker, &turn, false)) {
			continue;
		} else if (worker->setup.poll == IPC_POLL_ADAPTIVE && ++n_empty > WORKER_SPIN_TURNS) {
			sleep_until_due(worker);
		} else {
			rte_pause();
		}
	}
	heap_trap_disarm();
	proxy_stop(&worker->proxy);
	tcp_stop(worker->tcp);
	net_stop(worker->net);
	return 0;
}
