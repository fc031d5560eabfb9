// SPDX-License-Identifier: Apache-2.0
#include "net/packet_pool.h"

#include "net/wire.h"

#include <rte_mbuf.h>

_Static_assert(PACKET_HEADROOM == RTE_PKTMBUF_HEADROOM, "drivers put frames behind DPDK's headroom");
_Static_assert(PACKET_HEADROOM >= WIRE_LINK_LEN_MAX + WIRE_IP6_LEN + WIRE_TCP_LEN_MAX, "all headers fit");

enum {
	DATA_ALIGN = 64,
	// Some drivers (memif among them) count with buffers of this size whatever the MTU.
	DATA_LEN_MIN = 2048
};

struct rte_mempool *packet_pool_create(
	const char *name, uint32_t n_buffers, uint16_t mtu, uint32_t cache_len, int numa_node)
{
	uint32_t data_len = RTE_ALIGN_CEIL((uint32_t)mtu + WIRE_LINK_LEN_MAX, DATA_ALIGN);

	if (data_len < DATA_LEN_MIN)
		data_len = DATA_LEN_MIN;
	if (data_len + PACKET_HEADROOM > UINT16_MAX)
		return NULL;
	return rte_pktmbuf_pool_create(
		name, n_buffers, cache_len, 0, (uint16_t)(data_len + PACKET_HEADROOM), numa_node);
}

void packet_pool_free(struct rte_mempool *pool)
{
	rte_mempool_free(pool);
}
