// SPDX-License-Identifier: Apache-2.0
#include "proxy/routing.h"
#include "seam/cmocka_all.h"

#include <stdio.h>
#include <string.h>

static struct arena arena;

#define RULE(listener, name, protocol, backend) \
	{ \
		.listener_idx = (listener), .host = {(const uint8_t *)(name), sizeof(name) - 1}, \
		.alpn = {(const uint8_t *)(protocol), sizeof(protocol) - 1}, .backend_idx = (backend) \
	}

static int begin(void **state)
{
	(void)state;
	return arena_init(&arena, 4 << 20) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

static struct routing_table build(const struct routing_rule *rules, uint32_t n_rules)
{
	struct routing_table table;
	uint32_t idx;

	assert_int_equal(routing_build(&table, &arena, rules, n_rules, &idx), ROUTING_OK);
	return table;
}

static void is(const struct routing_table *table, const char *host, const char *alpn,
	enum routing_verdict verdict, uint32_t backend)
{
	uint32_t found = 999;

	assert_int_equal(routing_find(table, 1, span_of_string(host), span_of_string(alpn), &found), verdict);
	assert_int_equal(found, verdict == ROUTING_NONE ? 999 : backend);
}

static void the_most_specific_wins(void **state)
{
	static const struct routing_rule rules[] = {
		RULE(1, "mail.example.org", "", 10),
		RULE(1, "mail.example.org", "h2", 11),
		RULE(1, "*.example.org", "", 12),
		RULE(1, "*.example.org", "h2", 13),
		RULE(1, "", "", 14),
		RULE(1, "", "h2", 15),
		RULE(2, "mail.example.org", "", 20),
	};
	struct routing_table table = build(rules, 7);

	(void)state;
	is(&table, "mail.example.org", "", ROUTING_FOUND, 10);
	is(&table, "MAIL.Example.ORG.", "http/1.1", ROUTING_FOUND, 10);
	is(&table, "mail.example.org", "h2", ROUTING_FOUND, 11);
	is(&table, "www.example.org", "", ROUTING_FOUND, 12);
	is(&table, "www.example.org", "h2", ROUTING_FOUND, 13);
	is(&table, "example.org", "", ROUTING_DEFAULT, 14);
	is(&table, "a.b.example.org", "", ROUTING_DEFAULT, 14); // one label, not two
	is(&table, "", "h2", ROUTING_DEFAULT, 15);
	is(&table, "mail.example.orgx", "", ROUTING_DEFAULT, 14);
	is(&table, "*.example.org", "", ROUTING_DEFAULT, 14);
	is(&table, ".example.org", "", ROUTING_DEFAULT, 14);
	is(&table, ".", "", ROUTING_DEFAULT, 14);
}

static void without_a_default(void **state)
{
	static const struct routing_rule rules[] = {RULE(1, "a.example", "h2", 1), RULE(2, "", "", 2)};
	struct routing_table table = build(rules, 2);
	static char longest[400];

	(void)state;
	is(&table, "a.example", "h2", ROUTING_FOUND, 1);
	is(&table, "a.example", "", ROUTING_NONE, 0);
	is(&table, "a.example", "h3", ROUTING_NONE, 0);
	is(&table, "b.example", "h2", ROUTING_NONE, 0);
	is(&table, "", "", ROUTING_NONE, 0);
	memset(longest, 'a', sizeof longest - 1);
	is(&table, longest, "h2", ROUTING_NONE, 0);
	table = build(NULL, 0);
	is(&table, "a.example", "", ROUTING_NONE, 0);
}

static void bad_rules(void **state)
{
	static const struct {
		struct routing_rule rule;
		enum routing_fault fault;
	} bad[] = {
		{RULE(1, "*", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "*.", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "a.*.b", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "*a.b", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "*.*.b", "", 1), ROUTING_BAD_HOST},
		{RULE(1, ".b", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "a..b", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "a.b.", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "a b", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "1.2.3.4", "", 1), ROUTING_BAD_HOST},
		{RULE(1, "ok.example", "", 1), ROUTING_DUPLICATE},
		{RULE(1, "OK.example", "", 2), ROUTING_DUPLICATE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct routing_rule rules[] = {RULE(1, "ok.example", "", 1), bad[i].rule};
		struct routing_table table;
		uint32_t idx;

		assert_int_equal(routing_build(&table, &arena, rules, 2, &idx), bad[i].fault);
		assert_int_equal(idx, 1);
	}
}

static void many_names(void **state)
{
	enum {
		N = 5000
	};
	static char names[N][24];
	static struct routing_rule rules[N];
	struct routing_table table;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		(void)snprintf(names[i], sizeof names[i], "host%u.example", i);
		rules[i] = (struct routing_rule){
			.listener_idx = 1, .host = span_of_string(names[i]), .backend_idx = i};
	}
	table = build(rules, N);
	for (uint32_t i = 0; i < N; i++)
		is(&table, names[i], "", ROUTING_FOUND, i);
	is(&table, "host5000.example", "", ROUTING_NONE, 0);
}

static void no_memory(void **state)
{
	struct arena small;
	struct routing_table table;
	static const struct routing_rule rules[] = {RULE(1, "a.b", "", 1)};
	uint32_t idx;

	(void)state;
	assert_true(arena_init(&small, 4096));
	while (arena_alloc(&small, 4096, 64) != NULL)
		continue;
	assert_int_equal(routing_build(&table, &small, rules, 1, &idx), ROUTING_NO_MEMORY);
	arena_destroy(&small);
}

static void host_names(void **state)
{
	(void)state;
	assert_true(routing_host_valid(span_of_string("a")));
	assert_true(routing_host_valid(span_of_string("xn--bcher-kva.example")));
	assert_true(routing_host_valid(span_of_string("_dmarc.example")));
	assert_false(routing_host_valid(span_of_string("")));
	assert_false(routing_host_valid(span_of_string("a.")));
	assert_false(routing_host_valid(span_of_string("a/b")));
	assert_false(routing_host_valid(span_of_string("a\r\nb")));
	assert_false(routing_host_valid(span_of("a\0b", 3)));
	assert_false(routing_host_valid(span_of_string("user@host")));
	assert_false(routing_host_valid(span_of_string("127.1")));
	assert_false(routing_host_valid(span_of_string(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"))); // 64
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_specific_wins),
		cmocka_unit_test(without_a_default),
		cmocka_unit_test(bad_rules),
		cmocka_unit_test(many_names),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(host_names),
	};

	return cmocka_run_group_tests_name("proxy/routing", tests, begin, end);
}
