// SPDX-License-Identifier: Apache-2.0
//
// Each case is a child that confines itself, tries something, and tells by its exit status what came of it.
#include "confinement.h"
#include "seam/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 65534,
	DIED = 1000, // + signal
	DONE = 0,
	BROKEN = 255,
};

#ifdef SLUICE_SANITIZED
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

// The errno that a child ended with, 0, or DIED + the signal that killed it.
static int outcome(int (*attempt)(void), bool pci)
{
	int status;
	const pid_t child = fork();

	if (child == 0) {
		const struct confinement confinement = {
			.user_id = geteuid() == 0 ? NOBODY : 0, .group_id = NOBODY, .calls = {.pci = pci}};
		char reason[IPC_REASON_MAX] = "";

		confinement_begin();
		if (!confinement_complete(&confinement, reason)) {
			(void)fprintf(stderr, "%s\n", reason);
			_exit(BROKEN);
		}
		_exit(attempt());
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? DIED + WTERMSIG(status) : WEXITSTATUS(status);
}

static int result(long value)
{
	return value >= 0 ? DONE : errno;
}

// ---- What is refused -----------------------------------------------------------------------------------

static int opens_for_writing(void)
{
	return result(open("/dev/null", O_WRONLY));
}

static int creates(void)
{
	return result(open("/tmp/sluice-confined", O_RDONLY | O_CREAT, 0600));
}

static int opens_for_reading(void)
{
	return result(open("/dev/null", O_RDONLY));
}

static int makes_a_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int connects(void)
{
	return result(connect(0, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(struct sockaddr)));
}

static int makes_code(void)
{
	return result(
		mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
			? 0
			: -1);
}

static int makes_pages_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int signals_another(void)
{
	return result(syscall(SYS_tgkill, getppid(), getppid(), SIGTERM));
}

static int kills(void)
{
	return result(kill(getpid(), 0));
}

static int becomes_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int loads_a_program(void)
{
	return result(syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0));
}

static int asks_a_device(void)
{
	return result(ioctl(0, (';' << 8) | 100, 0)); // VFIO's first
}

static int types_into_a_terminal(void)
{
	return result(ioctl(0, TIOCSTI, "x"));
}

static int unlinks(void)
{
	return result(unlink("/tmp/sluice-confined"));
}

static void what_nobody_needs_is_refused(void **state)
{
	(void)state;
	assert_int_equal(outcome(makes_a_socket, false), EPERM);
	assert_int_equal(outcome(connects, false), EPERM);
	assert_int_equal(outcome(loads_a_program, false), EPERM);
	assert_int_equal(outcome(unlinks, false), EPERM);
	assert_int_equal(outcome(types_into_a_terminal, false), EPERM);
	assert_int_equal(outcome(asks_a_device, false), EPERM);
	if (sanitized)
		return; // what follows is open to them
	assert_int_equal(outcome(opens_for_writing, false), EPERM);
	assert_int_equal(outcome(creates, false), EPERM);
	assert_int_equal(outcome(opens_for_reading, false), EPERM);
	assert_int_equal(outcome(makes_code, false), EPERM);
	assert_int_equal(outcome(makes_pages_code, false), EPERM);
	assert_int_equal(outcome(signals_another, false), EPERM);
	assert_int_equal(outcome(kills, false), EPERM);
	assert_int_equal(outcome(becomes_dumpable, false), EPERM);
}

static void a_pci_device_may_read_files_only(void **state)
{
	(void)state;
	assert_int_equal(outcome(opens_for_reading, true), DONE);
	assert_int_not_equal(outcome(asks_a_device, true), EPERM);
	if (sanitized)
		return;
	assert_int_equal(outcome(opens_for_writing, true), EPERM);
	assert_int_equal(outcome(creates, true), EPERM);
}

// ---- What is deadly ------------------------------------------------------------------------------------

static int executes(void)
{
	return result(execl("/bin/true", "true", (char *)NULL));
}

static int forks(void)
{
	return result(syscall(SYS_fork));
}

static int traces(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int leaves_its_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int becomes_root(void)
{
	return result(syscall(SYS_setresuid, 0, 0, 0));
}

static void what_a_break_in_wants_is_deadly(void **state)
{
	(void)state;
	assert_int_equal(outcome(executes, false), DIED + SIGSYS);
	assert_int_equal(outcome(forks, false), DIED + SIGSYS);
	// The search for leaks traces.
	assert_int_equal(outcome(traces, false), sanitized ? DONE : DIED + SIGSYS);
	assert_int_equal(outcome(leaves_its_namespace, false), DIED + SIGSYS);
	assert_int_equal(outcome(becomes_root, false), DIED + SIGSYS);
	assert_int_equal(outcome(executes, true), DIED + SIGSYS);
}

// ---- What stays possible -------------------------------------------------------------------------------

static void *nothing(void *context)
{
	return context;
}

static int works_as_ever(void)
{
	const int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	pthread_t thread;
	void *memory;

	if (fd < 0 || ftruncate(fd, 4096) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		return 1;
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || mlock(memory, 4096) != 0 || munmap(memory, 4096) != 0)
		return 2;
	if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 3;
	return 0;
}

static int aborts(void)
{
	abort();
}

static void what_is_needed_stays(void **state)
{
	(void)state;
	assert_int_equal(outcome(works_as_ever, false), 0);
	assert_int_equal(outcome(aborts, false), DIED + SIGABRT);
}

// ---- Ids and capabilities, of a thread that was there before -------------------------------------------

struct other {
	pthread_barrier_t made;
	pthread_barrier_t confined;
	char status[4096];
};

static void *other_main(void *context)
{
	struct other *other = context;
	// Opened before, because nothing can be opened after.
	const int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
	ssize_t len;

	(void)pthread_barrier_wait(&other->made);
	(void)pthread_barrier_wait(&other->confined);
	len = pread(fd, other->status, sizeof other->status - 1, 0);
	other->status[len > 0 ? len : 0] = '\0';
	return NULL;
}

static int confine_with_a_thread(uint32_t user_id, char *status)
{
	const struct confinement confinement = {.user_id = user_id, .group_id = user_id};
	static struct other other;
	char reason[IPC_REASON_MAX] = "";
	pthread_t thread;

	confinement_begin();
	(void)pthread_barrier_init(&other.made, NULL, 2);
	(void)pthread_barrier_init(&other.confined, NULL, 2);
	if (pthread_create(&thread, NULL, other_main, &other) != 0)
		return 1;
	(void)pthread_barrier_wait(&other.made);
	if (!confinement_complete(&confinement, reason))
		return 2;
	(void)pthread_barrier_wait(&other.confined);
	(void)pthread_join(thread, NULL);
	memcpy(status, other.status, sizeof other.status);
	return 0;
}

// The thread's own status after its process was confined.
static void confined_thread(uint32_t user_id, char out_status[4096])
{
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	const pid_t child = fork();

	if (child == 0)
		_exit(confine_with_a_thread(user_id, shared));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	memcpy(out_status, shared, 4096);
	(void)munmap(shared, 4096);
}

static void threads_that_were_there_are_confined(void **state)
{
	const uint32_t users[] = {NOBODY, 0};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
		char status[4096];
		char ids[64];

		confined_thread(users[i], status);
		(void)snprintf(
			ids, sizeof ids, "Uid:\t%u\t%u\t%u\t%u\n", users[i], users[i], users[i], users[i]);
		assert_non_null(strstr(status, ids));
		assert_non_null(strstr(status, "CapPrm:\t0000000000000000\n"));
		assert_non_null(strstr(status, "CapEff:\t0000000000000000\n"));
		assert_non_null(strstr(status, "CapBnd:\t0000000000000000\n"));
		assert_non_null(strstr(status, "NoNewPrivs:\t1\n"));
		assert_non_null(strstr(status, "Seccomp:\t2\n"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_needs_is_refused),
		cmocka_unit_test(a_pci_device_may_read_files_only),
		cmocka_unit_test(what_a_break_in_wants_is_deadly),
		cmocka_unit_test(what_is_needed_stays),
		cmocka_unit_test(threads_that_were_there_are_confined),
	};

	return cmocka_run_group_tests_name("dataplane/confinement", tests, NULL, NULL);
}
