// SPDX-License-Identifier: Apache-2.0
//
// Several workers in one process: a port with one queue that they share, a port with a queue for each, and
// what they tell each other.
#include "frames.h"
#include "lab.h"
#include "net/exchange.h"
#include "net/neighbor.h"
#include "net/rss.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <rte_mbuf.h>

enum {
	N_FLOWS = 400
};

static struct lab lab;

static uint64_t count_of(uint32_t worker, enum counter id)
{
	return counter_get(&lab.counters[worker], id);
}

static struct flow_key nth_flow(uint32_t i)
{
	return (struct flow_key){.local = i % 2 == 0 ? lab_our_v4 : lab_our_v6,
		.remote = i % 2 == 0 ? lab_far_v4 : lab_far_v6,
		.local_port = 443,
		.remote_port = (uint16_t)(1024 + i)};
}

// Every segment arrives exactly once, at the worker that net_worker_of names.
static void segments_reach_their_owner(void **state)
{
	uint32_t n_per_worker[LAB_WORKERS_MAX] = {0};
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct flow_key key = nth_flow(i);
		struct frame frame = frame_tcp_ports(
			&key.remote, &key.local, key.remote_port, key.local_port);

		lab_send(&lab, &frame);
	}
	for (uint32_t turn = 0; turn < 40; turn++) {
		lab_turn(&lab);
		for (uint32_t i = 0; i < lab.n_segments; i++) {
			assert_int_equal(
				lab.segment_worker[i], net_worker_of(lab.nets[0], 0, &lab.segments[i].key));
			assert_false(lab.segments[i].forwarded);
			n_per_worker[lab.segment_worker[i]]++;
			n++;
		}
	}
	assert_int_equal(n, N_FLOWS);
	for (uint32_t i = 0; i < lab.n_workers; i++)
		assert_true(n_per_worker[i] > N_FLOWS / lab.n_workers / 2);
}

static void all_agree_on_the_owner(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct flow_key key = nth_flow(i);
		uint32_t owner = net_worker_of(lab.nets[0], 0, &key);

		assert_true(owner < lab.n_workers);
		for (uint32_t k = 1; k < lab.n_workers; k++)
			assert_int_equal(net_worker_of(lab.nets[k], 0, &key), owner);
	}
}

// What tcp does with a segment that it has no connection for.
static void strayed_segments_are_forwarded_once(void **state)
{
	struct flow_key key = nth_flow(0);
	uint32_t owner = net_worker_of(lab.nets[0], 0, &key);
	uint32_t wrong = (owner + 1) % lab.n_workers;
	struct frame frame = frame_tcp_ports(&key.remote, &key.local, key.remote_port, key.local_port);
	struct segment segment;

	(void)state;
	lab_send(&lab, &frame);
	for (uint32_t turn = 0; turn < 4 && lab.n_segments == 0; turn++)
		lab_turn(&lab);
	assert_int_equal(lab.n_segments, 1);
	segment = lab.segments[0];
	lab_keep_segments(&lab);
	assert_false(net_forward(lab.nets[owner], &segment)); // it is the owner
	assert_true(net_forward(lab.nets[wrong], &segment));  // as if the NIC had put it there
	for (uint32_t turn = 0; turn < 4 && lab.n_segments == 0; turn++)
		lab_turn(&lab);
	assert_int_equal(lab.n_segments, 1);
	assert_int_equal(lab.segment_worker[0], owner);
	assert_true(flow_key_equal(&lab.segments[0].key, &key));
	assert_int_equal(lab.segments[0].seq, 1000);
	assert_true(lab.segments[0].forwarded);
	assert_false(net_forward(lab.nets[wrong], &lab.segments[0])); // never a second time
}

static void icmp_errors_reach_the_owner_of_the_quoted_flow(void **state)
{
	struct net_icmp_error errors[4];

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		struct flow_key key = nth_flow(2 * i);
		uint32_t owner = net_worker_of(lab.nets[0], 0, &key);
		struct frame frame = frame_icmp_error(&lab_gateway_v4, &key, 3, 4, 1400, 1500);

		lab_send(&lab, &frame);
		lab_turn(&lab);
		lab_turn(&lab);
		for (uint32_t k = 0; k < lab.n_workers; k++)
			assert_int_equal(net_icmp_errors(lab.nets[k], errors, 4), k == owner ? 1 : 0);
	}
}

// Each worker resolves the same neighbour: worker 0 asks the network, once.
static void neighbors_are_resolved_for_all(void **state)
{
	struct flow_key key = nth_flow(0);
	struct frame frame;
	uint32_t n_questions = 0, n_tcp = 0;

	(void)state;
	for (uint32_t i = 0; i < lab.n_workers; i++) {
		struct net_path path;

		assert_true(net_path_find(lab.nets[i], &key.local, &key.remote, &path));
		net_output_tcp(lab.nets[i], &path, &key, lab_tcp_mbuf(lab.nets[i], &key, 4), 0, 0);
		if (i != 0)
			assert_int_equal(count_of(i, COUNTER_NET_NEIGHBOR_WANTS), 1);
	}
	lab_turn(&lab);
	lab_turn(&lab);
	while ((frame = lab_receive(&lab)).len != 0)
		n_questions += frame_type(&frame) == ETHERTYPE_ARP;
	assert_int_equal(n_questions, 1);
	frame = frame_arp(ARP_REPLY, lab_peer_mac, &lab_gateway_v4, &lab_our_v4);
	lab_send(&lab, &frame);
	for (uint32_t i = 0; i < 5; i++)
		lab_turn(&lab);
	while ((frame = lab_receive(&lab)).len != 0)
		n_tcp += frame_type(&frame) == ETHERTYPE_IP4;
	assert_int_equal(n_tcp, lab.n_workers);
}

static void failure_is_told(void **state)
{
	struct flow_key key = nth_flow(0);
	struct net_path path;

	(void)state;
	assert_true(net_path_find(lab.nets[1], &key.local, &key.remote, &path));
	net_output_tcp(lab.nets[1], &path, &key, lab_tcp_mbuf(lab.nets[1], &key, 4), 0, 0);
	lab_pass(&lab, 3200 * 1000);
	assert_int_equal(count_of(1, COUNTER_NET_TX_DROP_UNRESOLVED), 1);
	assert_int_equal(count_of(1, COUNTER_NET_NEIGHBOR_FAILED), 1);
	assert_int_equal(count_of(0, COUNTER_NET_NEIGHBOR_FAILED), 1);
}

static void a_moved_neighbor_moves_for_all(void **state)
{
	struct flow_key key = {
		.local = lab_our_v4, .remote = lab_peer_v4, .local_port = 443, .remote_port = 40000};
	struct net_path path;
	struct frame frame;

	(void)state;
	lab_introduce(&lab, &lab_peer_v4, lab_peer_mac);
	assert_true(net_path_find(lab.nets[1], &key.local, &key.remote, &path));
	net_output_tcp(lab.nets[1], &path, &key, lab_tcp_mbuf(lab.nets[1], &key, 4), 0, 0);
	for (uint32_t i = 0; i < 5; i++)
		lab_turn(&lab);
	(void)lab_receive_all(&lab);
	frame = frame_arp(ARP_REQUEST, lab_other_mac, &lab_peer_v4, &lab_peer_v4);
	lab_send(&lab, &frame);
	for (uint32_t i = 0; i < 3; i++)
		lab_turn(&lab);
	(void)lab_receive_all(&lab);
	net_output_tcp(lab.nets[1], &path, &key, lab_tcp_mbuf(lab.nets[1], &key, 4), 0, 0);
	lab_turn(&lab);
	lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_int_equal(frame_type(&frame), ETHERTYPE_IP4);
	assert_memory_equal(frame.bytes, lab_other_mac, 6);
}

static void address_states_reach_all(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < lab.n_workers; i++)
		assert_true(net_address_usable(lab.nets[i], &lab_our_v6, NULL));
}

// Worker 1 does not run: what would go to it is dropped and counted, nothing else suffers, nothing leaks.
static void full_rings_drop_and_count(void **state)
{
	uint32_t n_received = 0;
	struct segment segments[LAB_SEGMENTS_MAX];

	(void)state;
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct flow_key key = nth_flow(i);
		struct frame frame = frame_tcp_ports(
			&key.remote, &key.local, key.remote_port, key.local_port);

		lab_send(&lab, &frame);
	}
	for (uint32_t turn = 0; turn < 20; turn++) {
		uint32_t n = net_rx_burst(lab.nets[0], clock_now_us(), segments, LAB_SEGMENTS_MAX);

		for (uint32_t i = 0; i < n; i++)
			rte_pktmbuf_free(segments[i].mbuf);
		n_received += n;
	}
	assert_int_equal(count_of(0, COUNTER_NET_FORWARDED), 16);
	assert_int_equal(count_of(0, COUNTER_NET_DROP_EXCHANGE), N_FLOWS - n_received - 16);
	assert_true(n_received > N_FLOWS / 4);
}

// ... and the other way round: worker 1 sends, and worker 0, who drives the port, does not run.
static void full_rings_hold_back_transmission(void **state)
{
	struct flow_key key = {
		.local = lab_our_v4, .remote = lab_peer_v4, .local_port = 443, .remote_port = 40000};
	struct net_path path;

	(void)state;
	lab_introduce(&lab, &lab_peer_v4, lab_peer_mac);
	assert_true(net_path_find(lab.nets[1], &key.local, &key.remote, &path));
	net_output_tcp(lab.nets[1], &path, &key, lab_tcp_mbuf(lab.nets[1], &key, 4), 0, 0);
	for (uint32_t i = 0; i < 5; i++)
		lab_turn(&lab);
	(void)lab_receive_all(&lab);
	for (uint32_t i = 0; i < 100; i++)
		net_output_tcp(lab.nets[1], &path, &key, lab_tcp_mbuf(lab.nets[1], &key, 4), 0, 0);
	net_flush(lab.nets[1], clock_now_us());
	// 16 in the ring, 32 in the transmit queue.
	assert_int_equal(count_of(1, COUNTER_NET_TX_DROP_QUEUE), 100 - 16 - 32);
	for (uint32_t i = 0; i < 10; i++)
		lab_turn(&lab);
	assert_int_equal(lab_receive_all(&lab), 48);
}

static void discovery_reaches_worker_0(void **state)
{
	struct frame frame = frame_arp(ARP_REQUEST, lab_peer_mac, &lab_peer_v4, &lab_our_v4);
	struct rte_mbuf *m;

	(void)state;
	// Into worker 1's queue by the ring, as a NIC might put it.
	lab_send(&lab, &frame);
	assert_int_equal(port_rx_burst(lab.ours, 0, &m, 1), 1);
	assert_true(exchange_push(
		lab.exchange, 0, 1, &(struct exchange_message){.kind = EXCHANGE_FRAME, .mbuf = m}));
	for (uint32_t i = 0; i < 4; i++)
		lab_turn(&lab);
	frame = lab_receive(&lab);
	assert_int_equal(frame_type(&frame), ETHERTYPE_ARP);
	assert_int_equal(count_of(0, COUNTER_NET_ARP_REPLIES), 1);
}

// Microsoft's RSS verification suite, with its key.
static void rss_known_answers(void **state)
{
	static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25,
		0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb,
		0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	static struct port_info info = {.rss_key_len = 40, .reta_len = 512};
	struct flow_key flow = {.local = ip_addr_v4_of(161, 142, 100, 80),
		.remote = ip_addr_v4_of(66, 9, 149, 187),
		.local_port = 1766,
		.remote_port = 2794};

	(void)state;
	memcpy(info.rss_key, key, sizeof key);
	for (uint32_t i = 0; i < 512; i++)
		info.reta[i] = (uint16_t)i;
	assert_int_equal(rss_queue(&info, &flow), 0x51ccc178 & 511);
	flow = (struct flow_key){
		.local = {.bytes = {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, [15] = 0x01}},
		.remote = {.bytes = {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, [15] = 0x07}},
		.local_port = 1766,
		.remote_port = 2794};
	assert_int_equal(rss_queue(&info, &flow), 0x40207d3d & 511);
}

static const struct lab_options one_queue = {.n_workers = 3};
static const struct lab_options one_queue_small = {.n_workers = 2, .exchange_len = 16, .tx_queue_len = 32};
static const struct lab_options a_queue_each = {.n_workers = 3, .n_queues = 3, .capabilities = PORT_CAN_RSS};

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST_WITH(segments_reach_their_owner, one_queue),
		LAB_TEST_WITH(segments_reach_their_owner, a_queue_each),
		LAB_TEST_WITH(all_agree_on_the_owner, one_queue),
		LAB_TEST_WITH(all_agree_on_the_owner, a_queue_each),
		LAB_TEST_WITH(strayed_segments_are_forwarded_once, one_queue),
		LAB_TEST_WITH(strayed_segments_are_forwarded_once, a_queue_each),
		LAB_TEST_WITH(icmp_errors_reach_the_owner_of_the_quoted_flow, one_queue),
		LAB_TEST_WITH(icmp_errors_reach_the_owner_of_the_quoted_flow, a_queue_each),
		LAB_TEST_WITH(neighbors_are_resolved_for_all, one_queue),
		LAB_TEST_WITH(neighbors_are_resolved_for_all, a_queue_each),
		LAB_TEST_WITH(failure_is_told, one_queue),
		LAB_TEST_WITH(a_moved_neighbor_moves_for_all, a_queue_each),
		LAB_TEST_WITH(address_states_reach_all, one_queue),
		LAB_TEST_WITH(full_rings_drop_and_count, one_queue_small),
		LAB_TEST_WITH(full_rings_hold_back_transmission, one_queue_small),
		LAB_TEST_WITH(discovery_reaches_worker_0, one_queue),
		cmocka_unit_test(rss_known_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
