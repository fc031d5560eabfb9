// SPDX-License-Identifier: Apache-2.0
#include "net/icmp6_output.h"

#include "base/assert.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/instance.h"

#include <rte_mbuf.h>

// The hop-by-hop header that says "a multicast listener message" (RFC 2711 2.1), and is padded by two bytes.
static const uint8_t router_alert_header[ROUTER_ALERT_LEN] = {
	IP_PROTOCOL_ICMP6, 0, IP6_OPTION_ROUTER_ALERT, 2, 0, 0, IP6_OPTION_PADN, 0};

void icmp6_output(
	struct net *net, struct net_port *port, struct rte_mbuf *m, const struct icmp6_envelope *envelope)
{
	struct wire_icmp *icmp = rte_pktmbuf_mtod(m, struct wire_icmp *);
	uint16_t len = m->data_len;
	uint16_t extension_len = envelope->router_alert ? ROUTER_ALERT_LEN : 0;
	uint8_t *headers;
	struct wire_ip6 *ip;

	icmp->checksum = checksum_finish(checksum_sum(icmp, len,
		checksum_sum_pseudo(envelope->source, envelope->destination, IP_PROTOCOL_ICMP6, len)));
	headers = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(sizeof *ip + extension_len));
	SLUICE_ASSERT(headers != NULL);
	memcpy(headers + sizeof *ip, router_alert_header, extension_len);
	ip = (struct wire_ip6 *)(void *)headers;
	*ip = (struct wire_ip6){
		.version_class_flow = be32(UINT32_C(6) << 28),
		.payload_len = be16((uint16_t)(len + extension_len)),
		.next_header = envelope->router_alert ? IP6_HOP_BY_HOP : IP_PROTOCOL_ICMP6,
		.hop_limit = envelope->hop_limit,
	};
	memcpy(ip->source, envelope->source->bytes, sizeof ip->source);
	memcpy(ip->destination, envelope->destination->bytes, sizeof ip->destination);
	ethernet_output(net, port, m, envelope->mac, ETHERTYPE_IP6);
}
