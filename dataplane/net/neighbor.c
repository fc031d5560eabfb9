// SPDX-License-Identifier: Apache-2.0
#include "net/neighbor.h"

#include "base/assert.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/instance.h"
#include "net/nd.h"

#include <rte_mbuf.h>

enum event {
	EVENT_USE,
	EVENT_CONFIRM,
	EVENT_HEARD,
	EVENT_REFUSED,
	EVENT_TIMEOUT,
	N_EVENTS
};

// What came with the event: the link address of CONFIRM and HEARD, and whether it replaces ours.
struct occasion {
	const uint8_t *mac;
	bool override;
};

typedef void action(struct net *net, struct neighbor *neighbor, const struct occasion *occasion);

static action ignore, confirm, learn, hear, probe, refuse, retry_broadcast, retry_unicast, grow_stale, forget,
	retry_or_forget;

static action *const machine[N_NEIGHBOR_STATES][N_EVENTS] = {
	// USE, CONFIRM, HEARD, REFUSED, TIMEOUT
	[NEIGHBOR_FAILED] = {ignore, confirm, learn, ignore, retry_or_forget},
	[NEIGHBOR_INCOMPLETE] = {ignore, confirm, learn, refuse, retry_broadcast},
	[NEIGHBOR_STALE] = {probe, confirm, hear, refuse, forget},
	[NEIGHBOR_PROBE] = {ignore, confirm, hear, refuse, retry_unicast},
	[NEIGHBOR_REACHABLE] = {ignore, confirm, hear, refuse, grow_stale},
};

size_t neighbor_table_footprint(uint32_t n_entries)
{
	return pool_footprint(n_entries, sizeof(struct neighbor)) + 4 * (size_t)n_entries * sizeof(uint32_t) +
	       64;
}

bool neighbor_table_init(struct net *net, struct arena *arena)
{
	struct neighbor_table *table = &net->neighbors;
	uint32_t n_entries = net->config.neighbors_max;
	uint32_t n_buckets = 1;

	while (n_buckets < 2 * n_entries)
		n_buckets *= 2;
	table->bucket_mask = n_buckets - 1;
	table->n_pending_max = net->config.pending_max;
	table->n_pending_per_neighbor = net->config.pending_per_neighbor;
	for (uint32_t i = 0; i < N_NEIGHBOR_STATES; i++)
		list_init(&table->by_state[i]);
	table->buckets = arena_alloc(arena, n_buckets * sizeof table->buckets[0], 64);
	if (table->buckets == NULL)
		return false;
	memset(table->buckets, 0xff, n_buckets * sizeof table->buckets[0]);
	return pool_init(&table->pool, arena, n_entries, sizeof(struct neighbor));
}

static uint32_t *bucket_of(struct net *net, const struct ip_addr *addr, uint8_t port_idx)
{
	struct flow_key key = {.remote = *addr, .local_port = port_idx};

	return &net->neighbors
			.buckets[flow_hash(&net->config.flow_secret, &key) & net->neighbors.bucket_mask];
}

struct neighbor *neighbor_find(struct net *net, const struct ip_addr *addr, uint8_t port_idx)
{
	uint32_t idx = *bucket_of(net, addr, port_idx);

	while (idx != POOL_NONE) {
		struct neighbor *neighbor = pool_at(&net->neighbors.pool, idx);

		if (ip_addr_equal(&neighbor->addr, addr) && neighbor->port_idx == port_idx)
			return neighbor;
		idx = neighbor->hash_next;
	}
	return NULL;
}

// The one place where the state changes.
static void set_state(struct net *net, struct neighbor *neighbor, enum neighbor_state state)
{
	struct neighbor_table *table = &net->neighbors;

	if (neighbor->state != NEIGHBOR_FREE) {
		list_remove(&neighbor->by_state);
		table->n_by_state[neighbor->state]--;
	}
	if (state == NEIGHBOR_FAILED)
		counter_inc(net->counters, COUNTER_NET_NEIGHBOR_FAILED);
	neighbor->state = (uint8_t)state;
	if (state != NEIGHBOR_FREE) {
		list_push_back(&table->by_state[state], &neighbor->by_state);
		table->n_by_state[state]++;
	}
}

static void start_timer(struct net *net, struct neighbor *neighbor, uint64_t wait_us)
{
	timer_start(&net->timers, &neighbor->timer.timer, net->now_us + wait_us);
}

static void count_pending(struct net *net)
{
	counter_set(net->counters, COUNTER_NET_NEIGHBOR_PENDING, net->neighbors.n_pending);
}

static void drop_pending(struct net *net, struct neighbor *neighbor)
{
	for (uint32_t i = 0; i < neighbor->n_pending; i++)
		net_drop(net, neighbor->pending[i], COUNTER_NET_TX_DROP_UNRESOLVED);
	net->neighbors.n_pending -= neighbor->n_pending;
	neighbor->n_pending = 0;
	count_pending(net);
}

static void send_pending(struct net *net, struct neighbor *neighbor)
{
	struct net_port *port = &net->ports[neighbor->port_idx];

	for (uint32_t i = 0; i < neighbor->n_pending; i++) {
		struct rte_mbuf *m = neighbor->pending[i];
		char *header = rte_pktmbuf_prepend(m, port->link_len);

		SLUICE_ASSERT(header != NULL);
		memcpy(header, neighbor->link_header, port->link_len);
		transmit_frame(net, port, m);
	}
	net->neighbors.n_pending -= neighbor->n_pending;
	neighbor->n_pending = 0;
	count_pending(net);
}

static void release(struct net *net, struct neighbor *neighbor)
{
	uint32_t idx = pool_index(&net->neighbors.pool, neighbor);
	uint32_t *link = bucket_of(net, &neighbor->addr, neighbor->port_idx);

	while (*link != idx)
		link = &((struct neighbor *)pool_at(&net->neighbors.pool, *link))->hash_next;
	*link = neighbor->hash_next;
	drop_pending(net, neighbor);
	timer_stop(&net->timers, &neighbor->timer.timer);
	set_state(net, neighbor, NEIGHBOR_FREE);
	neighbor->generation = 0;
	pool_free(&net->neighbors.pool, neighbor);
	counter_set(net->counters, COUNTER_NET_NEIGHBORS, net->neighbors.pool.n_used);
}

static bool evict_oldest(struct net *net, enum neighbor_state state)
{
	struct list_link *link;

	LIST_FOREACH (link, &net->neighbors.by_state[state]) {
		struct neighbor *oldest = LIST_ITEM(link, struct neighbor, by_state);

		if (oldest->is_gateway)
			continue;
		release(net, oldest);
		counter_inc(net->counters, COUNTER_NET_NEIGHBOR_EVICTED);
		return true;
	}
	return false;
}

// Room for one more entry, by the rules of the file head.
static bool make_room(struct net *net, enum neighbor_state state)
{
	const struct neighbor_table *table = &net->neighbors;
	uint32_t n_unresolved = table->n_by_state[NEIGHBOR_INCOMPLETE] + table->n_by_state[NEIGHBOR_FAILED];

	if (state == NEIGHBOR_INCOMPLETE && n_unresolved >= table->pool.n_items / 2)
		return evict_oldest(net, NEIGHBOR_FAILED);
	return pool_n_free(&table->pool) != 0 || evict_oldest(net, NEIGHBOR_STALE) ||
	       evict_oldest(net, NEIGHBOR_FAILED);
}

static struct neighbor *create(
	struct net *net, const struct ip_addr *addr, uint8_t port_idx, enum neighbor_state state)
{
	struct neighbor *neighbor;
	uint32_t *bucket;

	if (!make_room(net, state)) {
		counter_inc(net->counters, COUNTER_NET_NEIGHBOR_REFUSED);
		return NULL;
	}
	neighbor = pool_alloc(&net->neighbors.pool);
	SLUICE_ASSERT(neighbor != NULL);
	*neighbor = (struct neighbor){.addr = *addr,
		.port_idx = port_idx,
		.generation = ++net->neighbors.last_generation,
		.used_us = net->now_us};
	timer_init(&neighbor->timer.timer);
	neighbor->timer.kind = NET_TIMER_NEIGHBOR;
	list_link_init(&neighbor->by_state);
	bucket = bucket_of(net, addr, port_idx);
	neighbor->hash_next = *bucket;
	*bucket = pool_index(&net->neighbors.pool, neighbor);
	set_state(net, neighbor, state);
	counter_set(net->counters, COUNTER_NET_NEIGHBORS, net->neighbors.pool.n_used);
	return neighbor;
}

static const uint8_t *mac_of(const struct neighbor *neighbor)
{
	return neighbor->link_header;
}

static bool mac_equal(const uint8_t a[6], const uint8_t b[6])
{
	return memcmp(a, b, WIRE_MAC_LEN) == 0;
}

static void set_mac(struct net *net, struct neighbor *neighbor, const uint8_t mac[6])
{
	ethernet_write(neighbor->link_header, &net->ports[neighbor->port_idx], mac,
		ip_addr_is_v4(&neighbor->addr) ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
}

// Tells one worker what we know. A full ring loses it; the worker asks again.
static void tell(struct net *net, const struct neighbor *neighbor, uint32_t to)
{
	struct exchange_message message = {
		.kind = EXCHANGE_NEIGHBOR,
		.port_idx = neighbor->port_idx,
		.resolved = neighbor_resolved(neighbor),
		.addr = neighbor->addr,
	};

	memcpy(message.mac, mac_of(neighbor), sizeof message.mac);
	(void)exchange_push(net->exchange, net->worker_idx, to, &message);
}

static void tell_all(struct net *net, const struct neighbor *neighbor)
{
	if (!net_is_resolver(net))
		return;
	for (uint32_t i = 1; i < net->n_workers; i++)
		tell(net, neighbor, i);
}

// Asks the network, or worker 0. `mac` is where a unicast question goes, NULL for a broadcast one.
static void ask(struct net *net, struct neighbor *neighbor, const uint8_t *mac)
{
	struct net_port *port = &net->ports[neighbor->port_idx];

	neighbor->n_solicits++;
	start_timer(net, neighbor, NEIGHBOR_RETRANS_US);
	if (!net_is_resolver(net)) {
		struct exchange_message message = {
			.kind = EXCHANGE_WANT, .port_idx = neighbor->port_idx, .addr = neighbor->addr};

		counter_inc(net->counters, COUNTER_NET_NEIGHBOR_WANTS);
		(void)exchange_push(net->exchange, net->worker_idx, 0, &message);
		return;
	}
	counter_inc(net->counters, COUNTER_NET_NEIGHBOR_SOLICITS);
	if (ip_addr_is_v4(&neighbor->addr))
		arp_solicit(net, port, &neighbor->addr, mac);
	else
		nd_solicit(net, port, &neighbor->addr, mac);
}

static void start_asking(struct net *net, struct neighbor *neighbor, enum neighbor_state state)
{
	set_state(net, neighbor, state);
	neighbor->n_solicits = 0;
	ask(net, neighbor, state == NEIGHBOR_PROBE ? mac_of(neighbor) : NULL);
}

static void become_stale(struct net *net, struct neighbor *neighbor)
{
	set_state(net, neighbor, NEIGHBOR_STALE);
	start_timer(net, neighbor, NEIGHBOR_STALE_US);
}

static void fail(struct net *net, struct neighbor *neighbor)
{
	memset(neighbor->link_header, 0, sizeof neighbor->link_header);
	drop_pending(net, neighbor);
	set_state(net, neighbor, NEIGHBOR_FAILED);
	start_timer(net, neighbor, NEIGHBOR_FAILED_US);
}

static void ignore(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)net;
	(void)neighbor;
	(void)occasion;
}

static void confirm(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	if (!occasion->override && neighbor_resolved(neighbor) &&
		!mac_equal(mac_of(neighbor), occasion->mac)) {
		hear(net, neighbor, occasion);
		return;
	}
	set_mac(net, neighbor, occasion->mac);
	neighbor->confirmed_us = net->now_us;
	set_state(net, neighbor, NEIGHBOR_REACHABLE);
	start_timer(net, neighbor, NEIGHBOR_REACHABLE_US);
	send_pending(net, neighbor);
	tell_all(net, neighbor);
}

// Unresolved until now: take the address, use it, and verify it when packets go there.
static void learn(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	bool was_wanted = neighbor->n_pending != 0;

	set_mac(net, neighbor, occasion->mac);
	become_stale(net, neighbor);
	send_pending(net, neighbor);
	tell_all(net, neighbor);
	if (was_wanted)
		probe(net, neighbor, occasion);
}

// RFC 4861 7.2.5. The same address is no news; another one either replaces ours or makes us doubt it.
static void hear(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	if (mac_equal(mac_of(neighbor), occasion->mac))
		return;
	if (occasion->override) {
		set_mac(net, neighbor, occasion->mac);
		tell_all(net, neighbor);
		become_stale(net, neighbor);
	} else if (neighbor->state == NEIGHBOR_REACHABLE) {
		become_stale(net, neighbor);
	}
}

static void probe(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)occasion;
	start_asking(net, neighbor, NEIGHBOR_PROBE);
}

static void refuse(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)occasion;
	fail(net, neighbor);
}

static void retry_broadcast(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)occasion;
	if (neighbor->n_solicits < NEIGHBOR_SOLICITS_MAX) {
		ask(net, neighbor, NULL);
		return;
	}
	fail(net, neighbor);
	tell_all(net, neighbor);
}

static void retry_unicast(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)occasion;
	if (neighbor->n_solicits < NEIGHBOR_SOLICITS_MAX)
		ask(net, neighbor, mac_of(neighbor));
	else
		start_asking(net, neighbor, NEIGHBOR_INCOMPLETE);
}

static void grow_stale(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	if (neighbor->used_us > neighbor->confirmed_us || neighbor->is_gateway)
		probe(net, neighbor, occasion);
	else
		become_stale(net, neighbor);
}

static void forget(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)occasion;
	release(net, neighbor);
}

static void retry_or_forget(struct net *net, struct neighbor *neighbor, const struct occasion *occasion)
{
	(void)occasion;
	if (neighbor->is_gateway || neighbor->used_us + NEIGHBOR_FAILED_US > net->now_us)
		start_asking(net, neighbor, NEIGHBOR_INCOMPLETE);
	else
		release(net, neighbor);
}

static void dispatch(
	struct net *net, struct neighbor *neighbor, enum event event, const struct occasion *occasion)
{
	SLUICE_ASSERT(neighbor->state != NEIGHBOR_FREE && neighbor->state < N_NEIGHBOR_STATES);
	machine[neighbor->state][event](net, neighbor, occasion);
}

struct neighbor *neighbor_get(struct net *net, const struct ip_addr *addr, uint8_t port_idx)
{
	struct neighbor *neighbor = neighbor_find(net, addr, port_idx);

	if (neighbor != NULL)
		return neighbor;
	neighbor = create(net, addr, port_idx, NEIGHBOR_INCOMPLETE);
	if (neighbor != NULL)
		ask(net, neighbor, NULL);
	return neighbor;
}

void neighbor_use(struct net *net, struct neighbor *neighbor)
{
	neighbor->used_us = net->now_us;
	if (neighbor->state == NEIGHBOR_STALE)
		dispatch(net, neighbor, EVENT_USE, NULL);
}

void neighbor_enqueue(struct net *net, struct neighbor *neighbor, struct rte_mbuf *m)
{
	struct neighbor_table *table = &net->neighbors;

	if (neighbor->state != NEIGHBOR_INCOMPLETE) {
		net_drop(net, m, COUNTER_NET_TX_DROP_UNRESOLVED);
		return;
	}
	if (neighbor->n_pending == table->n_pending_per_neighbor) {
		// RFC 4861 7.2.2: the new packet replaces the oldest.
		net_drop(net, neighbor->pending[0], COUNTER_NET_TX_DROP_UNRESOLVED);
		neighbor->n_pending--;
		table->n_pending--;
		memmove(neighbor->pending, neighbor->pending + 1,
			neighbor->n_pending * sizeof neighbor->pending[0]);
	} else if (table->n_pending == table->n_pending_max) {
		net_drop(net, m, COUNTER_NET_TX_DROP_UNRESOLVED);
		return;
	}
	neighbor->pending[neighbor->n_pending++] = m;
	table->n_pending++;
	count_pending(net);
}

void neighbor_confirm(
	struct net *net, const struct ip_addr *addr, uint8_t port_idx, const uint8_t mac[6], unsigned how)
{
	struct neighbor *neighbor = neighbor_find(net, addr, port_idx);
	struct occasion occasion = {.mac = mac, .override = (how & NEIGHBOR_OVERRIDE) != 0};

	if (neighbor == NULL || (mac == NULL && !neighbor_resolved(neighbor)))
		return;
	if (mac == NULL)
		occasion.mac = mac_of(neighbor);
	dispatch(net, neighbor, EVENT_CONFIRM, &occasion);
}

void neighbor_heard(
	struct net *net, const struct ip_addr *addr, uint8_t port_idx, const uint8_t mac[6], unsigned how)
{
	struct neighbor *neighbor = neighbor_find(net, addr, port_idx);
	struct occasion occasion = {.mac = mac, .override = (how & NEIGHBOR_OVERRIDE) != 0};

	if (neighbor != NULL) {
		dispatch(net, neighbor, EVENT_HEARD, &occasion);
		return;
	}
	if ((how & NEIGHBOR_CREATE) == 0)
		return;
	neighbor = create(net, addr, port_idx, NEIGHBOR_STALE);
	if (neighbor != NULL) {
		set_mac(net, neighbor, mac);
		start_timer(net, neighbor, NEIGHBOR_STALE_US);
	}
}

void neighbor_wanted(struct net *net, const struct ip_addr *addr, uint8_t port_idx, uint32_t from_worker)
{
	struct neighbor *neighbor = neighbor_get(net, addr, port_idx);

	if (neighbor == NULL)
		return;
	neighbor_use(net, neighbor);
	if (neighbor->state != NEIGHBOR_INCOMPLETE)
		tell(net, neighbor, from_worker);
}

void neighbor_refused(struct net *net, const struct ip_addr *addr, uint8_t port_idx)
{
	struct neighbor *neighbor = neighbor_find(net, addr, port_idx);

	if (neighbor != NULL)
		dispatch(net, neighbor, EVENT_REFUSED, NULL);
}

void neighbor_timeout(struct net *net, struct neighbor *neighbor)
{
	dispatch(net, neighbor, EVENT_TIMEOUT, NULL);
}

void neighbor_link_down(struct net *net, uint8_t port_idx)
{
	static const enum neighbor_state certain[] = {NEIGHBOR_REACHABLE, NEIGHBOR_PROBE};

	for (uint32_t i = 0; i < 2; i++) {
		struct list_link *link, *following;

		LIST_FOREACH_SAFE (link, following, &net->neighbors.by_state[certain[i]]) {
			struct neighbor *neighbor = LIST_ITEM(link, struct neighbor, by_state);

			if (neighbor->port_idx == port_idx)
				become_stale(net, neighbor);
		}
	}
}

void neighbor_table_stop(struct net *net)
{
	for (uint32_t state = NEIGHBOR_FREE + 1; state < N_NEIGHBOR_STATES; state++) {
		struct list_link *link;

		while ((link = list_first(&net->neighbors.by_state[state])) != NULL)
			release(net, LIST_ITEM(link, struct neighbor, by_state));
	}
}

const struct neighbor *neighbor_next(const struct net *net, uint32_t *cursor, uint32_t *n_looks)
{
	const struct pool *pool = &net->neighbors.pool;

	while (*n_looks != 0 && *cursor < pool->n_items) {
		const uint32_t idx = (*cursor)++;

		(*n_looks)--;
		if (pool_in_use(pool, idx))
			return pool_at(pool, idx);
	}
	return NULL;
}

uint32_t neighbor_capacity(const struct net *net)
{
	return net->neighbors.pool.n_items;
}

uint32_t neighbor_count(const struct net *net)
{
	return net->neighbors.pool.n_used;
}
