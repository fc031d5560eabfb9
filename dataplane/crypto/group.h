// SPDX-License-Identifier: Apache-2.0
//
// Key agreement as TLS sees it (RFC 8446 4.2.8, 7.4): groups have the shape of a KEM, in which the client
// makes a share, and the server, given it, makes its share and the secret at once. Lengths differ per
// direction and may exceed a kilobyte; a hybrid group is one more row of the table in group.c.
//
//   client                                     server
//   key_exchange_make_share  -- share -->      key_exchange_accept
//   key_exchange_finish      <-- share --      (share and secret)
//   (secret)
//
// A key_exchange holds all that it works on, nothing is borrowed. Each step either is done at once or waits
// for lanes (one wait may stand for several lane jobs): when a request that it owns is popped from the
// scheduler, ask key_exchange_poll. Private keys are ephemeral and used for one exchange; there is no other
// kind.
#pragma once

#include "crypto/ephemeral.h"
#include "crypto/group_limits.h"
#include "crypto/lanes.h"

struct crypto;

struct group {
	uint16_t id; // enum group_id
	uint16_t client_share_len;
	uint16_t server_share_len;
	uint16_t private_len;
	uint16_t secret_len;
	uint8_t secret_op;  // enum lane_op that makes the secret
	uint8_t ready_kind; // enum ephemeral_kind of the pool that key and share come from;
			    // N_EPHEMERAL_KINDS: none
	uint8_t public_op;  // where there is no pool: enum lane_op that makes the share
	const char *name;
};

// NULL for a group that is not ours.
const struct group *group_find(uint16_t id);

// All groups, for lists: idx < N_GROUPS.
const struct group *group_at(unsigned idx);

enum key_exchange_status {
	KEY_EXCHANGE_DONE,
	KEY_EXCHANGE_WAIT,
	KEY_EXCHANGE_BAD_SHARE, // the peer's: wrong length, not on the curve, all-zero secret:
				// illegal_parameter
	KEY_EXCHANGE_FAULT      // ours
};

struct key_exchange {
	const struct group *group; // NULL before the first step
	struct lane_request requests[GROUP_JOBS_MAX];
	uint8_t private_key[GROUP_PRIVATE_MAX_LEN];
	uint8_t secret[GROUP_SECRET_MAX_LEN]; // group->secret_len bytes once done
	uint8_t peer_share[GROUP_SHARE_MAX_LEN];
	uint8_t share[GROUP_SHARE_MAX_LEN]; // share_len bytes once done
	uint16_t share_len;
};

// The owner is what a popped lane_request's owner will be.
void key_exchange_init(struct key_exchange *exchange, void *owner);

// Client: draws a key and makes the share.
enum key_exchange_status key_exchange_make_share(
	struct crypto *crypto, struct key_exchange *exchange, const struct group *group);

// Client: the server's share arrived (copied). The secret is there when done.
enum key_exchange_status key_exchange_finish(
	struct crypto *crypto, struct key_exchange *exchange, struct span server_share);

// Server: the client's share arrived (copied). Share and secret are there when done.
enum key_exchange_status key_exchange_accept(struct crypto *crypto, struct key_exchange *exchange,
	const struct group *group, struct span client_share);

// After a lane request was popped: WAIT while another is still out.
enum key_exchange_status key_exchange_poll(struct key_exchange *exchange);

// Cancels what waits and wipes everything; the exchange may be used again after key_exchange_init.
void key_exchange_destroy(struct crypto *crypto, struct key_exchange *exchange);
