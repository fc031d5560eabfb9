// SPDX-License-Identifier: Apache-2.0
//
// What resumption and certificate choice stand on, each by itself: tickets, session IDs, the session table
// with its resizing, and the index of names.
#include "tls_pair.h"

#include <stdio.h>
#include <stdlib.h>

static struct tls_session_state some_state(void)
{
	struct tls_session_state state = {.created_s = 1000,
		.lifetime_s = 60,
		.age_add = 7,
		.version = TLS_VERSION_13,
		.suite = 0x1301,
		.secret_len = 32,
		.name_len = 3};

	memset(state.secret, 0x5a, 32);
	return state;
}

static void test_ticket_round_trip(void **state)
{
	struct tls_engine *engine = &tls_pair_fixture.engine;
	struct tls_session_state in = some_state(), out;
	uint8_t ticket[TLS_OWN_TICKET_LEN], other[TLS_OWN_TICKET_LEN];
	bool is_old = true;

	(void)state;
	assert_true(tls_ticket_seal(engine, &in, ticket));
	assert_true(tls_ticket_seal(engine, &in, other));
	assert_memory_not_equal(ticket, other, sizeof ticket); // nonces differ
	assert_true(tls_ticket_open(engine, span_of(ticket, sizeof ticket), &out, &is_old));
	assert_false(is_old);
	assert_int_equal(out.created_s, in.created_s);
	assert_int_equal(out.age_add, in.age_add);
	assert_int_equal(out.suite, in.suite);
	assert_memory_equal(out.secret, in.secret, sizeof in.secret);
	// Nothing of the secret shows.
	assert_null(memmem(ticket, sizeof ticket, in.secret, 8));
}

static void test_damaged_tickets(void **state)
{
	struct tls_engine *engine = &tls_pair_fixture.engine;
	struct tls_session_state in = some_state(), out;
	uint8_t ticket[TLS_OWN_TICKET_LEN + 1];
	bool is_old;

	(void)state;
	assert_true(tls_ticket_seal(engine, &in, ticket));
	for (size_t bit = 0; bit < 8 * TLS_OWN_TICKET_LEN; bit++) {
		ticket[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(tls_ticket_open(engine, span_of(ticket, TLS_OWN_TICKET_LEN), &out, &is_old));
		ticket[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < TLS_OWN_TICKET_LEN; len++)
		assert_false(tls_ticket_open(engine, span_of(ticket, len), &out, &is_old));
	assert_false(tls_ticket_open(engine, span_of(ticket, TLS_OWN_TICKET_LEN + 1), &out, &is_old));
	assert_true(tls_ticket_open(engine, span_of(ticket, TLS_OWN_TICKET_LEN), &out, &is_old));
}

static void test_ticket_keys(void **state)
{
	struct tls_engine *engine = &tls_pair_fixture.engine;
	struct tls_session_state in = some_state(), out;
	uint8_t ticket[TLS_OWN_TICKET_LEN];
	bool is_old;

	(void)state;
	assert_true(tls_ticket_seal(engine, &in, ticket)); // under key 1
	tls_fixture_ticket_keys(&tls_pair_fixture, 2, 3, 1);
	assert_true(tls_ticket_open(engine, span_of(ticket, sizeof ticket), &out, &is_old));
	assert_true(is_old);
	tls_fixture_ticket_keys(&tls_pair_fixture, 9, 1, 8);
	assert_true(tls_ticket_open(engine, span_of(ticket, sizeof ticket), &out, &is_old));
	assert_false(is_old); // another machine was first
	tls_fixture_ticket_keys(&tls_pair_fixture, 2, 3, 4);
	assert_false(tls_ticket_open(engine, span_of(ticket, sizeof ticket), &out, &is_old));
	// Its name on another key is of no use.
	memset(ticket, 2, TLS_TICKET_NAME_LEN);
	assert_false(tls_ticket_open(engine, span_of(ticket, sizeof ticket), &out, &is_old));
	// Without a current key nothing is sealed, and old tickets still open.
	tls_fixture_ticket_keys(&tls_pair_fixture, 0, 0, 1);
	assert_false(tls_ticket_seal(engine, &in, ticket));
	tls_fixture_ticket_keys(&tls_pair_fixture, 1, 2, 3);
}

static void test_session_ids(void **state)
{
	struct tls_engine *engine = &tls_pair_fixture.engine;
	uint8_t id[TLS_OWN_SESSION_ID_LEN];
	uint16_t worker_idx = 0;

	(void)state;
	assert_true(tls_session_id_make(engine, id));
	assert_true(tls_session_id_worker(engine, span_of(id, sizeof id), &worker_idx));
	assert_int_equal(worker_idx, 3);
	for (size_t bit = 0; bit < 8 * sizeof id; bit++) {
		id[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(tls_session_id_worker(engine, span_of(id, sizeof id), &worker_idx));
		id[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_false(tls_session_id_worker(engine, span_of(id, 31), &worker_idx));
	assert_false(tls_session_id_worker(engine, span_of(id, 0), &worker_idx));
	tls_fixture_ticket_keys(&tls_pair_fixture, 5, 6, 7);
	assert_false(tls_session_id_worker(engine, span_of(id, sizeof id), &worker_idx));
	tls_fixture_ticket_keys(&tls_pair_fixture, 0, 0, 0);
	assert_false(tls_session_id_make(engine, id));
	tls_fixture_ticket_keys(&tls_pair_fixture, 1, 2, 3);
}

// The session table.

static struct span numbered_id(uint32_t number)
{
	static uint8_t id[TLS_OWN_SESSION_ID_LEN];

	// The first four bytes choose the set; they are random in real ones.
	for (unsigned i = 0; i < 4; i++)
		id[i] = (uint8_t)(number * 2654435761u >> (24 - 8 * i));
	memcpy(id + 8, &number, sizeof number);
	return span_of(id, sizeof id);
}

static void put_numbered(struct tls_session_table *table, uint32_t number, uint64_t created_s)
{
	struct tls_session_state state = some_state();

	state.created_s = created_s;
	state.age_add = number;
	tls_session_table_put(table, numbered_id(number).data, &state);
}

static uint32_t count_sessions(const struct tls_session_table *table)
{
	uint32_t cursor = 0, n = 0;

	while (tls_session_table_next(table, &cursor) != NULL)
		n++;
	assert_int_equal(n, table->n_used);
	return n;
}

static bool has_numbered(struct tls_session_table *table, uint32_t number)
{
	struct tls_session_state state;
	bool found = tls_session_table_find(table, numbered_id(number), 1000, &state);

	assert_true(!found || state.age_add == number);
	return found;
}

static void make_table(struct tls_session_table *table, struct arena *arena, uint32_t n)
{
	assert_true(arena_init(arena, tls_session_table_footprint(n) + 4096));
	assert_true(tls_session_table_init(table, arena, n));
}

static void test_table(void **state)
{
	struct tls_session_table table;
	struct tls_session_state found;
	struct arena arena;

	(void)state;
	make_table(&table, &arena, 64);
	put_numbered(&table, 1, 1000);
	put_numbered(&table, 2, 1000);
	assert_true(has_numbered(&table, 1) && has_numbered(&table, 2));
	assert_false(has_numbered(&table, 3));
	assert_false(tls_session_table_find(&table, span_of(numbered_id(1).data, 31), 1000, &found));
	assert_int_equal(count_sessions(&table), 2);
	assert_true(tls_session_table_remove(&table, numbered_id(1)));
	assert_false(tls_session_table_remove(&table, numbered_id(1)));
	assert_false(has_numbered(&table, 1));
	// One that has outlived itself, or is not born yet, goes when it is met.
	assert_false(tls_session_table_find(&table, numbered_id(2), 1061, &found));
	assert_int_equal(count_sessions(&table), 0);
	put_numbered(&table, 4, 2000);
	assert_false(has_numbered(&table, 4));
	assert_int_equal(count_sessions(&table), 0);
	put_numbered(&table, 5, 1000);
	tls_session_table_wipe(&table);
	assert_int_equal(count_sessions(&table), 0);
	arena_destroy(&arena);
}

// One set: the oldest of it goes when it is full.
static void test_table_evicts_the_oldest(void **state)
{
	struct tls_session_table table;
	struct arena arena;

	(void)state;
	make_table(&table, &arena, 8);
	for (uint32_t i = 0; i < 8; i++)
		put_numbered(&table, i, i == 5 ? 990 : 995 + i % 3);
	put_numbered(&table, 8, 999);
	assert_false(has_numbered(&table, 5));
	for (uint32_t i = 0; i <= 8; i++)
		assert_true(i == 5 || has_numbered(&table, i));
	assert_int_equal(table.n_evicted, 1);
	assert_int_equal(count_sessions(&table), 8);
	arena_destroy(&arena);
}

static void test_table_resizes(void **state)
{
	struct tls_session_table table;
	struct arena arena;
	unsigned n_turns = 0;

	(void)state;
	make_table(&table, &arena, 256);
	assert_int_equal(tls_session_table_resize(&table, 1000), 256); // memory is what was given at start
	for (uint32_t i = 0; i < 200; i++)
		put_numbered(&table, i, 1000);
	assert_int_equal(tls_session_table_resize(&table, 50), 50);
	while (!tls_session_table_trim(&table, 16))
		n_turns++;
	assert_true(n_turns > 3 && n_turns < 20); // so much a turn, and it ends
	assert_int_equal(count_sessions(&table), 50);
	for (uint32_t i = 1000; i < 1100; i++) {
		put_numbered(&table, i, 1000);
		assert_true(has_numbered(&table, i));
		assert_int_equal(count_sessions(&table), 50);
	}
	assert_int_equal(tls_session_table_resize(&table, 60), 60);
	for (uint32_t i = 2000; i < 2100; i++)
		put_numbered(&table, i, 1000);
	assert_int_equal(count_sessions(&table), 60);
	assert_int_equal(tls_session_table_resize(&table, 0), 0);
	assert_true(tls_session_table_trim(&table, 100000));
	assert_int_equal(count_sessions(&table), 0);
	put_numbered(&table, 1, 1000);
	assert_int_equal(count_sessions(&table), 0);
	assert_int_equal(tls_session_table_resize(&table, 256), 256);
	put_numbered(&table, 1, 1000);
	assert_true(has_numbered(&table, 1));
	arena_destroy(&arena);
}

static void test_no_table(void **state)
{
	struct tls_session_table table;
	uint32_t cursor = 0;

	(void)state;
	assert_true(tls_session_table_init(&table, NULL, 0));
	put_numbered(&table, 1, 1000);
	assert_false(has_numbered(&table, 1));
	assert_int_equal(tls_session_table_resize(&table, 10), 0);
	assert_true(tls_session_table_trim(&table, 10));
	assert_null(tls_session_table_next(&table, &cursor));
	assert_false(tls_session_table_remove(&table, numbered_id(1)));
	tls_session_table_wipe(&table);
}

// The index of names. Certificates are told apart by address only.

static struct tls_certificate certificates[4];

static enum tls_name_match look_up(const struct tls_names *names, const char *name, unsigned *out_which)
{
	const struct tls_name_entry *entry = NULL;
	enum tls_name_match match = tls_names_find(names, span_of(name, strlen(name)), &entry);

	*out_which = entry != NULL ? (unsigned)(entry->certificate - certificates) : 99;
	return match;
}

static void test_names(void **state)
{
	static uint8_t memory[2048] __attribute__((aligned(8)));
	const struct tls_name list[] = {
		{span_of_string("Mail.Example"), &certificates[0]},
		{span_of_string("*.example"), &certificates[1]},
		{span_of_string(""), &certificates[2]},
		{span_of_string("mail.example"), &certificates[3]},
	};
	const struct tls_names *names = tls_names_build((struct mut_span){memory, sizeof memory}, list, 4);
	const struct tls_name_entry *entry;
	char long_name[300];
	unsigned which;

	(void)state;
	assert_non_null(names);
	assert_int_equal(look_up(names, "mail.example", &which), TLS_NAME_EXACT);
	assert_int_equal(which, 0);
	assert_int_equal(look_up(names, "MAIL.eXample", &which), TLS_NAME_EXACT);
	assert_int_equal(look_up(names, "imap.EXAMPLE", &which), TLS_NAME_WILDCARD);
	assert_int_equal(which, 1);
	// A wildcard stands for one label, and for a whole one.
	assert_int_equal(look_up(names, "a.b.example", &which), TLS_NAME_DEFAULT);
	assert_int_equal(which, 2);
	assert_int_equal(look_up(names, "example", &which), TLS_NAME_DEFAULT);
	assert_int_equal(look_up(names, ".example", &which), TLS_NAME_DEFAULT);
	assert_int_equal(look_up(names, "*.example", &which), TLS_NAME_EXACT); // by its name
	assert_int_equal(look_up(names, "mail.example.", &which), TLS_NAME_DEFAULT);
	assert_int_equal(look_up(names, "", &which), TLS_NAME_DEFAULT);
	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = 0;
	assert_int_equal(look_up(names, long_name, &which), TLS_NAME_DEFAULT);
	// Two certificates of one name, in the order given.
	assert_int_equal(tls_names_find(names, span_of_string("mail.example"), &entry), TLS_NAME_EXACT);
	entry = tls_names_next(names, entry);
	assert_ptr_equal(entry->certificate, &certificates[3]);
	assert_null(tls_names_next(names, entry));
}

static void test_names_without_default(void **state)
{
	static uint8_t memory[512] __attribute__((aligned(8)));
	const struct tls_name list[] = {{span_of_string("a.test"), &certificates[0]}};
	const struct tls_names *names = tls_names_build((struct mut_span){memory, sizeof memory}, list, 1);
	unsigned which;

	(void)state;
	assert_int_equal(look_up(names, "b.test", &which), TLS_NAME_NONE);
	assert_int_equal(look_up(names, "", &which), TLS_NAME_NONE);
	assert_int_equal(which, 99);
	names = tls_names_build((struct mut_span){memory, sizeof memory}, NULL, 0);
	assert_int_equal(look_up(names, "a.test", &which), TLS_NAME_NONE);
}

static void test_names_that_cannot_be(void **state)
{
	static uint8_t memory[1024] __attribute__((aligned(8)));
	char text[257];
	struct tls_name list[] = {{span_of(text, 256), &certificates[0]}};

	(void)state;
	memset(text, 'a', sizeof text);
	assert_null(tls_names_build((struct mut_span){memory, sizeof memory}, list, 1));
	list[0].name.len = 255;
	assert_non_null(tls_names_build((struct mut_span){memory, sizeof memory}, list, 1));
	assert_null(tls_names_build((struct mut_span){memory, tls_names_footprint(list, 1) - 1}, list, 1));
}

static void test_many_names(void **state)
{
	enum {
		N = 5000
	};
	struct tls_name *list = calloc(N, sizeof *list);
	char(*texts)[24] = calloc(N, sizeof *texts);
	struct mut_span memory;
	const struct tls_names *names;
	unsigned which;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(texts[i], sizeof texts[i], "%s%u.test", i % 2 != 0 ? "*.h" : "h", i);
		list[i] = (struct tls_name){span_of_string(texts[i]), &certificates[i % 4]};
	}
	memory.len = tls_names_footprint(list, N);
	memory.data = malloc(memory.len);
	names = tls_names_build(memory, list, N);
	for (unsigned i = 0; i < N; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "%sh%u.test", i % 2 != 0 ? "x." : "", i);
		assert_int_equal(
			look_up(names, name, &which), i % 2 != 0 ? TLS_NAME_WILDCARD : TLS_NAME_EXACT);
		assert_int_equal(which, i % 4);
	}
	free(memory.data);
	free(texts);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_ticket_round_trip),
		PAIR_TEST(test_damaged_tickets),
		PAIR_TEST(test_ticket_keys),
		PAIR_TEST(test_session_ids),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_evicts_the_oldest),
		cmocka_unit_test(test_table_resizes),
		cmocka_unit_test(test_no_table),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_without_default),
		cmocka_unit_test(test_names_that_cannot_be),
		cmocka_unit_test(test_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
