// SPDX-License-Identifier: Apache-2.0
//
// One or more net instances on one end of a port_mem wire, with the test on the other end, in virtual time.
//
//   test: frames in and out -> peer end ====== wire ====== our end -> nets[0] .. nets[n_workers - 1]
//
//   our addresses   192.0.2.1/24, 192.0.2.9/24, 2001:db8::1/64, and the link-local address of our_mac
//   routes          0.0.0.0/0 by 192.0.2.254, ::/0 by fe80::fe, 198.51.100.0/24 by 192.0.2.253
//
// Every buffer comes from pools that are counted when the lab closes: a leak fails the test.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/log_ring.h"
#include "net/net.h"
#include "net/output.h"
#include "net/port_mem.h"

enum {
	LAB_WORKERS_MAX = 4,
	LAB_SEGMENTS_MAX = 512,
	LAB_FRAME_MAX = 4096
};

struct lab_options {
	uint32_t n_workers; // 0: 1
	uint16_t vlan;
	uint16_t n_queues;     // 0: 1
	uint32_t capabilities; // of our end
	uint32_t neighbors_max;
	uint32_t pending_per_neighbor;
	uint32_t pending_max;
	uint32_t exchange_len; // 0: 1024
	uint32_t tx_queue_len;
	uint32_t n_buffers; // of each pool; 0: 4095
	uint32_t n_more_v6; // further addresses of ours, 2001:db8::1:0 and up
	bool unsettled;     // duplicate address detection and announcements are still to come
};

struct lab {
	struct port *ours;
	struct port *peer;
	struct rte_mempool *rx_pool, *tx_pool, *peer_rx_pool, *peer_tx_pool;
	uint32_t n_buffers;
	uint32_t n_workers;
	struct net *nets[LAB_WORKERS_MAX];
	struct counters counters[LAB_WORKERS_MAX];
	struct log_ring logs[LAB_WORKERS_MAX];
	struct arena *arena;
	struct exchange *exchange;
	struct net_config config;
	uint32_t n_segments; // what the last lab_turn delivered; the lab frees it at the next
	struct segment segments[LAB_SEGMENTS_MAX];
	uint32_t segment_worker[LAB_SEGMENTS_MAX];
};

struct frame {
	size_t len; // 0: none
	uint8_t bytes[LAB_FRAME_MAX];
};

extern const uint8_t lab_our_mac[6], lab_peer_mac[6], lab_other_mac[6];
extern const struct ip_addr lab_our_v4, lab_our_second_v4, lab_peer_v4, lab_gateway_v4, lab_far_v4;
extern const struct ip_addr lab_our_v6, lab_our_link_local, lab_peer_v6, lab_peer_link_local, lab_gateway_v6,
	lab_far_v6;

// Starts EAL, once per process.
void lab_start_eal(void);

void lab_open(struct lab *lab, const struct lab_options *options);
void lab_close(struct lab *lab);

// A test on a lab of its own, for cmocka's list of them: the file's `lab` is open while it runs.
struct lab_test {
	struct lab *lab;
	const struct lab_options *options; // NULL: nothing out of the ordinary
};
int lab_test_open(void **state);
int lab_test_close(void **state);

#define LAB_TEST_STATE(options) (&(struct lab_test){&lab, options})
#define LAB_TEST(function) \
	{ \
#function, function, lab_test_open, lab_test_close, LAB_TEST_STATE(NULL) \
	}
#define LAB_TEST_WITH(function, options) \
	{ \
#function " " #options, function, lab_test_open, lab_test_close, LAB_TEST_STATE(&(options)) \
	}

// Sends a frame to our end.
void lab_send(struct lab *lab, const struct frame *frame);

// One turn of every worker: receive, timers, flush. The segments of the turn before are freed.
void lab_turn(struct lab *lab);

// Gives up the segments that the last turn delivered, so that the test owns their mbufs.
void lab_keep_segments(struct lab *lab);

// Turns while time passes, in steps of 10 ms.
void lab_pass(struct lab *lab, uint64_t us);

// The next frame that our end sent; len 0 when there is none.
struct frame lab_receive(struct lab *lab);

// Throws away all frames that our end sent; returns how many.
uint32_t lab_receive_all(struct lab *lab);

// Sends the frame and takes a turn. It must be refused for this reason and no other, and leave nothing
// behind.
void lab_expect_refused(struct lab *lab, const struct frame *frame, enum counter reason);

// Sends the frame and takes a turn, that gives exactly one segment.
struct segment *lab_expect_segment(struct lab *lab, const struct frame *frame);

// Makes a neighbour known: it asks for us by ARP or ND, as a machine that wants to talk to us does.
void lab_introduce(struct lab *lab, const struct ip_addr *addr, const uint8_t mac[6]);

static inline uint64_t lab_count(const struct lab *lab, enum counter id)
{
	return counter_get(&lab->counters[0], id);
}

// A transmit buffer of a worker with a TCP header of 20 bytes and a payload that counts up.
struct rte_mbuf *lab_tcp_mbuf(struct net *net, const struct flow_key *key, uint32_t payload_len);
