// SPDX-License-Identifier: Apache-2.0
//
// HMAC (RFC 2104), HKDF (RFC 5869), the TLS 1.3 labels (RFC 8446 7.1) and the TLS 1.2 PRF (RFC 5246 5), over
// the hashes of hash.h, without allocation. What a function keeps on its stack is wiped before it returns.
//
// A keyed HMAC is two chaining values; a secret that is used several times is keyed once (hmac_key) and costs
// two compressions less each time. The burst form interleaves independent derivations, which is most of a key
// schedule: client and server secret, key and IV are independent of each other, and so are handshakes that
// wait together.
#pragma once

#include "crypto/hash.h"

// The state after the inner and the outer pad. Secret: wipe() when done.
struct hmac_key {
	union hash_words inner;
	union hash_words outer;
	uint8_t id; // enum hash_id
};

struct hmac_state {
	struct hash_state inner;
	union hash_words outer;
};

void hmac_key_init(struct hmac_key *key, enum hash_id id, struct span secret);

// Incremental. hmac_final writes hash_len bytes and wipes the state.
void hmac_init(struct hmac_state *state, const struct hmac_key *key);
void hmac_update(struct hmac_state *state, struct span bytes);
void hmac_final(struct hmac_state *state, uint8_t *out);

// One call over the concatenation of n_parts pieces; out may be one of the pieces.
void hmac_parts(const struct hmac_key *key, const struct span *parts, size_t n_parts, uint8_t *out);

// Keys and computes at once.
void hmac(enum hash_id id, struct span secret, struct span message, uint8_t *out);

// PRK = HMAC-Hash(salt, IKM). An empty salt or IKM stands for hash_len zeros only where the caller passes
// them: RFC 8446's "0" is hash_len zero bytes and is spelled out by kdf_zeros. Writes hash_len bytes; out may
// be salt or ikm.
void hkdf_extract(enum hash_id id, struct span salt, struct span ikm, uint8_t *out);

// out.len is at most 255 * hash_len (asserted). out overlaps nothing else.
void hkdf_expand(enum hash_id id, struct span prk, struct span info, struct mut_span out);

// HASH_MAX_LEN zero bytes; hash_len of them are RFC 8446's "0".
extern const uint8_t kdf_zeros[HASH_MAX_LEN];

// HKDF-Expand-Label(secret, label, context, out.len): label without its "tls13 " (at most 249 bytes), context
// at most 255 bytes, secret of hash_len bytes.
void kdf_expand_label(
	enum hash_id id, struct span secret, const char *label, struct span context, struct mut_span out);

// Derive-Secret with the transcript hash already taken: writes hash_len bytes.
void kdf_derive_secret(
	enum hash_id id, struct span secret, const char *label, struct span transcript_hash, uint8_t *out);

// One derivation of a burst.
struct kdf_label_job {
	struct span secret; // hash_len bytes
	const char *label;
	struct span context;
	struct mut_span out; // at most hash_len bytes
};

// n independent kdf_expand_label of one hash; no job's output may be another's input.
void kdf_expand_label_burst(enum hash_id id, const struct kdf_label_job *jobs, size_t n);

// P_hash(secret, label + seed_a + seed_b), as long as out: RFC 5246 5. The hash is SHA-256 or SHA-384.
void kdf_tls12_prf(enum hash_id id, struct span secret, const char *label, const struct span seeds[2],
	struct mut_span out);
