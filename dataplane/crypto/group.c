// SPDX-License-Identifier: Apache-2.0
#include "crypto/group.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/crypto.h"

// In the order in which they are preferred where nothing else is configured.
static const struct group groups[N_GROUPS] = {
	{GROUP_X25519, 32, 32, 32, 32, LANE_X25519_SHARED, EPHEMERAL_X25519, N_LANE_OPS, "x25519"},
	{GROUP_SECP256R1, 65, 65, 32, 32, LANE_P256_ECDH, EPHEMERAL_P256, N_LANE_OPS, "secp256r1"},
	{GROUP_SECP384R1, 97, 97, 48, 48, LANE_P384_ECDH, N_EPHEMERAL_KINDS, LANE_P384_PUBLIC, "secp384r1"},
};

const struct group *group_find(uint16_t id)
{
	for (unsigned i = 0; i < N_GROUPS; i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

const struct group *group_at(unsigned idx)
{
	SLUICE_ASSERT(idx < N_GROUPS);
	return &groups[idx];
}

void key_exchange_init(struct key_exchange *exchange, void *owner)
{
	memset(exchange, 0, sizeof *exchange);
	for (unsigned i = 0; i < GROUP_JOBS_MAX; i++)
		lane_request_init(&exchange->requests[i], owner);
}

// A request in a place of its own per kind: the first makes the share, the second the secret.
static void submit(
	struct crypto *crypto, struct key_exchange *exchange, unsigned idx, enum lane_op op, uint8_t *output)
{
	struct lane_request *request = &exchange->requests[idx];

	request->op = (uint8_t)op;
	request->secret = exchange->private_key;
	request->input = exchange->peer_share;
	request->output = output;
	lanes_submit(crypto->lanes, request, crypto->now_tsc);
}

static void make_key(struct crypto *crypto, struct key_exchange *exchange, uint16_t share_len)
{
	const struct group *group = exchange->group;

	exchange->share_len = share_len;
	if (group->ready_kind < N_EPHEMERAL_KINDS) {
		ephemeral_pool_take(crypto->ephemeral[group->ready_kind], crypto->now_us,
			exchange->private_key, exchange->share);
		return;
	}
	random_bytes(&crypto->random, exchange->private_key, group->private_len);
	submit(crypto, exchange, 0, group->public_op, exchange->share);
}

enum key_exchange_status key_exchange_make_share(
	struct crypto *crypto, struct key_exchange *exchange, const struct group *group)
{
	SLUICE_ASSERT(exchange->group == NULL);
	exchange->group = group;
	make_key(crypto, exchange, group->client_share_len);
	return key_exchange_poll(exchange);
}

enum key_exchange_status key_exchange_finish(
	struct crypto *crypto, struct key_exchange *exchange, struct span server_share)
{
	SLUICE_ASSERT(exchange->group != NULL && key_exchange_poll(exchange) == KEY_EXCHANGE_DONE);
	if (server_share.len != exchange->group->server_share_len)
		return KEY_EXCHANGE_BAD_SHARE;
	memcpy(exchange->peer_share, server_share.data, server_share.len);
	submit(crypto, exchange, 1, exchange->group->secret_op, exchange->secret);
	return KEY_EXCHANGE_WAIT;
}

enum key_exchange_status key_exchange_accept(struct crypto *crypto, struct key_exchange *exchange,
	const struct group *group, struct span client_share)
{
	SLUICE_ASSERT(exchange->group == NULL);
	if (client_share.len != group->client_share_len)
		return KEY_EXCHANGE_BAD_SHARE;
	exchange->group = group;
	memcpy(exchange->peer_share, client_share.data, client_share.len);
	make_key(crypto, exchange, group->server_share_len);
	submit(crypto, exchange, 1, group->secret_op, exchange->secret);
	return KEY_EXCHANGE_WAIT;
}

enum key_exchange_status key_exchange_poll(struct key_exchange *exchange)
{
	bool bad_input = false, fault = false;

	for (unsigned i = 0; i < GROUP_JOBS_MAX; i++) {
		switch ((enum lane_status)exchange->requests[i].status) {
		case LANE_WAITING:
		case LANE_RUNNING:
			return KEY_EXCHANGE_WAIT;
		case LANE_BAD_INPUT:
			bad_input = true;
			break;
		case LANE_FAULT:
			fault = true;
			break;
		case LANE_IDLE:
		case LANE_OK:
			break;
		}
	}
	if (fault)
		return KEY_EXCHANGE_FAULT;
	return bad_input ? KEY_EXCHANGE_BAD_SHARE : KEY_EXCHANGE_DONE;
}

void key_exchange_destroy(struct crypto *crypto, struct key_exchange *exchange)
{
	for (unsigned i = 0; i < GROUP_JOBS_MAX; i++)
		lanes_cancel(crypto->lanes, &exchange->requests[i]);
	wipe(exchange, sizeof *exchange);
}
