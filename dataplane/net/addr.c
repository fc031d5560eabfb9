// SPDX-License-Identifier: Apache-2.0
#include "net/addr.h"

bool ip_addr_in_prefix(const struct ip_addr *addr, const struct ip_addr *prefix, uint8_t prefix_len)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t n_bits = prefix_len > 64 * i ? prefix_len - 64 * i : 0;
		uint64_t difference = __builtin_bswap64(addr->words[i] ^ prefix->words[i]);

		if (n_bits < 64)
			difference &= n_bits == 0 ? 0 : ~UINT64_C(0) << (64 - n_bits);
		if (difference != 0)
			return false;
	}
	return true;
}

bool ip_addr_is_unicast(const struct ip_addr *addr)
{
	if (ip_addr_is_v4(addr)) {
		uint8_t high = addr->bytes[IP_ADDR_V4_OFFSET];

		return high != 0 && high != 127 && high < 224;
	}
	// ::/96 holds the unspecified and loopback addresses and the deprecated IPv4-compatible ones.
	return addr->bytes[0] != 0xff && (addr->words[0] != 0 || (uint32_t)addr->words[1] != 0);
}

bool ip_addr_is_link_local(const struct ip_addr *addr)
{
	return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}
