// SPDX-License-Identifier: Apache-2.0
//
// Two workers on two threads of their own share a port with one queue. Every segment that reaches a worker is
// answered with one of ours, so that frames cross the rings in both directions all the time. Nothing may be
// lost but what the counters say, and nothing may leak.
#include "frames.h"
#include "lab.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <pthread.h>
#include <rte_mbuf.h>
#include <stdatomic.h>

enum {
	N_ROUNDS = 300,
	PER_ROUND = 32,
	IDLE_TURNS = 20
};

static struct lab lab;
static atomic_bool stop;
static uint64_t n_segments[2];

// A turn of one worker: answer whatever arrived.
static void turn(uint32_t worker)
{
	struct net *net = lab.nets[worker];
	struct segment segments[NET_RX_BURST_MIN];
	uint32_t n = net_rx_burst(net, clock_now_us(), segments, NET_RX_BURST_MIN);

	n_segments[worker] += n;
	for (uint32_t i = 0; i < n; i++) {
		struct flow_key key = segments[i].key;
		struct net_path path;

		if (net_path_find(net, &key.local, &key.remote, &path))
			net_output_tcp(net, &path, &key, lab_tcp_mbuf(net, &key, 8), 0, 0);
		rte_pktmbuf_free(segments[i].mbuf);
	}
	net_timers(net, clock_now_us());
	net_flush(net, clock_now_us());
}

static void *run_worker_1(void *nothing)
{
	while (!atomic_load(&stop))
		turn(1);
	return nothing;
}

static uint64_t both(enum counter id)
{
	return counter_get(&lab.counters[0], id) + counter_get(&lab.counters[1], id);
}

static void send_round(uint32_t round)
{
	for (uint32_t i = 0; i < PER_ROUND; i++) {
		struct frame frame = frame_tcp_ports(
			&lab_peer_v4, &lab_our_v4, (uint16_t)(1024 + i), (uint16_t)(1024 + round % 50));

		lab_send(&lab, &frame);
	}
}

static uint32_t receive_tcp(void)
{
	struct frame frame;
	uint32_t n = 0;

	while ((frame = lab_receive(&lab)).len != 0) {
		if (frame_type(&frame) != ETHERTYPE_IP4)
			continue;
		assert_true(frame_tcp_intact(&frame));
		n++;
	}
	return n;
}

static void nothing_is_lost_between_threads(void **state)
{
	uint64_t n_received = 0, n_dropped;
	pthread_t thread;

	(void)state;
	lab_open(&lab, &(struct lab_options){.n_workers = 2, .exchange_len = 64, .tx_queue_len = 64});
	lab_introduce(&lab, &lab_peer_v4, lab_peer_mac);
	assert_int_equal(pthread_create(&thread, NULL, run_worker_1, NULL), 0);
	// Worker 0 drives the port, so that the peer's end lives on its thread.
	for (uint32_t round = 0; round < N_ROUNDS; round++) {
		send_round(round);
		turn(0);
		n_received += receive_tcp();
	}
	for (uint32_t idle = 0; idle < IDLE_TURNS; idle++) {
		turn(0);
		n_received += receive_tcp();
		(void)sched_yield();
	}
	atomic_store(&stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (uint32_t idle = 0; idle < 4; idle++) {
		turn(1);
		turn(0);
		n_received += receive_tcp();
	}
	n_dropped = both(COUNTER_NET_DROP_EXCHANGE);
	assert_int_equal(n_segments[0] + n_segments[1], N_ROUNDS * PER_ROUND - n_dropped);
	assert_true(n_segments[0] > N_ROUNDS * PER_ROUND / 4);
	assert_true(n_segments[1] != 0);
	n_dropped = both(COUNTER_NET_TX_DROP_QUEUE) + both(COUNTER_NET_TX_DROP_UNRESOLVED);
	assert_int_equal(n_received, n_segments[0] + n_segments[1] - n_dropped);
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
