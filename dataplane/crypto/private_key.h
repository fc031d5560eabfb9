// SPDX-License-Identifier: Apache-2.0
//
// What is behind struct private_key (keys.h). Internal to crypto: lanes and signing compute with it.
#pragma once

#include "crypto/keys.h"
#include "crypto/mb/ecdsa.h"
#include "crypto/mb/ed25519.h"
#include "crypto/mb/rsa.h"

struct private_key {
	uint8_t type;       // enum key_type
	uint8_t rsa_size;   // enum mb_rsa_size, of RSA keys
	uint16_t bits;      // 256, 384, or of the modulus
	uint32_t footprint; // bytes, this struct included
	uint64_t serial;    // never used for another key of this process
	// What scalar code signs with; NULL where kernels do.
	struct evp_pkey_st *pkey;
	uint8_t public_digest[32]; // public_key_digest
	// What the kernels sign with; RSA takes as many bytes more as its size needs.
	union {
		struct mb_ecdsa_key ecdsa;
		struct mb_ed25519_key ed25519;
		struct mb_rsa_key rsa;
	};
};

// For the next key that is loaded.
uint64_t private_key_next_serial(void);
