// SPDX-License-Identifier: Apache-2.0
//
// Terms: the same ones once, for as long as a snapshot names them or a worker holds them.
#include "seam/cmocka_all.h"

#include "terms_table.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	N_WORKERS = 2
};

struct fixture {
	struct tally_page tallies;
	void *page;
	struct terms_table table;
	_Atomic uint32_t listener_holds[N_WORKERS][TERMS_LISTENERS];
	_Atomic uint32_t server_holds[N_WORKERS][TERMS_SERVERS];
	struct terms_holds holds[N_WORKERS];
};

static struct fixture *fixture;

static int set_up(void **state)
{
	(void)state;
	fixture = calloc(1, sizeof *fixture);
	fixture->page = aligned_alloc(64, (tally_page_len(N_WORKERS) + 63) / 64 * 64);
	memset(fixture->page, 0, tally_page_len(N_WORKERS));
	tally_page_init(&fixture->tallies, fixture->page, 0, N_WORKERS);
	assert_true(terms_table_init(&fixture->table, &fixture->tallies));
	for (int i = 0; i < N_WORKERS; i++)
		fixture->holds[i] = (struct terms_holds){
			.listeners = fixture->listener_holds[i], .servers = fixture->server_holds[i]};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	terms_table_destroy(&fixture->table);
	free(fixture->page);
	free(fixture);
	return 0;
}

static void sweep(void)
{
	terms_sweep(&fixture->table, fixture->holds, N_WORKERS);
}

static const struct listener_terms *use_listener(const char *name, uint64_t idle_us)
{
	struct listener_terms terms = {.protocol = LISTENER_TLS, .timeouts = {.idle_us = idle_us}};

	(void)snprintf(terms.name, sizeof terms.name, "%s", name);
	return terms_use_listener(&fixture->table, &terms);
}

static const struct server_terms *use_server(const char *backend, const char *name)
{
	static const uint8_t address[16] = {[15] = 7};

	return terms_use_server(&fixture->table,
		&(struct tally_server_id){.backend = backend, .name = name, .address = address, .port = 1});
}

static void test_the_same_terms_are_shared(void **state)
{
	const struct listener_terms *a = use_listener("https", 1), *b = use_listener("https", 1);
	const struct listener_terms *longer = use_listener("https", 2), *other = use_listener("imaps", 1);

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, longer);
	assert_int_equal(a->tally_idx, longer->tally_idx); // one name, one row of counters
	assert_int_not_equal(a->tally_idx, other->tally_idx);
	assert_int_not_equal(a->idx, 0);
	assert_string_equal(other->name, "imaps");
	assert_ptr_equal(use_server("web", "a"), use_server("web", "a"));
	assert_ptr_not_equal(use_server("web", "a"), use_server("web", "b"));
	assert_ptr_not_equal(use_server("web", "a"), use_server("mail", "a"));
}

// Each difference makes other terms.
static void test_every_field_counts(void **state)
{
	struct listener_terms terms = {.protocol = LISTENER_MAIL, .name = "mx"};
	const struct listener_terms *base = terms_use_listener(&fixture->table, &terms);
	struct listener_terms others[14];

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		others[i] = terms;
	others[0].protocol = LISTENER_TCP;
	others[1].log_handshakes = true;
	others[2].log_connections = true;
	others[3].timeouts.handshake_us = 1;
	others[4].timeouts.connect_us = 1;
	others[5].timeouts.linger_us = 1;
	others[6].timeouts.total_us = 1;
	others[7].preamble.protocol = PREAMBLE_IMAP;
	others[8].preamble.security = PREAMBLE_ENCRYPT;
	others[9].preamble.implicit_tls = true;
	others[10].preamble.xclient = true;
	others[11].preamble.line_max = 1;
	others[12].preamble.hello_name[0] = 'x';
	others[13].preamble.plaintext_timeout_us = 1;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		const struct listener_terms *other = terms_use_listener(&fixture->table, &others[i]);

		assert_ptr_not_equal(other, base);
		assert_ptr_equal(terms_use_listener(&fixture->table, &others[i]), other);
		assert_int_equal(other->tally_idx, base->tally_idx);
	}
}

static void test_what_is_held_stays(void **state)
{
	const struct listener_terms *listener = use_listener("https", 1);
	const struct server_terms *server = use_server("web", "a");
	const uint32_t row = server->tally_idx;

	(void)state;
	terms_hold(&fixture->listener_holds[1][listener->idx]);
	terms_hold(&fixture->server_holds[0][server->idx]);
	terms_drop_listener(&fixture->table, listener);
	terms_drop_server(&fixture->table, server);
	for (uint32_t i = 0; i < 1000; i++) { // reloads with other settings
		const struct listener_terms *next = use_listener("https", i + 2);

		assert_non_null(next);
		terms_drop_listener(&fixture->table, next);
		sweep();
	}
	assert_string_equal(listener->name, "https");
	assert_int_equal(listener->timeouts.idle_us, 1);
	assert_string_equal(server->backend, "web");
	assert_int_equal(fixture->table.listener_index.places.n_used, 2); // and the empty one
	assert_int_not_equal(use_server("web", "b")->tally_idx, row);
	// Back again while it was held: the same ones.
	assert_ptr_equal(use_listener("https", 1), listener);
	terms_drop_listener(&fixture->table, listener);
	terms_let_go(&fixture->listener_holds[1][listener->idx]);
	terms_let_go(&fixture->server_holds[0][server->idx]);
	sweep();
	assert_int_equal(fixture->table.listener_index.places.n_used, 1);
	assert_int_equal(fixture->table.server_index.places.n_used, 2);
	assert_int_equal(fixture->tallies.n_server_users[row], 0);
	assert_int_equal(fixture->tallies.n_listener_users[1], 0);
}

static void test_full_tables_refuse(void **state)
{
	const struct listener_terms *held = NULL;

	(void)state;
	for (uint32_t i = 1; i < TERMS_LISTENERS; i++) {
		held = use_listener("https", i);
		assert_non_null(held);
		terms_hold(&fixture->listener_holds[0][held->idx]);
		terms_drop_listener(&fixture->table, held);
	}
	sweep();
	assert_null(use_listener("https", TERMS_LISTENERS));
	assert_ptr_equal(use_listener("https", TERMS_LISTENERS - 1), held); // known ones are
	terms_drop_listener(&fixture->table, held);
	terms_let_go(&fixture->listener_holds[0][held->idx]);
	sweep();
	assert_non_null(use_listener("https", TERMS_LISTENERS));
	for (uint32_t i = 1; i < TERMS_BACKENDS; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "b%u", i);
		assert_int_not_equal(terms_use_backend(&fixture->table, name), POOL_NONE);
	}
	assert_int_equal(terms_use_backend(&fixture->table, "one more"), POOL_NONE);
}

static void test_a_backend_keeps_its_number(void **state)
{
	const uint32_t web = terms_use_backend(&fixture->table, "web");
	uint32_t mail;

	(void)state;
	assert_int_not_equal(web, 0);
	mail = terms_use_backend(&fixture->table, "mail");
	assert_int_not_equal(mail, web);
	assert_int_equal(terms_use_backend(&fixture->table, "web"), web);
	terms_drop_backend(&fixture->table, web);
	assert_int_not_equal(terms_use_backend(&fixture->table, "other"), web); // one snapshot still has it
	terms_drop_backend(&fixture->table, web);
	assert_int_equal(terms_use_backend(&fixture->table, "third"), web);
	assert_int_equal(terms_use_backend(&fixture->table, "mail"), mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_same_terms_are_shared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_field_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_held_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_tables_refuse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_backend_keeps_its_number, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
