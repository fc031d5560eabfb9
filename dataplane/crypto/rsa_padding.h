// SPDX-License-Identifier: Apache-2.0
//
// What stands between a digest and the number that RSA signs: the encodings of RFC 8017, section 9.
//
//     EMSA-PKCS1-v1_5   00 01 | ff ff ... ff | 00 | DigestInfo (algorithm, digest)
//
//     EMSA-PSS          (00 00 ... 00 | 01 | salt) XOR MGF1(H)  |  H  |  bc
//                       H = Hash(eight zeros | digest | salt); the mask's hash is the message's
//
// An encoded message has as many bytes as the modulus, which must have all its bits (8 em_len of them): PSS'
// emBits is 8 em_len - 1. TLS wants a salt as long as the hash (RFC 8446 4.2.3). Nothing here allocates.
#pragma once

#include "crypto/hash.h"

// RSA-2048 to RSA-4096. Either encoding of any hash fits all of these.
enum {
	RSA_PADDING_MIN_LEN = 256,
	RSA_PADDING_MAX_LEN = 512
};

// Writes em_len bytes (RSA_PADDING_MIN_LEN to _MAX_LEN) for a digest of hash_len bytes.
void rsa_pkcs1_encode(enum hash_id hash, const uint8_t *digest, struct mut_span out_em);

// The same for PSS. The salt is random, secret until the signature leaves, and at most as long as the hash.
void rsa_pss_encode(enum hash_id hash, const uint8_t *digest, struct span salt, struct mut_span out_em);

// Whether em, which came out of the public operation, is the encoding of the digest. Any length may come; one
// that can't be right is false. All of the encoding is compared, so there is one for each digest and nothing
// to hide in (RFC 8017 8.2.2, note).
__attribute__((warn_unused_result)) bool rsa_pkcs1_verify(
	enum hash_id hash, const uint8_t *digest, struct span em);

// Whether em is an encoding of the digest with a salt of exactly salt_len bytes (RFC 8017 9.1.2).
__attribute__((warn_unused_result)) bool rsa_pss_verify(
	enum hash_id hash, const uint8_t *digest, size_t salt_len, struct span em);
