// SPDX-License-Identifier: Apache-2.0
//
// One core: all it owns, and its loop (DESIGN.md section 3).
//
//   receive -> tcp in -> lanes -> proxy (open, handshakes, forward, seal) -> tcp out -> timers, flush ->
//   (refill, mail)
//
// one turn; every step works on a burst and is bounded. A worker shares nothing but its counters (it alone
// writes), its log ring, its mailbox, the rings of the exchange, and the stop flag. Everything else is in its
// arena, made on its own core.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/log_ring.h"
#include "crypto/crypto.h"
#include "ipc.h"
#include "mailbox.h"
#include "proxy/proxy.h"
#include "tls/engine.h"

#include <stdatomic.h>

struct deployment;
struct exchange;
struct net;
struct net_config;
struct query;
struct rte_mempool;
struct session_import;
struct session_lookup;
struct tcp;

enum {
	WORKER_BURST = 256,        // segments of one turn
	WORKER_LOG_EVENTS = 1024,  // events that may wait for the main thread
	WORKER_SPIN_TURNS = 256,   // empty turns before an adaptive worker sleeps
	WORKER_SLEEP_MAX_US = 100, // longest sleep: bounds what an idle machine adds to latency
	WORKER_MAIL_TURNS = 64,    // turns between two looks at the mailbox
	WORKER_ATTENTIVE_TURNS =
		1024, // after an answer it is looked at in every turn: another question follows
	WORKER_DEPLOYMENTS_MAX = PROXY_CONFIGS_MAX,
	WORKER_WALL_US = 1000,  // between two looks at the civil clock, which tells TLS seconds
	WORKER_SOURCES = 65536, // entries of admission's table
};

// What a worker is made from; everything outlives it.
struct worker_setup {
	const struct net_config *net_config;
	struct counters *counters;
	struct tallies tallies;
	struct exchange *exchange;             // NULL with one worker
	struct session_lookup *session_lookup; // likewise
	struct chain_verifier *chain_verifier;
	struct rte_mempool *tx_pool;
	struct rte_mempool *record_pool;
	uint32_t worker_idx;
	uint32_t n_workers;
	uint32_t n_connections;  // proxied, of this worker
	uint64_t receive_memory; // bytes of the receive buffers that this worker's receive queues may pin
	uint64_t source_key;     // of source hashing: the same on all workers
	enum ipc_poll poll;
};

struct worker {
	struct worker_setup setup;
	struct arena arena;
	struct log_ring log;
	struct mailbox mailbox;
	struct net *net;
	struct crypto crypto;
	struct tls_engine tls;
	struct tcp *tcp;
	struct proxy proxy;
	struct terms_holds holds;
	struct deployment *deployments[WORKER_DEPLOYMENTS_MAX]; // the last one is in force
	uint32_t n_deployments;
	struct deployment *waiting; // until one of these is free; a newer one takes its place
	uint64_t wall_due_us;       // when the civil clock is looked at again
	uint32_t n_turns;
	uint32_t n_attentive_turns; // left
	struct query *query;        // being answered; NULL: none
	const struct session_import *import;
	uint32_t import_at;
	_Atomic bool stop;
	bool ready; // worker_init succeeded
};

// The two functions below have the form of an lcore's main function; the argument is a struct worker whose
// setup is filled in. Both run on the worker's own core.

// Makes everything that the worker owns. Returns 0, or -1 when there is no memory.
int worker_init(void *worker);

// Runs turns until `stop` is set, then gives back every packet that it holds. Returns 0.
int worker_run(void *worker);

// Wipes and frees what worker_init made; after worker_run has returned.
void worker_destroy(struct worker *worker);

// Bytes of memory that worker_init will take.
size_t worker_footprint(const struct worker_setup *setup);
