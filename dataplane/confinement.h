// SPDX-License-Identifier: Apache-2.0
//
// What the process gives up. Ports, memory and sockets are opened by root; from then on every thread is
// another user without a capability, under a list of system calls, and nobody but root may look into it.
//
//   main() --confinement_begin--> root without a way to more --(ports open, workers run)-->
//   confinement_complete
//
// Threads that others made (EAL's, OpenSSL's helpers) are confined with the rest: ids and the filter belong
// to the process or are put on all threads; capabilities, which belong to threads, are looked up for each.
#pragma once

#include "call_filter.h"

#include "ipc.h"

#include <stdint.h>

struct confinement {
	uint32_t user_id; // 0: stay root, without capabilities
	uint32_t group_id;
	struct call_filter calls;
};

// Before there is another thread: no new privileges, an empty bounding set, no core dumps, not dumpable.
void confinement_begin(void);

// When everything is open. False: `reason`, and the process must not go on.
bool confinement_complete(const struct confinement *confinement, char reason[static IPC_REASON_MAX])
	__attribute__((warn_unused_result));
