// SPDX-License-Identifier: Apache-2.0
//
// Private keys from their bare numbers, many at once: what comes over the control link. Where kernels sign,
// no object of OpenSSL's is made: an EVP_PKEY of a curve takes 80 us, and fifty thousand would take seconds.
// The public points of a burst are computed together, in the kernels' lanes.
//
// Other rules are those of keys.h: memory is the caller's, and only the main thread loads.
#pragma once

#include "crypto/keys.h"
#include "crypto/mb/rsa.h"

enum {
	KEY_NUMBERS_BURST = 32 // loaded with one call
};

// Big-endian, each as wide as its type demands; borrowed.
struct key_numbers {
	enum key_type type;      // any but KEY_RSA_PSS
	struct span scalar;      // ECDSA: 32 or 48 bytes; Ed25519: the seed, 32 bytes
	struct mb_rsa_parts rsa; // leading zeros are allowed, but not in the modulus
	struct span rsa_d;
};

struct key_numbers_load {
	struct key_numbers numbers;
	struct mut_span memory;        // aligned to 64, key_numbers_footprint bytes
	const struct private_key *key; // out; NULL: the numbers are out of range or do not belong together
};

// Bytes of memory that the key takes; 0: its numbers do not have the lengths of a type of ours.
size_t key_numbers_footprint(const struct key_numbers *numbers);

// Lays out 1 to KEY_NUMBERS_BURST keys. The memory of one that is not loaded is wiped. Public halves are
// computed, so that there is nothing to compare them with. body is what the workers' lanes run with.
void key_numbers_load_burst(struct key_numbers_load loads[], unsigned n, enum select_lanes body);
