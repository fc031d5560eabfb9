// SPDX-License-Identifier: Apache-2.0
//
// From frames to segments: link header, IP header, TCP header, each in a function that returns why the packet
// is refused.
//
//   frame -> parse_link --+--> ARP ------------------------------------------> arp_receive
//                         +--> parse_ip4 / parse_ip6 -> accept_addresses --+--> ICMP -> icmp_receive
//                                                                          +--> TCP -> receive_tcp -> segment
//
// On a port that workers share, the driver parses a TCP packet as far as its ports, and passes the frame on
// if it is another worker's; that one parses it again and verifies the checksum, so that the costly part is
// done where there are many.
#include "net/receive.h"

#include "base/reader.h"
#include "net/arp.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/icmp.h"
#include "net/icmp6_output.h"
#include "net/instance.h"
#include "net/nd.h"
#include "net/packet.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

enum {
	PREFETCH_AHEAD = 4
};

// Checks the link header; *out_type is the type behind any tag.
static enum counter parse_link(const struct packet *packet, uint16_t *out_type)
{
	const struct net_port *port = packet->port;
	const struct rte_mbuf *m = packet->mbuf;
	const struct wire_ethernet *ethernet = rte_pktmbuf_mtod(m, const struct wire_ethernet *);
	const struct wire_vlan *vlan = (const struct wire_vlan *)(ethernet + 1);

	if (m->nb_segs != 1)
		return COUNTER_NET_DROP_CHAINED;
	if (m->data_len < port->link_len)
		return COUNTER_NET_DROP_SHORT;
	if (!mac_is_station(ethernet->source) || memcmp(ethernet->source, port->mac, WIRE_MAC_LEN) == 0)
		return COUNTER_NET_DROP_LINK_SOURCE;
	*out_type = be16(ethernet->type);
	if (port->vlan != 0) {
		if (*out_type != ETHERTYPE_VLAN || (be16(vlan->tci) & VLAN_ID_MASK) != port->vlan)
			return COUNTER_NET_DROP_VLAN;
		*out_type = be16(vlan->type);
	}
	return *out_type == ETHERTYPE_VLAN ? COUNTER_NET_DROP_VLAN : PACKET_OK;
}

// To our link address, or to a group or everyone; true in *out_unicast for ours.
static enum counter check_link_destination(const struct packet *packet, bool *out_unicast)
{
	const struct wire_ethernet *ethernet = rte_pktmbuf_mtod(packet->mbuf, const struct wire_ethernet *);

	*out_unicast = memcmp(ethernet->destination, packet->port->mac, WIRE_MAC_LEN) == 0;
	return *out_unicast || (ethernet->destination[0] & 1) != 0 ? PACKET_OK
								   : COUNTER_NET_DROP_LINK_DESTINATION;
}

static uint32_t len_behind_link(const struct packet *packet)
{
	return (uint32_t)packet->mbuf->data_len - packet->port->link_len;
}

static bool ip4_checksum_intact(const struct rte_mbuf *m, const struct wire_ip4 *ip)
{
	uint64_t verdict = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (verdict == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return verdict != RTE_MBUF_F_RX_IP_CKSUM_BAD && checksum_good(checksum_sum_ip4(ip));
}

// RFC 791 3.1, RFC 1122 3.2.1.
static enum counter parse_ip4(struct packet *packet)
{
	const struct wire_ip4 *ip = (const struct wire_ip4 *)(const void *)packet->ip;
	uint32_t len = len_behind_link(packet);
	uint32_t total_len;

	if (len < WIRE_IP4_LEN || ip->version_ihl >> 4 != 4 || (ip->version_ihl & 15) < 5)
		return COUNTER_NET_DROP_IP4_HEADER;
	if (ip->version_ihl != IP4_VERSION_IHL)
		return COUNTER_NET_DROP_IP4_OPTIONS;
	total_len = be16(ip->total_len);
	if (total_len < WIRE_IP4_LEN || total_len > len)
		return COUNTER_NET_DROP_IP4_HEADER;
	if (!ip4_checksum_intact(packet->mbuf, ip))
		return COUNTER_NET_DROP_IP4_CHECKSUM;
	if ((ip->fragment & be16(IP4_FRAGMENT_MASK)) != 0)
		return COUNTER_NET_DROP_FRAGMENT;
	packet->source = ip_addr_from_v4(ip->source);
	packet->destination = ip_addr_from_v4(ip->destination);
	packet->protocol = ip->protocol;
	packet->hop_limit = ip->ttl;
	packet->ecn = ip->tos & IP_ECN_MASK;
	packet->transport = packet->ip + WIRE_IP4_LEN;
	packet->transport_len = total_len - WIRE_IP4_LEN;
	return PACKET_OK;
}

static enum counter refused_next_header(uint8_t next_header)
{
	switch (next_header) {
	case IP6_FRAGMENT:
		return COUNTER_NET_DROP_FRAGMENT;
	case IP6_HOP_BY_HOP:
	case IP6_ROUTING:
	case IP6_ESP:
	case IP6_AUTHENTICATION:
	case IP6_DESTINATION_OPTIONS:
	case IP6_MOBILITY:
	case IP6_HIP:
	case IP6_SHIM6:
		return COUNTER_NET_DROP_IP6_EXTENSION;
	default:
		return COUNTER_NET_DROP_PROTOCOL;
	}
}

// RFC 2711 2.1, RFC 8200 4.2: the option of multicast listener discovery, once, and padding of any form.
static bool is_router_alert(struct span options)
{
	struct reader reader = reader_over(options);
	uint32_t n_alerts = 0;

	while (reader_ok(&reader) && reader_left(&reader) != 0) {
		uint8_t type = reader_u8(&reader);
		uint8_t len;

		if (type == IP6_OPTION_PAD1)
			continue;
		len = reader_u8(&reader);
		if (type == IP6_OPTION_ROUTER_ALERT && len == 2 && reader_u16(&reader) == 0)
			n_alerts++;
		else if (type == IP6_OPTION_PADN)
			reader_skip(&reader, len);
		else
			return false;
	}
	return reader_ok(&reader) && n_alerts == 1;
}

// RFC 3810 5.1: a listener query, the one message of use to us that has an extension header, and always this
// one.
static bool parse_query(struct packet *packet)
{
	if (packet->hop_limit != MLD_HOP_LIMIT || packet->transport_len < ROUTER_ALERT_LEN + WIRE_ICMP_LEN ||
		packet->transport[0] != IP_PROTOCOL_ICMP6 || packet->transport[1] != 0 ||
		packet->transport[ROUTER_ALERT_LEN] != ICMP6_MLD_QUERY ||
		!is_router_alert(span_of(packet->transport + 2, ROUTER_ALERT_LEN - 2)))
		return false;
	packet->protocol = IP_PROTOCOL_ICMP6;
	packet->transport += ROUTER_ALERT_LEN;
	packet->transport_len -= ROUTER_ALERT_LEN;
	packet->is_query = true;
	return true;
}

// RFC 8200 3. No extension header is walked: the first one ends the packet.
static enum counter parse_ip6(struct packet *packet)
{
	const struct wire_ip6 *ip = (const struct wire_ip6 *)(const void *)packet->ip;
	uint32_t len = len_behind_link(packet);
	uint32_t version_class_flow;

	if (len < WIRE_IP6_LEN)
		return COUNTER_NET_DROP_IP6_HEADER;
	version_class_flow = be32(ip->version_class_flow);
	packet->transport_len = be16(ip->payload_len);
	if (version_class_flow >> 28 != 6 || packet->transport_len > len - WIRE_IP6_LEN)
		return COUNTER_NET_DROP_IP6_HEADER;
	packet->source = ip_addr_from_bytes(ip->source);
	packet->destination = ip_addr_from_bytes(ip->destination);
	packet->protocol = ip->next_header;
	packet->hop_limit = ip->hop_limit;
	packet->ecn = version_class_flow >> 20 & IP_ECN_MASK;
	packet->transport = packet->ip + WIRE_IP6_LEN;
	if (ip_addr_is_v4(&packet->source) || ip_addr_is_v4(&packet->destination))
		return COUNTER_NET_DROP_SOURCE;
	if (packet->protocol == IP6_HOP_BY_HOP && parse_query(packet))
		return PACKET_OK;
	if (packet->protocol != IP_PROTOCOL_TCP && packet->protocol != IP_PROTOCOL_ICMP6)
		return refused_next_header(packet->protocol);
	return PACKET_OK;
}

static struct own_address *find_own(const struct net *net, struct packet *packet)
{
	const struct own_address *last = packet->port->last_local;

	if (last == NULL || !ip_addr_equal(&last->addr, &packet->destination)) {
		last = own_address_find(&net->own, &packet->destination, packet->port->idx);
		if (last != NULL)
			packet->port->last_local = last;
	}
	return (struct own_address *)(uintptr_t)last;
}

// RFC 4861 7.1: types 133 to 137 with a hop limit that no router has touched.
static bool is_discovery(const struct packet *packet)
{
	return packet->protocol == IP_PROTOCOL_ICMP6 && packet->hop_limit == ND_HOP_LIMIT &&
	       packet->transport_len >= WIRE_ICMP_LEN && packet->transport[0] >= ND_ROUTER_SOLICITATION &&
	       packet->transport[0] <= ND_REDIRECT;
}

// Whether the packet is for us on this port (strong end system, RFC 1122 3.3.4.2) and its source can be
// answered.
static enum counter accept_addresses(const struct net *net, struct packet *packet)
{
	bool is_nd = is_discovery(packet);

	packet->own = find_own(net, packet);
	if (packet->own == NULL) {
		if (!(is_nd || packet->is_query) || !nd_is_our_group(&packet->destination))
			return COUNTER_NET_DROP_DESTINATION;
	} else if (!packet->link_unicast) {
		// RFC 1122 3.3.6: a unicast packet in a broadcast frame is somebody's mistake.
		return COUNTER_NET_DROP_LINK_DESTINATION;
	} else if (packet->own->state != OWN_ADDRESS_USABLE && !is_nd) {
		return COUNTER_NET_DROP_TENTATIVE;
	}
	if (!ip_addr_is_unicast(&packet->source)) {
		// Duplicate address detection asks from the unspecified address.
		if (!is_nd || (packet->source.words[0] | packet->source.words[1]) != 0)
			return COUNTER_NET_DROP_SOURCE;
	} else if (!is_nd && own_address_find(&net->own, &packet->source, packet->port->idx) != NULL) {
		// In neighbour discovery it is a conflict, which nd.c notices.
		return COUNTER_NET_DROP_SOURCE;
	}
	return PACKET_OK;
}

static bool tcp_checksum_intact(const struct packet *packet)
{
	uint64_t verdict = packet->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint64_t sum;

	if (verdict == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (verdict == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	sum = checksum_sum_pseudo(
		&packet->source, &packet->destination, IP_PROTOCOL_TCP, packet->transport_len);
	return checksum_good(checksum_sum(packet->transport, packet->transport_len, sum));
}

// Leaves the payload in the mbuf and remembers how long the headers were, for receive_undo.
static void strip_headers(const struct packet *packet, struct segment *segment, uint32_t tcp_len)
{
	struct rte_mbuf *m = packet->mbuf;
	uint32_t ip_len = (uint32_t)(packet->transport - packet->ip);
	uint32_t headers_len = packet->port->link_len + ip_len + tcp_len;

	m->tx_offload = rte_mbuf_tx_offload(packet->port->link_len, ip_len, tcp_len, 0, 0, 0, 0);
	m->data_off = (uint16_t)(m->data_off + headers_len);
	m->data_len = segment->payload_len;
	m->pkt_len = segment->payload_len;
}

void receive_undo(struct segment *segment)
{
	struct rte_mbuf *m = segment->mbuf;
	uint16_t headers_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);

	m->data_off = (uint16_t)(m->data_off - headers_len);
	m->data_len = (uint16_t)(m->data_len + headers_len);
	m->pkt_len = m->data_len;
}

// RFC 9293 3.1. PACKET_OK with *out_passed: the frame went to its owner and there is no segment.
static enum counter receive_tcp(struct net *net, struct packet *packet, struct segment *out, bool *out_passed)
{
	const struct wire_tcp *tcp = (const struct wire_tcp *)(const void *)packet->transport;
	uint32_t tcp_len;

	if (packet->transport_len < WIRE_TCP_LEN)
		return COUNTER_NET_DROP_TCP_HEADER;
	tcp_len = (uint32_t)(tcp->data_offset >> 4) * 4;
	if (tcp_len < WIRE_TCP_LEN || tcp_len > packet->transport_len || tcp->source_port == 0 ||
		tcp->destination_port == 0)
		return COUNTER_NET_DROP_TCP_HEADER;
	out->key.local = packet->destination;
	out->key.remote = packet->source;
	out->key.local_port = be16(tcp->destination_port);
	out->key.remote_port = be16(tcp->source_port);
	out->hash = flow_hash(&net->config.flow_secret, &out->key);
	if (packet->port->shared && !packet->passed) {
		uint32_t owner = flow_hash_worker(out->hash, net->n_workers);

		if (owner != net->worker_idx) {
			net_pass_frame(net, owner, packet->port, packet->mbuf, false);
			*out_passed = true;
			return PACKET_OK;
		}
	}
	if (!tcp_checksum_intact(packet))
		return COUNTER_NET_DROP_TCP_CHECKSUM;
	out->mbuf = packet->mbuf;
	out->seq = be32(tcp->seq);
	out->ack = be32(tcp->ack);
	out->window = be16(tcp->window);
	out->payload_len = (uint16_t)(packet->transport_len - tcp_len);
	out->flags = tcp->flags;
	out->ecn = packet->ecn;
	out->options_len = (uint8_t)(tcp_len - WIRE_TCP_LEN);
	out->options = packet->transport + WIRE_TCP_LEN;
	out->port_idx = packet->port->idx;
	out->forwarded = packet->forwarded;
	strip_headers(packet, out, tcp_len);
	return PACKET_OK;
}

static enum counter receive_arp(struct net *net, struct packet *packet)
{
	if (!net_is_resolver(net)) {
		net_pass_frame(net, 0, packet->port, packet->mbuf, false);
		return PACKET_OK;
	}
	return arp_receive(net, packet->port, packet->mbuf);
}

// What follows the IP header. *out_n is 1 when there is a segment.
static enum counter receive_ip(struct net *net, struct packet *packet, struct segment *out, uint32_t *out_n)
{
	enum counter reason = accept_addresses(net, packet);
	bool is_v4 = ip_addr_is_v4(&packet->destination);
	bool passed = false;

	if (reason != PACKET_OK)
		return reason;
	if (packet->protocol == IP_PROTOCOL_TCP) {
		if (!packet->link_unicast)
			return COUNTER_NET_DROP_LINK_DESTINATION;
		reason = receive_tcp(net, packet, out, &passed);
		*out_n = reason == PACKET_OK && !passed;
		return reason;
	}
	if (packet->protocol != (is_v4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMP6))
		return COUNTER_NET_DROP_PROTOCOL;
	return icmp_receive(net, packet);
}

static enum counter receive_frame(
	struct net *net, struct packet *packet, struct segment *out, uint32_t *out_n)
{
	uint16_t type = 0;
	enum counter reason = parse_link(packet, &type);

	if (reason == PACKET_OK)
		reason = check_link_destination(packet, &packet->link_unicast);
	if (reason != PACKET_OK)
		return reason;
	packet->ip = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->port->link_len);
	switch (type) {
	case ETHERTYPE_IP4:
		reason = parse_ip4(packet);
		break;
	case ETHERTYPE_IP6:
		reason = parse_ip6(packet);
		break;
	case ETHERTYPE_ARP:
		return receive_arp(net, packet);
	default:
		return COUNTER_NET_DROP_ETHERTYPE;
	}
	return reason == PACKET_OK ? receive_ip(net, packet, out, out_n) : reason;
}

uint32_t receive_frames(struct net *net, struct net_port *port, struct rte_mbuf **frames, uint32_t n,
	enum receive_origin origin, struct segment *out)
{
	uint32_t n_out = 0;
	uint64_t n_bytes = 0;

	for (uint32_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], const void *));
	for (uint32_t i = 0; i < n; i++) {
		struct packet packet = {
			.mbuf = frames[i],
			.port = port,
			.passed = origin != RECEIVE_WIRE,
			.forwarded = origin == RECEIVE_FORWARDED,
		};
		uint32_t n_segments = 0;
		enum counter reason;

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], const void *));
		n_bytes += frames[i]->pkt_len;
		reason = receive_frame(net, &packet, &out[n_out], &n_segments);
		if (reason != PACKET_OK)
			net_drop(net, frames[i], reason);
		n_out += n_segments;
	}
	if (origin == RECEIVE_WIRE && n != 0) {
		counter_add(net->counters, COUNTER_NET_RX_PACKETS, n);
		counter_observe(net->counters, COUNTER_NET_RX_BURST_LE_0, 0, 8, n);
		counter_add(net->counters, COUNTER_NET_RX_BYTES, n_bytes);
	}
	counter_add(net->counters, COUNTER_NET_RX_SEGMENTS, n_out);
	return n_out;
}
