// SPDX-License-Identifier: Apache-2.0
//
// The DPDK body of the port seam on devices that need no hardware and no kernel: ring (its own loop), null
// (which has RSS), and devices that don't exist.
#include "lab.h"
#include "net/memif_guard.h"
#include "net/packet_pool.h"
#include "net/port_dpdk.h"
#include "seam/cmocka_all.h"

#include <rte_alarm.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum {
	N_BUFFERS = 8191
};

static struct rte_mempool *pool;

static struct port_dpdk_config config_of(const char *device, uint16_t n_workers)
{
	struct port_dpdk_config config = {
		.device = device, .n_workers = n_workers, .mtu = 1500, .rx_pool = pool, .rx_ring_len = 256};

	for (uint32_t i = 0; i < PORT_RSS_KEY_MAX; i++)
		config.rss_key[i] = (uint8_t)(i * 37 + 5);
	return config;
}

static struct port *open_port(const struct port_dpdk_config *config)
{
	char reason[256] = "";
	struct port *port = port_dpdk_open(config, reason, sizeof reason);

	if (port == NULL)
		print_error("%s\n", reason);
	assert_non_null(port);
	return port;
}

static void ring_carries_frames(void **state)
{
	struct port_dpdk_config config = config_of("net_ring0", 1);
	struct port *port = open_port(&config);
	struct rte_mbuf *mbufs[32], *received[64];
	struct port_stats stats;

	(void)state;
	assert_string_equal(port->info.name, "net_ring0");
	assert_int_equal(port->info.mtu, 1500);
	assert_int_equal(port->info.n_queues, 1);
	assert_true(port_link_up(port));
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, mbufs, 32), 0);
	for (uint32_t i = 0; i < 32; i++)
		assert_non_null(rte_pktmbuf_append(mbufs[i], 64));
	assert_int_equal(port_tx_burst(port, 0, mbufs, 32), 32);
	assert_int_equal(port_rx_burst(port, 0, received, 64), 32);
	assert_ptr_equal(received[5], mbufs[5]);
	rte_pktmbuf_free_bulk(received, 32);
	port_stats(port, &stats);
	assert_int_equal(stats.tx_packets, 32);
	assert_int_equal(stats.rx_packets, 32);
	port_close(port);
	assert_int_equal(rte_mempool_avail_count(pool), N_BUFFERS);
}

static void device_is_unplugged_and_plugged_again(void **state)
{
	struct port_dpdk_config config = config_of("net_ring1", 1);
	uint16_t id;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct port *port = open_port(&config);

		assert_int_equal(rte_eth_dev_get_port_by_name("net_ring1", &id), 0);
		port_close(port);
		assert_int_not_equal(rte_eth_dev_get_port_by_name("net_ring1", &id), 0);
	}
}

// Without RSS: one queue, whatever the number of workers.
static void ring_is_shared_by_workers(void **state)
{
	struct port_dpdk_config config = config_of("net_ring2", 4);
	struct port *port = open_port(&config);

	(void)state;
	assert_int_equal(port->info.n_queues, 1);
	assert_int_equal(port->info.capabilities & PORT_CAN_RSS, 0);
	port_close(port);
}

static void rss_gives_each_worker_a_queue(void **state)
{
	struct port_dpdk_config config = config_of("net_null0", 4);
	struct port *port = open_port(&config);
	uint32_t n_per_queue[4] = {0};

	(void)state;
	assert_int_equal(port->info.capabilities & PORT_CAN_RSS, PORT_CAN_RSS);
	assert_int_equal(port->info.n_queues, 4);
	assert_memory_equal(port->info.rss_key, config.rss_key, port->info.rss_key_len);
	for (uint32_t i = 0; i < port->info.reta_len; i++)
		n_per_queue[port->info.reta[i]]++;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(n_per_queue[i], port->info.reta_len / 4);
	port_close(port);
	config.disabled_capabilities = PORT_CAN_RSS;
	port = open_port(&config);
	assert_int_equal(port->info.n_queues, 1);
	port_close(port);
}

static void expect_refusal(const struct port_dpdk_config *config, const char *words)
{
	char reason[256] = "";

	assert_null(port_dpdk_open(config, reason, sizeof reason));
	if (strstr(reason, words) == NULL)
		print_error("%s\n", reason);
	assert_non_null(strstr(reason, words));
	assert_non_null(strstr(reason, config->device));
}

static void refusals_say_what_and_where(void **state)
{
	struct port_dpdk_config config = config_of("net_nonsense0", 1);

	(void)state;
	expect_refusal(&config, "can't be opened");
	config = config_of("0000:ff:1f.7", 1);
	expect_refusal(&config, "can't be opened");
	config = config_of("net_af_packet0,iface=nosuchinterface", 1);
	expect_refusal(&config, "can't be opened");
	config = config_of("", 1);
	expect_refusal(&config, "can't be opened");
	config = config_of("net_ring3", 1);
	config.mtu = 9000; // more than the pool's buffers hold
	expect_refusal(&config, "don't fit");
}

// A short buffer for the reason is no harm.
static void reason_is_cut(void **state)
{
	struct port_dpdk_config config = config_of("net_nonsense0", 1);
	char reason[16];

	(void)state;
	memset(reason, 'x', sizeof reason);
	assert_null(port_dpdk_open(&config, reason, sizeof reason));
	assert_non_null(memchr(reason, 0, sizeof reason));
}

// What EAL's interrupt thread does when a memif peer is gone.
struct unmapping {
	void *page;
	atomic_bool begun;
	atomic_bool done;
};

static void unmap(void *argument)
{
	struct unmapping *unmapping = argument;

	atomic_store(&unmapping->begun, true);
	(void)munmap(unmapping->page, 4096);
	atomic_store(&unmapping->done, true);
}

static void begin_unmapping(struct unmapping *unmapping)
{
	*unmapping = (struct unmapping){
		.page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
	assert_ptr_not_equal(unmapping->page, MAP_FAILED);
	assert_int_equal(rte_eal_alarm_set(1, unmap, unmapping), 0);
	while (!atomic_load(&unmapping->begun))
		(void)sched_yield();
}

static void memory_of_a_peer_stays_until_the_burst_is_over(void **state)
{
	static struct memif_guard guard;
	struct unmapping unmapping;

	(void)state;
	memif_guard_add(&guard);
	memif_guard_enter(&guard);
	begin_unmapping(&unmapping);
	for (uint32_t i = 0; i < 1000; i++)
		(void)sched_yield();
	assert_false(atomic_load(&unmapping.done));
	assert_int_equal(*(volatile char *)unmapping.page, 0);
	// Other threads don't wait.
	assert_int_equal(munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096), 0);
	memif_guard_leave(&guard);
	// The next burst finds the device without a peer and touches nothing, so nobody waits for it.
	memif_guard_enter(&guard);
	while (!atomic_load(&unmapping.done))
		(void)sched_yield();
	memif_guard_leave(&guard);
	memif_guard_remove(&guard);
}

static void nobody_waits_for_what_is_outside_or_gone(void **state)
{
	static struct memif_guard outside, gone;
	struct unmapping unmapping;

	(void)state;
	memif_guard_add(&outside);
	memif_guard_add(&gone);
	memif_guard_enter(&gone);
	memif_guard_remove(&gone);
	begin_unmapping(&unmapping);
	while (!atomic_load(&unmapping.done))
		(void)sched_yield();
	memif_guard_remove(&outside);
}

static int start(void **state)
{
	(void)state;
	lab_start_eal();
	pool = packet_pool_create("dpdk", N_BUFFERS, 1500, 0, 0);
	return pool != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_carries_frames),
		cmocka_unit_test(device_is_unplugged_and_plugged_again),
		cmocka_unit_test(ring_is_shared_by_workers),
		cmocka_unit_test(rss_gives_each_worker_a_queue),
		cmocka_unit_test(refusals_say_what_and_where),
		cmocka_unit_test(reason_is_cut),
		cmocka_unit_test(memory_of_a_peer_stays_until_the_burst_is_over),
		cmocka_unit_test(nobody_waits_for_what_is_outside_or_gone),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
