// SPDX-License-Identifier: Apache-2.0
//
// The control process's end of the control link (include/ipc.h). Connects without blocking, greets, and tells
// its owner of every change by a call-back. What the dataplane says is checked like anything that comes from
// another process: one wrong message ends the connection.
//
//   DOWN --connect--> GREETING --HELLO_ANSWER--> WAITING (nothing started yet)
//    ^                    |                          |  start
//    |                    | runs already             v
//    |                    +---------> RUNNING <-- STARTING      (refused: back to WAITING)
//    |                                   |  stop
//    +-- hang-up, error <----------------+--> STOPPING --STOPPED--> DOWN
#pragma once

#include "ipc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct event;

union dataplane_message;

enum link_state {
	LINK_DOWN,
	LINK_GREETING,
	LINK_WAITING,
	LINK_STARTING,
	LINK_RUNNING,
	LINK_STOPPING,
};

struct dataplane_link;

struct dataplane_link_owner {
	void *context;
	// `reason` is empty or says why a state came about: a hang-up, a refusal.
	void (*changed)(void *context, enum link_state before, enum link_state now, const char *reason);
	void (*event)(void *context, const struct log_event *event);
	// The answer to dataplane_link_publish; an empty reason: done. The descriptor (or -1) stays the
	// link's.
	void (*answered)(void *context, const char *reason, int fd);
	// The answer to dataplane_link_query: rows that were checked to be whole; NULL: the reason why there
	// are none.
	void (*rows)(void *context, const struct ipc_rows *rows, const char *reason);
};

// What HELLO_ANSWER and START_ANSWER told.
struct dataplane_facts {
	uint32_t pid;
	uint32_t n_workers;
	uint64_t started_wall_us;
	char release[IPC_NAME_MAX];
	int counter_fd; // -1 before it runs; the link's
	uint64_t n_leaked_mbufs;
};

struct dataplane_link {
	struct dataplane_link_owner owner;
	struct event_base *base;
	struct event *readable;
	int fd;
	enum link_state state;
	uint32_t next_id;
	uint32_t asked_id; // of the last question
	uint32_t query_id; // of the query that is out; 0: none is
	bool publishing;   // an answer to dataplane_link_publish is to come
	union dataplane_message *received;
	uint64_t n_events;
	struct dataplane_facts facts;
};

void dataplane_link_init(
	struct dataplane_link *link, struct event_base *base, const struct dataplane_link_owner *owner);

// False when nobody listens there (errno); otherwise the greeting is on its way.
bool dataplane_link_connect(struct dataplane_link *link, const char *path)
	__attribute__((warn_unused_result));

// Hands over a sealed memfd of records (publish.h), which stays the caller's. In WAITING only (asserted).
void dataplane_link_start(struct dataplane_link *link, int records_fd);

// Hands over a memfd of what may change while the dataplane runs (PRIVATE_KEYS, CERTIFICATES, TICKET_KEYS,
// SNAPSHOT, SESSIONS), which stays the caller's; or asks for the keys there (GET_TICKET_KEYS, -1). In RUNNING
// only (asserted), one at a time: the next after `answered`.
void dataplane_link_publish(struct dataplane_link *link, enum ipc_type type, int records_fd);

// Asks a worker, beside what is being published. In RUNNING only and one at a time (asserted). The header is
// filled in here.
void dataplane_link_query(struct dataplane_link *link, struct ipc_query *query);

// Ends the dataplane. In WAITING and RUNNING only (asserted).
void dataplane_link_stop(struct dataplane_link *link);

// Takes one message as it was received; the descriptor (or -1) becomes the link's. For the link itself and
// for fuzzing.
void dataplane_link_take(struct dataplane_link *link, const void *message, size_t len, int fd);

// Hangs up, without a call-back.
void dataplane_link_close(struct dataplane_link *link);

const char *link_state_name(enum link_state state);
