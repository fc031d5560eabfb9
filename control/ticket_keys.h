// SPDX-License-Identifier: Apache-2.0
//
// The keys that session tickets are sealed with: three of them, made from the system's randomness, in secret
// memory, on no disk.
//
//   next  --rotate-->  current (seals)  --rotate-->  previous (still opens)  --rotate--> wiped
//
// Operators see a fingerprint (of name and key, one way) and the age; nobody sees more.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum ticket_key_role {
	TICKET_KEY_CURRENT,
	TICKET_KEY_NEXT,
	TICKET_KEY_PREVIOUS,
	N_TICKET_KEYS
};

enum {
	TICKET_KEY_NAME_LEN = 16,
	TICKET_KEY_LEN = 32,
	TICKET_FINGERPRINT_LEN = 8
};

// Tickets are sealed under random nonces, of which a key may see 2^32 (NIST SP 800-38D 8.3): its turn ends
// after half of them, however young it is.
#define TICKET_KEY_SEALS_MAX (UINT64_C(1) << 31)

struct ticket_key {
	uint8_t name[TICKET_KEY_NAME_LEN];
	uint8_t key[TICKET_KEY_LEN];
	int64_t made_s;    // since 1970
	int64_t in_role_s; // since when it has its role
	bool valid;
};

struct ticket_keys {
	struct ticket_key *keys; // N_TICKET_KEYS of them, in secret memory
	uint64_t n_rotations;
	uint64_t n_seals;         // that the current key has made, as far as is known
	uint64_t n_seals_counted; // of the running dataplane
	bool published;           // some dataplane has had them
};

// A current and a next key. False when the system has no randomness.
bool ticket_keys_init(struct ticket_keys *keys, int64_t now_s) __attribute__((warn_unused_result));

// Each key gets its next role; false, and nothing changed, when the system has no randomness.
bool ticket_keys_rotate(struct ticket_keys *keys, int64_t now_s) __attribute__((warn_unused_result));

// Takes over those of a running dataplane, which made tickets with them: a memfd of three records, copied and
// then overwritten with zeros; the descriptor stays the caller's. False: it is not that; nothing was changed.
bool ticket_keys_take(struct ticket_keys *keys, int fd) __attribute__((warn_unused_result));

// What the running dataplane has sealed since it started; less than before says that it is another one.
void ticket_keys_count(struct ticket_keys *keys, uint64_t n_seals);

// Seconds until the current key has been so for rotate_s; 0 when it is time, or when it is worn out.
int64_t ticket_keys_due_s(const struct ticket_keys *keys, int64_t now_s, int64_t rotate_s);

void ticket_key_fingerprint(const struct ticket_key *key, uint8_t out[static TICKET_FINGERPRINT_LEN]);

const char *ticket_key_role_name(enum ticket_key_role role);

void ticket_keys_destroy(struct ticket_keys *keys);
