// SPDX-License-Identifier: Apache-2.0
#include "net/checksum.h"

#include "net/checksum_body.h"

#include <rte_mbuf.h>
#include <stdatomic.h>

// Every worker writes the same value at its start.
static checksum_body *_Atomic chosen = checksum_body_v2;

void checksum_init(void)
{
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		atomic_store_explicit(&chosen, checksum_body_v4, memory_order_relaxed);
	else if (__builtin_cpu_supports("avx2"))
		atomic_store_explicit(&chosen, checksum_body_v3, memory_order_relaxed);
}

uint64_t checksum_sum(const void *data, size_t len, uint64_t sum)
{
	return atomic_load_explicit(&chosen, memory_order_relaxed)(data, len, sum);
}

uint64_t checksum_sum_mbuf(const struct rte_mbuf *m, uint32_t offset, uint64_t sum)
{
	bool odd = false;

	for (; m != NULL; m = m->next, offset = 0) {
		uint32_t len = m->data_len - offset;
		uint16_t piece = checksum_fold(
			checksum_sum(rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), len, 0));

		// A piece that starts at an odd place has its bytes in the other halves of the words.
		sum += odd ? __builtin_bswap16(piece) : piece;
		odd ^= (len & 1) != 0;
	}
	return sum;
}
