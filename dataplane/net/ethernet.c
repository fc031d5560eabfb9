// SPDX-License-Identifier: Apache-2.0
#include "net/ethernet.h"

#include "base/assert.h"
#include "net/instance.h"

#include <rte_mbuf.h>

const uint8_t ethernet_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void ethernet_write(uint8_t *out, const struct net_port *port, const uint8_t destination[6], uint16_t type)
{
	struct wire_ethernet ethernet = {.type = be16(type)};
	struct wire_vlan vlan = {.tci = be16(port->vlan), .type = be16(type)};

	memcpy(ethernet.destination, destination, sizeof ethernet.destination);
	memcpy(ethernet.source, port->mac, sizeof ethernet.source);
	if (port->vlan != 0) {
		ethernet.type = be16(ETHERTYPE_VLAN);
		memcpy(out + sizeof ethernet, &vlan, sizeof vlan);
	}
	memcpy(out, &ethernet, sizeof ethernet);
}

void ethernet_output(struct net *net, struct net_port *port, struct rte_mbuf *m, const uint8_t destination[6],
	uint16_t type)
{
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(m, port->link_len);

	SLUICE_ASSERT(header != NULL);
	ethernet_write(header, port, destination, type);
	transmit_frame(net, port, m);
}

void ethernet_answer(struct net *net, struct net_port *port, struct rte_mbuf *m)
{
	struct wire_ethernet *ethernet = rte_pktmbuf_mtod(m, struct wire_ethernet *);

	memcpy(ethernet->destination, ethernet->source, sizeof ethernet->destination);
	memcpy(ethernet->source, port->mac, sizeof ethernet->source);
	// The receive verdicts mean nothing to a transmitting driver, and hints of offloads must not survive.
	m->ol_flags = 0;
	transmit_frame(net, port, m);
}
