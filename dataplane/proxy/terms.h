// SPDX-License-Identifier: Apache-2.0
//
// What a connection keeps of the configuration that it began under: a few hundred bytes, so that the
// snapshot itself (listeners, routes, names, certificates) is needed only by handshakes, preambles that
// become one, and connects, all of which have deadlines. Terms are immutable, shared by all snapshots that
// say the same, and the main thread's (dataplane/terms_table.h). Workers hold them:
//
//   a pair holds its listener's terms, a server of `upstream` its own
//   holds: one counter for each terms and worker, written by that worker alone, read by the main thread
//
// Terms that no snapshot names and no worker holds may be written over. A worker takes hold of terms only by
// way of a snapshot that it has not given back yet, so that a count seen as zero afterwards stays zero.
#pragma once

#include "proxy/preamble.h"

#include <stdatomic.h>

enum listener_protocol {
	LISTENER_TCP,  // plaintext in, plaintext out
	LISTENER_TLS,  // TLS in
	LISTENER_MAIL, // a preamble; TLS at once or after STARTTLS
	LISTENER_HTTP_REDIRECT
};

// Times in microseconds; 0: no such limit.
struct listener_timeouts {
	uint64_t handshake_us; // from the first packet to the end of TLS's handshake, or of a request to port
			       // 80
	uint64_t connect_us;   // one attempt to connect to one server
	uint64_t idle_us;      // no byte in either direction
	uint64_t linger_us;    // after one side has ended, no byte from the other
	uint64_t total_us;     // a connection's life
};

// Of a listener, all its addresses and all workers together; 0: no limit of its own.
struct listener_limits {
	uint32_t connections;
	uint32_t handshakes_per_second; // full ones
};

enum {
	TERMS_NAME_MAX = 63
};

struct listener_terms {
	uint32_t idx;       // among the holds
	uint32_t tally_idx; // its row of counters
	enum listener_protocol protocol;
	bool log_handshakes; // those that succeeded; failures are always told
	bool log_connections;
	char name[TERMS_NAME_MAX + 1]; // for the log; may be empty
	struct listener_timeouts timeouts;
	struct listener_limits limits;
	struct preamble_config preamble; // LISTENER_MAIL
};

struct server_terms {
	uint32_t idx;
	uint32_t tally_idx;
	char backend[TERMS_NAME_MAX + 1];
};

// A worker's holds, by the index of the terms.
struct terms_holds {
	_Atomic uint32_t *listeners;
	_Atomic uint32_t *servers;
};

static inline void terms_hold(_Atomic uint32_t *count)
{
	atomic_store_explicit(
		count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

// Released: whatever was done under the terms comes before.
static inline void terms_let_go(_Atomic uint32_t *count)
{
	atomic_store_explicit(
		count, atomic_load_explicit(count, memory_order_relaxed) - 1, memory_order_release);
}
