// SPDX-License-Identifier: Apache-2.0
#include "ctl.h"

#include "base/assert.h"
#include "base/passed_fd.h"
#include "stale_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool ctl_open(struct ctl *ctl, const char *path, char *reason, size_t reason_len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int bound;

	*ctl = (struct ctl){.listen_fd = -1, .control_fd = -1, .path = path, .owner = geteuid()};
	if (strlen(path) >= sizeof address.sun_path) {
		(void)snprintf(reason, reason_len, "%s: a socket's path has at most %zu characters", path,
			sizeof address.sun_path - 1);
		return false;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (!stale_socket_remove(path)) {
		(void)snprintf(reason, reason_len,
			"%s: another dataplane is running, or something that is no socket is there; stop it "
			"or "
			"use another --socket",
			path);
		return false;
	}
	ctl->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->listen_fd < 0) {
		(void)snprintf(reason, reason_len, "socket: %s", strerror(errno));
		return false;
	}
	mask = umask(0177);
	bound = bind(ctl->listen_fd, (const struct sockaddr *)&address, sizeof address);
	(void)umask(mask);
	if (bound != 0 || listen(ctl->listen_fd, 4) != 0) {
		(void)snprintf(reason, reason_len, "%s: %s; does its folder exist?", path, strerror(errno));
		(void)close(ctl->listen_fd);
		ctl->listen_fd = -1;
		return false;
	}
	return true;
}

static struct ipc_header header_of(enum ipc_type type, uint32_t id, size_t len)
{
	return (struct ipc_header){.magic = IPC_MAGIC,
		.version = IPC_VERSION,
		.type = (uint16_t)type,
		.id = id,
		.len = (uint32_t)len};
}

static void turn_away(int fd, const char *reason)
{
	struct ipc_refused refused = {.header = header_of(IPC_REFUSED, 0, sizeof refused)};

	(void)snprintf(refused.reason, sizeof refused.reason, "%s", reason);
	(void)!passed_fd_send(fd, &refused, sizeof refused, -1);
	(void)close(fd);
}

void ctl_accept(struct ctl *ctl)
{
	struct ucred peer;
	socklen_t peer_len = sizeof peer;
	int fd = accept4(ctl->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) != 0 ||
		(peer.uid != 0 && peer.uid != ctl->owner)) {
		turn_away(fd, "the control process must run as root or as who started the dataplane");
		return;
	}
	if (ctl->control_fd >= 0) {
		turn_away(fd, "another control process is attached");
		return;
	}
	ctl->control_fd = fd;
}

// The length of a request of this type; 0: there is none.
static size_t len_of(uint16_t type)
{
	switch (type) {
	case IPC_HELLO:
	case IPC_START:
	case IPC_STOP:
	case IPC_PRIVATE_KEYS:
	case IPC_CERTIFICATES:
	case IPC_TICKET_KEYS:
	case IPC_SNAPSHOT:
	case IPC_GET_TICKET_KEYS:
	case IPC_SESSIONS:
		return sizeof(struct ipc_request);
	case IPC_QUERY:
		return sizeof(struct ipc_query);
	default:
		return 0;
	}
}

// What is wrong with a request, or NULL.
static const char *fault_of(const struct ipc_header *header, ssize_t len)
{
	if (len < (ssize_t)sizeof *header || header->magic != IPC_MAGIC || header->len != (size_t)len)
		return "not a message of the control link";
	if (header->version != IPC_VERSION)
		return "another version of the control link; control and dataplane must be of one release";
	if (len_of(header->type) == 0)
		return "not a request";
	if (len_of(header->type) != (size_t)len)
		return "a request of a wrong length";
	return NULL;
}

bool ctl_receive(struct ctl *ctl, struct ctl_request *out_request)
{
	union {
		struct ipc_header header;
		struct ipc_query query;
	} request = {0};
	const char *fault;
	ssize_t len;
	int fd;

	if (ctl->control_fd < 0 || ctl_is_waiting(ctl))
		return false;
	len = passed_fd_receive(ctl->control_fd, &request, sizeof request, &fd);
	if (len == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len == -1 || len == 0) {
		ctl_detach(ctl);
		return false;
	}
	fault = fault_of(&request.header, len);
	if (fault != NULL) {
		if (fd >= 0)
			(void)close(fd);
		ctl_answer(ctl, IPC_REFUSED, 0, fault, -1);
		ctl_detach(ctl);
		return false;
	}
	*out_request = (struct ctl_request){.type = (enum ipc_type)request.header.type,
		.id = request.header.id,
		.fd = fd,
		.query = request.query};
	return true;
}

bool ctl_send(struct ctl *ctl, void *message, size_t len, enum ipc_type type, uint32_t id, int fd)
{
	struct ipc_header header = header_of(type, id, len);

	if (ctl->control_fd < 0)
		return false;
	memcpy(message, &header, sizeof header);
	if (passed_fd_send(ctl->control_fd, message, len, fd))
		return true;
	if (errno != EAGAIN)
		ctl_detach(ctl);
	return false;
}

void ctl_reply(struct ctl *ctl, void *message, size_t len, enum ipc_type type, uint32_t id, int fd)
{
	SLUICE_ASSERT(len <= sizeof ctl->waiting && !ctl_is_waiting(ctl));
	if (ctl_send(ctl, message, len, type, id, fd) || ctl->control_fd < 0)
		return;
	memcpy(ctl->waiting, message, len);
	ctl->waiting_len = len;
	ctl->waiting_fd = fd;
}

void ctl_answer(struct ctl *ctl, enum ipc_type type, uint32_t id, const char *reason, int fd)
{
	struct ipc_refused answer = {0};

	(void)snprintf(answer.reason, sizeof answer.reason, "%s", reason);
	ctl_reply(ctl, &answer, sizeof answer, type, id, fd);
}

void ctl_send_waiting(struct ctl *ctl)
{
	if (!ctl_is_waiting(ctl))
		return;
	if (passed_fd_send(ctl->control_fd, ctl->waiting, ctl->waiting_len, ctl->waiting_fd))
		ctl->waiting_len = 0;
	else if (errno != EAGAIN && errno != EINTR)
		ctl_detach(ctl);
}

void ctl_detach(struct ctl *ctl)
{
	if (ctl->control_fd >= 0)
		(void)close(ctl->control_fd);
	ctl->control_fd = -1;
	ctl->waiting_len = 0;
}

void ctl_close(struct ctl *ctl)
{
	ctl_detach(ctl);
	if (ctl->listen_fd >= 0) {
		(void)close(ctl->listen_fd);
		(void)unlink(ctl->path);
	}
	ctl->listen_fd = -1;
}
