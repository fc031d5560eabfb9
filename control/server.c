// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "control.h"
#include "secret.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	READ_LEN = 16 << 10,
	INPUT_FIRST = 960,       // most clients never need more
	OUTPUT_HIGH = 256 << 10, // no more is made while so much waits
	FOLLOW_HIGH = 1 << 20,   // events are dropped for a follower with so much waiting
	WRITE_TIMEOUT_S = 30,
	ACCEPTS_PER_ROUND = 64,
	BACKLOG = 4096,
};

struct client {
	struct list_link link;
	struct server *server;
	uint64_t id;
	int fd; // -1: a test's
	uid_t uid;
	enum access_level level;
	enum client_state state;
	bool prompt;
	bool closing; // after what waits was sent
	struct event *readable;
	struct event *writable;
	uint8_t *input; // secret: a payload may be in it
	size_t input_len;
	size_t payload_seen; // of the input: whole lines of a payload that is not at its end
	bool discards;       // the payload, whose command will be refused
	size_t input_capacity;
	struct text output;
	char *line; // secret: of the command whose payload is being collected
	struct command_line split;
	struct command_call call; // of the command that streams or waits
};

static void client_work(struct client *client);

void client_close(struct client *client)
{
	list_remove(&client->link);
	client->server->n_clients--;
	if (client->call.end != NULL)
		client->call.end(&client->call);
	if (client->readable != NULL)
		event_free(client->readable);
	if (client->writable != NULL)
		event_free(client->writable);
	if (client->fd >= 0)
		(void)close(client->fd);
	secret_free(client->input);
	secret_free(client->line);
	text_free(&client->call.answer.header);
	text_free(&client->call.answer.row);
	text_free(&client->output);
	free(client);
}

const struct text *client_output(const struct client *client)
{
	return &client->output;
}

// ---- Commands ------------------------------------------------------------------------------------------

static void log_operator(const struct client *client, const struct text *words, bool refused)
{
	const struct log_field fields[] = {{.name = "uid", .number = client->uid},
		{.name = "by", .value = access_level_name(client->level)},
		{.name = "command", .value = text_string(words)}, {.name = "refused", .number = refused}};

	log_write(&client->server->control->log, LOG_LEVEL_NOTICE, "operator", fields,
		sizeof fields / sizeof fields[0], "operator uid %u: %s%s", client->uid, text_string(words),
		refused ? ": refused" : "");
}

// Every change is logged with who made it, done or refused; never its payload.
static void log_change(
	const struct client *client, const struct command *command, const struct command_call *call)
{
	struct text words = {0};

	text_string_append(&words, command->words);
	for (size_t i = 0; i < call->n_arguments; i++)
		text_printf(&words, " %s", call->arguments[i]);
	log_operator(client, &words, call->answer.kind == ANSWER_ERROR);
	text_free(&words);
}

static void finish_answer(struct client *client)
{
	answer_end(&client->call.answer);
	if (client->call.end != NULL)
		client->call.end(&client->call);
	client->call = (struct command_call){0};
	client->state = CLIENT_LINE;
	secret_free(client->line);
	client->line = NULL;
	if (client->prompt)
		text_string_append(&client->output, "> ");
}

static void run_split(struct client *client, struct span payload)
{
	struct command_call *call = &client->call;
	const struct command *command;
	enum command_result result = COMMAND_ANSWERED;

	*call = (struct command_call){.control = client->server->control,
		.uid = client->uid,
		.level = client->level,
		.client_id = client->id,
		.payload = payload};
	answer_begin(&call->answer, &client->output, client->split.json);
	client->server->n_commands++;
	command = command_find(&client->split, call);
	if (command != NULL) {
		if (client->level < command->level)
			client->server->n_denied++;
		result = command_run(call, command);
		if (command->changes)
			log_change(client, command, call);
	}
	call->payload = span_of(NULL, 0);
	switch (result) {
	case COMMAND_MORE:
		client->state = CLIENT_STREAMING;
		break;
	case COMMAND_WAITS:
		client->state = CLIENT_WAITING;
		break;
	case COMMAND_FOLLOWS:
		client->state = CLIENT_FOLLOWING;
		break;
	default:
		finish_answer(client);
		break;
	}
}

static void say_error(struct client *client, const char *error)
{
	answer_begin(&client->call.answer, &client->output, false);
	answer_usage(&client->call.answer, "%s", error);
	finish_answer(client);
}

// Whether the client may not give the command that it sends a payload for. Nothing is kept of it then:
// whoever may only look must not fill locked memory.
static bool is_denied(const struct client *client)
{
	struct command_call call = {.level = client->level};
	struct text nothing = {0};
	const struct command *command;

	answer_begin(&call.answer, &nothing, false);
	command = command_find(&client->split, &call);
	answer_end(&call.answer);
	text_free(&nothing);
	return command == NULL || client->level < command->level;
}

// A line that is complete, without its end. It is copied: words point into it as long as the command runs.
static void take_line(struct client *client, const uint8_t *line, size_t len)
{
	const char *fault;

	if (client->state == CLIENT_FOLLOWING) {
		finish_answer(client);
		return;
	}
	client->line = secret_alloc(len + 1);
	memcpy(client->line, line, len);
	fault = memchr(line, '\0', len) != NULL ? "a line with a zero byte"
						: command_split(client->line, &client->split);
	if (fault != NULL) {
		say_error(client, fault);
	} else if (client->split.n_words == 0) {
		secret_free(client->line);
		client->line = NULL;
		text_string_append(&client->output, client->prompt ? "> " : "\n");
	} else if (strcmp(client->split.words[0], "quit") == 0 ||
		   strcmp(client->split.words[0], "exit") == 0) {
		client->closing = true;
	} else if (client->split.n_words == 1 && strcmp(client->split.words[0], "prompt") == 0) {
		client->prompt = !client->prompt;
		answer_begin(&client->call.answer, &client->output, false);
		finish_answer(client);
	} else if (client->split.payload_end != NULL) {
		client->state = CLIENT_PAYLOAD;
		client->discards = is_denied(client);
	} else {
		run_split(client, span_of(NULL, 0));
	}
}

static void drop_input(struct client *client, size_t len)
{
	client->input_len -= len;
	memmove(client->input, client->input + len, client->input_len);
	wipe(client->input + client->input_len, len);
}

// The length of the line at `from` without its end, which *out_whole includes; SIZE_MAX when there is none.
static size_t line_at(const struct client *client, size_t from, size_t *out_whole)
{
	const uint8_t *start = client->input + from;
	const uint8_t *end = memchr(start, '\n', client->input_len - from);
	size_t len;

	if (end == NULL)
		return SIZE_MAX;
	len = (size_t)(end - start);
	*out_whole = len + 1;
	return len != 0 && start[len - 1] == '\r' ? len - 1 : len;
}

// Looks for the line that ends the payload; false when more input is needed.
static bool take_payload(struct client *client)
{
	const char *wanted = client->split.payload_end;
	size_t offset = client->payload_seen;
	size_t whole = 0;
	size_t len;

	while ((len = line_at(client, offset, &whole)) != SIZE_MAX) {
		if (len == strlen(wanted) && memcmp(client->input + offset, wanted, len) == 0) {
			client->payload_seen = 0;
			run_split(client, span_of(client->input, offset));
			drop_input(client, offset + whole);
			return true;
		}
		offset += whole;
	}
	// Whole lines are not looked at again, however small the pieces are that the rest comes in.
	client->payload_seen = offset;
	if (client->discards) {
		drop_input(client, offset);
		client->payload_seen = 0;
	}
	if (client->input_len <= (client->discards ? COMMAND_LINE_MAX : COMMAND_PAYLOAD_MAX))
		return false;
	client->payload_seen = 0;
	say_error(client, "a payload of more than 512 KB, or without its end; the connection is closed");
	client->closing = true;
	drop_input(client, client->input_len);
	return false;
}

static bool take_next_line(struct client *client)
{
	size_t whole = 0;
	const size_t len = line_at(client, 0, &whole);

	if (len == SIZE_MAX && client->input_len <= COMMAND_LINE_MAX)
		return false;
	if (len == SIZE_MAX || len > COMMAND_LINE_MAX) {
		say_error(client, "a line of more than 4096 bytes; the connection is closed");
		client->closing = true;
		drop_input(client, client->input_len);
		return false;
	}
	take_line(client, client->input, len);
	drop_input(client, whole);
	return true;
}

// Does what can be done with the input that there is, as long as not too much waits to be sent.
static void process_input(struct client *client)
{
	bool more = true;

	while (more && !client->closing && client->output.len < OUTPUT_HIGH) {
		if (client->state == CLIENT_LINE || client->state == CLIENT_FOLLOWING)
			more = take_next_line(client);
		else if (client->state == CLIENT_PAYLOAD)
			more = take_payload(client);
		else
			more = false;
	}
}

static void stream_more(struct client *client)
{
	while (client->state == CLIENT_STREAMING && client->output.len < OUTPUT_HIGH) {
		const enum command_result result = client->call.next(&client->call);

		if (result == COMMAND_WAITS)
			client->state = CLIENT_WAITING;
		else if (result != COMMAND_MORE)
			finish_answer(client);
	}
}

bool client_take(struct client *client, const void *bytes, size_t len)
{
	client->input_capacity = client->input_len + len > client->input_capacity ? client->input_len + len
										  : client->input_capacity;
	if (client->input_capacity < INPUT_FIRST)
		client->input_capacity = INPUT_FIRST;
	client->input = secret_grow(client->input, client->input_len, client->input_capacity);
	memcpy(client->input + client->input_len, bytes, len);
	client->input_len += len;
	process_input(client);
	stream_more(client);
	return !client->closing;
}

// ---- Input and output ----------------------------------------------------------------------------------

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct client *client = context;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0) {
		client->server->n_slow++;
		client_close(client);
		return;
	}
	client_work(client);
}

// Sends what the socket takes; false when the client is gone.
static bool send_output(struct client *client)
{
	const struct timeval timeout = {.tv_sec = WRITE_TIMEOUT_S};

	while (client->output.len != 0) {
		const ssize_t n = send(
			client->fd, client->output.data, client->output.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		text_drop(&client->output, (size_t)n);
		client->call.answer.start = SIZE_MAX; // it can't be taken back any more
	}
	if (client->output.len != 0)
		(void)event_add(client->writable, &timeout);
	return true;
}

// Whether more may be read: not while a command is being answered, or much waits.
static bool wants_input(const struct client *client)
{
	return !client->closing && client->output.len < OUTPUT_HIGH &&
	       (client->state == CLIENT_LINE || client->state == CLIENT_PAYLOAD ||
		       client->state == CLIENT_FOLLOWING);
}

static void rearm(struct client *client)
{
	const uint64_t idle_us = client->server->control->config->control.idle_timeout;
	const struct timeval timeout = {
		.tv_sec = (time_t)(idle_us / 1000000), .tv_usec = (suseconds_t)(idle_us % 1000000)};

	if (wants_input(client))
		(void)event_add(client->readable, client->state == CLIENT_FOLLOWING ? NULL : &timeout);
	else
		(void)event_del(client->readable);
}

// One turn for a client: sends, makes more, goes on with its input, until it has to wait for something.
static void client_work(struct client *client)
{
	size_t before;

	if (client->fd < 0)
		return;
	do {
		process_input(client);
		stream_more(client);
		before = client->output.len;
		if (!send_output(client)) {
			client_close(client);
			return;
		}
	} while (client->output.len == 0 && before != 0 && !client->closing);
	if (client->closing && client->output.len == 0)
		client_close(client);
	else
		rearm(client);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct client *client = context;
	uint8_t *bytes;
	ssize_t n;

	if ((what & EV_TIMEOUT) != 0) {
		client_close(client);
		return;
	}
	bytes = secret_alloc(READ_LEN);
	n = recv(fd, bytes, READ_LEN, MSG_DONTWAIT);
	if (n > 0)
		(void)client_take(client, bytes, (size_t)n);
	secret_free(bytes);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		client_close(client);
	else
		client_work(client);
}

struct client *server_add_client(struct server *server, int fd, uid_t uid, enum access_level level)
{
	struct client *client = memory_alloc(1, sizeof *client);

	*client = (struct client){
		.server = server, .id = ++server->next_client_id, .fd = fd, .uid = uid, .level = level};
	list_push_back(&server->clients, &client->link);
	server->n_clients++;
	server->n_accepted++;
	if (fd >= 0) {
		client->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, client);
		client->writable = event_new(server->base, fd, EV_WRITE, on_writable, client);
		SLUICE_ASSERT(client->readable != NULL && client->writable != NULL);
		rearm(client);
	}
	return client;
}

static void accept_one(struct server *server, int fd)
{
	static const char too_many[] = "error: too many connections; try again later\n\n";
	const struct config_control *config = &server->control->config->control;
	struct ucred peer;
	socklen_t peer_len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) != 0) {
		(void)close(fd);
	} else if (server->n_clients >= config->clients) {
		server->n_refused++;
		(void)send(fd, too_many, sizeof too_many - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)close(fd);
	} else {
		(void)server_add_client(server, fd, peer.uid, access_level_of(config, peer.uid));
	}
}

static void on_acceptable(evutil_socket_t listen_fd, short what, void *context)
{
	struct server *server = context;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		accept_one(server, fd);
	}
}

bool server_apply_mode(const struct server *server, const struct config_control *config)
{
	const struct group *group = config->socket_group != NULL ? getgrnam(config->socket_group) : NULL;

	return (group == NULL || chown(server->path, (uid_t)-1, group->gr_gid) == 0) &&
	       chmod(server->path, (mode_t)strtoul(config->socket_mode, NULL, 8)) == 0;
}

// Whether another control process answers there: then it must not be taken away from it.
static bool is_alive(const struct sockaddr_un *address)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	// One that is too busy to accept is alive too.
	const bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
					      errno == EAGAIN);

	if (fd >= 0)
		(void)close(fd);
	return alive;
}

bool server_open(struct server *server, struct control *control, struct event_base *base, struct text *reason)
{
	const struct config_control *config = &control->config->control;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int bound;

	*server = (struct server){
		.control = control, .base = base, .listen_fd = -1, .path = memory_string(config->socket)};
	list_init(&server->clients);
	memcpy(address.sun_path, config->socket, strlen(config->socket) + 1);
	if (is_alive(&address)) {
		text_printf(reason, "%s: another sluice-control is running; stop it first", config->socket);
		return false;
	}
	(void)unlink(config->socket);
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	bound = bind(server->listen_fd, (const struct sockaddr *)&address, sizeof address);
	(void)umask(mask);
	if (bound != 0 || !server_apply_mode(server, config) || listen(server->listen_fd, BACKLOG) != 0) {
		text_printf(reason, "%s: %s; does its folder exist?", config->socket, strerror(errno));
		return false;
	}
	server->acceptable = event_new(base, server->listen_fd, EV_READ | EV_PERSIST, on_acceptable, server);
	SLUICE_ASSERT(server->acceptable != NULL && event_add(server->acceptable, NULL) == 0);
	return true;
}

// The client whose command waits, or NULL: it may be gone.
static struct client *find_waiting(struct server *server, uint64_t client_id)
{
	struct list_link *link;

	LIST_FOREACH (link, &server->clients) {
		struct client *client = LIST_ITEM(link, struct client, link);

		if (client->id == client_id)
			return client->state == CLIENT_WAITING ? client : NULL;
	}
	return NULL;
}

void server_complete(struct server *server, uint64_t client_id, const char *error)
{
	struct client *client = find_waiting(server, client_id);

	if (client == NULL)
		return;
	if (error[0] != '\0')
		answer_error(&client->call.answer, "%s", error);
	finish_answer(client);
	client_work(client);
}

void server_resume(struct server *server, uint64_t client_id)
{
	struct client *client = find_waiting(server, client_id);

	if (client == NULL)
		return;
	client->state = CLIENT_STREAMING;
	client_work(client);
}

void server_event(struct server *server, const char *line)
{
	struct list_link *following;
	struct list_link *link;

	LIST_FOREACH_SAFE (link, following, &server->clients) {
		struct client *client = LIST_ITEM(link, struct client, link);

		if (client->state != CLIENT_FOLLOWING)
			continue;
		if (client->output.len > FOLLOW_HIGH) {
			server->n_events_dropped++;
			continue;
		}
		answer_line(&client->call.answer, line);
		if (client->writable == NULL || !event_pending(client->writable, EV_WRITE, NULL))
			client_work(client);
	}
}

void server_close(struct server *server)
{
	struct list_link *link;

	while ((link = list_first(&server->clients)) != NULL)
		client_close(LIST_ITEM(link, struct client, link));
	if (server->acceptable != NULL)
		event_free(server->acceptable);
	if (server->listen_fd >= 0) {
		(void)close(server->listen_fd);
		(void)unlink(server->path);
	}
	free(server->path);
	*server = (struct server){.listen_fd = -1};
	list_init(&server->clients);
}
