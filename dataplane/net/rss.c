// SPDX-License-Identifier: Apache-2.0
#include "net/rss.h"

#include <rte_byteorder.h>
#include <rte_thash.h>

// rte_softrss takes the tuple as 32-bit words in host order, the ports as one of them.
uint16_t rss_queue(const struct port_info *info, const struct flow_key *key)
{
	uint32_t tuple[RTE_THASH_V6_L4_LEN];
	uint32_t n = 0;
	uint32_t hash;
	uint32_t first = ip_addr_is_v4(&key->remote) ? IP_ADDR_V4_OFFSET : 0;
	const struct ip_addr *const addrs[] = {&key->remote, &key->local};

	for (uint32_t a = 0; a < 2; a++)
		for (uint32_t offset = first; offset < IP_ADDR_LEN; offset += 4) {
			uint32_t word;

			memcpy(&word, addrs[a]->bytes + offset, sizeof word);
			tuple[n++] = rte_be_to_cpu_32(word);
		}
	tuple[n++] = (uint32_t)key->remote_port << 16 | key->local_port;
	hash = rte_softrss(tuple, n, info->rss_key);
	return info->reta[hash & (info->reta_len - 1u)];
}
