// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum (RFC 1071). Sums are kept as 64-bit integers over native-order 16-bit words and
// folded once at the end: one's complement addition does not care for byte order, so a folded sum is stored
// as it is.
#pragma once

#include "net/addr.h"

#include <stddef.h>

struct rte_mbuf;

// Adds len bytes to a sum. An odd last byte counts as if a zero byte followed, so only the last piece of
// several may be odd (checksum_sum_mbuf handles others). At most 2^32 bytes may be summed before folding.
uint64_t checksum_sum(const void *data, size_t len, uint64_t sum);

// Chooses the body of checksum_sum for this CPU; before workers run. Without it the portable body is used.
void checksum_init(void);

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

// What goes into a header field whose own bytes were zero in the sum.
static inline uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

// Whether a sum that included the checksum field says "intact".
static inline bool checksum_good(uint64_t sum)
{
	return checksum_fold(sum) == 0xffff;
}

// The 20 bytes of an IPv4 header without options.
static inline uint64_t checksum_sum_ip4(const void *header)
{
	uint64_t words[2];
	uint32_t last;

	memcpy(words, header, sizeof words);
	memcpy(&last, (const uint8_t *)header + sizeof words, sizeof last);
	return (words[0] >> 32) + (uint32_t)words[0] + (words[1] >> 32) + (uint32_t)words[1] + last;
}

// Pseudo-headers (RFC 9293 3.1, RFC 8200 8.1). An IPv4 address in its mapped form adds 0xffff besides its own
// four bytes, which in one's complement is zero: one function serves both families.
static inline uint64_t checksum_sum_pseudo(
	const struct ip_addr *a, const struct ip_addr *b, uint8_t protocol, uint32_t len)
{
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		sum += (a->words[i] >> 32) + (uint32_t)a->words[i];
		sum += (b->words[i] >> 32) + (uint32_t)b->words[i];
	}
	return sum + __builtin_bswap32(len) + ((uint32_t)protocol << 24);
}

// Adds a chain of mbufs from `offset` bytes into its first one on, pieces of any length.
uint64_t checksum_sum_mbuf(const struct rte_mbuf *m, uint32_t offset, uint64_t sum);
