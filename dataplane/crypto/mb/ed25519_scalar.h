// SPDX-License-Identifier: Apache-2.0
//
// The parts of an Ed25519 signature that are done one at a time: hashes and arithmetic modulo the group order
// L.
#pragma once

#include "base/span.h"
#include "crypto/mb/ed25519.h"

// r = SHA-512(prefix, message) mod L, little-endian (RFC 8032 5.1.6 step 2).
void mb_ed25519_nonce(uint8_t out_nonce[32], const struct mb_ed25519_key *key, struct span message);

// Given R in the first half of the signature, writes S = r + SHA-512(R, A, message) s mod L to the second
// (steps 4 to 6).
void mb_ed25519_respond(uint8_t signature[64], const struct mb_ed25519_key *key, const uint8_t nonce[32],
	struct span message);
