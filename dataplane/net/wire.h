// SPDX-License-Identifier: Apache-2.0
//
// Headers as they stand on the wire, and the numbers in them. Every field is in network byte order; `be16`
// and `be32` convert. Structs are laid over received bytes only after the length was checked.
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t be16(uint16_t value)
{
	return __builtin_bswap16(value);
}

static inline uint32_t be32(uint32_t value)
{
	return __builtin_bswap32(value);
}

// Ethernet II and IEEE 802.1Q.
struct wire_ethernet {
	uint8_t destination[6];
	uint8_t source[6];
	uint16_t type;
} __attribute__((packed));

struct wire_vlan {
	uint16_t tci; // 3 bits priority, 1 bit drop eligible, 12 bits VLAN
	uint16_t type;
} __attribute__((packed));

enum {
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IP6 = 0x86dd,
	VLAN_ID_MASK = 0x0fff,
	ETHERNET_MIN_LEN = 60, // without frame check sequence
	WIRE_ETHERNET_LEN = 14,
	WIRE_VLAN_LEN = 4,
	WIRE_LINK_LEN_MAX = WIRE_ETHERNET_LEN + WIRE_VLAN_LEN,
	WIRE_MAC_LEN = 6
};

// RFC 826, for Ethernet and IPv4.
struct wire_arp {
	uint16_t hardware_type;
	uint16_t protocol_type;
	uint8_t hardware_len;
	uint8_t protocol_len;
	uint16_t operation;
	uint8_t sender_mac[6];
	uint32_t sender_addr;
	uint8_t target_mac[6];
	uint32_t target_addr;
} __attribute__((packed));

enum {
	ARP_HARDWARE_ETHERNET = 1,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	WIRE_ARP_LEN = 28
};

// RFC 791.
struct wire_ip4 {
	uint8_t version_ihl;
	uint8_t tos; // DSCP, ECN in the low two bits
	uint16_t total_len;
	uint16_t id;
	uint16_t fragment; // flags and offset
	uint8_t ttl;
	uint8_t protocol;
	uint16_t checksum;
	uint32_t source;
	uint32_t destination;
} __attribute__((packed));

enum {
	IP4_VERSION_IHL = 0x45, // version 4, five words: no options
	IP4_DONT_FRAGMENT = 0x4000,
	IP4_FRAGMENT_MASK = 0x3fff, // more-fragments flag and offset
	IP4_OFFSET_MASK = 0x1fff,
	IP_PROTOCOL_ICMP = 1,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_ICMP6 = 58,
	IP_HOP_LIMIT = 64,
	IP_ECN_MASK = 3,
	WIRE_IP4_LEN = 20
};

// RFC 8200 3.
struct wire_ip6 {
	uint32_t version_class_flow;
	uint16_t payload_len;
	uint8_t next_header;
	uint8_t hop_limit;
	uint8_t source[16];
	uint8_t destination[16];
} __attribute__((packed));

enum {
	IP6_HOP_BY_HOP = 0,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_ESP = 50,
	IP6_AUTHENTICATION = 51,
	IP6_NO_NEXT_HEADER = 59,
	IP6_DESTINATION_OPTIONS = 60,
	IP6_MOBILITY = 135,
	IP6_HIP = 139,
	IP6_SHIM6 = 140,
	IP6_OPTION_PAD1 = 0,
	IP6_OPTION_PADN = 1,
	IP6_OPTION_ROUTER_ALERT = 5,
	ROUTER_ALERT_LEN = 8, // a hop-by-hop header with nothing but that option
	WIRE_IP6_LEN = 40
};

// RFC 9293 3.1: what net reads and writes of it.
struct wire_tcp {
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t data_offset; // in words, in the high four bits
	uint8_t flags;
	uint16_t window;
	uint16_t checksum;
	uint16_t urgent;
} __attribute__((packed));

enum {
	WIRE_TCP_LEN = 20,
	WIRE_TCP_LEN_MAX = 60
};

// RFC 792, RFC 4443.
struct wire_icmp {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint32_t rest; // identifier and sequence, or MTU
} __attribute__((packed));

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO_REQUEST = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMP6_UNREACHABLE = 1,
	ICMP6_PACKET_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD1_REPORT = 131,
	ICMP6_MLD2_REPORT = 143,
	MLD_HOP_LIMIT = 1,
	WIRE_ICMP_LEN = 8
};

// RFC 4861 4.3, 4.4: behind the four bytes of ICMPv6 header.
enum {
	ND_ROUTER_SOLICITATION = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_NEIGHBOR_SOLICITATION = 135,
	ND_NEIGHBOR_ADVERTISEMENT = 136,
	ND_REDIRECT = 137,
	ND_OPTION_SOURCE_MAC = 1,
	ND_OPTION_TARGET_MAC = 2,
	ND_OPTION_UNIT = 8, // option lengths count units of eight bytes
	ND_HOP_LIMIT = 255
};

// High byte of the advertisement's flags.
#define ND_FLAG_SOLICITED UINT32_C(0x40000000)
#define ND_FLAG_OVERRIDE  UINT32_C(0x20000000)

_Static_assert(sizeof(struct wire_ethernet) == WIRE_ETHERNET_LEN, "wire format");
_Static_assert(sizeof(struct wire_vlan) == WIRE_VLAN_LEN, "wire format");
_Static_assert(sizeof(struct wire_arp) == WIRE_ARP_LEN, "wire format");
_Static_assert(sizeof(struct wire_ip4) == WIRE_IP4_LEN, "wire format");
_Static_assert(sizeof(struct wire_ip6) == WIRE_IP6_LEN, "wire format");
_Static_assert(sizeof(struct wire_tcp) == WIRE_TCP_LEN, "wire format");
_Static_assert(sizeof(struct wire_icmp) == WIRE_ICMP_LEN, "wire format");
