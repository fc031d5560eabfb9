// SPDX-License-Identifier: Apache-2.0
#include "net/icmp_error.h"

#include "base/reader.h"
#include "net/instance.h"
#include "net/wire.h"

enum {
	MTU_MIN_IP4 = 68,   // RFC 791 3.2
	MTU_MIN_IP6 = 1280, // RFC 8200 5
	KIND_NONE = 0xff
};

// RFC 1122 3.2.2.1, 4.2.3.9 and RFC 4443 3: what each type and code means to a connection.
struct meaning {
	uint8_t type;
	uint8_t code_from;
	uint8_t code_to;
	uint8_t kind;
};

static const struct meaning meanings_ip4[] = {
	{ICMP_UNREACHABLE, 0, 1, NET_ICMP_UNREACHABLE_SOFT},   // network, host
	{ICMP_UNREACHABLE, 2, 3, NET_ICMP_UNREACHABLE_HARD},   // protocol, port
	{ICMP_UNREACHABLE, 4, 4, NET_ICMP_PACKET_TOO_BIG},     // fragmentation needed and DF set
	{ICMP_UNREACHABLE, 5, 8, NET_ICMP_UNREACHABLE_SOFT},   // source route failed, unknown, isolated
	{ICMP_UNREACHABLE, 9, 10, NET_ICMP_UNREACHABLE_HARD},  // administratively prohibited
	{ICMP_UNREACHABLE, 11, 12, NET_ICMP_UNREACHABLE_SOFT}, // for this type of service
	{ICMP_UNREACHABLE, 13, 13, NET_ICMP_UNREACHABLE_HARD}, // administratively prohibited (RFC 1812)
	{ICMP_TIME_EXCEEDED, 0, 1, NET_ICMP_UNREACHABLE_SOFT},
	{ICMP_PARAMETER_PROBLEM, 0, 2, NET_ICMP_UNREACHABLE_SOFT},
};

static const struct meaning meanings_ip6[] = {
	{ICMP6_UNREACHABLE, 0, 0, NET_ICMP_UNREACHABLE_SOFT}, // no route
	{ICMP6_UNREACHABLE, 1, 1, NET_ICMP_UNREACHABLE_HARD}, // administratively prohibited
	{ICMP6_UNREACHABLE, 2, 3, NET_ICMP_UNREACHABLE_SOFT}, // beyond scope, address
	{ICMP6_UNREACHABLE, 4, 6, NET_ICMP_UNREACHABLE_HARD}, // port, policy, reject route
	{ICMP6_PACKET_TOO_BIG, 0, 0, NET_ICMP_PACKET_TOO_BIG},
	{ICMP6_TIME_EXCEEDED, 0, 1, NET_ICMP_UNREACHABLE_SOFT},
	{ICMP6_PARAMETER_PROBLEM, 0, 0, NET_ICMP_UNREACHABLE_SOFT},
	{ICMP6_PARAMETER_PROBLEM, 1, 1, NET_ICMP_UNREACHABLE_HARD}, // next header not recognised
	{ICMP6_PARAMETER_PROBLEM, 2, 2, NET_ICMP_UNREACHABLE_SOFT},
};

static uint8_t kind_of(const struct meaning *meanings, size_t n, uint8_t type, uint8_t code)
{
	for (size_t i = 0; i < n; i++)
		if (meanings[i].type == type && code >= meanings[i].code_from && code <= meanings[i].code_to)
			return meanings[i].kind;
	return KIND_NONE;
}

// What the error quotes.
struct quote {
	uint8_t type;
	uint8_t code;
	uint32_t rest;       // second word of the ICMP header
	uint32_t packet_len; // of the quoted packet, by its header
	struct ip_addr source;
	struct ip_addr destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t seq;
};

static bool parse_quoted_ip4(struct reader *reader, struct quote *out)
{
	uint8_t version_ihl = reader_u8(reader);
	uint16_t fragment;
	uint8_t protocol;

	reader_skip(reader, 1);
	out->packet_len = reader_u16(reader);
	reader_skip(reader, 2);
	fragment = reader_u16(reader);
	reader_skip(reader, 1);
	protocol = reader_u8(reader);
	reader_skip(reader,
		2); // routers differ in whether they quote the checksum before or after lowering the TTL
	out->source = ip_addr_v4_of(0, 0, 0, 0);
	out->destination = out->source;
	reader_copy(reader, out->source.bytes + IP_ADDR_V4_OFFSET, IP_ADDR_V4_LEN);
	reader_copy(reader, out->destination.bytes + IP_ADDR_V4_OFFSET, IP_ADDR_V4_LEN);
	// We send neither options nor fragments.
	return version_ihl == IP4_VERSION_IHL && (fragment & IP4_FRAGMENT_MASK) == 0 &&
	       protocol == IP_PROTOCOL_TCP && out->packet_len >= WIRE_IP4_LEN + WIRE_TCP_LEN;
}

static bool parse_quoted_ip6(struct reader *reader, struct quote *out)
{
	uint32_t version_class_flow = reader_u32(reader);
	uint8_t next_header;

	out->packet_len = WIRE_IP6_LEN + (uint32_t)reader_u16(reader);
	next_header = reader_u8(reader);
	reader_skip(reader, 1);
	reader_copy(reader, out->source.bytes, sizeof out->source.bytes);
	reader_copy(reader, out->destination.bytes, sizeof out->destination.bytes);
	return version_class_flow >> 28 == 6 && next_header == IP_PROTOCOL_TCP &&
	       out->packet_len >= WIRE_IP6_LEN + WIRE_TCP_LEN;
}

static bool parse(const struct packet *packet, bool is_v4, struct quote *out)
{
	struct reader reader = reader_over(packet_transport(packet));
	bool quoted;

	out->type = reader_u8(&reader);
	out->code = reader_u8(&reader);
	reader_skip(&reader, 2);
	out->rest = reader_u32(&reader);
	quoted = is_v4 ? parse_quoted_ip4(&reader, out) : parse_quoted_ip6(&reader, out);
	out->source_port = reader_u16(&reader);
	out->destination_port = reader_u16(&reader);
	out->seq = reader_u32(&reader);
	return quoted && reader_ok(&reader) && out->source_port != 0 && out->destination_port != 0;
}

// RFC 1191 7.1: a router that predates it says 0; the plateau below the quoted length stands in.
static uint32_t plateau_below(uint32_t packet_len)
{
	static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};

	for (size_t i = 0; i < sizeof plateaus / sizeof plateaus[0]; i++)
		if (plateaus[i] < packet_len)
			return plateaus[i];
	return 0;
}

// The MTU that a "too big" states, or 0 when it is a lie: not below what was quoted, or below what every link
// carries.
static uint16_t stated_mtu(const struct quote *quote, bool is_v4)
{
	uint32_t mtu = is_v4 ? quote->rest & UINT16_MAX : quote->rest;
	uint32_t mtu_min = is_v4 ? MTU_MIN_IP4 : MTU_MIN_IP6;

	if (is_v4 && mtu == 0)
		mtu = plateau_below(quote->packet_len);
	if (mtu < mtu_min || mtu >= quote->packet_len || mtu > UINT16_MAX)
		return 0;
	return (uint16_t)mtu;
}

static enum counter queue(struct net *net, const struct net_icmp_error *error)
{
	if (net->n_icmp_errors == NET_ICMP_ERRORS_MAX)
		return COUNTER_NET_DROP_ICMP_QUEUE;
	net->icmp_errors[net->n_icmp_errors++] = *error;
	counter_inc(net->counters, COUNTER_NET_ICMP_ERRORS);
	return PACKET_OK;
}

enum counter icmp_error_receive(struct net *net, struct packet *packet)
{
	bool is_v4 = packet->protocol == IP_PROTOCOL_ICMP;
	const struct meaning *meanings = is_v4 ? meanings_ip4 : meanings_ip6;
	size_t n = is_v4 ? sizeof meanings_ip4 / sizeof meanings_ip4[0]
			 : sizeof meanings_ip6 / sizeof meanings_ip6[0];
	struct net_icmp_error error = {.port_idx = packet->port->idx};
	struct quote quote;
	enum counter reason;
	uint32_t owner;

	// An error is sent to the address that the quoted packet came from, never to a group.
	if (!parse(packet, is_v4, &quote) || packet->own == NULL ||
		!ip_addr_equal(&quote.source, &packet->destination) ||
		!ip_addr_is_unicast(&quote.destination) || ip_addr_is_v4(&quote.destination) != is_v4)
		return COUNTER_NET_DROP_ICMP_QUOTE;
	error.kind = kind_of(meanings, n, quote.type, quote.code);
	if (error.kind == KIND_NONE)
		return COUNTER_NET_DROP_ICMP_HEADER;
	if (error.kind == NET_ICMP_PACKET_TOO_BIG && (error.mtu = stated_mtu(&quote, is_v4)) == 0)
		return COUNTER_NET_DROP_ICMP_QUOTE;
	error.key = (struct flow_key){.local = quote.source,
		.remote = quote.destination,
		.local_port = quote.source_port,
		.remote_port = quote.destination_port};
	error.seq = quote.seq;
	error.hash = net_flow_hash(net, &error.key);
	owner = net_worker_of(net, packet->port->idx, &error.key);
	if (owner != net->worker_idx && !packet->passed) {
		net_pass_frame(net, owner, packet->port, packet->mbuf, false);
		return PACKET_OK;
	}
	reason = queue(net, &error);
	if (reason == PACKET_OK)
		net_discard(net, packet->mbuf);
	return reason;
}
