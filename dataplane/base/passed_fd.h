// SPDX-License-Identifier: Apache-2.0
//
// Messages on a Unix socket that may carry one file descriptor (SCM_RIGHTS): both ends of the control link.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Sends a message whole, without blocking, and a descriptor (which stays the caller's) unless it is -1.
// False: errno says why, EAGAIN when the other end does not keep up.
bool passed_fd_send(int socket, const void *message, size_t len, int fd) __attribute__((warn_unused_result));

enum {
	PASSED_FD_TOO_LONG = -2
};

// Receives one message, without blocking. Returns its length, 0 when the other end hung up, -1 with errno, or
// PASSED_FD_TOO_LONG when it is longer than `len` or carried more descriptors than anybody may send. *out_fd
// is the first descriptor that came, the caller's, or -1; others are closed.
ssize_t passed_fd_receive(int socket, void *message, size_t len, int *out_fd);
