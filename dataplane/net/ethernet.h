// SPDX-License-Identifier: Apache-2.0
//
// Link headers: Ethernet II, with an 802.1Q tag on ports that have a VLAN.
#pragma once

#include "net/addr.h"
#include "net/wire.h"

struct net;
struct net_port;
struct rte_mbuf;

// Writes port->link_len bytes.
void ethernet_write(uint8_t *out, const struct net_port *port, const uint8_t destination[6], uint16_t type);

// Puts a link header in front of what the mbuf holds and queues the frame.
void ethernet_output(struct net *net, struct net_port *port, struct rte_mbuf *m, const uint8_t destination[6],
	uint16_t type);

// Turns a received frame, whose data starts at its link header, into an answer to its sender: only the link
// header changes.
void ethernet_answer(struct net *net, struct net_port *port, struct rte_mbuf *m);

// Neither multicast nor zero: what a single station may have.
static inline bool mac_is_station(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, sizeof zero) != 0;
}

extern const uint8_t ethernet_broadcast[6];

// 33:33 and the address's last four bytes (RFC 2464 7).
static inline void mac_of_ip6_multicast(uint8_t out[6], const struct ip_addr *group)
{
	out[0] = 0x33;
	out[1] = 0x33;
	memcpy(out + 2, group->bytes + 12, 4);
}
