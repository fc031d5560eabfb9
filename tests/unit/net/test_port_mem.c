// SPDX-License-Identifier: Apache-2.0
//
// The in-process wire: what it does to frames, and that it does the same again from the same seed.
#include "lab.h"
#include "net/packet_pool.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <rte_mbuf.h>

enum {
	N_BUFFERS = 8191,
	N_FRAMES = 2000,
	FRAME_LEN = 100
};

static struct rte_mempool *pool;
static struct port *ends[2];

static void open_wire(const struct port_mem_wire *wire, uint64_t seed)
{
	struct port_mem_config config = {.seed = seed,
		.ends = {{.mtu = 1500, .n_queues = 1, .rx_pool = pool, .wire = *wire},
			{.mtu = 1500, .n_queues = 1, .rx_pool = pool}}};

	clock_virtual_reset();
	assert_true(port_mem_open(&config, ends));
}

static void close_wire(void)
{
	port_close(ends[0]);
	port_close(ends[1]);
	assert_int_equal(rte_mempool_avail_count(pool), N_BUFFERS);
}

static void send(uint32_t number, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	char *data = rte_pktmbuf_append(m, len);

	memset(data, 0x5a, len);
	memcpy(data, &number, sizeof number);
	assert_int_equal(port_tx_burst(ends[0], 0, &m, 1), 1);
}

// The number of the next frame, or UINT32_MAX; counts bytes that are not as they were sent.
static uint32_t receive(uint32_t *n_broken)
{
	uint32_t number;
	struct rte_mbuf *m;

	if (port_rx_burst(ends[1], 0, &m, 1) == 0)
		return UINT32_MAX;
	memcpy(&number, rte_pktmbuf_mtod(m, const void *), sizeof number);
	for (uint16_t i = sizeof number; i < m->data_len; i++)
		*n_broken += rte_pktmbuf_mtod(m, const uint8_t *)[i] != 0x5a;
	rte_pktmbuf_free(m);
	return number;
}

static void perfect_wire_keeps_everything(void **state)
{
	uint32_t n_broken = 0;

	(void)state;
	open_wire(&(struct port_mem_wire){0}, 1);
	assert_int_equal(port_mem_next_us(ends[1]), UINT64_MAX);
	for (uint32_t i = 0; i < N_FRAMES; i++)
		send(i, FRAME_LEN);
	assert_int_equal(port_mem_next_us(ends[1]), 0);
	for (uint32_t i = 0; i < N_FRAMES; i++)
		assert_int_equal(receive(&n_broken), i);
	assert_int_equal(receive(&n_broken), UINT32_MAX);
	assert_int_equal(n_broken, 0);
	close_wire();
}

static void delay_and_jitter_keep_order(void **state)
{
	uint32_t n_broken = 0, next = 0;

	(void)state;
	open_wire(&(struct port_mem_wire){.delay_us = 1000, .jitter_us = 500}, 2);
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		send(i, FRAME_LEN);
		clock_virtual_advance(1);
	}
	assert_true(port_mem_next_us(ends[1]) >= 1000 && port_mem_next_us(ends[1]) <= 1500);
	clock_virtual_set_now(
		port_mem_next_us(ends[1]) > clock_now_us() ? port_mem_next_us(ends[1]) : clock_now_us());
	while (next < N_FRAMES) {
		uint32_t number = receive(&n_broken);

		if (number == UINT32_MAX)
			clock_virtual_advance(1);
		else
			assert_int_equal(number, next++);
	}
	assert_true(clock_now_us() <= N_FRAMES + 1500);
	close_wire();
}

static void rate_limits(void **state)
{
	uint32_t n_broken = 0, n = 0;

	(void)state;
	// 100 bytes at 8 Mbit/s take 100 us.
	open_wire(&(struct port_mem_wire){.rate_bps = 8 * 1000 * 1000, .queue_len = 4000}, 3);
	for (uint32_t i = 0; i < N_FRAMES; i++)
		send(i, FRAME_LEN);
	clock_virtual_advance(100 * 1000);
	while (receive(&n_broken) != UINT32_MAX)
		n++;
	assert_int_equal(n, 1000);
	close_wire();
}

static void full_queue_drops(void **state)
{
	uint32_t n_broken = 0, n = 0;
	struct port_mem_stats stats;

	(void)state;
	open_wire(&(struct port_mem_wire){.delay_us = 10, .queue_len = 50}, 4);
	for (uint32_t i = 0; i < 80; i++)
		send(i, FRAME_LEN);
	clock_virtual_advance(10);
	while (receive(&n_broken) != UINT32_MAX)
		n++;
	assert_int_equal(n, 50);
	port_mem_wire_stats(ends[0], &stats);
	assert_int_equal(stats.queue_full, 30);
	assert_int_equal(stats.delivered, 50);
	close_wire();
}

static void between(uint64_t value, uint64_t low, uint64_t high)
{
	if (value < low || value > high)
		print_error("%lu is not between %lu and %lu\n", value, low, high);
	assert_true(value >= low && value <= high);
}

static void harm_is_done_in_proportion(void **state)
{
	uint32_t n_broken = 0, n = 0, n_late = 0, last = 0, number;
	struct port_mem_stats stats;

	(void)state;
	open_wire(&(struct port_mem_wire){.loss_ppm = 100000,
			  .duplicate_ppm = 50000,
			  .corrupt_ppm = 20000,
			  .reorder_ppm = 30000,
			  .reorder_us = 100,
			  .delay_us = 10},
		5);
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		send(i, FRAME_LEN);
		clock_virtual_advance(10);
		while ((number = receive(&n_broken)) != UINT32_MAX) {
			n++;
			// A number that was not sent yet is broken.
			if (number <= i && number < last)
				n_late++;
			else if (number <= i)
				last = number;
		}
	}
	clock_virtual_advance(1000);
	while (receive(&n_broken) != UINT32_MAX)
		n++;
	port_mem_wire_stats(ends[0], &stats);
	assert_int_equal(stats.sent, N_FRAMES);
	between(stats.lost, 140, 270);
	between(stats.duplicated, 60, 140);
	between(stats.corrupted, 15, 65);
	between(stats.reordered, 25, 90);
	assert_int_equal(stats.delivered, stats.sent + stats.duplicated - stats.lost);
	assert_int_equal(n, stats.delivered);
	between(n_broken, 10, 3 * stats.corrupted);
	between(n_late, 15, 2 * stats.reordered);
	close_wire();
}

static uint64_t fingerprint(uint64_t seed)
{
	uint64_t print = 0;
	uint32_t n_broken = 0, number;

	open_wire(&(struct port_mem_wire){.loss_ppm = 100000,
			  .duplicate_ppm = 100000,
			  .reorder_ppm = 100000,
			  .reorder_us = 50,
			  .jitter_us = 20},
		seed);
	for (uint32_t i = 0; i < 500; i++) {
		send(i, FRAME_LEN);
		clock_virtual_advance(7);
		while ((number = receive(&n_broken)) != UINT32_MAX)
			print = print * 31 + number + clock_now_us();
	}
	close_wire();
	return print;
}

static void seeds_replay(void **state)
{
	(void)state;
	assert_int_equal(fingerprint(7), fingerprint(7));
	assert_int_not_equal(fingerprint(7), fingerprint(8));
}

static void link_down_loses(void **state)
{
	uint32_t n_broken = 0;
	struct port_mem_stats stats;

	(void)state;
	open_wire(&(struct port_mem_wire){0}, 1);
	assert_true(port_link_up(ends[0]));
	port_mem_set_link(ends[1], false);
	assert_false(port_link_up(ends[0]));
	send(1, FRAME_LEN);
	port_mem_set_link(ends[1], true);
	send(2, FRAME_LEN);
	assert_int_equal(receive(&n_broken), 2);
	port_mem_wire_stats(ends[0], &stats);
	assert_int_equal(stats.lost, 1);
	close_wire();
}

static void oversize_is_a_transmit_error(void **state)
{
	uint32_t n_broken = 0;
	struct port_stats stats;

	(void)state;
	open_wire(&(struct port_mem_wire){0}, 1);
	send(1, 1518);
	send(2, 1519);
	assert_int_equal(receive(&n_broken), 1);
	assert_int_equal(receive(&n_broken), UINT32_MAX);
	port_stats(ends[0], &stats);
	assert_int_equal(stats.tx_errors, 1);
	assert_int_equal(stats.tx_packets, 2);
	close_wire();
}

static void changed_wire_applies(void **state)
{
	uint32_t n_broken = 0;

	(void)state;
	open_wire(&(struct port_mem_wire){0}, 1);
	port_mem_set_wire(ends[0], &(struct port_mem_wire){.loss_ppm = 1000000});
	send(1, FRAME_LEN);
	port_mem_set_wire(ends[0], &(struct port_mem_wire){.delay_us = 77});
	send(2, FRAME_LEN);
	assert_int_equal(receive(&n_broken), UINT32_MAX);
	assert_int_equal(port_mem_next_us(ends[1]), 77);
	clock_virtual_advance(77);
	assert_int_equal(receive(&n_broken), 2);
	close_wire();
}

static void frames_on_the_wire_are_freed_at_close(void **state)
{
	(void)state;
	open_wire(&(struct port_mem_wire){.delay_us = 1000}, 1);
	for (uint32_t i = 0; i < 100; i++)
		send(i, FRAME_LEN);
	close_wire();
}

static int start(void **state)
{
	(void)state;
	lab_start_eal();
	pool = packet_pool_create("wire", N_BUFFERS, 1500, 0, 0);
	return pool != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(perfect_wire_keeps_everything),
		cmocka_unit_test(delay_and_jitter_keep_order),
		cmocka_unit_test(rate_limits),
		cmocka_unit_test(full_queue_drops),
		cmocka_unit_test(harm_is_done_in_proportion),
		cmocka_unit_test(seeds_replay),
		cmocka_unit_test(link_down_loses),
		cmocka_unit_test(oversize_is_a_transmit_error),
		cmocka_unit_test(changed_wire_applies),
		cmocka_unit_test(frames_on_the_wire_are_freed_at_close),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
