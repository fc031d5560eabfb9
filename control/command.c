// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include "control.h"

#include <string.h>

const struct command command_table[] = {
	{"help", "[WORDS]", ACCESS_USER, 0, COMMAND_WORDS_MAX, false, false, command_help,
		"Lists the commands, or those that begin with WORDS."},
	{"show info", "", ACCESS_USER, 0, 0, false, false, command_show_info,
		"Versions, processes, times, and what TLS resumption means here."},
	{"show stat", "[PREFIX]", ACCESS_USER, 0, 1, false, false, command_show_stat,
		"Every counter, summed over all workers, or those whose name begins with PREFIX."},
	{"show errors", "", ACCESS_USER, 0, 0, false, false, command_show_errors,
		"Counters of drops, refusals and failures that are not zero."},
	{"show cores", "", ACCESS_USER, 0, 0, false, false, command_show_cores,
		"Each worker: its CPU, turns, packets, and cycles by step."},
	{"show lanes", "", ACCESS_USER, 0, 0, false, false, command_show_lanes,
		"Public-key operations of each worker: batches by lanes in use, waits."},
	{"show memory", "", ACCESS_USER, 0, 0, false, false, command_show_memory,
		"Memory of this process and of the dataplane's configuration."},
	{"show limits", "", ACCESS_USER, 0, 0, false, false, command_show_limits,
		"Limits of the configuration."},
	{"show backend", "[NAME]", ACCESS_USER, 0, 1, false, false, command_show_backend,
		"Backends and their servers."},
	{"show listener", "[NAME]", ACCESS_USER, 0, 1, false, false, command_show_listener, "Listeners."},
	{"show route", "", ACCESS_USER, 0, 0, false, false, command_show_route,
		"Routes of the configuration."},
	{"show cert", "[NAME | sni HOST | expiring DAYS]", ACCESS_USER, 0, 2, false, false, command_show_cert,
		"Certificates: all, one in detail, those for a host name, or those that end within DAYS."},
	{"show ticket-keys", "", ACCESS_USER, 0, 0, false, false, command_show_ticket_keys,
		"Fingerprints and ages of the ticket keys."},
	{"show events", "[follow]", ACCESS_USER, 0, 1, false, false, command_show_events,
		"The latest events; follow: and all that come, until any line is sent."},
	{"show log", "", ACCESS_USER, 0, 0, false, false, command_show_log,
		"Where the log goes, its level, and what was suppressed by reason."},
	{"show sessions", "[core N]", ACCESS_USER, 0, 2, false, false, command_show_sessions,
		"TLS 1.2 sessions that can be resumed by their ID, as each worker remembers them."},
	{"show tables", "[core N]", ACCESS_USER, 0, 2, false, false, command_show_tables,
		"How full the tables of each worker are, and what they had to give up."},
	{"show conn",
		"[listener=NAME] [backend=NAME] [server=ADDRESS:PORT] [client=ADDRESS] [core N] [detail]",
		ACCESS_USER, 0, 7, false, false, command_show_conn,
		"Connections, those that meet all conditions: peers, TLS, ages, bytes; detail: TCP of both "
		"sides."},
	{"show arp", "[core N]", ACCESS_USER, 0, 2, false, false, command_show_arp,
		"Neighbours, of IPv4 and IPv6: link address and state."},
	{"set log", "level LEVEL", ACCESS_OPERATOR, 2, 2, false, true, command_set_log,
		"Changes the log's level until the next reload."},
	{"set limit", "NAME NUMBER|configured", ACCESS_OPERATOR, 2, 2, false, true, command_set_limit,
		"Changes a limit, as show limits names it, over reloads and restarts; or goes back to the "
		"configuration's."},
	{"set weight", "BACKEND/SERVER NUMBER|configured", ACCESS_OPERATOR, 2, 2, false, true,
		command_set_weight,
		"Changes a server's share, 1 to 256, over reloads and restarts; or goes back to the "
		"configuration's."},
	{"enable", "backend|server|listener NAME", ACCESS_OPERATOR, 2, 2, false, true, command_enable,
		"Takes into use again. A server's name is BACKEND/SERVER."},
	{"disable", "backend|server|listener NAME", ACCESS_OPERATOR, 2, 2, false, true, command_disable,
		"Takes out of use, over reloads and restarts, and resets the connections that are there."},
	{"drain", "backend|server|listener NAME", ACCESS_OPERATOR, 2, 2, false, true, command_drain,
		"Takes no new connections, over reloads and restarts, and lets those that are there go on."},
	{"kill conn", "CORE-ID | [listener=NAME] [backend=NAME] [server=ADDRESS:PORT] [client=ADDRESS]",
		ACCESS_OPERATOR, 1, 4, false, true, command_kill_conn,
		"Resets a connection, or those that meet all conditions."},
	{"clear sessions", "[core N]", ACCESS_OPERATOR, 0, 2, false, true, command_clear_sessions,
		"Forgets the sessions of TLS 1.2; tickets go on: see rotate ticket-keys."},
	{"set sessions", "NUMBER [core N]", ACCESS_OPERATOR, 1, 3, false, true, command_set_sessions,
		"Changes how many sessions a worker remembers, within the memory of the start."},
	{"reload", "", ACCESS_OPERATOR, 0, 0, false, true, command_reload,
		"Reads configuration and certificates again and takes them over as a whole, or refuses."},
	{"rotate ticket-keys", "", ACCESS_ADMIN, 0, 0, false, true, command_rotate_ticket_keys,
		"Makes the next ticket key the current one."},
	{"new ssl cert", "NAME", ACCESS_ADMIN, 1, 1, false, true, command_new_cert,
		"Begins a transaction for a certificate that is not there yet."},
	{"set ssl cert", "NAME <<", ACCESS_ADMIN, 1, 1, true, true, command_set_cert,
		"Puts the PEM that follows (chain and key) into the transaction of NAME, beginning one if "
		"need be. "
		"The payload ends with an empty line; after <<WORD, with the line WORD."},
	{"set ssl ocsp-response", "NAME <<", ACCESS_ADMIN, 1, 1, true, true, command_set_ocsp,
		"Puts the OCSP response that follows (DER in base64) to a certificate, when it is valid for "
		"it."},
	{"commit ssl cert", "NAME", ACCESS_ADMIN, 1, 1, false, true, command_commit_cert,
		"Takes what the transaction holds into use."},
	{"abort ssl cert", "NAME", ACCESS_ADMIN, 1, 1, false, true, command_abort_cert,
		"Forgets the transaction."},
	{"clear ssl cert", "NAME", ACCESS_ADMIN, 1, 1, false, true, command_clear_cert,
		"Takes an unsaved certificate out of use; one of the files is taken out of the "
		"configuration."},
	{"disable dataplane", "", ACCESS_ADMIN, 0, 0, false, true, command_disable_dataplane,
		"Stops the dataplane: every connection ends. It is not started again until enabled."},
	{"enable dataplane", "", ACCESS_ADMIN, 0, 0, false, true, command_enable_dataplane,
		"Starts the dataplane again, or attaches to it."},
};

const size_t command_table_len = sizeof command_table / sizeof command_table[0];

// Cuts off the next word; NULL at the end of the line.
static char *next_word(char **rest)
{
	char *from = *rest;
	char *to;
	char *word;

	while (*from == ' ' || *from == '\t')
		from++;
	if (*from == '\0')
		return NULL;
	word = to = from;
	while (*from != '\0' && *from != ' ' && *from != '\t') {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from++;
	}
	*rest = *from != '\0' ? from + 1 : from;
	*to = '\0';
	return word;
}

const char *command_split(char *line, struct command_line *out_line)
{
	struct command_line split = {0};
	char *word;

	while ((word = next_word(&line)) != NULL) {
		if (split.payload_end != NULL)
			return "something follows the <<, which must be the last word";
		if (strncmp(word, "<<", 2) == 0) {
			split.payload_end = word + 2;
			continue;
		}
		if (split.n_words == COMMAND_WORDS_MAX)
			return "too many words";
		split.words[split.n_words++] = word;
	}
	if (split.n_words > 1 && strcmp(split.words[split.n_words - 1], "json") == 0) {
		split.json = true;
		split.n_words--;
	}
	*out_line = split;
	return NULL;
}

// How many words of the line are the command's; 0 when it is another.
static size_t words_matched(const struct command *command, const struct command_line *line)
{
	const char *wanted = command->words;
	size_t n = 0;

	for (;;) {
		const size_t len = strcspn(wanted, " ");

		if (n == line->n_words || strlen(line->words[n]) != len ||
			strncmp(line->words[n], wanted, len) != 0)
			return 0;
		n++;
		if (wanted[len] == '\0')
			return n;
		wanted += len + 1;
	}
}

static void say_usage(struct command_call *call, const struct command *command)
{
	answer_usage(&call->answer, "%s%s%s; %s", command->words, command->arguments[0] != '\0' ? " " : "",
		command->arguments, command->help);
}

const struct command *command_find(const struct command_line *line, struct command_call *call)
{
	const struct command *found = NULL;
	size_t n_found = 0;

	for (size_t i = 0; i < command_table_len; i++) {
		const size_t n = words_matched(&command_table[i], line);

		if (n > n_found) {
			found = &command_table[i];
			n_found = n;
		}
	}
	if (found == NULL) {
		answer_usage(&call->answer, "no such command; type help");
		return NULL;
	}
	call->n_arguments = line->n_words - n_found;
	for (size_t i = 0; i < call->n_arguments; i++)
		call->arguments[i] = line->words[n_found + i];
	if (call->n_arguments < found->n_arguments_min || call->n_arguments > found->n_arguments_max ||
		found->takes_payload != (line->payload_end != NULL)) {
		say_usage(call, found);
		return NULL;
	}
	return found;
}

enum command_result command_run(struct command_call *call, const struct command *command)
{
	call->command = command;
	if (call->level < command->level) {
		answer_error(&call->answer, "'%s' is for the level %s; yours is %s", command->words,
			access_level_name(command->level), access_level_name(call->level));
		return COMMAND_ANSWERED;
	}
	return command->run(call);
}

enum command_result command_help(struct command_call *call)
{
	for (size_t i = 0; i < command_table_len; i++) {
		const struct command *command = &command_table[i];
		struct command_line line = {.n_words = call->n_arguments};
		struct text text = {0};
		const char *words = command->words;
		size_t n = 0;

		memcpy(line.words, call->arguments, call->n_arguments * sizeof line.words[0]);
		for (; n < line.n_words && words[0] != '\0'; n++) {
			const size_t len = strcspn(words, " ");

			if (strlen(line.words[n]) != len || strncmp(line.words[n], words, len) != 0)
				break;
			words += len + (words[len] == ' ');
		}
		if (n < line.n_words)
			continue;
		text_printf(&text, "%s%s%s", command->words, command->arguments[0] != '\0' ? " " : "",
			command->arguments);
		while (text.len < 44)
			text_char(&text, ' ');
		text_printf(&text, " %-8s  %s", access_level_name(command->level), command->help);
		answer_line(&call->answer, text_string(&text));
		text_free(&text);
	}
	if (call->n_arguments == 0)
		answer_line(&call->answer,
			"prompt, quit: interactive use. Any command takes json as its last word.");
	else if (call->answer.n_rows == 0)
		answer_usage(&call->answer, "no command begins so; type help");
	return COMMAND_ANSWERED;
}
