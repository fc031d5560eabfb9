// SPDX-License-Identifier: Apache-2.0
//
// Points, scalars and signatures for the elliptic-curve kernels: valid ones, changed by what the input says.
// All bodies and OpenSSL must agree on which are accepted and on the results.
//
// Input: one byte (operation and number of requests), then bytes that are xored onto the operands in turn, so
// that an empty input is valid and every byte of it spoils one.
#include "base/assert.h"
#include "base/reader.h"
#include "mb_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum operation {
	OPERATION_ECDH,
	OPERATION_KEYGEN,
	OPERATION_VERIFY,
	OPERATION_X25519,
	N_OPERATIONS
};

static void spoil(struct reader *reader, uint8_t *operand, size_t len)
{
	struct span change = reader_bytes(reader, reader_left(reader) < len ? reader_left(reader) : len);

	for (size_t i = 0; i < change.len; i++)
		operand[i] ^= change.data[i];
}

static void scalar_of(struct rows *rows, unsigned i, size_t len)
{
	struct stream stream = {i};

	stream_bytes(&stream, rows->bytes[i], len);
	rows->bytes[i][0] &= 0x7f;
}

static void fuzz_multiples(struct reader *reader, enum mb_curve curve, enum operation operation, unsigned n)
{
	size_t len = mb_curve_len(curve), point_len = nist_point_len(curve);
	const struct mb_kernels *bodies[2];
	struct rows scalars, peers, out;
	uint8_t expected[POINT_LEN_MAX];

	rows_init(&scalars, 0);
	rows_init(&peers, 0);
	for (unsigned i = 0; i < n; i++) {
		scalar_of(&scalars, i, len);
		SLUICE_ASSERT(reference_multiple(curve, peers.bytes[i], scalars.in[i], NULL));
		spoil(reader, scalars.bytes[i], len);
		spoil(reader, peers.bytes[i], point_len);
	}
	for (unsigned body = 0; body < mb_bodies(bodies); body++) {
		uint64_t done;

		rows_init(&out, 0xaa);
		done = operation == OPERATION_ECDH ? nist_ecdh(bodies[body], curve, &out, &scalars, &peers, n)
						   : nist_keygen(bodies[body], curve, &out, &scalars, n);
		for (unsigned i = 0; i < n; i++) {
			bool valid = operation == OPERATION_ECDH
					     ? reference_ecdh(curve, expected, scalars.in[i], peers.in[i])
					     : reference_multiple(curve, expected, scalars.in[i], NULL);

			SLUICE_ASSERT((done >> i & 1) == valid);
			SLUICE_ASSERT(memcmp(out.bytes[i], expected,
					      operation == OPERATION_ECDH ? len : point_len) == 0);
		}
	}
}

static void fuzz_verify(struct reader *reader, enum mb_curve curve, unsigned n)
{
	size_t len = mb_curve_len(curve);
	const struct mb_kernels *bodies[2];
	struct rows d, k, points, digests, r, s;
	struct mb_ecdsa_check checks[MB_REQUESTS_MAX];
	struct mb_ecdsa_nonce nonces[MB_REQUESTS_MAX];

	rows_init(&d, 0);
	rows_init(&k, 0);
	rows_init(&points, 0);
	rows_init(&digests, 7);
	rows_init(&r, 0);
	rows_init(&s, 0);
	for (unsigned i = 0; i < n; i++) {
		scalar_of(&d, i, len);
		scalar_of(&k, i + 8, len);
		memcpy(k.bytes[i], k.bytes[i + 8], len);
		SLUICE_ASSERT(reference_multiple(curve, points.bytes[i], d.in[i], NULL));
		checks[i] = (struct mb_ecdsa_check){digests.in[i], r.in[i], s.in[i], points.in[i]};
	}
	SLUICE_ASSERT(mb_bodies(bodies) >= 1);
	SLUICE_ASSERT(nist_prepare(&mb_kernels_plain, curve, nonces, &k, n) == UINT64_MAX >> (64 - n));
	for (unsigned i = 0; i < n; i++) {
		struct mb_ecdsa_key key;

		SLUICE_ASSERT(mb_ecdsa_key_set(&key, curve, d.in[i]));
		SLUICE_ASSERT(mb_ecdsa_complete(&key, &nonces[i], digests.in[i], r.bytes[i], s.bytes[i]));
		spoil(reader, digests.bytes[i], len);
		spoil(reader, r.bytes[i], len);
		spoil(reader, s.bytes[i], len);
		spoil(reader, points.bytes[i], nist_point_len(curve));
	}
	for (unsigned body = 0; body < mb_bodies(bodies); body++) {
		uint64_t done = nist_verify(bodies[body], curve, checks, n);

		for (unsigned i = 0; i < n; i++)
			SLUICE_ASSERT((done >> i & 1) ==
				      (points.bytes[i][0] == 4 && reference_verify(curve, &checks[i])));
	}
}

static void fuzz_x25519(struct reader *reader, unsigned n)
{
	const struct mb_kernels *bodies[2];
	struct rows keys, peers, out;
	uint8_t expected[32];

	rows_init(&keys, 0);
	rows_init(&peers, 0);
	for (unsigned i = 0; i < n; i++) {
		spoil(reader, keys.bytes[i], 32);
		spoil(reader, peers.bytes[i], 32);
	}
	for (unsigned body = 0; body < mb_bodies(bodies); body++) {
		uint64_t done;

		rows_init(&out, 0xaa);
		done = bodies[body]->x25519_shared(out.out, keys.in, peers.in, n);

		for (unsigned i = 0; i < n; i++) {
			SLUICE_ASSERT((done >> i & 1) ==
				      reference_x25519_shared(expected, keys.in[i], peers.in[i]));
			SLUICE_ASSERT(memcmp(out.bytes[i], expected, 32) == 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader reader = reader_over(span_of(data, len));
	uint8_t head = reader_u8(&reader);
	enum operation operation = (enum operation)(head % N_OPERATIONS);
	enum mb_curve curve = head / N_OPERATIONS % 2 == 0 ? MB_P256 : MB_P384;
	unsigned n = 1 + head / (2 * N_OPERATIONS) % 3;

	if (operation == OPERATION_VERIFY)
		fuzz_verify(&reader, curve, n);
	else if (operation == OPERATION_X25519)
		fuzz_x25519(&reader, n);
	else
		fuzz_multiples(&reader, curve, operation, n);
	return 0;
}
