// SPDX-License-Identifier: Apache-2.0
//
// ARP on the wire: what we answer, learn, announce and defend, and what we refuse.
#include "frames.h"
#include "lab.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

enum {
	ARP = 14,
	ARP_OPERATION = ARP + 6,
	ARP_SENDER_MAC = ARP + 8,
	ARP_SENDER = ARP + 14,
	ARP_TARGET_MAC = ARP + 18,
	ARP_TARGET = ARP + 24
};

static struct lab lab;
static const struct ip_addr nobody = {.bytes = {[10] = 0xff, [11] = 0xff}};

static void assert_arp(const struct frame *frame, uint16_t operation, const struct ip_addr *sender,
	const struct ip_addr *target)
{
	assert_true(frame->len >= ARP + 28);
	assert_int_equal(frame_type(frame), ETHERTYPE_ARP);
	assert_int_equal(frame_u16(frame, ARP_OPERATION), operation);
	assert_memory_equal(frame->bytes + 6, lab_our_mac, 6);
	assert_memory_equal(frame->bytes + ARP_SENDER_MAC, lab_our_mac, 6);
	assert_memory_equal(frame->bytes + ARP_SENDER, sender->bytes + 12, 4);
	assert_memory_equal(frame->bytes + ARP_TARGET, target->bytes + 12, 4);
}

static bool known(const struct ip_addr *addr, struct net_neighbor_info *out)
{
	uint32_t cursor = 0;

	while (net_neighbor_next(lab.nets[0], clock_now_us(), &cursor, out))
		if (ip_addr_equal(&out->addr, addr))
			return true;
	return false;
}

static void requests_are_answered_and_learnt(void **state)
{
	struct frame frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_second_v4);
	struct net_neighbor_info info;

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_arp(&frame, ARP_REPLY, &lab_our_second_v4, &lab_peer_v4);
	assert_memory_equal(frame.bytes, lab_peer_mac, 6);
	assert_memory_equal(frame.bytes + ARP_TARGET_MAC, lab_peer_mac, 6);
	assert_true(known(&lab_peer_v4, &info));
	assert_memory_equal(info.mac, lab_peer_mac, 6);
}

static void probes_are_answered_but_not_learnt(void **state)
{
	struct frame frame = frame_arp(ARP_REQUEST, lab_peer_mac, &nobody, &lab_our_v4);
	struct net_neighbor_info info;

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_arp(&frame, ARP_REPLY, &lab_our_v4, &nobody);
	assert_false(known(&nobody, &info));
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 0);
}

static void what_concerns_others_makes_no_entry(void **state)
{
	struct frame request = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_gateway_v4);
	struct frame announcement = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_peer_v4);
	struct frame reply = frame_arp(ARP_REPLY, lab_peer_mac, &lab_peer_v4, &lab_our_v4);

	(void)state;
	lab_send(&lab, &request);
	lab_send(&lab, &announcement);
	lab_send(&lab, &reply); // not asked for
	lab_turn(&lab);
	assert_int_equal(lab_receive(&lab).len, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_ARP_OTHER), 2);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 0);
}

static void announcements_move_a_known_neighbor(void **state)
{
	struct frame announcement = frame_arp(ARP_REQUEST, lab_other_mac, &lab_peer_v4, &lab_peer_v4);
	struct net_neighbor_info info;

	(void)state;
	lab_introduce(&lab, &lab_peer_v4, lab_peer_mac);
	lab_send(&lab, &announcement);
	lab_turn(&lab);
	assert_true(known(&lab_peer_v4, &info));
	assert_memory_equal(info.mac, lab_other_mac, 6);
}

struct poke {
	size_t offset;
	uint8_t value;
};

static void malformed_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{ARP + 1, 6},           // hardware type
		{ARP + 2, 0x86},        // protocol type
		{ARP + 4, 8},           // hardware address length
		{ARP + 5, 16},          // protocol address length
		{ARP_OPERATION + 1, 0}, //
		{ARP_OPERATION + 1, 3}, // RARP
		{ARP_OPERATION, 1},     //
		{ARP_SENDER_MAC, 3},    // multicast sender
		{ARP_SENDER, 10},       // not on the link
		{ARP_SENDER, 224},      //
		{ARP_SENDER, 127},      //
	};
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
		frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_v4);
		frame.bytes[pokes[i].offset] = pokes[i].value;
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ARP);
	}
	frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_v4);
	memset(frame.bytes + ARP_SENDER_MAC, 0, 6);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ARP);
	frame = frame_arp(ARP_REQUEST, lab_peer_mac, &nobody, &lab_peer_v4); // a probe for somebody else
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ARP);
	frame = frame_arp(ARP_REPLY, lab_peer_mac, &nobody, &lab_our_v4);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ARP);
	for (size_t len = ARP; len < ARP + 28; len++) {
		frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_v4);
		frame.len = len;
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ARP);
	}
	frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_v4);
	frame_set_destination(&frame, lab_other_mac);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_LINK_DESTINATION);
}

static void conflicts_are_logged_and_defended_within_limits(void **state)
{
	struct frame claim = frame_arp(ARP_REQUEST, lab_other_mac, &lab_our_v4, &lab_our_v4);
	struct log_event event;
	struct frame frame;

	(void)state;
	while (log_ring_pop(&lab.logs[0], &event))
		;
	for (uint32_t i = 0; i < 100; i++)
		lab_send(&lab, &claim);
	lab_turn(&lab);
	lab_turn(&lab);
	assert_int_equal(lab_count(&lab, COUNTER_NET_ADDRESS_CONFLICTS), 100);
	frame = lab_receive(&lab);
	assert_arp(&frame, ARP_REQUEST, &lab_our_v4, &lab_our_v4);
	assert_int_equal(lab_receive(&lab).len, 0);
	assert_true(log_ring_pop(&lab.logs[0], &event));
	assert_int_equal(event.kind, LOG_EVENT_NEIGHBOR_CONFLICT);
	assert_int_equal(event.details_len, 24);
	assert_memory_equal(event.details, "\0\0", 2);
	assert_memory_equal(event.details + 2, lab_our_v4.bytes, 16);
	assert_memory_equal(event.details + 18, lab_other_mac, 6);
	assert_false(log_ring_pop(&lab.logs[0], &event));
	// Another one after the interval is defended again, and the address still works.
	clock_virtual_advance(11 * 1000 * 1000);
	claim = frame_arp(ARP_REPLY, lab_other_mac, &lab_our_v4, &lab_peer_v4);
	lab_send(&lab, &claim);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_arp(&frame, ARP_REQUEST, &lab_our_v4, &lab_our_v4);
	assert_true(net_address_usable(lab.nets[0], &lab_our_v4, NULL));
}

static uint32_t count_announcements(const struct ip_addr *addr, uint32_t *out_n_probes)
{
	uint32_t n = 0;
	struct frame frame;

	*out_n_probes = 0;
	while ((frame = lab_receive(&lab)).len != 0) {
		if (frame_type(&frame) != ETHERTYPE_ARP ||
			memcmp(frame.bytes + ARP_TARGET, addr->bytes + 12, 4) != 0)
			continue;
		assert_int_equal(frame_u16(&frame, ARP_OPERATION), ARP_REQUEST);
		assert_memory_equal(frame.bytes, "\xff\xff\xff\xff\xff\xff", 6);
		if (frame_u32(&frame, ARP_SENDER) == 0)
			(*out_n_probes)++;
		else
			n++;
	}
	return n;
}

static void addresses_are_announced_at_start_and_link_up(void **state)
{
	uint32_t n_probes;

	(void)state;
	lab_turn(&lab);
	assert_int_equal(count_announcements(&lab_our_v4, &n_probes), 0);
	lab_pass(&lab, 20 * 1000);
	assert_true(count_announcements(&lab_our_v4, &n_probes) >= 1);
	assert_true(n_probes >= 1);
	lab_pass(&lab, 5 * 1000 * 1000);
	assert_int_equal(count_announcements(&lab_our_second_v4, &n_probes), 2);
	lab_pass(&lab, 60 * 1000 * 1000);
	assert_int_equal(count_announcements(&lab_our_v4, &n_probes), 0);
	port_mem_set_link(lab.ours, false);
	lab_pass(&lab, 1000 * 1000);
	port_mem_set_link(lab.ours, true);
	lab_pass(&lab, 5 * 1000 * 1000);
	assert_int_equal(count_announcements(&lab_our_v4, &n_probes), 3);
	assert_int_equal(n_probes, 3);
}

static void link_changes_are_logged(void **state)
{
	static const uint8_t down[3] = {0, 0, 0}, up[3] = {0, 0, 1};
	struct log_event event;

	(void)state;
	while (log_ring_pop(&lab.logs[0], &event))
		;
	port_mem_set_link(lab.ours, false);
	lab_pass(&lab, 1000 * 1000);
	assert_true(log_ring_pop(&lab.logs[0], &event));
	assert_int_equal(event.kind, LOG_EVENT_LINK_STATE);
	assert_int_equal(event.details_len, 3);
	assert_memory_equal(event.details, down, 3);
	port_mem_set_link(lab.ours, true);
	lab_pass(&lab, 1000 * 1000);
	assert_true(log_ring_pop(&lab.logs[0], &event));
	assert_memory_equal(event.details, up, 3);
	assert_false(log_ring_pop(&lab.logs[0], &event));
}

static void vlan_tags_go_both_ways(void **state)
{
	struct frame frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_v4);

	(void)state;
	frame_tag(&frame, 42);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_int_equal(frame_type(&frame), ETHERTYPE_VLAN);
	assert_int_equal(frame_u16(&frame, 14) & 0xfff, 42);
	assert_int_equal(frame_u16(&frame, 16), ETHERTYPE_ARP);
	assert_int_equal(frame_u16(&frame, ARP_OPERATION + 4), ARP_REPLY);
}

static const struct lab_options unsettled = {.unsettled = true};
static const struct lab_options tagged = {.vlan = 42};

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(requests_are_answered_and_learnt),
		LAB_TEST(probes_are_answered_but_not_learnt),
		LAB_TEST(what_concerns_others_makes_no_entry),
		LAB_TEST(announcements_move_a_known_neighbor),
		LAB_TEST(malformed_is_refused),
		LAB_TEST(conflicts_are_logged_and_defended_within_limits),
		LAB_TEST(link_changes_are_logged),
		LAB_TEST_WITH(addresses_are_announced_at_start_and_link_up, unsettled),
		LAB_TEST_WITH(vlan_tags_go_both_ways, tagged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
