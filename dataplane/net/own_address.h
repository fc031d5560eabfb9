// SPDX-License-Identifier: Apache-2.0
//
// Our own addresses: those of the configuration and, on ports that have IPv6 addresses, a link-local one made
// from the link address (RFC 4291 appendix A). Worker 0 makes them known and defends them; the others follow
// its word.
//
//   start, link up             nobody objects in 1 s           another machine claims it
//   -------------> TENTATIVE ------------------------> USABLE ---------------------------> logged, defended
//                   |     ^                               ^                                (once in 10 s)
//     another       |     | 30 s                          |
//     claims it     v     |                               +--- IPv4 starts here: probes and announcements
//                   DUPLICATE (logged)                         go out at once
//
// IPv6: duplicate address detection of RFC 4862 5.4; a duplicate is not used but tried again, because a
// service address must come back by itself. IPv4: RFC 5227, of which the wait before first use is left out: a
// standby that takes over an address must serve at once. It probes while it already answers, so that a
// conflict is noticed and logged.
#pragma once

#include "base/arena.h"
#include "net/addr.h"
#include "net/net_timer.h"

struct net;
struct net_config;

enum own_address_state {
	OWN_ADDRESS_TENTATIVE,
	OWN_ADDRESS_USABLE,
	OWN_ADDRESS_DUPLICATE
};

struct own_address {
	struct ip_addr addr;
	uint8_t prefix_len;
	uint8_t port_idx;
	uint8_t state;
	uint8_t n_sent;       // probes or announcements of this round
	bool told;            // the other workers know the state
	uint64_t defended_us; // when a conflict was last logged and answered; 0: never
	struct net_timer timer;
};

struct own_addresses {
	struct own_address *items;
	uint16_t *index; // open addressing; OWN_ADDRESS_NONE is empty
	uint32_t n;
	uint32_t index_mask;
};

size_t own_addresses_footprint(const struct net_config *config);

// Fills the table; nothing is sent before own_addresses_start.
bool own_addresses_init(struct net *net, struct arena *arena);

// Starts detection and announcement on one port: at start, and whenever its link comes up.
void own_addresses_start(struct net *net, uint8_t port_idx);

struct own_address *own_address_find(
	const struct own_addresses *own, const struct ip_addr *addr, uint8_t port_idx);

// The address from which to ask for `target` on a port: a usable one of its family in the same network, else
// any usable one, else NULL. Link-local targets are asked from the link-local address.
const struct own_address *own_address_for(
	const struct own_addresses *own, const struct ip_addr *target, uint8_t port_idx);

// Whether target is in a network of ours on that port.
bool own_address_on_link(const struct own_addresses *own, const struct ip_addr *target, uint8_t port_idx);

// Another machine, `mac`, claims the address. Worker 0 only.
void own_address_conflict(struct net *net, struct own_address *own, const uint8_t mac[6]);

void own_address_timeout(struct net *net, struct own_address *own);

// Worker 0 says what an address's state is. Other workers only.
void own_address_told(struct net *net, const struct ip_addr *addr, uint8_t port_idx, bool usable);
