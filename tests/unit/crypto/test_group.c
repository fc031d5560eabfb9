// SPDX-License-Identifier: Apache-2.0
#include "crypto/group.h"
#include "unit/crypto/crypto_fixture.h"

#include <openssl/rand.h>

// Runs until the exchange has no request out.
static enum key_exchange_status run(
	struct crypto_fixture *fixture, struct key_exchange *exchange, enum key_exchange_status status)
{
	while (status == KEY_EXCHANGE_WAIT) {
		struct lane_request *request;

		fixture_run_all(fixture);
		while ((request = lanes_pop_completed(fixture->crypto.lanes)) != NULL)
			assert_ptr_equal(request->owner, exchange);
		status = key_exchange_poll(exchange);
	}
	return status;
}

static enum key_exchange_status make_share(
	struct crypto_fixture *fixture, struct key_exchange *exchange, const struct group *group)
{
	key_exchange_init(exchange, exchange);
	return run(fixture, exchange, key_exchange_make_share(&fixture->crypto, exchange, group));
}

static enum key_exchange_status accept_share(struct crypto_fixture *fixture, struct key_exchange *exchange,
	const struct group *group, struct span share)
{
	key_exchange_init(exchange, exchange);
	return run(fixture, exchange, key_exchange_accept(&fixture->crypto, exchange, group, share));
}

static void test_both_sides_agree(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned idx = 0; idx < N_GROUPS; idx++) {
		const struct group *group = group_at(idx);

		for (unsigned round = 0; round < 3; round++) {
			struct key_exchange client, server;

			assert_int_equal(make_share(fixture, &client, group), KEY_EXCHANGE_DONE);
			assert_int_equal(client.share_len, group->client_share_len);
			assert_int_equal(accept_share(fixture, &server, group,
						 span_of(client.share, client.share_len)),
				KEY_EXCHANGE_DONE);
			assert_int_equal(server.share_len, group->server_share_len);
			assert_int_equal(run(fixture, &client,
						 key_exchange_finish(&fixture->crypto, &client,
							 span_of(server.share, server.share_len))),
				KEY_EXCHANGE_DONE);
			assert_memory_equal(client.secret, server.secret, group->secret_len);
			assert_memory_not_equal(client.share, server.share, group->client_share_len);
			key_exchange_destroy(&fixture->crypto, &client);
			key_exchange_destroy(&fixture->crypto, &server);
		}
	}
}

// One byte less, one more, none; a share of another group; points that are none.
static void test_bad_shares(void **state)
{
	struct crypto_fixture *fixture = *state;

	for (unsigned idx = 0; idx < N_GROUPS; idx++) {
		const struct group *group = group_at(idx);
		struct key_exchange client, server;
		uint8_t share[GROUP_SHARE_MAX_LEN + 1] = {0};
		static const size_t wrong_lens[] = {0, 1, 31, 33, 64, 66, 96, 98};

		assert_int_equal(make_share(fixture, &client, group), KEY_EXCHANGE_DONE);
		memcpy(share, client.share, client.share_len);
		for (unsigned i = 0; i < sizeof wrong_lens / sizeof wrong_lens[0]; i++) {
			assert_int_equal(accept_share(fixture, &server, group, span_of(share, wrong_lens[i])),
				KEY_EXCHANGE_BAD_SHARE);
			assert_int_equal(
				key_exchange_finish(&fixture->crypto, &client, span_of(share, wrong_lens[i])),
				KEY_EXCHANGE_BAD_SHARE);
			key_exchange_destroy(&fixture->crypto, &server);
		}
		memset(share, 0, sizeof share);
		assert_int_equal(
			accept_share(fixture, &server, group, span_of(share, group->client_share_len)),
			KEY_EXCHANGE_BAD_SHARE);
		key_exchange_destroy(&fixture->crypto, &server);
		assert_int_equal(run(fixture, &client,
					 key_exchange_finish(&fixture->crypto, &client,
						 span_of(share, group->server_share_len))),
			KEY_EXCHANGE_BAD_SHARE);
		key_exchange_destroy(&fixture->crypto, &client);
	}
}

// Given up at any point: nothing stays in the lanes, nothing in the object.
static void test_destroy(void **state)
{
	struct crypto_fixture *fixture = *state;
	static const struct key_exchange zero;

	for (unsigned idx = 0; idx < N_GROUPS; idx++) {
		const struct group *group = group_at(idx);
		struct key_exchange client, server;

		assert_int_equal(make_share(fixture, &client, group), KEY_EXCHANGE_DONE);
		key_exchange_init(&server, &server);
		assert_int_equal(key_exchange_accept(&fixture->crypto, &server, group,
					 span_of(client.share, client.share_len)),
			KEY_EXCHANGE_WAIT);
		key_exchange_destroy(&fixture->crypto, &server);
		assert_memory_equal(&server, &zero, sizeof zero);
		key_exchange_destroy(&fixture->crypto, &client);
		fixture_run_all(fixture);
		assert_null(lanes_pop_completed(fixture->crypto.lanes));
		key_exchange_destroy(&fixture->crypto, &client); // harmless
	}
}

static void test_table(void **state)
{
	(void)state;
	for (unsigned id = 0; id <= 0xffff; id++) {
		const struct group *group = group_find((uint16_t)id);

		assert_int_equal(group != NULL, id == 0x0017 || id == 0x0018 || id == 0x001d);
		if (group == NULL)
			continue;
		assert_true(group->client_share_len <= GROUP_SHARE_MAX_LEN);
		assert_true(group->server_share_len <= GROUP_SHARE_MAX_LEN);
		assert_true(group->secret_len <= GROUP_SECRET_MAX_LEN);
		assert_true(group->private_len <= GROUP_PRIVATE_MAX_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_sides_agree),
		cmocka_unit_test(test_bad_shares),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_table),
	};

	return fixture_run_tests(tests, sizeof tests / sizeof tests[0]);
}
