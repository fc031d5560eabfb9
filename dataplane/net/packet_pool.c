// SPDX-License-Identifier: Apache-2.0
#include "net/packet_pool.h"

#include "net/wire.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

_Static_assert(PACKET_HEADROOM == RTE_PKTMBUF_HEADROOM, "drivers put frames behind DPDK's headroom");
_Static_assert(PACKET_HEADROOM >= WIRE_LINK_LEN_MAX + WIRE_IP6_LEN + WIRE_TCP_LEN_MAX, "all headers fit");

enum {
	DATA_ALIGN = 64,
	// Some drivers (memif among them) count with buffers of this size whatever the MTU.
	DATA_LEN_MIN = 2048
};

// Headroom and frame of one buffer.
static uint32_t room_len(uint16_t mtu)
{
	uint32_t data_len = RTE_ALIGN_CEIL((uint32_t)mtu + WIRE_LINK_LEN_MAX, DATA_ALIGN);

	return (data_len < DATA_LEN_MIN ? DATA_LEN_MIN : data_len) + PACKET_HEADROOM;
}

size_t packet_pool_buffer_len(uint16_t mtu)
{
	return rte_mempool_calc_obj_size((uint32_t)sizeof(struct rte_mbuf) + room_len(mtu), 0, NULL);
}

// As rte_pktmbuf_pool_create, but without huge pages no device reads the memory by physical address, so that
// buffers may cross the small pages; otherwise each of them would take a page and more of its own.
struct rte_mempool *packet_pool_create(
	const char *name, uint32_t n_buffers, uint16_t mtu, uint32_t cache_len, int numa_node)
{
	const unsigned flags = rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
	const uint32_t len = room_len(mtu);
	struct rte_pktmbuf_pool_private room = {.mbuf_data_room_size = (uint16_t)len};
	struct rte_mempool *pool;

	if (len > UINT16_MAX)
		return NULL;
	pool = rte_mempool_create_empty(name, n_buffers, (unsigned)sizeof(struct rte_mbuf) + len, cache_len,
		sizeof room, numa_node, flags);
	if (pool == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0)
		goto fail;
	rte_pktmbuf_pool_init(pool, &room);
	if (rte_mempool_populate_default(pool) < 0)
		goto fail;
	(void)rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
fail:
	rte_mempool_free(pool);
	return NULL;
}

void packet_pool_free(struct rte_mempool *pool)
{
	rte_mempool_free(pool);
}
