// SPDX-License-Identifier: Apache-2.0
#include "ticket_keys.h"

#include "base/wipe.h"
#include "secret.h"
#include "snapshot.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

static bool make_key(struct ticket_key *out_key, int64_t now_s)
{
	struct ticket_key key = {.made_s = now_s, .in_role_s = now_s, .valid = true};
	const bool made = getrandom(key.name, sizeof key.name, 0) == (ssize_t)sizeof key.name &&
			  getrandom(key.key, sizeof key.key, 0) == (ssize_t)sizeof key.key;

	if (made)
		*out_key = key;
	wipe(&key, sizeof key);
	return made;
}

bool ticket_keys_init(struct ticket_keys *keys, int64_t now_s)
{
	*keys = (struct ticket_keys){.keys = secret_alloc(N_TICKET_KEYS * sizeof(struct ticket_key))};
	return make_key(&keys->keys[TICKET_KEY_CURRENT], now_s) &&
	       make_key(&keys->keys[TICKET_KEY_NEXT], now_s);
}

bool ticket_keys_rotate(struct ticket_keys *keys, int64_t now_s)
{
	struct ticket_key *key = keys->keys;
	struct ticket_key *made = secret_alloc(sizeof *made);
	const bool well = make_key(made, now_s);

	if (well) {
		key[TICKET_KEY_PREVIOUS] = key[TICKET_KEY_CURRENT];
		key[TICKET_KEY_CURRENT] = key[TICKET_KEY_NEXT];
		key[TICKET_KEY_NEXT] = *made;
		key[TICKET_KEY_PREVIOUS].in_role_s = key[TICKET_KEY_CURRENT].in_role_s = now_s;
		keys->n_rotations++;
		keys->n_seals = 0;
	}
	secret_free(made);
	return well;
}

struct key_record {
	struct ipc_record_header header;
	struct snapshot_ticket_key key;
};

static bool read_records(const struct key_record *records, struct ticket_key *out_keys)
{
	unsigned seen = 0;

	for (int i = 0; i < N_TICKET_KEYS; i++) {
		const struct snapshot_ticket_key *key = &records[i].key;

		if (records[i].header.type != SNAPSHOT_TICKET_KEY || records[i].header.len != sizeof *key ||
			key->role >= N_TICKET_KEYS || key->valid > 1 ||
			(key->role != TICKET_KEY_PREVIOUS && !key->valid))
			return false;
		seen |= 1u << key->role;
		out_keys[key->role] = (struct ticket_key){
			.made_s = key->made_s, .in_role_s = key->in_role_s, .valid = key->valid != 0};
		memcpy(out_keys[key->role].name, key->name, TICKET_KEY_NAME_LEN);
		memcpy(out_keys[key->role].key, key->key, TICKET_KEY_LEN);
	}
	return seen == (1u << N_TICKET_KEYS) - 1;
}

bool ticket_keys_take(struct ticket_keys *keys, int fd)
{
	const size_t len = N_TICKET_KEYS * sizeof(struct key_record);
	struct key_record *records = secret_alloc(len);
	struct ticket_key *taken = secret_alloc(N_TICKET_KEYS * sizeof *taken);
	struct stat status;
	void *shared = MAP_FAILED;
	bool well;

	if (fstat(fd, &status) == 0 && (size_t)status.st_size == len &&
		(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) != 0)
		shared = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared != MAP_FAILED) {
		memcpy(records, shared, len);
		wipe(shared, len);
		(void)munmap(shared, len);
	}
	well = shared != MAP_FAILED && read_records(records, taken);
	if (well)
		memcpy(keys->keys, taken, N_TICKET_KEYS * sizeof *taken);
	secret_free(records);
	secret_free(taken);
	return well;
}

void ticket_keys_count(struct ticket_keys *keys, uint64_t n_seals)
{
	keys->n_seals += n_seals < keys->n_seals_counted ? n_seals : n_seals - keys->n_seals_counted;
	keys->n_seals_counted = n_seals;
}

int64_t ticket_keys_due_s(const struct ticket_keys *keys, int64_t now_s, int64_t rotate_s)
{
	const int64_t age_s = now_s - keys->keys[TICKET_KEY_CURRENT].in_role_s;

	if (keys->n_seals >= TICKET_KEY_SEALS_MAX)
		return 0;
	// A clock that went back makes the age negative: then it starts anew, rather than wait for the old
	// time.
	return age_s < 0 ? rotate_s : age_s >= rotate_s ? 0 : rotate_s - age_s;
}

void ticket_key_fingerprint(const struct ticket_key *key, uint8_t out[static TICKET_FINGERPRINT_LEN])
{
	static const char purpose[] = "sluice ticket key fingerprint";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint8_t input[sizeof purpose + TICKET_KEY_NAME_LEN + TICKET_KEY_LEN];

	memcpy(input, purpose, sizeof purpose);
	memcpy(input + sizeof purpose, key->name, TICKET_KEY_NAME_LEN);
	memcpy(input + sizeof purpose + TICKET_KEY_NAME_LEN, key->key, TICKET_KEY_LEN);
	(void)SHA256(input, sizeof input, digest);
	memcpy(out, digest, TICKET_FINGERPRINT_LEN);
	wipe(input, sizeof input);
	wipe(digest, sizeof digest);
}

const char *ticket_key_role_name(enum ticket_key_role role)
{
	return role == TICKET_KEY_CURRENT ? "current" : role == TICKET_KEY_NEXT ? "next" : "previous";
}

void ticket_keys_destroy(struct ticket_keys *keys)
{
	secret_free(keys->keys);
	keys->keys = NULL;
}
