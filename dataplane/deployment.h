// SPDX-License-Identifier: Apache-2.0
//
// A deployment: everything that may change while the dataplane runs, decoded from a snapshot
// (include/snapshot.h) and checked whole: listeners, routes, backends, limits, and which certificate serves
// which name. Immutable once made.
//
//   made by the main thread --mailbox--> every worker puts it in place --> the next one replaces it
//                                          |
//                                          +--> handshakes and connects in flight keep what they began with;
//                                               when a worker has none left it says so, and after the last
//                                               worker the main thread frees it
//
// What connections need beyond that, and which pool is whose, lies in the main thread's table of terms
// (terms_table.h), of which a deployment counts as one user.
#pragma once

#include "base/arena.h"
#include "chain_verifier.h"
#include "credentials.h"
#include "net/config.h"
#include "proxy/admission.h"
#include "proxy/listener.h"
#include "proxy/upstream.h"
#include "tls/config.h"

enum {
	DEPLOYMENT_BACKENDS_MAX = 1024,
	DEPLOYMENT_SERVERS_MAX = 8192,
	DEPLOYMENT_LISTENERS_MAX = 1024, // addresses of listeners
};

struct terms_table;

struct deployment_pool {
	uint32_t idx; // in `upstream`, and the backend's in proxy.backends
	struct upstream_pool_config config;
	struct upstream_server_config *servers;
	uint32_t n_servers;
};

struct deployment {
	struct arena arena; // everything below, and the deployment itself, lies in it
	uint64_t generation;
	struct proxy_config proxy;
	struct deployment_pool *pools; // one per backend
	uint32_t n_pools;
	struct admission_limits limits; // of all workers together
	uint32_t lane_wait_us;
	bool prepared_signatures;
	struct tls_server_config *tls; // of each listener of the snapshot that has TLS
	uint32_t n_tls;
	struct chain_anchors *anchors; // of those that ask for client certificates
	uint32_t n_anchors;
	struct credential **credentials; // in use by it
	uint32_t n_credentials;
	struct terms_table *terms;
	const struct listener_terms **listener_terms; // in use by it
	const struct server_terms **server_terms;
	uint32_t n_listener_terms;
	uint32_t n_server_terms;
	uint32_t n_workers_left; // that have not let go of it; the main thread's
};

// What deployments rest on.
struct deployment_base {
	const struct net_config *net; // its addresses are those that backends are reached from where a
				      // snapshot names none
	struct tally_page *tallies;   // of the table of terms; NULL: everything has row 0
	struct terms_table *terms;
};

// NULL: `reason` says what is wrong and nothing has changed.
struct deployment *deployment_decode(struct span records, struct credentials *credentials,
	const struct deployment_base *base, char reason[static IPC_REASON_MAX]);

// No worker uses it any more.
void deployment_free(struct deployment *deployment, struct credentials *credentials);
