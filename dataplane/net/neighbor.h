// SPDX-License-Identifier: Apache-2.0
//
// Neighbours: which link address an IP address on the link has, for IPv4 (ARP) and IPv6 (ND) with one table
// and one state machine, that of RFC 4861 7.3.2 without DELAY (nothing tells us that a neighbour answered but
// its own messages, so that the state would only postpone the question).
//
//             USE                 CONFIRM                 30 s, used               CONFIRM
//   (none) ---------> INCOMPLETE ---------> REACHABLE ----------------> PROBE ---------------> REACHABLE
//      |               |      ^                 |                       ^   |
//      | HEARD         |      |  3 x 1 s silent |  30 s, not used       |   |
//      |               |      +-----------------|-----------------------|---+
//      v               |                        v            USE        |
//    STALE             |                      STALE --------------------+
//                      |  3 x 1 s silent        |
//                      v                        |  10 min
//                   FAILED ---- 3 s ---------> (none), or INCOMPLETE again while packets want to go there
//
//   USE      a packet wants to go there          CONFIRM  an answer to a question of ours
//   HEARD    a message that we did not ask for   REFUSED  worker 0 gave up (other workers only)
//
// Packets flow in STALE, PROBE and REACHABLE; in INCOMPLETE a few wait; in FAILED they are dropped.
//
// Worker 0 asks the network. Any other worker runs the same machine, but "asking" is a WANT message to worker
// 0, whose answer is CONFIRM or REFUSED. WANTs are repeated while an entry is used, so that a lost message
// heals.
//
// Bounds. The table never grows. Unresolved entries (INCOMPLETE, FAILED) may take half of it: a scan can't
// push out neighbours that answer; beyond that the oldest FAILED makes room, else the newcomer is refused.
// Otherwise a full table gives up its oldest STALE entry, else its oldest FAILED one, else the newcomer is
// refused. Gateways are never given up. All of it is counted.
#pragma once

#include "base/list.h"
#include "base/pool.h"
#include "net/addr.h"
#include "net/net_timer.h"
#include "net/wire.h"

struct net;
struct rte_mbuf;

enum neighbor_state {
	NEIGHBOR_FREE,
	NEIGHBOR_FAILED,
	NEIGHBOR_INCOMPLETE,
	// From here on the link address is known and packets flow.
	NEIGHBOR_STALE,
	NEIGHBOR_PROBE,
	NEIGHBOR_REACHABLE,
	N_NEIGHBOR_STATES
};

enum {
	NEIGHBOR_PENDING_MAX = 16,
	NEIGHBOR_SOLICITS_MAX = 3,                // RFC 4861 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
	NEIGHBOR_RETRANS_US = 1000 * 1000,        // RETRANS_TIMER
	NEIGHBOR_REACHABLE_US = 30 * 1000 * 1000, // REACHABLE_TIME
	NEIGHBOR_FAILED_US = 3 * 1000 * 1000,     // how long a failure is remembered
	NEIGHBOR_STALE_US = 600 * 1000 * 1000     // how long an unused entry is kept
};

struct neighbor {
	// What output needs.
	uint8_t link_header[WIRE_LINK_LEN_MAX]; // complete but for the type when packets flow
	uint8_t state;
	uint8_t port_idx;
	uint32_t generation; // unlike that of any other entry before; 0: free
	uint64_t used_us;    // last USE
	struct ip_addr addr;
	// What resolution needs.
	struct net_timer timer;
	struct list_link by_state;
	uint64_t confirmed_us;
	uint32_t hash_next; // POOL_NONE: the last of its bucket
	uint8_t n_solicits;
	uint8_t n_pending;
	bool is_gateway;
	struct rte_mbuf *pending[NEIGHBOR_PENDING_MAX]; // IP packets, oldest first
};

struct neighbor_table {
	struct pool pool;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t last_generation;
	uint32_t n_pending;
	uint32_t n_pending_max;
	uint32_t n_pending_per_neighbor;
	struct list by_state[N_NEIGHBOR_STATES]; // oldest first
	uint32_t n_by_state[N_NEIGHBOR_STATES];
};

size_t neighbor_table_footprint(uint32_t n_entries);

bool neighbor_table_init(struct net *net, struct arena *arena);

// Frees every packet that waits.
void neighbor_table_stop(struct net *net);

// The entry of an address, or NULL.
struct neighbor *neighbor_find(struct net *net, const struct ip_addr *addr, uint8_t port_idx);

// The entry of a next hop, made when there is none. NULL: the table refuses (counted).
struct neighbor *neighbor_get(struct net *net, const struct ip_addr *addr, uint8_t port_idx);

static inline bool neighbor_resolved(const struct neighbor *neighbor)
{
	return neighbor->state >= NEIGHBOR_STALE;
}

// Before each packet that goes to the neighbour.
void neighbor_use(struct net *net, struct neighbor *neighbor);

// Takes an IP packet that waits for resolution; the oldest waiting one makes room.
void neighbor_enqueue(struct net *net, struct neighbor *neighbor, struct rte_mbuf *m);

// How a message counts. NEIGHBOR_CREATE: makes an entry when there is none (it asked for us, so that we shall
// answer). NEIGHBOR_OVERRIDE: a differing link address replaces ours (RFC 4861 7.2.5); otherwise it only
// raises doubt.
enum {
	NEIGHBOR_CREATE = 1,
	NEIGHBOR_OVERRIDE = 2
};

// An answer to a question of ours (solicited). Ignored when there is no entry. mac NULL: it did not say,
// which is an answer to a unicast question only.
void neighbor_confirm(
	struct net *net, const struct ip_addr *addr, uint8_t port_idx, const uint8_t mac[6], unsigned how);

// An unsolicited message.
void neighbor_heard(
	struct net *net, const struct ip_addr *addr, uint8_t port_idx, const uint8_t mac[6], unsigned how);

// Another worker wants a neighbour resolved; it is told at once when the answer is known. Worker 0 only.
void neighbor_wanted(struct net *net, const struct ip_addr *addr, uint8_t port_idx, uint32_t from_worker);

// Worker 0 gave up. Other workers only.
void neighbor_refused(struct net *net, const struct ip_addr *addr, uint8_t port_idx);

// For operators: the next entry in use, looking at no more than *n_looks places from *cursor on, which both
// change. NULL: none there; the end is reached when *cursor is neighbor_capacity.
const struct neighbor *neighbor_next(const struct net *net, uint32_t *cursor, uint32_t *n_looks);
uint32_t neighbor_capacity(const struct net *net);
uint32_t neighbor_count(const struct net *net);

void neighbor_timeout(struct net *net, struct neighbor *neighbor);

// A link went down: whatever was known on it is in doubt.
void neighbor_link_down(struct net *net, uint8_t port_idx);
