// SPDX-License-Identifier: Apache-2.0
//
// The way out: paths, headers, checksums in software and by the NIC, segmentation, chains, full queues,
// leaks.
#include "frames.h"
#include "lab.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <rte_mbuf.h>

static struct lab lab;

static struct flow_key key_to(const struct ip_addr *local, const struct ip_addr *remote)
{
	return (struct flow_key){.local = *local, .remote = *remote, .local_port = 443, .remote_port = 40000};
}

// A known neighbour and the path to it.
static struct net_path open_path(const struct ip_addr *local, const struct ip_addr *remote)
{
	struct net_path path;

	lab_introduce(&lab, remote, lab_peer_mac);
	assert_true(net_path_find(lab.nets[0], local, remote, &path));
	return path;
}

// The next TCP frame that our end sent; anything else is passed over.
static struct frame next_tcp(void)
{
	struct frame frame;

	do {
		frame = lab_receive(&lab);
	} while (frame.len != 0 &&
		 (frame_type(&frame) == ETHERTYPE_ARP ||
			 (frame_type(&frame) == ETHERTYPE_IP6 && frame_u8(&frame, 20) != 6)));
	return frame;
}

static void assert_payload(const struct frame *frame, size_t offset, size_t len, size_t first)
{
	assert_int_equal(frame->len, offset + len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(frame->bytes[offset + i], (uint8_t)(first + i));
}

static void paths_are_found(void **state)
{
	const struct ip_addr by_static = ip_addr_v4_of(198, 51, 100, 9);
	struct ip_addr source;
	struct net_path path;

	(void)state;
	assert_true(net_path_find(lab.nets[0], &lab_our_v4, &lab_peer_v4, &path));
	assert_int_equal(path.mtu, 1500);
	assert_int_equal(path.port_idx, 0);
	assert_int_equal(path.capabilities, 0);
	assert_true(net_path_find(lab.nets[0], &lab_our_second_v4, &lab_far_v4, &path));
	assert_true(net_path_find(lab.nets[0], &lab_our_v4, &by_static, &path));
	assert_true(net_path_find(lab.nets[0], &lab_our_v6, &lab_far_v6, &path));
	assert_true(net_path_find(lab.nets[0], &lab_our_link_local, &lab_peer_link_local, &path));
	assert_true(net_source_find(lab.nets[0], &lab_far_v4, &source));
	assert_true(ip_addr_equal(&source, &lab_our_v4));
	assert_true(net_source_find(lab.nets[0], &lab_peer_v6, &source));
	assert_true(ip_addr_equal(&source, &lab_our_v6));
	assert_true(net_source_find(lab.nets[0], &lab_far_v6, &source)); // behind a link-local gateway
	assert_true(ip_addr_equal(&source, &lab_our_v6));
	assert_true(net_source_find(lab.nets[0], &lab_peer_link_local, &source));
	assert_true(ip_addr_equal(&source, &lab_our_link_local));
}

static void paths_are_refused(void **state)
{
	const struct ip_addr network = ip_addr_v4_of(192, 0, 2, 0), broadcast = ip_addr_v4_of(192, 0, 2, 255);
	const struct ip_addr multicast = ip_addr_v4_of(224, 0, 0, 1), loopback = ip_addr_v4_of(127, 0, 0, 1);
	const struct ip_addr zero = {0}, all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};
	const struct ip_addr *const bad[] = {&network, &broadcast, &multicast, &loopback};
	struct net_path path;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_false(net_path_find(lab.nets[0], &lab_our_v4, bad[i], &path));
	assert_false(net_path_find(lab.nets[0], &lab_our_v6, &zero, &path));
	assert_false(net_path_find(lab.nets[0], &lab_our_v6, &all_nodes, &path));
	assert_false(net_path_find(lab.nets[0], &lab_peer_v4, &lab_far_v4, &path)); // not our address
	assert_false(net_path_find(lab.nets[0], &lab_our_v4, &lab_far_v6, &path));  // two families
	assert_false(net_path_find(lab.nets[0], &lab_our_v6, &lab_far_v4, &path));
}

// While the addresses are not verified there is none to speak from; a link-local one would not do.
static void tentative_sources_are_not_used(void **state)
{
	struct ip_addr source;
	struct net_path path;

	(void)state;
	lab_pass(&lab, 100 * 1000);
	assert_false(net_source_find(lab.nets[0], &lab_far_v6, &source));
	assert_false(net_path_find(lab.nets[0], &lab_our_v6, &lab_far_v6, &path));
	assert_true(net_source_find(lab.nets[0], &lab_far_v4, &source));
}

static void headers_are_right(void **state)
{
	const struct ip_addr *const pairs[][2] = {{&lab_our_v4, &lab_peer_v4}, {&lab_our_v6, &lab_peer_v6}};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct net_path path = open_path(pairs[i][0], pairs[i][1]);
		struct flow_key key = key_to(pairs[i][0], pairs[i][1]);
		size_t tcp = i == 0 ? FRAME_TCP4 : FRAME_TCP6;

		for (uint32_t len = 0; len <= 1440; len += 37) {
			struct frame frame;

			net_output_tcp(lab.nets[0], &path, &key, lab_tcp_mbuf(lab.nets[0], &key, len),
				SEGMENT_ECN_ECT0, 0);
			lab_turn(&lab);
			frame = next_tcp();
			assert_memory_equal(frame.bytes, lab_peer_mac, 6);
			assert_memory_equal(frame.bytes + 6, lab_our_mac, 6);
			assert_true(frame_tcp_intact(&frame));
			assert_payload(&frame, tcp + 20, len, 0);
			assert_int_equal(frame_u16(&frame, tcp), 443);
			assert_int_equal(frame_u16(&frame, tcp + 2), 40000);
			if (i == 0) {
				assert_int_equal(frame_u8(&frame, FRAME_IP), 0x45);
				assert_int_equal(frame_u8(&frame, FRAME_IP + 1), SEGMENT_ECN_ECT0);
				assert_int_equal(frame_u16(&frame, FRAME_IP + 2), 40 + len);
				assert_int_equal(frame_u16(&frame, FRAME_IP + 6), IP4_DONT_FRAGMENT);
				assert_int_equal(frame_u8(&frame, FRAME_IP + 8), 64);
				assert_memory_equal(frame.bytes + FRAME_IP + 12, lab_our_v4.bytes + 12, 4);
				assert_memory_equal(frame.bytes + FRAME_IP + 16, lab_peer_v4.bytes + 12, 4);
			} else {
				assert_int_equal(frame_u32(&frame, FRAME_IP), 0x60200000);
				assert_int_equal(frame_u16(&frame, FRAME_IP + 4), 20 + len);
				assert_memory_equal(frame.bytes + FRAME_IP + 8, lab_our_v6.bytes, 16);
				assert_memory_equal(frame.bytes + FRAME_IP + 24, lab_peer_v6.bytes, 16);
			}
		}
	}
}

// A segment whose payload is spread over buffers of these lengths, the first behind the TCP header.
static struct rte_mbuf *chain_of(const struct flow_key *key, const uint16_t *pieces, size_t n)
{
	struct rte_mbuf *head = lab_tcp_mbuf(lab.nets[0], key, pieces[0]);
	size_t at = pieces[0];

	for (size_t i = 1; i < n; i++) {
		struct rte_mbuf *m = net_mbuf_alloc(lab.nets[0]);
		uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, pieces[i]);

		for (uint16_t k = 0; k < pieces[i]; k++)
			data[k] = (uint8_t)at++;
		assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	}
	return head;
}

static void chains_leave_whole(void **state)
{
	static const uint16_t pieces[] = {1, 333, 7, 1000};
	struct net_path path = open_path(&lab_our_v4, &lab_peer_v4);
	struct flow_key key = key_to(&lab_our_v4, &lab_peer_v4);
	bool takes_chains = (path.capabilities & NET_PATH_MULTI_SEGMENT) != 0;
	struct frame frame;

	(void)state;
	net_output_tcp(lab.nets[0], &path, &key, chain_of(&key, pieces, 4), 0, 0);
	lab_turn(&lab);
	frame = next_tcp();
	assert_true(frame_tcp_intact(&frame));
	assert_payload(&frame, FRAME_TCP4 + 20, 1341, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_LINEARIZED), takes_chains ? 0 : 1);
}

static void large_segments_are_cut(void **state)
{
	static const uint16_t pieces[] = {100, 2000, 2000, 1500};
	const struct ip_addr *const pairs[][2] = {{&lab_our_v4, &lab_peer_v4}, {&lab_our_v6, &lab_peer_v6}};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct net_path path = open_path(pairs[i][0], pairs[i][1]);
		struct flow_key key = key_to(pairs[i][0], pairs[i][1]);
		size_t tcp = i == 0 ? FRAME_TCP4 : FRAME_TCP6;

		assert_true((path.capabilities & NET_PATH_TSO) != 0);
		net_output_tcp(lab.nets[0], &path, &key, chain_of(&key, pieces, 4), 0, 1400);
		lab_turn(&lab);
		for (uint32_t k = 0; k < 4; k++) {
			struct frame frame = next_tcp();

			assert_true(frame_tcp_intact(&frame));
			assert_payload(&frame, tcp + 20, 1400, k * 1400);
			assert_int_equal(frame_u32(&frame, tcp + 4), 1000 + k * 1400);
			assert_int_equal(
				frame_u8(&frame, tcp + 13), k == 3 ? SEGMENT_ACK | SEGMENT_PSH : SEGMENT_ACK);
		}
		assert_int_equal(next_tcp().len, 0);
	}
}

// The holder of a second reference finds payload and TCP header as they were.
static void second_reference_survives(void **state)
{
	struct net_path path = open_path(&lab_our_v4, &lab_peer_v4);
	struct flow_key key = key_to(&lab_our_v4, &lab_peer_v4);
	struct rte_mbuf *m = lab_tcp_mbuf(lab.nets[0], &key, 50);
	uint8_t *payload = rte_pktmbuf_mtod_offset(m, uint8_t *, 20);

	(void)state;
	rte_mbuf_refcnt_update(m, 1);
	net_output_tcp(lab.nets[0], &path, &key, m, 0, 0);
	lab_turn(&lab);
	assert_int_equal(next_tcp().len, FRAME_TCP4 + 70);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(payload[i], i);
	rte_pktmbuf_free(m);
}

// The port takes no chains, and there is no buffer that the segment fits into.
static void chain_without_a_buffer_is_dropped(void **state)
{
	static const uint16_t small[] = {10, 10}, large[] = {1000, 1000, 1000};
	struct net_path path = open_path(&lab_our_v4, &lab_peer_v4);
	struct flow_key key = key_to(&lab_our_v4, &lab_peer_v4);
	struct rte_mbuf *chain = chain_of(&key, small, 2);
	struct rte_mbuf *all[4095];
	uint32_t n = 0;

	(void)state;
	while ((all[n] = net_mbuf_alloc(lab.nets[0])) != NULL)
		n++;
	net_output_tcp(lab.nets[0], &path, &key, chain, 0, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_NO_BUFFER), 1);
	rte_pktmbuf_free_bulk(all, n);
	path.mtu = 9000;
	net_output_tcp(lab.nets[0], &path, &key, chain_of(&key, large, 3), 0, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_NO_BUFFER), 2);
	lab_turn(&lab);
	assert_int_equal(next_tcp().len, 0);
}

// A NIC that takes nothing for a while.
static uint16_t refuse_all(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	(void)port;
	(void)queue;
	(void)mbufs;
	(void)n;
	return 0;
}

static const struct port_ops *taking;

static void refused_frames_stay_queued_and_bounded(void **state)
{
	struct net_path path = open_path(&lab_our_v4, &lab_peer_v4);
	struct flow_key key = key_to(&lab_our_v4, &lab_peer_v4);
	const struct port_ops *ops = lab.ours->ops;
	struct port_ops refusing = *ops;
	struct frame frame;

	(void)state;
	refusing.tx_burst = refuse_all;
	lab.ours->ops = &refusing;
	for (uint32_t i = 0; i < 20; i++) {
		struct rte_mbuf *m = lab_tcp_mbuf(lab.nets[0], &key, i);

		net_output_tcp(lab.nets[0], &path, &key, m, 0, 0);
	}
	lab_turn(&lab);
	// One of the 16 places has the question with which the first use verifies the neighbour.
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_QUEUE), 20 - 15);
	lab.ours->ops = ops;
	lab_turn(&lab);
	for (uint32_t i = 0; i < 15; i++) {
		frame = next_tcp();
		assert_payload(&frame, FRAME_TCP4 + 20, i, 0); // in order
	}
	assert_int_equal(next_tcp().len, 0);
}

// A driver that will never send frames of a certain length, and the queue behind such a one.
static uint16_t refuse_small(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t n_good = 0;

	while (n_good < n && mbufs[n_good]->pkt_len != ETHERNET_MIN_LEN + 1)
		n_good++;
	return n_good != 0 ? taking->tx_burst(port, queue, mbufs, n_good) : 0;
}

static void no_frame_holds_up_others_for_ever(void **state)
{
	struct net_path path = open_path(&lab_our_v4, &lab_peer_v4);
	struct flow_key key = key_to(&lab_our_v4, &lab_peer_v4);
	struct port_ops refusing = *lab.ours->ops;
	uint32_t refused_len = ETHERNET_MIN_LEN + 1 - FRAME_TCP4 - WIRE_TCP_LEN;
	struct frame frame;

	(void)state;
	taking = lab.ours->ops;
	refusing.tx_burst = refuse_small;
	lab.ours->ops = &refusing;
	net_output_tcp(lab.nets[0], &path, &key, lab_tcp_mbuf(lab.nets[0], &key, refused_len), 0, 0);
	net_output_tcp(lab.nets[0], &path, &key, lab_tcp_mbuf(lab.nets[0], &key, 100), 0, 0);
	net_output_tcp(lab.nets[0], &path, &key, lab_tcp_mbuf(lab.nets[0], &key, 101), 0, 0);
	lab_pass(&lab, 90 * 1000);
	assert_int_equal(next_tcp().len, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_REFUSED), 0);
	lab_pass(&lab, 50 * 1000);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_REFUSED), 1);
	frame = next_tcp();
	assert_payload(&frame, FRAME_TCP4 + 20, 100, 0);
	frame = next_tcp();
	assert_payload(&frame, FRAME_TCP4 + 20, 101, 0);
	// One that takes a pause, but not for so long, loses nothing.
	refusing.tx_burst = refuse_all;
	net_output_tcp(lab.nets[0], &path, &key, lab_tcp_mbuf(lab.nets[0], &key, 102), 0, 0);
	lab_pass(&lab, 80 * 1000);
	lab.ours->ops = taking;
	lab_pass(&lab, 200 * 1000);
	frame = next_tcp();
	assert_payload(&frame, FRAME_TCP4 + 20, 102, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_REFUSED), 1);
}

static void frames_left_at_stop_are_freed(void **state)
{
	struct net_path path = open_path(&lab_our_v4, &lab_peer_v4);
	struct net_path unresolved;
	struct flow_key key = key_to(&lab_our_v4, &lab_peer_v4);
	struct flow_key far = key_to(&lab_our_v4, &lab_far_v4);

	(void)state;
	assert_true(net_path_find(lab.nets[0], &lab_our_v4, &lab_far_v4, &unresolved));
	net_output_tcp(lab.nets[0], &path, &key, lab_tcp_mbuf(lab.nets[0], &key, 1), 0, 0);
	net_output_tcp(lab.nets[0], &unresolved, &far, lab_tcp_mbuf(lab.nets[0], &far, 1), 0, 0);
	// lab_close counts the buffers.
}

static void empty_pool_is_counted(void **state)
{
	struct rte_mbuf *all[4095];
	uint32_t n = 0;

	(void)state;
	while (n < 4095 && (all[n] = net_mbuf_alloc(lab.nets[0])) != NULL)
		n++;
	assert_null(net_mbuf_alloc(lab.nets[0]));
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_NO_BUFFER), 1);
	assert_false(net_mbuf_alloc_burst(lab.nets[0], all + n - 1, 1));
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_NO_BUFFER), 2);
	rte_pktmbuf_free_bulk(all, n);
	assert_true(net_mbuf_alloc_burst(lab.nets[0], all, 32));
	rte_pktmbuf_free_bulk(all, 32);
}

static const struct lab_options unsettled = {.unsettled = true};
static const struct lab_options without_offloads = {.tx_queue_len = 16};
static const struct lab_options with_chains = {.capabilities = PORT_CAN_MULTI_SEGMENT, .tx_queue_len = 16};
static const struct lab_options with_all_offloads = {
	.capabilities = PORT_CAN_MULTI_SEGMENT | PORT_CAN_TX_CHECKSUM | PORT_CAN_TSO, .tx_queue_len = 16};

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST_WITH(paths_are_found, without_offloads),
		LAB_TEST_WITH(paths_are_refused, without_offloads),
		LAB_TEST_WITH(tentative_sources_are_not_used, unsettled),
		LAB_TEST_WITH(headers_are_right, without_offloads),
		LAB_TEST_WITH(headers_are_right, with_all_offloads),
		LAB_TEST_WITH(chains_leave_whole, without_offloads),
		LAB_TEST_WITH(chains_leave_whole, with_chains),
		LAB_TEST_WITH(chains_leave_whole, with_all_offloads),
		LAB_TEST_WITH(chain_without_a_buffer_is_dropped, without_offloads),
		LAB_TEST_WITH(large_segments_are_cut, with_all_offloads),
		LAB_TEST_WITH(second_reference_survives, without_offloads),
		LAB_TEST_WITH(second_reference_survives, with_all_offloads),
		LAB_TEST_WITH(refused_frames_stay_queued_and_bounded, without_offloads),
		LAB_TEST_WITH(no_frame_holds_up_others_for_ever, without_offloads),
		LAB_TEST_WITH(frames_left_at_stop_are_freed, without_offloads),
		LAB_TEST_WITH(empty_pool_is_counted, without_offloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
