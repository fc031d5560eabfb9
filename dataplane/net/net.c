// SPDX-License-Identifier: Apache-2.0
#include "net/net.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log_ring.h"
#include "base/writer.h"
#include "net/checksum.h"
#include "net/instance.h"
#include "net/receive.h"
#include "net/rss.h"

#include <rte_mbuf.h>

size_t net_footprint(const struct net_config *config)
{
	struct net_config full = net_config_with_defaults(config);
	size_t transmit_bytes = (size_t)full.n_ports * (full.tx_queue_len * sizeof(struct rte_mbuf *) + 64);

	return sizeof(struct net) + 64 + transmit_bytes + own_addresses_footprint(&full) +
	       route_table_footprint(&full) + neighbor_table_footprint(full.neighbors_max);
}

static bool init_port(struct net *net, uint8_t idx, struct arena *arena)
{
	const struct net_port_config *config = &net->config.ports[idx];
	const struct port_info *info = &config->port->info;
	struct net_port *port = &net->ports[idx];
	bool own_queue = info->n_queues >= net->n_workers;

	*port = (struct net_port){
		.device = config->port,
		.idx = idx,
		.vlan = config->vlan,
		.link_len = config->vlan != 0 ? WIRE_LINK_LEN_MAX : WIRE_ETHERNET_LEN,
		.mtu = config->mtu,
		.segments_max = info->tx_segments_max < UINT8_MAX ? info->tx_segments_max : UINT8_MAX,
		.capabilities = info->capabilities,
		.queue = own_queue ? (uint16_t)net->worker_idx : 0,
		.driver = own_queue ? net->worker_idx : idx % net->n_workers,
		.shared = !own_queue,
	};
	memcpy(port->mac, info->mac, sizeof port->mac);
	timer_init(&port->mld.timer.timer);
	port->mld.timer.kind = NET_TIMER_MLD;
	return transmit_init(&port->transmit, arena, net->config.tx_queue_len);
}

struct net *net_init(const struct net_setup *setup, struct arena *arena, uint64_t now_us)
{
	struct net *net = arena_alloc(arena, sizeof *net, 64);

	if (net == NULL)
		return NULL;
	SLUICE_ASSERT(setup->n_workers != 0 && setup->worker_idx < setup->n_workers);
	SLUICE_ASSERT(setup->n_workers == 1 || setup->exchange != NULL);
	checksum_init();
	net->counters = setup->counters;
	net->now_us = now_us;
	net->worker_idx = setup->worker_idx;
	net->n_workers = setup->n_workers;
	net->exchange = setup->exchange;
	net->tx_pool = setup->tx_pool;
	net->log = setup->log;
	net->config = net_config_with_defaults(setup->config);
	net->n_ports = net->config.n_ports;
	timer_wheel_init(&net->timers, now_us);
	timer_init(&net->link_timer.timer);
	net->link_timer.kind = NET_TIMER_LINK;
	for (uint8_t i = 0; i < net->n_ports; i++)
		if (!init_port(net, i, arena))
			return NULL;
	if (!own_addresses_init(net, arena) ||
		!route_table_init(&net->routes, arena, &net->config, &net->own) ||
		!neighbor_table_init(net, arena))
		return NULL;
	if (net_is_resolver(net))
		timer_start(&net->timers, &net->link_timer.timer, now_us);
	return net;
}

void net_stop(struct net *net)
{
	neighbor_table_stop(net);
	for (uint32_t i = 0; i < net->n_ports; i++)
		transmit_stop(&net->ports[i].transmit);
	net_discard_flush(net);
}

void net_discard(struct net *net, struct rte_mbuf *m)
{
	net->drops[net->n_drops++] = m;
	if (net->n_drops == NET_DROPS_MAX)
		net_discard_flush(net);
}

void net_discard_flush(struct net *net)
{
	rte_pktmbuf_free_bulk(net->drops, net->n_drops);
	net->n_drops = 0;
}

void net_pass_frame(
	struct net *net, uint32_t to, const struct net_port *port, struct rte_mbuf *m, bool forwarded)
{
	struct exchange_message message = {
		.kind = EXCHANGE_FRAME, .port_idx = port->idx, .forwarded = forwarded, .mbuf = m};

	if (exchange_push(net->exchange, net->worker_idx, to, &message))
		counter_inc(net->counters, COUNTER_NET_FORWARDED);
	else
		net_drop(net, m, COUNTER_NET_DROP_EXCHANGE);
}

static uint32_t receive_port(struct net *net, struct net_port *port, struct segment *out)
{
	struct rte_mbuf *frames[PORT_BURST_MAX];
	uint32_t n;

	if (port->driver != net->worker_idx)
		return 0;
	n = port_rx_burst(port->device, port->queue, frames, PORT_BURST_MAX);
	return n != 0 ? receive_frames(net, port, frames, n, RECEIVE_WIRE, out) : 0;
}

static void receive_message(struct net *net, const struct exchange_message *message, uint32_t from)
{
	switch (message->kind) {
	case EXCHANGE_TRANSMIT:
		transmit_frame(net, &net->ports[message->port_idx], message->mbuf);
		break;
	case EXCHANGE_WANT:
		neighbor_wanted(net, &message->addr, message->port_idx, from);
		break;
	case EXCHANGE_NEIGHBOR:
		if (message->resolved)
			neighbor_confirm(
				net, &message->addr, message->port_idx, message->mac, NEIGHBOR_OVERRIDE);
		else
			neighbor_refused(net, &message->addr, message->port_idx);
		break;
	default:
		SLUICE_ASSERT(message->kind == EXCHANGE_ADDRESS);
		own_address_told(net, &message->addr, message->port_idx, message->resolved);
		break;
	}
}

static bool same_run(const struct exchange_message *a, const struct exchange_message *b)
{
	return a->kind == b->kind && a->port_idx == b->port_idx && a->forwarded == b->forwarded;
}

// Frames that come one after the other from one port are received as one burst.
static uint32_t receive_worker(struct net *net, uint32_t from, struct segment *out)
{
	struct exchange_message messages[PORT_BURST_MAX];
	struct rte_mbuf *frames[PORT_BURST_MAX];
	uint32_t n = exchange_pop(net->exchange, from, net->worker_idx, messages, PORT_BURST_MAX);
	uint32_t n_out = 0;

	for (uint32_t i = 0; i < n;) {
		const struct exchange_message *first = &messages[i];
		uint32_t n_frames = 0;

		if (first->kind != EXCHANGE_FRAME) {
			receive_message(net, first, from);
			i++;
			continue;
		}
		while (i < n && same_run(&messages[i], first))
			frames[n_frames++] = messages[i++].mbuf;
		n_out += receive_frames(net, &net->ports[first->port_idx], frames, n_frames,
			first->forwarded ? RECEIVE_FORWARDED : RECEIVE_PASSED, out + n_out);
	}
	return n_out;
}

uint32_t net_rx_burst(struct net *net, uint64_t now_us, struct segment *out, uint32_t n_max)
{
	uint32_t n_sources = net->n_ports + (net->n_workers > 1 ? net->n_workers : 0);
	uint32_t n_out = 0;

	SLUICE_ASSERT(n_max >= NET_RX_BURST_MIN);
	net->now_us = now_us;
	for (uint32_t i = 0; i < n_sources && n_max - n_out >= PORT_BURST_MAX; i++) {
		uint32_t source = net->next_source;

		net->next_source = source + 1 < n_sources ? source + 1 : 0;
		if (source < net->n_ports)
			n_out += receive_port(net, &net->ports[source], out + n_out);
		else if (source - net->n_ports != net->worker_idx)
			n_out += receive_worker(net, source - net->n_ports, out + n_out);
	}
	net_discard_flush(net);
	return n_out;
}

bool net_forward(struct net *net, struct segment *segment)
{
	uint32_t owner;

	if (segment->forwarded || net->n_workers == 1)
		return false;
	owner = net_worker_of(net, segment->port_idx, &segment->key);
	if (owner == net->worker_idx)
		return false;
	receive_undo(segment);
	net_pass_frame(net, owner, &net->ports[segment->port_idx], segment->mbuf, true);
	return true;
}

uint32_t net_icmp_errors(struct net *net, struct net_icmp_error *out, uint32_t n)
{
	if (n > net->n_icmp_errors)
		n = net->n_icmp_errors;
	memcpy(out, net->icmp_errors, n * sizeof *out);
	net->n_icmp_errors -= n;
	memmove(net->icmp_errors, net->icmp_errors + n, net->n_icmp_errors * sizeof *out);
	return n;
}

uint32_t net_flow_hash(const struct net *net, const struct flow_key *key)
{
	return flow_hash(&net->config.flow_secret, key);
}

uint32_t net_worker_of(const struct net *net, uint8_t port_idx, const struct flow_key *key)
{
	const struct net_port *port = &net->ports[port_idx];

	if (net->n_workers == 1)
		return 0;
	if (!port->shared)
		return rss_queue(&port->device->info, key);
	return flow_hash_worker(net_flow_hash(net, key), net->n_workers);
}

uint32_t net_worker_idx(const struct net *net)
{
	return net->worker_idx;
}

bool net_address_usable(const struct net *net, const struct ip_addr *addr, uint8_t *out_port_idx)
{
	for (uint8_t i = 0; i < net->n_ports; i++) {
		const struct own_address *own = own_address_find(&net->own, addr, i);

		if (own == NULL)
			continue;
		if (out_port_idx != NULL)
			*out_port_idx = i;
		return own->state == OWN_ADDRESS_USABLE;
	}
	return false;
}

static void log_link(struct net *net, const struct net_port *port)
{
	uint8_t details[4];
	struct writer writer = writer_over((struct mut_span){.data = details, .len = sizeof details});

	writer_u16(&writer, port->idx);
	writer_u8(&writer, port->link_up);
	log_ring_push(net->log, LOG_EVENT_LINK_STATE, clock_wall_us(), writer_span(&writer));
}

// Worker 0 watches the links of all ports. One that comes up may lead to another network or past a switch
// that has forgotten us: our addresses are announced anew.
static void poll_links(struct net *net)
{
	for (uint8_t i = 0; i < net->n_ports; i++) {
		struct net_port *port = &net->ports[i];
		bool up = port_link_up(port->device);

		if (up == port->link_up)
			continue;
		port->link_up = up;
		log_link(net, port);
		if (up) {
			// RFC 4862 5.4.2: the group is joined before anyone is asked in it.
			mld_start(net, port);
			own_addresses_start(net, i);
		} else {
			neighbor_link_down(net, i);
		}
	}
	timer_start(&net->timers, &net->link_timer.timer, net->now_us + NET_LINK_POLL_US);
}

static void expire(struct net *net, struct net_timer *timer)
{
	switch (timer->kind) {
	case NET_TIMER_NEIGHBOR:
		neighbor_timeout(net, LIST_ITEM(timer, struct neighbor, timer));
		break;
	case NET_TIMER_OWN_ADDRESS:
		own_address_timeout(net, LIST_ITEM(timer, struct own_address, timer));
		break;
	case NET_TIMER_MLD:
		mld_timeout(net, LIST_ITEM(timer, struct net_port, mld.timer));
		break;
	default:
		poll_links(net);
		break;
	}
}

void net_timers(struct net *net, uint64_t now_us)
{
	struct timer *due[NET_TIMERS_PER_CALL];
	uint32_t n;

	net->now_us = now_us;
	n = timer_wheel_expire(&net->timers, now_us, due, NET_TIMERS_PER_CALL);
	// One that an earlier one of the same burst has started anew is not due any more.
	for (uint32_t i = 0; i < n; i++)
		if (!timer_armed(due[i]))
			expire(net, LIST_ITEM(due[i], struct net_timer, timer));
	net_discard_flush(net);
}

uint64_t net_next_timer_us(const struct net *net)
{
	return timer_wheel_next_us(&net->timers);
}

void net_flush(struct net *net, uint64_t now_us)
{
	net->now_us = now_us;
	for (uint32_t i = 0; i < net->n_ports; i++)
		transmit_flush(net, &net->ports[i]);
	net_discard_flush(net);
}

bool net_neighbor_next(
	const struct net *net, uint64_t now_us, uint32_t *cursor, struct net_neighbor_info *out)
{
	const struct pool *pool = &net->neighbors.pool;

	for (; *cursor < pool->n_items; (*cursor)++) {
		const struct neighbor *neighbor = pool_at(pool, *cursor);

		if (!pool_in_use(pool, *cursor))
			continue;
		*out = (struct net_neighbor_info){
			.addr = neighbor->addr,
			.port_idx = neighbor->port_idx,
			.state = neighbor->state,
			.age_us = now_us - neighbor->confirmed_us,
		};
		memcpy(out->mac, neighbor->link_header, sizeof out->mac);
		(*cursor)++;
		return true;
	}
	return false;
}
