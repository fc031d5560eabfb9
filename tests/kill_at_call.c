// SPDX-License-Identifier: Apache-2.0
//
// Kills a process at the Nth moment from now on at which one of its threads enters or leaves a system call,
// so that a test can let it die at every place where what it did so far can be seen by others.
//
//     kill-at-call PID N     prints "ready" when it counts; ends with the process, or by SIGTERM
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum {
	CALL_STOP = SIGTRAP | 0x80
};

// Every thread stops once, and goes on to its next call or return. Returns how many there are.
static unsigned seize_threads(pid_t pid)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
	const struct dirent *entry;
	unsigned n = 0;
	char path[64];
	DIR *threads;

	(void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads != NULL && (entry = readdir(threads)) != NULL) {
		const pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread > 0 && ptrace(PTRACE_SEIZE, thread, NULL, options) == 0 &&
			ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0)
			n++;
	}
	if (threads != NULL)
		(void)closedir(threads);
	return n;
}

int main(int argc, char **argv)
{
	const pid_t pid = argc == 3 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	const unsigned long wanted = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long n_calls = 0;
	unsigned n_stopping;
	pid_t thread;
	int status;

	if (pid <= 0 || wanted == 0)
		return 2;
	n_stopping = seize_threads(pid);
	if (n_stopping == 0) {
		perror("ptrace");
		return 1;
	}
	while ((thread = waitpid(-1, &status, __WALL)) > 0) {
		const bool is_event = status >> 16 != 0;
		long signal_to_deliver = 0;

		if (!WIFSTOPPED(status)) {
			if (thread == pid)
				return 0;
			continue;
		}
		if (WSTOPSIG(status) == CALL_STOP)
			n_calls++;
		else if (!is_event)
			signal_to_deliver = WSTOPSIG(status);
		if (n_calls == wanted)
			(void)kill(pid, SIGKILL);
		(void)ptrace(PTRACE_SYSCALL, thread, NULL, signal_to_deliver);
		if (is_event && n_stopping != 0 && --n_stopping == 0) {
			(void)puts("ready");
			(void)fflush(stdout);
		}
	}
	return 0;
}
