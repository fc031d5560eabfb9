// SPDX-License-Identifier: Apache-2.0
//
// The dataplane's end of the control link (include/ipc.h): a listening Unix socket of type SOCK_SEQPACKET,
// one control process at a time, its credentials checked. The main thread owns it; nothing here blocks.
//
//   listening --accept, credentials, nobody else--> connected --message--> the caller's business
//       ^                                               |
//       +---------- hang-up, malformed message ---------+      the dataplane goes on either way
#pragma once

#include "ipc.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	CTL_ANSWER_LEN_MAX = sizeof(struct ipc_refused)
};

struct ctl {
	int listen_fd;
	int control_fd; // -1 when no control process is attached
	const char *path;
	uid_t owner; // who may attach, beside root: whoever started us
	// An answer that found no room, because events have filled the socket; its descriptor is borrowed.
	uint8_t waiting[CTL_ANSWER_LEN_MAX];
	size_t waiting_len; // 0: there is none
	int waiting_fd;
};

// A request that arrived. The descriptor (or -1) belongs to the caller.
struct ctl_request {
	enum ipc_type type;
	uint32_t id;
	int fd;
	struct ipc_query query; // of QUERY
};

// Makes the socket, readable and writable by its owner alone. A socket that nobody listens on any more is
// replaced; where another dataplane listens, this fails. False: `reason` says what, where and what to do.
bool ctl_open(struct ctl *ctl, const char *path, char *reason, size_t reason_len);

// Takes a control process that wants to attach: turned away when one is attached or it is another user's.
void ctl_accept(struct ctl *ctl);

// Reads one request. False: there is none, or the peer is gone or spoke wrongly, and is detached then.
bool ctl_receive(struct ctl *ctl, struct ctl_request *out_request) __attribute__((warn_unused_result));

// Sends a message whose header is filled in here, with a descriptor unless fd is -1 (it stays the caller's).
// False: not sent, because nobody is attached, or the control process does not keep up with reading (try
// again later), or it is gone (and detached now).
bool ctl_send(struct ctl *ctl, void *message, size_t len, enum ipc_type type, uint32_t id, int fd);

// The answer to a request, of at most CTL_ANSWER_LEN_MAX bytes. Where it finds no room it waits until there
// is some, and so does the descriptor, which must stay open until the next request is received; none is
// before the answer is on its way.
void ctl_reply(struct ctl *ctl, void *message, size_t len, enum ipc_type type, uint32_t id, int fd);

// An answer that carries a reason; an empty one means done.
void ctl_answer(struct ctl *ctl, enum ipc_type type, uint32_t id, const char *reason, int fd);

// Whether an answer waits for room: nothing is received meanwhile, and nothing else should be sent.
static inline bool ctl_is_waiting(const struct ctl *ctl)
{
	return ctl->waiting_len != 0;
}

// Sends the answer that waits, if there is room now.
void ctl_send_waiting(struct ctl *ctl);

void ctl_detach(struct ctl *ctl);

// Ends the link and removes the socket, if we may: who dropped root leaves the file to the next start.
void ctl_close(struct ctl *ctl);
