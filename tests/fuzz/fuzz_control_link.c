// SPDX-License-Identifier: Apache-2.0
//
// Messages of a dataplane, as many as the input holds (a length, then the bytes), to a link in any state: it
// takes them or hangs up, and its state stays one that exists.
#include "base/assert.h"
#include "base/reader.h"
#include "dataplane_link.h"
#include "events.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_changed(void *context, enum link_state before, enum link_state now, const char *reason)
{
	(void)context;
	SLUICE_ASSERT(before <= LINK_STOPPING && now <= LINK_STOPPING &&
		      strnlen(reason, IPC_REASON_MAX) < IPC_REASON_MAX);
}

static void on_event(void *context, const struct log_event *event)
{
	struct text line = {0};

	(void)context;
	event_format(event, &line);
	for (size_t i = 0; i < line.len; i++)
		SLUICE_ASSERT(line.data[i] >= 0x20 && line.data[i] < 0x7f);
	text_free(&line);
}

static void on_answered(void *context, const char *reason, int fd)
{
	(void)context;
	(void)fd;
	SLUICE_ASSERT(strnlen(reason, IPC_REASON_MAX) < IPC_REASON_MAX);
}

static void on_rows(void *context, const struct ipc_rows *rows, const char *reason)
{
	const uint8_t *bytes = rows != NULL ? (const uint8_t *)(rows + 1) : NULL;
	unsigned sum = 0;

	(void)context;
	SLUICE_ASSERT(
		rows != NULL ? rows->kind < N_IPC_QUERIES : strnlen(reason, IPC_REASON_MAX) < IPC_REASON_MAX);
	for (size_t i = 0; rows != NULL && i < rows->n_rows * (size_t)ipc_row_len(rows->kind); i++)
		sum += bytes[i];
	SLUICE_ASSERT(sum <= IPC_ROWS_LEN_MAX * 255u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct dataplane_link_owner owner = {
		.changed = on_changed, .event = on_event, .answered = on_answered, .rows = on_rows};
	struct reader reader = reader_over(span_of(data, len));
	struct dataplane_link link;
	int fds[2];

	SLUICE_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) == 0);
	dataplane_link_init(&link, NULL, &owner);
	link.fd = fds[0];
	link.state = (enum link_state)(1 + reader_u8(&reader) % LINK_STOPPING);
	link.asked_id = 1;
	link.query_id = 2;
	link.publishing = true;
	while (reader_left(&reader) != 0 && link.fd >= 0) {
		const bool with_fd = reader_u8(&reader) % 2 != 0;
		const struct span message = reader_vector16(&reader);

		dataplane_link_take(&link, message.data, message.len, with_fd ? dup(fds[1]) : -1);
	}
	dataplane_link_close(&link);
	(void)close(fds[1]);
	return 0;
}
