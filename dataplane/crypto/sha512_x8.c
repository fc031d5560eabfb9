// SPDX-License-Identifier: Apache-2.0
//
// SHA-512 (FIPS 180-4 6.4; SHA-384 is the same but for its start), eight independent streams side by side:
// one vector holds the same variable of all eight. The source is plain C with the compilers' vector type; it
// is compiled for AVX-512, whose rotations and three-operand logic the compilers then find by themselves, and
// runs only where the CPU has it.
//
// A block of all eight costs about as much as two blocks one after another; that limit is the throughput of
// some 2,150 vector instructions.
#include "crypto/compress.h"

typedef uint64_t lanes __attribute__((vector_size(8 * SHA512_WIDTH)));

#define INLINE static inline __attribute__((always_inline))

// FIPS 180-4 4.2.3: the first 64 bits of the fractional parts of the cube roots of the first 80 primes.
static const uint64_t round_constants[80] = {
	UINT64_C(0x428a2f98d728ae22),
	UINT64_C(0x7137449123ef65cd),
	UINT64_C(0xb5c0fbcfec4d3b2f),
	UINT64_C(0xe9b5dba58189dbbc),
	UINT64_C(0x3956c25bf348b538),
	UINT64_C(0x59f111f1b605d019),
	UINT64_C(0x923f82a4af194f9b),
	UINT64_C(0xab1c5ed5da6d8118),
	UINT64_C(0xd807aa98a3030242),
	UINT64_C(0x12835b0145706fbe),
	UINT64_C(0x243185be4ee4b28c),
	UINT64_C(0x550c7dc3d5ffb4e2),
	UINT64_C(0x72be5d74f27b896f),
	UINT64_C(0x80deb1fe3b1696b1),
	UINT64_C(0x9bdc06a725c71235),
	UINT64_C(0xc19bf174cf692694),
	UINT64_C(0xe49b69c19ef14ad2),
	UINT64_C(0xefbe4786384f25e3),
	UINT64_C(0x0fc19dc68b8cd5b5),
	UINT64_C(0x240ca1cc77ac9c65),
	UINT64_C(0x2de92c6f592b0275),
	UINT64_C(0x4a7484aa6ea6e483),
	UINT64_C(0x5cb0a9dcbd41fbd4),
	UINT64_C(0x76f988da831153b5),
	UINT64_C(0x983e5152ee66dfab),
	UINT64_C(0xa831c66d2db43210),
	UINT64_C(0xb00327c898fb213f),
	UINT64_C(0xbf597fc7beef0ee4),
	UINT64_C(0xc6e00bf33da88fc2),
	UINT64_C(0xd5a79147930aa725),
	UINT64_C(0x06ca6351e003826f),
	UINT64_C(0x142929670a0e6e70),
	UINT64_C(0x27b70a8546d22ffc),
	UINT64_C(0x2e1b21385c26c926),
	UINT64_C(0x4d2c6dfc5ac42aed),
	UINT64_C(0x53380d139d95b3df),
	UINT64_C(0x650a73548baf63de),
	UINT64_C(0x766a0abb3c77b2a8),
	UINT64_C(0x81c2c92e47edaee6),
	UINT64_C(0x92722c851482353b),
	UINT64_C(0xa2bfe8a14cf10364),
	UINT64_C(0xa81a664bbc423001),
	UINT64_C(0xc24b8b70d0f89791),
	UINT64_C(0xc76c51a30654be30),
	UINT64_C(0xd192e819d6ef5218),
	UINT64_C(0xd69906245565a910),
	UINT64_C(0xf40e35855771202a),
	UINT64_C(0x106aa07032bbd1b8),
	UINT64_C(0x19a4c116b8d2d0c8),
	UINT64_C(0x1e376c085141ab53),
	UINT64_C(0x2748774cdf8eeb99),
	UINT64_C(0x34b0bcb5e19b48a8),
	UINT64_C(0x391c0cb3c5c95a63),
	UINT64_C(0x4ed8aa4ae3418acb),
	UINT64_C(0x5b9cca4f7763e373),
	UINT64_C(0x682e6ff3d6b2b8a3),
	UINT64_C(0x748f82ee5defb2fc),
	UINT64_C(0x78a5636f43172f60),
	UINT64_C(0x84c87814a1f0ab72),
	UINT64_C(0x8cc702081a6439ec),
	UINT64_C(0x90befffa23631e28),
	UINT64_C(0xa4506cebde82bde9),
	UINT64_C(0xbef9a3f7b2c67915),
	UINT64_C(0xc67178f2e372532b),
	UINT64_C(0xca273eceea26619c),
	UINT64_C(0xd186b8c721c0c207),
	UINT64_C(0xeada7dd6cde0eb1e),
	UINT64_C(0xf57d4f7fee6ed178),
	UINT64_C(0x06f067aa72176fba),
	UINT64_C(0x0a637dc5a2c898a6),
	UINT64_C(0x113f9804bef90dae),
	UINT64_C(0x1b710b35131c471b),
	UINT64_C(0x28db77f523047d84),
	UINT64_C(0x32caab7b40c72493),
	UINT64_C(0x3c9ebe0a15c9bebc),
	UINT64_C(0x431d67c49c100d4c),
	UINT64_C(0x4cc5d4becb3e42b6),
	UINT64_C(0x597f299cfc657e2a),
	UINT64_C(0x5fcb6fab3ad6faec),
	UINT64_C(0x6c44198c4a475817),
};

INLINE lanes rotate(lanes x, int n)
{
	return x >> n | x << (64 - n);
}

// Words 16 i to 16 i + 15 from the sixteen before them, one at a time (FIPS 180-4 6.4.2 step 1).
INLINE lanes next_word(lanes w[16], int t)
{
	lanes x = w[(t + 1) % 16], y = w[(t + 14) % 16];

	w[t % 16] += (rotate(y, 19) ^ rotate(y, 61) ^ y >> 6) + w[(t + 9) % 16] +
		     (rotate(x, 1) ^ rotate(x, 8) ^ x >> 7);
	return w[t % 16];
}

// Round t (step 3). Instead of moving the working variables on, their names rotate: a is v[-t mod 8]. What
// does not depend on the round before is summed up first, so that the chain from round to round is short.
INLINE void one_round(lanes v[8], lanes word, int t)
{
	lanes a = v[(80 - t) % 8], b = v[(81 - t) % 8], c = v[(82 - t) % 8], d = v[(83 - t) % 8];
	lanes e = v[(84 - t) % 8], f = v[(85 - t) % 8], g = v[(86 - t) % 8], h = v[(87 - t) % 8];
	lanes choose = ((f ^ g) & e) ^ g;
	lanes majority = (a & b) | (c & (a | b));
	lanes early = h + (word + round_constants[t]) + choose;
	lanes sum1 = rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41);
	lanes sum0 = rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39);

	v[(83 - t) % 8] = d + early + sum1;
	v[(87 - t) % 8] = early + sum1 + sum0 + majority;
}

// Word t of the block in each lane.
INLINE lanes load_word(const uint8_t *const data[SHA512_WIDTH], size_t offset)
{
	uint64_t words[SHA512_WIDTH];
	lanes word;

	for (int lane = 0; lane < SHA512_WIDTH; lane++) {
		uint64_t value;

		memcpy(&value, data[lane] + offset, sizeof value);
		words[lane] = __builtin_bswap64(value);
	}
	memcpy(&word, words, sizeof word);
	return word;
}

void sha512_blocks_x8(struct compress_stream *const *streams, size_t n, size_t n_blocks)
{
	const uint8_t *data[SHA512_WIDTH];
	lanes state[8], v[8], w[16];

	// Lanes without a stream repeat the first one.
	for (size_t lane = 0; lane < SHA512_WIDTH; lane++) {
		const struct compress_stream *stream = streams[lane < n ? lane : 0];

		data[lane] = stream->data;
		for (int i = 0; i < 8; i++)
			state[i][lane] = stream->chain->w64[i];
	}
	for (size_t block = 0; block < n_blocks; block++) {
		for (int i = 0; i < 8; i++)
			v[i] = state[i];
#pragma GCC unroll 80
		for (int t = 0; t < 80; t++) {
			if (t < 16)
				w[t] = load_word(data, 128 * block + 8 * (size_t)t);
			one_round(v, t < 16 ? w[t] : next_word(w, t), t);
		}
		for (int i = 0; i < 8; i++)
			state[i] += v[i];
	}
	for (size_t lane = 0; lane < n; lane++)
		for (int i = 0; i < 8; i++)
			streams[lane]->chain->w64[i] = state[i][lane];
}
