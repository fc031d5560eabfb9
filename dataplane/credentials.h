// SPDX-License-Identifier: Apache-2.0
//
// Certificates and private keys, by the id that the control process gave them. The main thread's; workers
// only read the objects. They lie in memory of our own: locked, not dumped, not DPDK's.
//
//   keys arrive --> entry with a key --> its certificate arrives --> entry whole --> named by snapshots
//   (n_users)
//
// An entry that no snapshot uses any more, or that was there when a snapshot came which did not name it, is
// wiped. An object never changes; a new staple or a new key is a new certificate with a new id.
#pragma once

#include "base/arena.h"
#include "base/pool.h"
#include "base/span.h"
#include "crypto/select.h"
#include "ipc.h"
#include "tls/certificate.h"

enum {
	CREDENTIALS_MAX = 131072,
	CREDENTIALS_CHUNKS_MAX = 4096,
};

// Entries are laid out one after the other in chunks; a chunk is given back whole when its last entry is
// gone.
struct credentials_chunk {
	struct arena arena; // capacity 0: not in use
	uint32_t n_entries;
};

struct credential {
	uint32_t id;
	uint32_t next;    // of the same bucket
	uint32_t n_users; // snapshots
	uint16_t key_chunk;
	uint16_t certificate_chunk;
	bool nameless; // in no bucket
	const struct private_key *key;
	const struct tls_certificate *certificate; // NULL until it has arrived
};

struct credentials {
	enum select_lanes lanes;
	struct arena arena;
	struct pool entries;
	uint32_t *buckets;
	uint32_t n_chunks; // highest in use, plus one
	struct credentials_chunk chunks[CREDENTIALS_CHUNKS_MAX];
};

// False: no memory. `lanes` decides in which form keys are laid out (crypto/keys.h).
bool credentials_init(struct credentials *credentials, enum select_lanes lanes);
void credentials_destroy(struct credentials *credentials);

// Records of private keys, in memory that the caller wipes. False: `reason` says which is refused; those
// before it are taken, and the next sweep wipes them unless a snapshot names them.
bool credentials_add_keys(struct credentials *credentials, struct span records,
	char reason[static IPC_REASON_MAX]) __attribute__((warn_unused_result));

// Records of certificates, whose keys are there already. False: as above.
bool credentials_add_certificates(struct credentials *credentials, struct span records,
	char reason[static IPC_REASON_MAX]) __attribute__((warn_unused_result));

// The whole entry of an id, or NULL.
struct credential *credentials_find(struct credentials *credentials, uint32_t id);

// A new control process numbers its certificates afresh: what is there keeps serving the snapshots that use
// it, but is found no more, and the rest is wiped.
void credentials_forget_ids(struct credentials *credentials);

// A snapshot uses an entry; was refused after all; or is gone, and what nobody else uses is wiped.
void credentials_use(struct credential *credential);
void credentials_unuse(struct credential *credential);
void credentials_release(struct credentials *credentials, struct credential *credential);

// After a snapshot has been taken: wipes what no snapshot names.
void credentials_sweep(struct credentials *credentials);
