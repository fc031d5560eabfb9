// SPDX-License-Identifier: Apache-2.0
#include "frames.h"

#include "base/assert.h"
#include "base/writer.h"
#include "net/wire.h"

static struct writer start(struct frame *frame)
{
	return writer_over((struct mut_span){.data = frame->bytes, .len = sizeof frame->bytes});
}

static void finish(struct frame *frame, const struct writer *writer)
{
	SLUICE_ASSERT(writer_ok(writer));
	frame->len = writer->len;
}

static void write_link(struct writer *writer, uint16_t type)
{
	writer_bytes(writer, span_of(lab_our_mac, 6));
	writer_bytes(writer, span_of(lab_peer_mac, 6));
	writer_u16(writer, type);
}

static void write_ip(struct writer *writer, const struct ip_addr *source, const struct ip_addr *destination,
	uint8_t protocol, uint8_t hop_limit, size_t payload_len)
{
	if (ip_addr_is_v4(source) && ip_addr_is_v4(destination)) {
		write_link(writer, ETHERTYPE_IP4);
		writer_u8(writer, IP4_VERSION_IHL);
		writer_u8(writer, 0);
		writer_u16(writer, (uint16_t)(WIRE_IP4_LEN + payload_len));
		writer_u32(writer, IP4_DONT_FRAGMENT);
		writer_u8(writer, hop_limit);
		writer_u8(writer, protocol);
		writer_u16(writer, 0);
		writer_bytes(writer, span_of(source->bytes + 12, 4));
		writer_bytes(writer, span_of(destination->bytes + 12, 4));
		return;
	}
	write_link(writer, ETHERTYPE_IP6);
	writer_u32(writer, UINT32_C(6) << 28);
	writer_u16(writer, (uint16_t)payload_len);
	writer_u8(writer, protocol);
	writer_u8(writer, hop_limit);
	writer_bytes(writer, span_of(source->bytes, 16));
	writer_bytes(writer, span_of(destination->bytes, 16));
}

static void write_tcp(
	struct writer *writer, uint16_t source_port, uint16_t destination_port, size_t options_len)
{
	writer_u16(writer, source_port);
	writer_u16(writer, destination_port);
	writer_u32(writer, 1000);
	writer_u32(writer, 2000);
	writer_u8(writer, (uint8_t)((5 + options_len / 4) << 4));
	writer_u8(writer, SEGMENT_ACK | SEGMENT_PSH);
	writer_u16(writer, 4321);
	writer_u32(writer, 0);
}

static struct frame build_tcp(const struct ip_addr *source, const struct ip_addr *destination,
	uint16_t source_port, uint16_t destination_port, struct span options, uint16_t payload_len)
{
	struct frame frame;
	struct writer writer = start(&frame);

	write_ip(&writer, source, destination, IP_PROTOCOL_TCP, 64, WIRE_TCP_LEN + options.len + payload_len);
	write_tcp(&writer, source_port, destination_port, options.len);
	writer_bytes(&writer, options);
	for (uint16_t i = 0; i < payload_len; i++)
		writer_u8(&writer, (uint8_t)i);
	finish(&frame, &writer);
	frame_fix(&frame);
	return frame;
}

struct frame frame_tcp(const struct ip_addr *source, const struct ip_addr *destination, uint16_t payload_len)
{
	return build_tcp(source, destination, 40000, 443, span_of(NULL, 0), payload_len);
}

struct frame frame_tcp_options(const struct ip_addr *source, const struct ip_addr *destination,
	struct span options, uint16_t payload_len)
{
	return build_tcp(source, destination, 40000, 443, options, payload_len);
}

struct frame frame_tcp_ports(const struct ip_addr *source, const struct ip_addr *destination,
	uint16_t source_port, uint16_t destination_port)
{
	return build_tcp(source, destination, source_port, destination_port, span_of(NULL, 0), 0);
}

struct frame frame_ip(const struct ip_addr *source, const struct ip_addr *destination, uint8_t protocol,
	struct span payload)
{
	struct frame frame;
	struct writer writer = start(&frame);

	write_ip(&writer, source, destination, protocol, 64, payload.len);
	writer_bytes(&writer, payload);
	finish(&frame, &writer);
	frame_fix(&frame);
	return frame;
}

struct frame frame_icmp(const struct ip_addr *source, const struct ip_addr *destination, uint8_t type,
	uint8_t code, uint32_t rest, struct span body)
{
	struct frame frame;
	struct writer writer = start(&frame);
	uint8_t protocol = ip_addr_is_v4(source) ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMP6;

	write_ip(&writer, source, destination, protocol, 64, WIRE_ICMP_LEN + body.len);
	writer_u8(&writer, type);
	writer_u8(&writer, code);
	writer_u16(&writer, 0);
	writer_u32(&writer, rest);
	writer_bytes(&writer, body);
	finish(&frame, &writer);
	frame_fix(&frame);
	return frame;
}

struct frame frame_icmp_error(const struct ip_addr *router, const struct flow_key *key, uint8_t type,
	uint8_t code, uint32_t rest, uint16_t quoted_len)
{
	uint16_t headers_len = ip_addr_is_v4(&key->local) ? WIRE_IP4_LEN : WIRE_IP6_LEN;
	struct frame quoted;
	struct writer writer = start(&quoted);

	write_ip(&writer, &key->local, &key->remote, IP_PROTOCOL_TCP, 60, (size_t)quoted_len - headers_len);
	write_tcp(&writer, key->local_port, key->remote_port, 0);
	finish(&quoted, &writer);
	return frame_icmp(router, &key->local, type, code, rest,
		span_of(quoted.bytes + FRAME_IP, quoted.len - FRAME_IP));
}

struct frame frame_arp(uint16_t operation, const uint8_t sender_mac[6], const struct ip_addr *sender,
	const struct ip_addr *target)
{
	struct frame frame;
	struct writer writer = start(&frame);
	static const uint8_t padding[18];

	write_link(&writer, ETHERTYPE_ARP);
	writer_u16(&writer, ARP_HARDWARE_ETHERNET);
	writer_u16(&writer, ETHERTYPE_IP4);
	writer_u8(&writer, 6);
	writer_u8(&writer, 4);
	writer_u16(&writer, operation);
	writer_bytes(&writer, span_of(sender_mac, 6));
	writer_bytes(&writer, span_of(sender->bytes + 12, 4));
	writer_bytes(&writer, span_of(padding, 6));
	writer_bytes(&writer, span_of(target->bytes + 12, 4));
	writer_bytes(&writer, span_of(padding, sizeof padding));
	finish(&frame, &writer);
	frame_set_source(&frame, sender_mac);
	if (operation == ARP_REQUEST)
		frame_set_destination(&frame, (const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
	return frame;
}

struct frame frame_nd(uint8_t type, uint32_t flags, const struct ip_addr *source,
	const struct ip_addr *destination, const struct ip_addr *target, const uint8_t *mac)
{
	struct frame frame;
	struct writer writer = start(&frame);

	write_ip(&writer, source, destination, IP_PROTOCOL_ICMP6, ND_HOP_LIMIT, mac != NULL ? 32 : 24);
	writer_u8(&writer, type);
	writer_u8(&writer, 0);
	writer_u16(&writer, 0);
	writer_u32(&writer, flags);
	writer_bytes(&writer, span_of(target->bytes, 16));
	if (mac != NULL) {
		writer_u8(&writer,
			type == ND_NEIGHBOR_SOLICITATION ? ND_OPTION_SOURCE_MAC : ND_OPTION_TARGET_MAC);
		writer_u8(&writer, 1);
		writer_bytes(&writer, span_of(mac, 6));
	}
	finish(&frame, &writer);
	if (destination->bytes[0] == 0xff)
		frame_set_destination(
			&frame, (const uint8_t[6]){0x33, 0x33, destination->bytes[12], destination->bytes[13],
					destination->bytes[14], destination->bytes[15]});
	frame_fix(&frame);
	return frame;
}

// The plainest checksum: 16 bits at a time (RFC 1071 4.1), as a reference of its own.
static uint32_t plain_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (len % 2 != 0)
		sum += (uint32_t)data[len - 1] << 8;
	return sum;
}

static uint16_t plain_finish(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

static void store_u16(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

// Where the transport starts, its protocol and length (as far as the frame reaches) and the pseudo-header's
// sum; 0 when it is no IP frame.
static size_t find_transport(
	const struct frame *frame, uint8_t *out_protocol, uint32_t *out_sum, size_t *out_len)
{
	const uint8_t *ip = frame->bytes + FRAME_IP;
	bool is_v4 = frame_type(frame) == ETHERTYPE_IP4;
	size_t offset = FRAME_IP + (is_v4 ? WIRE_IP4_LEN : WIRE_IP6_LEN);

	if ((!is_v4 && frame_type(frame) != ETHERTYPE_IP6) || frame->len < offset)
		return 0;
	if (is_v4) {
		size_t total_len = frame_u16(frame, FRAME_IP + 2);

		*out_protocol = ip[9];
		*out_len = total_len > WIRE_IP4_LEN ? total_len - WIRE_IP4_LEN : 0;
		*out_sum = plain_sum(ip + 12, 8, 0);
	} else {
		*out_protocol = ip[6];
		*out_len = frame_u16(frame, FRAME_IP + 4);
		*out_sum = plain_sum(ip + 8, 32, 0);
	}
	if (*out_len > frame->len - offset)
		*out_len = frame->len - offset;
	*out_sum += (uint32_t)*out_len + *out_protocol;
	return offset;
}

void frame_fix(struct frame *frame)
{
	uint8_t protocol = 0;
	uint32_t sum = 0;
	size_t len = 0;
	size_t offset = find_transport(frame, &protocol, &sum, &len);
	size_t field = protocol == IP_PROTOCOL_TCP ? 16 : 2;

	if (offset == FRAME_TCP4) {
		store_u16(frame->bytes + FRAME_IP + 10, 0);
		store_u16(frame->bytes + FRAME_IP + 10,
			plain_finish(plain_sum(frame->bytes + FRAME_IP, 20, 0)));
	}
	if (offset == 0 || len < field + 2 ||
		(protocol != IP_PROTOCOL_TCP && protocol != IP_PROTOCOL_ICMP &&
			protocol != IP_PROTOCOL_ICMP6))
		return;
	if (protocol == IP_PROTOCOL_ICMP)
		sum = 0;
	store_u16(frame->bytes + offset + field, 0);
	store_u16(frame->bytes + offset + field, plain_finish(plain_sum(frame->bytes + offset, len, sum)));
}

bool frame_tcp_intact(const struct frame *frame)
{
	struct frame fixed = *frame;

	frame_fix(&fixed);
	return memcmp(fixed.bytes, frame->bytes, frame->len) == 0;
}

void frame_set_destination(struct frame *frame, const uint8_t mac[6])
{
	memcpy(frame->bytes, mac, 6);
}

void frame_set_source(struct frame *frame, const uint8_t mac[6])
{
	memcpy(frame->bytes + 6, mac, 6);
}

void frame_tag(struct frame *frame, uint16_t tci)
{
	memmove(frame->bytes + 16, frame->bytes + 12, frame->len - 12);
	store_u16(frame->bytes + 12, ETHERTYPE_VLAN);
	store_u16(frame->bytes + 14, tci);
	frame->len += WIRE_VLAN_LEN;
}

uint16_t frame_type(const struct frame *frame)
{
	return frame_u16(frame, 12);
}

uint8_t frame_u8(const struct frame *frame, size_t offset)
{
	SLUICE_ASSERT(offset < frame->len);
	return frame->bytes[offset];
}

uint16_t frame_u16(const struct frame *frame, size_t offset)
{
	SLUICE_ASSERT(offset + 2 <= frame->len);
	return (uint16_t)(frame->bytes[offset] << 8 | frame->bytes[offset + 1]);
}

uint32_t frame_u32(const struct frame *frame, size_t offset)
{
	return (uint32_t)frame_u16(frame, offset) << 16 | frame_u16(frame, offset + 2);
}
