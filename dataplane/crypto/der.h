// SPDX-License-Identifier: Apache-2.0
//
// The one DER structure that signatures need: ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } (RFC 3279
// 2.2.3), strictly: shortest lengths, shortest integers, nothing negative, nothing left over.
#pragma once

#include "base/span.h"

enum {
	DER_ECDSA_MAX_LEN = 3 + 2 * (3 + 48) // P-384
};

// Encodes r and s of number_len bytes each (32 or 48), in network byte order. Returns the length written.
size_t der_encode_ecdsa(uint8_t out[DER_ECDSA_MAX_LEN], const uint8_t *r_and_s, size_t number_len);

// Decodes into r | s, number_len bytes each. False, with the output zeroed, for anything but the one encoding
// of two numbers that fit.
bool der_decode_ecdsa(uint8_t *out_r_and_s, size_t number_len, struct span signature)
	__attribute__((warn_unused_result));
