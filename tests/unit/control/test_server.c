// SPDX-License-Identifier: Apache-2.0
//
// The socket's protocol: lines, payloads, prompts, levels, limits; and what each command answers without a
// dataplane.
#include "a_control.h"
#include "seam/cmocka_all.h"
#include "secret.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct control control;

static int open_control(void **state)
{
	(void)state;
	a_control_open(&control);
	return 0;
}

static int close_control(void **state)
{
	(void)state;
	a_control_close(&control);
	return 0;
}

static struct client *connect_as(enum access_level level)
{
	return server_add_client(&control.server, -1, 1000, level);
}

// What a client that says this gets.
static char *ask(struct client *client, const char *said)
{
	const size_t before = client_output(client)->len;

	(void)client_take(client, said, strlen(said));
	return memory_string(text_string(client_output(client)) + before);
}

static void expect(struct client *client, const char *said, const char *expected)
{
	char *got = ask(client, said);

	if (strcmp(got, expected) != 0)
		print_error("said: %s\nwanted: %s\ngot: %s\n", said, expected, got);
	assert_string_equal(got, expected);
	free(got);
}

static void expect_with(struct client *client, const char *said, const char *expected)
{
	char *got = ask(client, said);

	if (strstr(got, expected) == NULL)
		print_error("said: %s\nwanted: %s\ngot: %s\n", said, expected, got);
	assert_non_null(strstr(got, expected));
	assert_true(strlen(got) >= 2 && strcmp(got + strlen(got) - 2, "\n\n") == 0);
	free(got);
}

// Whoever may not give the command leaves nothing of its payload in locked memory.
static void a_payload_that_is_refused_is_not_kept(void **state)
{
	static const char line[] = "MIIBszCCAVmgAwIBAgIUEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXA\n";
	struct client *user = connect_as(ACCESS_USER);
	struct client *admin = connect_as(ACCESS_ADMIN);
	uint64_t before;

	(void)state;
	assert_true(client_take(user, "set ssl cert x <<END\n", 21));
	before = secret_used_len();
	for (int i = 0; i < 20000; i++)
		assert_true(client_take(user, line, sizeof line - 1));
	assert_in_range(secret_used_len(), 0, before + (32 << 10));
	expect_with(user, "END\n", "is for the level admin; yours is user");
	expect_with(user, "show info\n", "control_pid");
	// Nor does one line without an end.
	assert_true(client_take(user, "set ssl cert x <<\n", 18));
	for (int i = 0; i < 4096; i++)
		(void)client_take(user, "x", 1);
	expect_with(user, "x", "a payload of more than");
	// Of the right level it comes in pieces of any size.
	assert_true(client_take(admin, "set ssl cert x <<END\n", 21));
	for (int i = 0; i < 3; i++)
		for (const char *c = line; *c != '\0'; c++)
			assert_true(client_take(admin, c, 1));
	expect_with(admin, "END\n", "no certificate has the name 'x'");
}

static void every_answer_ends_with_an_empty_line(void **state)
{
	struct client *client = connect_as(ACCESS_ADMIN);

	(void)state;
	for (size_t i = 0; i < command_table_len; i++) {
		static const char *const forms[] = {
			"%s\n", "%s json\n", "%s x\n", "%s x y json\n", "%s x y z <<\nabc\n\n"};

		if (strcmp(command_table[i].words, "reload") == 0)
			continue; // answered by another thread
		for (size_t j = 0; j < sizeof forms / sizeof forms[0]; j++) {
			struct text line = {0};
			const char *form = forms[j];
			const size_t words = strcspn(form, "%");
			char *got;

			text_append(&line, form, words);
			text_string_append(&line, command_table[i].words);
			text_string_append(&line, form + words + 2);
			got = ask(client, text_string(&line));
			if (strcmp(got, "") == 0) // follows
				got[0] = '\0';
			else
				assert_true(strcmp(got + strlen(got) - 1, "\n") == 0);
			assert_null(strstr(got, "\n\n\n"));
			free(got);
			text_free(&line);
		}
	}
	client_close(client);
}

static void json_answers_are_json(void **state)
{
	static const char *const commands[] = {"show info", "show limits", "show memory", "show backend",
		"show listener", "show route", "show cert", "show ticket-keys", "show log", "show events",
		"help", "show stat", "show conn", "nonsense"};
	struct client *client = connect_as(ACCESS_USER);

	(void)state;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		struct text line = {0};
		json_t *parsed;
		char *got;

		text_printf(&line, "%s json\n", commands[i]);
		got = ask(client, text_string(&line));
		parsed = json_loads(got, 0, NULL);
		if (parsed == NULL)
			print_error("%s: %s\n", commands[i], got);
		assert_non_null(parsed);
		json_decref(parsed);
		text_free(&line);
		free(got);
	}
	client_close(client);
}

static void lines_may_come_in_pieces_and_together(void **state)
{
	struct client *client = connect_as(ACCESS_ADMIN);

	(void)state;
	expect(client, "set log lev", "");
	expect(client, "el debug\r\nset log level info\n", "\n\n");
	assert_int_equal(control.log.level, LOG_LEVEL_INFO);
	expect(client, "   \n", "\n");
	expect_with(client, "set log level loud\n", "error: 'loud' is no level; allowed: error, warning");
	expect_with(client, "set log\n", "usage: set log level LEVEL");
	expect_with(client, "\xff\xfe\n", "usage: no such command");
	client_close(client);
}

static void levels_are_kept_apart(void **state)
{
	struct client *user = connect_as(ACCESS_USER);
	struct client *operator= connect_as(ACCESS_OPERATOR);
	const uint64_t before = control.server.n_denied;

	(void)state;
	for (size_t i = 0; i < command_table_len; i++) {
		const struct command *command = &command_table[i];
		struct text line = {0};

		text_printf(&line, "%s", command->words);
		for (size_t j = 0; j < command->n_arguments_min; j++)
			text_string_append(&line, " x");
		text_printf(&line, "%s\n", command->takes_payload ? " <<\n" : "");
		if (command->level > ACCESS_USER)
			expect_with(user, text_string(&line), "' is for the level ");
		if (command->level > ACCESS_OPERATOR)
			expect_with(operator, text_string(&line),
				"' is for the level admin; yours is operator");
		text_free(&line);
	}
	assert_true(control.server.n_denied > before);
	client_close(user);
	client_close(operator);
}

static void payloads_end_where_they_say(void **state)
{
	struct client *client = connect_as(ACCESS_ADMIN);

	(void)state;
	expect(client, "new ssl cert x\n", "\n");
	expect(client, "set ssl cert x <<\nabc\n", "");
	expect_with(client, "\n", "error: no certificate in it; nothing was changed");
	expect(client, "set ssl cert x <<END\nabc\n\n\nENDE\n", "");
	expect_with(client, "END\r\n", "error: no certificate in it");
	expect_with(client, "set ssl cert x << more\n", "usage: something follows the <<");
	expect_with(client, "show info <<\nabc\n\n", "usage: show info");
	expect_with(client, "commit ssl cert x\n", "error: the transaction holds nothing yet");
	expect(client, "abort ssl cert x\n", "\n");
	expect_with(client, "abort ssl cert x\n", "error: no transaction is open for 'x'");
	expect_with(client, "commit ssl cert x\n", "error: no transaction is open for 'x'");
	expect_with(client, "set ssl cert x <<\nabc\n\n", "error: no certificate has the name 'x'");
	expect_with(client, "set ssl ocsp-response x <<\nabc\n\n", "error: no certificate has the name 'x'");
	client_close(client);
}

static void too_much_ends_the_connection(void **state)
{
	struct client *client = connect_as(ACCESS_ADMIN);
	char bytes[5000];
	char *got;

	(void)state;
	memset(bytes, 'a', sizeof bytes);
	assert_false(client_take(client, bytes, sizeof bytes));
	assert_non_null(strstr(text_string(client_output(client)), "a line of more than 4096 bytes"));
	client_close(client);
	client = connect_as(ACCESS_ADMIN);
	free(ask(client, "set ssl cert x <<\n"));
	for (size_t i = 0; i < COMMAND_PAYLOAD_MAX / sizeof bytes; i++)
		assert_true(client_take(client, bytes, sizeof bytes));
	assert_false(client_take(client, bytes, sizeof bytes));
	assert_non_null(strstr(text_string(client_output(client)), "a payload of more than 512 KB"));
	client_close(client);
	client = connect_as(ACCESS_ADMIN);
	assert_true(client_take(client, "show\0x\n", 7));
	assert_non_null(strstr(text_string(client_output(client)), "a line with a zero byte"));
	got = ask(client, "a b c d e f g h i j k l m n o p q r s t u v w x y z\n");
	assert_non_null(strstr(got, "too many words"));
	free(got);
	assert_false(client_take(client, "quit\nshow info\n", 15));
	client_close(client);
}

static void a_prompt_is_there_when_wanted(void **state)
{
	struct client *client = connect_as(ACCESS_USER);

	(void)state;
	expect(client, "prompt\n", "\n> ");
	expect(client, "\n", "> ");
	expect(client, "show cert x\n", "error: no certificate has the name 'x'; see show cert\n\n> ");
	expect(client, "prompt\n", "\n");
	client_close(client);
}

static void events_are_followed(void **state)
{
	const struct log_event event = {.kind = LOG_EVENT_LINK_STATE, .details_len = 3, .details = {0, 2, 1}};
	const struct log_event broken = {.kind = LOG_EVENT_LINK_STATE, .details_len = 2, .details = {0, 2}};
	struct client *client = connect_as(ACCESS_USER);
	char *got;

	(void)state;
	server_event(&control.server, events_add(&control.events, &event));
	expect(client, "show events follow\n", "");
	server_event(&control.server, events_add(&control.events, &event));
	assert_non_null(strstr(text_string(client_output(client)), "link_state: port 2: the link is up\n"));
	got = ask(client, "\n");
	assert_string_equal(got, "\n");
	free(got);
	(void)events_add(&control.events, &broken);
	got = ask(client, "show events\n");
	assert_non_null(strstr(got, "link_state: 0002\n"));
	free(got);
	expect_with(client, "show events sometimes\n", "usage: show events [follow]");
	client_close(client);
}

static void what_only_a_dataplane_knows_is_not_made_up(void **state)
{
	struct client *client = connect_as(ACCESS_ADMIN);

	(void)state;
	expect_with(client, "show stat\n", "error: no counters: the dataplane is down");
	expect_with(client, "show conn\n", "error: the dataplane does not run");
	expect_with(client, "drain server web\n", "error: no server has the name 'web'");
	expect_with(client, "show info\n", "snapshot_published: no");
	expect_with(client, "show backend nonsense\n", "error: no backend has the name");
	expect_with(client, "show listener plain\n", "192.0.2.1:80");
	client_close(client);
}

static void secrets_of_clients_are_given_back(void **state)
{
	const uint64_t before = secret_used_len();
	struct client *last;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct client *client = connect_as(ACCESS_ADMIN);

		free(ask(client, "new ssl cert y\nset ssl cert y <<\n-----BEGIN PRIVATE KEY-----\nAAAA\n"));
		client_close(client);
	}
	last = connect_as(ACCESS_ADMIN);
	free(ask(last, "abort ssl cert y\n"));
	client_close(last);
	assert_int_equal(secret_used_len(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_payload_that_is_refused_is_not_kept),
		cmocka_unit_test(every_answer_ends_with_an_empty_line),
		cmocka_unit_test(json_answers_are_json),
		cmocka_unit_test(lines_may_come_in_pieces_and_together),
		cmocka_unit_test(levels_are_kept_apart),
		cmocka_unit_test(payloads_end_where_they_say),
		cmocka_unit_test(too_much_ends_the_connection),
		cmocka_unit_test(a_prompt_is_there_when_wanted),
		cmocka_unit_test(events_are_followed),
		cmocka_unit_test(what_only_a_dataplane_knows_is_not_made_up),
		cmocka_unit_test(secrets_of_clients_are_given_back),
	};

	return cmocka_run_group_tests(tests, open_control, close_control);
}
