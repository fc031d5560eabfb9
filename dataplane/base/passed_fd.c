// SPDX-License-Identifier: Apache-2.0
#include "base/passed_fd.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FDS_MAX = 4 // that are received, to be closed but for the first
};

bool passed_fd_send(int socket, const void *message, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec piece = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};
	struct msghdr envelope = {.msg_iov = &piece, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *header;

		envelope.msg_control = control.room;
		envelope.msg_controllen = sizeof control.room;
		header = CMSG_FIRSTHDR(&envelope);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(header), &fd, sizeof fd);
	}
	return sendmsg(socket, &envelope, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

// Takes the first descriptor out of a received envelope and closes any others.
static int take_fd(struct msghdr *envelope)
{
	int taken = -1;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(envelope); header != NULL;
		header = CMSG_NXTHDR(envelope, header)) {
		size_t n_fds;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n_fds; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
			if (taken < 0)
				taken = fd;
			else
				(void)close(fd);
		}
	}
	return taken;
}

ssize_t passed_fd_receive(int socket, void *message, size_t len, int *out_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec piece = {.iov_base = message, .iov_len = len};
	struct msghdr envelope = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room};
	const ssize_t n = recvmsg(socket, &envelope, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*out_fd = n >= 0 ? take_fd(&envelope) : -1;
	if (n >= 0 && (envelope.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		return PASSED_FD_TOO_LONG;
	return n;
}
