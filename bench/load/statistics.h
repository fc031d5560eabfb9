// SPDX-License-Identifier: Apache-2.0
//
// What one window of measuring has seen. The windows follow each other without a gap: what was begun in one
// and ends in the next counts in the next.
#pragma once

#include "base/counters.h"
#include "load/histogram.h"

enum load_error {
#define LOAD_ERROR(id, name, text) LOAD_ERROR_##id,
#include "load/errors.def"
#undef LOAD_ERROR
	N_LOAD_ERRORS
};

// All from the time when the conversation should have begun, which in an open loop may be before it could.
enum latency {
	LATENCY_CONNECT,   // until TCP is connected
	LATENCY_FLIGHT,    // from the ClientHello (not from the beginning) to the server's first bytes
	LATENCY_HANDSHAKE, // until TLS is up
	LATENCY_REQUEST,   // of one request, from when it was sent; rps, open loop: when it should have been
	LATENCY_CONVERSATION, // until the connection has ended
	N_LATENCIES
};

struct statistics {
	uint64_t begun_tsc, ended_tsc;
	uint64_t busy_tsc; // of the generator: turns in which something happened
	uint64_t n_begun;
	uint64_t n_full, n_resumed; // handshakes
	uint64_t n_requests;
	uint64_t n_conversations;          // ended as they should
	uint64_t n_bytes_down, n_bytes_up; // of bodies, at the clients
	uint64_t n_late;                   // open loop: began late, because no place was free when it was due
	uint64_t n_flood;                  // packets, or connections that were left hanging
	uint64_t n_flood_ended;            // that the server ended
	uint64_t n_verified;
	uint64_t errors[N_LOAD_ERRORS];
	uint64_t proxy[N_COUNTERS]; // what the proxy's counters grew by
	struct histogram latencies[N_LATENCIES];
};

void statistics_begin(struct statistics *statistics, uint64_t now_tsc);
void statistics_add(struct statistics *into, const struct statistics *from);
uint64_t statistics_n_errors(const struct statistics *statistics);
double statistics_seconds(const struct statistics *statistics);

// A whole number of nanoseconds between two readings of the TSC.
uint64_t statistics_ns(uint64_t from_tsc, uint64_t to_tsc);

const char *load_error_name(enum load_error error);
const char *load_error_text(enum load_error error);
const char *latency_name(enum latency latency);
