// SPDX-License-Identifier: Apache-2.0
//
// Eight 64-bit lanes and the operations that the eight-lane kernels are written in: the only place with
// vector intrinsics.
//
// Every kernel source is compiled twice. With MB_BODY_IFMA=1 a vec is an AVX-512 register and vec_madlo and
// vec_madhi are the IFMA instructions; with MB_BODY_IFMA=0 it is an array of eight integers in plain C, which
// runs on any CPU and under valgrind and the sanitizers. Both bodies give the same bits. No operation
// branches on, or forms an address from, what a lane holds; the table look-ups read the whole table.
//
// A vmask has bit i for lane i. Multiplication takes the low 52 bits of each factor and ignores what is above
// them, so factors must be carried before, and a sum may stand unmasked where its upper bits don't matter.
#pragma once

#include <stdint.h>
#include <string.h>

#define VEC_LANES      8
#define VEC_DIGIT_BITS 52
#define VEC_DIGIT_MASK ((UINT64_C(1) << VEC_DIGIT_BITS) - 1)
#define VEC_ALL        0xffu

// The name of a symbol that exists once per body.
#if MB_BODY_IFMA
#define MB_SYMBOL(name) name##_ifma
#else
#define MB_SYMBOL(name) name##_plain
#endif

// Kernels are straight-line arithmetic on registers: a call per operation would cost more than the operation.
#define VEC_INLINE static inline __attribute__((always_inline))

// A multiplication of field elements: inlined into what uses it where an operation is an instruction, called
// where it is a loop or carries the sanitizers' checks (which make compilers take minutes over inlined ones).
#if MB_BODY_IFMA && !MB_SANITIZED
#define VEC_FIELD VEC_INLINE
#else
#define VEC_FIELD static __attribute__((noinline))
#endif

typedef uint8_t vmask;

#if MB_BODY_IFMA

#include <immintrin.h>

typedef __m512i vec;

VEC_INLINE vec vec_zero(void)
{
	return _mm512_setzero_si512();
}

// The same value in each lane.
VEC_INLINE vec vec_set1(uint64_t value)
{
	return _mm512_set1_epi64((long long)value);
}

// Loads eight values; no alignment is demanded, 64 bytes are best.
VEC_INLINE vec vec_load(const uint64_t *values)
{
	return _mm512_loadu_si512(values);
}

VEC_INLINE void vec_store(uint64_t *out_values, vec a)
{
	_mm512_storeu_si512(out_values, a);
}

VEC_INLINE vec vec_add(vec a, vec b)
{
	return _mm512_add_epi64(a, b);
}

VEC_INLINE vec vec_sub(vec a, vec b)
{
	return _mm512_sub_epi64(a, b);
}

VEC_INLINE vec vec_and(vec a, vec b)
{
	return _mm512_and_si512(a, b);
}

VEC_INLINE vec vec_or(vec a, vec b)
{
	return _mm512_or_si512(a, b);
}

VEC_INLINE vec vec_xor(vec a, vec b)
{
	return _mm512_xor_si512(a, b);
}

VEC_INLINE vec vec_shl(vec a, unsigned bits)
{
	return _mm512_slli_epi64(a, bits);
}

VEC_INLINE vec vec_shr(vec a, unsigned bits)
{
	return _mm512_srli_epi64(a, bits);
}

// Shift right of signed lanes.
VEC_INLINE vec vec_sar(vec a, unsigned bits)
{
	return _mm512_srai_epi64(a, bits);
}

// sum + low 52 bits of a * b, for the low 52 bits of a and b.
VEC_INLINE vec vec_madlo(vec sum, vec a, vec b)
{
	return _mm512_madd52lo_epu64(sum, a, b);
}

// sum + high 52 bits of the 104-bit a * b, for the low 52 bits of a and b.
VEC_INLINE vec vec_madhi(vec sum, vec a, vec b)
{
	return _mm512_madd52hi_epu64(sum, a, b);
}

VEC_INLINE vmask vec_eq(vec a, vec b)
{
	return _mm512_cmpeq_epi64_mask(a, b);
}

// Unsigned a < b.
VEC_INLINE vmask vec_lt(vec a, vec b)
{
	return _mm512_cmplt_epu64_mask(a, b);
}

// Lanes in which a and b have a common bit.
VEC_INLINE vmask vec_test(vec a, vec b)
{
	return _mm512_test_epi64_mask(a, b);
}

// yes where the mask's bit is set, no elsewhere.
VEC_INLINE vec vec_select(vmask mask, vec yes, vec no)
{
	return _mm512_mask_blend_epi64(mask, no, yes);
}

// a where the mask's bit is set, zero elsewhere.
VEC_INLINE vec vec_keep(vmask mask, vec a)
{
	return _mm512_maskz_mov_epi64(mask, a);
}

// a + b where the mask's bit is set, a elsewhere.
VEC_INLINE vec vec_add_if(vmask mask, vec a, vec b)
{
	return _mm512_mask_add_epi64(a, mask, a, b);
}

// a - b where the mask's bit is set, a elsewhere.
VEC_INLINE vec vec_sub_if(vmask mask, vec a, vec b)
{
	return _mm512_mask_sub_epi64(a, mask, a, b);
}

// In each lane the table's entry number (idx mod 8).
VEC_INLINE vec vec_lookup8(const uint64_t *table, vec idx)
{
	return _mm512_permutexvar_epi64(idx, vec_load(table));
}

// In each lane the table's entry number (idx mod 16).
VEC_INLINE vec vec_lookup16(const uint64_t *table, vec idx)
{
	return _mm512_permutex2var_epi64(vec_load(table), idx, vec_load(table + 8));
}

// The 8 x 8 transpose: afterwards lane i of rows[j] is what lane j of rows[i] was.
VEC_INLINE void vec_transpose(vec rows[8])
{
	vec pairs[8], quads[8];

	for (int i = 0; i < 8; i += 2) {
		pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
		pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) {
		for (int j = 0; j < 2; j++) {
			quads[i + j] = _mm512_shuffle_i64x2(pairs[i + j], pairs[i + j + 2], 0x88);
			quads[i + j + 2] = _mm512_shuffle_i64x2(pairs[i + j], pairs[i + j + 2], 0xdd);
		}
	}
	for (int j = 0; j < 4; j++) {
		rows[j] = _mm512_shuffle_i64x2(quads[j], quads[j + 4], 0x88);
		rows[j + 4] = _mm512_shuffle_i64x2(quads[j], quads[j + 4], 0xdd);
	}
}

#else

typedef struct {
	uint64_t lane[VEC_LANES];
} vec;

// One expression in a and b for each lane. The macro keeps the plain body as short as the other.
#define VEC_EACH(expression) \
	vec result; \
	for (int i = 0; i < VEC_LANES; i++) \
		result.lane[i] = (expression); \
	return result

// One truth value (0 or 1) for each lane, gathered into a mask.
#define VEC_EACH_MASK(expression) \
	unsigned result = 0; \
	for (int i = 0; i < VEC_LANES; i++) \
		result |= (unsigned)(expression) << i; \
	return (vmask)result

// All ones if lane i of the mask is set, else zero. The empty asm keeps compilers from seeing a choice here
// and making it a branch.
VEC_INLINE uint64_t vec_wide(vmask mask, int i)
{
	uint64_t wide = 0 - (uint64_t)(mask >> i & 1);

	__asm__("" : "+r"(wide));
	return wide;
}

VEC_INLINE vec vec_set1(uint64_t value)
{
	VEC_EACH(value);
}

VEC_INLINE vec vec_zero(void)
{
	return vec_set1(0);
}

VEC_INLINE vec vec_load(const uint64_t *values)
{
	vec result;

	memcpy(&result, values, sizeof(result));
	return result;
}

VEC_INLINE void vec_store(uint64_t *out_values, vec a)
{
	memcpy(out_values, &a, sizeof(a));
}

VEC_INLINE vec vec_add(vec a, vec b)
{
	VEC_EACH(a.lane[i] + b.lane[i]);
}

VEC_INLINE vec vec_sub(vec a, vec b)
{
	VEC_EACH(a.lane[i] - b.lane[i]);
}

VEC_INLINE vec vec_and(vec a, vec b)
{
	VEC_EACH(a.lane[i] & b.lane[i]);
}

VEC_INLINE vec vec_or(vec a, vec b)
{
	VEC_EACH(a.lane[i] | b.lane[i]);
}

VEC_INLINE vec vec_xor(vec a, vec b)
{
	VEC_EACH(a.lane[i] ^ b.lane[i]);
}

VEC_INLINE vec vec_shl(vec a, unsigned bits)
{
	VEC_EACH(a.lane[i] << bits);
}

VEC_INLINE vec vec_shr(vec a, unsigned bits)
{
	VEC_EACH(a.lane[i] >> bits);
}

VEC_INLINE vec vec_sar(vec a, unsigned bits)
{
	VEC_EACH((uint64_t)((int64_t)a.lane[i] >> bits));
}

VEC_INLINE unsigned __int128 vec_product52(uint64_t a, uint64_t b)
{
	return (unsigned __int128)(a & VEC_DIGIT_MASK) * (b & VEC_DIGIT_MASK);
}

VEC_INLINE vec vec_madlo(vec sum, vec a, vec b)
{
	VEC_EACH(sum.lane[i] + ((uint64_t)vec_product52(a.lane[i], b.lane[i]) & VEC_DIGIT_MASK));
}

VEC_INLINE vec vec_madhi(vec sum, vec a, vec b)
{
	VEC_EACH(sum.lane[i] + (uint64_t)(vec_product52(a.lane[i], b.lane[i]) >> VEC_DIGIT_BITS));
}

VEC_INLINE vmask vec_test(vec a, vec b)
{
	VEC_EACH_MASK(((a.lane[i] & b.lane[i]) | (0 - (a.lane[i] & b.lane[i]))) >> 63);
}

VEC_INLINE vmask vec_eq(vec a, vec b)
{
	vec difference = vec_xor(a, b);

	return (vmask)~vec_test(difference, difference);
}

VEC_INLINE vmask vec_lt(vec a, vec b)
{
	VEC_EACH_MASK(
		((~a.lane[i] & b.lane[i]) | (~(a.lane[i] ^ b.lane[i]) & (a.lane[i] - b.lane[i]))) >> 63);
}

VEC_INLINE vec vec_select(vmask mask, vec yes, vec no)
{
	VEC_EACH((yes.lane[i] & vec_wide(mask, i)) | (no.lane[i] & ~vec_wide(mask, i)));
}

VEC_INLINE vec vec_keep(vmask mask, vec a)
{
	VEC_EACH(a.lane[i] & vec_wide(mask, i));
}

VEC_INLINE vec vec_add_if(vmask mask, vec a, vec b)
{
	return vec_add(a, vec_keep(mask, b));
}

VEC_INLINE vec vec_sub_if(vmask mask, vec a, vec b)
{
	return vec_sub(a, vec_keep(mask, b));
}

// Reads all n entries, n a power of two, and keeps the one wanted.
VEC_INLINE vec vec_lookup(const uint64_t *table, uint64_t n, vec idx)
{
	vec wanted = vec_and(idx, vec_set1(n - 1));
	vec result = vec_zero();

	for (uint64_t entry = 0; entry < n; entry++) {
		vmask found = vec_eq(wanted, vec_set1(entry));

		result = vec_or(result, vec_keep(found, vec_set1(table[entry])));
	}
	return result;
}

VEC_INLINE vec vec_lookup8(const uint64_t *table, vec idx)
{
	return vec_lookup(table, 8, idx);
}

VEC_INLINE vec vec_lookup16(const uint64_t *table, vec idx)
{
	return vec_lookup(table, 16, idx);
}

VEC_INLINE void vec_transpose(vec rows[8])
{
	vec result[8];

	for (int i = 0; i < 8; i++) {
		for (int j = 0; j < 8; j++)
			result[j].lane[i] = rows[i].lane[j];
	}
	memcpy(rows, result, sizeof(result));
}

#undef VEC_EACH
#undef VEC_EACH_MASK

#endif
