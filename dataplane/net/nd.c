// SPDX-License-Identifier: Apache-2.0
#include "net/nd.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"
#include "net/ethernet.h"
#include "net/icmp6_output.h"
#include "net/instance.h"
#include "net/output.h"

#include <rte_mbuf.h>

enum {
	ND_MESSAGE_LEN = 24, // ICMPv6 header, flags, target
	ND_OPTION_MAC_LEN = 8,
	SOLICITED_NODE_PREFIX_LEN = 104
};

static const struct ip_addr unspecified;
static const struct ip_addr all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};
static const struct ip_addr solicited_node = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff}};

struct ip_addr nd_solicited_node_of(const struct ip_addr *addr)
{
	struct ip_addr group = solicited_node;

	memcpy(group.bytes + 13, addr->bytes + 13, 3);
	return group;
}

bool nd_is_our_group(const struct ip_addr *addr)
{
	return ip_addr_equal(addr, &all_nodes) ||
	       ip_addr_in_prefix(addr, &solicited_node, SOLICITED_NODE_PREFIX_LEN);
}

// A solicitation or advertisement; they differ in which option carries the link address.
struct nd_message {
	uint32_t flags;
	struct ip_addr target;
	bool has_mac;
	uint8_t mac[6];
};

// RFC 4861 4.6, 6.1: every option has a length of at least one unit; unknown ones are skipped.
static bool parse_options(struct reader *reader, uint8_t mac_option, struct nd_message *out)
{
	while (reader_ok(reader) && reader_left(reader) != 0) {
		uint8_t type = reader_u8(reader);
		uint8_t n_units = reader_u8(reader);
		struct span body;

		if (n_units == 0)
			return false;
		body = reader_bytes(reader, (size_t)n_units * ND_OPTION_UNIT - 2);
		if (type != mac_option || !reader_ok(reader))
			continue;
		memcpy(out->mac, body.data, sizeof out->mac);
		if (!mac_is_station(out->mac))
			return false;
		out->has_mac = true;
	}
	return reader_ok(reader);
}

static bool parse(struct span bytes, uint8_t mac_option, struct nd_message *out)
{
	struct reader reader = reader_over(bytes);

	*out = (struct nd_message){0};
	reader_skip(&reader, 4);
	out->flags = reader_u32(&reader);
	reader_copy(&reader, out->target.bytes, sizeof out->target.bytes);
	return reader_ok(&reader) && ip_addr_is_unicast(&out->target) && !ip_addr_is_v4(&out->target) &&
	       parse_options(&reader, mac_option, out);
}

static void send(struct net *net, struct net_port *port, struct rte_mbuf *m, const struct ip_addr *source,
	const struct ip_addr *destination, const uint8_t mac[6])
{
	const struct icmp6_envelope envelope = {
		.source = source, .destination = destination, .mac = mac, .hop_limit = ND_HOP_LIMIT};

	icmp6_output(net, port, m, &envelope);
}

// Builds a message; mac_option 0 leaves the option out (a question from the unspecified address has none).
static struct rte_mbuf *build(struct net *net, const struct net_port *port, uint8_t type, uint32_t flags,
	const struct ip_addr *target, uint8_t mac_option)
{
	struct rte_mbuf *m = net_mbuf_alloc(net);
	uint16_t len = ND_MESSAGE_LEN + (mac_option != 0 ? ND_OPTION_MAC_LEN : 0);
	struct writer writer;

	if (m == NULL)
		return NULL;
	writer = writer_over((struct mut_span){.data = (uint8_t *)rte_pktmbuf_append(m, len), .len = len});
	writer_u8(&writer, type);
	writer_u8(&writer, 0);
	writer_u16(&writer, 0);
	writer_u32(&writer, flags);
	writer_bytes(&writer, span_of(target->bytes, sizeof target->bytes));
	if (mac_option != 0) {
		writer_u8(&writer, mac_option);
		writer_u8(&writer, ND_OPTION_MAC_LEN / ND_OPTION_UNIT);
		writer_bytes(&writer, span_of(port->mac, sizeof port->mac));
	}
	SLUICE_ASSERT(writer_ok(&writer));
	return m;
}

static void advertise(struct net *net, struct net_port *port, const struct ip_addr *own,
	const struct ip_addr *destination, const uint8_t mac[6])
{
	uint32_t flags = ND_FLAG_OVERRIDE;
	struct rte_mbuf *m;

	if (!ip_addr_equal(destination, &all_nodes))
		flags |= ND_FLAG_SOLICITED;
	m = build(net, port, ND_NEIGHBOR_ADVERTISEMENT, flags, own, ND_OPTION_TARGET_MAC);
	if (m != NULL)
		send(net, port, m, own, destination, mac);
}

void nd_announce(struct net *net, struct net_port *port, const struct ip_addr *own)
{
	uint8_t mac[6];

	mac_of_ip6_multicast(mac, &all_nodes);
	advertise(net, port, own, &all_nodes, mac);
}

void nd_solicit(struct net *net, struct net_port *port, const struct ip_addr *target, const uint8_t mac[6])
{
	const struct own_address *own = own_address_for(&net->own, target, port->idx);
	struct ip_addr destination = mac != NULL ? *target : nd_solicited_node_of(target);
	uint8_t group_mac[6];
	struct rte_mbuf *m;

	// Without an address that is known to be ours there is nothing to ask from; the timer asks again.
	if (own == NULL)
		return;
	mac_of_ip6_multicast(group_mac, &destination);
	m = build(net, port, ND_NEIGHBOR_SOLICITATION, 0, target, ND_OPTION_SOURCE_MAC);
	if (m != NULL)
		send(net, port, m, &own->addr, &destination, mac != NULL ? mac : group_mac);
}

void nd_detect(struct net *net, struct net_port *port, const struct ip_addr *own)
{
	struct ip_addr destination = nd_solicited_node_of(own);
	uint8_t mac[6];
	struct rte_mbuf *m;

	mac_of_ip6_multicast(mac, &destination);
	m = build(net, port, ND_NEIGHBOR_SOLICITATION, 0, own, 0);
	if (m != NULL)
		send(net, port, m, &unspecified, &destination, mac);
}

static const uint8_t *source_mac(const struct packet *packet)
{
	return rte_pktmbuf_mtod(packet->mbuf, const struct wire_ethernet *)->source;
}

// RFC 4861 7.1.1, 7.2.3; RFC 4862 5.4.3.
static enum counter receive_solicitation(struct net *net, struct packet *packet)
{
	bool detects = ip_addr_equal(&packet->source, &unspecified);
	struct own_address *own;
	struct nd_message message;

	if (!parse(packet_transport(packet), ND_OPTION_SOURCE_MAC, &message))
		return COUNTER_NET_DROP_ND;
	if (detects && (message.has_mac || !ip_addr_in_prefix(&packet->destination, &solicited_node,
						   SOLICITED_NODE_PREFIX_LEN)))
		return COUNTER_NET_DROP_ND;
	own = own_address_find(&net->own, &message.target, packet->port->idx);
	if (own == NULL || (!detects && !own_address_on_link(&net->own, &packet->source, packet->port->idx)))
		return COUNTER_NET_DROP_ND;
	if (own->state != OWN_ADDRESS_USABLE) {
		if (!detects)
			return COUNTER_NET_DROP_TENTATIVE;
		own_address_conflict(net, own, source_mac(packet));
		net_discard(net, packet->mbuf);
		return PACKET_OK;
	}
	if (detects) {
		nd_announce(net, packet->port, &own->addr);
	} else {
		if (message.has_mac)
			neighbor_heard(net, &packet->source, packet->port->idx, message.mac,
				NEIGHBOR_CREATE | NEIGHBOR_OVERRIDE);
		advertise(net, packet->port, &own->addr, &packet->source,
			message.has_mac ? message.mac : source_mac(packet));
	}
	counter_inc(net->counters, COUNTER_NET_ND_REPLIES);
	net_discard(net, packet->mbuf);
	return PACKET_OK;
}

// RFC 4861 7.1.2, 7.2.5; RFC 4862 5.4.4.
static enum counter receive_advertisement(struct net *net, struct packet *packet)
{
	struct own_address *own;
	struct nd_message message;
	bool solicited, override;

	if (!parse(packet_transport(packet), ND_OPTION_TARGET_MAC, &message))
		return COUNTER_NET_DROP_ND;
	solicited = (message.flags & ND_FLAG_SOLICITED) != 0;
	override = (message.flags & ND_FLAG_OVERRIDE) != 0;
	if ((solicited && packet->own == NULL) || !ip_addr_is_unicast(&packet->source))
		return COUNTER_NET_DROP_ND;
	own = own_address_find(&net->own, &message.target, packet->port->idx);
	if (own != NULL) {
		own_address_conflict(net, own, message.has_mac ? message.mac : source_mac(packet));
		net_discard(net, packet->mbuf);
		return PACKET_OK;
	}
	if (!own_address_on_link(&net->own, &message.target, packet->port->idx))
		return COUNTER_NET_DROP_ND;
	counter_inc(net->counters, COUNTER_NET_ND_LEARNED);
	if (solicited)
		neighbor_confirm(net, &message.target, packet->port->idx,
			message.has_mac ? message.mac : NULL, override ? NEIGHBOR_OVERRIDE : 0);
	else if (message.has_mac)
		neighbor_heard(net, &message.target, packet->port->idx, message.mac,
			override ? NEIGHBOR_OVERRIDE : 0);
	net_discard(net, packet->mbuf);
	return PACKET_OK;
}

enum counter nd_receive(struct net *net, struct packet *packet)
{
	const struct wire_icmp *icmp = (const struct wire_icmp *)(const void *)packet->transport;
	struct own_address *claimed;

	// RFC 4861 7.1: a router would have lowered the hop limit.
	if (packet->hop_limit != ND_HOP_LIMIT || icmp->code != 0)
		return COUNTER_NET_DROP_ND;
	claimed = own_address_find(&net->own, &packet->source, packet->port->idx);
	if (claimed != NULL) {
		own_address_conflict(net, claimed, source_mac(packet));
		net_discard(net, packet->mbuf);
		return PACKET_OK;
	}
	switch (icmp->type) {
	case ND_NEIGHBOR_SOLICITATION:
		return receive_solicitation(net, packet);
	case ND_NEIGHBOR_ADVERTISEMENT:
		return receive_advertisement(net, packet);
	default:
		return COUNTER_NET_DROP_ROUTER;
	}
}
