// SPDX-License-Identifier: Apache-2.0
//
// Multicast listener discovery: reports at start and when asked, in both versions, and the queries that are
// none.
#include "frames.h"
#include "lab.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

enum {
	ALERT = FRAME_IP + WIRE_IP6_LEN, // the hop-by-hop header
	MLD = ALERT + ROUTER_ALERT_LEN,
	MLD_CODE = MLD + 4,
	MLD_GROUP = MLD + 8,
	RECORDS = MLD + 8,
	RECORD_LEN = 20,
	RECORDS_MAX = 61, // in a packet that any link takes
	N_MORE = 70
};

static struct lab lab;
static const struct ip_addr unspecified;
static const struct ip_addr all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};
static const struct ip_addr all_routers = {.bytes = {0xff, 0x02, [15] = 0x16}};
static const struct ip_addr our_group = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff, [15] = 1}};
static const struct ip_addr other_group = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff, [14] = 9, [15] = 9}};

// What there may be before and behind the option: PadN of two bytes, or Pad1 twice.
static const uint8_t alerts[][ROUTER_ALERT_LEN] = {
	{IP_PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 1, 0},
	{IP_PROTOCOL_ICMP6, 0, 1, 0, 5, 2, 0, 0},
	{IP_PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 0, 0},
	{IP_PROTOCOL_ICMP6, 0, 0, 5, 2, 0, 0, 0},
};

static struct frame with_alert(struct frame frame)
{
	uint16_t payload_len = (uint16_t)(frame_u16(&frame, FRAME_IP + 4) + ROUTER_ALERT_LEN);

	memmove(frame.bytes + MLD, frame.bytes + ALERT, frame.len - ALERT);
	memcpy(frame.bytes + ALERT, alerts[0], ROUTER_ALERT_LEN);
	frame.len += ROUTER_ALERT_LEN;
	frame.bytes[FRAME_IP + 4] = (uint8_t)(payload_len >> 8);
	frame.bytes[FRAME_IP + 5] = (uint8_t)payload_len;
	frame.bytes[FRAME_IP + 6] = IP6_HOP_BY_HOP;
	frame.bytes[FRAME_IP + 7] = MLD_HOP_LIMIT;
	return frame;
}

static struct frame without_alert(struct frame frame)
{
	uint16_t payload_len = (uint16_t)(frame_u16(&frame, FRAME_IP + 4) - ROUTER_ALERT_LEN);

	memmove(frame.bytes + ALERT, frame.bytes + MLD, frame.len - MLD);
	frame.len -= ROUTER_ALERT_LEN;
	frame.bytes[FRAME_IP + 4] = (uint8_t)(payload_len >> 8);
	frame.bytes[FRAME_IP + 5] = (uint8_t)payload_len;
	frame.bytes[FRAME_IP + 6] = IP_PROTOCOL_ICMP6;
	return frame;
}

struct query {
	const struct ip_addr *source, *destination, *group;
	uint16_t code;
	uint16_t len; // of the ICMPv6 message
};

static struct frame frame_query(const struct query *query)
{
	uint8_t body[64] = {0};
	struct frame frame;

	memcpy(body, query->group->bytes, 16);
	frame = frame_icmp(query->source, query->destination, ICMP6_MLD_QUERY, 0, (uint32_t)query->code << 16,
		span_of(body, (size_t)query->len - WIRE_ICMP_LEN));
	if (query->destination->bytes[0] == 0xff) {
		frame.bytes[0] = frame.bytes[1] = 0x33;
		memcpy(frame.bytes + 2, query->destination->bytes + 12, 4);
	}
	return with_alert(frame);
}

static struct frame general_query(uint16_t code, uint16_t len)
{
	return frame_query(&(struct query){&lab_peer_link_local, &all_nodes, &unspecified, code, len});
}

static bool is_report(const struct frame *frame, uint8_t type)
{
	return frame->len > RECORDS && frame_type(frame) == ETHERTYPE_IP6 &&
	       frame_u8(frame, FRAME_IP + 6) == IP6_HOP_BY_HOP && frame_u8(frame, MLD) == type;
}

// The next report of a type; all other frames are thrown away. len 0: none.
static struct frame next_report(uint8_t type)
{
	struct frame frame;

	do
		frame = lab_receive(&lab);
	while (frame.len != 0 && !is_report(&frame, type));
	return frame;
}

static void assert_envelope(
	const struct frame *frame, const struct ip_addr *source, const struct ip_addr *destination)
{
	struct frame plain = without_alert(*frame);

	assert_memory_equal(frame->bytes, "\x33\x33", 2);
	assert_memory_equal(frame->bytes + 2, destination->bytes + 12, 4);
	assert_int_equal(frame_u8(frame, FRAME_IP + 7), MLD_HOP_LIMIT);
	assert_memory_equal(frame->bytes + ALERT, alerts[0], ROUTER_ALERT_LEN);
	assert_memory_equal(frame->bytes + FRAME_IP + 8, source->bytes, 16);
	assert_memory_equal(frame->bytes + FRAME_IP + 24, destination->bytes, 16);
	assert_true(frame_tcp_intact(&plain));
}

// RFC 3810 5.2: a record for each group, any source.
static void assert_records(
	const struct frame *frame, const struct ip_addr *source, uint8_t record_type, uint16_t n)
{
	assert_envelope(frame, source, &all_routers);
	assert_int_equal(frame->len, RECORDS + n * RECORD_LEN);
	assert_int_equal(frame_u16(frame, MLD + 6), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(frame_u8(frame, RECORDS + i * RECORD_LEN), record_type);
		assert_int_equal(frame_u8(frame, RECORDS + i * RECORD_LEN + 1), 0);
		assert_int_equal(frame_u16(frame, RECORDS + i * RECORD_LEN + 2), 0);
		assert_memory_equal(frame->bytes + RECORDS + i * RECORD_LEN + 4, our_group.bytes, 13);
	}
}

// The one group that 2001:db8::1 and the link-local address share.
static void assert_v2(const struct frame *frame, const struct ip_addr *source, uint8_t record_type)
{
	assert_records(frame, source, record_type, 1);
	assert_memory_equal(frame->bytes + RECORDS + 4, our_group.bytes, 16);
}

static void reported_before_anyone_is_asked(void **state)
{
	struct frame frame;

	(void)state;
	lab_turn(&lab);
	while ((frame = lab_receive(&lab)).len != 0 && frame_type(&frame) != ETHERTYPE_IP6)
		;
	assert_true(is_report(&frame, ICMP6_MLD2_REPORT));
	assert_v2(&frame, &unspecified, 4);
	lab_pass(&lab, 1100 * 1000);
	frame = next_report(ICMP6_MLD2_REPORT);
	assert_true(frame.len != 0);
	assert_v2(&frame, frame.bytes[FRAME_IP + 8] != 0 ? &lab_our_link_local : &unspecified, 4);
	assert_int_equal(next_report(ICMP6_MLD2_REPORT).len, 0);
	lab_pass(&lab, 10 * 1000 * 1000);
	assert_int_equal(next_report(ICMP6_MLD2_REPORT).len, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_MLD_REPORTS), 2);
}

static void reported_again_when_the_link_comes_up(void **state)
{
	(void)state;
	port_mem_set_link(lab.peer, false);
	lab_pass(&lab, 1000 * 1000);
	port_mem_set_link(lab.peer, true);
	lab_pass(&lab, 2000 * 1000);
	assert_true(next_report(ICMP6_MLD2_REPORT).len != 0);
	assert_true(next_report(ICMP6_MLD2_REPORT).len != 0);
	assert_int_equal(next_report(ICMP6_MLD2_REPORT).len, 0);
}

static void queries_are_answered_in_time(void **state)
{
	// To all, about one group, to us alone.
	const struct query queries[] = {
		{&lab_peer_link_local, &all_nodes, &unspecified, 1000, 28},
		{&lab_peer_link_local, &our_group, &our_group, 1000, 28},
		{&lab_peer_link_local, &our_group, &our_group, 1000, 44}, // with a source
		{&lab_peer_link_local, &lab_our_link_local, &unspecified, 1000, 28},
	};

	(void)state;
	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		struct frame frame = frame_query(&queries[i]);

		memcpy(frame.bytes + ALERT, alerts[i], ROUTER_ALERT_LEN);
		lab_send(&lab, &frame);
		lab_turn(&lab);
		lab_pass(&lab, 1100 * 1000);
		frame = next_report(ICMP6_MLD2_REPORT);
		assert_true(frame.len != 0);
		assert_v2(&frame, &lab_our_link_local, 2);
		assert_int_equal(next_report(ICMP6_MLD2_REPORT).len, 0);
	}
	assert_int_equal(lab_count(&lab, COUNTER_NET_MLD_QUERIES), sizeof queries / sizeof queries[0]);
}

static void long_times_are_floating_point(void **state)
{
	// 0x8000: (0x1000 | 0) << 3 = 32,768 ms; 0xffff: 0x1fff << 10, more than two hours.
	static const struct {
		uint16_t code;
		uint64_t max_ms;
	} cases[] = {{0x7fff, 0x7fff}, {0x8000, 32768}, {0x9abc, 0x1abc << 4}, {0xffff, 0x1fff << 10}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct frame frame = general_query(cases[i].code, 28);
		uint64_t due_us;

		lab_send(&lab, &frame);
		lab_turn(&lab);
		due_us = clock_now_us() + cases[i].max_ms * 1000 + 1000;
		while (next_report(ICMP6_MLD2_REPORT).len == 0) {
			assert_true(clock_now_us() <= due_us);
			clock_virtual_advance(cases[i].max_ms * 1000 / 100);
			lab_turn(&lab);
		}
	}
}

// RFC 2710; RFC 3810 8.2.1: version 1 for as long as its router may be there, then 2 again.
static void version_one_is_answered_in_kind(void **state)
{
	struct frame frame = general_query(500, 24);

	(void)state;
	lab_send(&lab, &frame);
	lab_turn(&lab);
	lab_pass(&lab, 600 * 1000);
	frame = next_report(ICMP6_MLD1_REPORT);
	assert_true(frame.len != 0);
	assert_envelope(&frame, &lab_our_link_local, &our_group);
	assert_int_equal(frame.len, MLD_GROUP + 16);
	assert_memory_equal(frame.bytes + MLD_GROUP, our_group.bytes, 16);
	assert_int_equal(next_report(ICMP6_MLD1_REPORT).len, 0);
	clock_virtual_advance(UINT64_C(261) * 1000 * 1000);
	frame = general_query(500, 28);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	lab_pass(&lab, 600 * 1000);
	assert_true(next_report(ICMP6_MLD2_REPORT).len != 0);
}

static void many_groups_take_several_packets(void **state)
{
	struct frame frame;

	(void)state;
	lab_turn(&lab);
	frame = next_report(ICMP6_MLD2_REPORT);
	assert_records(&frame, &unspecified, 4, RECORDS_MAX);
	frame = next_report(ICMP6_MLD2_REPORT);
	assert_records(&frame, &unspecified, 4, 1 + N_MORE - RECORDS_MAX);
	assert_memory_equal(frame.bytes + frame.len - 3, ((const uint8_t[]){1, 0, N_MORE - 1}), 3);
	assert_int_equal(next_report(ICMP6_MLD2_REPORT).len, 0);
	lab_pass(&lab, 3000 * 1000);
	(void)lab_receive_all(&lab);
	// Version 1 has no room for more than one.
	frame = general_query(500, 24);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	lab_pass(&lab, 600 * 1000);
	for (int i = 0; i < 1 + N_MORE; i++)
		assert_true(next_report(ICMP6_MLD1_REPORT).len != 0);
	assert_int_equal(next_report(ICMP6_MLD1_REPORT).len, 0);
}

static void a_flood_of_queries_gets_few_answers(void **state)
{
	struct frame frame = general_query(0, 28);
	uint32_t n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		lab_send(&lab, &frame);
		lab_turn(&lab);
		clock_virtual_advance(1000);
	}
	lab_pass(&lab, 200 * 1000);
	while (next_report(ICMP6_MLD2_REPORT).len != 0)
		n++;
	assert_in_range(n, 5, 12);
}

struct poke {
	size_t offset;
	uint8_t value;
	enum counter reason;
};

static void what_is_no_query_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{FRAME_IP + 7, 2, COUNTER_NET_DROP_IP6_EXTENSION}, // came through a router
		{FRAME_IP + 7, 255, COUNTER_NET_DROP_IP6_EXTENSION},
		{ALERT + 1, 1, COUNTER_NET_DROP_IP6_EXTENSION}, // a longer header
		{ALERT + 2, 0, COUNTER_NET_DROP_IP6_EXTENSION}, // another option
		{ALERT + 5, 1, COUNTER_NET_DROP_IP6_EXTENSION}, // RSVP's alert
		{ALERT + 3, 1, COUNTER_NET_DROP_IP6_EXTENSION}, // an option of another length
		{ALERT + 7, 1, COUNTER_NET_DROP_IP6_EXTENSION}, // padding that goes on behind the header
		{ALERT, IP_PROTOCOL_TCP, COUNTER_NET_DROP_IP6_EXTENSION},
		{MLD, ICMP6_MLD1_REPORT, COUNTER_NET_DROP_IP6_EXTENSION},
		{MLD, ICMP6_ECHO_REQUEST, COUNTER_NET_DROP_IP6_EXTENSION},
		{FRAME_IP + 5, 15, COUNTER_NET_DROP_IP6_EXTENSION}, // no room for ICMPv6
		{MLD + 2, 1, COUNTER_NET_DROP_ICMP_CHECKSUM},
	};
	static const struct ip_addr global_group = {.bytes = {0xff, 0x0e, [15] = 1}};
	const struct query queries[] = {
		{&lab_peer_v6, &all_nodes, &unspecified, 1000, 28},         // no link-local source
		{&lab_peer_link_local, &all_nodes, &other_group, 1000, 28}, // none of our groups
		{&lab_peer_link_local, &all_nodes, &lab_our_v6, 1000, 28},  // no group at all
		{&lab_peer_link_local, &all_nodes, &unspecified, 1000, 25}, // neither version's length
		{&lab_peer_link_local, &all_nodes, &unspecified, 1000, 27},
		{&lab_peer_link_local, &all_nodes, &unspecified, 1000, 20}, // group cut off
	};
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
		frame = general_query(1000, 28);
		frame.bytes[pokes[i].offset] = pokes[i].value;
		lab_expect_refused(&lab, &frame, pokes[i].reason);
	}
	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		frame = frame_query(&queries[i]);
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_MLD);
	}
	frame = frame_query(&(struct query){&lab_peer_link_local, &global_group, &unspecified, 1000, 28});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_DESTINATION);
	frame = frame_query(&(struct query){&unspecified, &all_nodes, &unspecified, 1000, 28});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SOURCE);
	frame = frame_query(&(struct query){&lab_our_link_local, &all_nodes, &unspecified, 1000, 28});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SOURCE);
	// Without router alert, to our own address: reaches ICMPv6 and is refused there.
	frame = frame_query(&(struct query){&lab_peer_link_local, &lab_our_link_local, &unspecified, 0, 28});
	frame = without_alert(frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_MLD);
	lab_pass(&lab, 2000 * 1000);
	assert_int_equal(next_report(ICMP6_MLD2_REPORT).len, 0);
}

static const struct lab_options unsettled = {.unsettled = true};
static const struct lab_options many_groups = {.n_more_v6 = N_MORE, .unsettled = true};

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST_WITH(reported_before_anyone_is_asked, unsettled),
		LAB_TEST(reported_again_when_the_link_comes_up),
		LAB_TEST(queries_are_answered_in_time),
		LAB_TEST(long_times_are_floating_point),
		LAB_TEST(version_one_is_answered_in_kind),
		LAB_TEST_WITH(many_groups_take_several_packets, many_groups),
		LAB_TEST(a_flood_of_queries_gets_few_answers),
		LAB_TEST(what_is_no_query_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
