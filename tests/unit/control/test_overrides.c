// SPDX-License-Identifier: Apache-2.0
#include "a_control.h"
#include "seam/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

static const struct config_server *the_server(void)
{
	return &control.config->backends[0].servers[0];
}

static void they_lie_over_the_configuration_and_can_be_taken_back(void **state)
{
	const uint64_t configured = control.config->limits.connections;

	(void)state;
	assert_null(overrides_set(&control.overrides, OVERRIDE_WEIGHT, "web/192.0.2.9:80", 5));
	assert_null(overrides_set(&control.overrides, OVERRIDE_BACKEND, "web", CONFIG_USE_DRAINED));
	assert_null(overrides_set(&control.overrides, OVERRIDE_LISTENER, "plain", CONFIG_USE_DISABLED));
	assert_null(overrides_set(&control.overrides, OVERRIDE_LIMIT, "connections", 7));
	assert_null(overrides_set(&control.overrides, OVERRIDE_LIMIT, "connections", 8));
	overrides_apply(&control.overrides, control.config);
	assert_int_equal(the_server()->weight, 5);
	assert_int_equal(the_server()->use, CONFIG_USE_DRAINED);
	assert_int_equal(control.config->listeners[0].use, CONFIG_USE_DISABLED);
	assert_int_equal(control.config->limits.connections, 8);
	overrides_clear(&control.overrides, OVERRIDE_WEIGHT, "web/192.0.2.9:80");
	overrides_clear(&control.overrides, OVERRIDE_BACKEND, "web");
	overrides_clear(&control.overrides, OVERRIDE_LIMIT, "connections");
	overrides_clear(&control.overrides, OVERRIDE_LIMIT, "never set");
	overrides_apply(&control.overrides, control.config);
	assert_int_equal(the_server()->weight, 1);
	assert_int_equal(the_server()->use, CONFIG_USE_ENABLED);
	assert_int_equal(control.config->limits.connections, configured);
}

// A server is out of use when itself or its backend is, by the stronger word.
static void the_stronger_word_counts(void **state)
{
	(void)state;
	assert_null(overrides_set(&control.overrides, OVERRIDE_BACKEND, "web", CONFIG_USE_DRAINED));
	assert_null(
		overrides_set(&control.overrides, OVERRIDE_SERVER, "web/192.0.2.9:80", CONFIG_USE_DISABLED));
	overrides_apply(&control.overrides, control.config);
	assert_int_equal(the_server()->use, CONFIG_USE_DISABLED);
}

static void names_that_can_not_be(void **state)
{
	char longest[OVERRIDE_NAME_MAX + 1];

	(void)state;
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_non_null(overrides_set(&control.overrides, OVERRIDE_LISTENER, longest, 1));
	assert_non_null(overrides_set(&control.overrides, OVERRIDE_LISTENER, "a b", 1));
	assert_non_null(overrides_set(&control.overrides, OVERRIDE_LISTENER, "a\nb", 1));
	assert_int_equal(control.overrides.n_items, 0);
}

static void a_file_keeps_them_and_nonsense_in_it_is_left_out(void **state)
{
	static const char nonsense[] =
		"\nweight\nweight x web/a\nweight 0 web/a\nweight 257 web/a\nserver 3 web/a\ntoaster 1 x\n"
		"limit 99999999999999999999 connections\nlistener 2\nlistener 1 good\n";
	char path[] = "/tmp/sluice-overrides-XXXXXX";
	struct overrides loaded = {0};
	FILE *file;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	assert_null(overrides_set(&control.overrides, OVERRIDE_WEIGHT, "web/a", 256));
	assert_null(overrides_set(&control.overrides, OVERRIDE_SERVER, "web/a", CONFIG_USE_DISABLED));
	assert_true(overrides_save(&control.overrides, path));
	overrides_load(&loaded, path);
	assert_int_equal(loaded.n_items, 2);
	assert_int_equal(overrides_find(&loaded, OVERRIDE_WEIGHT, "web/a")->value, 256);
	overrides_free(&loaded);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(nonsense, file);
	(void)fclose(file);
	overrides_load(&loaded, path);
	assert_int_equal(loaded.n_items, 1);
	assert_non_null(overrides_find(&loaded, OVERRIDE_LISTENER, "good"));
	overrides_free(&loaded);
	(void)unlink(path);
	overrides_load(&loaded, path);
	assert_int_equal(loaded.n_items, 0);
	assert_false(overrides_save(&control.overrides, "/nonexistent/folder/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			they_lie_over_the_configuration_and_can_be_taken_back, open_control, close_control),
		cmocka_unit_test_setup_teardown(the_stronger_word_counts, open_control, close_control),
		cmocka_unit_test_setup_teardown(names_that_can_not_be, open_control, close_control),
		cmocka_unit_test_setup_teardown(
			a_file_keeps_them_and_nonsense_in_it_is_left_out, open_control, close_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
