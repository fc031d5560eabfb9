// SPDX-License-Identifier: Apache-2.0
//
// What the configuration says of a listener, and the snapshot that all listeners are part of. Immutable: a
// new configuration is a new snapshot, and the old one lives until no connection uses it (proxy_uses). A
// listener is named by its index, which is also the tag of TCP's listener.
#pragma once

#include "proxy/http_redirect.h"
#include "proxy/preamble.h"
#include "proxy/proxy_protocol.h"
#include "proxy/routing.h"

struct tls_server_config;

enum listener_protocol {
	LISTENER_TCP,  // plaintext in, plaintext out
	LISTENER_TLS,  // TLS in
	LISTENER_MAIL, // a preamble; TLS at once or after STARTTLS
	LISTENER_HTTP_REDIRECT
};

// Times in microseconds; 0: no such limit.
struct listener_timeouts {
	uint64_t handshake_us; // from the first packet to the end of TLS's handshake, or of a request to port
			       // 80
	uint64_t connect_us;   // one attempt to connect to one server
	uint64_t idle_us;      // no byte in either direction
	uint64_t linger_us;    // after one side has ended, no byte from the other
	uint64_t total_us;     // a connection's life
};

struct proxy_listener {
	const char *name; // for the log; may be NULL
	struct ip_addr addr;
	uint16_t port;
	enum listener_protocol protocol;
	const struct tls_server_config *tls; // LISTENER_TLS and LISTENER_MAIL
	struct preamble_config preamble;     // LISTENER_MAIL
	struct http_redirect_config redirect;
	uint32_t tally_idx;                  // its row of counters
	uint32_t route_idx;            // the routes' listener_idx
	uint32_t pool_idx;             // the backend when there is no name yet: LISTENER_TCP, STARTTLS
	bool reject_unknown_names;     // no route but the default one for an SNI: refuse
	bool accepts_proxy;            // a PROXY header comes first, from trusted sources alone ...
	const struct ip_addr *trusted; // ... which these prefixes are; others are reset
	const uint8_t *trusted_lens;
	uint32_t n_trusted;
	struct listener_timeouts timeouts;
	bool log_handshakes; // those that succeeded; failures are always told
	bool log_connections;
};

// Who talks to whom: as TCP says, or a PROXY header that was accepted.
struct proxy_addresses {
	struct ip_addr client_addr;
	struct ip_addr local_addr;
	uint16_t client_port;
	uint16_t local_port;
};

// Of a pool in `upstream`, by the same index: how its servers are talked to.
struct proxy_backend {
	const char *name; // for the log; may be NULL
	enum proxy_protocol_version proxy_protocol;
	struct ip_addr local; // source address towards the servers (one per family would be two pools)
};

struct proxy_config {
	const struct proxy_listener *listeners;
	uint32_t n_listeners;
	const struct proxy_backend *backends;
	uint32_t n_backends;
	struct routing_table routes;
};

// Sensible times: 10 s, 5 s, 5 min, 30 s, none.
void listener_timeouts_default(struct listener_timeouts *timeouts);

bool listener_trusts(const struct proxy_listener *listener, const struct ip_addr *source);
