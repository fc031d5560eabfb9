// SPDX-License-Identifier: Apache-2.0
//
// The eight-lane public-key kernels, as one table of functions per body.
//
// mb_kernels_ifma runs on AVX-512 IFMA; mb_kernels_plain is the same source over plain C arrays, for
// valgrind, sanitizers and tests (it is far slower than scalar code, so a CPU without IFMA uses OpenSSL
// instead).
//
// Shapes. A kernel takes n requests, 1 <= n <= the operation's limit, as arrays of n pointers, one per
// request, each to the operand's fixed length; it works them off in groups of eight and shares one inversion
// among the groups, so for operations made ahead 32 at a time cost less apiece than 8. The result is a mask:
// bit i is set when request i succeeded. A request that fails has its output zeroed and leaves the others
// unharmed. Outputs may overlap their own request's inputs but no other's.
//
// Time and addresses depend on n and on which requests fail, never on a secret: scalars, shared secrets and
// nonces. (Verification has no secrets, but runs on the same code.)
//
// Everything is big-endian as in SEC 1 and FIPS 186-5, except X25519 and Ed25519, which are little-endian as
// in RFC 7748 and RFC 8032. Points of the NIST curves are uncompressed (4, x, y). None of this allocates. The
// elliptic-curve kernels use up to 80 KB of stack and wipe it before they return; registers are not wiped.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "crypto/mb/ecdsa.h"
#include "crypto/mb/rsa.h"

#define MB_LANES           8
#define MB_REQUESTS_MAX    64 // eight groups
#define MB_X25519_LEN      32
#define MB_P256_SCALAR_LEN 32
#define MB_P256_POINT_LEN  65
#define MB_P384_SCALAR_LEN 48
#define MB_P384_POINT_LEN  97
#define MB_ED25519_KEY_LEN 32
#define MB_ED25519_SIG_LEN 64

// A P-384 operation under way: eight lanes at most, owned by the caller, advanced by p384_step in slices of
// less than 150 us. It holds secrets until the finish function wipes it.
#define MB_P384_JOB_WORDS 4096
struct mb_p384_job {
	_Alignas(64) uint64_t words[MB_P384_JOB_WORDS];
};

// An expanded Ed25519 private key (RFC 8032 5.1.5): made once by mb_ed25519_key_set, see ed25519.h.
struct mb_ed25519_key;

struct mb_kernels {
	const char *name; // "ifma" or "plain"

	// X25519 (RFC 7748 5). Private keys are any 32 bytes; clamping is done inside. Keygen never fails. A
	// shared secret of all zeros (a peer of low order) fails, RFC 8446 7.4.2. Up to MB_REQUESTS_MAX.
	uint64_t (*x25519_keygen)(
		uint8_t *const out_public[], const uint8_t *const private_keys[], unsigned n);
	uint64_t (*x25519_shared)(uint8_t *const out_secrets[], const uint8_t *const private_keys[],
		const uint8_t *const peers[], unsigned n);

	// P-256 key generation: out = scalar * G. Fails unless 1 <= scalar < order. Up to MB_REQUESTS_MAX.
	uint64_t (*p256_keygen)(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n);

	// ECDH: the 32-byte x of scalar * peer. Fails for a scalar out of range and a peer that is not an
	// uncompressed point on the curve with coordinates below p (SP 800-56A 5.6.2.3.3). Up to
	// MB_REQUESTS_MAX.
	uint64_t (*p256_ecdh)(uint8_t *const out_secrets[], const uint8_t *const scalars[],
		const uint8_t *const peers[], unsigned n);

	// The half of an ECDSA signature that needs no message: from a nonce 1 <= k < order, (k^-1, r). Fails
	// for a k out of range, or r = 0. mb_ecdsa_complete does the rest. Up to MB_REQUESTS_MAX.
	uint64_t (*p256_ecdsa_prepare)(
		struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n);

	// ECDSA verification: digests brought to 32 bytes by mb_ecdsa_digest, r and s of 32 bytes. Fails for
	// a wrong signature, r or s out of range, and an invalid public point. Up to MB_REQUESTS_MAX.
	uint64_t (*p256_ecdsa_verify)(const struct mb_ecdsa_check checks[], unsigned n);

	// The same for P-384, n <= MB_LANES. Keygen and prepare are short enough to run in one call; ECDH and
	// verify are begun, stepped while p384_step returns true, and finished, which wipes the job. Inputs
	// are copied by begin; bad ones are remembered and reported by finish.
	uint64_t (*p384_keygen)(uint8_t *const out_points[], const uint8_t *const scalars[], unsigned n);
	uint64_t (*p384_ecdsa_prepare)(
		struct mb_ecdsa_nonce *const out_nonces[], const uint8_t *const nonces[], unsigned n);
	void (*p384_ecdh_begin)(struct mb_p384_job *job, const uint8_t *const scalars[],
		const uint8_t *const peers[], unsigned n);
	uint64_t (*p384_ecdh_finish)(struct mb_p384_job *job, uint8_t *const out_secrets[]);
	void (*p384_verify_begin)(struct mb_p384_job *job, const struct mb_ecdsa_check checks[], unsigned n);
	uint64_t (*p384_verify_finish)(struct mb_p384_job *job);
	bool (*p384_step)(struct mb_p384_job *job);

	// The Ed25519 public key of a clamped secret scalar; what mb_ed25519_key_set (ed25519.h) calls.
	void (*ed25519_public)(uint8_t out_public[MB_ED25519_KEY_LEN], const uint8_t scalar[32]);

	// Ed25519 signatures (RFC 8032 5.1.6), deterministic; never fails. Up to MB_REQUESTS_MAX.
	uint64_t (*ed25519_sign)(uint8_t *const out_signatures[], const struct mb_ed25519_key *const keys[],
		const struct span messages[], unsigned n);

	// RSA private operation, n <= MB_LANES, keys of one size: see rsa.h. rsa_sign_step does about `slice`
	// instructions' worth, at least one piece, and returns true while there is more to do. finish wipes
	// the job; its outputs have MB_RSA_LEN bytes each.
	void (*rsa_sign_begin)(struct mb_rsa_job *job, const struct mb_rsa_request requests[], unsigned n);
	bool (*rsa_sign_step)(struct mb_rsa_job *job, unsigned slice);
	uint64_t (*rsa_sign_finish)(
		struct mb_rsa_job *job, uint8_t *const out_signatures[], enum mb_rsa_verdict out_verdicts[]);

	// RSA public operation, s^e mod n, n <= MB_LANES, in one call; the job is working memory and is not
	// wiped. Fails for a signature not below the modulus and an unusable public key.
	uint64_t (*rsa_verify)(struct mb_rsa_job *job, enum mb_rsa_size size,
		const struct mb_rsa_check checks[], uint8_t *const out_messages[], unsigned n);
};

extern const struct mb_kernels mb_kernels_ifma;
extern const struct mb_kernels mb_kernels_plain;

// The kernels that this CPU and kernel can run at full speed: mb_kernels_ifma where CPUID has AVX-512 F, DQ,
// BW, VL and IFMA with BMI2 and the system saves the registers (XCR0), else NULL: use scalar code.
const struct mb_kernels *mb_kernels_select(void);
