// SPDX-License-Identifier: Apache-2.0
//
// AES-128-GCM, AES-256-GCM (RFC 5116) and ChaCha20-Poly1305 (RFC 8439) for TLS records and small boxes, over
// ipsec-mb.
//
// A connection keeps one compact aead_key per direction. AES-GCM wants about 1 KB of tables per key: those
// sit in a cache of the worker, sized at start, found through a hint inside the key, evicted by a clock hand
// and wiped when evicted; a key whose tables are gone gets them again (about 330 cycles) when it is next
// used.
//
//   aead_key   key | iv | id | nonce form | slot hint | serial        56 bytes
//                                               v
//   aead_cache [ slot 0 | slot 1 | ... ]   slot = expanded tables; head = serial of their key, referenced
//
// Records go in bursts over many connections. A job's input and output are lists of pieces, so that a record
// may lie in received segments and be opened where it lies, or be sealed from several buffers into several
// transmit buffers.
//
// One cache belongs to one worker; keys made with it are used with it only.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/span.h"

enum aead_id {
	AEAD_AES_128_GCM,
	AEAD_AES_256_GCM,
	AEAD_CHACHA20_POLY1305,
	N_AEADS
};

enum {
	AEAD_TAG_LEN = 16,
	AEAD_NONCE_LEN = 12,
	AEAD_KEY_MAX_LEN = 32
};

enum aead_nonce_form {
	// iv (12 bytes) XOR the record's number, left-padded: RFC 8446 5.3, and TLS 1.2 with ChaCha20 (RFC
	// 7905).
	AEAD_NONCE_XOR,
	// iv (4 bytes, the salt) followed by the 8 explicit bytes that the record carries: RFC 5288.
	AEAD_NONCE_EXPLICIT
};

enum aead_status {
	AEAD_OK,
	AEAD_BAD_TAG // open only: also for an input that has no room for a tag
};

struct aead_key {
	uint8_t key[AEAD_KEY_MAX_LEN];
	uint8_t iv[AEAD_NONCE_LEN];
	uint8_t id;         // enum aead_id
	uint8_t nonce_form; // enum aead_nonce_form
	uint16_t slot_idx;  // where its tables were put last
	uint64_t serial;    // names this key in the cache; never 0, never used twice
};

struct aead_slot_head {
	uint64_t serial; // 0: the slot is empty
	bool referenced; // since the clock hand was here last
};

struct gcm_key_data; // ipsec-mb's expanded key
struct IMB_MGR;

struct aead_cache {
	struct IMB_MGR *mgr; // ipsec-mb's function table, in our arena
	struct aead_slot_head *heads;
	struct gcm_key_data *slots;
	uint32_t n_slots;
	uint32_t hand; // the clock's
	uint64_t last_serial;
	struct counters *counters; // NULL where nobody counts
};

struct aead_job {
	struct aead_key *key;
	// AEAD_NONCE_XOR: the record's sequence number. AEAD_NONCE_EXPLICIT: the explicit part as a number in
	// network order.
	uint64_t nonce;
	struct span aad;
	// seal: the plaintext. open: the ciphertext with its tag at the end (which may straddle pieces).
	const struct span *inputs;
	// seal: room for the ciphertext and its tag, input length + 16 in all. open: room for the plaintext,
	// input length - 16 in all (0 when the input is shorter than a tag). Longer is not allowed.
	const struct mut_span *outputs;
	uint16_t n_inputs;
	uint16_t n_outputs;
	uint8_t status; // enum aead_status, written by the burst
};

// 16 or 32 bytes.
static inline size_t aead_key_len(enum aead_id id)
{
	return id == AEAD_AES_128_GCM ? 16 : 32;
}

static inline size_t aead_iv_len(enum aead_nonce_form form)
{
	return form == AEAD_NONCE_XOR ? 12 : 4;
}

// Bytes of arena that a cache with so many slots takes.
size_t aead_cache_footprint(uint32_t n_slots);

// At start. n_slots is 1 to 65,535 (one per direction of a busy connection is plenty). False when the arena
// has no room.
bool aead_cache_init(
	struct aead_cache *cache, struct arena *arena, uint32_t n_slots, struct counters *counters);

// Wipes every slot: after a fork, at the end.
void aead_cache_wipe(struct aead_cache *cache);

// key.len and iv.len must be what id and form say (asserted). Nothing is expanded yet.
void aead_key_init(struct aead_cache *cache, struct aead_key *key, enum aead_id id, enum aead_nonce_form form,
	const struct span key_and_iv[2]);

// Wipes the key and its tables. Harmless on a zeroed key.
void aead_key_destroy(struct aead_cache *cache, struct aead_key *key);

// Seals n records. Always succeeds; status is AEAD_OK.
//
// Outputs of a job either overlap none of its inputs, or lie in place: output byte i at the address of input
// byte i, for every i. Jobs of a burst share no memory but keys.
void aead_seal_burst(struct aead_cache *cache, struct aead_job *jobs, size_t n);

// Opens n records, each by itself: where a tag is wrong, that job's outputs are zeroed (in place: the
// ciphertext is gone) and its status is AEAD_BAD_TAG; its neighbours are not affected. Nothing in the outputs
// may be used before the status was looked at. Returns how many failed. Overlap as for sealing.
size_t aead_open_burst(struct aead_cache *cache, struct aead_job *jobs, size_t n)
	__attribute__((warn_unused_result));

// Single boxes with a nonce of the caller's (tickets, session IDs). out.len is plaintext.len + 16; in place
// allowed. aad and plaintext as for bursts. The key's iv and nonce form are not used.
void aead_seal(struct aead_cache *cache, struct aead_key *key, const uint8_t nonce[AEAD_NONCE_LEN],
	const struct span aad_and_plaintext[2], struct mut_span out);

// out.len is box.len - 16, with box = aad_and_box[1].
enum aead_status aead_open(struct aead_cache *cache, struct aead_key *key,
	const uint8_t nonce[AEAD_NONCE_LEN], const struct span aad_and_box[2], struct mut_span out)
	__attribute__((warn_unused_result));
