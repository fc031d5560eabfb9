// SPDX-License-Identifier: Apache-2.0
#include "crypto/mb/kernels.h"
#include "crypto/mb/rsa_body.h"

const struct mb_kernels MB_SYMBOL(mb_kernels) = {
	.name = MB_BODY_IFMA ? "ifma" : "plain",
	.rsa_sign_begin = MB_SYMBOL(rsa_sign_begin),
	.rsa_sign_step = MB_SYMBOL(rsa_sign_step),
	.rsa_sign_finish = MB_SYMBOL(rsa_sign_finish),
	.rsa_verify = MB_SYMBOL(rsa_verify),
};
