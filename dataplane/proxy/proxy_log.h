// SPDX-License-Identifier: Apache-2.0
//
// What a worker tells the log of its connections: events in the form of include/log_events.def, left in the
// worker's log ring. Nothing here blocks or decides anything; a proxy without a log ring tells nothing.
//
// A flood must not drown what matters: events of single connections are dropped, and counted, when the ring
// is nearly full, so that refusals and changes of servers still find room. Refusals are told once a second
// and reason, with their number.
#pragma once

#include "base/counters.h"
#include "proxy/upstream.h"

struct pair;
struct proxy;
struct listener_terms;
struct proxy_addresses;
struct log_ring;

enum {
	PROXY_LOG_REFUSALS = 16 // reasons for refusals that are kept apart
};

struct proxy_log_refusals {
	enum counter reason;
	uint32_t n; // since the last event
	uint64_t told_us;
};

struct proxy_log {
	struct log_ring *ring; // NULL: nobody listens
	struct proxy_log_refusals refusals[PROXY_LOG_REFUSALS];
	uint32_t n_refusals;
};

// The client's handshake is over; its report is still there.
void proxy_log_session(struct proxy *proxy, const struct pair *pair);

// It came to nothing: by an alert, or because of `reason` ("timeout", "closed", "reset") when that is not
// NULL.
void proxy_log_failure(struct proxy *proxy, const struct pair *pair, const char *reason);

// The pair is about to be freed.
void proxy_log_end(struct proxy *proxy, const struct pair *pair);

// A connection was refused; `reason` is the counter that counted it.
void proxy_log_refused(struct proxy *proxy, const struct listener_terms *terms,
	const struct proxy_addresses *addresses, enum counter reason);

// What became of a server, if anything did; `by` is "check" or "connect".
void proxy_log_server(struct proxy *proxy, uint32_t server_idx, enum upstream_change change, const char *by);

// "starttls" and the like: the words of the configuration.
const char *proxy_log_protocol(const struct listener_terms *terms);
