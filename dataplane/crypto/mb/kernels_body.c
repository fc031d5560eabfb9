// SPDX-License-Identifier: Apache-2.0
#include "crypto/mb/body.h"
#include "crypto/mb/rsa_body.h"

const struct mb_kernels MB_SYMBOL(mb_kernels) = {
	.name = MB_BODY_IFMA ? "ifma" : "plain",
	.x25519_keygen = MB_SYMBOL(x25519_keygen),
	.x25519_shared = MB_SYMBOL(x25519_shared),
	.p256_keygen = MB_SYMBOL(p256_keygen),
	.p256_ecdh = MB_SYMBOL(p256_ecdh),
	.p256_ecdsa_prepare = MB_SYMBOL(p256_ecdsa_prepare),
	.p256_ecdsa_verify = MB_SYMBOL(p256_ecdsa_verify),
	.p384_keygen = MB_SYMBOL(p384_keygen),
	.p384_ecdsa_prepare = MB_SYMBOL(p384_ecdsa_prepare),
	.p384_ecdh_begin = MB_SYMBOL(p384_ecdh_begin),
	.p384_ecdh_finish = MB_SYMBOL(p384_ecdh_finish),
	.p384_verify_begin = MB_SYMBOL(p384_verify_begin),
	.p384_verify_finish = MB_SYMBOL(p384_verify_finish),
	.p384_step = MB_SYMBOL(p384_step),
	.ed25519_public = MB_SYMBOL(ed25519_public),
	.ed25519_sign = MB_SYMBOL(ed25519_sign),
	.rsa_sign_begin = MB_SYMBOL(rsa_sign_begin),
	.rsa_sign_step = MB_SYMBOL(rsa_sign_step),
	.rsa_sign_finish = MB_SYMBOL(rsa_sign_finish),
	.rsa_verify = MB_SYMBOL(rsa_verify),
};
