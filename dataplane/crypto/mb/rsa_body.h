// SPDX-License-Identifier: Apache-2.0
//
// The RSA functions that each body has and the kernel tables name; kernels.h says what they do.
#pragma once

#include "crypto/mb/rsa.h"
#include "crypto/mb/vec.h"

void MB_SYMBOL(rsa_sign_begin)(struct mb_rsa_job *memory, const struct mb_rsa_request requests[], unsigned n);
bool MB_SYMBOL(rsa_sign_step)(struct mb_rsa_job *memory, unsigned slice);
uint64_t MB_SYMBOL(rsa_sign_finish)(
	struct mb_rsa_job *memory, uint8_t *const out_signatures[], enum mb_rsa_verdict out_verdicts[]);
uint64_t MB_SYMBOL(rsa_verify)(struct mb_rsa_job *memory, enum mb_rsa_size size,
	const struct mb_rsa_check checks[], uint8_t *const out_messages[], unsigned n);
