// SPDX-License-Identifier: Apache-2.0
#include "confinement.h"

#include "refusal.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS_MAX = 1000, // of a millisecond, until every thread has given up its capabilities
};

#define LOCK_MEMORY (UINT64_C(1) << CAP_IPC_LOCK)

static void forbid_dumps(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
#ifdef SLUICE_SANITIZED
	// The search for leaks looks into the process from a thread that traces the others.
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
#else
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void confinement_begin(void)
{
	forbid_dumps();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	// Who may not do this has no capability worth the name.
	for (unsigned long i = 0; i <= CAP_LAST_CAP; i++)
		(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

// ---- Capabilities of a thread --------------------------------------------------------------------------

static bool set_capabilities(uint64_t capabilities)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
	struct __user_cap_data_struct data[2] = {0};

	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = (uint32_t)(capabilities >> (32 * i));
	return syscall(SYS_capset, &header, data) == 0;
}

static void give_up_mine(int signal_number)
{
	const int error = errno;

	(void)signal_number;
	(void)set_capabilities(0);
	errno = error;
}

// All bits when it can't be told.
static uint64_t permitted_of(const char *thread)
{
	char path[64];
	char line[128];
	uint64_t permitted = UINT64_MAX;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/self/task/%.16s/status", thread);
	file = fopen(path, "re");
	if (file == NULL)
		return errno == ENOENT ? 0 : permitted; // it has ended
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "CapPrm:", 7) == 0)
			permitted = strtoull(line + 7, NULL, 16);
	(void)fclose(file);
	return permitted;
}

// Signals every thread but this one that has a capability; how many these were, or -1.
static int ask_threads(int signal_number)
{
	DIR *threads = opendir("/proc/self/task");
	const struct dirent *entry;
	int n_asked = 0;

	if (threads == NULL)
		return -1;
	while ((entry = readdir(threads)) != NULL) {
		const pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread <= 0 || thread == gettid() || permitted_of(entry->d_name) == 0)
			continue;
		(void)tgkill(getpid(), thread, signal_number);
		n_asked++;
	}
	(void)closedir(threads);
	return n_asked;
}

// Capabilities are a thread's own, and only it can give them up. A change of user takes them from all
// threads; for a process that stays the user it is, each is asked by a signal. Either way it is looked up.
static bool confine_threads(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	const int signal_number = SIGRTMAX;
	const struct sigaction action = {.sa_handler = give_up_mine, .sa_flags = SA_RESTART};
	struct sigaction before;
	int n_asked = -1;

	if (sigaction(signal_number, &action, &before) != 0)
		return false;
	for (int i = 0; i < ROUNDS_MAX && (n_asked = ask_threads(signal_number)) > 0; i++)
		(void)nanosleep(&pause, NULL);
	(void)sigaction(signal_number, &before, NULL);
	return n_asked == 0;
}

// ---- The whole -----------------------------------------------------------------------------------------

// Certificates that come later are locked too. Where the limit can't be lifted, the thread that takes them
// keeps the capability for it.
static uint64_t kept_for_locking(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		return 0;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	return limit.rlim_cur == RLIM_INFINITY ? 0 : LOCK_MEMORY;
}

// glibc does these on all threads.
static bool become(uint32_t user_id, uint32_t group_id)
{
	return setgroups(0, NULL) == 0 && setresgid(group_id, group_id, group_id) == 0 &&
	       setresuid(user_id, user_id, user_id) == 0 && setuid(0) != 0;
}

bool confinement_complete(const struct confinement *confinement, char reason[static IPC_REASON_MAX])
{
	const uint64_t kept = kept_for_locking();

	if (geteuid() == 0 && confinement->user_id != 0) {
		// Of this thread only: all others lose everything.
		(void)prctl(PR_SET_KEEPCAPS, kept != 0, 0, 0, 0);
		if (!become(confinement->user_id, confinement->group_id))
			return refuse(
				reason, "can't become user %u (%s)", confinement->user_id, strerror(errno));
	}
	if (!set_capabilities(kept) && !set_capabilities(0))
		return refuse(reason, "capabilities can't be given up (%s)", strerror(errno));
	if (!confine_threads())
		return refuse(reason, "a thread keeps capabilities");
	forbid_dumps(); // a change of user may have allowed them
	if (!call_filter_install(&confinement->calls))
		return refuse(reason, "system calls can't be filtered (%s)", strerror(errno));
	return true;
}
