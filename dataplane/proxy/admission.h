// SPDX-License-Identifier: Apache-2.0
//
// Admission: who may connect and do handshakes, decided before any public-key operation and after TCP (or its
// cookie) has proved the source's address. One instance per worker, with the worker's share of the limits:
// a source's connections are spread over workers by RSS, so the caller divides.
//
//   source    an IPv4 address, or an IPv6 /64; IPv6 is limited by /48 too, for who has one has 65,536 /64s
//   table     buckets of ADMISSION_WAYS entries; a source has its entry in one of them, by a keyed hash
//
// An entry is evicted for a new source only when it has no connections: first one that owes nothing (its
// handshakes are all paid off, so forgetting it changes nothing), then the one that owes least. When every
// entry of the bucket has connections, the new source is admitted without an entry against a shared budget,
// the bucket's "strangers", as if it were one source: bounded, and no source can lock others out for good
// without holding connections, of which it has few.
//
// Rates are token buckets kept as one time each, the moment at which the bucket will be full again (GCRA,
// ITU-T I.371). The emptier the global bucket, the more of its own tokens a source pays for a handshake: a
// flood from few sources slows these down and leaves the others' handshakes alone. That needs a rate per
// source; with a global one only, who comes first is served.
#pragma once

#include "base/arena.h"
#include "net/addr.h"

enum {
	ADMISSION_WAYS = 8,
	ADMISSION_NONE = 0xffffffff
};

// A worker's part of a limit of all workers together; 0 stays 0: no limit.
static inline uint32_t admission_share(uint32_t limit, uint32_t n_workers)
{
	return (uint32_t)(((uint64_t)limit + n_workers - 1) / n_workers);
}

struct admission_limits {
	uint32_t connections;           // of all sources; 0: no limit, here and below
	uint32_t handshakes_per_second; // full ones
	uint32_t handshakes_burst;      // at least 1 when there is a rate
	uint32_t source_connections;
	uint32_t source_handshakes_per_second;
	uint32_t source_handshakes_burst;
	uint32_t prefix_factor; // an IPv6 /48 may do so many times what a /64 may; 0: no limit by /48
	uint32_t
		handshakes_pending; // handshakes under way on this worker beyond which only resumptions begin
	uint32_t resumptions_pending; // and beyond which nothing begins
};

#define ADMISSION_VERDICTS(X) \
	X(ADMITTED, "admitted") \
	X(GLOBAL_CONNECTIONS, "global_connections") \
	X(SOURCE_CONNECTIONS, "source_connections") \
	X(PREFIX_CONNECTIONS, "prefix_connections") \
	X(GLOBAL_RATE, "global_rate") \
	X(SOURCE_RATE, "source_rate") \
	X(PREFIX_RATE, "prefix_rate") \
	X(SATURATED, "saturated") \
	X(LISTENER_CONNECTIONS, "listener_connections") \
	X(LISTENER_RATE, "listener_rate")

enum admission_verdict {
#define X(id, name) ADMISSION_##id,
	ADMISSION_VERDICTS(X)
#undef X
	N_ADMISSION_VERDICTS
};

struct admission_entry {
	uint64_t prefix;  // of an IPv6 address, or an IPv4 address with a mark no /64 that is routed has
	uint64_t full_us; // when its bucket is full again
	uint32_t n_connections; // an entry with connections stays
	uint8_t kind;           // enum admission_kind
};

// What a connection keeps while it lives.
struct admission_ticket {
	uint32_t source_idx; // entries, or the strangers of a bucket
	uint32_t prefix_idx; // ADMISSION_NONE: IPv4, or no limit by /48
};

struct admission {
	struct admission_limits limits;
	struct admission_entry
		*entries;   // n_buckets * ADMISSION_WAYS, then one for the strangers of each bucket
	uint32_t n_buckets; // a power of two
	uint32_t n_connections;
	uint64_t global_full_us;
	uint64_t key[2]; // of the hash
	uint64_t n_evictions;
	uint64_t n_strangers; // connections that got no entry of their own
};

size_t admission_footprint(uint32_t n_sources);

// A table for at least n_sources; key is random, from the caller. False: no room.
bool admission_init(struct admission *admission, struct arena *arena, uint32_t n_sources,
	const struct admission_limits *limits, const uint64_t key[static 2])
	__attribute__((warn_unused_result));

// New limits hold from now on; who has more than they allow keeps it.
void admission_set_limits(struct admission *admission, const struct admission_limits *limits);

// A connection of this source. When ADMITTED, *out_ticket is written and admission_release owed.
enum admission_verdict admission_connect(struct admission *admission, const struct ip_addr *addr,
	uint64_t now_us, struct admission_ticket *out_ticket) __attribute__((warn_unused_result));

// Whether it makes a difference now that a handshake resumes: finding that out is not free.
static inline bool admission_asks_resumption(const struct admission *admission, uint32_t n_pending)
{
	const struct admission_limits *limits = &admission->limits;

	return limits->handshakes_per_second != 0 || limits->source_handshakes_per_second != 0 ||
	       (limits->handshakes_pending != 0 && n_pending >= limits->handshakes_pending);
}

// A handshake on it, before any of its arithmetic; n_pending are under way. Resumptions cost no token.
enum admission_verdict admission_handshake(struct admission *admission, const struct admission_ticket *ticket,
	bool resumption, uint32_t n_pending, uint64_t now_us) __attribute__((warn_unused_result));

void admission_release(struct admission *admission, const struct admission_ticket *ticket);

// A rate by itself, for who limits something else than sources: a token bucket that holds a second's worth.
// Asked first, paid when everybody else has agreed; per_second 0: no limit.
struct admission_rate {
	uint64_t full_us;
};
bool admission_rate_affords(const struct admission_rate *rate, uint32_t per_second, uint64_t now_us);
void admission_rate_pay(struct admission_rate *rate, uint32_t per_second, uint64_t now_us);

const char *admission_verdict_name(enum admission_verdict verdict);

// Walks entries that are in use, for operators; *cursor starts at 0. False at the end.
struct admission_info {
	struct ip_addr prefix;
	uint8_t prefix_len; // as in addr.h: IPv4 128
	uint32_t n_connections;
	uint64_t owed_us; // until its bucket is full
};
bool admission_next(
	const struct admission *admission, uint64_t now_us, uint32_t *cursor, struct admission_info *out);
