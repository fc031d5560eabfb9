// SPDX-License-Identifier: Apache-2.0
//
// The commands of the operators' socket, in one table: words, arguments, level, meaning. Parsing, permission,
// `help` and completion come from it.
//
//   show cert NAME json
//   ---------          the command: the longest that the line begins with
//             ----     arguments, at most as many as the table says
//                  ---- wanted as JSON; may be the last word of any command
//
// A backslash takes the next character as it is; there is no other quoting.
#pragma once

#include "access.h"
#include "answer.h"
#include "base/span.h"

struct control;
struct command_call;

enum {
	COMMAND_WORDS_MAX = 24,
	COMMAND_LINE_MAX = 4096,
	COMMAND_PAYLOAD_MAX = 512 << 10,
};

enum command_result {
	COMMAND_ANSWERED,
	COMMAND_MORE,    // call->next goes on when the client has taken what there is
	COMMAND_WAITS,   // server_complete comes later
	COMMAND_FOLLOWS, // events are sent as they come, until the client says anything
};

struct command {
	const char *words;     // "show cert"
	const char *arguments; // for people: "[NAME]"
	enum access_level level;
	uint8_t n_arguments_min;
	uint8_t n_arguments_max;
	bool takes_payload;
	bool changes; // logged with the uid that did it
	enum command_result (*run)(struct command_call *call);
	const char *help;
};

// One command being carried out.
struct command_call {
	struct control *control;
	const struct command *command;
	uid_t uid;
	enum access_level level;
	uint64_t client_id;
	struct answer answer;
	size_t n_arguments;
	const char *arguments[COMMAND_WORDS_MAX]; // into the line
	struct span payload;
	// After COMMAND_MORE: adds rows and says how to go on. It may wait too, for server_resume.
	enum command_result (*next)(struct command_call *call);
	void (*end)(struct command_call *call); // releases what `state` holds; may be NULL
	void *state;
	size_t position;
};

// A line cut into words, in place.
struct command_line {
	size_t n_words;
	const char *words[COMMAND_WORDS_MAX];
	bool json;
	const char *payload_end; // NULL: no payload; otherwise the line that ends it, "" an empty one
};

// NULL, or what is wrong with the line. `line` is changed and must outlive the result.
const char *command_split(char *line, struct command_line *out_line);

// The command and its arguments, or NULL, with a usage answered.
const struct command *command_find(const struct command_line *line, struct command_call *call);

extern const struct command command_table[];
extern const size_t command_table_len;

// Runs what command_find found, if the caller's level allows it.
enum command_result command_run(struct command_call *call, const struct command *command);

// The handlers, by the file they are in: command_show.c
enum command_result command_help(struct command_call *call);
enum command_result command_show_info(struct command_call *call);
enum command_result command_show_stat(struct command_call *call);
enum command_result command_show_errors(struct command_call *call);
enum command_result command_show_cores(struct command_call *call);
enum command_result command_show_lanes(struct command_call *call);
enum command_result command_show_memory(struct command_call *call);
enum command_result command_show_limits(struct command_call *call);
enum command_result command_show_backend(struct command_call *call);
enum command_result command_show_listener(struct command_call *call);
enum command_result command_show_log(struct command_call *call);
enum command_result command_show_route(struct command_call *call);
enum command_result command_show_events(struct command_call *call);
// command_cert.c
enum command_result command_show_cert(struct command_call *call);
enum command_result command_show_ticket_keys(struct command_call *call);
enum command_result command_new_cert(struct command_call *call);
enum command_result command_set_cert(struct command_call *call);
enum command_result command_commit_cert(struct command_call *call);
enum command_result command_abort_cert(struct command_call *call);
enum command_result command_clear_cert(struct command_call *call);
enum command_result command_set_ocsp(struct command_call *call);
// command_change.c
enum command_result command_reload(struct command_call *call);
enum command_result command_set_log(struct command_call *call);
enum command_result command_rotate_ticket_keys(struct command_call *call);
enum command_result command_disable_dataplane(struct command_call *call);
enum command_result command_enable_dataplane(struct command_call *call);
// command_live.c
enum command_result command_show_sessions(struct command_call *call);
enum command_result command_clear_sessions(struct command_call *call);
enum command_result command_set_sessions(struct command_call *call);
enum command_result command_show_tables(struct command_call *call);
enum command_result command_show_arp(struct command_call *call);
enum command_result command_show_conn(struct command_call *call);
enum command_result command_kill_conn(struct command_call *call);
struct ipc_match;
enum command_result command_kill_matching(struct command_call *call, const struct ipc_match *match);
// command_override.c
enum command_result command_set_limit(struct command_call *call);
enum command_result command_set_weight(struct command_call *call);
enum command_result command_enable(struct command_call *call);
enum command_result command_disable(struct command_call *call);
enum command_result command_drain(struct command_call *call);
