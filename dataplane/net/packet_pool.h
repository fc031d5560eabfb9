// SPDX-License-Identifier: Apache-2.0
//
// Packet memory: DPDK mempools, sized at start, holding packets only (DESIGN.md section 4: secrets are never
// in EAL's memory).
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rte_mempool;

enum {
	PACKET_HEADROOM = 128 // Ethernet + VLAN + IPv6 + TCP with all options is 118
};

// Buffers that each hold a frame of an IP packet of `mtu` bytes behind the headroom. NULL when EAL has no
// memory for them or the name is taken. `cache_len` is per worker; 0 for single-threaded tests that count
// available buffers exactly.
struct rte_mempool *packet_pool_create(
	const char *name, uint32_t n_buffers, uint16_t mtu, uint32_t cache_len, int numa_node);

// Bytes of memory that one such buffer takes, everything included.
size_t packet_pool_buffer_len(uint16_t mtu);

void packet_pool_free(struct rte_mempool *pool);
