// SPDX-License-Identifier: Apache-2.0
#include "net/own_address.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log_ring.h"
#include "base/writer.h"
#include "net/arp.h"
#include "net/instance.h"
#include "net/nd.h"

enum {
	INDEX_NONE = UINT16_MAX,
	ROUND_US = 1000 * 1000,       // RFC 4862 RetransTimer; RFC 5227 ANNOUNCE_INTERVAL is near enough
	N_ROUNDS = 3,                 // RFC 5227 PROBE_NUM
	RETRY_US = 30 * 1000 * 1000,  // a duplicate is tried again
	DEFEND_US = 10 * 1000 * 1000, // RFC 5227 DEFEND_INTERVAL
	TELL_AGAIN_US = 10 * 1000     // a worker's ring was full
};

static uint32_t n_items_max(const struct net_config *config)
{
	return config->n_addresses + config->n_ports;
}

static uint32_t index_len(const struct net_config *config)
{
	uint32_t len = 16;

	while (len < 4 * n_items_max(config))
		len *= 2;
	return len;
}

size_t own_addresses_footprint(const struct net_config *config)
{
	return n_items_max(config) * sizeof(struct own_address) + index_len(config) * sizeof(uint16_t) + 128;
}

// The table holds our own addresses only, so that nobody else can make it degenerate.
static uint32_t slot_of(const struct own_addresses *own, const struct ip_addr *addr, uint8_t port_idx)
{
	uint64_t mixed = (addr->words[0] ^ __builtin_bswap64(addr->words[1]) ^ port_idx) *
			 UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(mixed >> 32) & own->index_mask;
}

struct own_address *own_address_find(
	const struct own_addresses *own, const struct ip_addr *addr, uint8_t port_idx)
{
	uint32_t slot = slot_of(own, addr, port_idx);

	while (own->index[slot] != INDEX_NONE) {
		struct own_address *item = &own->items[own->index[slot]];

		if (ip_addr_equal(&item->addr, addr) && item->port_idx == port_idx)
			return item;
		slot = (slot + 1) & own->index_mask;
	}
	return NULL;
}

static void add(struct own_addresses *own, const struct ip_addr *addr, uint8_t prefix_len, uint8_t port_idx)
{
	struct own_address *item = &own->items[own->n];
	uint32_t slot = slot_of(own, addr, port_idx);

	if (own_address_find(own, addr, port_idx) != NULL)
		return;
	*item = (struct own_address){
		.addr = *addr,
		.prefix_len = prefix_len,
		.port_idx = port_idx,
		.state = ip_addr_is_v4(addr) ? OWN_ADDRESS_USABLE : OWN_ADDRESS_TENTATIVE,
	};
	timer_init(&item->timer.timer);
	item->timer.kind = NET_TIMER_OWN_ADDRESS;
	while (own->index[slot] != INDEX_NONE)
		slot = (slot + 1) & own->index_mask;
	own->index[slot] = (uint16_t)own->n++;
}

static struct ip_addr link_local_of(const uint8_t mac[6])
{
	struct ip_addr addr = {.bytes = {0xfe, 0x80}};

	memcpy(addr.bytes + 8, mac, 3);
	addr.bytes[8] ^= 2;
	addr.bytes[11] = 0xff;
	addr.bytes[12] = 0xfe;
	memcpy(addr.bytes + 13, mac + 3, 3);
	return addr;
}

bool own_addresses_init(struct net *net, struct arena *arena)
{
	const struct net_config *config = &net->config;
	struct own_addresses *own = &net->own;

	own->n = 0;
	own->index_mask = index_len(config) - 1;
	own->items = arena_alloc(arena, n_items_max(config) * sizeof own->items[0], 64);
	own->index = arena_alloc(arena, index_len(config) * sizeof own->index[0], 64);
	if (own->items == NULL || own->index == NULL)
		return false;
	memset(own->index, 0xff, index_len(config) * sizeof own->index[0]);
	for (uint32_t i = 0; i < config->n_addresses; i++) {
		const struct net_address_config *address = &config->addresses[i];

		add(own, &address->addr, address->prefix_len, address->port_idx);
	}
	for (uint32_t i = 0; i < config->n_addresses; i++) {
		const struct net_address_config *address = &config->addresses[i];
		struct ip_addr link_local = link_local_of(net->ports[address->port_idx].mac);

		if (!ip_addr_is_v4(&address->addr))
			add(own, &link_local, 64, address->port_idx);
	}
	return true;
}

const struct own_address *own_address_for(
	const struct own_addresses *own, const struct ip_addr *target, uint8_t port_idx)
{
	bool is_v4 = ip_addr_is_v4(target);
	const struct own_address *any = NULL;

	for (uint32_t i = 0; i < own->n; i++) {
		const struct own_address *item = &own->items[i];

		if (item->port_idx != port_idx || item->state != OWN_ADDRESS_USABLE ||
			ip_addr_is_v4(&item->addr) != is_v4)
			continue;
		if (ip_addr_in_prefix(target, &item->addr, item->prefix_len))
			return item;
		if (any == NULL)
			any = item;
	}
	return any;
}

bool own_address_on_link(const struct own_addresses *own, const struct ip_addr *target, uint8_t port_idx)
{
	for (uint32_t i = 0; i < own->n; i++)
		if (own->items[i].port_idx == port_idx &&
			ip_addr_in_prefix(target, &own->items[i].addr, own->items[i].prefix_len))
			return true;
	return false;
}

static void start_timer(struct net *net, struct own_address *own, uint64_t wait_us)
{
	timer_start(&net->timers, &own->timer.timer, net->now_us + wait_us);
}

static void start(struct net *net, struct own_address *own)
{
	own->state = ip_addr_is_v4(&own->addr) ? OWN_ADDRESS_USABLE : OWN_ADDRESS_TENTATIVE;
	own->n_sent = 0;
	own->told = false;
	start_timer(net, own, 0);
}

void own_addresses_start(struct net *net, uint8_t port_idx)
{
	SLUICE_ASSERT(net_is_resolver(net));
	for (uint32_t i = 0; i < net->own.n; i++)
		if (net->own.items[i].port_idx == port_idx)
			start(net, &net->own.items[i]);
}

static void announce(struct net *net, const struct own_address *own)
{
	struct net_port *port = &net->ports[own->port_idx];

	if (ip_addr_is_v4(&own->addr))
		arp_announce(net, port, &own->addr);
	else
		nd_announce(net, port, &own->addr);
}

static void log_conflict(struct net *net, const struct own_address *own, const uint8_t mac[6])
{
	uint8_t details[LOG_EVENT_DETAILS_MAX];
	struct writer writer = writer_over((struct mut_span){.data = details, .len = sizeof details});

	writer_u16(&writer, own->port_idx);
	writer_bytes(&writer, span_of(own->addr.bytes, sizeof own->addr.bytes));
	writer_bytes(&writer, span_of(mac, WIRE_MAC_LEN));
	log_ring_push(net->log, LOG_EVENT_NEIGHBOR_CONFLICT, clock_wall_us(), writer_span(&writer));
}

void own_address_conflict(struct net *net, struct own_address *own, const uint8_t mac[6])
{
	counter_inc(net->counters, COUNTER_NET_ADDRESS_CONFLICTS);
	if (own->state == OWN_ADDRESS_TENTATIVE) {
		own->state = OWN_ADDRESS_DUPLICATE;
		own->told = false;
		start_timer(net, own, 0);
		log_conflict(net, own, mac);
		return;
	}
	if (own->state != OWN_ADDRESS_USABLE ||
		(own->defended_us != 0 && net->now_us < own->defended_us + DEFEND_US))
		return;
	own->defended_us = net->now_us | 1;
	log_conflict(net, own, mac);
	announce(net, own);
}

// Tells every other worker; true when all rings took it.
static bool tell_all(struct net *net, const struct own_address *own)
{
	struct exchange_message message = {
		.kind = EXCHANGE_ADDRESS,
		.port_idx = own->port_idx,
		.resolved = own->state == OWN_ADDRESS_USABLE,
		.addr = own->addr,
	};
	bool all = true;

	for (uint32_t i = 1; i < net->n_workers; i++)
		all &= exchange_push(net->exchange, net->worker_idx, i, &message);
	return all;
}

// One step of detection or announcement; returns how long until the next, 0 for never.
static uint64_t step(struct net *net, struct own_address *own)
{
	struct net_port *port = &net->ports[own->port_idx];

	switch (own->state) {
	case OWN_ADDRESS_TENTATIVE:
		if (own->n_sent++ == 0) {
			nd_detect(net, port, &own->addr);
			return ROUND_US;
		}
		own->state = OWN_ADDRESS_USABLE;
		own->n_sent = 0;
		own->told = false;
		return TELL_AGAIN_US;
	case OWN_ADDRESS_USABLE:
		if (own->n_sent >= N_ROUNDS)
			return 0;
		if (ip_addr_is_v4(&own->addr))
			arp_probe(net, port, &own->addr);
		announce(net, own);
		return ++own->n_sent < N_ROUNDS ? ROUND_US : 0;
	default:
		start(net, own);
		return TELL_AGAIN_US;
	}
}

void own_address_timeout(struct net *net, struct own_address *own)
{
	uint64_t wait_us;

	if (!own->told) {
		own->told = tell_all(net, own);
		if (!own->told) {
			start_timer(net, own, TELL_AGAIN_US);
			return;
		}
		if (own->state == OWN_ADDRESS_DUPLICATE) {
			start_timer(net, own, RETRY_US);
			return;
		}
	}
	wait_us = step(net, own);
	if (wait_us != 0)
		start_timer(net, own, wait_us);
}

void own_address_told(struct net *net, const struct ip_addr *addr, uint8_t port_idx, bool usable)
{
	struct own_address *own = own_address_find(&net->own, addr, port_idx);

	if (own != NULL)
		own->state = usable ? OWN_ADDRESS_USABLE : OWN_ADDRESS_DUPLICATE;
}
