// SPDX-License-Identifier: Apache-2.0
//
// Starts DPDK's environment from the start configuration: once in the life of the process.
#pragma once

#include "config.h"

struct eal {
	bool pci; // some port is a PCI device
	bool huge_pages;
	// The lcore that runs each worker; lcore 0 is the main thread, on any CPU that the process may use.
	unsigned lcores[IPC_WORKERS_MAX];
};

// False: `reason` says what and what to do. Nothing of EAL was started if it names the configuration (cores
// that do not exist or may not be used); a failure of EAL itself can't be repeated in this process, and
// *out_fatal is set.
bool eal_start(const struct config *config, struct eal *out_eal, bool *out_fatal,
	char reason[static IPC_REASON_MAX]);

// From now on drivers say nothing: what they can't undo at the end, because they are not root any more, goes
// away with the process or is replaced by the next start.
void eal_hush(void);
