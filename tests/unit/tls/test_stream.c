// SPDX-License-Identifier: Apache-2.0
//
// Bytes that lie in pieces: every way to cut a few of them, empty pieces included, and every range that may
// be asked for, those that reach beyond the end or beyond all numbers too.
#include "seam/cmocka_all.h"

#include "tls/stream.h"

#include <stdlib.h>

enum {
	LEN = 6,
	PIECES_MAX = 4,
	GUARD = 0xee
};

static const char text[LEN + 1] = "abcdef";

// The next way to cut LEN bytes into n pieces; false after the last.
static bool next_cut(size_t *lens, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i + 1 < n; i++)
		used += lens[i];
	for (size_t i = 0; i + 1 < n; i++) {
		if (used < LEN) {
			lens[i]++;
			lens[n - 1] = LEN - used - 1;
			return true;
		}
		used -= lens[i];
		lens[i] = 0;
	}
	return false;
}

static const size_t numbers[] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, SIZE_MAX / 2, SIZE_MAX - 6, SIZE_MAX - 1, SIZE_MAX};

enum {
	N_NUMBERS = sizeof numbers / sizeof numbers[0]
};

static size_t present(size_t offset, size_t len)
{
	size_t left = offset < LEN ? LEN - offset : 0;

	return left < len ? left : len;
}

static void check_copy(struct tls_stream stream, size_t offset, size_t len)
{
	uint8_t out[LEN + 4];
	size_t wanted = present(offset, len);

	memset(out, GUARD, sizeof out);
	assert_int_equal(tls_stream_copy(stream, offset, out, len), wanted);
	assert_memory_equal(out, text + (wanted != 0 ? offset : 0), wanted);
	for (size_t i = wanted; i < sizeof out; i++)
		assert_int_equal(out[i], GUARD);
}

// How many pieces the range touches.
static size_t touched(struct tls_stream stream, size_t offset, size_t len)
{
	size_t at = 0, n = 0;

	for (size_t i = 0; i < stream.n_pieces; at += stream.pieces[i].len, i++)
		n += stream.pieces[i].len != 0 && at < offset + len && at + stream.pieces[i].len > offset;
	return n;
}

static void check_slice(struct tls_stream stream, size_t offset, size_t len, size_t max)
{
	static const struct span untouched = {(const uint8_t *)"", 77};
	struct span out[PIECES_MAX + 1];
	size_t n, at = offset;
	bool fits = len != 0 && present(offset, len) == len && touched(stream, offset, len) <= max;

	for (size_t i = 0; i <= PIECES_MAX; i++)
		out[i] = untouched;
	n = tls_stream_slice(stream, offset, len, out, max);
	assert_int_equal(n, fits ? touched(stream, offset, len) : 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(out[i].len != 0);
		assert_memory_equal(out[i].data, text + at, out[i].len);
		at += out[i].len;
	}
	assert_true(n == 0 || at == offset + len);
	for (size_t i = max; i <= PIECES_MAX; i++)
		assert_int_equal(out[i].len, untouched.len);
}

static void check_cut(const size_t *lens, size_t n)
{
	// Each piece has memory of its own, of exactly its size, so that sanitizers see a step beyond it.
	char *copies[PIECES_MAX];
	struct span pieces[PIECES_MAX];
	struct tls_stream stream = {pieces, n};
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		copies[i] = malloc(lens[i]);
		if (lens[i] != 0)
			memcpy(copies[i], text + at, lens[i]);
		pieces[i] = span_of(lens[i] != 0 ? copies[i] : NULL, lens[i]);
		at += lens[i];
	}
	assert_int_equal(tls_stream_len(stream), LEN);
	for (size_t i = 0; i < (size_t)N_NUMBERS * N_NUMBERS; i++) {
		check_copy(stream, numbers[i / N_NUMBERS], numbers[i % N_NUMBERS]);
		for (size_t max = 0; max <= PIECES_MAX; max++)
			check_slice(stream, numbers[i / N_NUMBERS], numbers[i % N_NUMBERS], max);
	}
	for (size_t i = 0; i < n; i++)
		free(copies[i]);
}

static void test_every_cut_and_range(void **state)
{
	(void)state;
	for (size_t n = 1; n <= PIECES_MAX; n++) {
		size_t lens[PIECES_MAX] = {0};

		lens[n - 1] = LEN;
		do
			check_cut(lens, n);
		while (next_cut(lens, n));
	}
}

static void test_nothing(void **state)
{
	const struct span empty[2] = {span_of(NULL, 0), span_of(NULL, 0)};
	uint8_t byte = GUARD;
	struct span out;

	(void)state;
	for (size_t n = 0; n <= 2; n++) {
		struct tls_stream stream = {n != 0 ? empty : NULL, n};

		assert_int_equal(tls_stream_len(stream), 0);
		for (size_t i = 0; i < N_NUMBERS; i++) {
			assert_int_equal(
				tls_stream_copy(stream, numbers[i], &byte, numbers[N_NUMBERS - 1 - i]), 0);
			assert_int_equal(
				tls_stream_slice(stream, numbers[i], numbers[N_NUMBERS - 1 - i], &out, 1), 0);
		}
		assert_int_equal(byte, GUARD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut_and_range),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
