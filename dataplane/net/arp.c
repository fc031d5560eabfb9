// SPDX-License-Identifier: Apache-2.0
#include "net/arp.h"

#include "base/reader.h"
#include "net/ethernet.h"
#include "net/instance.h"
#include "net/output.h"

#include <rte_mbuf.h>

struct arp {
	uint16_t operation;
	uint8_t sender_mac[6];
	struct ip_addr sender;
	struct ip_addr target;
};

static struct ip_addr read_ip4(struct reader *reader)
{
	struct ip_addr addr = ip_addr_v4_of(0, 0, 0, 0);

	reader_copy(reader, addr.bytes + IP_ADDR_V4_OFFSET, IP_ADDR_V4_LEN);
	return addr;
}

static bool parse(struct span bytes, struct arp *out)
{
	struct reader reader = reader_over(bytes);
	uint16_t hardware_type = reader_u16(&reader);
	uint16_t protocol_type = reader_u16(&reader);
	uint8_t hardware_len = reader_u8(&reader);
	uint8_t protocol_len = reader_u8(&reader);

	out->operation = reader_u16(&reader);
	reader_copy(&reader, out->sender_mac, sizeof out->sender_mac);
	out->sender = read_ip4(&reader);
	reader_skip(&reader, WIRE_MAC_LEN);
	out->target = read_ip4(&reader);
	return reader_ok(&reader) && hardware_type == ARP_HARDWARE_ETHERNET &&
	       protocol_type == ETHERTYPE_IP4 && hardware_len == WIRE_MAC_LEN &&
	       protocol_len == IP_ADDR_V4_LEN &&
	       (out->operation == ARP_REQUEST || out->operation == ARP_REPLY) &&
	       mac_is_station(out->sender_mac);
}

static void write(struct wire_arp *out, uint16_t operation, const uint8_t sender_mac[6], uint32_t sender,
	const uint8_t target_mac[6])
{
	out->hardware_type = be16(ARP_HARDWARE_ETHERNET);
	out->protocol_type = be16(ETHERTYPE_IP4);
	out->hardware_len = WIRE_MAC_LEN;
	out->protocol_len = IP_ADDR_V4_LEN;
	out->operation = be16(operation);
	memcpy(out->sender_mac, sender_mac, WIRE_MAC_LEN);
	out->sender_addr = sender;
	memcpy(out->target_mac, target_mac, WIRE_MAC_LEN);
}

static void answer(struct net *net, struct net_port *port, struct rte_mbuf *m, const struct arp *arp)
{
	struct wire_arp *wire = rte_pktmbuf_mtod_offset(m, struct wire_arp *, port->link_len);

	write(wire, ARP_REPLY, port->mac, ip_addr_v4(&arp->target), arp->sender_mac);
	wire->target_addr = ip_addr_v4(&arp->sender);
	ethernet_answer(net, port, m);
	counter_inc(net->counters, COUNTER_NET_ARP_REPLIES);
}

enum counter arp_receive(struct net *net, struct net_port *port, struct rte_mbuf *m)
{
	struct own_address *claimed, *asked;
	struct arp arp;

	if (!parse(span_of(rte_pktmbuf_mtod_offset(m, const uint8_t *, port->link_len),
			   (size_t)m->data_len - port->link_len),
		    &arp))
		return COUNTER_NET_DROP_ARP;
	claimed = own_address_find(&net->own, &arp.sender, port->idx);
	asked = own_address_find(&net->own, &arp.target, port->idx);
	if (claimed != NULL) {
		own_address_conflict(net, claimed, arp.sender_mac);
		net_discard(net, m);
		return PACKET_OK;
	}
	if (ip_addr_v4(&arp.sender) == 0) {
		// A probe (RFC 5227 2.1.1): someone is about to take the address.
		if (asked == NULL || arp.operation != ARP_REQUEST)
			return COUNTER_NET_DROP_ARP;
		answer(net, port, m, &arp);
		return PACKET_OK;
	}
	if (!ip_addr_is_unicast(&arp.sender) || !own_address_on_link(&net->own, &arp.sender, port->idx))
		return COUNTER_NET_DROP_ARP;
	if (asked == NULL) {
		neighbor_heard(net, &arp.sender, port->idx, arp.sender_mac, NEIGHBOR_OVERRIDE);
		counter_inc(net->counters, COUNTER_NET_ARP_OTHER);
		net_discard(net, m);
	} else if (arp.operation == ARP_REPLY) {
		neighbor_confirm(net, &arp.sender, port->idx, arp.sender_mac, NEIGHBOR_OVERRIDE);
		counter_inc(net->counters, COUNTER_NET_ARP_LEARNED);
		net_discard(net, m);
	} else {
		neighbor_heard(
			net, &arp.sender, port->idx, arp.sender_mac, NEIGHBOR_CREATE | NEIGHBOR_OVERRIDE);
		answer(net, port, m, &arp);
	}
	return PACKET_OK;
}

static void request(
	struct net *net, struct net_port *port, uint32_t sender, uint32_t target, const uint8_t mac[6])
{
	static const uint8_t unknown[6];
	struct rte_mbuf *m = net_mbuf_alloc(net);
	struct wire_arp *wire;

	if (m == NULL)
		return;
	wire = (struct wire_arp *)(void *)rte_pktmbuf_append(m, sizeof *wire);
	write(wire, ARP_REQUEST, port->mac, sender, unknown);
	wire->target_addr = target;
	ethernet_output(net, port, m, mac, ETHERTYPE_ARP);
}

void arp_solicit(struct net *net, struct net_port *port, const struct ip_addr *target, const uint8_t mac[6])
{
	const struct own_address *own = own_address_for(&net->own, target, port->idx);

	request(net, port, own != NULL ? ip_addr_v4(&own->addr) : 0, ip_addr_v4(target),
		mac != NULL ? mac : ethernet_broadcast);
}

// RFC 5227 3: an announcement is a request in which sender and target are the same.
void arp_announce(struct net *net, struct net_port *port, const struct ip_addr *own)
{
	request(net, port, ip_addr_v4(own), ip_addr_v4(own), ethernet_broadcast);
}

void arp_probe(struct net *net, struct net_port *port, const struct ip_addr *own)
{
	request(net, port, 0, ip_addr_v4(own), ethernet_broadcast);
}
