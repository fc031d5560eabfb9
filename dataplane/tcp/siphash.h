// SPDX-License-Identifier: Apache-2.0
//
// SipHash (Aumasson and Bernstein, INDOCRYPT 2012): a keyed hash of short input. The 2-4 form protects
// initial sequence numbers and SYN cookies; the cheaper 1-3 form places connections in the table, where an
// outsider sees no output at all.
#pragma once

#include <stdint.h>

struct siphash_key {
	uint64_t words[2];
};

// Input is whole 64-bit words, host order (this machine's words never meet another's).
uint64_t siphash_2_4(const struct siphash_key *key, const uint64_t *words, uint32_t n_words);
uint64_t siphash_1_3(const struct siphash_key *key, const uint64_t *words, uint32_t n_words);
