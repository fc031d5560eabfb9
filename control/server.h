// SPDX-License-Identifier: Apache-2.0
//
// The operators' socket: a Unix stream socket on which each line is a command (command.h) and each answer
// ends with an empty line. Nobody can hold up anybody else: nothing here blocks, what a client may make us
// keep is bounded, and a client that does not read is closed.
//
//   LINE --command--> LINE                     answered at once
//     |  \--"<<"--> PAYLOAD --its end--> LINE  what follows is collected in secret memory and wiped after
//     |  \--table--> STREAMING --> LINE        rows are made as the client takes them
//     |  \--reload--> WAITING --> LINE         the answer comes from elsewhere
//     \--follow--> FOLLOWING --any line--> LINE
#pragma once

#include "base/list.h"
#include "command.h"

struct event_base;
struct event;

enum client_state {
	CLIENT_LINE,
	CLIENT_PAYLOAD,
	CLIENT_STREAMING,
	CLIENT_WAITING,
	CLIENT_FOLLOWING,
};

struct client;

struct server {
	struct control *control;
	struct event_base *base;
	struct event *acceptable;
	int listen_fd;
	char *path;
	struct list clients;
	size_t n_clients;
	uint64_t next_client_id;
	uint64_t n_accepted;
	uint64_t n_refused; // too many clients
	uint64_t n_slow;    // closed because they did not read
	uint64_t n_commands;
	uint64_t n_denied;         // of a level too high
	uint64_t n_events_dropped; // for followers that did not keep up
};

// Makes the socket with the permissions of the configuration. False: `reason` says why.
bool server_open(
	struct server *server, struct control *control, struct event_base *base, struct text *reason);

// Permissions, as a reload changes them.
bool server_apply_mode(const struct server *server, const struct config_control *config);

// Ends the wait of a client's command: an empty error means done.
void server_complete(struct server *server, uint64_t client_id, const char *error);

// Lets a client's command that waits go on streaming.
void server_resume(struct server *server, uint64_t client_id);

// Sends an event's line to everybody who follows.
void server_event(struct server *server, const char *line);

void server_close(struct server *server);

// A client on a connected socket, as accepting makes them: for tests and fuzzing too.
struct client *server_add_client(struct server *server, int fd, uid_t uid, enum access_level level);

// Takes bytes as if the client had sent them; false when the client was closed. Answers are put aside in
// client_output.
bool client_take(struct client *client, const void *bytes, size_t len);
const struct text *client_output(const struct client *client);
void client_close(struct client *client);
