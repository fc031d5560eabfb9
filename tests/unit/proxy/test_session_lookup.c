// SPDX-License-Identifier: Apache-2.0
//
// Questions to other workers about sessions, without handshakes: who is asked, how many may be out, and that
// nothing stays of a session that was on its way. The simulation (sim/proxy) has the handshakes.
#include "proxy/session_lookup.h"
#include "seam/cmocka_all.h"
#include "tls/ticket.h"
#include "tls_fixture.h"

#include <string.h>

enum {
	N_WORKERS = 3
};

static struct tls_fixture workers[N_WORKERS];
static struct arena arena;
static struct session_lookup *lookup;

static bool ask(uint32_t from, uint16_t owner, const uint8_t id[TLS_OWN_SESSION_ID_LEN], size_t id_len)
{
	struct tls_session_finder *finder = session_lookup_finder(lookup, from);
	struct tls_reference who = {.idx = 0, .generation = 7};
	struct tls_session_state state;
	bool found = true;
	bool at_once = finder->ask(finder, who, owner, span_of(id, id_len), &found, &state);

	assert_true(!at_once || !found); // what is known at once is that it is not there
	return !at_once;
}

static bool arena_contains(const uint8_t *bytes, size_t len)
{
	return memmem(arena.start, arena.used, bytes, len) != NULL;
}

static void test_workers_that_do_not_exist(void **state)
{
	const uint8_t id[TLS_OWN_SESSION_ID_LEN] = {1};

	(void)state;
	assert_false(ask(0, N_WORKERS, id, sizeof id));
	assert_false(ask(0, UINT16_MAX, id, sizeof id));
	assert_false(ask(0, 1, id, sizeof id - 1));
	assert_int_equal(session_lookup_serve(lookup, &workers[1].engine), 0);
}

static void test_so_many_may_be_out(void **state)
{
	const uint8_t id[TLS_OWN_SESSION_ID_LEN] = {2};
	uint32_t n_served = 0, n;

	(void)state;
	for (uint32_t i = 0; i < SESSION_LOOKUP_PLACES; i++)
		assert_true(ask(0, (uint16_t)(1 + i % 2), id, sizeof id));
	assert_false(ask(0, 1, id, sizeof id));
	assert_true(ask(1, 0, id, sizeof id)); // others have places of their own
	// Each turn so many, until all are answered; the handshakes that asked are gone.
	while ((n = session_lookup_serve(lookup, &workers[1].engine)) != 0) {
		assert_true(n <= SESSION_LOOKUP_BURST);
		n_served += n;
	}
	assert_int_equal(n_served, SESSION_LOOKUP_PLACES / 2);
	assert_null(session_lookup_next(lookup, &workers[0].engine));
	for (uint32_t i = 0; i < SESSION_LOOKUP_PLACES / 2; i++)
		assert_true(ask(0, 2, id, sizeof id));
	assert_false(ask(0, 1, id, sizeof id)); // worker 2 has not answered
	while (session_lookup_serve(lookup, &workers[2].engine) != 0)
		;
	assert_int_equal(session_lookup_serve(lookup, &workers[0].engine), 1);
	for (uint32_t i = 0; i < N_WORKERS; i++)
		assert_null(session_lookup_next(lookup, &workers[i].engine));
}

static void test_nothing_stays_of_a_session(void **state)
{
	const uint8_t id[TLS_OWN_SESSION_ID_LEN] = {3};
	struct tls_session_state session = {.created_s = workers[2].engine.wall_s,
		.lifetime_s = 60,
		.version = TLS_VERSION_12,
		.secret_len = 48};

	(void)state;
	memset(session.secret, 0x5e, sizeof session.secret);
	tls_session_table_put(&workers[2].engine.sessions, id, &session);
	assert_true(ask(0, 2, id, sizeof id));
	assert_int_equal(session_lookup_serve(lookup, &workers[2].engine), 1);
	assert_true(arena_contains(session.secret, 48)); // on its way
	assert_null(session_lookup_next(lookup, &workers[0].engine));
	assert_false(arena_contains(session.secret, 48));
}

static int set_up(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < N_WORKERS; i++)
		tls_fixture_init(&workers[i],
			&(struct tls_engine_settings){.n_handshakes = 4, .n_sessions = 8, .worker_idx = i});
	assert_true(arena_init(&arena, session_lookup_footprint(N_WORKERS)));
	lookup = session_lookup_init(&arena, N_WORKERS);
	assert_non_null(lookup);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N_WORKERS; i++)
		tls_fixture_destroy(&workers[i]);
	arena_destroy(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers_that_do_not_exist),
		cmocka_unit_test(test_so_many_may_be_out),
		cmocka_unit_test(test_nothing_stays_of_a_session),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
