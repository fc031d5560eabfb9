// SPDX-License-Identifier: Apache-2.0
#include "twin.h"

#include "base/assert.h"
#include "net/exchange.h"
#include "net/packet_pool.h"
#include "seam/clock_virtual.h"

#include <malloc.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

enum {
	APP_BUFFERS = 2047,
	ETHERNET_LEN = 14,
	SETTLE_US = 5 * 1000 * 1000, // duplicate address detection and the first announcements
	SETTLE_STEP_US = 10 * 1000,
	EXCHANGE_LEN = 256
};

static const struct net_address_config addresses[2][2] = {
	{{.addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}}, .prefix_len = 120},
		{.addr = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, .prefix_len = 64}},
	{{.addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 2}}, .prefix_len = 120},
		{.addr = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}}, .prefix_len = 64}},
};

static struct rte_mempool *rx_pool, *tx_pool, *app_pool;
static uint32_t pool_len;

void twin_start(uint32_t n_buffers, uint16_t mtu_max, uint16_t app_buffer_len, uint32_t cache_len)
{
	static char name[] = "twin", cores[] = "-l0", no_huge[] = "--no-huge", no_pci[] = "--no-pci",
		    no_shared[] = "--no-shconf", memory[] = "-m512", no_telemetry[] = "--no-telemetry",
		    log_level[] = "--log-level=error";
	static char *arguments[] = {
		name, cores, no_huge, no_pci, no_shared, memory, no_telemetry, log_level, NULL};

	// What one twin gives back the next one takes: to trim the heap in between costs page faults.
	(void)mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	(void)mallopt(M_MMAP_THRESHOLD, INT32_MAX);
	SLUICE_ASSERT(rte_eal_init(8, arguments) >= 0);
	pool_len = n_buffers;
	rx_pool = packet_pool_create("twin_rx", n_buffers, mtu_max, cache_len, 0);
	tx_pool = packet_pool_create("twin_tx", n_buffers, mtu_max, cache_len, 0);
	app_pool = packet_pool_create("twin_app", APP_BUFFERS, app_buffer_len, cache_len, 0);
	SLUICE_ASSERT(rx_pool != NULL && tx_pool != NULL && app_pool != NULL);
}

struct rte_mbuf *twin_app_buffer(void)
{
	return rte_pktmbuf_alloc(app_pool);
}

static struct port *inner_of(struct port *port)
{
	return ((struct twin_port *)port)->inner;
}

static uint64_t port_random(struct twin_port *port)
{
	port->random ^= port->random << 13;
	port->random ^= port->random >> 7;
	port->random ^= port->random << 17;
	return port->random;
}

// Which queue's frames the one that is asked for gets.
static uint16_t choose_queue(struct twin_port *port, uint16_t queue)
{
	uint16_t n_queues = port->port.info.n_queues;

	if (port->misdirect_ppm == 0 || port_random(port) % 1000000 >= port->misdirect_ppm)
		return queue;
	return (uint16_t)((queue + 1 + port_random(port) % (n_queues - 1u)) % n_queues);
}

static uint16_t harmful_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct twin_port *outer = (struct twin_port *)port;
	uint16_t chosen = choose_queue(outer, queue);
	uint16_t n_received = port_rx_burst(outer->inner, chosen, mbufs, n);

	outer->n_misdirected += chosen != queue ? n_received : 0;
	for (uint16_t i = 0; i < n_received; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		uint64_t bit;

		// ARP has no checksum of its own: what is flipped there stays for as long as neighbours are
		// remembered.
		if (port_random(outer) % 1000000 >= outer->corrupt_ppm || (frame[12] == 8 && frame[13] == 6))
			continue;
		bit = port_random(outer) % ((mbufs[i]->data_len - ETHERNET_LEN) * 8u);
		frame[ETHERNET_LEN + bit / 8] ^= (uint8_t)(1u << bit % 8);
		// The NIC's verdict was about the frame as it was.
		mbufs[i]->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	}
	return n_received;
}

static uint16_t plain_tx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return port_tx_burst(inner_of(port), queue, mbufs, n);
}

static bool plain_link_up(struct port *port)
{
	return port_link_up(inner_of(port));
}

static void plain_stats(struct port *port, struct port_stats *out_stats)
{
	port_stats(inner_of(port), out_stats);
}

static void plain_close(struct port *port)
{
	port_close(inner_of(port));
}

static const struct port_ops twin_port_ops = {.rx_burst = harmful_rx_burst,
	.tx_burst = plain_tx_burst,
	.link_up = plain_link_up,
	.stats = plain_stats,
	.close = plain_close};

static uint32_t n_workers_of(const struct twin_options *options)
{
	return options->n_workers != 0 ? options->n_workers : 1;
}

static void open_port(struct twin *twin, uint32_t side, struct port *port)
{
	struct twin_stack *stack = &twin->stacks[side];

	stack->wire_end = port;
	stack->port = (struct twin_port){.port = {.ops = &twin_port_ops, .info = port->info},
		.inner = port,
		.random = twin->options->seed | 1};
}

static void open_stack(struct twin *twin, struct twin_stack *stack, uint32_t side, uint32_t worker)
{
	struct net_setup setup = {.config = &stack->config,
		.counters = &stack->counters,
		.log = &stack->log,
		.exchange = side == 1 ? twin->exchange : NULL,
		.tx_pool = tx_pool,
		.worker_idx = worker,
		.n_workers = side == 1 ? n_workers_of(twin->options) : 1};
	char reason[256];

	stack->v4 = addresses[side][0].addr;
	stack->v6 = addresses[side][1].addr;
	stack->config = (struct net_config){.n_ports = 1,
		.n_addresses = 2,
		.ports = {{.port = &twin->stacks[side].port.port, .mtu = twin->options->mtu}},
		.addresses = addresses[side]};
	for (uint32_t i = 0; i < 6; i++)
		stack->config.flow_secret.nh[i] = (twin->options->seed + i + 1) *
						  UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t i = 0; i < 3; i++)
		stack->config.flow_secret.fold[i] = (unsigned __int128)(twin->options->seed + i + 7) *
							    UINT64_C(0xbf58476d1ce4e5b9) *
							    UINT64_C(0x94d049bb133111eb) |
						    1;
	if (!net_config_check(&stack->config, reason, sizeof reason))
		sluice_assert_failed(reason, __FILE__, __LINE__, __func__);
	SLUICE_ASSERT(log_ring_init(&stack->log, twin->arena, 64, (uint16_t)worker));
	stack->net = net_init(&setup, twin->arena, clock_now_us());
	SLUICE_ASSERT(stack->net != NULL);
	stack->tcp = tcp_init(
		&twin->options->tcp[side], twin->arena, stack->net, &stack->counters, clock_now_us());
	SLUICE_ASSERT(stack->tcp != NULL);
}

static size_t arena_len(const struct twin_options *options)
{
	struct net_config config = {.n_ports = 1, .n_addresses = 2};

	return tcp_footprint(&options->tcp[0]) + n_workers_of(options) * tcp_footprint(&options->tcp[1]) +
	       (1 + n_workers_of(options)) * net_footprint(&config) +
	       exchange_footprint(n_workers_of(options), EXCHANGE_LEN) + (1 << 20);
}

// One mapping serves all twins of the process, one after the other: to make and fault in a new one each time
// costs more than most seeds do.
static void take_arena(struct twin *twin, size_t len)
{
	static struct arena kept;

	if (kept.capacity < len) {
		arena_destroy(&kept);
		SLUICE_ASSERT(arena_init(&kept, len));
	}
	twin->arena = &kept;
	memset(kept.start, 0, kept.used);
	kept.used = 0;
}

void twin_open(struct twin *twin, const struct twin_options *options)
{
	struct port_mem_config wire = {.seed = options->seed | 1};
	struct port *ends[2];

	clock_virtual_reset();
	memset(twin, 0, sizeof *twin);
	twin->options = options;
	take_arena(twin, arena_len(options));
	for (uint8_t i = 0; i < 2; i++) {
		wire.ends[i] = (struct port_mem_end){.mac = {2, 0, 0, 0, 0, (uint8_t)(i + 1)},
			.mtu = options->mtu,
			.n_queues = i == 1 && options->rss ? (uint16_t)n_workers_of(options) : 1,
			.capabilities = options->capabilities[i] |
					(i == 1 && options->rss ? (uint32_t)PORT_CAN_RSS : 0),
			.rx_pool = rx_pool};
		for (uint32_t k = 0; k < PORT_RSS_KEY_MAX; k++)
			wire.ends[i].rss_key[k] = (uint8_t)(options->seed * 31 + k * 167);
	}
	SLUICE_ASSERT(port_mem_open(&wire, ends));
	if (n_workers_of(options) > 1) {
		twin->exchange = exchange_init(twin->arena, options->n_workers, EXCHANGE_LEN);
		SLUICE_ASSERT(twin->exchange != NULL);
	}
	for (uint32_t i = 0; i < 2; i++) {
		open_port(twin, i, ends[i]);
		open_stack(twin, &twin->stacks[i], i, 0);
	}
	for (uint32_t i = 1; i < n_workers_of(options); i++)
		open_stack(twin, twin_worker(twin, i), 1, i);
	for (uint64_t us = 0; us < SETTLE_US; us += SETTLE_STEP_US) {
		for (uint32_t i = 0; i < 2; i++) {
			twin_receive(twin, i);
			twin_send(twin, i);
		}
		for (uint32_t i = 1; i < n_workers_of(options); i++) {
			twin_worker_receive(twin, i);
			twin_worker_send(twin, i);
		}
		clock_virtual_advance(SETTLE_STEP_US);
	}
	for (uint32_t i = 0; i < 2; i++) {
		port_mem_set_wire(ends[i], &options->wire[i]);
		twin->stacks[i].port.corrupt_ppm = options->corrupt_ppm;
	}
	if (options->rss)
		twin->stacks[1].port.misdirect_ppm = options->misdirect_ppm;
}

void twin_close(struct twin *twin)
{
	tcp_stop(twin->stacks[0].tcp);
	net_stop(twin->stacks[0].net);
	for (uint32_t i = 0; i < n_workers_of(twin->options); i++) {
		tcp_stop(twin_worker(twin, i)->tcp);
		net_stop(twin_worker(twin, i)->net);
	}
	if (twin->exchange != NULL)
		exchange_drain(twin->exchange);
	for (uint32_t i = 0; i < 2; i++)
		port_close(twin->stacks[i].wire_end);
	SLUICE_ASSERT(rte_mempool_avail_count(rx_pool) == pool_len);
	SLUICE_ASSERT(rte_mempool_avail_count(tx_pool) == pool_len);
	SLUICE_ASSERT(rte_mempool_avail_count(app_pool) == APP_BUFFERS);
}

static void stack_receive(struct twin_stack *stack)
{
	struct segment segments[NET_RX_BURST_MIN];
	struct net_icmp_error errors[16];
	uint64_t now_us = clock_now_us();
	uint32_t n = net_rx_burst(stack->net, now_us, segments, NET_RX_BURST_MIN);

	tcp_input_burst(stack->tcp, segments, n, now_us);
	n = net_icmp_errors(stack->net, errors, 16);
	tcp_input_icmp(stack->tcp, errors, n, now_us);
}

static void stack_send(struct twin_stack *stack)
{
	uint64_t now_us = clock_now_us();

	tcp_timers(stack->tcp, now_us);
	tcp_output_flush(stack->tcp, now_us);
	net_timers(stack->net, now_us);
	net_flush(stack->net, now_us);
}

void twin_receive(struct twin *twin, uint32_t side)
{
	stack_receive(&twin->stacks[side]);
}

void twin_send(struct twin *twin, uint32_t side)
{
	stack_send(&twin->stacks[side]);
}

void twin_worker_receive(struct twin *twin, uint32_t worker)
{
	stack_receive(twin_worker(twin, worker));
}

void twin_worker_send(struct twin *twin, uint32_t worker)
{
	stack_send(twin_worker(twin, worker));
}

static uint64_t stack_next_us(const struct twin_stack *stack, const struct port *wire_end)
{
	uint64_t due[3] = {
		port_mem_next_us(wire_end), tcp_next_timer_us(stack->tcp), net_next_timer_us(stack->net)};
	uint64_t next_us = UINT64_MAX;

	for (uint32_t i = 0; i < 3; i++)
		next_us = due[i] < next_us ? due[i] : next_us;
	return next_us;
}

uint64_t twin_side_next_us(const struct twin *twin, uint32_t side)
{
	return stack_next_us(&twin->stacks[side], twin->stacks[side].wire_end);
}

uint64_t twin_worker_next_us(const struct twin *twin, uint32_t worker)
{
	const struct twin_stack *stack = worker == 0 ? &twin->stacks[1] : &twin->others[worker - 1];

	return stack_next_us(stack, twin->stacks[1].wire_end);
}

uint64_t twin_next_us(const struct twin *twin)
{
	uint64_t next_us[2] = {twin_side_next_us(twin, 0), twin_side_next_us(twin, 1)};

	return next_us[0] < next_us[1] ? next_us[0] : next_us[1];
}
