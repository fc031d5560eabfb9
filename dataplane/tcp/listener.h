// SPDX-License-Identifier: Apache-2.0
//
// What is listened on: a small fixed table, found by port through short chains.
#pragma once

#include "base/pool.h"
#include "net/addr.h"

enum {
	TCP_LISTENER_CHAINS = 256
};

struct tcp_listener {
	struct ip_addr addr;
	uint32_t tag;
	uint32_t next; // in its chain
	uint16_t port;
	bool any_addr;
};

struct tcp_listeners {
	struct pool pool;
	uint32_t chains[TCP_LISTENER_CHAINS];
};

bool tcp_listeners_init(struct tcp_listeners *listeners, struct arena *arena, uint32_t n_max);

// addr NULL: any. False: taken or full.
bool tcp_listeners_add(
	struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port, uint32_t tag);
bool tcp_listeners_remove(struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port);

// The one with that very address, else the one with any; NULL: nobody listens there.
const struct tcp_listener *tcp_listeners_find(
	const struct tcp_listeners *listeners, const struct ip_addr *addr, uint16_t port);
