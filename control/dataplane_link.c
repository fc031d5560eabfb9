// SPDX-License-Identifier: Apache-2.0
#include "dataplane_link.h"

#include "base/assert.h"
#include "base/passed_fd.h"
#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	MESSAGES_PER_ROUND = 64
};

// Any message that the dataplane sends.
union dataplane_message {
	struct ipc_header header;
	struct ipc_hello_answer hello_answer;
	struct ipc_refused refused;
	struct ipc_event event;
	struct ipc_stopped stopped;
	struct ipc_rows rows;
	uint8_t bytes[sizeof(struct ipc_rows) + IPC_ROWS_LEN_MAX];
};

const char *link_state_name(enum link_state state)
{
	static const char *const names[] = {
		[LINK_DOWN] = "down",
		[LINK_GREETING] = "connecting",
		[LINK_WAITING] = "not started",
		[LINK_STARTING] = "starting",
		[LINK_RUNNING] = "running",
		[LINK_STOPPING] = "stopping",
	};

	return names[state];
}

void dataplane_link_init(
	struct dataplane_link *link, struct event_base *base, const struct dataplane_link_owner *owner)
{
	*link = (struct dataplane_link){.owner = *owner,
		.base = base,
		.fd = -1,
		.next_id = 1,
		.facts = {.counter_fd = -1},
		.received = memory_alloc(1, sizeof *link->received)};
}

static void hang_up(struct dataplane_link *link)
{
	if (link->readable != NULL)
		event_free(link->readable);
	link->readable = NULL;
	if (link->fd >= 0)
		(void)close(link->fd);
	if (link->facts.counter_fd >= 0)
		(void)close(link->facts.counter_fd);
	link->fd = link->facts.counter_fd = -1;
	link->publishing = false;
	link->query_id = 0;
	link->state = LINK_DOWN;
}

void dataplane_link_close(struct dataplane_link *link)
{
	hang_up(link);
	free(link->received);
	link->received = NULL;
}

// The one place where the state changes and the owner hears of it.
static void enter(struct dataplane_link *link, enum link_state state, const char *reason)
{
	const enum link_state before = link->state;

	if (state == LINK_DOWN)
		hang_up(link);
	link->state = state;
	link->owner.changed(link->owner.context, before, state, reason);
}

static struct ipc_header next_header(struct dataplane_link *link, enum ipc_type type, size_t len)
{
	const struct ipc_header header = {.magic = IPC_MAGIC,
		.version = IPC_VERSION,
		.type = (uint16_t)type,
		.id = link->next_id++,
		.len = (uint32_t)len};

	if (link->next_id == 0)
		link->next_id = 1;
	return header;
}

static void ask(struct dataplane_link *link, enum ipc_type type, int passed_fd)
{
	const struct ipc_request request = {.header = next_header(link, type, sizeof request)};

	link->asked_id = request.header.id;
	if (!passed_fd_send(link->fd, &request, sizeof request, passed_fd))
		enter(link, LINK_DOWN, strerror(errno));
}

static bool text_ends(const char *text, size_t width)
{
	return memchr(text, '\0', width) != NULL;
}

// Which length a message of this type has; 0 for a type that the dataplane does not send. What was not
// received is zero.
static size_t len_of(const union dataplane_message *message)
{
	const struct ipc_rows *rows = &message->rows;

	switch (message->header.type) {
	case IPC_HELLO_ANSWER:
		return sizeof(struct ipc_hello_answer);
	case IPC_REFUSED:
	case IPC_START_ANSWER:
	case IPC_ANSWER:
		return sizeof(struct ipc_refused);
	case IPC_EVENT:
		return sizeof(struct ipc_event);
	case IPC_STOPPED:
		return sizeof(struct ipc_stopped);
	case IPC_ROWS:
		return rows->n_rows > IPC_ROWS_LEN_MAX || rows->kind >= N_IPC_QUERIES
			       ? 0
			       : sizeof *rows + rows->n_rows * (size_t)ipc_row_len(rows->kind);
	default:
		return 0;
	}
}

// What is wrong with a message, or NULL.
static const char *fault_of(const union dataplane_message *message, size_t len)
{
	const struct ipc_header *header = &message->header;

	if (len < sizeof *header || header->magic != IPC_MAGIC || header->len != len)
		return "the dataplane sent something that is no message";
	if (header->type == IPC_REFUSED) // its layout never changes
		return len == sizeof message->refused && text_ends(message->refused.reason, IPC_REASON_MAX)
			       ? NULL
			       : "the dataplane refused, but not in words";
	if (header->version != IPC_VERSION)
		return "the dataplane is of another version; control and dataplane must be of one release";
	if (len_of(message) != len)
		return "the dataplane sent a message of a kind or length that does not exist";
	if (((header->type == IPC_START_ANSWER || header->type == IPC_ANSWER) &&
		    !text_ends(message->refused.reason, IPC_REASON_MAX)) ||
		(header->type == IPC_HELLO_ANSWER &&
			!text_ends(message->hello_answer.release, IPC_NAME_MAX)) ||
		(header->type == IPC_EVENT && (message->event.event.details_len > LOG_EVENT_DETAILS_MAX ||
						      message->event.event.kind >= N_LOG_EVENTS)))
		return "the dataplane sent a message with a field out of its range";
	return NULL;
}

static void take_counters(struct dataplane_link *link, int fd)
{
	if (link->facts.counter_fd >= 0)
		(void)close(link->facts.counter_fd);
	link->facts.counter_fd = fd;
}

static bool take_hello_answer(struct dataplane_link *link, const struct ipc_hello_answer *answer, int *fd)
{
	if (link->state != LINK_GREETING || answer->header.id != link->asked_id ||
		answer->n_workers > IPC_WORKERS_MAX || (answer->n_workers != 0) != (*fd >= 0))
		return false;
	link->facts.pid = answer->pid;
	link->facts.n_workers = answer->n_workers;
	link->facts.started_wall_us = answer->started_wall_us;
	memcpy(link->facts.release, answer->release, sizeof link->facts.release);
	take_counters(link, *fd);
	*fd = -1;
	enter(link, answer->n_workers != 0 ? LINK_RUNNING : LINK_WAITING, "");
	return true;
}

static bool take_start_answer(struct dataplane_link *link, const struct ipc_refused *answer, int *fd)
{
	const bool started = answer->reason[0] == '\0';

	if (link->state != LINK_STARTING || answer->header.id != link->asked_id || started != (*fd >= 0))
		return false;
	if (!started) {
		enter(link, LINK_WAITING, answer->reason);
		return true;
	}
	take_counters(link, *fd);
	*fd = -1;
	// Greeted again, the dataplane tells how many workers it has and since when.
	link->state = LINK_GREETING;
	ask(link, IPC_HELLO, -1);
	return true;
}

// An answer that comes when the dataplane has been told to stop interests nobody any more.
static bool take_answer(struct dataplane_link *link, const struct ipc_refused *answer, int fd)
{
	if (link->state == LINK_STOPPING)
		return true;
	if (link->query_id != 0 && answer->header.id == link->query_id) {
		link->query_id = 0;
		link->owner.rows(link->owner.context, NULL, answer->reason);
		return true;
	}
	if (link->state != LINK_RUNNING || !link->publishing || answer->header.id != link->asked_id)
		return false;
	link->publishing = false;
	link->owner.answered(link->owner.context, answer->reason, fd);
	return true;
}

static bool take_rows(struct dataplane_link *link, const struct ipc_rows *rows)
{
	if (link->state == LINK_STOPPING)
		return true;
	if (link->query_id == 0 || rows->header.id != link->query_id)
		return false;
	link->query_id = 0;
	link->owner.rows(link->owner.context, rows, "");
	return true;
}

static bool take_message(struct dataplane_link *link, const union dataplane_message *message, int *fd)
{
	switch (message->header.type) {
	case IPC_HELLO_ANSWER:
		return take_hello_answer(link, &message->hello_answer, fd);
	case IPC_START_ANSWER:
		return take_start_answer(link, &message->refused, fd);
	case IPC_ANSWER:
		return take_answer(link, &message->refused, *fd);
	case IPC_ROWS:
		return take_rows(link, &message->rows);
	case IPC_EVENT:
		link->n_events++;
		link->owner.event(link->owner.context, &message->event.event);
		return true;
	case IPC_STOPPED:
		link->facts.n_leaked_mbufs = message->stopped.n_leaked_mbufs;
		enter(link, LINK_DOWN, "the dataplane stopped");
		return true;
	default:
		enter(link, LINK_DOWN, message->refused.reason);
		return true;
	}
}

// What lies in link->received.
static void take_received(struct dataplane_link *link, size_t len, int fd)
{
	const char *fault = fault_of(link->received, len);

	if (fault == NULL && !take_message(link, link->received, &fd))
		fault = "the dataplane answered what was not asked";
	if (fd >= 0)
		(void)close(fd);
	if (fault != NULL)
		enter(link, LINK_DOWN, fault);
}

// Fields that a short message lacks are zero.
static void clear_heads(struct dataplane_link *link)
{
	memset(link->received, 0, sizeof(struct ipc_event));
}

void dataplane_link_take(struct dataplane_link *link, const void *received, size_t len, int fd)
{
	clear_heads(link);
	memcpy(link->received, received, len < sizeof *link->received ? len : sizeof *link->received);
	take_received(link, len, fd);
}

// False when there is nothing more to read, or the link is down.
static bool receive_one(struct dataplane_link *link)
{
	ssize_t len;
	int fd;

	clear_heads(link);
	len = passed_fd_receive(link->fd, link->received, sizeof *link->received, &fd);
	if (len == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len == -1 || len == 0) {
		enter(link, LINK_DOWN, len == 0 ? "the dataplane hung up" : strerror(errno));
		return false;
	}
	take_received(link, len > 0 ? (size_t)len : 0, fd);
	return link->fd >= 0;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct dataplane_link *link = context;

	(void)fd;
	(void)what;
	for (int i = 0; i < MESSAGES_PER_ROUND && receive_one(link); i++)
		continue;
}

bool dataplane_link_connect(struct dataplane_link *link, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	SLUICE_ASSERT(link->state == LINK_DOWN && strlen(path) < sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	link->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd < 0)
		return false;
	if (connect(link->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
		const int error = errno;

		(void)close(link->fd);
		link->fd = -1;
		errno = error;
		return false;
	}
	link->readable = event_new(link->base, link->fd, EV_READ | EV_PERSIST, on_readable, link);
	SLUICE_ASSERT(link->readable != NULL && event_add(link->readable, NULL) == 0);
	link->state = LINK_GREETING;
	ask(link, IPC_HELLO, -1);
	return true;
}

void dataplane_link_start(struct dataplane_link *link, int records_fd)
{
	SLUICE_ASSERT(link->state == LINK_WAITING);
	link->state = LINK_STARTING;
	ask(link, IPC_START, records_fd);
}

void dataplane_link_publish(struct dataplane_link *link, enum ipc_type type, int records_fd)
{
	SLUICE_ASSERT(link->state == LINK_RUNNING && !link->publishing);
	link->publishing = true;
	ask(link, type, records_fd);
}

void dataplane_link_query(struct dataplane_link *link, struct ipc_query *query)
{
	SLUICE_ASSERT(link->state == LINK_RUNNING && link->query_id == 0);
	query->header = next_header(link, IPC_QUERY, sizeof *query);
	link->query_id = query->header.id;
	if (!passed_fd_send(link->fd, query, sizeof *query, -1))
		enter(link, LINK_DOWN, strerror(errno));
}

void dataplane_link_stop(struct dataplane_link *link)
{
	SLUICE_ASSERT(link->state == LINK_WAITING || link->state == LINK_RUNNING);
	link->state = LINK_STOPPING;
	ask(link, IPC_STOP, -1);
}
