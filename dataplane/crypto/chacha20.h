// SPDX-License-Identifier: Apache-2.0
//
// The ChaCha20 block function (RFC 8439 2.3) as a generator of bytes. For records it is ipsec-mb that does
// ChaCha20; this one exists so that the generator depends on nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	CHACHA20_KEY_LEN = 32,
	CHACHA20_GROUP_LEN = 4 * 64 // four blocks are made at once
};

// Writes n_groups groups of key stream, with a nonce of zeros and the block counter from 0.
void chacha20_stream(const uint8_t key[CHACHA20_KEY_LEN], uint8_t *out, size_t n_groups);
