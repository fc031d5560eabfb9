// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include "base/clock.h"
#include "heap_trap.h"
#include "net/net.h"

#include <rte_mbuf.h>
#include <rte_pause.h>
#include <time.h>

// Cycles and items of the steps of one turn, added to the counters once.
struct turn {
	uint64_t now_us;
	uint64_t step_start_tsc;
	uint32_t n_segments;
	struct segment segments[WORKER_BURST];
};

int worker_init(void *argument)
{
	struct worker *worker = argument;
	const struct worker_setup *setup = &worker->setup;
	const struct net_setup net_setup = {
		.config = setup->net_config,
		.counters = setup->counters,
		.log = &worker->log,
		.exchange = setup->exchange,
		.tx_pool = setup->tx_pool,
		.worker_idx = setup->worker_idx,
		.n_workers = setup->n_workers,
	};
	const size_t log_len = WORKER_LOG_EVENTS * sizeof(struct log_event) + 64;

	if (!arena_init(&worker->arena, net_footprint(setup->net_config) + log_len))
		return -1;
	if (!log_ring_init(&worker->log, &worker->arena, WORKER_LOG_EVENTS, (uint16_t)setup->worker_idx))
		return -1;
	worker->net = net_init(&net_setup, &worker->arena, clock_now_us());
	worker->ready = worker->net != NULL;
	return worker->ready ? 0 : -1;
}

void worker_destroy(struct worker *worker)
{
	arena_destroy(&worker->arena);
	worker->ready = false;
}

// Ends a step: its cycles and items go to two counters, and the next one begins.
static void end_step(
	struct worker *worker, struct turn *turn, enum counter tsc, enum counter items, uint64_t n_items)
{
	uint64_t now_tsc = clock_tsc();

	counter_add(worker->setup.counters, tsc, now_tsc - turn->step_start_tsc);
	counter_add(worker->setup.counters, items, n_items);
	turn->step_start_tsc = now_tsc;
}

// No listener exists, so no segment has a connection.
static void refuse_segments(struct worker *worker, struct turn *turn)
{
	for (uint32_t i = 0; i < turn->n_segments; i++) {
		if (net_forward(worker->net, &turn->segments[i]))
			continue;
		rte_pktmbuf_free(turn->segments[i].mbuf);
		counter_inc(worker->setup.counters, COUNTER_WORKER_SEGMENTS_REFUSED);
	}
}

static void drain_icmp_errors(struct worker *worker)
{
	struct net_icmp_error errors[16];
	uint32_t n;

	while ((n = net_icmp_errors(worker->net, errors, 16)) != 0)
		counter_add(worker->setup.counters, COUNTER_WORKER_ICMP_ERRORS_REFUSED, n);
}

// One turn. Returns the number of things that were done, 0 when there was nothing to do.
static uint64_t run_turn(struct worker *worker, struct turn *turn)
{
	struct counters *counters = worker->setup.counters;
	uint64_t n_in = counter_get(counters, COUNTER_NET_RX_PACKETS);
	uint64_t n_out = counter_get(counters, COUNTER_NET_TX_PACKETS);

	turn->now_us = clock_now_us();
	turn->step_start_tsc = clock_tsc();
	turn->n_segments = net_rx_burst(worker->net, turn->now_us, turn->segments, WORKER_BURST);
	n_in = counter_get(counters, COUNTER_NET_RX_PACKETS) - n_in;
	if (n_in == 0 && turn->n_segments == 0)
		end_step(worker, turn, COUNTER_WORKER_IDLE_TSC, COUNTER_WORKER_IDLE_TURNS, 1);
	else
		end_step(worker, turn, COUNTER_WORKER_RX_TSC, COUNTER_WORKER_RX_ITEMS, n_in);
	drain_icmp_errors(worker);
	refuse_segments(worker, turn);
	net_timers(worker->net, turn->now_us);
	end_step(worker, turn, COUNTER_WORKER_TIMERS_TSC, COUNTER_WORKER_TIMERS_RUNS, 1);
	net_flush(worker->net, turn->now_us);
	n_out = counter_get(counters, COUNTER_NET_TX_PACKETS) - n_out;
	end_step(worker, turn, COUNTER_WORKER_FLUSH_TSC, COUNTER_WORKER_FLUSH_ITEMS, n_out);
	counter_inc(counters, COUNTER_WORKER_TURNS);
	return n_in + turn->n_segments + n_out;
}

// Sleeps until the next timer, at most WORKER_SLEEP_MAX_US: what arrives meanwhile waits in the NIC's ring.
static void sleep_until_due(struct worker *worker)
{
	uint64_t now_us = clock_now_us();
	uint64_t due_us = net_next_timer_us(worker->net);
	uint64_t sleep_us = due_us > now_us ? due_us - now_us : 0;
	struct timespec pause = {0};

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

	heap_trap_arm();
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		if (run_turn(worker, &turn) != 0) {
			n_empty = 0;
		} else if (worker->setup.poll == IPC_POLL_ADAPTIVE && ++n_empty > WORKER_SPIN_TURNS) {
			sleep_until_due(worker);
		} else {
			rte_pause();
		}
	}
	heap_trap_disarm();
	net_stop(worker->net);
	return 0;
}
