// SPDX-License-Identifier: Apache-2.0
//
// The simulated proxy: one to four workers behind one port, each with its own stack, TLS and proxy, as in the
// dataplane; what is checked of them after every turn; and the snapshots that they share.
//
//   one worker
//   several that share a queue      worker 0 drives it and hands frames to the flows' owners
//   several with a queue each       RSS chooses; now and then it chooses wrongly, and the owner gets it in
//   the end
#pragma once

#include "base/log_ring.h"
#include "proxy/pair.h"
#include "proxy_ports.h"
#include "tls_fixture.h"
#include "twin.h"

struct session_lookup;

// What a reload replaces. One that no handshake and no connect of any worker uses any more is written over.
struct sim_snapshot {
	struct proxy_listener listeners[2 * LISTENERS]; // IPv4, then IPv6
	struct proxy_backend backends[BACKENDS];
	struct tls_server_config tls;
	struct proxy_config config;
};

struct sim_worker {
	struct twin_stack *stack;
	struct tls_fixture tls;
	struct proxy proxy;
	struct log_ring log;
	struct arena arena;
	_Atomic uint32_t listener_holds[LISTENERS], server_hold;
	const struct sim_snapshot *snapshot; // in force here
	uint64_t n_events[N_LOG_EVENTS];
	uint64_t stalled_until_us; // it takes no turn before
};

// What happened, over all seeds.
struct sim_totals {
	uint64_t counters[N_COUNTERS];
	uint64_t by_others[N_COUNTERS]; // of the workers beside worker 0
	uint64_t n_reloads, n_waits, n_shared, n_stalls, n_misdirected, n_told, n_resumed_by_id,
		n_starttls_resumed;
};

extern struct sim_totals sim_totals;

// Once per process.
void workers_start(void);

// Chooses how many there are, what harms them and what they are configured to be, before the twin is opened;
// and makes them, after.
void workers_draw(void);
void workers_open(void);

// Everything of a turn of one of them, unless it stalls, with its checks.
void workers_turn(uint32_t idx);

// A new snapshot, if one is due; workers take it in their next turns.
void workers_reload(void);

// When one of them has something to do.
uint64_t workers_next_us(void);

bool workers_idle(void);
void workers_describe(void);

// Asserts that nothing was left over; then everything is given back.
void workers_check_end(void);
void workers_close(void);
