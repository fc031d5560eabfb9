// SPDX-License-Identifier: Apache-2.0
#include "privileges.h"

#include <cap-ng.h>
#include <sys/prctl.h>

// Locking keys in memory; the socket's group and mode; starting sluice-fetch as another user and ending it.
static const unsigned kept[] = {
	CAP_IPC_LOCK, CAP_CHOWN, CAP_FOWNER, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_DAC_READ_SEARCH};

bool privileges_drop(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;

		if (capng_update(CAPNG_ADD, sets, kept[i]) != 0)
			return false;
	}
	return capng_apply(CAPNG_SELECT_BOTH) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
