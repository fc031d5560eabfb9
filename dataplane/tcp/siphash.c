// SPDX-License-Identifier: Apache-2.0
#include "tcp/siphash.h"

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t value, unsigned n)
{
	return value << n | value >> (64 - n);
}

// SipRound of the paper's figure 2.1, n times.
static inline struct sip_state sip_rounds(struct sip_state s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		s.v0 += s.v1;
		s.v2 += s.v3;
		s.v1 = rotate_left(s.v1, 13) ^ s.v0;
		s.v3 = rotate_left(s.v3, 16) ^ s.v2;
		s.v0 = rotate_left(s.v0, 32);
		s.v2 += s.v1;
		s.v0 += s.v3;
		s.v1 = rotate_left(s.v1, 17) ^ s.v2;
		s.v3 = rotate_left(s.v3, 21) ^ s.v0;
		s.v2 = rotate_left(s.v2, 32);
	}
	return s;
}

static inline uint64_t siphash(
	const struct siphash_key *key, const uint64_t *words, uint32_t n_words, uint32_t c, uint32_t d)
{
	struct sip_state s = {
		.v0 = key->words[0] ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->words[1] ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->words[0] ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->words[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t last = (uint64_t)n_words * 8 << 56; // the length in bytes closes the input

	for (uint32_t i = 0; i < n_words; i++) {
		s.v3 ^= words[i];
		s = sip_rounds(s, c);
		s.v0 ^= words[i];
	}
	s.v3 ^= last;
	s = sip_rounds(s, c);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	s = sip_rounds(s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash_2_4(const struct siphash_key *key, const uint64_t *words, uint32_t n_words)
{
	return siphash(key, words, n_words, 2, 4);
}

uint64_t siphash_1_3(const struct siphash_key *key, const uint64_t *words, uint32_t n_words)
{
	return siphash(key, words, n_words, 1, 3);
}
