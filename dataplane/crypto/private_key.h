// SPDX-License-Identifier: Apache-2.0
//
// What is behind struct private_key (keys.h). Internal to crypto: lanes.c, scalar.c and sign.c compute with
// it.
#pragma once

#include "crypto/keys.h"
#include "crypto/mb/ecdsa.h"
#include "crypto/mb/ed25519.h"

struct private_key {
	uint8_t type;      // enum key_type
	uint16_t bits;     // 256, 384, 255, or of the modulus
	uint32_t footprint; // bytes, this struct included
	// The reference that scalar code signs with; NULL where kernels do.
	struct evp_pkey_st *pkey;
	// Hashed into the workers' generators instead of the key itself.
	uint8_t digest[32];
	union {
		struct mb_ecdsa_key ecdsa;
		struct mb_ed25519_key ed25519;
	};
	// RSA: the kernel's struct follows.
};
