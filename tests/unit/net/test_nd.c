// SPDX-License-Identifier: Apache-2.0
//
// IPv6 neighbour discovery: what we answer and learn, duplicate address detection, and what we refuse.
#include "frames.h"
#include "lab.h"
#include "net/neighbor.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

enum {
	ND = FRAME_TCP6,
	ND_FLAGS = ND + 4,
	ND_TARGET = ND + 8,
	ND_OPTION = ND + 24
};

static struct lab lab;
static const struct ip_addr unspecified;
static const struct ip_addr all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};
static const struct ip_addr our_group = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff, [15] = 1}};

static bool known(const struct ip_addr *addr, struct net_neighbor_info *out)
{
	uint32_t cursor = 0;

	while (net_neighbor_next(lab.nets[0], clock_now_us(), &cursor, out))
		if (ip_addr_equal(&out->addr, addr))
			return true;
	return false;
}

static void assert_nd(const struct frame *frame, uint8_t type, const struct ip_addr *source,
	const struct ip_addr *destination, const struct ip_addr *target)
{
	assert_true(frame->len >= ND_OPTION);
	assert_int_equal(frame_type(frame), ETHERTYPE_IP6);
	assert_int_equal(frame_u8(frame, FRAME_IP + 7), 255);
	assert_memory_equal(frame->bytes + FRAME_IP + 8, source->bytes, 16);
	assert_memory_equal(frame->bytes + FRAME_IP + 24, destination->bytes, 16);
	assert_int_equal(frame_u8(frame, ND), type);
	assert_memory_equal(frame->bytes + ND_TARGET, target->bytes, 16);
	assert_true(frame_tcp_intact(frame));
	if (destination->bytes[0] == 0xff) {
		assert_memory_equal(frame->bytes, "\x33\x33", 2);
		assert_memory_equal(frame->bytes + 2, destination->bytes + 12, 4);
	}
}

static void solicitations_are_answered_and_learnt(void **state)
{
	struct frame frame = frame_nd(
		ND_NEIGHBOR_SOLICITATION, 0, &lab_peer_v6, &our_group, &lab_our_v6, lab_peer_mac);
	struct net_neighbor_info info;

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_nd(&frame, ND_NEIGHBOR_ADVERTISEMENT, &lab_our_v6, &lab_peer_v6, &lab_our_v6);
	assert_int_equal(frame_u32(&frame, ND_FLAGS), 0x60000000); // solicited, override
	assert_int_equal(frame_u8(&frame, ND_OPTION), ND_OPTION_TARGET_MAC);
	assert_memory_equal(frame.bytes + ND_OPTION + 2, lab_our_mac, 6);
	assert_memory_equal(frame.bytes, lab_peer_mac, 6);
	assert_true(known(&lab_peer_v6, &info));
	assert_int_equal(info.state, NEIGHBOR_STALE);
}

static void unicast_probe_without_option_is_answered(void **state)
{
	struct frame frame = frame_nd(ND_NEIGHBOR_SOLICITATION, 0, &lab_peer_link_local, &lab_our_link_local,
		&lab_our_link_local, NULL);

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_nd(&frame, ND_NEIGHBOR_ADVERTISEMENT, &lab_our_link_local, &lab_peer_link_local,
		&lab_our_link_local);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 0);
}

static void detection_by_others_is_answered_to_all(void **state)
{
	struct frame frame = frame_nd(
		ND_NEIGHBOR_SOLICITATION, 0, &unspecified, &our_group, &lab_our_v6, NULL);

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_nd(&frame, ND_NEIGHBOR_ADVERTISEMENT, &lab_our_v6, &all_nodes, &lab_our_v6);
	assert_int_equal(frame_u32(&frame, ND_FLAGS), 0x20000000); // not solicited
}

static struct frame good_solicitation(void)
{
	return frame_nd(ND_NEIGHBOR_SOLICITATION, 0, &lab_peer_v6, &our_group, &lab_our_v6, lab_peer_mac);
}

static struct frame good_advertisement(void)
{
	return frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, &lab_peer_v6,
		&lab_our_v6, &lab_peer_v6, lab_peer_mac);
}

struct poke {
	size_t offset;
	uint8_t value;
	enum counter reason;
};

static void malformed_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{FRAME_IP + 7, 254,
			COUNTER_NET_DROP_DESTINATION},     // hop limit: no longer discovery, and to a group
		{ND + 1, 1, COUNTER_NET_DROP_ND},          // code
		{ND_TARGET, 0xff, COUNTER_NET_DROP_ND},    // multicast target
		{ND_TARGET + 15, 77, COUNTER_NET_DROP_ND}, // not ours
		{ND_OPTION + 1, 0, COUNTER_NET_DROP_ND},   // option without length
		{ND_OPTION + 1, 2, COUNTER_NET_DROP_ND},   // option longer than the message
		{ND_OPTION + 1, 255, COUNTER_NET_DROP_ND}, //
		{ND_OPTION + 2, 1, COUNTER_NET_DROP_ND},   // multicast link address
		{FRAME_IP + 5, 23, COUNTER_NET_DROP_ND},   // target cut off
		{FRAME_IP + 5, 25, COUNTER_NET_DROP_ND},   // option cut off
		{FRAME_IP + 5, 7, COUNTER_NET_DROP_DESTINATION}, // too short to be discovery at all
		{FRAME_IP + 10, 0xff, COUNTER_NET_DROP_ND},      // source not on the link
	};
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
		frame = good_solicitation();
		frame.bytes[pokes[i].offset] = pokes[i].value;
		frame_fix(&frame);
		lab_expect_refused(&lab, &frame, pokes[i].reason);
	}
	frame = good_solicitation();
	frame.bytes[ND + 2] ^= 1;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_CHECKSUM);
	// Detection with a link address, or sent to us alone (RFC 4861 7.1.1).
	frame = frame_nd(ND_NEIGHBOR_SOLICITATION, 0, &unspecified, &our_group, &lab_our_v6, lab_peer_mac);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
	frame = frame_nd(ND_NEIGHBOR_SOLICITATION, 0, &unspecified, &lab_our_v6, &lab_our_v6, NULL);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
	// Hop limit 64 to our own address: reaches discovery and is refused there.
	frame = frame_nd(ND_NEIGHBOR_SOLICITATION, 0, &lab_peer_v6, &lab_our_v6, &lab_our_v6, lab_peer_mac);
	frame.bytes[FRAME_IP + 7] = 64;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
	// A group that we are not in.
	frame = good_solicitation();
	frame.bytes[FRAME_IP + 39] = 1;
	frame.bytes[FRAME_IP + 36] = 0;
	frame.bytes[FRAME_IP + 35] = 7;
	frame_fix(&frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_DESTINATION);
}

static void advertisement_refusals(void **state)
{
	struct frame frame = good_advertisement();

	(void)state;
	// Solicited, but to everyone (RFC 4861 7.1.2).
	frame = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_SOLICITED, &lab_peer_v6, &all_nodes, &lab_peer_v6,
		lab_peer_mac);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
	frame = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, 0, &unspecified, &all_nodes, &lab_peer_v6, lab_peer_mac);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
	frame = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, 0, &lab_peer_v6, &all_nodes, &lab_far_v6, lab_peer_mac);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
	frame = good_advertisement();
	frame.bytes[ND_OPTION + 1] = 0;
	frame_fix(&frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ND);
}

static void routers_are_ignored(void **state)
{
	static const uint8_t types[] = {ND_ROUTER_SOLICITATION, ND_ROUTER_ADVERTISEMENT, ND_REDIRECT};
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof types; i++) {
		frame = frame_nd(types[i], 0, &lab_gateway_v6, &all_nodes, &lab_our_v6, lab_peer_mac);
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ROUTER);
	}
}

static void advertisements_alone_make_no_entry(void **state)
{
	struct frame frame = good_advertisement();

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	assert_int_equal(lab_count(&lab, COUNTER_NET_ND_LEARNED), 1);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 0);
}

// RFC 4861 7.2.5, for a neighbour whose link address is known.
static void override_and_solicited_flags(void **state)
{
	struct net_neighbor_info info;
	struct frame frame;

	(void)state;
	lab_introduce(&lab, &lab_peer_v6, lab_peer_mac);
	frame = good_advertisement();
	lab_send(&lab, &frame);
	lab_turn(&lab);
	assert_true(known(&lab_peer_v6, &info));
	assert_int_equal(info.state, NEIGHBOR_REACHABLE);
	// Not override, another link address: doubt, but the old address stays.
	frame = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_SOLICITED, &lab_peer_v6, &lab_our_v6,
		&lab_peer_v6, lab_other_mac);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	assert_true(known(&lab_peer_v6, &info));
	assert_int_equal(info.state, NEIGHBOR_STALE);
	assert_memory_equal(info.mac, lab_peer_mac, 6);
	// Without an option, solicited: confirms what is known.
	frame = frame_nd(
		ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_SOLICITED, &lab_peer_v6, &lab_our_v6, &lab_peer_v6, NULL);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	assert_true(known(&lab_peer_v6, &info));
	assert_int_equal(info.state, NEIGHBOR_REACHABLE);
	// Unsolicited override: the new address, unverified.
	frame = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_OVERRIDE, &lab_peer_v6, &all_nodes, &lab_peer_v6,
		lab_other_mac);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	assert_true(known(&lab_peer_v6, &info));
	assert_int_equal(info.state, NEIGHBOR_STALE);
	assert_memory_equal(info.mac, lab_other_mac, 6);
}

static void addresses_become_usable(void **state)
{
	struct frame tcp = frame_tcp(&lab_peer_v6, &lab_our_v6, 0);
	struct frame question = frame_nd(
		ND_NEIGHBOR_SOLICITATION, 0, &lab_peer_v6, &our_group, &lab_our_v6, lab_peer_mac);
	bool detected = false;
	struct frame frame;

	(void)state;
	lab_pass(&lab, 100 * 1000);
	assert_false(net_address_usable(lab.nets[0], &lab_our_v6, NULL));
	while ((frame = lab_receive(&lab)).len != 0)
		if (frame_type(&frame) == ETHERTYPE_IP6 &&
			memcmp(frame.bytes + ND_TARGET, lab_our_v6.bytes, 16) == 0) {
			assert_nd(&frame, ND_NEIGHBOR_SOLICITATION, &unspecified, &our_group, &lab_our_v6);
			assert_int_equal(frame.len, ND_OPTION); // no option
			detected = true;
		}
	assert_true(detected);
	lab_expect_refused(&lab, &tcp, COUNTER_NET_DROP_TENTATIVE);
	lab_expect_refused(&lab, &question, COUNTER_NET_DROP_TENTATIVE);
	lab_pass(&lab, 1200 * 1000);
	assert_true(net_address_usable(lab.nets[0], &lab_our_v6, NULL));
	assert_int_equal(lab_expect_segment(&lab, &tcp)->payload_len, 0);
}

static void expect_duplicate(const struct frame *claim)
{
	struct frame tcp = frame_tcp(&lab_peer_v6, &lab_our_v6, 0);
	struct log_event event;

	lab_pass(&lab, 100 * 1000);
	while (log_ring_pop(&lab.logs[0], &event))
		;
	(void)lab_receive_all(&lab);
	lab_send(&lab, claim);
	lab_pass(&lab, 5 * 1000 * 1000);
	(void)lab_receive_all(&lab);
	assert_false(net_address_usable(lab.nets[0], &lab_our_v6, NULL));
	lab_expect_refused(&lab, &tcp, COUNTER_NET_DROP_TENTATIVE);
	assert_true(log_ring_pop(&lab.logs[0], &event));
	assert_int_equal(event.kind, LOG_EVENT_NEIGHBOR_CONFLICT);
	// The other one has gone: the next attempt succeeds.
	lab_pass(&lab, 32 * 1000 * 1000);
	assert_true(net_address_usable(lab.nets[0], &lab_our_v6, NULL));
}

static void duplicate_by_advertisement(void **state)
{
	struct frame claim = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_OVERRIDE, &lab_our_v6, &all_nodes,
		&lab_our_v6, lab_other_mac);

	(void)state;
	// The claimant uses the address as source, of course; that is no martian here.
	expect_duplicate(&claim);
}

static void duplicate_by_simultaneous_detection(void **state)
{
	struct frame claim = frame_nd(
		ND_NEIGHBOR_SOLICITATION, 0, &unspecified, &our_group, &lab_our_v6, NULL);

	(void)state;
	expect_duplicate(&claim);
}

static void conflict_later_is_defended(void **state)
{
	struct frame claim = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_OVERRIDE, &lab_peer_v6, &all_nodes,
		&lab_our_v6, lab_other_mac);
	struct frame frame;

	(void)state;
	lab_send(&lab, &claim);
	lab_send(&lab, &claim);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_nd(&frame, ND_NEIGHBOR_ADVERTISEMENT, &lab_our_v6, &all_nodes, &lab_our_v6);
	assert_int_equal(lab_receive(&lab).len, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_ADDRESS_CONFLICTS), 2);
	assert_true(net_address_usable(lab.nets[0], &lab_our_v6, NULL));
}

static const struct lab_options unsettled = {.unsettled = true};

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(solicitations_are_answered_and_learnt),
		LAB_TEST(unicast_probe_without_option_is_answered),
		LAB_TEST(detection_by_others_is_answered_to_all),
		LAB_TEST(malformed_is_refused),
		LAB_TEST(advertisement_refusals),
		LAB_TEST(routers_are_ignored),
		LAB_TEST(advertisements_alone_make_no_entry),
		LAB_TEST(override_and_solicited_flags),
		LAB_TEST(conflict_later_is_defended),
		LAB_TEST_WITH(addresses_become_usable, unsettled),
		LAB_TEST_WITH(duplicate_by_advertisement, unsettled),
		LAB_TEST_WITH(duplicate_by_simultaneous_detection, unsettled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
