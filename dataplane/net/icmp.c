// SPDX-License-Identifier: Apache-2.0
#include "net/icmp.h"

#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/icmp_error.h"
#include "net/instance.h"
#include "net/nd.h"
#include "net/wire.h"

#include <rte_mbuf.h>

static bool checksum_intact(const struct packet *packet)
{
	uint64_t sum = 0;

	if (packet->protocol == IP_PROTOCOL_ICMP6)
		sum = checksum_sum_pseudo(
			&packet->source, &packet->destination, IP_PROTOCOL_ICMP6, packet->transport_len);
	return checksum_good(checksum_sum(packet->transport, packet->transport_len, sum));
}

static void swap_ip4(struct wire_ip4 *ip)
{
	uint32_t source = ip->source;

	ip->source = ip->destination;
	ip->destination = source;
	ip->ttl = IP_HOP_LIMIT;
	ip->checksum = 0;
	ip->checksum = checksum_finish(checksum_sum_ip4(ip));
}

static void swap_ip6(struct wire_ip6 *ip)
{
	uint8_t source[sizeof ip->source];

	memcpy(source, ip->source, sizeof source);
	memcpy(ip->source, ip->destination, sizeof source);
	memcpy(ip->destination, source, sizeof source);
	ip->hop_limit = IP_HOP_LIMIT;
}

// Answers to whoever sent the frame, without asking the neighbour table: nothing that a stranger sends makes
// it grow. The checksum changes by the type alone (RFC 1624), as the addresses only change places.
static enum counter answer_echo(struct net *net, struct packet *packet)
{
	struct wire_icmp *icmp = (struct wire_icmp *)(void *)packet->transport;
	bool is_v4 = packet->protocol == IP_PROTOCOL_ICMP;
	uint8_t old_type = icmp->type;
	uint8_t new_type = is_v4 ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY;

	if (icmp->code != 0)
		return COUNTER_NET_DROP_ICMP_HEADER;
	if (packet->own == NULL || !packet->link_unicast)
		return COUNTER_NET_DROP_DESTINATION;
	icmp->type = new_type;
	icmp->checksum = checksum_finish(
		(uint64_t)(uint16_t)~icmp->checksum + (uint16_t) ~(uint16_t)old_type + new_type);
	// RFC 1624 4: of a message that is all zeros the short way makes 0 where 0xffff is right.
	if (icmp->checksum == 0 && is_v4)
		icmp->checksum = checksum_finish(checksum_sum(icmp, packet->transport_len, 0));
	if (is_v4)
		swap_ip4((struct wire_ip4 *)(void *)packet->ip);
	else
		swap_ip6((struct wire_ip6 *)(void *)packet->ip);
	ethernet_answer(net, packet->port, packet->mbuf);
	counter_inc(net->counters, COUNTER_NET_ECHO_REPLIES);
	return PACKET_OK;
}

static enum counter receive_v4(struct net *net, struct packet *packet, uint8_t type)
{
	switch (type) {
	case ICMP_ECHO_REQUEST:
		return answer_echo(net, packet);
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return icmp_error_receive(net, packet);
	default:
		return COUNTER_NET_DROP_ICMP_TYPE;
	}
}

static enum counter receive_v6(struct net *net, struct packet *packet, uint8_t type)
{
	switch (type) {
	case ICMP6_ECHO_REQUEST:
		return answer_echo(net, packet);
	case ICMP6_UNREACHABLE:
	case ICMP6_PACKET_TOO_BIG:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAMETER_PROBLEM:
		return icmp_error_receive(net, packet);
	case ICMP6_MLD_QUERY:
	case ND_ROUTER_SOLICITATION:
	case ND_ROUTER_ADVERTISEMENT:
	case ND_NEIGHBOR_SOLICITATION:
	case ND_NEIGHBOR_ADVERTISEMENT:
	case ND_REDIRECT:
		if (!net_is_resolver(net)) {
			net_pass_frame(net, 0, packet->port, packet->mbuf, false);
			return PACKET_OK;
		}
		return type == ICMP6_MLD_QUERY ? mld_receive(net, packet) : nd_receive(net, packet);
	default:
		return COUNTER_NET_DROP_ICMP_TYPE;
	}
}

enum counter icmp_receive(struct net *net, struct packet *packet)
{
	bool is_v4 = ip_addr_is_v4(&packet->destination);
	uint8_t type;

	if (packet->transport_len < WIRE_ICMP_LEN)
		return COUNTER_NET_DROP_ICMP_HEADER;
	if (!checksum_intact(packet))
		return COUNTER_NET_DROP_ICMP_CHECKSUM;
	type = packet->transport[0];
	return is_v4 ? receive_v4(net, packet, type) : receive_v6(net, packet, type);
}
