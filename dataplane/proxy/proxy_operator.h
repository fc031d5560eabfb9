// SPDX-License-Identifier: Apache-2.0
//
// What operators see of a worker's connections and servers, and what they order, while it runs. Called on the
// worker; every call is bounded. Tables are walked by a cursor and a number of places to look at, so that a
// million connections are listed a few a turn, without a pause in traffic:
//
//   uint32_t cursor = 0, n_looks = 64;
//   while (proxy_operator_next_connection(proxy, &cursor, &n_looks, &info)) ...
//   n_looks == 0: go on later; cursor == UINT32_MAX: that was all
//
// Orders on servers and listeners name them by their row in the page of tallies (include/tally_page_layout.h)
// and last until another order, or until the server or listener leaves the configuration.
#pragma once

#include "proxy/proxy.h"

// One TCP connection of a pair; `open` false: there is none (any more, or yet).
struct proxy_leg_info {
	bool open;
	struct tcp_conn_info tcp;
};

// Names are the configuration's or the pair's: valid until the proxy's next turn.
struct proxy_connection_info {
	uint64_t id; // never that of two connections at one time; proxy_operator_kill takes it
	const char *listener;
	const char *protocol;
	const char *phase;   // "handshake", "connect", "forward" ...
	const char *backend; // NULL: none yet
	struct proxy_addresses addresses;
	struct ip_addr server_addr;
	uint16_t server_port; // 0: none yet
	uint16_t version;     // 0: no TLS, or not yet
	uint16_t suite;
	uint16_t group;
	bool resumed;
	bool client_verified;
	uint8_t phase_number; // enum pair_phase
	struct span alpn;
	struct span name; // SNI, its first PAIR_NAME_MAX bytes: anything that the client sent
	uint64_t age_us;
	uint64_t idle_us;    // since a byte last went through
	uint64_t n_bytes_in; // of plaintext, from the client
	uint64_t n_bytes_out;
	struct proxy_leg_info legs[2]; // the client's, the server's
};

bool proxy_operator_next_connection(const struct proxy *proxy, uint32_t *cursor, uint32_t *n_looks,
	struct proxy_connection_info *out) __attribute__((warn_unused_result));

// Resets both sides. False: there is no such connection (any more).
bool proxy_operator_kill(struct proxy *proxy, uint64_t id);

struct proxy_server_info {
	const char *backend;
	uint32_t tally_idx;
	struct ip_addr addr;
	uint16_t port;
	uint16_t weight; // in force
	uint8_t mode;    // enum upstream_mode, as ordered
	bool up;
	bool ejected;
	bool draining; // gets no new connections, by whomever's wish
	uint32_t n_connections;
};

// Servers that have left the configuration and still have connections are not shown.
bool proxy_operator_next_server(const struct proxy *proxy, uint32_t *cursor, uint32_t *n_looks,
	struct proxy_server_info *out) __attribute__((warn_unused_result));

enum proxy_order {
	PROXY_ORDER_SERVER_MODE,      // value: enum upstream_mode
	PROXY_ORDER_SERVER_WEIGHT,    // value: 0 to UPSTREAM_WEIGHT_MAX, or UPSTREAM_WEIGHT_CONFIGURED
	PROXY_ORDER_LISTENER_ENABLED, // value: 0, 1; a disabled one takes no new connections
	N_PROXY_ORDERS
};

// Carries an order out on everything that has the row. Returns on how many servers, or addresses of the
// listener: 0, the row is nobody's here or the value makes no sense, and nothing changed.
uint32_t proxy_operator_order(
	struct proxy *proxy, enum proxy_order order, uint32_t tally_idx, uint32_t value);
