// SPDX-License-Identifier: Apache-2.0
//
// Builders of test frames. All are from lab_peer_mac to lab_our_mac, untagged, and correct; tests then break
// them.
#pragma once

#include "lab.h"

enum {
	FRAME_IP = 14,   // where the IP header starts
	FRAME_TCP4 = 34, // where TCP starts behind IPv4 and IPv6
	FRAME_TCP6 = 54
};

struct frame frame_tcp(const struct ip_addr *source, const struct ip_addr *destination, uint16_t payload_len);

// Options of a multiple of four bytes before the payload.
struct frame frame_tcp_options(const struct ip_addr *source, const struct ip_addr *destination,
	struct span options, uint16_t payload_len);

// Ports other than 40000 -> 443.
struct frame frame_tcp_ports(const struct ip_addr *source, const struct ip_addr *destination,
	uint16_t source_port, uint16_t destination_port);

// Any transport protocol, no checksum of its own.
struct frame frame_ip(const struct ip_addr *source, const struct ip_addr *destination, uint8_t protocol,
	struct span payload);

// ICMP or ICMPv6 by the addresses' family, hop limit 64.
struct frame frame_icmp(const struct ip_addr *source, const struct ip_addr *destination, uint8_t type,
	uint8_t code, uint32_t rest, struct span body);

// An ICMP error from `router` that quotes a TCP segment of flow `key` and sequence number 1000, of
// `quoted_len` bytes by its IP header.
struct frame frame_icmp_error(const struct ip_addr *router, const struct flow_key *key, uint8_t type,
	uint8_t code, uint32_t rest, uint16_t quoted_len);

struct frame frame_arp(uint16_t operation, const uint8_t sender_mac[6], const struct ip_addr *sender,
	const struct ip_addr *target);

// Neighbour discovery, hop limit 255, with one link address option (mac NULL: none). Multicast destinations
// get their link address.
struct frame frame_nd(uint8_t type, uint32_t flags, const struct ip_addr *source,
	const struct ip_addr *destination, const struct ip_addr *target, const uint8_t *mac);

// Recomputes every checksum after the test changed something. Untagged frames only.
void frame_fix(struct frame *frame);

void frame_set_destination(struct frame *frame, const uint8_t mac[6]);
void frame_set_source(struct frame *frame, const uint8_t mac[6]);

// Puts an 802.1Q tag in.
void frame_tag(struct frame *frame, uint16_t tci);

uint16_t frame_type(const struct frame *frame);   // behind no tag
bool frame_tcp_intact(const struct frame *frame); // both checksums of an untagged TCP frame
uint8_t frame_u8(const struct frame *frame, size_t offset);
uint16_t frame_u16(const struct frame *frame, size_t offset);
uint32_t frame_u32(const struct frame *frame, size_t offset);
