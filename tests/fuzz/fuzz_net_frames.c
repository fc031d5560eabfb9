// SPDX-License-Identifier: Apache-2.0
//
// Raw frames and everything around them against two workers of net. The input is a list of steps:
//
//   0 n     a frame: length n (two bytes) and its bytes, as they are
//   1 n     the same, with our link address, a station's source and every checksum put right, so that the
//           input gets behind them
//   2 a     a segment of ours to a neighbour or far away, v4 or v6: entries in all states
//   3 t     time passes, up to minutes
//   4 t     the link goes down or up
//   5 a     a segment is forwarded to the other worker, as tcp does when it knows nothing of it
//
// After each input the instances are stopped and every buffer must be back. Segments must be within their
// mbufs.
#include "base/assert.h"
#include "base/reader.h"
#include "frames.h"
#include "lab.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"

#include <rte_mbuf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	STEPS_MAX = 64,
	FRAME_MAX = 1518
};

static struct lab lab;
static volatile uint8_t sink;

static void touch(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sink = (uint8_t)(sink ^ data[i]);
}

static void check_segment(const struct segment *segment)
{
	const struct rte_mbuf *m = segment->mbuf;
	const uint8_t *payload = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *start = m->buf_addr;

	SLUICE_ASSERT(m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1);
	SLUICE_ASSERT(m->pkt_len == segment->payload_len && m->data_len == segment->payload_len);
	SLUICE_ASSERT(payload >= start && payload + segment->payload_len <= start + m->buf_len);
	SLUICE_ASSERT(segment->options + segment->options_len == payload && segment->options_len <= 40);
	SLUICE_ASSERT(segment->key.local_port != 0 && segment->key.remote_port != 0);
	SLUICE_ASSERT(ip_addr_is_unicast(&segment->key.remote));
	SLUICE_ASSERT(net_address_usable(lab.nets[0], &segment->key.local, NULL));
	SLUICE_ASSERT(segment->hash == net_flow_hash(lab.nets[0], &segment->key));
	touch(segment->options, segment->options_len);
	touch(payload, segment->payload_len);
}

static void turn(void)
{
	struct net_icmp_error errors[8];

	lab_turn(&lab);
	for (uint32_t i = 0; i < lab.n_segments; i++)
		check_segment(&lab.segments[i]);
	for (uint32_t i = 0; i < lab.n_workers; i++) {
		uint32_t n = net_icmp_errors(lab.nets[i], errors, 8);

		for (uint32_t k = 0; k < n; k++)
			SLUICE_ASSERT(errors[k].kind != NET_ICMP_PACKET_TOO_BIG || errors[k].mtu >= 68);
	}
	(void)lab_receive_all(&lab);
}

static void step_frame(struct reader *reader, bool put_right)
{
	size_t frame_len = reader_u16(reader) % FRAME_MAX + 1;
	struct frame frame = {.len = frame_len};

	if (frame_len > reader_left(reader))
		frame_len = frame.len = reader_left(reader);
	reader_copy(reader, frame.bytes, frame_len);
	if (frame_len == 0)
		return;
	if (put_right && frame_len >= FRAME_IP) {
		if ((frame.bytes[0] & 1) == 0)
			frame_set_destination(&frame, lab_our_mac);
		frame_set_source(&frame, (frame.bytes[6] & 1) != 0 ? lab_peer_mac : lab_other_mac);
		frame_fix(&frame);
	}
	lab_send(&lab, &frame);
}

static void step_output(uint8_t choice)
{
	const struct ip_addr *const remotes[] = {&lab_peer_v4, &lab_far_v4, &lab_peer_v6, &lab_far_v6};
	struct net *net = lab.nets[choice >> 2 & 1];
	struct ip_addr remote = *remotes[choice & 3];
	struct flow_key key;
	struct net_path path;

	remote.bytes[15] ^= (uint8_t)(choice >> 4);
	key = (struct flow_key){.local = ip_addr_is_v4(&remote) ? lab_our_v4 : lab_our_v6,
		.remote = remote,
		.local_port = 443,
		.remote_port = 40000};
	if (net_path_find(net, &key.local, &key.remote, &path))
		net_output_tcp(net, &path, &key, lab_tcp_mbuf(net, &key, choice), 0, 0);
}

static void step_forward(uint8_t choice)
{
	struct segment segment;

	turn();
	if (lab.n_segments == 0)
		return;
	// The last segment goes; the lab keeps the others.
	segment = lab.segments[--lab.n_segments];
	if (!net_forward(lab.nets[choice & 1], &segment))
		rte_pktmbuf_free(segment.mbuf);
}

static void step(struct reader *reader)
{
	uint8_t operation = reader_u8(reader);

	switch (operation % 6) {
	case 0:
		step_frame(reader, false);
		break;
	case 1:
		step_frame(reader, true);
		break;
	case 2:
		step_output(reader_u8(reader));
		break;
	case 3:
		clock_virtual_advance(UINT64_C(1) << (reader_u8(reader) % 28));
		break;
	case 4:
		port_mem_set_link(lab.ours, (reader_u8(reader) & 1) != 0);
		break;
	default:
		step_forward(reader_u8(reader));
		break;
	}
	if ((operation & 0x40) != 0)
		turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader reader = reader_over(span_of(data, len));
	uint8_t options = reader_u8(&reader);

	lab_open(&lab, &(struct lab_options){
			       .n_workers = 2,
			       .n_queues = (options & 1) != 0 ? 2 : 1,
			       .capabilities = (options & 1) != 0 ? PORT_CAN_RSS : 0,
			       .vlan = (options & 2) != 0 ? 42 : 0,
			       .neighbors_max = 8,
			       .pending_per_neighbor = 2,
			       .pending_max = 5,
			       .exchange_len = 8,
			       .tx_queue_len = 16,
			       .unsettled = (options & 4) != 0,
			       .n_buffers = 255,
		       });
	for (uint32_t i = 0; i < STEPS_MAX && reader_left(&reader) != 0; i++)
		step(&reader);
	turn();
	turn();
	lab_close(&lab);
	return 0;
}
