// SPDX-License-Identifier: Apache-2.0
//
// From frames to segments: what a correct frame becomes, and every reason for which one is refused.
#include "frames.h"
#include "lab.h"
#include "net/instance.h"
#include "net/receive.h"
#include "net/wire.h"
#include "seam/cmocka_all.h"

#include <rte_mbuf.h>

static struct lab lab;

static void tcp4_becomes_segment(void **state)
{
	static const uint8_t options[8] = {1, 1, 8, 6, 1, 2, 3, 4};
	struct frame frame = frame_tcp_options(
		&lab_peer_v4, &lab_our_v4, span_of(options, sizeof options), 100);
	struct segment *segment;

	(void)state;
	frame.bytes[FRAME_IP + 1] = SEGMENT_ECN_CE;
	frame_fix(&frame);
	segment = lab_expect_segment(&lab, &frame);
	assert_true(ip_addr_equal(&segment->key.local, &lab_our_v4));
	assert_true(ip_addr_equal(&segment->key.remote, &lab_peer_v4));
	assert_int_equal(segment->key.local_port, 443);
	assert_int_equal(segment->key.remote_port, 40000);
	assert_int_equal(segment->hash, net_flow_hash(lab.nets[0], &segment->key));
	assert_int_equal(segment->seq, 1000);
	assert_int_equal(segment->ack, 2000);
	assert_int_equal(segment->window, 4321);
	assert_int_equal(segment->flags, SEGMENT_ACK | SEGMENT_PSH);
	assert_int_equal(segment->ecn, SEGMENT_ECN_CE);
	assert_int_equal(segment->options_len, sizeof options);
	assert_memory_equal(segment->options, options, sizeof options);
	assert_int_equal(segment->payload_len, 100);
	assert_int_equal(segment->mbuf->pkt_len, 100);
	assert_int_equal(segment->mbuf->data_len, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(rte_pktmbuf_mtod(segment->mbuf, uint8_t *)[i], i);
	assert_false(segment->forwarded);
}

static void tcp6_becomes_segment(void **state)
{
	struct frame frame = frame_tcp(&lab_peer_v6, &lab_our_v6, 33);
	struct segment *segment;

	(void)state;
	frame.bytes[FRAME_IP + 1] = SEGMENT_ECN_ECT0 << 4;
	segment = lab_expect_segment(&lab, &frame);
	assert_true(ip_addr_equal(&segment->key.local, &lab_our_v6));
	assert_true(ip_addr_equal(&segment->key.remote, &lab_peer_v6));
	assert_int_equal(segment->ecn, SEGMENT_ECN_ECT0);
	assert_int_equal(segment->payload_len, 33);
	assert_int_equal(segment->options_len, 0);
}

static void padding_is_trimmed(void **state)
{
	struct frame frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 0);

	(void)state;
	memset(frame.bytes + frame.len, 0xee, 6);
	frame.len += 6;
	assert_int_equal(lab_expect_segment(&lab, &frame)->mbuf->pkt_len, 0);
}

static void odd_payloads_verify(void **state)
{
	(void)state;
	for (uint16_t len = 0; len < 300; len = (uint16_t)(len + 7)) {
		struct frame frame = frame_tcp(&lab_far_v4, &lab_our_second_v4, len);

		assert_int_equal(lab_expect_segment(&lab, &frame)->payload_len, len);
		frame = frame_tcp(&lab_far_v6, &lab_our_v6, len);
		assert_int_equal(lab_expect_segment(&lab, &frame)->payload_len, len);
	}
}

// Frames cut off at every length: never a segment, always exactly one reason.
static void every_truncation_is_refused(void **state)
{
	const struct ip_addr *const pairs[][2] = {{&lab_peer_v4, &lab_our_v4}, {&lab_peer_v6, &lab_our_v6}};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct frame frame = frame_tcp(pairs[i][0], pairs[i][1], 10);
		size_t full_len = frame.len;
		enum counter header = i == 0 ? COUNTER_NET_DROP_IP4_HEADER : COUNTER_NET_DROP_IP6_HEADER;

		for (frame.len = 1; frame.len < full_len; frame.len++)
			lab_expect_refused(
				&lab, &frame, frame.len < FRAME_IP ? COUNTER_NET_DROP_SHORT : header);
	}
}

struct poke {
	size_t offset;
	uint8_t value;
	bool fix; // recompute checksums
	enum counter reason;
};

static void expect_pokes(
	const struct ip_addr *source, const struct ip_addr *destination, const struct poke *pokes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct frame frame = frame_tcp(source, destination, 40);

		frame.bytes[pokes[i].offset] = pokes[i].value;
		if (pokes[i].fix)
			frame_fix(&frame);
		lab_expect_refused(&lab, &frame, pokes[i].reason);
	}
}

static void link_header_refusals(void **state)
{
	static const struct poke pokes[] = {
		{0, 4, false, COUNTER_NET_DROP_LINK_DESTINATION}, // another station
		{5, 9, false, COUNTER_NET_DROP_LINK_DESTINATION}, // another station
		{0, 3, false, COUNTER_NET_DROP_LINK_DESTINATION}, // IP to a link multicast
		{6, 3, false, COUNTER_NET_DROP_LINK_SOURCE},      // multicast source
		{11, 1, false, COUNTER_NET_DROP_LINK_SOURCE},     // our own link address
		{12, 0x88, false, COUNTER_NET_DROP_ETHERTYPE},    //
		{13, 0x01, false, COUNTER_NET_DROP_ETHERTYPE},    //
	};
	struct frame frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 0);

	(void)state;
	expect_pokes(&lab_peer_v4, &lab_our_v4, pokes, sizeof pokes / sizeof pokes[0]);
	frame_set_source(&frame, (const uint8_t[6]){0});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_LINK_SOURCE);
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 0);
	frame_tag(&frame, 7);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_VLAN);
}

static void ip4_refusals(void **state)
{
	static const struct poke pokes[] = {
		{FRAME_IP, 0x55, true, COUNTER_NET_DROP_IP4_HEADER},      // version
		{FRAME_IP, 0x44, true, COUNTER_NET_DROP_IP4_HEADER},      // header shorter than itself
		{FRAME_IP, 0x46, true, COUNTER_NET_DROP_IP4_OPTIONS},     //
		{FRAME_IP, 0x4f, true, COUNTER_NET_DROP_IP4_OPTIONS},     //
		{FRAME_IP + 2, 1, true, COUNTER_NET_DROP_IP4_HEADER},     // longer than the frame
		{FRAME_IP + 3, 19, true, COUNTER_NET_DROP_IP4_HEADER},    // shorter than its header
		{FRAME_IP + 3, 39, true, COUNTER_NET_DROP_TCP_HEADER},    // shorter than TCP's header
		{FRAME_IP + 6, 0x20, true, COUNTER_NET_DROP_FRAGMENT},    // more fragments
		{FRAME_IP + 7, 1, true, COUNTER_NET_DROP_FRAGMENT},       // offset
		{FRAME_IP + 8, 63, false, COUNTER_NET_DROP_IP4_CHECKSUM}, //
		{FRAME_IP + 10, 0, false, COUNTER_NET_DROP_IP4_CHECKSUM}, //
		{FRAME_IP + 9, 17, true, COUNTER_NET_DROP_PROTOCOL},      // UDP
		{FRAME_IP + 9, 58, true, COUNTER_NET_DROP_PROTOCOL},      // ICMPv6 over IPv4
		{FRAME_IP + 12, 0, true, COUNTER_NET_DROP_SOURCE},        //
		{FRAME_IP + 12, 127, true, COUNTER_NET_DROP_SOURCE},      //
		{FRAME_IP + 12, 224, true, COUNTER_NET_DROP_SOURCE},      //
		{FRAME_IP + 12, 240, true, COUNTER_NET_DROP_SOURCE},      //
		{FRAME_IP + 12, 255, true, COUNTER_NET_DROP_SOURCE},      //
		{FRAME_IP + 15, 1, true, COUNTER_NET_DROP_SOURCE},        // our own: a land attack
		{FRAME_IP + 15, 9, true, COUNTER_NET_DROP_SOURCE},        // our second
		{FRAME_IP + 19, 3, true, COUNTER_NET_DROP_DESTINATION},   //
		{FRAME_IP + 19, 255, true, COUNTER_NET_DROP_DESTINATION}, // the network's broadcast
		{FRAME_IP + 16, 224, true, COUNTER_NET_DROP_DESTINATION}, // multicast
	};

	(void)state;
	expect_pokes(&lab_peer_v4, &lab_our_v4, pokes, sizeof pokes / sizeof pokes[0]);
}

static void ip6_refusals(void **state)
{
	static const uint8_t extensions[] = {0, 43, 50, 51, 60, 135, 139, 140};
	static const struct poke pokes[] = {
		{FRAME_IP, 0x40, true, COUNTER_NET_DROP_IP6_HEADER},      // version
		{FRAME_IP + 4, 1, true, COUNTER_NET_DROP_IP6_HEADER},     // longer than the frame
		{FRAME_IP + 5, 19, true, COUNTER_NET_DROP_TCP_HEADER},    //
		{FRAME_IP + 5, 0, true, COUNTER_NET_DROP_TCP_HEADER},     // jumbogram or empty
		{FRAME_IP + 6, 44, true, COUNTER_NET_DROP_FRAGMENT},      //
		{FRAME_IP + 6, 17, true, COUNTER_NET_DROP_PROTOCOL},      // UDP
		{FRAME_IP + 6, 59, true, COUNTER_NET_DROP_PROTOCOL},      // no next header
		{FRAME_IP + 6, 1, true, COUNTER_NET_DROP_PROTOCOL},       // ICMP over IPv6
		{FRAME_IP + 8, 0xff, true, COUNTER_NET_DROP_SOURCE},      // multicast
		{FRAME_IP + 23, 1, true, COUNTER_NET_DROP_SOURCE},        // our own
		{FRAME_IP + 39, 9, true, COUNTER_NET_DROP_DESTINATION},   //
		{FRAME_IP + 24, 0xff, true, COUNTER_NET_DROP_DESTINATION} // multicast
	};
	static const struct ip_addr bad_sources[] = {{.bytes = {0}}, {.bytes = {[15] = 1}}, // ::, ::1
		{.bytes = {[12] = 192, [14] = 2, [15] = 2}}};                               // IPv4-compatible
	(void)state;
	expect_pokes(&lab_peer_v6, &lab_our_v6, pokes, sizeof pokes / sizeof pokes[0]);
	for (size_t i = 0; i < sizeof extensions; i++) {
		struct poke poke = {FRAME_IP + 6, extensions[i], true, COUNTER_NET_DROP_IP6_EXTENSION};

		expect_pokes(&lab_peer_v6, &lab_our_v6, &poke, 1);
	}
	for (size_t i = 0; i < 3; i++) {
		struct frame frame = frame_tcp(&bad_sources[i], &lab_our_v6, 0);

		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SOURCE);
	}
}

// ::ffff:192.0.2.2 in an IPv6 header would be taken for the IPv4 neighbour.
static void mapped_addresses_in_ip6_are_refused(void **state)
{
	struct frame frame = frame_tcp(&lab_peer_v6, &lab_our_v6, 0);

	(void)state;
	memcpy(frame.bytes + FRAME_IP + 8, lab_peer_v4.bytes, 16);
	frame_fix(&frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SOURCE);
	frame = frame_tcp(&lab_peer_v6, &lab_our_v6, 0);
	memcpy(frame.bytes + FRAME_IP + 24, lab_our_v4.bytes, 16);
	frame_fix(&frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SOURCE);
}

static void tcp_refusals(void **state)
{
	static const struct poke pokes[] = {
		{FRAME_TCP4 + 12, 0x40, true, COUNTER_NET_DROP_TCP_HEADER},    // header shorter than itself
		{FRAME_TCP4 + 16, 0, false, COUNTER_NET_DROP_TCP_CHECKSUM},    //
		{FRAME_TCP4 + 4, 0x55, false, COUNTER_NET_DROP_TCP_CHECKSUM},  //
		{FRAME_TCP4 + 59, 0x55, false, COUNTER_NET_DROP_TCP_CHECKSUM}, // last payload byte
	};
	struct frame frame;

	(void)state;
	expect_pokes(&lab_peer_v4, &lab_our_v4, pokes, sizeof pokes / sizeof pokes[0]);
	// Options up to the packet's very end are fine, one byte less is not.
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 40);
	frame.bytes[FRAME_TCP4 + 12] = 0xf0;
	frame_fix(&frame);
	assert_int_equal(lab_expect_segment(&lab, &frame)->options_len, 40);
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 39);
	frame.bytes[FRAME_TCP4 + 12] = 0xf0;
	frame_fix(&frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_TCP_HEADER);
	frame = frame_tcp_ports(&lab_peer_v4, &lab_our_v4, 0, 443);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_TCP_HEADER);
	frame = frame_tcp_ports(&lab_peer_v4, &lab_our_v4, 40000, 0);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_TCP_HEADER);
}

// Every single-bit error behind the link header is noticed, unless it lies in what no checksum covers.
static void every_bit_error_is_noticed(void **state)
{
	(void)state;
	for (size_t bit = FRAME_IP * 8; bit < (FRAME_TCP4 + 20 + 16) * 8; bit++) {
		struct frame frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 16);

		frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		lab_send(&lab, &frame);
		lab_turn(&lab);
		assert_int_equal(lab.n_segments, 0);
	}
}

static void vlan_is_required_and_checked(void **state)
{
	struct frame frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);

	(void)state;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_VLAN);
	frame_tag(&frame, 42 | 5 << 13); // with a priority
	assert_int_equal(lab_expect_segment(&lab, &frame)->payload_len, 5);
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);
	frame_tag(&frame, 43);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_VLAN);
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);
	frame_tag(&frame, 0);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_VLAN);
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);
	frame_tag(&frame, 42);
	frame_tag(&frame, 42); // two tags
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_VLAN);
	frame.len = 17;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SHORT);
}

static void hardware_verdicts_are_used(void **state)
{
	struct frame frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);

	(void)state;
	assert_int_equal(lab_expect_segment(&lab, &frame)->payload_len, 5);
	frame.bytes[FRAME_TCP4 + 20] ^= 1;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_TCP_CHECKSUM);
	frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);
	frame.bytes[FRAME_IP + 8]--;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_IP4_CHECKSUM);
}

// A frame in two buffers can't have come from a port whose buffers hold the MTU. port_mem never makes one, so
// that the parser gets it directly.
static void chained_frames_are_refused(void **state)
{
	struct frame frame = frame_tcp(&lab_peer_v4, &lab_our_v4, 5);
	struct segment out[NET_RX_BURST_MIN];
	struct rte_mbuf *m;

	(void)state;
	lab_send(&lab, &frame);
	assert_int_equal(port_rx_burst(lab.ours, 0, &m, 1), 1);
	assert_int_equal(rte_pktmbuf_chain(m, rte_pktmbuf_alloc(lab.rx_pool)), 0);
	assert_int_equal(receive_frames(lab.nets[0], &lab.nets[0]->ports[0], &m, 1, RECEIVE_WIRE, out), 0);
	net_discard_flush(lab.nets[0]);
	assert_int_equal(lab_count(&lab, COUNTER_NET_DROP_CHAINED), 1);
}

static const struct lab_options tagged = {.vlan = 42};
static const struct lab_options with_offload = {.capabilities = PORT_CAN_RX_CHECKSUM};

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(tcp4_becomes_segment),
		LAB_TEST(tcp6_becomes_segment),
		LAB_TEST(padding_is_trimmed),
		LAB_TEST(odd_payloads_verify),
		LAB_TEST(every_truncation_is_refused),
		LAB_TEST(link_header_refusals),
		LAB_TEST(ip4_refusals),
		LAB_TEST(ip6_refusals),
		LAB_TEST(mapped_addresses_in_ip6_are_refused),
		LAB_TEST(tcp_refusals),
		LAB_TEST(every_bit_error_is_noticed),
		LAB_TEST_WITH(vlan_is_required_and_checked, tagged),
		LAB_TEST_WITH(hardware_verdicts_are_used, with_offload),
		LAB_TEST(chained_frames_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
