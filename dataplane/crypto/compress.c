// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 and SHA-512 in portable C (FIPS 180-4 6.2, 6.4), and the choice of body.
#include "crypto/compress.h"

#include "crypto/select.h"

// FIPS 180-4 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const uint32_t sha256_round_constants[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

// FIPS 180-4 4.2.3: the same with 64 bits and 80 primes.
static const uint64_t sha512_round_constants[80] = {
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

// FIPS 180-4 5.3.3, 5.3.5, 5.3.4.
static const uint32_t sha256_start[8] = {
	0x6a09e667,
	0xbb67ae85,
	0x3c6ef372,
	0xa54ff53a,
	0x510e527f,
	0x9b05688c,
	0x1f83d9ab,
	0x5be0cd19,
};
static const uint64_t sha512_start[8] = {
	UINT64_C(0x6a09e667f3bcc908),
	UINT64_C(0xbb67ae8584caa73b),
	UINT64_C(0x3c6ef372fe94f82b),
	UINT64_C(0xa54ff53a5f1d36f1),
	UINT64_C(0x510e527fade682d1),
	UINT64_C(0x9b05688c2b3e6c1f),
	UINT64_C(0x1f83d9abfb41bd6b),
	UINT64_C(0x5be0cd19137e2179),
};
static const uint64_t sha384_start[8] = {
	UINT64_C(0xcbbb9d5dc1059ed8),
	UINT64_C(0x629a292a367cd507),
	UINT64_C(0x9159015a3070dd17),
	UINT64_C(0x152fecd8f70e5939),
	UINT64_C(0x67332667ffc00b31),
	UINT64_C(0x8eb44a8768581511),
	UINT64_C(0xdb0c2e0d64f98fa7),
	UINT64_C(0x47b5481dbefa4fa4),
};

#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t load32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	return __builtin_bswap32(value);
}

INLINE uint64_t load64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof value);
	return __builtin_bswap64(value);
}

INLINE uint32_t rotate32(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

INLINE uint64_t rotate64(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

void sha256_blocks_portable(uint32_t chain[8], const uint8_t *data, size_t n_blocks)
{
	for (; n_blocks != 0; n_blocks--, data += 64) {
		uint32_t w[64];
		uint32_t v[8];

		memcpy(v, chain, sizeof v);
		for (int t = 0; t < 16; t++)
			w[t] = load32(data + 4 * t);
		for (int t = 16; t < 64; t++) {
			uint32_t s0 = rotate32(w[t - 15], 7) ^ rotate32(w[t - 15], 18) ^ w[t - 15] >> 3;
			uint32_t s1 = rotate32(w[t - 2], 17) ^ rotate32(w[t - 2], 19) ^ w[t - 2] >> 10;

			w[t] = s1 + w[t - 7] + s0 + w[t - 16];
		}
		for (int t = 0; t < 64; t++) {
			uint32_t a = v[0], e = v[4];
			uint32_t sum1 = rotate32(e, 6) ^ rotate32(e, 11) ^ rotate32(e, 25);
			uint32_t choose = (e & (v[5] ^ v[6])) ^ v[6];
			uint32_t t1 = v[7] + sum1 + choose + sha256_round_constants[t] + w[t];
			uint32_t sum0 = rotate32(a, 2) ^ rotate32(a, 13) ^ rotate32(a, 22);
			uint32_t majority = (a & v[1]) | (v[2] & (a | v[1]));

			memmove(v + 1, v, 7 * sizeof v[0]);
			v[4] += t1;
			v[0] = t1 + sum0 + majority;
		}
		for (int i = 0; i < 8; i++)
			chain[i] += v[i];
	}
}

// One round; the caller renames the working variables instead of moving them.
#define SHA512_ROUND(a, b, c, d, e, f, g, h, t) \
	do { \
		h += (rotate64(e, 14) ^ rotate64(e, 18) ^ rotate64(e, 41)) + (((f ^ g) & e) ^ g) + \
		     sha512_round_constants[t] + w[(t) % 16]; \
		d += h; \
		h += (rotate64(a, 28) ^ rotate64(a, 34) ^ rotate64(a, 39)) + ((a & b) | (c & (a | b))); \
	} while (0)

INLINE void sha512_schedule(uint64_t w[16])
{
	for (int t = 0; t < 16; t++) {
		uint64_t x = w[(t + 1) % 16], y = w[(t + 14) % 16];

		w[t] += (rotate64(y, 19) ^ rotate64(y, 61) ^ y >> 6) + w[(t + 9) % 16] +
			(rotate64(x, 1) ^ rotate64(x, 8) ^ x >> 7);
	}
}

INLINE void sha512_blocks(uint64_t chain[8], const uint8_t *data, size_t n_blocks)
{
	for (; n_blocks != 0; n_blocks--, data += 128) {
		uint64_t a = chain[0], b = chain[1], c = chain[2], d = chain[3];
		uint64_t e = chain[4], f = chain[5], g = chain[6], h = chain[7];
		uint64_t w[16];

		for (int t = 0; t < 16; t++)
			w[t] = load64(data + 8 * t);
		for (int t = 0; t < 80; t += 16) {
			if (t != 0)
				sha512_schedule(w);
			for (int i = t; i < t + 16; i += 8) {
				SHA512_ROUND(a, b, c, d, e, f, g, h, i);
				SHA512_ROUND(h, a, b, c, d, e, f, g, i + 1);
				SHA512_ROUND(g, h, a, b, c, d, e, f, i + 2);
				SHA512_ROUND(f, g, h, a, b, c, d, e, i + 3);
				SHA512_ROUND(e, f, g, h, a, b, c, d, i + 4);
				SHA512_ROUND(d, e, f, g, h, a, b, c, i + 5);
				SHA512_ROUND(c, d, e, f, g, h, a, b, i + 6);
				SHA512_ROUND(b, c, d, e, f, g, h, a, i + 7);
			}
		}
		chain[0] += a;
		chain[1] += b;
		chain[2] += c;
		chain[3] += d;
		chain[4] += e;
		chain[5] += f;
		chain[6] += g;
		chain[7] += h;
	}
}

void sha512_blocks_portable(uint64_t chain[8], const uint8_t *data, size_t n_blocks)
{
	sha512_blocks(chain, data, n_blocks);
}

// The same source with rorx and andn, which spare a third of the instructions.
__attribute__((target("bmi,bmi2"))) void sha512_blocks_bmi2(
	uint64_t chain[8], const uint8_t *data, size_t n_blocks)
{
	sha512_blocks(chain, data, n_blocks);
}

void compress_init(union hash_words *chain, enum hash_id id)
{
	if (id == HASH_SHA256)
		memcpy(chain->w32, sha256_start, sizeof sha256_start);
	else
		memcpy(chain->w64, id == HASH_SHA384 ? sha384_start : sha512_start, sizeof sha512_start);
}

void compress_blocks(enum hash_id id, union hash_words *chain, const uint8_t *data, size_t n_blocks)
{
	if (id != HASH_SHA256) {
		if (select_features()->bmi2)
			sha512_blocks_bmi2(chain->w64, data, n_blocks);
		else
			sha512_blocks_portable(chain->w64, data, n_blocks);
	} else if (select_features()->sha_ni) {
		sha256_blocks_ni(chain->w32, data, n_blocks);
	} else {
		sha256_blocks_portable(chain->w32, data, n_blocks);
	}
}

// Does as many blocks of the given streams as all of them have.
static void sha256_together(struct compress_stream *const streams[4], size_t n)
{
	uint32_t *chains[4];
	const uint8_t *data[4];
	size_t n_blocks = SIZE_MAX;

	if (n == 3)
		n = 2;
	for (size_t i = 0; i < n; i++) {
		chains[i] = streams[i]->chain->w32;
		data[i] = streams[i]->data;
		if (streams[i]->n_blocks < n_blocks)
			n_blocks = streams[i]->n_blocks;
	}
	if (n == 4)
		sha256_blocks_ni_x4(chains, data, n_blocks);
	else if (n == 2)
		sha256_blocks_ni_x2(chains, data, n_blocks);
	else
		sha256_blocks_ni(chains[0], data[0], n_blocks);
	for (size_t i = 0; i < n; i++) {
		streams[i]->data += 64 * n_blocks;
		streams[i]->n_blocks -= n_blocks;
	}
}

void compress_burst(enum hash_id id, struct compress_stream *streams, size_t n)
{
	struct compress_stream *together[4];
	size_t n_together = 0;
	size_t next = 0;

	if (id != HASH_SHA256 || !select_features()->sha_ni) {
		for (size_t i = 0; i < n; i++) {
			compress_blocks(id, streams[i].chain, streams[i].data, streams[i].n_blocks);
			streams[i].n_blocks = 0;
		}
		return;
	}
	for (;;) {
		size_t kept = 0;

		for (size_t i = 0; i < n_together; i++)
			if (together[i]->n_blocks != 0)
				together[kept++] = together[i];
		n_together = kept;
		for (; next < n && n_together < 4; next++)
			if (streams[next].n_blocks != 0)
				together[n_together++] = &streams[next];
		if (n_together == 0)
			return;
		sha256_together(together, n_together);
	}
}

void compress_digest(enum hash_id id, const union hash_words *chain, uint8_t *out)
{
	if (id == HASH_SHA256) {
		for (size_t i = 0; i < 8; i++) {
			uint32_t word = __builtin_bswap32(chain->w32[i]);

			memcpy(out + 4 * i, &word, sizeof word);
		}
		return;
	}
	for (size_t i = 0; i < hash_len(id) / 8; i++) {
		uint64_t word = __builtin_bswap64(chain->w64[i]);

		memcpy(out + 8 * i, &word, sizeof word);
	}
}
