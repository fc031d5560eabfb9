// SPDX-License-Identifier: Apache-2.0
//
// What dpdk-telemetry.py gets to see of Sluice, beside DPDK's own: read-only, and nothing that names a peer.
//
//   /sluice/info               release, process, workers, when it started
//   /sluice/counters           totals of all workers that are not zero, by layer
//   /sluice/counters,LAYER     all of a layer: net, tcp, crypto, tls, mail, proxy, worker
//   /sluice/counters,WORKER    one worker's that are not zero, by layer
//   /sluice/cores              what each worker's cycles went into
//
// DPDK answers each client on a thread of its own, which nobody can wait for: a lock stands between an answer
// and the end of what it reads.
#pragma once

#include "counter_page.h"
#include "ipc.h"

struct telemetry_facts {
	const struct counter_page *counters;
	const struct ipc_dataplane *dataplane;
	uint64_t started_wall_us;
	uint64_t tsc_hz;
	uint32_t n_ports;
	bool huge_pages;
};

// Registers the commands. The facts, and what they point to, stay until telemetry_close. That a command can't
// be registered is worth no more than its absence.
void telemetry_open(const struct telemetry_facts *facts);

// When this returns, no answer reads the facts any more, and none will.
void telemetry_close(void);
