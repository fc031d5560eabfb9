// SPDX-License-Identifier: Apache-2.0
//
// The proxy of one worker: listeners, pairs of legs, and what moves between them. It sits on the worker's tcp
// and tls, owns the pools of pairs, TLS connections and preambles, and is called once a turn:
//
//   tcp_input_burst -> proxy_turn { events, handshakes, rounds of (open burst, move, seal burst), timers }
//                   -> tcp_timers -> tcp_output_flush
//
// lanes_run is the worker's; proxy_lanes takes its results. docs/proxy.md draws the whole.
#pragma once

#include "base/timer_wheel.h"
#include "proxy/admission.h"
#include "proxy/listener.h"
#include "proxy/proxy_log.h"
#include "proxy/upstream.h"
#include "tcp/tcp.h"
#include "tls/engine.h"
#include "tls/verifier.h"

struct log_ring;
struct pair;
struct pair_facts;
struct rte_mempool;
struct session_lookup;

enum {
	PROXY_SMALL_LEN = 2048,     // data room of small_pool's buffers, at least
	PROXY_RECORD_LEN = 18432,   // of record_pool's: a record of either version with everything around it
	PROXY_RECORD_OVERHEAD = 64, // what sealing adds at most, rounded up
	PROXY_PIECES_MAX = 512,     // pieces of a receive queue that are looked at
};

struct proxy_setup {
	struct tcp *tcp;
	struct tls_engine *engine;
	struct session_lookup *lookup; // NULL: sessions of other workers are not looked for
	struct counters *counters;
	struct tallies tallies;   // NULLs: nobody wants to see them
	struct terms_holds holds; // NULLs: terms are there for ever, and all have index 0
	struct log_ring *log;     // NULL: events go nowhere
	struct rte_mempool *small_pool;
	struct rte_mempool *record_pool;
	uint32_t n_workers; // that listeners' limits are divided between; 0: 1
	uint32_t n_pairs;
	uint32_t n_preambles;
	uint32_t n_redirects;
	uint32_t n_sources; // of admission's table
	struct upstream_sizes upstream;
	struct admission_limits limits;
	uint64_t admission_key[2]; // random
	uint64_t source_key;       // of source hashing: the same on all workers
};

enum {
	PROXY_CONFIGS_MAX = 8 // snapshots that handshakes and connects of one worker may be spread over
};

// How many connections still need a snapshot (pair.h says when).
struct proxy_use {
	const struct proxy_config *config;
	uint32_t n;
};

struct proxy {
	struct tcp *tcp;
	struct tls_engine *engine;
	struct session_lookup *lookup;
	struct counters *counters;
	struct rte_mempool *small_pool;
	struct rte_mempool *record_pool;
	struct tally_listener_row *listener_tallies;
	struct admission_rate *listener_rates; // by the same index
	_Atomic uint32_t *listener_holds;
	struct proxy_use uses[PROXY_CONFIGS_MAX];
	struct proxy_use *use; // of the snapshot in force
	const struct proxy_config *config;
	struct pool pairs;
	struct pair_facts *facts; // of each pair, by the same index
	struct pool tls_conns;
	struct pool preambles;
	struct pool redirects;
	struct pool checks;
	uint64_t check_end_us; // no check's time is over before
	struct list active;    // pairs on which something may be done this turn
	struct timer_wheel wheel;
	struct upstream upstream;
	struct admission admission;
	struct preamble_worker preamble_worker;
	struct proxy_log log;
	uint64_t now_us;
	uint64_t source_key;
	uint32_t n_workers;
	uint32_t n_handshakes; // under way
	bool unfinished;       // buffers were short, or the turn's bound was reached: the active stay active
	struct forward_batch *batch;
	struct tcp_piece *pieces; // PROXY_PIECES_MAX
	struct span *spans;
};

// A buffer was wanted and none was free: what waits for it is looked at again in the next turn.
static inline void proxy_note_shortage(struct proxy *proxy)
{
	counter_inc(proxy->counters, COUNTER_PROXY_NO_BUFFER);
	proxy->unfinished = true;
}

size_t proxy_footprint(const struct proxy_setup *setup);
bool proxy_init(struct proxy *proxy, struct arena *arena, const struct proxy_setup *setup, uint64_t now_us)
	__attribute__((warn_unused_result));

// Puts a snapshot in place: new connections follow it, those that are being made keep theirs. Listening
// sockets of tcp are made and removed here (both snapshots' listeners are compared by address and port).
// False: TCP's table of listeners is full; those that fit listen. upstream's pools are set by the caller, who
// also sees to it that at most PROXY_CONFIGS_MAX snapshots are in use.
bool proxy_set_config(struct proxy *proxy, const struct proxy_config *config)
	__attribute__((warn_unused_result));

// Whether a connection still needs the snapshot, or it is the one in force.
bool proxy_uses(const struct proxy *proxy, const struct proxy_config *config);

// The listener of the snapshot in force that goes by these terms, or if they have changed by their name;
// POOL_NONE: there is none any more.
uint32_t proxy_find_listener(const struct proxy *proxy, const struct listener_terms *terms);

// Everything of a turn; returns how much was done, 0: nothing.
uint32_t proxy_turn(struct proxy *proxy, uint64_t now_us);

// Takes the results of lanes_run, before proxy_turn.
void proxy_lanes(struct proxy *proxy);

// The verdict on a client's certificate that its handshake waits for.
void proxy_verified(struct proxy *proxy, struct tls_reference who, const struct tls_verify_answer *answer);

// How long an idle worker may sleep.
uint64_t proxy_next_us(const struct proxy *proxy);

// Resets every connection and frees everything.
void proxy_stop(struct proxy *proxy);
