// SPDX-License-Identifier: Apache-2.0
#include "call_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	IOCTL_TYPE_MASK = 0xff00,
	IOCTL_TYPE_VFIO = ';' << 8,   // linux/vfio.h
	IOCTL_TYPE_VERBS = 0x1b << 8, // rdma/rdma_user_ioctl_cmds.h
};

// What any of its parts does while it runs.
static const int allowed_calls[] = {
	// The control link, events, the clock's descriptors; TAP and eventfds of memif; frames of AF_PACKET
	// and
	// AF_XDP are announced by sendto.
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_create1), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
	// Memory, ours and what peers hand over. mmap and mprotect are below.
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock),
	SCMP_SYS(munlock), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy), SCMP_SYS(mbind),
	// Threads (telemetry makes one for each client), locks, signals of our own.
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity), SCMP_SYS(getcpu),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
	// Time, randomness, and who we are.
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname),
	SCMP_SYS(sysinfo)};

// Nothing here ever makes these; who does has broken in.
static const int deadly_calls[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
#ifndef SLUICE_SANITIZED
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
	SCMP_SYS(setuid), SCMP_SYS(setresuid), SCMP_SYS(setreuid), SCMP_SYS(setgid), SCMP_SYS(setresgid),
	SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(personality)};

// What drivers ask of the kernel's interfaces: flags, addresses, speed.
static const unsigned interface_ioctls[] = {
	SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFHWADDR, SIOCGIFMTU, SIOCGIFINDEX, SIOCETHTOOL, FIONREAD};

static bool add_calls(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(filter, action, calls[i], 0) != 0)
			return false;
	return true;
}

static bool allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp argument)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &argument) == 0;
}

static bool add_conditions(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	bool well = allow_if(filter, SCMP_SYS(mmap), not_executable) &&
		    allow_if(filter, SCMP_SYS(mprotect), not_executable) &&
		    // A thread, not a process. The filter can't look into clone3's arguments: ENOSYS makes
		    // the C library use clone.
		    allow_if(filter, SCMP_SYS(clone),
			    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) &&
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
		    allow_if(filter, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0)) &&
		    allow_if(filter, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0)) &&
		    // abort() and the signals of TAP queues.
		    allow_if(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));

	for (size_t i = 0; well && i < sizeof interface_ioctls / sizeof interface_ioctls[0]; i++)
		well = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, interface_ioctls[i], 0));
	return well;
}

static bool allow_reading_files(scmp_filter_ctx filter)
{
	return allow_if(filter, SCMP_SYS(openat),
		SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
}

// Link interrupts and the removal of a device go through ioctls of descriptors that are open; drivers of
// Mellanox's read sysfs.
static bool add_pci(scmp_filter_ctx filter)
{
	return allow_reading_files(filter) &&
	       allow_if(filter, SCMP_SYS(ioctl),
		       SCMP_A1(SCMP_CMP_MASKED_EQ, IOCTL_TYPE_MASK, IOCTL_TYPE_VFIO)) &&
	       allow_if(filter, SCMP_SYS(ioctl),
		       SCMP_A1(SCMP_CMP_MASKED_EQ, IOCTL_TYPE_MASK, IOCTL_TYPE_VERBS));
}

#ifdef SLUICE_SANITIZED
// Reports read files (maps, symbols), and the search for leaks stops the other threads from a process of its
// own: only builds with sanitizers.
static bool add_sanitizers(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(openat),
		SCMP_SYS(open), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(getdents64),
		SCMP_SYS(clone), SCMP_SYS(wait4), SCMP_SYS(kill), SCMP_SYS(prctl), SCMP_SYS(prlimit64),
		SCMP_SYS(getppid), SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(dup), SCMP_SYS(dup2),
		SCMP_SYS(pipe2), SCMP_SYS(socketpair), SCMP_SYS(getdents), SCMP_SYS(ptrace)};

	return add_calls(filter, SCMP_ACT_ALLOW, calls, sizeof calls / sizeof calls[0]);
}
#else
static bool add_sanitizers(scmp_filter_ctx filter)
{
	(void)filter;
	return true;
}
#endif

// On all threads at once; logged when it refuses; and without the slower speculation that older kernels put
// on filtered threads (nothing of a stranger's runs in this process).
static bool set_attributes(scmp_filter_ctx filter)
{
	return seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
	       seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1) == 0 &&
	       seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1) == 0 &&
	       seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
}

bool call_filter_install(const struct call_filter *wanted)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	const bool built = filter != NULL && set_attributes(filter) &&
			   add_calls(filter, SCMP_ACT_ALLOW, allowed_calls,
				   sizeof allowed_calls / sizeof allowed_calls[0]) &&
			   add_calls(filter, SCMP_ACT_KILL_PROCESS, deadly_calls,
				   sizeof deadly_calls / sizeof deadly_calls[0]) &&
			   add_conditions(filter) && (!wanted->pci || add_pci(filter)) &&
			   add_sanitizers(filter);
	const int error = built ? seccomp_load(filter) : -EINVAL;

	if (filter != NULL)
		seccomp_release(filter);
	errno = -error;
	return error == 0;
}
