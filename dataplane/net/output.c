// SPDX-License-Identifier: Apache-2.0
#include "net/output.h"

#include "base/assert.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/instance.h"

#include <rte_mbuf.h>

_Static_assert((int)NET_PATH_CHECKSUM == (int)PORT_CAN_TX_CHECKSUM &&
		       (int)NET_PATH_TSO == (int)PORT_CAN_TSO &&
		       (int)NET_PATH_MULTI_SEGMENT == (int)PORT_CAN_MULTI_SEGMENT,
	"a path's capabilities are its port's");

// The neighbour of a path's destination, made when there is none.
static struct neighbor *find_next_hop(struct net *net, const struct ip_addr *remote, uint8_t port_idx)
{
	const struct route *route = route_find(&net->routes, remote, port_idx);
	struct neighbor *neighbor;
	struct ip_addr next_hop;

	if (route == NULL || !route_next_hop(route, remote, &next_hop))
		return NULL;
	neighbor = neighbor_get(net, &next_hop, port_idx);
	if (neighbor != NULL && !ip_addr_equal(&next_hop, remote))
		neighbor->is_gateway = true;
	return neighbor;
}

bool net_path_find(
	struct net *net, const struct ip_addr *local, const struct ip_addr *remote, struct net_path *out)
{
	const struct route *route;
	const struct net_port *port;
	struct ip_addr next_hop;
	uint8_t port_idx;

	if (ip_addr_is_v4(local) != ip_addr_is_v4(remote) || !ip_addr_is_unicast(remote) ||
		!net_address_usable(net, local, &port_idx))
		return false;
	route = route_find(&net->routes, remote, port_idx);
	if (route == NULL || !route_next_hop(route, remote, &next_hop))
		return false;
	port = &net->ports[port_idx];
	// The neighbour is looked up with the first packet, so that a path that is never used costs no
	// question.
	*out = (struct net_path){
		.neighbor_idx = POOL_NONE,
		.mtu = port->mtu,
		.capabilities = (uint16_t)(port->capabilities &
					   (NET_PATH_CHECKSUM | NET_PATH_TSO | NET_PATH_MULTI_SEGMENT)),
		.segments_max = (uint8_t)port->segments_max,
		.port_idx = port_idx,
		.is_v4 = ip_addr_is_v4(remote),
	};
	return true;
}

bool net_source_find(struct net *net, const struct ip_addr *remote, struct ip_addr *out)
{
	const struct route *route = route_find(&net->routes, remote, ROUTE_ANY_PORT);
	const struct own_address *own;
	struct ip_addr next_hop;

	if (route == NULL || !route_next_hop(route, remote, &next_hop))
		return false;
	// Behind a link-local gateway lies the world, which link-local addresses can't reach.
	own = own_address_for(
		&net->own, ip_addr_is_link_local(&next_hop) ? remote : &next_hop, route->port_idx);
	if (own == NULL || (ip_addr_is_link_local(&own->addr) && !ip_addr_is_link_local(remote)))
		return false;
	*out = own->addr;
	return true;
}

struct rte_mbuf *net_mbuf_alloc(struct net *net)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net->tx_pool);

	if (m == NULL)
		counter_inc(net->counters, COUNTER_NET_TX_NO_BUFFER);
	return m;
}

bool net_mbuf_alloc_burst(struct net *net, struct rte_mbuf **out, uint16_t n)
{
	if (rte_pktmbuf_alloc_bulk(net->tx_pool, out, n) == 0)
		return true;
	counter_inc(net->counters, COUNTER_NET_TX_NO_BUFFER);
	return false;
}

// Copies a chain into one buffer. NULL: there is none, or it does not fit (counted); the chain is given up
// either way.
static struct rte_mbuf *linearize(struct net *net, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = net_mbuf_alloc(net);
	char *data = NULL;

	if (copy != NULL && m->pkt_len <= rte_pktmbuf_tailroom(copy))
		data = rte_pktmbuf_append(copy, (uint16_t)m->pkt_len);
	if (data == NULL) {
		rte_pktmbuf_free(copy);
		net_drop(net, m, COUNTER_NET_TX_DROP_NO_BUFFER);
		return NULL;
	}
	for (const struct rte_mbuf *piece = m; piece != NULL; piece = piece->next) {
		memcpy(data, rte_pktmbuf_mtod(piece, const void *), piece->data_len);
		data += piece->data_len;
	}
	net_discard(net, m);
	counter_inc(net->counters, COUNTER_NET_TX_LINEARIZED);
	return copy;
}

// The TCP checksum, or what the NIC needs to compute it: the pseudo-header's sum, without the length where
// the NIC cuts segments of its own.
static void fill_checksum(const struct net_port *port, const struct net_path *path,
	const struct flow_key *key, struct rte_mbuf *m, uint16_t tso_mss)
{
	struct wire_tcp *tcp = rte_pktmbuf_mtod(m, struct wire_tcp *);
	uint64_t pseudo = checksum_sum_pseudo(
		&key->local, &key->remote, IP_PROTOCOL_TCP, tso_mss != 0 ? 0 : m->pkt_len);

	if ((path->capabilities & NET_PATH_CHECKSUM) == 0) {
		m->ol_flags = 0;
		if (m->nb_segs == 1)
			tcp->checksum = checksum_finish(checksum_sum(tcp, m->data_len, pseudo));
		else
			tcp->checksum = checksum_finish(checksum_sum_mbuf(m, 0, pseudo));
		return;
	}
	tcp->checksum = checksum_fold(pseudo);
	m->tx_offload = rte_mbuf_tx_offload(port->link_len, path->is_v4 ? WIRE_IP4_LEN : WIRE_IP6_LEN,
		(uint64_t)(tcp->data_offset >> 4) * 4, tso_mss, 0, 0, 0);
	m->ol_flags = path->is_v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= tso_mss != 0 ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_TCP_CKSUM;
}

// Every segment may travel alone and must not be cut on its way (RFC 1191), so that the identification means
// nothing (RFC 6864 4.1).
static void prepend_ip4(
	const struct net_path *path, const struct flow_key *key, struct rte_mbuf *m, uint8_t ecn)
{
	uint16_t total_len = (uint16_t)(m->pkt_len + WIRE_IP4_LEN);
	struct wire_ip4 *ip = (struct wire_ip4 *)(void *)rte_pktmbuf_prepend(m, sizeof *ip);

	SLUICE_ASSERT(ip != NULL);
	*ip = (struct wire_ip4){
		.version_ihl = IP4_VERSION_IHL,
		.tos = ecn,
		.total_len = be16(total_len),
		.fragment = be16(IP4_DONT_FRAGMENT),
		.ttl = IP_HOP_LIMIT,
		.protocol = IP_PROTOCOL_TCP,
		.source = ip_addr_v4(&key->local),
		.destination = ip_addr_v4(&key->remote),
	};
	if ((path->capabilities & NET_PATH_CHECKSUM) == 0)
		ip->checksum = checksum_finish(checksum_sum_ip4(ip));
}

static void prepend_ip6(const struct flow_key *key, struct rte_mbuf *m, uint8_t ecn)
{
	uint16_t payload_len = (uint16_t)m->pkt_len;
	struct wire_ip6 *ip = (struct wire_ip6 *)(void *)rte_pktmbuf_prepend(m, sizeof *ip);

	SLUICE_ASSERT(ip != NULL);
	ip->version_class_flow = be32(UINT32_C(6) << 28 | (uint32_t)ecn << 20);
	ip->payload_len = be16(payload_len);
	ip->next_header = IP_PROTOCOL_TCP;
	ip->hop_limit = IP_HOP_LIMIT;
	memcpy(ip->source, key->local.bytes, sizeof ip->source);
	memcpy(ip->destination, key->remote.bytes, sizeof ip->destination);
}

// The path's neighbour, by the hint or anew.
static struct neighbor *next_hop_of(struct net *net, struct net_path *path, const struct ip_addr *remote)
{
	struct neighbor *neighbor;

	if (path->neighbor_idx != POOL_NONE) {
		neighbor = pool_at(&net->neighbors.pool, path->neighbor_idx);
		if (neighbor->generation == path->neighbor_generation)
			return neighbor;
	}
	neighbor = find_next_hop(net, remote, path->port_idx);
	path->neighbor_idx = POOL_NONE;
	if (neighbor != NULL) {
		path->neighbor_idx = pool_index(&net->neighbors.pool, neighbor);
		path->neighbor_generation = neighbor->generation;
	}
	return neighbor;
}

void net_output_tcp(struct net *net, struct net_path *path, const struct flow_key *key, struct rte_mbuf *m,
	uint8_t ecn, uint16_t tso_mss)
{
	struct net_port *port = &net->ports[path->port_idx];
	struct neighbor *neighbor;
	char *header;

	SLUICE_ASSERT(tso_mss == 0 ? m->pkt_len + (path->is_v4 ? WIRE_IP4_LEN : WIRE_IP6_LEN) <= path->mtu
				   : (path->capabilities & NET_PATH_TSO) != 0);
	if (m->nb_segs > path->segments_max) {
		m = linearize(net, m);
		if (m == NULL)
			return;
	}
	fill_checksum(port, path, key, m, tso_mss);
	if (path->is_v4)
		prepend_ip4(path, key, m, ecn);
	else
		prepend_ip6(key, m, ecn);
	neighbor = next_hop_of(net, path, &key->remote);
	if (neighbor == NULL) {
		net_drop(net, m, COUNTER_NET_TX_DROP_NO_ROUTE);
		return;
	}
	neighbor_use(net, neighbor);
	if (!neighbor_resolved(neighbor)) {
		neighbor_enqueue(net, neighbor, m);
		return;
	}
	header = rte_pktmbuf_prepend(m, port->link_len);
	SLUICE_ASSERT(header != NULL);
	memcpy(header, neighbor->link_header, port->link_len);
	transmit_frame(net, port, m);
}
