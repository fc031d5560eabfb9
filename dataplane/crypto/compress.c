// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 in portable C (FIPS 180-4 6.2), and the choice of body.

// SHA512_Transform is deprecated, without a replacement that neither allocates nor looks up an algorithm.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/compress.h"

#include "base/wipe.h"
#include "crypto/select.h"

#include <openssl/sha.h>

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

INLINE uint32_t rotate32(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
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

// OpenSSL's block function, which takes a third less time than what compilers make of C. It works in a
// structure of the caller's and allocates nothing.
static void sha512_blocks(uint64_t chain[8], const uint8_t *data, size_t n_blocks)
{
	SHA512_CTX context;

	memcpy(context.h, chain, sizeof context.h);
	for (; n_blocks != 0; n_blocks--, data += 128)
		SHA512_Transform(&context, data);
	memcpy(chain, context.h, sizeof context.h);
	wipe(context.h, sizeof context.h);
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
	if (id != HASH_SHA256)
		sha512_blocks(chain->w64, data, n_blocks);
	else if (select_features()->sha_ni)
		sha256_blocks_ni(chain->w32, data, n_blocks);
	else
		sha256_blocks_portable(chain->w32, data, n_blocks);
}

// How many streams of a hash this CPU runs side by side; 1: none.
static size_t width(enum hash_id id)
{
	if (id == HASH_SHA256)
		return select_features()->sha_ni ? SHA256_WIDTH : 1;
	return select_features()->avx512 ? SHA512_WIDTH : 1;
}

// Does as many blocks of the given streams as all of them have; n is at most the hash's width.
static void run_together(enum hash_id id, struct compress_stream *const *streams, size_t n)
{
	size_t n_blocks = SIZE_MAX;

	for (size_t i = 0; i < n; i++)
		if (streams[i]->n_blocks < n_blocks)
			n_blocks = streams[i]->n_blocks;
	if (id == HASH_SHA256)
		sha256_blocks_ni_many(streams, n, n_blocks);
	else if (n >= SHA512_WORTH_IT)
		sha512_blocks_x8(streams, n, n_blocks);
	else
		for (size_t i = 0; i < n; i++)
			sha512_blocks(streams[i]->chain->w64, streams[i]->data, n_blocks);
	for (size_t i = 0; i < n; i++) {
		streams[i]->data += hash_block_len(id) * n_blocks;
		streams[i]->n_blocks -= n_blocks;
	}
}

void compress_burst(enum hash_id id, struct compress_stream *streams, size_t n)
{
	struct compress_stream *together[SHA512_WIDTH];
	size_t n_together = 0;
	size_t next = 0;

	if (n == 1 || width(id) == 1) {
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
		for (; next < n && n_together < width(id); next++)
			if (streams[next].n_blocks != 0)
				together[n_together++] = &streams[next];
		if (n_together == 0)
			return;
		run_together(id, together, n_together);
	}
}

size_t compress_pad(enum hash_id id, uint8_t *last, size_t len, uint64_t total_len)
{
	size_t block_len = hash_block_len(id);
	size_t padded_len = (len + 1 + block_len / 8 + block_len - 1) / block_len * block_len;
	uint64_t bits = __builtin_bswap64(total_len << 3);

	last[len] = 0x80;
	memset(last + len + 1, 0, padded_len - len - 1);
	// The length is 64 or 128 bits wide; 2^61 bytes and more there are only in theory, so the upper half
	// of the wide form stays zero.
	memcpy(last + padded_len - sizeof bits, &bits, sizeof bits);
	return padded_len / block_len;
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));

// Whole vectors are stored, because HMAC's second half loads them again a moment later.
void compress_digest(enum hash_id id, const union hash_words *chain, uint8_t *out)
{
	bytes16 vector;

	for (size_t i = 0; i < hash_len(id) / sizeof vector; i++) {
		memcpy(&vector, (const uint8_t *)chain + sizeof vector * i, sizeof vector);
		if (id == HASH_SHA256)
			vector = __builtin_shufflevector(
				vector, vector, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
		else
			vector = __builtin_shufflevector(
				vector, vector, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
		memcpy(out + sizeof vector * i, &vector, sizeof vector);
	}
}
