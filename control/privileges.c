// SPDX-License-Identifier: Apache-2.0
#include "privileges.h"

#include <cap-ng.h>
#include <stddef.h>
#include <sys/prctl.h>

// Locking keys in memory; the socket's group and mode; starting sluice-fetch as another user and ending it.
static const unsigned kept[] = {
	CAP_IPC_LOCK, CAP_CHOWN, CAP_FOWNER, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_DAC_READ_SEARCH};

// Those of sluice-dataplane.service: a dataplane is root's program, and gets them from the bounding set.
static const unsigned of_dataplanes[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_RAWIO, CAP_SYS_NICE,
	CAP_SYS_ADMIN, CAP_BPF, CAP_DAC_OVERRIDE, CAP_SETPCAP};

static bool keep(const unsigned *capabilities, size_t n, unsigned sets)
{
	for (size_t i = 0; i < n; i++)
		if (capng_update(CAPNG_ADD, (capng_type_t)sets, capabilities[i]) != 0)
			return false;
	return true;
}

bool privileges_drop(bool starts_dataplanes)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (!keep(kept, sizeof kept / sizeof kept[0],
		    CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET) ||
		(starts_dataplanes && !keep(of_dataplanes, sizeof of_dataplanes / sizeof of_dataplanes[0],
					      CAPNG_BOUNDING_SET)))
		return false;
	// With no-new-privs a dataplane could not have more than we do.
	return capng_apply(CAPNG_SELECT_BOTH) == 0 &&
	       (starts_dataplanes || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}
