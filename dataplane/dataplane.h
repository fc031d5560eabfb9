// SPDX-License-Identifier: Apache-2.0
//
// The running whole: EAL, packet pools, ports, and a worker on each core. Made once from a checked
// configuration by the main thread, which owns it; taken down in the reverse order.
//
//   stopped --dataplane_start--> running --dataplane_stop--> stopped (for good: EAL starts once in a process)
#pragma once

#include "config.h"
#include "counter_page.h"
#include "eal.h"
#include "publication.h"
#include "telemetry.h"
#include "worker.h"

struct dataplane {
	bool running;
	struct config config;
	struct eal eal;
	struct net_config net_config;
	struct counter_page counter_page;
	struct arena arena; // what workers share: the exchange, the look-up of sessions
	struct exchange *exchange;
	struct session_lookup *session_lookup;
	struct chain_verifier *chain_verifier;
	struct rte_mempool *rx_pool;
	struct rte_mempool *tx_pools[IPC_WORKERS_MAX];
	struct rte_mempool *record_pools[IPC_WORKERS_MAX];
	struct publication publication;
	struct port *ports[IPC_PORTS_MAX];
	struct worker workers[IPC_WORKERS_MAX];
	uint64_t started_wall_us;
	struct telemetry_facts telemetry;
};

// Starts what the configuration says. False: `reason` says what, where and what to do; everything that was
// made is taken down again. When *out_fatal is set this process can't try again.
bool dataplane_start(struct dataplane *dataplane, const struct config *config, bool *out_fatal,
	char reason[static IPC_REASON_MAX]) __attribute__((warn_unused_result));

// Stops the workers, closes the ports, and returns how many packet buffers are in nobody's hands: 0, or a
// defect.
uint64_t dataplane_stop(struct dataplane *dataplane);

// The next event of any worker's log ring; false when there is none.
bool dataplane_pop_event(struct dataplane *dataplane, struct log_event *out_event);
