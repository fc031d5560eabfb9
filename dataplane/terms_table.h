// SPDX-License-Identifier: Apache-2.0
//
// What snapshots have in common and what outlives them (proxy/terms.h), each thing once, however many
// snapshots say it. The main thread's.
//
//   listeners   a listener's terms and its row of counters   pairs hold them
//   servers     a server's terms and its row                 servers of `upstream` hold them
//   backends    which pool of `upstream` a backend's name is, for all snapshots in use at a time
//
//   named by a snapshot -> used by each further one that says the same -> dropped with each of them
//      -> idle, as long as a worker holds it -> swept, and its row with it
//
// So a connection that lives over a thousand reloads pins some hundred bytes, and two connections under the
// same terms pin the same ones. Index 0 of each table stays empty: it is what goes without terms.
#pragma once

#include "base/arena.h"
#include "base/pool.h"
#include "proxy/terms.h"
#include "tally_page.h"

enum {
	TERMS_LISTENERS = 4096,
	TERMS_SERVERS = 16384,
	TERMS_BACKENDS = 1025, // DEPLOYMENT_BACKENDS_MAX and the empty one
};

// One kind of things: which place has whose name, found by a hash of it.
struct terms_index {
	struct pool places; // struct terms_place
	uint32_t *buckets;
	uint32_t n_idle; // places that no snapshot uses
};

struct terms_table {
	struct arena arena;
	struct terms_index listener_index, server_index, backend_index;
	struct listener_terms *listeners;
	struct server_terms *servers;
	char (*backends)[TERMS_NAME_MAX + 1];
	struct tally_page *tallies;
};

// False: no memory. tallies: NULL gives everything row 0.
bool terms_table_init(struct terms_table *table, struct tally_page *tallies);
void terms_table_destroy(struct terms_table *table);

// One more use of these terms. idx and tally_idx are filled in here, the rest is the caller's. NULL: too many
// different ones are in use.
const struct listener_terms *terms_use_listener(struct terms_table *table, const struct listener_terms *terms)
	__attribute__((warn_unused_result));
const struct server_terms *terms_use_server(struct terms_table *table, const struct tally_server_id *id)
	__attribute__((warn_unused_result));

// One more use of a backend's name; its number, 1 to TERMS_BACKENDS - 1, or POOL_NONE as above.
uint32_t terms_use_backend(struct terms_table *table, const char *name) __attribute__((warn_unused_result));

void terms_drop_listener(struct terms_table *table, const struct listener_terms *terms);
void terms_drop_server(struct terms_table *table, const struct server_terms *terms);
void terms_drop_backend(struct terms_table *table, uint32_t idx);

// Frees what no snapshot uses and none of these workers holds.
void terms_sweep(struct terms_table *table, const struct terms_holds *holds, uint32_t n_holds);
