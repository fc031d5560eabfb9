// SPDX-License-Identifier: Apache-2.0
//
// The system calls that a running dataplane may make, as a seccomp filter over all of its threads. It is
// built from what the ports need: without a PCI device no file can be opened any more.
//
//   listed                             allowed, some with certain arguments only (call_filter.c)
//   those that a break-in would want   the process is killed: execve, ptrace, bpf, mount, setns ...
//   every other                        EPERM, and a line of the kernel's log: a driver's rare path must not
//                                      take every connection along
//
// Nothing can be made executable, no process, socket or file be made, nothing be opened for writing, and no
// other process be signalled.
#pragma once

#include <stdbool.h>

struct call_filter {
	bool pci; // a device driven through VFIO, UIO or verbs: files may be read, its ioctls made
};

// Puts the filter on every thread of the process, for good. Needs no-new-privs, or CAP_SYS_ADMIN. False:
// errno; nothing was changed.
bool call_filter_install(const struct call_filter *filter) __attribute__((warn_unused_result));
