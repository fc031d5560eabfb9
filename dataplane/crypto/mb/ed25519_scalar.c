// SPDX-License-Identifier: Apache-2.0
//
// SHA-512 is OpenSSL's low-level form: the EVP one allocates, and a worker must not.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/mb/ed25519_scalar.h"

#include <openssl/sha.h>

#include "base/wipe.h"
#include "crypto/mb/kernels.h"
#include "crypto/mb/scalar64.h"
#include "mb_tables.h"

#define LIMBS 4

static const uint64_t order[LIMBS] = ED25519_L_LIMBS;
static const uint64_t r2[LIMBS] = ED25519_L_R2_LIMBS; // 2^512 mod L
static const uint64_t r3[LIMBS] = ED25519_L_R3_LIMBS; // 2^768 mod L
static const uint64_t one[LIMBS] = {1};

static void multiply(uint64_t r[LIMBS], const uint64_t a[LIMBS], const uint64_t b[LIMBS])
{
	scalar64_mul(r, a, b, order, ED25519_L_N0_LIMB, LIMBS);
}

// A 512-bit number modulo L, in Montgomery form (times 2^256): low * 2^512 / 2^256 + high * 2^768 / 2^256.
// Any low and high below 2^256 will do, since the other factor is below L.
static void reduce_wide(uint64_t r[LIMBS], const uint64_t wide[2 * LIMBS])
{
	uint64_t low[LIMBS], high[LIMBS];

	multiply(low, wide, r2);
	multiply(high, wide + LIMBS, r3);
	scalar64_add(r, low, high, order, LIMBS);
	wipe(low, sizeof(low));
	wipe(high, sizeof(high));
}

// SHA-512(a, b, c) mod L in Montgomery form.
static void hash_to_scalar(uint64_t r[LIMBS], struct span a, struct span b, struct span c)
{
	uint64_t digest[2 * LIMBS];
	SHA512_CTX context;

	SHA512_Init(&context);
	SHA512_Update(&context, a.data, a.len);
	SHA512_Update(&context, b.data, b.len);
	SHA512_Update(&context, c.data, c.len);
	SHA512_Final((uint8_t *)digest, &context);
	reduce_wide(r, digest);
	wipe(digest, sizeof(digest));
	wipe(&context, sizeof(context));
}

void mb_ed25519_nonce(uint8_t out_nonce[32], const struct mb_ed25519_key *key, struct span message)
{
	uint64_t r[LIMBS];

	hash_to_scalar(r, span_of(key->prefix, sizeof(key->prefix)), message, span_of(NULL, 0));
	multiply(r, r, one);
	memcpy(out_nonce, r, sizeof(r));
	wipe(r, sizeof(r));
}

void mb_ed25519_respond(
	uint8_t signature[64], const struct mb_ed25519_key *key, const uint8_t nonce[32], struct span message)
{
	uint64_t challenge[LIMBS], s[LIMBS], r[LIMBS];

	hash_to_scalar(challenge, span_of(signature, 32), span_of(key->public_key, sizeof(key->public_key)),
		message);
	memcpy(s, key->scalar, sizeof(s));
	memcpy(r, nonce, sizeof(r));
	multiply(s, s, challenge); // the clamped s exceeds L, but s * challenge < L 2^256
	scalar64_add(s, s, r, order, LIMBS);
	memcpy(signature + 32, s, sizeof(s));
	wipe(s, sizeof(s));
	wipe(r, sizeof(r));
}

void mb_ed25519_key_set(
	struct mb_ed25519_key *out_key, const struct mb_kernels *kernels, const uint8_t seed[32])
{
	uint8_t digest[SHA512_DIGEST_LENGTH];
	SHA512_CTX context;

	SHA512_Init(&context);
	SHA512_Update(&context, seed, 32);
	SHA512_Final(digest, &context);
	digest[0] &= 0xf8;
	digest[31] = (digest[31] & 0x7f) | 0x40;
	memcpy(out_key->scalar, digest, 32);
	memcpy(out_key->prefix, digest + 32, 32);
	kernels->ed25519_public(out_key->public_key, out_key->scalar);
	wipe(digest, sizeof(digest));
	wipe(&context, sizeof(context));
}
