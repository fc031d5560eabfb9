// SPDX-License-Identifier: Apache-2.0
//
// Pools of backend servers, and which server a connection gets. One instance per worker; nothing is shared,
// so that each worker learns of a dead server by itself, from its own connections and checks.
//
//   server   DOWN <--fall failed checks--- UP ---rise good checks--> (from DOWN to) UP
//            ejected: failed to connect several times in a row; left alone for a while, then tried again
//            draining: gets no new connections, keeps those it has
//
// A server is chosen among those that are UP, not draining, not ejected and not tried already for this
// connection; when all that are left are ejected, among these after all: ejection is a guess, a failed check
// is not. Backup servers come last: when no other is left, ejected or not. A server that has just come back
// gets little at first and its full weight after `slow_start_us`.
//
// A new configuration keeps what is known of servers that stay (same address and port). One that went away
// lives on without a pool until its last connection is released; it holds its terms (terms.h) as long.
#pragma once

#include "base/pool.h"
#include "base/tallies.h"
#include "net/addr.h"
#include "proxy/terms.h"

enum upstream_balance {
	UPSTREAM_ROUND_ROBIN,       // smooth and weighted: the heaviest is not chosen several times in a row
	UPSTREAM_LEAST_CONNECTIONS, // fewest connections per weight
	UPSTREAM_SOURCE_HASH        // the same source gets the same server, on every worker; balance.h
};

enum {
	UPSTREAM_SERVERS_MAX = 256, // of one pool
	UPSTREAM_WEIGHT_MAX = 256,
	UPSTREAM_RETRIES_MAX = 16,
	UPSTREAM_NONE = 0xffffffff
};

struct upstream_server_config {
	struct ip_addr addr;
	uint16_t port;
	uint32_t connections_max;         // of all workers; 0: no limit
	uint16_t weight;                  // 0 to UPSTREAM_WEIGHT_MAX; 0: no new connections
	bool backup;                      // gets connections only when no other server can
	bool drain;                       // no new connections, whatever the weight
	const struct server_terms *terms; // NULL: it has no name and the first row of counters
};

struct upstream_pool_config {
	enum upstream_balance balance;
	uint32_t connections_max;   // of all servers and all workers together; 0: no limit
	uint32_t retries;           // other servers that a connection tries, at most UPSTREAM_RETRIES_MAX
	uint64_t slow_start_us;     // 0: none
	uint64_t check_interval_us; // 0: no checks
	uint64_t check_interval_down_us; // of a server that is DOWN
	uint64_t check_timeout_us;       // how long an answer may take
	uint16_t rise;                   // good checks until UP
	uint16_t fall;                   // failed ones until DOWN
	uint16_t eject_failures;         // failed connects in a row; 0: never
	uint64_t eject_us;               // the first time; doubled each time up to 16 times this
};

void upstream_pool_config_default(struct upstream_pool_config *config);

enum upstream_server_state {
	UPSTREAM_UP,
	UPSTREAM_DOWN
};

// Hot fields first. Owned by the worker's instance.
struct upstream_server {
	struct ip_addr addr;
	uint16_t port;
	uint16_t weight;
	uint32_t pool_idx; // UPSTREAM_NONE: removed
	const struct server_terms *terms;
	uint32_t n_connections;
	uint32_t connections_max; // this worker's part; 0: no limit
	int32_t current_weight;   // smooth round robin
	uint64_t ejected_until_us;
	uint64_t up_since_us;    // for slow start; 0: long ago
	uint64_t check_due_us;   // UINT64_MAX: none, or one is out
	bool check_out;          // upstream_check_done is still to come
	uint32_t generation;     // a check's answer to an earlier server of this index is not this one's
	uint16_t n_check_streak; // results in a row that disagree with the state
	uint16_t n_failures;     // failed connects in a row
	uint8_t n_ejections;     // in a row
	uint8_t state;           // enum upstream_server_state
	bool drain;              // no new connections: as configured, or the weight is 0
	bool backup;
	bool kept; // seen while a new configuration is put in place
};

struct upstream_pool {
	struct upstream_pool_config config;
	uint32_t n_servers;
	uint32_t next_tie; // where least connections begins to look
	uint32_t n_table;  // slots of the hash table that are filled, 0: none
	bool in_use;
	uint32_t servers[UPSTREAM_SERVERS_MAX]; // indices
	uint16_t *table;                        // positions in servers
};

struct upstream {
	struct pool servers; // struct upstream_server
	struct upstream_pool *pools;
	struct tally_server_row *tallies; // the worker's; one for all where nobody gave any
	_Atomic uint32_t *holds;          // of servers' terms; likewise
	uint32_t n_pools;
	uint32_t n_workers;
	uint32_t table_max; // slots of a pool's hash table
	uint32_t generation;
	uint64_t check_due_us; // nothing is due before
};

struct upstream_sizes {
	uint32_t n_pools;
	uint32_t n_workers; // that limits are divided between; 0: 1
	uint32_t n_servers; // all pools together, removed ones that still have connections included
	uint32_t table_max; // slots per pool for source hashing, 0: no pool uses it; a prime is used below it
};

size_t upstream_footprint(const struct upstream_sizes *sizes);
bool upstream_init(struct upstream *upstream, struct arena *arena, const struct upstream_sizes *sizes)
	__attribute__((warn_unused_result));

// Puts a pool in place, new or changed. False: no room for its servers (or two are the same, or a weight is
// out of bounds); nothing has changed then.
bool upstream_set_pool(struct upstream *upstream, uint32_t pool_idx,
	const struct upstream_pool_config *config, const struct upstream_server_config *servers,
	uint32_t n_servers) __attribute__((warn_unused_result));

// The configuration has the pool no more: no checks are made, and what was routed to it before still finds
// its servers until it is removed. Removing a pool that is not there changes nothing.
void upstream_retire_pool(struct upstream *upstream, uint32_t pool_idx);
void upstream_remove_pool(struct upstream *upstream, uint32_t pool_idx);

// --- connections ---

enum {
	UPSTREAM_TRIED_MAX = 1 + UPSTREAM_RETRIES_MAX // servers that one connection tries
};

// What a choice depends on; the owner keeps it with the connection while it is being opened.
struct upstream_choice {
	uint32_t pool_idx;
	uint32_t n_tried;
	uint64_t source_hash; // of the client's address, equal on all workers
	uint32_t tried[UPSTREAM_TRIED_MAX];
};

// The server to connect to, counted as a connection of it and noted as tried; UPSTREAM_NONE when none is
// left.
uint32_t upstream_choose(struct upstream *upstream, struct upstream_choice *choice, uint64_t now_us)
	__attribute__((warn_unused_result));

enum upstream_change {
	UPSTREAM_NO_CHANGE,
	UPSTREAM_WENT_UP,
	UPSTREAM_WENT_DOWN,
	UPSTREAM_EJECTED,
	UPSTREAM_RETURNED // after an ejection
};

// The connection to the server was made; or it was not, which also ends it.
enum upstream_change upstream_connected(struct upstream *upstream, uint32_t server_idx, uint64_t now_us);
enum upstream_change upstream_connect_failed(struct upstream *upstream, uint32_t server_idx, uint64_t now_us);

// A connection that was chosen or made is over.
void upstream_release(struct upstream *upstream, uint32_t server_idx);

static inline const struct upstream_server *upstream_server_at(
	const struct upstream *upstream, uint32_t server_idx)
{
	return pool_at(&upstream->servers, server_idx);
}

static inline struct tally_server_row *upstream_row(
	const struct upstream *upstream, const struct upstream_server *server)
{
	return &upstream->tallies[server->terms->tally_idx];
}

// Shows the server's state in its row; after every change of it.
void upstream_show_state(const struct upstream *upstream, const struct upstream_server *server);

// --- health checks: health.c ---

// A probe that the caller is to make.
struct upstream_check {
	uint32_t server_idx;
	uint32_t generation;
	struct ip_addr addr;
	uint16_t port;
	uint64_t timeout_us;
};

// Takes at most n servers that are due for a check; each needs its upstream_check_done.
uint32_t upstream_checks_due(
	struct upstream *upstream, uint64_t now_us, struct upstream_check *out, uint32_t n);
enum upstream_change upstream_check_done(
	struct upstream *upstream, const struct upstream_check *check, bool good, uint64_t now_us);

// When upstream_checks_due has something, at the earliest.
static inline uint64_t upstream_next_check_us(const struct upstream *upstream)
{
	return upstream->check_due_us;
}
