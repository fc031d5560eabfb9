// SPDX-License-Identifier: Apache-2.0
//
// Echo, and the errors that reach TCP: the true ones, and those that lie.
#include "frames.h"
#include "lab.h"
#include "net/wire.h"
#include "seam/cmocka_all.h"

static struct lab lab;

static void assert_echo_reply(const struct frame *request, uint8_t reply_type)
{
	size_t icmp = frame_type(request) == ETHERTYPE_IP4 ? FRAME_TCP4 : FRAME_TCP6;
	struct frame frame = lab_receive(&lab);

	assert_int_equal(frame.len, request->len);
	assert_memory_equal(frame.bytes, lab_peer_mac, 6);
	assert_memory_equal(frame.bytes + 6, lab_our_mac, 6);
	if (icmp == FRAME_TCP4) {
		assert_memory_equal(frame.bytes + FRAME_IP + 12, request->bytes + FRAME_IP + 16, 4);
		assert_memory_equal(frame.bytes + FRAME_IP + 16, request->bytes + FRAME_IP + 12, 4);
		assert_int_equal(frame_u8(&frame, FRAME_IP + 8), 64);
	} else {
		assert_memory_equal(frame.bytes + FRAME_IP + 8, request->bytes + FRAME_IP + 24, 16);
		assert_memory_equal(frame.bytes + FRAME_IP + 24, request->bytes + FRAME_IP + 8, 16);
		assert_int_equal(frame_u8(&frame, FRAME_IP + 7), 64);
	}
	assert_int_equal(frame_u8(&frame, icmp), reply_type);
	assert_int_equal(frame_u8(&frame, icmp + 1), 0);
	assert_memory_equal(frame.bytes + icmp + 4, request->bytes + icmp + 4, request->len - icmp - 4);
	assert_true(frame_tcp_intact(&frame));
}

static void echo_is_answered(void **state)
{
	uint8_t body[1472];
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= 1452; len += 33) {
		frame = frame_icmp(&lab_peer_v4, &lab_our_v4, ICMP_ECHO_REQUEST, 0,
			0x12340000 + (uint32_t)len, span_of(body, len));
		lab_send(&lab, &frame);
		lab_turn(&lab);
		assert_echo_reply(&frame, ICMP_ECHO_REPLY);
		frame = frame_icmp(&lab_peer_v6, &lab_our_v6, ICMP6_ECHO_REQUEST, 0,
			0x12340000 + (uint32_t)len, span_of(body, len));
		lab_send(&lab, &frame);
		lab_turn(&lab);
		assert_echo_reply(&frame, ICMP6_ECHO_REPLY);
	}
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 0);
}

// Checksums that become 0 or 0xffff on the way.
static void echo_checksum_corners(void **state)
{
	(void)state;
	for (uint32_t rest = 0; rest < 0x10000; rest += 0xff) {
		struct frame frame = frame_icmp(
			&lab_peer_v4, &lab_our_v4, ICMP_ECHO_REQUEST, 0, rest, span_of(NULL, 0));

		lab_send(&lab, &frame);
		lab_turn(&lab);
		assert_echo_reply(&frame, ICMP_ECHO_REPLY);
	}
}

static void echo_refusals(void **state)
{
	static const struct ip_addr all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};
	const struct ip_addr broadcast = ip_addr_v4_of(192, 0, 2, 255);
	struct frame frame = frame_icmp(&lab_peer_v4, &lab_our_v4, ICMP_ECHO_REQUEST, 1, 0, span_of(NULL, 0));

	(void)state;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_HEADER);
	frame = frame_icmp(&lab_peer_v6, &lab_our_v6, ICMP6_ECHO_REQUEST, 1, 0, span_of(NULL, 0));
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_HEADER);
	// Smurf: to the network's broadcast address, or to us in a broadcast frame.
	frame = frame_icmp(&lab_peer_v4, &broadcast, ICMP_ECHO_REQUEST, 0, 0, span_of(NULL, 0));
	frame_set_destination(&frame, (const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_DESTINATION);
	frame = frame_icmp(&lab_peer_v4, &lab_our_v4, ICMP_ECHO_REQUEST, 0, 0, span_of(NULL, 0));
	frame_set_destination(&frame, (const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_LINK_DESTINATION);
	frame = frame_icmp(&lab_peer_v6, &all_nodes, ICMP6_ECHO_REQUEST, 0, 0, span_of(NULL, 0));
	frame.bytes[FRAME_IP + 7] = 255;
	frame_set_destination(&frame, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1});
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_DESTINATION);
	// From our own address, with discovery's hop limit.
	frame = frame_icmp(&lab_our_link_local, &lab_our_v6, ICMP6_ECHO_REQUEST, 0, 0, span_of(NULL, 0));
	frame.bytes[FRAME_IP + 7] = 255;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_SOURCE);
	frame = frame_icmp(&lab_peer_v4, &lab_our_v4, ICMP_ECHO_REQUEST, 0, 5, span_of(NULL, 0));
	frame.bytes[FRAME_TCP4 + 7] ^= 1;
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_CHECKSUM);
	frame = frame_icmp(&lab_peer_v6, &lab_our_v6, ICMP6_ECHO_REQUEST, 0, 5, span_of(NULL, 0));
	frame.bytes[FRAME_IP + 8 + 15] = 77; // ICMPv6 covers the addresses
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_CHECKSUM);
	for (uint8_t len = 0; len < 8; len++) {
		frame = frame_ip(
			&lab_peer_v4, &lab_our_v4, IP_PROTOCOL_ICMP, span_of("\x08\0\xf7\xff\0\0\0", len));
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_HEADER);
	}
}

static void other_types_are_refused(void **state)
{
	static const uint8_t v4_used[] = {3, 8, 11, 12};
	static const uint8_t v6_used[] = {1, 2, 3, 4, 128, 130, 133, 134, 135, 136, 137};
	struct frame frame;

	(void)state;
	for (uint32_t type = 0; type < 256; type++) {
		if (memchr(v4_used, (int)type, sizeof v4_used) == NULL) {
			frame = frame_icmp(&lab_peer_v4, &lab_our_v4, (uint8_t)type, 0, 0, span_of(NULL, 0));
			lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_TYPE);
		}
		if (memchr(v6_used, (int)type, sizeof v6_used) == NULL) {
			frame = frame_icmp(&lab_peer_v6, &lab_our_v6, (uint8_t)type, 0, 0, span_of(NULL, 0));
			lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_TYPE);
		}
	}
}

static struct flow_key key_v4(void)
{
	return (struct flow_key){
		.local = lab_our_v4, .remote = lab_far_v4, .local_port = 50000, .remote_port = 25};
}

static struct flow_key key_v6(void)
{
	return (struct flow_key){
		.local = lab_our_v6, .remote = lab_far_v6, .local_port = 50000, .remote_port = 25};
}

static struct net_icmp_error expect_error(const struct frame *frame, const struct flow_key *key, uint8_t kind)
{
	struct net_icmp_error error, more;

	lab_send(&lab, frame);
	lab_turn(&lab);
	assert_int_equal(net_icmp_errors(lab.nets[0], &error, 1), 1);
	assert_int_equal(net_icmp_errors(lab.nets[0], &more, 1), 0);
	assert_true(flow_key_equal(&error.key, key));
	assert_int_equal(error.hash, net_flow_hash(lab.nets[0], key));
	assert_int_equal(error.seq, 1000);
	assert_int_equal(error.kind, kind);
	return error;
}

static void errors_reach_tcp(void **state)
{
	static const uint8_t v4[][3] = {{3, 0, NET_ICMP_UNREACHABLE_SOFT}, {3, 1, NET_ICMP_UNREACHABLE_SOFT},
		{3, 2, NET_ICMP_UNREACHABLE_HARD}, {3, 3, NET_ICMP_UNREACHABLE_HARD},
		{3, 5, NET_ICMP_UNREACHABLE_SOFT}, {3, 10, NET_ICMP_UNREACHABLE_HARD},
		{3, 13, NET_ICMP_UNREACHABLE_HARD}, {11, 0, NET_ICMP_UNREACHABLE_SOFT},
		{12, 0, NET_ICMP_UNREACHABLE_SOFT}};
	static const uint8_t v6[][3] = {{1, 0, NET_ICMP_UNREACHABLE_SOFT}, {1, 1, NET_ICMP_UNREACHABLE_HARD},
		{1, 3, NET_ICMP_UNREACHABLE_SOFT}, {1, 4, NET_ICMP_UNREACHABLE_HARD},
		{3, 0, NET_ICMP_UNREACHABLE_SOFT}, {4, 1, NET_ICMP_UNREACHABLE_HARD}};
	struct flow_key key = key_v4();
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof v4 / 3; i++) {
		frame = frame_icmp_error(&lab_gateway_v4, &key, v4[i][0], v4[i][1], 0, 1500);
		(void)expect_error(&frame, &key, v4[i][2]);
	}
	key = key_v6();
	for (size_t i = 0; i < sizeof v6 / 3; i++) {
		frame = frame_icmp_error(&lab_peer_v6, &key, v6[i][0], v6[i][1], 0, 1500);
		(void)expect_error(&frame, &key, v6[i][2]);
	}
}

static void packet_too_big_carries_the_mtu(void **state)
{
	struct flow_key key = key_v4();
	struct frame frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 4, 1400, 1500);

	(void)state;
	assert_int_equal(expect_error(&frame, &key, NET_ICMP_PACKET_TOO_BIG).mtu, 1400);
	frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 4, 68, 1500);
	assert_int_equal(expect_error(&frame, &key, NET_ICMP_PACKET_TOO_BIG).mtu, 68);
	// An old router states none: the plateau below the packet.
	frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 4, 0, 1500);
	assert_int_equal(expect_error(&frame, &key, NET_ICMP_PACKET_TOO_BIG).mtu, 1492);
	frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 4, 0, 1492);
	assert_int_equal(expect_error(&frame, &key, NET_ICMP_PACKET_TOO_BIG).mtu, 1006);
	key = key_v6();
	frame = frame_icmp_error(&lab_peer_v6, &key, 2, 0, 1280, 1500);
	assert_int_equal(expect_error(&frame, &key, NET_ICMP_PACKET_TOO_BIG).mtu, 1280);
}

static void lies_about_the_mtu_are_refused(void **state)
{
	static const uint32_t v4_mtus[] = {1, 67, 1500, 9000, 65535};
	static const uint32_t v6_mtus[] = {0, 1, 1279, 1500, 65536, UINT32_MAX};
	struct flow_key key = key_v4();
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof v4_mtus / sizeof v4_mtus[0]; i++) {
		frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 4, v4_mtus[i], 1500);
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
	}
	key = key_v6();
	for (size_t i = 0; i < sizeof v6_mtus / sizeof v6_mtus[0]; i++) {
		frame = frame_icmp_error(&lab_peer_v6, &key, 2, 0, v6_mtus[i], 1500);
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
	}
}

struct poke {
	size_t offset; // in the quoted packet
	uint8_t value;
};

static void lies_about_the_packet_are_refused(void **state)
{
	static const struct poke v4[] = {{0, 0x46}, {0, 0x65}, {2, 0}, {6, 0x20}, {7, 1}, {9, 17}, {15, 77},
		{15, 9}, {16, 224}, {16, 0}};
	static const struct poke v6[] = {{0, 0x40}, {6, 44}, {6, 17}, {23, 9}, {24, 0xff}};
	struct flow_key key = key_v4();
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof v4 / sizeof v4[0]; i++) {
		frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 3, 0, 40);
		frame.bytes[FRAME_TCP4 + 8 + v4[i].offset] = v4[i].value;
		if (v4[i].offset == 2)
			frame.bytes[FRAME_TCP4 + 8 + 3] = 39;
		frame_fix(&frame);
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
	}
	key = key_v6();
	for (size_t i = 0; i < sizeof v6 / sizeof v6[0]; i++) {
		frame = frame_icmp_error(&lab_peer_v6, &key, 1, 4, 0, 60);
		frame.bytes[FRAME_TCP6 + 8 + v6[i].offset] = v6[i].value;
		frame_fix(&frame);
		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
	}
	// Ports of zero.
	key = key_v4();
	key.remote_port = 0;
	frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 3, 0, 40);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
	// Unknown codes.
	key = key_v4();
	frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 16, 0, 40);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_HEADER);
	// Sent to another address of ours than the one quoted.
	frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 3, 0, 40);
	memcpy(frame.bytes + FRAME_IP + 16, lab_our_second_v4.bytes + 12, 4);
	frame_fix(&frame);
	lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
}

static void short_quotes_are_refused(void **state)
{
	struct flow_key key = key_v4();
	struct frame whole = frame_icmp_error(&lab_gateway_v4, &key, 3, 3, 0, 40);

	(void)state;
	// Eight bytes of TCP are the least (RFC 792).
	for (size_t quoted_len = 0; quoted_len < 28; quoted_len++) {
		struct frame frame = frame_icmp(&lab_gateway_v4, &lab_our_v4, 3, 3, 0,
			span_of(whole.bytes + FRAME_TCP4 + 8, quoted_len));

		lab_expect_refused(&lab, &frame, COUNTER_NET_DROP_ICMP_QUOTE);
	}
	whole = frame_icmp(&lab_gateway_v4, &lab_our_v4, 3, 3, 0, span_of(whole.bytes + FRAME_TCP4 + 8, 28));
	(void)expect_error(&whole, &key, NET_ICMP_UNREACHABLE_HARD);
}

static void error_queue_is_bounded(void **state)
{
	struct flow_key key = key_v4();
	struct frame frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 3, 0, 40);
	struct net_icmp_error errors[100];

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		lab_send(&lab, &frame);
	lab_turn(&lab);
	lab_turn(&lab);
	assert_int_equal(lab_count(&lab, COUNTER_NET_ICMP_ERRORS), 64);
	assert_int_equal(lab_count(&lab, COUNTER_NET_DROP_ICMP_QUEUE), 36);
	assert_int_equal(net_icmp_errors(lab.nets[0], errors, 10), 10);
	assert_int_equal(net_icmp_errors(lab.nets[0], errors, 100), 54);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(echo_is_answered),
		LAB_TEST(echo_checksum_corners),
		LAB_TEST(echo_refusals),
		LAB_TEST(other_types_are_refused),
		LAB_TEST(errors_reach_tcp),
		LAB_TEST(packet_too_big_carries_the_mtu),
		LAB_TEST(lies_about_the_mtu_are_refused),
		LAB_TEST(lies_about_the_packet_are_refused),
		LAB_TEST(short_quotes_are_refused),
		LAB_TEST(error_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
