// SPDX-License-Identifier: Apache-2.0
#include "proxy/admission.h"
#include "seam/cmocka_all.h"

#include <string.h>

static struct arena arena;
static struct admission admission;

#define SECOND UINT64_C(1000000)

static const uint64_t key[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

static void begin(uint32_t n_sources, struct admission_limits limits)
{
	arena_destroy(&arena);
	assert_true(arena_init(&arena, admission_footprint(n_sources)));
	assert_true(admission_init(&admission, &arena, n_sources, &limits, key));
}

static struct ip_addr v6(uint16_t subnet, uint16_t host)
{
	return (struct ip_addr){.bytes = {0x20, 1, 0xd, 0xb8, 0, 1, (uint8_t)(subnet >> 8),
					(uint8_t)subnet, [14] = (uint8_t)(host >> 8), [15] = (uint8_t)host}};
}

static struct ip_addr v4(uint32_t n)
{
	return ip_addr_v4_of(10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n);
}

static enum admission_verdict connect_from(struct ip_addr addr, struct admission_ticket *ticket)
{
	return admission_connect(&admission, &addr, 0, ticket);
}

static void connections_per_source(void **state)
{
	struct admission_ticket tickets[4];

	(void)state;
	begin(1000, (struct admission_limits){.source_connections = 2, .connections = 4});
	assert_int_equal(connect_from(v4(1), &tickets[0]), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(1), &tickets[1]), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(1), &tickets[2]), ADMISSION_SOURCE_CONNECTIONS);
	assert_int_equal(connect_from(v4(2), &tickets[2]), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(3), &tickets[3]), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(4), &tickets[3]), ADMISSION_GLOBAL_CONNECTIONS);
	admission_release(&admission, &tickets[0]);
	assert_int_equal(connect_from(v4(1), &tickets[0]), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(4), &tickets[3]), ADMISSION_GLOBAL_CONNECTIONS);
}

static void an_ipv6_source_is_a_64_and_a_48(void **state)
{
	struct admission_ticket ticket;

	(void)state;
	begin(1000, (struct admission_limits){.source_connections = 2, .prefix_factor = 3});
	assert_int_equal(connect_from(v6(1, 1), &ticket), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v6(1, 2), &ticket), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v6(1, 3), &ticket), ADMISSION_SOURCE_CONNECTIONS);
	for (uint16_t i = 2; i < 6; i++)
		assert_int_equal(connect_from(v6(i, 1), &ticket), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v6(9, 1), &ticket), ADMISSION_PREFIX_CONNECTIONS);
	assert_int_equal(admission.n_connections, 6);
	admission_release(&admission, &ticket); // of the last that was admitted
	assert_int_equal(connect_from(v6(9, 1), &ticket), ADMISSION_ADMITTED);
}

static void handshakes_per_source(void **state)
{
	struct admission_ticket one, two;

	(void)state;
	begin(1000,
		(struct admission_limits){.source_handshakes_per_second = 10, .source_handshakes_burst = 5});
	assert_int_equal(connect_from(v4(1), &one), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(2), &two), ADMISSION_ADMITTED);
	for (int i = 0; i < 5; i++)
		assert_int_equal(admission_handshake(&admission, &one, false, 0, SECOND), ADMISSION_ADMITTED);
	assert_int_equal(admission_handshake(&admission, &one, false, 0, SECOND), ADMISSION_SOURCE_RATE);
	assert_int_equal(
		admission_handshake(&admission, &one, true, 0, SECOND), ADMISSION_ADMITTED); // resumed
	assert_int_equal(admission_handshake(&admission, &two, false, 0, SECOND), ADMISSION_ADMITTED);
	assert_int_equal(
		admission_handshake(&admission, &one, false, 0, SECOND + 99999), ADMISSION_SOURCE_RATE);
	assert_int_equal(
		admission_handshake(&admission, &one, false, 0, SECOND + 100000), ADMISSION_ADMITTED);
	assert_int_equal(
		admission_handshake(&admission, &one, false, 0, SECOND + 100000), ADMISSION_SOURCE_RATE);
}

static void the_48_has_a_rate_too(void **state)
{
	struct admission_ticket ticket;
	uint32_t n = 0;

	(void)state;
	begin(1000, (struct admission_limits){.source_handshakes_per_second = 10,
			    .source_handshakes_burst = 5,
			    .prefix_factor = 4});
	for (uint16_t i = 0; i < 100; i++) {
		assert_int_equal(connect_from(v6(i, 1), &ticket), ADMISSION_ADMITTED);
		n += admission_handshake(&admission, &ticket, false, 0, SECOND) == ADMISSION_ADMITTED;
	}
	assert_int_equal(n, 20);
	assert_int_equal(admission_handshake(&admission, &ticket, false, 0, SECOND), ADMISSION_PREFIX_RATE);
}

// A flood from a few sources against many that ask now and then: these lose nothing.
static void a_flood_is_paid_by_its_sources(void **state)
{
	enum {
		N_GOOD = 200,
		N_BAD = 10
	};
	struct admission_ticket good[N_GOOD], bad[N_BAD];
	uint32_t n_good_refused = 0, n_bad = 0, n_all = 0;

	(void)state;
	begin(1000, (struct admission_limits){.handshakes_per_second = 500,
			    .handshakes_burst = 500,
			    .source_handshakes_per_second = 100,
			    .source_handshakes_burst = 100});
	for (uint32_t i = 0; i < N_GOOD; i++)
		assert_int_equal(connect_from(v4(i), &good[i]), ADMISSION_ADMITTED);
	for (uint32_t i = 0; i < N_BAD; i++)
		assert_int_equal(connect_from(v4(1000 + i), &bad[i]), ADMISSION_ADMITTED);
	for (uint64_t ms = 0; ms < 10000; ms++) {
		uint64_t now_us = SECOND + ms * 1000;

		for (uint32_t i = 0; i < N_BAD; i++) // 1,000 a second each
			n_bad += admission_handshake(&admission, &bad[i], false, 0, now_us) ==
				 ADMISSION_ADMITTED;
		if (ms % 5 == 0) { // 200 a second, one each
			n_all++;
			n_good_refused += admission_handshake(&admission, &good[ms / 5 % N_GOOD], false, 0,
						  now_us) != ADMISSION_ADMITTED;
		}
	}
	assert_int_equal(n_all, 2000);
	assert_in_range(n_good_refused, 0, n_all / 50);
	assert_in_range(n_bad, 2500, 3800); // what the good ones left of 500 a second, and the burst
}

static void resumptions_first_when_saturated(void **state)
{
	struct admission_ticket ticket;

	(void)state;
	begin(100, (struct admission_limits){.handshakes_pending = 10, .resumptions_pending = 20});
	assert_int_equal(connect_from(v4(1), &ticket), ADMISSION_ADMITTED);
	assert_int_equal(admission_handshake(&admission, &ticket, false, 9, 1), ADMISSION_ADMITTED);
	assert_int_equal(admission_handshake(&admission, &ticket, false, 10, 1), ADMISSION_SATURATED);
	assert_int_equal(admission_handshake(&admission, &ticket, true, 19, 1), ADMISSION_ADMITTED);
	assert_int_equal(admission_handshake(&admission, &ticket, true, 20, 1), ADMISSION_SATURATED);
}

static void the_table_is_bounded(void **state)
{
	struct admission_ticket tickets[ADMISSION_WAYS], ticket;
	uint32_t cursor = 0, n = 0;
	struct admission_info info;

	(void)state;
	// One bucket: entries with connections stay.
	begin(ADMISSION_WAYS, (struct admission_limits){.source_connections = 3,
				      .source_handshakes_per_second = 1,
				      .source_handshakes_burst = 1});
	for (uint32_t i = 0; i < ADMISSION_WAYS; i++)
		assert_int_equal(connect_from(v4(i), &tickets[i]), ADMISSION_ADMITTED);
	// Newcomers share one budget.
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(connect_from(v4(100 + i), &ticket), ADMISSION_ADMITTED);
	assert_int_equal(connect_from(v4(200), &ticket), ADMISSION_SOURCE_CONNECTIONS);
	assert_int_equal(admission.n_evictions, 0);
	// Who owes nothing goes first.
	assert_int_equal(admission_handshake(&admission, &tickets[0], false, 0, SECOND), ADMISSION_ADMITTED);
	admission_release(&admission, &tickets[0]);
	admission_release(&admission, &tickets[5]);
	assert_int_equal(connect_from(v4(300), &ticket), ADMISSION_ADMITTED);
	assert_int_equal(ticket.source_idx, tickets[5].source_idx);
	assert_int_equal(admission.n_evictions, 1);
	assert_int_equal(connect_from(v4(0), &ticket), ADMISSION_ADMITTED); // it came back and still owes
	assert_int_equal(admission_handshake(&admission, &ticket, false, 0, SECOND), ADMISSION_SOURCE_RATE);
	while (admission_next(&admission, SECOND, &cursor, &info)) {
		n++;
		assert_int_equal(info.prefix_len, 128);
		assert_true(ip_addr_is_v4(&info.prefix));
	}
	assert_int_equal(n, ADMISSION_WAYS);
}

static void many_sources_come_and_go(void **state)
{
	struct admission_ticket ticket;
	uint32_t n_refused = 0;

	(void)state;
	begin(1024, (struct admission_limits){.source_connections = 1});
	for (uint32_t i = 0; i < 100000; i++) {
		if (connect_from(i % 2 == 0 ? v4(i) : v6((uint16_t)i, (uint16_t)(i >> 16)), &ticket) ==
			ADMISSION_ADMITTED)
			admission_release(&admission, &ticket);
		else
			n_refused++;
	}
	assert_int_equal(n_refused, 0);
	assert_int_equal(admission.n_connections, 0);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(admission_verdict_name(ADMISSION_SOURCE_RATE), "source_rate");
	assert_string_equal(admission_verdict_name((enum admission_verdict)99), "unknown");
}

static void no_memory(void **state)
{
	struct arena small;
	struct admission other;
	struct admission_limits limits = {0};

	(void)state;
	assert_true(arena_init(&small, 4096));
	assert_false(admission_init(&other, &small, 1 << 20, &limits, key));
	arena_destroy(&small);
}

static void a_rate_by_itself(void **state)
{
	struct admission_rate rate = {0};
	uint32_t n = 0;

	(void)state;
	assert_true(admission_rate_affords(&rate, 0, 0)); // no limit
	admission_rate_pay(&rate, 0, 0);
	assert_int_equal(rate.full_us, 0);
	// A second's worth at once, then one each tenth of a second.
	for (; n < 100 && admission_rate_affords(&rate, 10, SECOND); n++)
		admission_rate_pay(&rate, 10, SECOND);
	assert_int_equal(n, 10);
	assert_false(admission_rate_affords(&rate, 10, SECOND + SECOND / 10 - 1));
	assert_true(admission_rate_affords(&rate, 10, SECOND + SECOND / 10));
	// A pause fills it and no more.
	for (n = 0; n < 100 && admission_rate_affords(&rate, 10, 100 * SECOND); n++)
		admission_rate_pay(&rate, 10, 100 * SECOND);
	assert_int_equal(n, 10);
	// Asking costs nothing.
	rate.full_us = 0;
	for (n = 0; n < 100; n++)
		assert_true(admission_rate_affords(&rate, 1, SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_per_source),
		cmocka_unit_test(a_rate_by_itself),
		cmocka_unit_test(an_ipv6_source_is_a_64_and_a_48),
		cmocka_unit_test(handshakes_per_source),
		cmocka_unit_test(the_48_has_a_rate_too),
		cmocka_unit_test(a_flood_is_paid_by_its_sources),
		cmocka_unit_test(resumptions_first_when_saturated),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(many_sources_come_and_go),
		cmocka_unit_test(names),
		cmocka_unit_test(no_memory),
	};
	int failed = cmocka_run_group_tests_name("proxy/admission", tests, NULL, NULL);

	arena_destroy(&arena);
	return failed;
}
