// SPDX-License-Identifier: Apache-2.0
//
// Every operation of vec.h against what it says in scalar code, lane by lane. Compiled once for each body.
#include "crypto/mb/marshal.h"
#include "mb_fixture.h"
#include "seam/cmocka_all.h"

enum {
	N_ROUNDS = 200
};

struct lanes_values {
	uint64_t lane[VEC_LANES];
};

// Values that carry: ends of 52 bits and of 64, and random ones.
static struct lanes_values draw(struct stream *stream)
{
	static const uint64_t edges[] = {
		0, 1, VEC_DIGIT_MASK, VEC_DIGIT_MASK + 1, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 51};
	struct lanes_values values;

	for (int i = 0; i < VEC_LANES; i++) {
		uint64_t choice = stream_next(stream) % 16;

		values.lane[i] = choice < 7 ? edges[choice] : stream_next(stream);
	}
	return values;
}

static uint64_t product_low(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)(a & VEC_DIGIT_MASK) * (b & VEC_DIGIT_MASK)) & VEC_DIGIT_MASK;
}

static uint64_t product_high(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)(a & VEC_DIGIT_MASK) * (b & VEC_DIGIT_MASK) >> VEC_DIGIT_BITS);
}

// Compares one operation's result with an expression in a, b and c for each lane.
#define CHECK(result, expression) \
	do { \
		uint64_t stored[VEC_LANES]; \
		vec_store(stored, result); \
		for (int i = 0; i < VEC_LANES; i++) { \
			uint64_t a = x.lane[i], b = y.lane[i], c = z.lane[i]; \
			(void)a, (void)b, (void)c; \
			assert_int_equal(stored[i], expression); \
		} \
	} while (0)

#define CHECK_MASK(result, expression) \
	do { \
		vmask mask_of_all = result; \
		for (int i = 0; i < VEC_LANES; i++) { \
			uint64_t a = x.lane[i], b = y.lane[i]; \
			assert_int_equal(mask_of_all >> i & 1, expression); \
		} \
	} while (0)

static void test_arithmetic(void **state)
{
	struct stream stream = {31};

	(void)state;
	for (int round = 0; round < N_ROUNDS; round++) {
		struct lanes_values x = draw(&stream), y = draw(&stream), z = draw(&stream);
		vec va = vec_load(x.lane), vb = vec_load(y.lane), vc = vec_load(z.lane);
		vmask mask = (vmask)stream_next(&stream);

		CHECK(va, a);
		CHECK(vec_zero(), 0);
		CHECK(vec_set1(UINT64_C(0x123456789abcdef0)), UINT64_C(0x123456789abcdef0));
		CHECK(vec_add(va, vb), a + b);
		CHECK(vec_sub(va, vb), a - b);
		CHECK(vec_and(va, vb), a & b);
		CHECK(vec_or(va, vb), a | b);
		CHECK(vec_xor(va, vb), a ^ b);
		CHECK(vec_shl(va, 13), a << 13);
		CHECK(vec_shr(va, 52), a >> 52);
		CHECK(vec_sar(va, 52), (uint64_t)((int64_t)a >> 52));
		CHECK(vec_madlo(vc, va, vb), c + product_low(a, b));
		CHECK(vec_madhi(vc, va, vb), c + product_high(a, b));
		CHECK(vec_select(mask, va, vb), (mask >> i & 1) != 0 ? a : b);
		CHECK(vec_keep(mask, va), (mask >> i & 1) != 0 ? a : 0);
		CHECK(vec_add_if(mask, va, vb), (mask >> i & 1) != 0 ? a + b : a);
		CHECK(vec_sub_if(mask, va, vb), (mask >> i & 1) != 0 ? a - b : a);
	}
}

static void test_comparisons(void **state)
{
	struct stream stream = {32};

	(void)state;
	for (int round = 0; round < N_ROUNDS; round++) {
		struct lanes_values x = draw(&stream), y = draw(&stream);
		vec va = vec_load(x.lane), vb = vec_load(y.lane);

		CHECK_MASK(vec_eq(va, vb), a == b);
		CHECK_MASK(vec_eq(va, va), a == a && b == b);
		CHECK_MASK(vec_lt(va, vb), a < b);
		CHECK_MASK(vec_lt(vb, va), b < a);
		CHECK_MASK(vec_test(va, vb), (a & b) != 0);
	}
}

static void test_lookups(void **state)
{
	struct stream stream = {33};
	uint64_t table[16];

	(void)state;
	for (int i = 0; i < 16; i++)
		table[i] = stream_next(&stream);
	for (int round = 0; round < N_ROUNDS; round++) {
		struct lanes_values x = draw(&stream), y = x, z = x;
		vec idx = vec_load(x.lane);

		CHECK(vec_lookup8(table, idx), table[a % 8]);
		CHECK(vec_lookup16(table, idx), table[a % 16]);
	}
}

static void test_transpose(void **state)
{
	uint64_t stored[VEC_LANES];
	vec rows[8];

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		for (uint64_t j = 0; j < 8; j++)
			stored[j] = 10 * i + j;
		rows[i] = vec_load(stored);
	}
	vec_transpose(rows);
	for (uint64_t i = 0; i < 8; i++) {
		vec_store(stored, rows[i]);
		for (uint64_t j = 0; j < 8; j++)
			assert_int_equal(stored[j], 10 * j + i);
	}
}

// Bytes to digits and back, both orders and both radices, each number of lanes.
static void test_marshal(void **state)
{
	struct stream stream = {34};
	struct rows in, out;
	struct lane_words words;
	vec digits[8];

	(void)state;
	for (unsigned n = 1; n <= VEC_LANES; n++) {
		rows_init(&in, 0);
		for (unsigned i = 0; i < n; i++)
			stream_bytes(&stream, in.bytes[i], 48);
		rows_init(&out, 0xaa);
		lane_words_read(&words, 4, LITTLE_ENDIAN_BYTES, in.in, 0, n);
		digits_from_words(digits, 5, 52, &words);
		words_from_digits(&words, 4, digits, 5, 52);
		lane_words_write(&words, 4, LITTLE_ENDIAN_BYTES, out.out, 0, n);
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(out.bytes[i], in.bytes[i], 32);
		assert_int_equal(out.bytes[n][0], 0xaa);
		lane_words_read(&words, 6, BIG_ENDIAN_BYTES, in.in, 0, n);
		digits_from_words(digits, 8, 52, &words);
		words_from_digits(&words, 6, digits, 8, 52);
		lane_words_write(&words, 6, BIG_ENDIAN_BYTES, out.out, 1, n);
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(out.bytes[i] + 1, in.bytes[i], 48);
		// 51 bits drop bit 255.
		lane_words_read(&words, 4, LITTLE_ENDIAN_BYTES, in.in, 0, n);
		digits_from_words(digits, 5, 51, &words);
		words_from_digits(&words, 4, digits, 5, 51);
		lane_words_write(&words, 4, LITTLE_ENDIAN_BYTES, out.out, 0, n);
		for (unsigned i = 0; i < n; i++) {
			in.bytes[i][31] &= 0x7f;
			assert_memory_equal(out.bytes[i], in.bytes[i], 32);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_transpose),
		cmocka_unit_test(test_marshal),
	};

	if (MB_BODY_IFMA && mb_kernels_select() == NULL)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
