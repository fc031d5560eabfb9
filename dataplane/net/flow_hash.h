// SPDX-License-Identifier: Apache-2.0
//
// The keyed hash of a flow. Universal hashing with a secret that is drawn at start: whoever does not see hash
// values can't aim two flows at one bucket better than by chance (probability below 2^-31 for any two flows),
// at a third of SipHash's cost.
//
//   NH (Black et al., UMAC, CRYPTO 1999) over six 64-bit words to 128 bits:
//       sum of (w[2i] + k[2i] mod 2^64) * (w[2i+1] + k[2i+1] mod 2^64), mod 2^128      collision <= 2^-64
//   strongly universal to 32 bits (Dietzfelbinger 1996: multiply-shift in 128 bits, top 32):
//       (a * low64 + b * high64 + c mod 2^128) >> 96                                  collision <= 2^-32
//   a fixed permutation of 32 bits (the finaliser of MurmurHash3): it keeps the bounds, and breaks the
//   lattice
//       that a linear hash makes of regular inputs such as one machine's consecutive ports
#pragma once

#include "net/addr.h"

struct flow_secret {
	uint64_t nh[6];
	unsigned __int128 fold[3];
};

static inline uint32_t flow_hash(const struct flow_secret *secret, const struct flow_key *key)
{
	const uint64_t *k = secret->nh;
	uint64_t ports = (uint64_t)key->local_port << 16 | key->remote_port;
	unsigned __int128 nh;
	uint32_t hash;

	nh = (unsigned __int128)(key->local.words[0] + k[0]) * (key->local.words[1] + k[1]);
	nh += (unsigned __int128)(key->remote.words[0] + k[2]) * (key->remote.words[1] + k[3]);
	nh += (unsigned __int128)(ports + k[4]) * k[5];
	hash = (uint32_t)((secret->fold[0] * (uint64_t)nh + secret->fold[1] * (uint64_t)(nh >> 64) +
				  secret->fold[2]) >>
			  96);
	hash = (hash ^ hash >> 16) * UINT32_C(0x85ebca6b);
	hash = (hash ^ hash >> 13) * UINT32_C(0xc2b2ae35);
	return hash ^ hash >> 16;
}

// The worker of a flow on a port without RSS: the hash's high bits. Tables that belong to one worker use its
// low bits.
static inline uint32_t flow_hash_worker(uint32_t hash, uint32_t n_workers)
{
	return (uint32_t)((uint64_t)hash * n_workers >> 32);
}
