// SPDX-License-Identifier: Apache-2.0
//
// The neighbour table over time: resolution, expiry, gone and back, moved, and what a flood can't do. Each
// test runs for both address families.
#include "frames.h"
#include "lab.h"
#include "net/neighbor.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <rte_mbuf.h>

enum {
	SECOND_US = 1000 * 1000
};

static struct lab lab;

// A family's cast.
struct family {
	const struct ip_addr *ours, *peer, *far, *gateway;
};

static const struct family families[] = {
	{&lab_our_v4, &lab_peer_v4, &lab_far_v4, &lab_gateway_v4},
	{&lab_our_v6, &lab_peer_v6, &lab_far_v6, &lab_gateway_v6},
};

static const struct family *family_of(void **state)
{
	return *state;
}

static struct flow_key key_to(const struct family *family, const struct ip_addr *remote)
{
	return (struct flow_key){
		.local = *family->ours, .remote = *remote, .local_port = 443, .remote_port = 40000};
}

// Sends one segment to `remote`, without a turn.
static void output(const struct family *family, const struct ip_addr *remote, struct net_path *path)
{
	struct flow_key key = key_to(family, remote);

	net_output_tcp(lab.nets[0], path, &key, lab_tcp_mbuf(lab.nets[0], &key, 10), 0, 0);
}

static struct net_path path_to(const struct family *family, const struct ip_addr *remote)
{
	struct net_path path;

	assert_true(net_path_find(lab.nets[0], family->ours, remote, &path));
	return path;
}

static bool is_question(const struct frame *frame, const struct ip_addr *target)
{
	if (frame_type(frame) == ETHERTYPE_ARP)
		return frame_u16(frame, 20) == ARP_REQUEST &&
		       memcmp(frame->bytes + 38, target->bytes + 12, 4) == 0;
	return frame_type(frame) == ETHERTYPE_IP6 && frame_u8(frame, 20) == IP_PROTOCOL_ICMP6 &&
	       frame_u8(frame, 54) == ND_NEIGHBOR_SOLICITATION &&
	       memcmp(frame->bytes + 62, target->bytes, 16) == 0;
}

// What our end sent since the last look: questions about `target`, and TCP.
struct sent {
	uint32_t n_questions;
	uint32_t n_unicast_questions;
	uint32_t n_tcp;
	struct frame last_tcp;
};

static struct sent look(const struct ip_addr *target)
{
	struct sent sent = {0};
	struct frame frame;

	while ((frame = lab_receive(&lab)).len != 0) {
		if (is_question(&frame, target)) {
			sent.n_questions++;
			sent.n_unicast_questions += (frame.bytes[0] & 1) == 0;
		} else if (frame.len >= FRAME_TCP4 + 20 &&
			   frame_u8(&frame, frame_type(&frame) == ETHERTYPE_IP4 ? 23 : 20) ==
				   IP_PROTOCOL_TCP) {
			sent.n_tcp++;
			sent.last_tcp = frame;
		}
	}
	return sent;
}

static void answer(const struct family *family, const struct ip_addr *addr, const uint8_t mac[6])
{
	struct frame frame;

	if (ip_addr_is_v4(addr))
		frame = frame_arp(ARP_REPLY, mac, addr, family->ours);
	else
		frame = frame_nd(ND_NEIGHBOR_ADVERTISEMENT, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, addr,
			family->ours, addr, mac);
	lab_send(&lab, &frame);
	lab_turn(&lab);
}

static enum neighbor_state state_of(const struct ip_addr *addr)
{
	struct net_neighbor_info info;
	uint32_t cursor = 0;

	while (net_neighbor_next(lab.nets[0], clock_now_us(), &cursor, &info))
		if (ip_addr_equal(&info.addr, addr))
			return info.state;
	return NEIGHBOR_FREE;
}

static void resolves_and_sends_what_waited(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);
	struct sent sent;

	output(family, family->peer, &path);
	output(family, family->peer, &path);
	lab_turn(&lab);
	sent = look(family->peer);
	assert_int_equal(sent.n_questions, 1);
	assert_int_equal(sent.n_unicast_questions, 0);
	assert_int_equal(sent.n_tcp, 0);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_PENDING), 2);
	answer(family, family->peer, lab_peer_mac);
	sent = look(family->peer);
	assert_int_equal(sent.n_tcp, 2);
	assert_memory_equal(sent.last_tcp.bytes, lab_peer_mac, 6);
	assert_true(frame_tcp_intact(&sent.last_tcp));
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_PENDING), 0);
	assert_int_equal(state_of(family->peer), NEIGHBOR_REACHABLE);
	output(family, family->peer, &path);
	lab_turn(&lab);
	assert_int_equal(look(family->peer).n_tcp, 1);
}

static void far_destinations_go_by_the_gateway(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->far);
	struct sent sent;

	output(family, family->far, &path);
	lab_turn(&lab);
	assert_int_equal(look(family->gateway).n_questions, 1);
	answer(family, family->gateway, lab_other_mac);
	sent = look(family->gateway);
	assert_int_equal(sent.n_tcp, 1);
	assert_memory_equal(sent.last_tcp.bytes, lab_other_mac, 6);
}

static void silence_fails_after_three_questions(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);

	output(family, family->peer, &path);
	lab_pass(&lab, 2900 * 1000);
	assert_int_equal(look(family->peer).n_questions, 3);
	lab_pass(&lab, 200 * 1000);
	assert_int_equal(state_of(family->peer), NEIGHBOR_FAILED);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_UNRESOLVED), 1);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_FAILED), 1);
	// While the failure is remembered, packets are dropped without a question; unused, the entry goes.
	output(family, family->peer, &path);
	lab_turn(&lab);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_UNRESOLVED), 2);
	lab_pass(&lab, 30 * SECOND_US);
	(void)look(family->peer);
	lab_pass(&lab, 10 * SECOND_US);
	assert_int_equal(look(family->peer).n_questions, 0);
	assert_int_equal(state_of(family->peer), NEIGHBOR_FREE);
	// Then a packet asks anew, through the path's stale hint.
	output(family, family->peer, &path);
	lab_turn(&lab);
	assert_int_equal(look(family->peer).n_questions, 1);
}

static void gone_and_back(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);

	output(family, family->peer, &path);
	lab_turn(&lab);
	answer(family, family->peer, lab_peer_mac);
	// Used for half a minute, then it is asked again, alone, while packets flow.
	for (uint32_t i = 0; i < 31; i++) {
		lab_pass(&lab, SECOND_US);
		output(family, family->peer, &path);
	}
	lab_turn(&lab);
	assert_int_equal(state_of(family->peer), NEIGHBOR_PROBE);
	assert_true(look(family->peer).n_unicast_questions >= 1);
	// It does not answer: three questions to it alone, three to everyone, then it has failed.
	for (uint32_t i = 0; i < 7; i++) {
		lab_pass(&lab, SECOND_US);
		output(family, family->peer, &path);
	}
	assert_int_equal(state_of(family->peer), NEIGHBOR_FAILED);
	(void)look(family->peer);
	// It is wanted, so that it is looked for again and again.
	for (uint32_t i = 0; i < 8; i++) {
		output(family, family->peer, &path);
		lab_pass(&lab, SECOND_US);
	}
	assert_true(look(family->peer).n_questions >= 3);
	// Back with another link address.
	answer(family, family->peer, lab_other_mac);
	(void)look(family->peer);
	output(family, family->peer, &path);
	lab_turn(&lab);
	assert_memory_equal(look(family->peer).last_tcp.bytes, lab_other_mac, 6);
}

static void unused_grows_stale_and_is_forgotten(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);

	output(family, family->peer, &path);
	lab_turn(&lab);
	answer(family, family->peer, lab_peer_mac);
	(void)look(family->peer);
	lab_pass(&lab, 40 * SECOND_US);
	assert_int_equal(state_of(family->peer), NEIGHBOR_STALE);
	assert_int_equal(look(family->peer).n_questions, 0);
	// Use sends at once, and verifies.
	output(family, family->peer, &path);
	lab_turn(&lab);
	assert_int_equal(state_of(family->peer), NEIGHBOR_PROBE);
	answer(family, family->peer, lab_peer_mac);
	assert_int_equal(state_of(family->peer), NEIGHBOR_REACHABLE);
	clock_virtual_advance(31 * (uint64_t)SECOND_US);
	lab_turn(&lab);
	clock_virtual_advance(601 * (uint64_t)SECOND_US);
	lab_turn(&lab);
	lab_turn(&lab);
	assert_int_equal(state_of(family->peer), NEIGHBOR_FREE);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 0);
}

static void waiting_packets_are_bounded(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);
	struct net_path other = path_to(family, family->far);

	for (uint32_t i = 0; i < 10; i++)
		output(family, family->peer, &path);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_PENDING), 3);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_UNRESOLVED), 7);
	for (uint32_t i = 0; i < 10; i++)
		output(family, family->far, &other);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_PENDING), 5);
	lab_turn(&lab);
	answer(family, family->peer, lab_peer_mac);
	assert_int_equal(look(family->peer).n_tcp, 3);
}

static struct ip_addr nth(const struct family *family, uint32_t n)
{
	struct ip_addr addr = *family->peer;

	if (ip_addr_is_v4(&addr)) {
		addr.bytes[15] = (uint8_t)(10 + n);
	} else {
		addr.bytes[13] = 9;
		addr.bytes[14] = (uint8_t)(n >> 8);
		addr.bytes[15] = (uint8_t)n;
	}
	return addr;
}

// A scan of addresses that nobody has can't push out a neighbour that answers, and asks only so many
// questions.
static void scan_is_bounded(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);
	uint64_t n_solicits;

	output(family, family->peer, &path);
	lab_turn(&lab);
	answer(family, family->peer, lab_peer_mac);
	n_solicits = lab_count(&lab, COUNTER_NET_NEIGHBOR_SOLICITS);
	for (uint32_t i = 0; i < 200; i++) {
		struct ip_addr addr = nth(family, i);
		struct net_path scanned = path_to(family, &addr);

		output(family, &addr, &scanned);
		lab_turn(&lab);
	}
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_SOLICITS) - n_solicits, 8);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_REFUSED), 192);
	assert_int_equal(lab_count(&lab, COUNTER_NET_TX_DROP_NO_ROUTE), 192);
	assert_int_equal(state_of(family->peer), NEIGHBOR_REACHABLE);
	(void)look(family->peer);
	output(family, family->peer, &path);
	lab_turn(&lab);
	assert_int_equal(look(family->peer).n_tcp, 1);
}

// Machines that introduce themselves push out the oldest of their kind, not those that we talk to, and never
// a gateway.
static void introductions_evict_the_oldest_stale(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);
	struct net_path far = path_to(family, family->far);
	struct ip_addr first = nth(family, 0);
	struct ip_addr last = nth(family, 199);

	output(family, family->peer, &path);
	output(family, family->far, &far);
	lab_turn(&lab);
	answer(family, family->peer, lab_peer_mac);
	answer(family, family->gateway, lab_other_mac);
	lab_pass(&lab, 31 * SECOND_US); // the gateway is probed on; the peer grows stale
	answer(family, family->gateway, lab_other_mac);
	answer(family, family->peer, lab_peer_mac);
	(void)look(family->peer);
	for (uint32_t i = 0; i < 200; i++) {
		struct ip_addr addr = nth(family, i);

		lab_introduce(&lab, &addr, lab_peer_mac);
	}
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBORS), 16);
	assert_int_equal(lab_count(&lab, COUNTER_NET_NEIGHBOR_EVICTED), 200 - 14);
	assert_int_equal(state_of(family->peer), NEIGHBOR_REACHABLE);
	assert_int_equal(state_of(family->gateway), NEIGHBOR_REACHABLE);
	assert_int_equal(state_of(&first), NEIGHBOR_FREE);
	assert_int_equal(state_of(&last), NEIGHBOR_STALE);
}

static void link_down_raises_doubt(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);

	output(family, family->peer, &path);
	lab_turn(&lab);
	answer(family, family->peer, lab_peer_mac);
	port_mem_set_link(lab.ours, false);
	lab_pass(&lab, SECOND_US);
	assert_int_equal(state_of(family->peer), NEIGHBOR_STALE);
	port_mem_set_link(lab.ours, true);
}

// A question from the neighbour that we wait for is as good as an answer, but is verified.
static void introduction_while_waiting_resolves(void **state)
{
	const struct family *family = family_of(state);
	struct net_path path = path_to(family, family->peer);
	struct frame frame;
	struct sent sent;

	output(family, family->peer, &path);
	lab_turn(&lab);
	(void)look(family->peer);
	if (ip_addr_is_v4(family->peer))
		frame = frame_arp(ARP_REQUEST, lab_peer_mac, family->peer, family->ours);
	else
		frame = frame_nd(
			ND_NEIGHBOR_SOLICITATION, 0, family->peer, family->ours, family->ours, lab_peer_mac);
	lab_send(&lab, &frame);
	lab_turn(&lab);
	sent = look(family->peer);
	assert_int_equal(sent.n_tcp, 1);
	assert_int_equal(sent.n_unicast_questions, 1);
	assert_int_equal(state_of(family->peer), NEIGHBOR_PROBE);
}

static int open_small(void **state)
{
	(void)state;
	lab_open(&lab,
		&(struct lab_options){.neighbors_max = 16, .pending_per_neighbor = 3, .pending_max = 5});
	return 0;
}

static int close_lab(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

// Once per family.
#define BOTH(function) \
	{#function "_v4", function, open_small, close_lab, (void *)(uintptr_t)&families[0]}, \
	{ \
#function "_v6", function, open_small, close_lab, (void *)(uintptr_t)&families[1] \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(resolves_and_sends_what_waited),
		BOTH(far_destinations_go_by_the_gateway),
		BOTH(silence_fails_after_three_questions),
		BOTH(gone_and_back),
		BOTH(unused_grows_stale_and_is_forgotten),
		BOTH(waiting_packets_are_bounded),
		BOTH(scan_is_bounded),
		BOTH(introductions_evict_the_oldest_stale),
		BOTH(link_down_raises_doubt),
		BOTH(introduction_while_waiting_resolves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
