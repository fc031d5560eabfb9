// SPDX-License-Identifier: Apache-2.0
//
// Ed25519 private keys for the eight-lane signing kernel.
#pragma once

#include <stdint.h>

// An expanded private key (RFC 8032 5.1.5), little-endian. All of it but public_key is secret.
struct mb_ed25519_key {
	uint8_t scalar[32];     // s, clamped
	uint8_t prefix[32];     // second half of the hash, from which nonces are made
	uint8_t public_key[32]; // A = s * B, encoded
};

struct mb_kernels;

// Expands the 32-byte seed; the public key is computed with the given kernels.
void mb_ed25519_key_set(
	struct mb_ed25519_key *out_key, const struct mb_kernels *kernels, const uint8_t seed[32]);
