// SPDX-License-Identifier: Apache-2.0
//
// Addresses and flows. There is one kind of address, 16 bytes in network order; an IPv4 address is its
// v4-mapped form ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that tables, routes and keys need one code path. A
// v4-mapped address never stands in an IPv6 header: net drops such packets.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct ip_addr {
	union {
		uint8_t bytes[16];
		uint64_t words[2]; // the bytes as they lie in memory, for comparing and hashing
	};
};

// One TCP flow seen from our side: "local" is ours whichever way a packet travels. Ports are in host byte
// order. The four bytes after the ports are padding: compare with flow_key_equal, never with memcmp.
struct flow_key {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t local_port;
	uint16_t remote_port;
};

enum {
	IP_ADDR_LEN = 16,
	IP_ADDR_V4_LEN = 4,
	IP_ADDR_V4_OFFSET = 12,    // where the four bytes of an IPv4 address stand in ip_addr.bytes
	IP_ADDR_V4_PREFIX_LEN = 96 // prefix length of ::ffff:0:0/96: an IPv4 prefix /n is 96 + n
};

// Words of the mapped prefix as they lie in memory (little-endian host).
#define IP_ADDR_V4_WORD0 UINT64_C(0)
#define IP_ADDR_V4_LOW   UINT32_C(0xffff0000) // low half of words[1]

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1])) == 0;
}

static inline bool ip_addr_is_v4(const struct ip_addr *addr)
{
	return addr->words[0] == IP_ADDR_V4_WORD0 && (uint32_t)addr->words[1] == IP_ADDR_V4_LOW;
}

// The four bytes of an IPv4 address, as they lie in a header, to its mapped form and back.
static inline struct ip_addr ip_addr_from_v4(uint32_t network_order)
{
	struct ip_addr addr = {.words = {IP_ADDR_V4_WORD0, IP_ADDR_V4_LOW | (uint64_t)network_order << 32}};

	return addr;
}

static inline uint32_t ip_addr_v4(const struct ip_addr *addr)
{
	return (uint32_t)(addr->words[1] >> 32);
}

// a.b.c.d, for constants and tests.
static inline struct ip_addr ip_addr_v4_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct ip_addr addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d}};

	return addr;
}

static inline struct ip_addr ip_addr_from_bytes(const uint8_t bytes[static IP_ADDR_LEN])
{
	struct ip_addr addr;

	memcpy(addr.bytes, bytes, IP_ADDR_LEN);
	return addr;
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return ip_addr_equal(&a->local, &b->local) && ip_addr_equal(&a->remote, &b->remote) &&
	       a->local_port == b->local_port && a->remote_port == b->remote_port;
}

// Whether the first prefix_len bits (0 to 128; for IPv4 96 + n) are equal.
bool ip_addr_in_prefix(const struct ip_addr *addr, const struct ip_addr *prefix, uint8_t prefix_len);

// Multicast, loopback, unspecified ... : what can't be the source of a packet or our own address. IPv4: 0/8,
// 127/8, 224/4, 240/4. IPv6: ::/96, ff00::/8 (RFC 6890, RFC 4291).
bool ip_addr_is_unicast(const struct ip_addr *addr);

// IPv6 fe80::/10.
bool ip_addr_is_link_local(const struct ip_addr *addr);
