// SPDX-License-Identifier: Apache-2.0
#include "carry.h"

#include "base/wipe.h"
#include "control.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void finish(struct carry *carry)
{
	carry->collecting = false;
	if (carry->done != NULL)
		carry->done(carry->control, carry->context);
	carry->done = NULL;
}

// False: there is no room for all of them.
static bool add(struct carry *carry, const void *rows, size_t len)
{
	if (carry->len + len > IPC_CONFIG_LEN_MAX)
		return false;
	carry->sessions = memory_grow(carry->sessions, &carry->capacity, carry->len + len, 1);
	memcpy(carry->sessions + carry->len, rows, len);
	carry->len += len;
	return true;
}

static void on_answered(struct query *query, const struct ipc_rows *rows, const char *reason)
{
	struct carry *carry = query->owner;
	struct control *control = carry->control;

	if (rows == NULL || !add(carry, rows + 1, rows->n_rows * sizeof(struct ipc_sealed_session))) {
		LOG(&control->log, LOG_LEVEL_WARNING, "sessions", "not all sessions are carried over: %s",
			rows == NULL ? reason : "there are too many");
		finish(carry);
		return;
	}
	query->ask.cursor = rows->cursor;
	if (rows->cursor == 0)
		query->ask.worker_idx++;
	if (query->ask.worker_idx == control->link.facts.n_workers ||
		queries_ask(&control->queries, query) != NULL)
		finish(carry);
}

void carry_init(struct carry *carry, struct control *control)
{
	*carry = (struct carry){.control = control};
}

void carry_collect(struct carry *carry, void (*done)(struct control *control, void *context), void *context)
{
	if (carry->collecting) {
		done(carry->control, context);
		return;
	}
	carry->len = 0;
	carry->collecting = true;
	carry->done = done;
	carry->context = context;
	carry->query = (struct query){
		.ask = {.kind = IPC_QUERY_SEALED_SESSIONS}, .answered = on_answered, .owner = carry};
	if (queries_ask(&carry->control->queries, &carry->query) != NULL)
		finish(carry);
}

bool carry_is_full(const struct carry *carry)
{
	return !carry->collecting && carry->len != 0;
}

int carry_take(struct carry *carry)
{
	int fd = memfd_create("sluice-sessions", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (write(fd, carry->sessions, carry->len) != (ssize_t)carry->len ||
			       fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	carry_destroy(carry);
	return fd;
}

void carry_destroy(struct carry *carry)
{
	queries_cancel(&carry->query);
	if (carry->sessions != NULL)
		wipe(carry->sessions, carry->len);
	free(carry->sessions);
	carry->sessions = NULL;
	carry->len = carry->capacity = 0;
	carry->collecting = false;
}
