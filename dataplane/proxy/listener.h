// SPDX-License-Identifier: Apache-2.0
//
// What the configuration says of a listener, and the snapshot that all listeners are part of. Immutable: a
// new configuration is a new snapshot, and the old one lives until no handshake and no connect uses it
// (proxy_uses); connections that are up keep their terms alone (terms.h). A listener is named by its index,
// which is also the tag of TCP's listener. A backend's index is its pool's in `upstream` and means the same
// backend in all snapshots that are in use at a time; the table may have gaps.
#pragma once

#include "proxy/http_redirect.h"
#include "proxy/proxy_protocol.h"
#include "proxy/routing.h"
#include "proxy/terms.h"

struct tls_server_config;

struct proxy_listener {
	const struct listener_terms *terms;
	struct ip_addr addr;
	uint16_t port;
	const struct tls_server_config *tls; // LISTENER_TLS and LISTENER_MAIL
	struct http_redirect_config redirect;
	uint32_t route_idx;            // the routes' listener_idx
	uint32_t pool_idx;             // the backend when there is no name yet: LISTENER_TCP, STARTTLS
	bool reject_unknown_names;     // no route but the default one for an SNI: refuse
	bool accepts_proxy;            // a PROXY header comes first, from trusted sources alone ...
	const struct ip_addr *trusted; // ... which these prefixes are; others are reset
	const uint8_t *trusted_lens;
	uint32_t n_trusted;
};

// Who talks to whom: as TCP says, or a PROXY header that was accepted.
struct proxy_addresses {
	struct ip_addr client_addr;
	struct ip_addr local_addr;
	uint16_t client_port;
	uint16_t local_port;
};

enum {
	PROXY_SOURCES_MAX = 8
};

// Of a pool in `upstream`, by the same index: how its servers are talked to.
struct proxy_backend {
	const char *name; // for the log; may be NULL
	enum proxy_protocol_version proxy_protocol;
	struct ip_addr
		locals[PROXY_SOURCES_MAX]; // source addresses towards the servers: the first of a server's
					   // family, and others of it when its ports have run out
	uint32_t n_locals;                 // at least 1; 0: no such backend
};

// The first source of a server's family from this one on; PROXY_SOURCES_MAX: there is none (left).
uint32_t proxy_backend_source(
	const struct proxy_backend *backend, const struct ip_addr *server, uint32_t from);

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
