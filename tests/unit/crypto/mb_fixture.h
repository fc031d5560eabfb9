// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the elliptic-curve kernels share: both bodies, operands in rows, one interface to both
// NIST curves, and the reference, which is OpenSSL one operation at a time.
#pragma once

#include "crypto/mb/kernels.h"

enum {
	ROW_LEN = 104,
	POINT_LEN_MAX = MB_P384_POINT_LEN
};

// The bodies that can run here: plain always, IFMA where the CPU has it.
unsigned mb_bodies(const struct mb_kernels *out_bodies[2]);

// A stream of numbers that depends on the seed alone (splitmix64).
struct stream {
	uint64_t state;
};

uint64_t stream_next(struct stream *stream);
void stream_bytes(struct stream *stream, uint8_t *out, size_t len);

// The random rounds of a differential test. Without arguments a few, the same each time, with every body.
// With the arguments `ROUNDS SEED` the test named test_random runs alone, on operands of that seed, with the
// plain body (a tenth as fast) in one round of sixteen.
struct random_rounds {
	unsigned n;
	uint64_t seed;
	bool long_form;
};

void random_rounds_parse(struct random_rounds *rounds, int argc, char **argv);
bool random_round_has(const struct random_rounds *rounds, unsigned round, const struct mb_kernels *body);

// What main returns: the status that cmocka gave; says how many answers of the reference were compared.
int random_rounds_end(int status);

// MB_REQUESTS_MAX operands and pointers to them.
struct rows {
	uint8_t bytes[MB_REQUESTS_MAX][ROW_LEN];
	uint8_t *out[MB_REQUESTS_MAX];
	const uint8_t *in[MB_REQUESTS_MAX];
};

void rows_init(struct rows *rows, uint8_t fill);
bool row_is_zero(const struct rows *rows, unsigned i, size_t len);

// The operations of a NIST curve by its kernels; P-384's jobs are begun, stepped and finished. n <=
// nist_limit.
unsigned nist_limit(enum mb_curve curve);
size_t nist_point_len(enum mb_curve curve);
uint64_t nist_keygen(const struct mb_kernels *kernels, enum mb_curve curve, struct rows *out_points,
	const struct rows *scalars, unsigned n);
uint64_t nist_ecdh(const struct mb_kernels *kernels, enum mb_curve curve, struct rows *out_secrets,
	const struct rows *scalars, const struct rows *peers, unsigned n);
uint64_t nist_prepare(const struct mb_kernels *kernels, enum mb_curve curve,
	struct mb_ecdsa_nonce out_nonces[], const struct rows *scalars, unsigned n);
uint64_t nist_verify(const struct mb_kernels *kernels, enum mb_curve curve,
	const struct mb_ecdsa_check checks[], unsigned n);

// OpenSSL's answers. A point of NULL is the base point. False for an invalid scalar or point, with out
// zeroed.
bool reference_multiple(enum mb_curve curve, uint8_t *out_point, const uint8_t *scalar, const uint8_t *point);
bool reference_ecdh(enum mb_curve curve, uint8_t *out_x, const uint8_t *scalar, const uint8_t *point);
bool reference_verify(enum mb_curve curve, const struct mb_ecdsa_check *check);
void reference_x25519_public(uint8_t out[32], const uint8_t private_key[32]);
bool reference_x25519_shared(uint8_t out[32], const uint8_t private_key[32], const uint8_t peer[32]);
void reference_ed25519_sign(
	uint8_t out_signature[64], uint8_t out_public[32], const uint8_t seed[32], struct span message);

// Arithmetic modulo the order of a curve, big-endian strings of mb_curve_len bytes. One operand may be the
// output.
void order_minus(enum mb_curve curve, uint8_t *out, uint64_t small); // order - small
void order_plus(enum mb_curve curve, uint8_t *out, uint64_t small);  // order + small, not reduced
void order_multiply(enum mb_curve curve, uint8_t *out, const uint8_t *a, const uint8_t *b);
void order_invert(enum mb_curve curve, uint8_t *out, const uint8_t *a);
void order_negate(enum mb_curve curve, uint8_t *out, const uint8_t *a);
void order_shift(enum mb_curve curve, uint8_t *out, unsigned bits); // 2^bits mod order
void order_add(enum mb_curve curve, uint8_t *out, const uint8_t *a, const uint8_t *b);

// The coordinate a + p, if that fits mb_curve_len bytes.
bool field_plus_p(enum mb_curve curve, uint8_t *out, const uint8_t *a);
