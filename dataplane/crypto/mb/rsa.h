// SPDX-License-Identifier: Apache-2.0
//
// RSA, eight lanes at a time: what the kernels' callers hold and hand over.
//
//     struct mb_rsa_key        a private key with all that can be computed ahead; immutable, shared by
//     workers struct mb_rsa_blinding   a worker's blinding of one key; changes with each signature struct
//     mb_rsa_job        eight signatures under way, of eight keys of one size, for one worker
//
// The private operation is m^d mod n (RSASP1, RFC 8017 5.2.1) of a message that is padded already, see
// crypto/rsa_padding.h. One takes a millisecond for eight lanes, so it is cut into slices:
//
//     kernels->rsa_sign_begin(job, requests, n);
//     while (kernels->rsa_sign_step(job, MB_RSA_SLICE))
//             ...other work of the worker...
//     ok = kernels->rsa_sign_finish(job, signatures, verdicts);
//
// Faults. A signature leaves only after s^e mod n has been computed and found equal to the message, so
// neither a computing error nor a damaged key gives away a factor (Boneh, DeMillo, Lipton 1997).
//
// Blinding. A message is multiplied with r^e before, and the result with r^-1 after. Each lane has a pair
// (r^e, r^-1) of its own; it is squared for each use and drawn anew after MB_RSA_BLINDING_USES: a random
// 32-bit power of a random pair that comes with the key. So workers never share a pair, and no worker needs
// an inversion.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum mb_rsa_size {
	MB_RSA_2048,
	MB_RSA_3072,
	MB_RSA_4096,
};

#define MB_RSA_N_SIZES       3
#define MB_RSA_LEN_MAX       512
#define MB_RSA_EXPONENT_MAX  UINT32_MAX
#define MB_RSA_BLINDING_USES 256

// So many requests are signed in half the time of more.
#define MB_RSA_HALF 4

// Bytes of a modulus, a message and a signature.
#define MB_RSA_LEN(size) (256 + 128 * (size_t)(size))

// Digits of 52 bits in a prime; the modulus has twice as many.
#define MB_RSA_PRIME_DIGITS(size) (20 + 10 * (unsigned)(size))

// What a key, a blinding and a job take, so that their owners can size their pools.
#define MB_RSA_KEY_DIGITS(size) (15 * MB_RSA_PRIME_DIGITS(size))
#define MB_RSA_KEY_BYTES(size) \
	(offsetof(struct mb_rsa_key, digits) + (MB_RSA_KEY_DIGITS(size) + 7) / 8 * 8 * sizeof(uint64_t))
#define MB_RSA_BLINDING_BYTES(size) \
	(sizeof(struct mb_rsa_blinding) + 4 * MB_RSA_PRIME_DIGITS(size) * 8 * sizeof(uint64_t))
#define MB_RSA_JOB_WORDS 15488

// How much one call of rsa_sign_step does, in IFMA instructions: below 150 us on a core that runs one a cycle
// at 2.7 GHz. The unit is what is counted, not time: the same work on any machine.
#define MB_RSA_SLICE 350000

// The numbers of a private key, big-endian, leading zeros allowed (RFC 8017 3.2, second representation).
struct mb_rsa_parts {
	struct span n;
	struct span e;
	struct span p;
	struct span q;
	struct span dp;   // e^-1 mod (p - 1)
	struct span dq;   // e^-1 mod (q - 1)
	struct span qinv; // q^-1 mod p
};

// Of each number its digits, least significant first, in the order of enum mb_rsa_key_part.
struct mb_rsa_key {
	enum mb_rsa_size size;
	uint32_t e;
	uint64_t p_minus_inverse; // -p^-1 mod 2^52, and so on
	uint64_t q_minus_inverse;
	uint64_t n_minus_inverse;
	uint64_t digits[];
};

// Where a number starts among the key's digits, in units of MB_RSA_PRIME_DIGITS. R is 2^(52 digits).
enum mb_rsa_key_part {
	MB_RSA_P = 0,
	MB_RSA_Q = 1,
	MB_RSA_P_R2 = 2, // R^2 mod p
	MB_RSA_Q_R2 = 3,
	MB_RSA_QINV = 4,
	MB_RSA_DP = 5,
	MB_RSA_DQ = 6,
	MB_RSA_N = 7,
	MB_RSA_N_R2 = 9,
	MB_RSA_BLIND = 11,   // r^e R mod n
	MB_RSA_UNBLIND = 13, // r^-1 R mod n
};

// Why a key can't be used.
enum mb_rsa_key_verdict {
	MB_RSA_KEY_OK,
	MB_RSA_KEY_WRONG_SIZE,     // n is not of 2048, 3072 or 4096 bits, or p and q are not of half as many
	MB_RSA_KEY_WRONG_EXPONENT, // e is even, below 3 or above MB_RSA_EXPONENT_MAX
	MB_RSA_KEY_INCONSISTENT,   // p q != n, or dp, dq, qinv are not what they have to be
	MB_RSA_KEY_NO_MEMORY,      // in OpenSSL, or it has no randomness
};

// The size of a key from its modulus; false if it is none of the three.
__attribute__((warn_unused_result)) bool mb_rsa_size_of(struct span n, enum mb_rsa_size *out_size);

// Prepares a key. out_key has MB_RSA_KEY_BYTES of what mb_rsa_size_of says, and belongs to the caller, who
// wipes it in the end; it is zeroed when the verdict is not OK. Uses OpenSSL and its random generator and
// allocates: this is done where keys are loaded, not on a worker. p and q are not tested for being prime,
// OpenSSL's key check does that; a composite would show as a fault with the first signature.
__attribute__((warn_unused_result)) enum mb_rsa_key_verdict mb_rsa_key_set(
	struct mb_rsa_key *out_key, const struct mb_rsa_parts *parts);

// A blinding of one key for one worker, of MB_RSA_BLINDING_BYTES. All zero before the first use, wiped after
// the last by its owner. Only one job at a time may use it.
struct mb_rsa_blinding {
	_Alignas(64) uint16_t uses_left[8]; // of each lane's pair; 0: draw one
	uint64_t pairs[];                   // r^e, then r^-1: digits of eight lanes
};

struct mb_rsa_job {
	_Alignas(64) uint64_t words[MB_RSA_JOB_WORDS];
};

// All requests of one job have keys of one size. Key and message are copied by rsa_sign_begin; the blinding
// must stay until rsa_sign_finish.
struct mb_rsa_request {
	const struct mb_rsa_key *key;
	struct mb_rsa_blinding *blinding;
	const uint8_t *message;  // MB_RSA_LEN bytes, big-endian
	uint32_t blinding_power; // random and secret; used only when the lane's pair is drawn
};

enum mb_rsa_verdict {
	MB_RSA_OK,
	MB_RSA_OUT_OF_RANGE, // the message (or signature to verify) is not below the modulus
	MB_RSA_FAULT,        // the result did not verify; nothing of it leaves
};

// A signature to verify. n and signature have MB_RSA_LEN bytes; n is odd and has its highest bit set, e is
// odd and at least 3.
struct mb_rsa_check {
	const uint8_t *n;
	uint32_t e;
	const uint8_t *signature;
};
