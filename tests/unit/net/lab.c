// SPDX-License-Identifier: Apache-2.0
#include "lab.h"

#include "base/assert.h"
#include "frames.h"
#include "net/exchange.h"
#include "net/packet_pool.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "seam/cmocka_all.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <stdio.h>

enum {
	N_BUFFERS_DEFAULT = 4095,
	STEP_US = 10 * 1000,
	SETTLE_US = 4 * 1000 * 1000,
	SETTLE_STEP_US = 100 * 1000
};

const uint8_t lab_our_mac[6] = {2, 0, 0, 0, 0, 1};
const uint8_t lab_peer_mac[6] = {2, 0, 0, 0, 0, 2};
const uint8_t lab_other_mac[6] = {2, 0, 0, 0, 0, 3};

#define V4(a, b, c, d) \
	{ \
		.bytes = { [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d } \
	}
#define DOC6(last) \
	{ \
		.bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = last } \
	}
#define LINK6(last) \
	{ \
		.bytes = { 0xfe, 0x80, [15] = last } \
	}

const struct ip_addr lab_our_v4 = V4(192, 0, 2, 1);
const struct ip_addr lab_our_second_v4 = V4(192, 0, 2, 9);
const struct ip_addr lab_peer_v4 = V4(192, 0, 2, 2);
const struct ip_addr lab_gateway_v4 = V4(192, 0, 2, 254);
const struct ip_addr lab_far_v4 = V4(203, 0, 113, 7);
const struct ip_addr lab_our_v6 = DOC6(1);
const struct ip_addr lab_our_link_local = {.bytes = {0xfe, 0x80, [11] = 0xff, [12] = 0xfe, [15] = 1}};
const struct ip_addr lab_peer_v6 = DOC6(2);
const struct ip_addr lab_peer_link_local = LINK6(2);
const struct ip_addr lab_gateway_v6 = LINK6(0xfe);
const struct ip_addr lab_far_v6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8, 0xff, [15] = 7}};

enum {
	N_ADDRESSES = 3,
	N_MORE_ADDRESSES_MAX = 128
};

static struct net_address_config addresses[N_ADDRESSES + N_MORE_ADDRESSES_MAX] = {
	{.addr = V4(192, 0, 2, 1), .prefix_len = 120},
	{.addr = V4(192, 0, 2, 9), .prefix_len = 120},
	{.addr = DOC6(1), .prefix_len = 64},
};

static const struct net_route_config routes[] = {
	{.destination = V4(0, 0, 0, 0), .gateway = V4(192, 0, 2, 254), .prefix_len = 96},
	{.destination = V4(198, 51, 100, 0), .gateway = V4(192, 0, 2, 253), .prefix_len = 120},
	{.prefix_len = 0, .gateway = LINK6(0xfe)},
};

void lab_start_eal(void)
{
	static char name[] = "lab", cores[] = "-l0", no_huge[] = "--no-huge", no_pci[] = "--no-pci",
		    no_shared[] = "--no-shconf", memory[] = "-m256", no_telemetry[] = "--no-telemetry",
		    log_level[] = "--log-level=error";
	static char *arguments[] = {
		name, cores, no_huge, no_pci, no_shared, memory, no_telemetry, log_level, NULL};
	static bool started;

	if (started)
		return;
	started = true;
	SLUICE_ASSERT(rte_eal_init(8, arguments) >= 0);
}

// Pools are made once and kept: an input of a fuzzer should not pay for them.
static struct rte_mempool *get_pool(const char *name, uint32_t n_buffers)
{
	struct rte_mempool *pool = rte_mempool_lookup(name);

	if (pool != NULL && pool->size != n_buffers) {
		packet_pool_free(pool);
		pool = NULL;
	}
	if (pool == NULL)
		pool = packet_pool_create(name, n_buffers, 1500, 0, 0);
	SLUICE_ASSERT(pool != NULL);
	return pool;
}

// A buffer that is still out was leaked.
static void check_pool(const struct lab *lab, struct rte_mempool *pool)
{
	SLUICE_ASSERT(rte_mempool_avail_count(pool) == lab->n_buffers);
}

static void open_wire(struct lab *lab, const struct lab_options *options)
{
	struct port_mem_config config = {.seed = 1,
		.ends = {
			{.mtu = 1500,
				.n_queues = options->n_queues != 0 ? options->n_queues : 1,
				.capabilities = options->capabilities,
				.rx_pool = lab->rx_pool},
			{.mtu = 1500, .n_queues = 1, .rx_pool = lab->peer_rx_pool},
		}};
	struct port *ends[2];

	memcpy(config.ends[0].mac, lab_our_mac, 6);
	memcpy(config.ends[1].mac, lab_peer_mac, 6);
	for (uint32_t i = 0; i < PORT_RSS_KEY_MAX; i++)
		config.ends[0].rss_key[i] = (uint8_t)(i * 73 + 17);
	SLUICE_ASSERT(port_mem_open(&config, ends));
	lab->ours = ends[0];
	lab->peer = ends[1];
}

static void open_worker(struct lab *lab, uint32_t idx)
{
	struct net_setup setup = {
		.config = &lab->config,
		.counters = &lab->counters[idx],
		.log = &lab->logs[idx],
		.exchange = lab->exchange,
		.tx_pool = lab->tx_pool,
		.worker_idx = idx,
		.n_workers = lab->n_workers,
	};

	SLUICE_ASSERT(log_ring_init(&lab->logs[idx], lab->arena, 64, (uint16_t)idx));
	lab->nets[idx] = net_init(&setup, lab->arena, clock_now_us());
	SLUICE_ASSERT(lab->nets[idx] != NULL);
}

static size_t arena_len(const struct lab *lab, uint32_t exchange_len)
{
	return exchange_footprint(lab->n_workers, exchange_len) +
	       lab->n_workers * (net_footprint(&lab->config) + 64 * sizeof(struct log_event) + 256);
}

static void settle(struct lab *lab)
{
	for (uint64_t passed = 0; passed < SETTLE_US; passed += SETTLE_STEP_US) {
		clock_virtual_advance(SETTLE_STEP_US);
		lab_turn(lab);
		(void)lab_receive_all(lab);
	}
}

// The arena is kept, too; it starts out zeroed, as a new one does.
static struct arena *get_arena(size_t len)
{
	static struct arena arena;

	if (arena.capacity < len) {
		arena_destroy(&arena);
		SLUICE_ASSERT(arena_init(&arena, len));
	}
	memset(arena.start, 0, arena.used);
	arena.used = 0;
	return &arena;
}

static void more_addresses(uint32_t n)
{
	SLUICE_ASSERT(n <= (uint32_t)N_MORE_ADDRESSES_MAX);
	for (uint32_t i = 0; i < n; i++) {
		addresses[N_ADDRESSES + i] = (struct net_address_config){
			.addr = lab_our_v6, .prefix_len = 32};
		addresses[N_ADDRESSES + i].addr.bytes[13] = 1;
		addresses[N_ADDRESSES + i].addr.bytes[15] = (uint8_t)i;
	}
}

void lab_open(struct lab *lab, const struct lab_options *options)
{
	uint32_t exchange_len = options->exchange_len != 0 ? options->exchange_len : 1024;
	char reason[128];

	lab_start_eal();
	clock_virtual_reset();
	memset(lab, 0, sizeof *lab);
	lab->n_workers = options->n_workers != 0 ? options->n_workers : 1;
	lab->n_buffers = options->n_buffers != 0 ? options->n_buffers : N_BUFFERS_DEFAULT;
	lab->rx_pool = get_pool("rx", lab->n_buffers);
	lab->tx_pool = get_pool("tx", lab->n_buffers);
	lab->peer_rx_pool = get_pool("peer_rx", lab->n_buffers);
	lab->peer_tx_pool = get_pool("peer_tx", lab->n_buffers);
	open_wire(lab, options);
	more_addresses(options->n_more_v6);
	lab->config = (struct net_config){
		.n_ports = 1,
		.ports = {{.port = lab->ours, .vlan = options->vlan, .mtu = 1500}},
		.n_addresses = N_ADDRESSES + options->n_more_v6,
		.addresses = addresses,
		.n_routes = sizeof routes / sizeof routes[0],
		.routes = routes,
		.neighbors_max = options->neighbors_max,
		.pending_per_neighbor = options->pending_per_neighbor,
		.pending_max = options->pending_max,
		.tx_queue_len = options->tx_queue_len,
		.flow_secret = {.nh = {11, 22, 33, 44, 55, 66},
			.fold = {(unsigned __int128)0x123456789abcdef1 << 64 | 77,
				(unsigned __int128)0xfedcba9876543211 << 64 | 88, 99}},
	};
	SLUICE_ASSERT(net_config_check(&lab->config, reason, sizeof reason));
	lab->arena = get_arena(arena_len(lab, exchange_len));
	if (lab->n_workers > 1) {
		lab->exchange = exchange_init(lab->arena, lab->n_workers, exchange_len);
		SLUICE_ASSERT(lab->exchange != NULL);
	}
	for (uint32_t i = 0; i < lab->n_workers; i++)
		open_worker(lab, i);
	if (!options->unsettled) {
		settle(lab);
	}
}

static void free_segments(struct lab *lab)
{
	for (uint32_t i = 0; i < lab->n_segments; i++)
		rte_pktmbuf_free(lab->segments[i].mbuf);
	lab->n_segments = 0;
}

void lab_keep_segments(struct lab *lab)
{
	lab->n_segments = 0;
}

void lab_close(struct lab *lab)
{
	free_segments(lab);
	for (uint32_t i = 0; i < lab->n_workers; i++)
		net_stop(lab->nets[i]);
	if (lab->exchange != NULL)
		exchange_drain(lab->exchange);
	port_close(lab->ours);
	port_close(lab->peer);
	check_pool(lab, lab->rx_pool);
	check_pool(lab, lab->tx_pool);
	check_pool(lab, lab->peer_rx_pool);
	check_pool(lab, lab->peer_tx_pool);
}

int lab_test_open(void **state)
{
	const struct lab_test *test = *state;

	lab_open(test->lab, test->options != NULL ? test->options : &(struct lab_options){0});
	return 0;
}

// The state stays what it was: a lab that is closed reads it.
int lab_test_close(void **state)
{
	const struct lab_test *test = *state;

	lab_close(test->lab);
	return 0;
}

void lab_send(struct lab *lab, const struct frame *frame)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(lab->peer_tx_pool);
	char *data;

	SLUICE_ASSERT(m != NULL);
	data = rte_pktmbuf_append(m, (uint16_t)frame->len);
	SLUICE_ASSERT(data != NULL);
	memcpy(data, frame->bytes, frame->len);
	SLUICE_ASSERT(port_tx_burst(lab->peer, 0, &m, 1) == 1);
}

void lab_turn(struct lab *lab)
{
	uint64_t now_us = clock_now_us();

	free_segments(lab);
	for (uint32_t i = 0; i < lab->n_workers; i++) {
		struct segment *out = lab->segments + lab->n_segments;
		uint32_t n = net_rx_burst(lab->nets[i], now_us, out, LAB_SEGMENTS_MAX - lab->n_segments);

		for (uint32_t k = 0; k < n; k++)
			lab->segment_worker[lab->n_segments++] = i;
		net_timers(lab->nets[i], now_us);
		net_flush(lab->nets[i], now_us);
	}
}

void lab_pass(struct lab *lab, uint64_t us)
{
	for (uint64_t passed = 0; passed < us; passed += STEP_US) {
		clock_virtual_advance(STEP_US);
		lab_turn(lab);
	}
}

struct frame lab_receive(struct lab *lab)
{
	struct frame frame = {0};
	struct rte_mbuf *m;

	if (port_rx_burst(lab->peer, 0, &m, 1) == 0)
		return frame;
	frame.len = m->data_len;
	SLUICE_ASSERT(frame.len <= sizeof frame.bytes);
	memcpy(frame.bytes, rte_pktmbuf_mtod(m, const void *), frame.len);
	rte_pktmbuf_free(m);
	return frame;
}

uint32_t lab_receive_all(struct lab *lab)
{
	uint32_t n = 0;

	while (lab_receive(lab).len != 0)
		n++;
	return n;
}

static uint64_t count_drops(const struct lab *lab)
{
	uint64_t n = 0;

	for (enum counter id = COUNTER_NET_DROP_SHORT; id <= COUNTER_NET_DROP_EXCHANGE; id++)
		n += lab_count(lab, id);
	return n;
}

void lab_expect_refused(struct lab *lab, const struct frame *frame, enum counter reason)
{
	uint64_t before = lab_count(lab, reason);
	uint64_t all_before = count_drops(lab);
	unsigned int n_free;

	lab_turn(lab);
	n_free = rte_mempool_avail_count(lab->rx_pool);
	lab_send(lab, frame);
	lab_turn(lab);
	if (lab_count(lab, reason) != before + 1)
		print_error("expected %s\n", counter_name(reason));
	assert_int_equal(lab_count(lab, reason), before + 1);
	assert_int_equal(count_drops(lab), all_before + 1);
	assert_int_equal(lab->n_segments, 0);
	assert_int_equal(lab_receive(lab).len, 0);
	assert_int_equal(rte_mempool_avail_count(lab->rx_pool), n_free);
}

struct segment *lab_expect_segment(struct lab *lab, const struct frame *frame)
{
	lab_send(lab, frame);
	lab_turn(lab);
	assert_int_equal(lab->n_segments, 1);
	return &lab->segments[0];
}

void lab_introduce(struct lab *lab, const struct ip_addr *addr, const uint8_t mac[6])
{
	struct frame frame;

	if (ip_addr_is_v4(addr)) {
		frame = frame_arp(ARP_REQUEST, mac, addr, &lab_our_v4);
	} else {
		struct ip_addr group = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff, [15] = 1}};

		frame = frame_nd(ND_NEIGHBOR_SOLICITATION, 0, addr, &group, &lab_our_v6, mac);
	}
	frame_set_source(&frame, mac);
	lab_send(lab, &frame);
	lab_turn(lab);
	SLUICE_ASSERT(lab_receive(lab).len != 0);
}

struct rte_mbuf *lab_tcp_mbuf(struct net *net, const struct flow_key *key, uint32_t payload_len)
{
	struct rte_mbuf *m = net_mbuf_alloc(net);
	struct wire_tcp *tcp;

	SLUICE_ASSERT(m != NULL);
	tcp = (struct wire_tcp *)(void *)rte_pktmbuf_append(m, (uint16_t)(sizeof *tcp + payload_len));
	SLUICE_ASSERT(tcp != NULL);
	*tcp = (struct wire_tcp){
		.source_port = be16(key->local_port),
		.destination_port = be16(key->remote_port),
		.seq = be32(1000),
		.ack = be32(2000),
		.data_offset = 5 << 4,
		.flags = SEGMENT_ACK | SEGMENT_PSH,
		.window = be16(500),
	};
	for (uint32_t i = 0; i < payload_len; i++)
		((uint8_t *)(tcp + 1))[i] = (uint8_t)i;
	return m;
}
