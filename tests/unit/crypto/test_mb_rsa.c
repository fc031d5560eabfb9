// SPDX-License-Identifier: Apache-2.0
//
// The RSA kernels of both bodies against OpenSSL: eight keys at a time, bad lanes, faults, slices, blinding.
//
//     test_crypto_mb_rsa [batches]     random batches for each size and body (default 2)
#include <openssl/bn.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/mb/kernels.h"
#include "rsa_fixture.h"
#include "seam/cmocka_all.h"

#define N_LANES MB_LANES

static unsigned n_batches = 2;
static const struct mb_kernels *bodies[2];
static unsigned n_bodies;

// Eight keys of one size with their blindings, messages and results.
struct batch {
	enum mb_rsa_size size;
	size_t len;
	struct rsa_fixture *fixtures[N_LANES];
	struct mb_rsa_blinding *blindings[N_LANES];
	struct mb_rsa_request requests[N_LANES];
	struct mb_rsa_job *job;
	uint8_t messages[N_LANES][MB_RSA_LEN_MAX];
	uint8_t expected[N_LANES][MB_RSA_LEN_MAX];
	uint8_t memory[N_LANES][MB_RSA_LEN_MAX];
	uint8_t *signatures[N_LANES];
	enum mb_rsa_verdict verdicts[N_LANES];
};

static void expect(struct batch *batch, unsigned lane)
{
	rsa_fixture_private(batch->fixtures[lane], batch->messages[lane], batch->expected[lane]);
}

static struct batch *batch_new(enum mb_rsa_size size)
{
	static const uint32_t exponents[N_LANES] = {65537, 3, 65537, 17, 65537, 257, 0x80000001, 0xfffff001};
	struct batch *batch = calloc(1, sizeof(*batch));

	assert_non_null(batch);
	batch->size = size;
	batch->len = MB_RSA_LEN(size);
	batch->job = rsa_fixture_job_new();
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		batch->fixtures[lane] = rsa_fixture_new(size, lane, exponents[lane]);
		batch->blindings[lane] = rsa_fixture_blinding_new(size);
		batch->signatures[lane] = batch->memory[lane];
		batch->requests[lane] = (struct mb_rsa_request){.key = batch->fixtures[lane]->key,
			.blinding = batch->blindings[lane],
			.message = batch->messages[lane]};
		assert_int_equal(RAND_bytes((uint8_t *)&batch->requests[lane].blinding_power, 4), 1);
		rsa_fixture_message(batch->fixtures[lane], batch->messages[lane]);
		expect(batch, lane);
	}
	return batch;
}

static void batch_free(struct batch *batch)
{
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		rsa_fixture_free(batch->fixtures[lane]);
		free(batch->blindings[lane]);
	}
	free(batch->job);
	free(batch);
}

static uint64_t batch_run(const struct mb_kernels *kernels, struct batch *batch, unsigned n, unsigned slice)
{
	memset(batch->memory, 0xa5, sizeof(batch->memory));
	kernels->rsa_sign_begin(batch->job, batch->requests, n);
	while (kernels->rsa_sign_step(batch->job, slice)) {
	}
	return kernels->rsa_sign_finish(batch->job, batch->signatures, batch->verdicts);
}

// What is at the upper four places goes to the lower four and the other way round: at most four requests are
// computed in another way than more.
static void exchange_halves(struct batch *batch)
{
	for (unsigned low = 0; low < N_LANES / 2; low++) {
		unsigned high = low + N_LANES / 2;
		struct rsa_fixture *fixture = batch->fixtures[low];
		uint8_t message[MB_RSA_LEN_MAX];

		batch->fixtures[low] = batch->fixtures[high];
		batch->fixtures[high] = fixture;
		batch->requests[low].key = batch->fixtures[low]->key;
		batch->requests[high].key = batch->fixtures[high]->key;
		memcpy(message, batch->messages[low], batch->len);
		memcpy(batch->messages[low], batch->messages[high], batch->len);
		memcpy(batch->messages[high], message, batch->len);
		memset(batch->blindings[low], 0, MB_RSA_BLINDING_BYTES(batch->size));
		memset(batch->blindings[high], 0, MB_RSA_BLINDING_BYTES(batch->size));
		expect(batch, low);
		expect(batch, high);
	}
}

static bool all_bytes_are(const uint8_t *bytes, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

// The lanes below n are right but for the bad one, whose signature is zeros and whose verdict is given.
static void check_all_but(
	const struct batch *batch, uint64_t ok, unsigned n, unsigned bad, enum mb_rsa_verdict verdict)
{
	uint64_t expected_ok = (UINT64_C(1) << n) - 1;

	if (bad < n)
		expected_ok &= ~(UINT64_C(1) << bad);
	assert_int_equal(ok, expected_ok);
	for (unsigned lane = 0; lane < n; lane++) {
		if (lane == bad) {
			assert_int_equal(batch->verdicts[lane], verdict);
			assert_true(all_bytes_are(batch->signatures[lane], batch->len, 0));
			continue;
		}
		assert_int_equal(batch->verdicts[lane], MB_RSA_OK);
		assert_memory_equal(batch->signatures[lane], batch->expected[lane], batch->len);
	}
	for (unsigned lane = n; lane < N_LANES; lane++)
		assert_true(all_bytes_are(batch->memory[lane], sizeof(batch->memory[lane]), 0xa5));
}

static void check_all(const struct batch *batch, uint64_t ok, unsigned n)
{
	check_all_but(batch, ok, n, N_LANES, MB_RSA_OK);
}

static void signatures_are_openssls(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_bodies * MB_RSA_N_SIZES; i++) {
		struct batch *batch = batch_new(i % MB_RSA_N_SIZES);

		for (unsigned turn = 0; turn < n_batches; turn++) {
			for (unsigned lane = 0; lane < N_LANES; lane++) {
				rsa_fixture_message(batch->fixtures[lane], batch->messages[lane]);
				expect(batch, lane);
			}
			check_all(batch, batch_run(bodies[i / MB_RSA_N_SIZES], batch, 8, MB_RSA_SLICE), 8);
			check_all(batch, batch_run(bodies[i / MB_RSA_N_SIZES], batch, 4, MB_RSA_SLICE), 4);
			exchange_halves(batch);
		}
		batch_free(batch);
	}
}

static void fewer_lanes_work(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);

	(void)state;
	for (unsigned body = 0; body < n_bodies; body++) {
		for (unsigned n = 1; n <= N_LANES; n++)
			check_all(batch, batch_run(bodies[body], batch, n, MB_RSA_SLICE), n);
	}
	batch_free(batch);
}

static void one_key_and_blinding_in_all_lanes(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);

	(void)state;
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		batch->requests[lane].key = batch->fixtures[3]->key;
		batch->requests[lane].blinding = batch->blindings[3];
		rsa_fixture_message(batch->fixtures[3], batch->messages[lane]);
		rsa_fixture_private(batch->fixtures[3], batch->messages[lane], batch->expected[lane]);
	}
	for (unsigned body = 0; body < n_bodies; body++)
		check_all(batch, batch_run(bodies[body], batch, 8, MB_RSA_SLICE), 8);
	batch_free(batch);
}

// out = n + addend, of len bytes.
static void modulus_plus(const struct rsa_fixture *fixture, int addend, uint8_t *out)
{
	BIGNUM *number = BN_bin2bn(fixture->parts.n.data, (int)fixture->parts.n.len, NULL);

	assert_true(
		addend < 0 ? BN_sub_word(number, (BN_ULONG)-addend) : BN_add_word(number, (BN_ULONG)addend));
	assert_true(BN_bn2binpad(number, out, (int)fixture->len) == (int)fixture->len);
	BN_free(number);
}

static void extreme_messages(void **state)
{
	(void)state;
	for (unsigned size = 0; size < MB_RSA_N_SIZES; size++) {
		struct batch *batch = batch_new(size);

		for (unsigned lane = 0; lane < N_LANES; lane++)
			memset(batch->messages[lane], 0, batch->len);
		batch->messages[1][batch->len - 1] = 1;
		batch->messages[2][batch->len - 1] = 2;
		modulus_plus(batch->fixtures[3], -1, batch->messages[3]);
		modulus_plus(batch->fixtures[4], -2, batch->messages[4]);
		// Multiples of p and of q: a residue of zero.
		memcpy(batch->messages[5] + batch->len / 2, batch->fixtures[5]->parts.p.data, batch->len / 2);
		memcpy(batch->messages[6] + batch->len / 2, batch->fixtures[6]->parts.q.data, batch->len / 2);
		memset(batch->messages[7] + 1, 0xff, batch->len - 1);
		for (unsigned lane = 0; lane < N_LANES; lane++)
			expect(batch, lane);
		check_all(batch, batch_run(bodies[n_bodies - 1], batch, 8, MB_RSA_SLICE), 8);
		check_all(batch, batch_run(bodies[n_bodies - 1], batch, 4, MB_RSA_SLICE), 4);
		exchange_halves(batch);
		check_all(batch, batch_run(bodies[n_bodies - 1], batch, 4, MB_RSA_SLICE), 4);
		batch_free(batch);
	}
}

static void out_of_range_is_refused_in_each_lane(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);

	(void)state;
	for (unsigned i = 0; i < n_bodies * N_LANES; i++) {
		unsigned bad = i % N_LANES;
		uint8_t kept[MB_RSA_LEN_MAX];
		uint64_t ok;

		memcpy(kept, batch->messages[bad], batch->len);
		if (bad % 3 == 0)
			memset(batch->messages[bad], 0xff, batch->len);
		else
			modulus_plus(batch->fixtures[bad], (int)(bad % 3) - 1, batch->messages[bad]);
		ok = batch_run(bodies[i / N_LANES], batch, 8, MB_RSA_SLICE);
		check_all_but(batch, ok, 8, bad, MB_RSA_OUT_OF_RANGE);
		if (i / N_LANES == n_bodies - 1) {
			ok = batch_run(bodies[i / N_LANES], batch, 4, MB_RSA_SLICE);
			check_all_but(batch, ok, 4, bad, MB_RSA_OUT_OF_RANGE);
		}
		memcpy(batch->messages[bad], kept, batch->len);
	}
	batch_free(batch);
}

// A key or blinding with one bit wrong gives no signature, in whatever lane, and the blinding is given up.
static void check_fault(
	const struct mb_kernels *kernels, struct batch *batch, unsigned n, unsigned lane, uint64_t *damaged)
{
	uint64_t ok;

	*damaged ^= UINT64_C(1) << (lane * 5 + 1);
	ok = batch_run(kernels, batch, n, MB_RSA_SLICE);
	check_all_but(batch, ok, n, lane, MB_RSA_FAULT);
	assert_int_equal(batch->blindings[lane]->uses_left[lane], 0);
	*damaged ^= UINT64_C(1) << (lane * 5 + 1);
}

static void damaged_keys_give_nothing(void **state)
{
	static const enum mb_rsa_key_part parts[N_LANES] = {MB_RSA_DP, MB_RSA_DQ, MB_RSA_P, MB_RSA_Q,
		MB_RSA_QINV, MB_RSA_P_R2, MB_RSA_UNBLIND, MB_RSA_DP};
	struct batch *batch = batch_new(MB_RSA_2048);
	unsigned n_prime = MB_RSA_PRIME_DIGITS(batch->size);

	(void)state;
	for (unsigned i = 0; i < n_bodies * N_LANES; i++) {
		unsigned lane = i % N_LANES;
		uint64_t *digits = batch->fixtures[lane]->key->digits + parts[lane] * n_prime;

		// Drawing the blinding uses MB_RSA_UNBLIND.
		batch->blindings[lane]->uses_left[lane] = 0;
		check_fault(bodies[i / N_LANES], batch, 8, lane, &digits[lane + 2]);
		check_all(batch, batch_run(bodies[i / N_LANES], batch, 8, MB_RSA_SLICE), 8);
		if (i / N_LANES != n_bodies - 1)
			continue;
		// Each part in one of the lower places.
		digits = batch->fixtures[lane % 4]->key->digits + parts[lane] * n_prime;
		batch->blindings[lane % 4]->uses_left[lane % 4] = 0;
		check_fault(bodies[i / N_LANES], batch, 4, lane % 4, &digits[lane + 2]);
		check_all(batch, batch_run(bodies[i / N_LANES], batch, 4, MB_RSA_SLICE), 4);
	}
	batch_free(batch);
}

static void damaged_blindings_give_nothing(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);
	const struct mb_kernels *kernels = bodies[n_bodies - 1];

	(void)state;
	check_all(batch, batch_run(kernels, batch, 8, MB_RSA_SLICE), 8);
	for (unsigned i = 0; i < N_LANES + 4; i++) {
		unsigned lane = i % N_LANES;

		check_fault(kernels, batch, i < N_LANES ? 8 : 4, lane,
			&batch->blindings[lane]->pairs[lane * 8 + lane]);
		// Drawn anew, it is good again.
		check_all(batch, batch_run(kernels, batch, 8, MB_RSA_SLICE), 8);
		assert_int_equal(batch->blindings[lane]->uses_left[lane], MB_RSA_BLINDING_USES);
	}
	batch_free(batch);
}

static void slices_of_any_size_give_the_same(void **state)
{
	static const unsigned slices[] = {0, 1, 30000, 100000, 1000000, UINT32_MAX};

	(void)state;
	for (unsigned size = 0; size < MB_RSA_N_SIZES; size++) {
		struct batch *batch = batch_new(size);

		for (unsigned i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
			check_all(batch,
				batch_run(bodies[n_bodies - 1], batch, i % 2 == 0 ? 8 : 3, slices[i]),
				i % 2 == 0 ? 8 : 3);
		batch_free(batch);
	}
}

static void jobs_under_way_do_not_meet(void **state)
{
	const struct mb_kernels *kernels = bodies[n_bodies - 1];
	struct batch *batches[2] = {batch_new(MB_RSA_2048), batch_new(MB_RSA_3072)};
	unsigned running = 3;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		kernels->rsa_sign_begin(batches[i]->job, batches[i]->requests, 8);
	for (unsigned i = 0; running != 0; i ^= 1) {
		if ((running >> i & 1) != 0 && !kernels->rsa_sign_step(batches[i]->job, 50000))
			running &= ~(1u << i);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct batch *batch = batches[i];
		uint64_t ok = kernels->rsa_sign_finish(batch->job, batch->signatures, batch->verdicts);

		assert_int_equal(ok, 0xff);
		for (unsigned lane = 0; lane < N_LANES; lane++)
			assert_memory_equal(batch->signatures[lane], batch->expected[lane], batch->len);
		batch_free(batch);
	}
}

static void finished_jobs_are_wiped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * n_bodies; i++) {
		struct batch *batch = batch_new(MB_RSA_2048);
		unsigned n = i < n_bodies ? 8 : 2;

		check_all(batch, batch_run(bodies[i % n_bodies], batch, n, MB_RSA_SLICE), n);
		assert_true(all_bytes_are((const uint8_t *)batch->job, sizeof(*batch->job), 0));
		batch_free(batch);
	}
}

// Both bodies leave the same blindings, which are squared with each use, for each lane its own.
static void blindings_change_with_each_use(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);
	size_t len = MB_RSA_BLINDING_BYTES(batch->size);
	uint8_t *before = malloc(len);

	(void)state;
	for (unsigned use = 0; use < 3; use++) {
		memcpy(before, batch->blindings[0], len);
		check_all(batch, batch_run(bodies[use % n_bodies], batch, 8, MB_RSA_SLICE), 8);
		for (unsigned lane = 0; lane < N_LANES; lane++) {
			const struct mb_rsa_blinding *blinding = batch->blindings[lane];

			assert_int_equal(blinding->uses_left[lane], MB_RSA_BLINDING_USES - use);
			assert_int_equal(blinding->uses_left[(lane + 1) % N_LANES], 0);
			assert_int_not_equal(blinding->pairs[lane], 0);
			assert_int_not_equal(blinding->pairs[lane], blinding->pairs[2 * 20 * N_LANES + lane]);
		}
		assert_memory_not_equal(before, batch->blindings[0], len);
	}
	batch->blindings[0]->uses_left[0] = 1;
	check_all(batch, batch_run(bodies[0], batch, 8, MB_RSA_SLICE), 8);
	assert_int_equal(batch->blindings[0]->uses_left[0], 0);
	check_all(batch, batch_run(bodies[0], batch, 8, MB_RSA_SLICE), 8);
	assert_int_equal(batch->blindings[0]->uses_left[0], MB_RSA_BLINDING_USES);
	free(before);
	batch_free(batch);
}

// The same key, message and random number give two workers the same pair; another number another.
static void blindings_are_drawn_from_the_power(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);
	uint64_t first;

	(void)state;
	check_all(batch, batch_run(bodies[0], batch, 1, MB_RSA_SLICE), 1);
	first = batch->blindings[0]->pairs[0];
	for (unsigned i = 0; i < n_bodies; i++) {
		batch->blindings[0]->uses_left[0] = 0;
		check_all(batch, batch_run(bodies[i], batch, 1, MB_RSA_SLICE), 1);
		assert_int_equal(batch->blindings[0]->pairs[0], first);
	}
	batch->blindings[0]->uses_left[0] = 0;
	batch->requests[0].blinding_power ^= 1;
	check_all(batch, batch_run(bodies[0], batch, 1, MB_RSA_SLICE), 1);
	assert_int_not_equal(batch->blindings[0]->pairs[0], first);
	batch_free(batch);
}

static uint64_t verify_run(
	const struct mb_kernels *kernels, struct batch *batch, const struct mb_rsa_check *checks, unsigned n)
{
	memset(batch->memory, 0xa5, sizeof(batch->memory));
	return kernels->rsa_verify(batch->job, batch->size, checks, batch->signatures, n);
}

static void fill_checks(struct batch *batch, struct mb_rsa_check checks[N_LANES])
{
	for (unsigned lane = 0; lane < N_LANES; lane++) {
		checks[lane] = (struct mb_rsa_check){.n = batch->fixtures[lane]->parts.n.data,
			.e = batch->fixtures[lane]->key->e,
			.signature = batch->expected[lane]};
	}
}

static void public_operation_is_openssls(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_bodies * MB_RSA_N_SIZES; i++) {
		struct batch *batch = batch_new(i % MB_RSA_N_SIZES);
		struct mb_rsa_check checks[N_LANES];

		fill_checks(batch, checks);
		for (unsigned n = 1; n <= N_LANES; n += 7) {
			uint64_t ok = verify_run(bodies[i / MB_RSA_N_SIZES], batch, checks, n);

			assert_int_equal(ok, (1u << n) - 1);
			for (unsigned lane = 0; lane < n; lane++)
				assert_memory_equal(
					batch->signatures[lane], batch->messages[lane], batch->len);
		}
		batch_free(batch);
	}
}

static void public_operation_refuses_in_each_lane(void **state)
{
	struct batch *batch = batch_new(MB_RSA_2048);
	struct mb_rsa_check checks[N_LANES];
	uint8_t bad_signature[MB_RSA_LEN_MAX], even[MB_RSA_LEN_MAX], small[MB_RSA_LEN_MAX];

	(void)state;
	for (unsigned i = 0; i < N_LANES * 8; i++) {
		unsigned bad = i % N_LANES;
		const struct rsa_fixture *fixture = batch->fixtures[bad];
		uint64_t ok;

		fill_checks(batch, checks);
		modulus_plus(fixture, (int)(i / N_LANES % 2), bad_signature);
		modulus_plus(fixture, 1, even);
		modulus_plus(fixture, 0, small);
		small[0] &= 0x7f;
		switch (i / N_LANES) {
		case 0:
		case 1:
			checks[bad].signature = bad_signature;
			break;
		case 2:
			checks[bad].n = even;
			break;
		case 3:
			checks[bad].n = small;
			break;
		case 4:
			checks[bad].e = 1;
			break;
		case 5:
			checks[bad].e = 65536;
			break;
		case 6:
			checks[bad].e = 0;
			break;
		default:
			memset(even, 0, sizeof(even));
			checks[bad].n = even;
			break;
		}
		ok = verify_run(bodies[n_bodies - 1], batch, checks, 8);
		assert_int_equal(ok, 0xff & ~(1u << bad));
		for (unsigned lane = 0; lane < N_LANES; lane++) {
			if (lane == bad)
				assert_true(all_bytes_are(batch->signatures[lane], batch->len, 0));
			else
				assert_memory_equal(
					batch->signatures[lane], batch->messages[lane], batch->len);
		}
	}
	batch_free(batch);
}

// A damaged copy of a key's numbers, and what mb_rsa_key_set says of it.
static enum mb_rsa_key_verdict verdict_of(const struct mb_rsa_parts *parts)
{
	struct mb_rsa_key *key = malloc(MB_RSA_KEY_BYTES(MB_RSA_4096));
	enum mb_rsa_key_verdict verdict;

	memset(key, 0xa5, MB_RSA_KEY_BYTES(MB_RSA_4096));
	verdict = mb_rsa_key_set(key, parts);
	if (verdict != MB_RSA_KEY_OK && verdict != MB_RSA_KEY_WRONG_SIZE)
		assert_true(all_bytes_are((const uint8_t *)key, MB_RSA_KEY_BYTES(MB_RSA_2048), 0));
	free(key);
	return verdict;
}

static void inconsistent_keys_are_refused(void **state)
{
	struct rsa_fixture *fixture = rsa_fixture_new(MB_RSA_2048, 0, 65537);
	struct rsa_fixture *other = rsa_fixture_new(MB_RSA_2048, 1, 65537);
	uint8_t changed[MB_RSA_LEN_MAX];

	(void)state;
	assert_int_equal(verdict_of(&fixture->parts), MB_RSA_KEY_OK);
	// One bit at a time in each secret number, low, middle and high.
	for (unsigned i = 0; i < 5 * 3; i++) {
		struct mb_rsa_parts parts = fixture->parts;
		struct span *spans[] = {&parts.p, &parts.q, &parts.dp, &parts.dq, &parts.qinv};
		struct span *span = spans[i / 3];
		size_t at = i % 3 == 0 ? span->len - 1 : i % 3 == 1 ? span->len / 2 : 1;

		memcpy(changed, span->data, span->len);
		changed[at] ^= 2;
		span->data = changed;
		assert_int_equal(verdict_of(&parts), MB_RSA_KEY_INCONSISTENT);
	}
	// Numbers of another key, and p and q exchanged without their exponents.
	for (unsigned i = 0; i < 4; i++) {
		struct mb_rsa_parts parts = fixture->parts;

		if (i == 0)
			parts.n = other->parts.n;
		else if (i == 1)
			parts.dp = other->parts.dp;
		else if (i == 2)
			parts.qinv = other->parts.qinv;
		else {
			parts.p = fixture->parts.q;
			parts.q = fixture->parts.p;
		}
		assert_int_equal(verdict_of(&parts), MB_RSA_KEY_INCONSISTENT);
	}
	// dp + (p - 1) would work in arithmetic but is not what it has to be.
	{
		struct mb_rsa_parts parts = fixture->parts;

		parts.dp = fixture->parts.p;
		assert_int_equal(verdict_of(&parts), MB_RSA_KEY_INCONSISTENT);
		parts.dp = span_of("", 0);
		assert_int_equal(verdict_of(&parts), MB_RSA_KEY_INCONSISTENT);
	}
	rsa_fixture_free(fixture);
	rsa_fixture_free(other);
}

static void wrong_sizes_and_exponents_are_refused(void **state)
{
	static const uint8_t exponents[][6] = {{1, 0}, {1, 1}, {1, 2}, {3, 1, 0, 0}, {5, 1, 0, 0, 0, 1}};
	struct rsa_fixture *fixture = rsa_fixture_new(MB_RSA_2048, 0, 65537);
	struct mb_rsa_parts parts = fixture->parts;
	uint8_t changed[MB_RSA_LEN_MAX + 1] = {0};
	enum mb_rsa_size size;

	(void)state;
	for (unsigned i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
		parts.e = span_of(exponents[i] + 1, exponents[i][0]);
		assert_int_equal(verdict_of(&parts), MB_RSA_KEY_WRONG_EXPONENT);
	}
	parts.e = span_of("", 0);
	assert_int_equal(verdict_of(&parts), MB_RSA_KEY_WRONG_EXPONENT);

	// p and q of unequal length, and one too long to be looked at.
	parts = fixture->parts;
	parts.p.len--;
	assert_int_equal(verdict_of(&parts), MB_RSA_KEY_WRONG_SIZE);
	parts.p = span_of(fixture->bytes[0], 129);
	assert_int_equal(verdict_of(&parts), MB_RSA_KEY_WRONG_SIZE);
	parts = fixture->parts;
	parts.qinv = parts.n;
	assert_int_equal(verdict_of(&parts), MB_RSA_KEY_WRONG_SIZE);

	// Leading zeros do no harm; a modulus of any other length has no size.
	memcpy(changed + 1, fixture->parts.n.data, fixture->len);
	parts = fixture->parts;
	parts.n = span_of(changed, fixture->len + 1);
	assert_int_equal(verdict_of(&parts), MB_RSA_KEY_OK);
	memset(changed, 0xff, sizeof(changed));
	for (size_t len = 0; len <= MB_RSA_LEN_MAX + 1; len++)
		assert_true(mb_rsa_size_of(span_of(changed, len), &size) ==
			    (len == 256 || len == 384 || len == 512));
	changed[0] = 0x7f;
	assert_false(mb_rsa_size_of(span_of(changed, 256), &size));
	parts.n = span_of(changed, 128);
	assert_int_equal(verdict_of(&parts), MB_RSA_KEY_WRONG_SIZE);
	rsa_fixture_free(fixture);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_are_openssls),
		cmocka_unit_test(fewer_lanes_work),
		cmocka_unit_test(one_key_and_blinding_in_all_lanes),
		cmocka_unit_test(extreme_messages),
		cmocka_unit_test(out_of_range_is_refused_in_each_lane),
		cmocka_unit_test(damaged_keys_give_nothing),
		cmocka_unit_test(damaged_blindings_give_nothing),
		cmocka_unit_test(slices_of_any_size_give_the_same),
		cmocka_unit_test(jobs_under_way_do_not_meet),
		cmocka_unit_test(finished_jobs_are_wiped),
		cmocka_unit_test(blindings_change_with_each_use),
		cmocka_unit_test(blindings_are_drawn_from_the_power),
		cmocka_unit_test(public_operation_is_openssls),
		cmocka_unit_test(public_operation_refuses_in_each_lane),
		cmocka_unit_test(inconsistent_keys_are_refused),
		cmocka_unit_test(wrong_sizes_and_exponents_are_refused),
	};

	if (argc > 1) {
		n_batches = (unsigned)strtoul(argv[1], NULL, 10);
		cmocka_set_test_filter("signatures_are_openssls");
	}
	bodies[n_bodies++] = &mb_kernels_plain;
	if (mb_kernels_select() != NULL)
		bodies[n_bodies++] = mb_kernels_select();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
