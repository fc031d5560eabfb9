// SPDX-License-Identifier: Apache-2.0
#include "net/port_mem_offload.h"

#include "net/checksum.h"
#include "net/rss.h"
#include "net/wire.h"

#include <rte_mbuf.h>

enum {
	TCP_FLAGS_LAST_ONLY = 0x09, // FIN, PSH
	TCP_FLAGS_FIRST_ONLY = 0x80 // CWR
};

// Where the layers of a TCP frame lie.
struct layers {
	uint8_t *ip;
	uint8_t *tcp;
	size_t tcp_len; // header and payload
	bool is_v4;
	struct flow_key key; // as the receiver sees it
};

static bool find_layers(const uint8_t *frame, size_t len, struct layers *out)
{
	const struct wire_ethernet *ethernet = (const struct wire_ethernet *)(const void *)frame;
	size_t l2_len = sizeof *ethernet;
	uint16_t type;
	struct wire_ip4 ip4;
	struct wire_ip6 ip6;
	struct wire_tcp tcp;

	if (len < sizeof *ethernet + sizeof(struct wire_vlan))
		return false;
	type = be16(ethernet->type);
	if (type == ETHERTYPE_VLAN) {
		type = be16(((const struct wire_vlan *)(ethernet + 1))->type);
		l2_len += sizeof(struct wire_vlan);
	}
	out->ip = (uint8_t *)(uintptr_t)frame + l2_len;
	out->is_v4 = type == ETHERTYPE_IP4;
	if (out->is_v4 && len >= l2_len + WIRE_IP4_LEN + WIRE_TCP_LEN) {
		memcpy(&ip4, out->ip, sizeof ip4);
		out->tcp = out->ip + WIRE_IP4_LEN;
		out->tcp_len = (size_t)be16(ip4.total_len) - WIRE_IP4_LEN;
		out->key.remote = ip_addr_from_v4(ip4.source);
		out->key.local = ip_addr_from_v4(ip4.destination);
		if (ip4.version_ihl != IP4_VERSION_IHL || ip4.protocol != IP_PROTOCOL_TCP ||
			(be16(ip4.fragment) & IP4_FRAGMENT_MASK) != 0 || be16(ip4.total_len) < WIRE_IP4_LEN)
			return false;
	} else if (type == ETHERTYPE_IP6 && len >= l2_len + WIRE_IP6_LEN + WIRE_TCP_LEN) {
		memcpy(&ip6, out->ip, sizeof ip6);
		out->tcp = out->ip + WIRE_IP6_LEN;
		out->tcp_len = be16(ip6.payload_len);
		out->key.remote = ip_addr_from_bytes(ip6.source);
		out->key.local = ip_addr_from_bytes(ip6.destination);
		if (ip6.next_header != IP_PROTOCOL_TCP)
			return false;
	} else {
		return false;
	}
	if (out->tcp_len < WIRE_TCP_LEN || out->tcp_len > (size_t)(frame + len - out->tcp))
		return false;
	memcpy(&tcp, out->tcp, sizeof tcp);
	out->key.remote_port = be16(tcp.source_port);
	out->key.local_port = be16(tcp.destination_port);
	return true;
}

struct mem_offload mem_offload_of(const struct rte_mbuf *m)
{
	bool cuts = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;

	return (struct mem_offload){
		.l2_len = m->l2_len,
		.l3_len = m->l3_len,
		.l4_len = m->l4_len,
		.segment_len = cuts ? m->tso_segsz : 0,
		.ip_checksum = (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0,
		.tcp_checksum = cuts || (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM,
	};
}

static size_t headers_len(const struct mem_offload *offload)
{
	return (size_t)offload->l2_len + offload->l3_len + offload->l4_len;
}

uint32_t mem_offload_count(const struct mem_offload *offload, size_t len)
{
	size_t payload_len = len - headers_len(offload);

	if (offload->segment_len == 0 || payload_len == 0)
		return 1;
	return (uint32_t)((payload_len + offload->segment_len - 1) / offload->segment_len);
}

// Copies the frame's headers and the idx-th piece of its payload, and adapts lengths, sequence number and
// flags.
static size_t cut(
	const struct mem_offload *offload, const uint8_t *frame, size_t len, uint32_t idx, uint8_t *out)
{
	size_t headers = headers_len(offload);
	size_t offset = (size_t)idx * offload->segment_len;
	size_t piece = len - headers - offset;
	bool last = piece <= offload->segment_len;
	struct wire_tcp *tcp = (struct wire_tcp *)(void *)(out + offload->l2_len + offload->l3_len);

	if (!last)
		piece = offload->segment_len;
	memcpy(out, frame, headers);
	memcpy(out + headers, frame + headers + offset, piece);
	if (offload->l3_len == WIRE_IP4_LEN) {
		struct wire_ip4 *ip = (struct wire_ip4 *)(void *)(out + offload->l2_len);

		ip->total_len = be16((uint16_t)(WIRE_IP4_LEN + offload->l4_len + piece));
		ip->id = be16((uint16_t)(be16(ip->id) + idx));
	} else {
		struct wire_ip6 *ip = (struct wire_ip6 *)(void *)(out + offload->l2_len);

		ip->payload_len = be16((uint16_t)(offload->l4_len + piece));
	}
	tcp->seq = be32(be32(tcp->seq) + (uint32_t)offset);
	if (!last)
		tcp->flags &= (uint8_t)~TCP_FLAGS_LAST_ONLY;
	if (idx != 0)
		tcp->flags &= (uint8_t)~TCP_FLAGS_FIRST_ONLY;
	return headers + piece;
}

size_t mem_offload_cut(
	const struct mem_offload *offload, const uint8_t *frame, size_t len, uint32_t idx, uint8_t *out)
{
	struct layers layers;

	if (offload->segment_len != 0)
		len = cut(offload, frame, len, idx, out);
	else
		memcpy(out, frame, len);
	if (!find_layers(out, len, &layers))
		return len;
	if (offload->ip_checksum) {
		struct wire_ip4 *ip = (struct wire_ip4 *)(void *)layers.ip;

		ip->checksum = 0;
		ip->checksum = checksum_finish(checksum_sum_ip4(ip));
	}
	if (offload->tcp_checksum) {
		struct wire_tcp *tcp = (struct wire_tcp *)(void *)layers.tcp;
		uint64_t pseudo = checksum_sum_pseudo(
			&layers.key.remote, &layers.key.local, IP_PROTOCOL_TCP, (uint32_t)layers.tcp_len);

		tcp->checksum = 0;
		tcp->checksum = checksum_finish(checksum_sum(tcp, layers.tcp_len, pseudo));
	}
	return len;
}

uint64_t mem_offload_verdict(const uint8_t *frame, size_t len)
{
	struct layers layers;
	uint64_t flags = 0;
	uint64_t pseudo;

	if (!find_layers(frame, len, &layers))
		return 0;
	if (layers.is_v4)
		flags |= checksum_good(checksum_sum_ip4(layers.ip)) ? RTE_MBUF_F_RX_IP_CKSUM_GOOD
								    : RTE_MBUF_F_RX_IP_CKSUM_BAD;
	pseudo = checksum_sum_pseudo(
		&layers.key.remote, &layers.key.local, IP_PROTOCOL_TCP, (uint32_t)layers.tcp_len);
	flags |= checksum_good(checksum_sum(layers.tcp, layers.tcp_len, pseudo)) ? RTE_MBUF_F_RX_L4_CKSUM_GOOD
										 : RTE_MBUF_F_RX_L4_CKSUM_BAD;
	return flags;
}

uint16_t mem_offload_queue(const struct port_info *info, const uint8_t *frame, size_t len)
{
	struct layers layers;

	return find_layers(frame, len, &layers) ? rss_queue(info, &layers.key) : 0;
}
