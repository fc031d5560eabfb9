// SPDX-License-Identifier: Apache-2.0
//
// sluicectl: the operators' client. A command on its command line, commands on its standard input, or, on a
// terminal, a prompt with history and completion. Exit status: 0 done, 1 refused, 2 usage, 3 no connection.
#include "sluicectl_link.h"
#include "sluicectl_top.h"

#include <editline/readline.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/sluice/control.sock"

enum {
	PAYLOAD_MAX = 512 << 10,
	TEXT_COMMANDS_MAX = 256
};

struct options {
	const char *socket;
	bool json;
	bool once;
	bool complete;
	unsigned interval_s;
};

// Commands by their words, for completion: from the server's own help.
static struct {
	char *words[TEXT_COMMANDS_MAX];
	size_t n;
} commands;

static void print_usage(FILE *file)
{
	(void)fprintf(file, "usage: sluicectl [-s SOCKET] [--json] [COMMAND ...]\n"
			    "       sluicectl [-s SOCKET] top [--once] [--json] [-i SECONDS]\n"
			    "Without a command, reads commands from a terminal or from standard input. "
			    "`sluicectl help` lists them.\n"
			    "A command that ends in << takes its payload from standard input.\n"
			    "  -s, --socket PATH     the operators' socket (default " DEFAULT_SOCKET
			    ", or $SLUICE_SOCKET)\n"
			    "  -j, --json            answers for programs\n"
			    "  -1, --once            top: one sample, then exit\n"
			    "  -i, --interval N      top: seconds between samples (default 1)\n"
			    "  -V, --version         print the release\n"
			    "  -h, --help            print this\n"
			    "Exit status: 0 done, 1 refused, 2 usage, 3 no connection.\n");
}

static enum operator_result no_connection(const struct options *options)
{
	(void)fprintf(stderr, "sluicectl: %s: %s; is sluice-control running, and may you use the socket?\n",
		options->socket, strerror(errno));
	return OPERATOR_NO_CONNECTION;
}

// Answers go to standard output, refusals to standard error, in colour on a terminal.
static void print_answer(enum operator_result result, const struct text *answer)
{
	const bool refused = result != OPERATOR_DONE;
	FILE *file = refused ? stderr : stdout;
	const bool colour = refused && isatty(STDERR_FILENO);

	if (answer->len != 0)
		(void)fprintf(file, "%s%s%s", colour ? "\033[31m" : "", text_string(answer),
			colour ? "\033[0m" : "");
	(void)fflush(file);
}

static void read_payload(struct text *payload)
{
	char bytes[4096];
	size_t n;

	while (payload->len <= PAYLOAD_MAX && (n = fread(bytes, 1, sizeof bytes, stdin)) != 0)
		text_append(payload, bytes, n);
	explicit_bzero(bytes, sizeof bytes);
}

static enum operator_result ask_line(struct operator_link *link, const struct options *options,
	const char *command, const struct text *payload)
{
	struct text answer = {0};
	struct text line = {0};
	enum operator_result result;

	text_printf(&line, "%s%s", command, options->json ? " json" : "");
	if (strcmp(command, "show events follow") == 0) {
		result = operator_follow(link, text_string(&line));
	} else {
		result = operator_ask(link, text_string(&line), payload, &answer);
		if (result == OPERATOR_NO_CONNECTION)
			(void)fprintf(stderr, "sluicectl: the connection was closed\n");
		print_answer(result, &answer);
	}
	text_free(&answer);
	text_free(&line);
	return result;
}

static enum operator_result run_words(
	struct operator_link *link, const struct options *options, char **words, int n_words)
{
	const bool has_payload = strcmp(words[n_words - 1], "<<") == 0;
	struct text payload = {0};
	struct text line = {0};
	enum operator_result result;

	for (int i = 0; i < n_words - (has_payload ? 1 : 0); i++)
		operator_add_word(&line, words[i]);
	if (has_payload)
		read_payload(&payload);
	result = ask_line(link, options, text_string(&line), has_payload ? &payload : NULL);
	if (payload.data != NULL)
		explicit_bzero(payload.data, payload.capacity);
	text_free(&payload);
	text_free(&line);
	return result;
}

// ---- Completion ----------------------------------------------------------------------------------------

static void fetch_commands(struct operator_link *link)
{
	struct text answer = {0};
	char *rest;
	char *line;

	if (operator_ask(link, "help", NULL, &answer) != OPERATOR_DONE)
		return;
	rest = answer.data;
	while ((line = strsep(&rest, "\n")) != NULL && commands.n < TEXT_COMMANDS_MAX) {
		// The words are what comes before the first argument, which is a capital, a bracket or a
		// choice.
		size_t len = strspn(line, "abcdefghijklmnopqrstuvwxyz- ");

		if (line[len] == '|' || (len != 0 && line[len] == '\0'))
			while (len != 0 && line[len - 1] != ' ')
				len--;
		while (len != 0 && line[len - 1] == ' ')
			len--;
		if (len != 0 && strstr(line, "  ") != NULL) {
			const char *gap = strstr(line, "  ");

			len = (size_t)(gap - line) < len ? (size_t)(gap - line) : len;
			commands.words[commands.n++] = strndup(line, len);
		}
	}
	text_free(&answer);
}

// The words that may follow what was typed: `typed` is all of it, the last word perhaps unfinished.
static void next_words(const char *typed, void (*found)(const char *word, size_t len))
{
	const char *space = strrchr(typed, ' ');
	const size_t done = space != NULL ? (size_t)(space - typed) + 1 : 0;

	for (size_t i = 0; i < commands.n; i++) {
		const char *command = commands.words[i];

		if (strlen(command) > done && strncmp(command, typed, strlen(typed)) == 0)
			found(command + done, strcspn(command + done, " "));
	}
}

static void print_word(const char *word, size_t len)
{
	(void)printf("%.*s\n", (int)len, word);
}

static struct {
	char *words[TEXT_COMMANDS_MAX];
	size_t n;
} matches;

static void keep_word(const char *word, size_t len)
{
	for (size_t i = 0; i < matches.n; i++)
		if (strlen(matches.words[i]) == len && strncmp(matches.words[i], word, len) == 0)
			return;
	matches.words[matches.n++] = strndup(word, len);
}

static char *next_match(const char *text, int state)
{
	static size_t next;

	(void)text;
	if (state == 0)
		next = 0;
	return next < matches.n ? strdup(matches.words[next++]) : NULL;
}

static char **complete(const char *text, int start, int end)
{
	char *typed = strndup(rl_line_buffer, (size_t)end);

	(void)start;
	while (matches.n != 0)
		free(matches.words[--matches.n]);
	if (typed != NULL)
		next_words(typed, keep_word);
	free(typed);
	rl_attempted_completion_over = 1;
	return rl_completion_matches(text, next_match);
}

// ---- Ways to run ---------------------------------------------------------------------------------------

static enum operator_result run_terminal(struct operator_link *link, const struct options *options)
{
	enum operator_result result = OPERATOR_DONE;
	char *line;

	fetch_commands(link);
	rl_readline_name = (char *)(uintptr_t) "sluicectl";
	rl_attempted_completion_function = complete;
	while (result != OPERATOR_NO_CONNECTION && (line = readline("sluice> ")) != NULL) {
		if (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0) {
			free(line);
			break;
		}
		if (line[strspn(line, " \t")] != '\0') {
			(void)add_history(line);
			result = ask_line(link, options, line, NULL);
		}
		free(line);
	}
	return result == OPERATOR_NO_CONNECTION ? result : OPERATOR_DONE;
}

// The worst of what the lines came to.
static enum operator_result run_input(struct operator_link *link, const struct options *options)
{
	enum operator_result worst = OPERATOR_DONE;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	while (worst != OPERATOR_NO_CONNECTION && (len = getline(&line, &capacity, stdin)) > 0) {
		enum operator_result result;

		line[strcspn(line, "\r\n")] = '\0';
		if (line[strspn(line, " \t")] == '\0')
			continue;
		result = ask_line(link, options, line, NULL);
		worst = result > worst ? result : worst;
	}
	free(line);
	return worst;
}

static enum operator_result run_completion(struct operator_link *link, char **words, int n_words)
{
	struct text typed = {0};

	fetch_commands(link);
	for (int i = 0; i < n_words; i++)
		text_printf(&typed, "%s%s", i != 0 ? " " : "", words[i]);
	next_words(text_string(&typed), print_word);
	text_free(&typed);
	return OPERATOR_DONE;
}

// Returns -1 to go on, otherwise the exit status.
static int read_options(int argc, char **argv, struct options *out)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"once", no_argument, NULL, '1'},
		{"interval", required_argument, NULL, 'i'},
		{"complete", no_argument, NULL, 'C'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:j1i:Vh", options, NULL)) != -1) {
		if (option == 's') {
			out->socket = optarg;
		} else if (option == 'j') {
			out->json = true;
		} else if (option == '1') {
			out->once = true;
		} else if (option == 'i') {
			out->interval_s = (unsigned)strtoul(optarg, NULL, 10);
		} else if (option == 'C') {
			out->complete = true;
		} else if (option == 'V') {
			(void)printf("sluicectl %s\n", SLUICE_RELEASE);
			return OPERATOR_DONE;
		} else {
			print_usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? OPERATOR_DONE : OPERATOR_USAGE;
		}
	}
	if (out->interval_s >= 1 && out->interval_s <= 3600)
		return -1;
	(void)fprintf(stderr, "sluicectl: the interval is 1 to 3600 seconds\n");
	return OPERATOR_USAGE;
}

int main(int argc, char **argv)
{
	const char *from_environment = getenv("SLUICE_SOCKET");
	struct options options = {
		.socket = from_environment != NULL ? from_environment : DEFAULT_SOCKET, .interval_s = 1};
	const int status = read_options(argc, argv, &options);
	struct operator_link link;
	enum operator_result result;

	if (status >= 0)
		return status;
	if (!operator_connect(&link, options.socket))
		return options.complete ? OPERATOR_NO_CONNECTION : (int)no_connection(&options);
	if (options.complete)
		result = run_completion(&link, argv + optind, argc - optind);
	else if (optind < argc && strcmp(argv[optind], "top") == 0)
		result = top_run(&link, &(struct top_options){.interval_s = options.interval_s,
						.once = options.once,
						.json = options.json});
	else if (optind < argc)
		result = run_words(&link, &options, argv + optind, argc - optind);
	else if (isatty(STDIN_FILENO))
		result = run_terminal(&link, &options);
	else
		result = run_input(&link, &options);
	operator_disconnect(&link);
	for (size_t i = 0; i < commands.n; i++)
		free(commands.words[i]);
	return (int)result;
}
