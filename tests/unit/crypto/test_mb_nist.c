// SPDX-License-Identifier: Apache-2.0
//
// Key generation and ECDH on P-256 and P-384 against OpenSSL, both bodies. Arguments: struct random_rounds.
#include "mb_fixture.h"
#include "seam/cmocka_all.h"

#include <stdlib.h>

static struct random_rounds rounds = {.n = 3, .seed = 11};

static const struct mb_kernels *bodies[2];
static unsigned n_bodies;

static const enum mb_curve curves[] = {MB_P256, MB_P384};

// Runs a test function for each body and curve.
static void for_each(void (*check)(const struct mb_kernels *kernels, enum mb_curve curve))
{
	for (unsigned body = 0; body < n_bodies; body++) {
		for (unsigned i = 0; i < 2; i++)
			check(bodies[body], curves[i]);
	}
}

// Random scalars below the order (the top byte keeps them there) and the points of others.
static void random_operands(
	struct stream *stream, enum mb_curve curve, struct rows *scalars, struct rows *points, unsigned n)
{
	rows_init(scalars, 0);
	rows_init(points, 0);
	for (unsigned i = 0; i < n; i++) {
		stream_bytes(stream, scalars->bytes[i], mb_curve_len(curve));
		scalars->bytes[i][0] &= 0x7f;
		assert_true(reference_multiple(curve, points->bytes[i], scalars->bytes[i], NULL));
		stream_bytes(stream, scalars->bytes[i], mb_curve_len(curve));
	}
}

static void compare_keygen(
	const struct mb_kernels *kernels, enum mb_curve curve, const struct rows *scalars, unsigned n)
{
	size_t len = nist_point_len(curve);
	struct rows out;
	uint8_t expected[POINT_LEN_MAX];
	uint64_t done;

	rows_init(&out, 0xaa);
	done = nist_keygen(kernels, curve, &out, scalars, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(done >> i & 1, reference_multiple(curve, expected, scalars->in[i], NULL));
		assert_memory_equal(out.bytes[i], expected, len);
		assert_int_equal(out.bytes[i][len], 0xaa);
	}
	assert_true(n == MB_REQUESTS_MAX || (done >> n == 0 && out.bytes[n][0] == 0xaa));
}

static void compare_ecdh(const struct mb_kernels *kernels, enum mb_curve curve, const struct rows *scalars,
	const struct rows *peers, unsigned n)
{
	size_t len = mb_curve_len(curve);
	struct rows out;
	uint8_t expected[MB_SCALAR_LEN_MAX];
	uint64_t done;

	rows_init(&out, 0xaa);
	done = nist_ecdh(kernels, curve, &out, scalars, peers, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(
			done >> i & 1, reference_ecdh(curve, expected, scalars->in[i], peers->in[i]));
		assert_memory_equal(out.bytes[i], expected, len);
		assert_int_equal(out.bytes[i][len], 0xaa);
	}
	assert_true(n == MB_REQUESTS_MAX || (done >> n == 0 && out.bytes[n][0] == 0xaa));
}

static void check_random(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {rounds.seed};
	struct rows scalars, peers;

	for (unsigned round = 0; round < rounds.n; round++) {
		unsigned limit = nist_limit(curve);
		unsigned n = round == 0 ? limit : 1 + (unsigned)(stream_next(&stream) % limit);

		if (!random_round_has(&rounds, round, kernels))
			continue;
		random_operands(&stream, curve, &scalars, &peers, n);
		compare_keygen(kernels, curve, &scalars, n);
		compare_ecdh(kernels, curve, &scalars, &peers, n);
	}
}

static void test_random(void **state)
{
	(void)state;
	for_each(check_random);
}

// Operands of each number of requests from one to nine, so that each lane is once the last.
static void check_each_count(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {12};
	struct rows scalars, peers;
	unsigned limit = nist_limit(curve) < 9 ? nist_limit(curve) : 9;

	random_operands(&stream, curve, &scalars, &peers, limit);
	for (unsigned n = 1; n <= limit; n++)
		compare_ecdh(kernels, curve, &scalars, &peers, n);
}

static void test_each_count(void **state)
{
	(void)state;
	for_each(check_each_count);
}

// Checks scalars in batches, in key generation and in ECDH with a fixed peer.
struct scalar_batch {
	const struct mb_kernels *kernels;
	enum mb_curve curve;
	struct rows scalars, peers;
	unsigned n;
};

static void batch_begin(struct scalar_batch *batch, const struct mb_kernels *kernels, enum mb_curve curve)
{
	uint8_t five[MB_SCALAR_LEN_MAX] = {0};

	batch->kernels = kernels;
	batch->curve = curve;
	batch->n = 0;
	rows_init(&batch->scalars, 0);
	rows_init(&batch->peers, 0);
	five[mb_curve_len(curve) - 1] = 5;
	for (unsigned i = 0; i < MB_REQUESTS_MAX; i++)
		(void)reference_multiple(curve, batch->peers.bytes[i], five, NULL);
}

static void batch_flush(struct scalar_batch *batch)
{
	if (batch->n == 0)
		return;
	compare_keygen(batch->kernels, batch->curve, &batch->scalars, batch->n);
	compare_ecdh(batch->kernels, batch->curve, &batch->scalars, &batch->peers, batch->n);
	batch->n = 0;
}

static void batch_add(struct scalar_batch *batch, const uint8_t *scalar)
{
	memcpy(batch->scalars.bytes[batch->n], scalar, mb_curve_len(batch->curve));
	batch->n++;
	if (batch->n == nist_limit(batch->curve))
		batch_flush(batch);
}

// Small scalars and those near the order: the additions that meet equal points in the last window of ECDH are
// n - 2 v, v odd and up to 31. Also what is out of range.
static void check_scalars_at_the_ends(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct scalar_batch batch;
	uint8_t scalar[MB_SCALAR_LEN_MAX];

	batch_begin(&batch, kernels, curve);
	for (unsigned i = 0; i < 70; i++) {
		memset(scalar, 0, sizeof(scalar));
		scalar[mb_curve_len(curve) - 1] = (uint8_t)i;
		batch_add(&batch, scalar);
		order_minus(curve, scalar, i);
		batch_add(&batch, scalar);
	}
	order_plus(curve, scalar, 1);
	batch_add(&batch, scalar);
	order_plus(curve, scalar, 2);
	batch_add(&batch, scalar);
	memset(scalar, 0xff, sizeof(scalar));
	batch_add(&batch, scalar);
	batch_flush(&batch);
}

static void test_scalars_at_the_ends(void **state)
{
	(void)state;
	for_each(check_scalars_at_the_ends);
}

// 2 T mod n for entries T of the comb's last table and column: what makes the last addition of a base
// multiple meet equal points. T is a sum of +-2^(32 s) (2^(64 s) for P-384), the highest term positive.
static void check_comb_doublings(const struct mb_kernels *kernels, enum mb_curve curve)
{
	unsigned teeth = curve == MB_P256 ? 8 : 6;
	unsigned spacing = curve == MB_P256 ? 32 : 64;
	struct scalar_batch batch;

	batch_begin(&batch, kernels, curve);
	for (unsigned idx = 0; idx < 1u << (teeth - 1); idx += curve == MB_P256 ? 5 : 3) {
		uint8_t sum[MB_SCALAR_LEN_MAX], term[MB_SCALAR_LEN_MAX];

		order_shift(curve, sum, spacing * (teeth - 1) + 1);
		for (unsigned s = 0; s < teeth - 1; s++) {
			order_shift(curve, term, spacing * s + 1);
			if ((idx >> s & 1) == 0)
				order_negate(curve, term, term);
			order_add(curve, sum, sum, term);
		}
		batch_add(&batch, sum);
		order_negate(curve, sum, sum);
		batch_add(&batch, sum);
	}
	batch_flush(&batch);
}

static void test_comb_doublings(void **state)
{
	(void)state;
	for_each(check_comb_doublings);
}

// Powers of two, and all ones below them.
static void check_sparse_scalars(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct scalar_batch batch;
	uint8_t scalar[MB_SCALAR_LEN_MAX];
	size_t len = mb_curve_len(curve);

	batch_begin(&batch, kernels, curve);
	for (unsigned bit = 0; bit < 8 * len; bit += 13) {
		memset(scalar, 0, len);
		scalar[len - 1 - bit / 8] = (uint8_t)(1u << bit % 8);
		batch_add(&batch, scalar);
		memset(scalar + len - bit / 8, 0xff, bit / 8);
		scalar[len - 1 - bit / 8] = (uint8_t)((1u << bit % 8) - 1);
		batch_add(&batch, scalar);
	}
	batch_flush(&batch);
}

static void test_sparse_scalars(void **state)
{
	(void)state;
	for_each(check_sparse_scalars);
}

// The ways in which an encoded point can be bad.
enum spoil {
	SPOIL_COMPRESSED_FORM,
	SPOIL_HYBRID_FORM,
	SPOIL_INFINITY_FORM,
	SPOIL_X,
	SPOIL_Y,
	SPOIL_ZEROS,
	SPOIL_ONES,
	SPOIL_X_IS_P,
	SPOIL_Y_PLUS_P,
	N_SPOILS
};

// Makes a valid point bad; false if that can't be done with this point.
static bool spoil_point(uint8_t *point, enum mb_curve curve, enum spoil how)
{
	static const uint8_t zero[MB_SCALAR_LEN_MAX];
	size_t len = mb_curve_len(curve);

	switch (how) {
	case SPOIL_COMPRESSED_FORM:
		point[0] = (uint8_t)(2 + (point[2 * len] & 1));
		return true;
	case SPOIL_HYBRID_FORM:
		point[0] = (uint8_t)(6 + (point[2 * len] & 1));
		return true;
	case SPOIL_INFINITY_FORM:
		point[0] = 0;
		return true;
	case SPOIL_X:
		point[len] ^= 1;
		return true;
	case SPOIL_Y:
		point[2 * len] ^= 1;
		return true;
	case SPOIL_ZEROS:
		memset(point + 1, 0, 2 * len);
		return true;
	case SPOIL_ONES:
		memset(point + 1, 0xff, 2 * len);
		return true;
	case SPOIL_X_IS_P: // x = 0 has a point on both curves; x = p would be the same if not refused
		return field_plus_p(curve, point + 1, zero);
	case SPOIL_Y_PLUS_P:
		return field_plus_p(curve, point + 1 + len, point + 1 + len);
	default:
		return false;
	}
}

// A bad peer in each lane position fails alone.
static void check_bad_peers(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {13};
	struct rows scalars, peers, expected, out;
	size_t len = mb_curve_len(curve);
	unsigned n_spoiled = 0;

	random_operands(&stream, curve, &scalars, &peers, MB_LANES);
	rows_init(&expected, 0);
	assert_int_equal(nist_ecdh(kernels, curve, &expected, &scalars, &peers, MB_LANES), 0xff);
	for (int how = 0; how < N_SPOILS; how++) {
		for (unsigned bad = 0; bad < MB_LANES; bad++) {
			uint8_t saved[POINT_LEN_MAX];

			memcpy(saved, peers.bytes[bad], sizeof(saved));
			if (spoil_point(peers.bytes[bad], curve, (enum spoil)how)) {
				n_spoiled++;
				rows_init(&out, 0xaa);
				assert_int_equal(nist_ecdh(kernels, curve, &out, &scalars, &peers, MB_LANES),
					0xff & ~(1u << bad));
				for (unsigned i = 0; i < MB_LANES; i++) {
					if (i == bad)
						assert_true(row_is_zero(&out, i, len));
					else
						assert_memory_equal(out.bytes[i], expected.bytes[i], len);
				}
			}
			memcpy(peers.bytes[bad], saved, sizeof(saved));
		}
	}
	assert_true(n_spoiled >= 8 * MB_LANES);
}

static void test_bad_peers(void **state)
{
	(void)state;
	for_each(check_bad_peers);
}

// The point with x = 0 on P-256, and the same with x written as p, which must be refused. (On P-384 p leaves
// no room for a coordinate in between: SPOIL_X_IS_P covers it.)
static void test_peer_at_x_zero(void **state)
{
	static const char y[] = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
	struct rows scalars, peers;

	(void)state;
	rows_init(&scalars, 7);
	rows_init(&peers, 0);
	for (unsigned i = 0; i < MB_LANES; i++) {
		peers.bytes[i][0] = 4;
		for (size_t j = 0; j < 32; j++) {
			char byte[3] = {y[2 * j], y[2 * j + 1], '\0'};

			peers.bytes[i][33 + j] = (uint8_t)strtoul(byte, NULL, 16);
		}
		if (i % 2 == 1)
			assert_true(field_plus_p(MB_P256, peers.bytes[i] + 1, peers.bytes[i] + 1));
	}
	for (unsigned body = 0; body < n_bodies; body++)
		compare_ecdh(bodies[body], MB_P256, &scalars, &peers, MB_LANES);
}

// A scalar out of range in each lane position, in three groups where the curve takes them: the inversion that
// the groups share must not carry the damage over.
static void check_bad_scalars(const struct mb_kernels *kernels, enum mb_curve curve)
{
	struct stream stream = {14};
	struct rows scalars, peers, expected, out;
	size_t len = mb_curve_len(curve);
	unsigned n = nist_limit(curve) < 24 ? nist_limit(curve) : 24;
	uint64_t all = (UINT64_C(1) << n) - 1;

	random_operands(&stream, curve, &scalars, &peers, n);
	rows_init(&expected, 0);
	assert_int_equal(nist_keygen(kernels, curve, &expected, &scalars, n), all);
	for (unsigned bad = 0; bad < n; bad++) {
		uint8_t saved[MB_SCALAR_LEN_MAX];

		memcpy(saved, scalars.bytes[bad], len);
		switch (bad % 3) {
		case 0:
			memset(scalars.bytes[bad], 0, len);
			break;
		case 1:
			order_plus(curve, scalars.bytes[bad], 0);
			break;
		default:
			memset(scalars.bytes[bad], 0xff, len);
			break;
		}
		rows_init(&out, 0xaa);
		assert_int_equal(nist_keygen(kernels, curve, &out, &scalars, n), all & ~(UINT64_C(1) << bad));
		for (unsigned i = 0; i < n; i++) {
			if (i == bad)
				assert_true(row_is_zero(&out, i, 2 * len + 1));
			else
				assert_memory_equal(out.bytes[i], expected.bytes[i], 2 * len + 1);
		}
		assert_int_equal(nist_ecdh(kernels, curve, &out, &scalars, &peers, n) >> bad & 1, 0);
		assert_true(row_is_zero(&out, bad, len));
		memcpy(scalars.bytes[bad], saved, len);
	}
}

static void test_bad_scalars(void **state)
{
	(void)state;
	for_each(check_bad_scalars);
}

// Two jobs stepped in turn don't disturb each other, each is stepped more than once, and a finished one holds
// nothing.
static void test_jobs_interleave(void **state)
{
	static struct mb_p384_job jobs[2];
	static const struct mb_p384_job empty;
	struct stream stream = {15};
	struct rows scalars, peers, out[2];
	uint8_t expected[MB_SCALAR_LEN_MAX];

	(void)state;
	for (unsigned body = 0; body < n_bodies; body++) {
		unsigned n_steps = 0;
		bool more = true;

		random_operands(&stream, MB_P384, &scalars, &peers, 10);
		rows_init(&out[0], 0);
		rows_init(&out[1], 0);
		bodies[body]->p384_ecdh_begin(&jobs[0], scalars.in, peers.in, 5);
		bodies[body]->p384_ecdh_begin(&jobs[1], scalars.in + 5, peers.in + 5, 5);
		while (more) {
			more = bodies[body]->p384_step(&jobs[0]);
			assert_int_equal(bodies[body]->p384_step(&jobs[1]), more);
			n_steps++;
		}
		assert_true(n_steps > 4);
		assert_false(bodies[body]->p384_step(&jobs[0]));
		assert_int_equal(bodies[body]->p384_ecdh_finish(&jobs[0], out[0].out), 0x1f);
		assert_int_equal(bodies[body]->p384_ecdh_finish(&jobs[1], out[1].out), 0x1f);
		for (unsigned i = 0; i < 10; i++) {
			assert_true(reference_ecdh(MB_P384, expected, scalars.in[i], peers.in[i]));
			assert_memory_equal(out[i / 5].bytes[i % 5], expected, 48);
		}
		assert_memory_equal(&jobs[0], &empty, sizeof(empty));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_each_count),
		cmocka_unit_test(test_scalars_at_the_ends),
		cmocka_unit_test(test_comb_doublings),
		cmocka_unit_test(test_sparse_scalars),
		cmocka_unit_test(test_bad_peers),
		cmocka_unit_test(test_peer_at_x_zero),
		cmocka_unit_test(test_bad_scalars),
		cmocka_unit_test(test_jobs_interleave),
	};

	random_rounds_parse(&rounds, argc, argv);
	n_bodies = mb_bodies(bodies);
	return random_rounds_end(cmocka_run_group_tests(tests, NULL, NULL));
}
