// SPDX-License-Identifier: Apache-2.0
//
// Private keys: immutable, loaded once and then used by every worker at the same time, in memory that the
// caller provides (locked, not dumped, not DPDK's) and of which this module keeps no list.
//
// Loading is for the main thread: OpenSSL parses and checks. What signing needs is laid out flat behind the
// head, so that a key is one piece of memory of a known size, wiped in one go:
//
//   struct private_key | numbers of its type (scalar and public point, or RSA's CRT parts ready for the
//   kernels)
//
// A key must outlive every signature in progress with it.
#pragma once

#include "crypto/scheme.h"
#include "crypto/select.h"

struct evp_pkey_st; // OpenSSL's EVP_PKEY

struct private_key;

enum key_verdict {
	KEY_OK,
	KEY_MALFORMED,   // not the DER of a private key
	KEY_UNSUPPORTED, // an algorithm, curve or size that is not ours
	KEY_INCONSISTENT // parts that do not belong together
};

// Bytes of memory that private_key_load wants for this key; 0 when it is unsupported.
size_t private_key_footprint(const struct evp_pkey_st *pkey);

// Lays the key out in memory (aligned to 64, at least the footprint), checks it and sets *out_key. The memory
// is wiped when the verdict is not KEY_OK. body is what the workers' lanes run with; for scalar ones
// the key keeps a reference to the EVP_PKEY.
enum key_verdict private_key_load(struct mut_span memory, struct evp_pkey_st *pkey, enum select_lanes body,
	const struct private_key **out_key) __attribute__((warn_unused_result));

// The same for a key on a curve whose public half the caller has just computed from the private one:
// comparing them would compute it again.
enum key_verdict private_key_load_derived(struct mut_span memory, struct evp_pkey_st *pkey,
	enum select_lanes body, const struct private_key **out_key) __attribute__((warn_unused_result));

// PKCS#8, or the traditional forms, unencrypted. Parses to an EVP_PKEY; the caller frees it with
// EVP_PKEY_free. NULL when malformed.
struct evp_pkey_st *private_key_parse_der(struct span der);

// Wipes the key's memory; it is the caller's again.
void private_key_destroy(const struct private_key *key);

enum key_type private_key_type(const struct private_key *key);

// 2048, 3072 or 4096 for RSA; 256 or 384 for the others.
unsigned private_key_bits(const struct private_key *key);

// Longest signature that the key makes.
size_t private_key_signature_max_len(const struct private_key *key);

// Whether the public key of a certificate (DER) is this key's. Takes about a microsecond; OpenSSL's parser,
// which compressed points and RSA-PSS need, a hundred times that.
bool private_key_matches_certificate(const struct private_key *key, struct span certificate);

// The digest with which a certificate (DER) was signed, as OpenSSL calls it in short: "SHA256"; "ED25519" and
// "ED448", which have none of their own. NULL: something else, or no certificate.
const char *certificate_signature_name(struct span certificate);

// A hash over secret and public parts, for random_mix. Writes 32 bytes.
void private_key_digest(const struct private_key *key, uint8_t out[32]);
