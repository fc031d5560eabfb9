// SPDX-License-Identifier: Apache-2.0
//
// What net costs per packet: on a port that costs nothing (the budget of PERFORMANCE.md is for net alone,
// beside the driver), on port_mem, and over memif between two processes.
//
//     bench-net [--json] [--quick] [--only TEXT]
#include "bench_net.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/checksum.h"
#include "net/packet_pool.h"
#include "net/port_mem.h"
#include "net/wire.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SAMPLES = 61,
	SAMPLES_QUICK = 9,
	N_FRAMES = 512, // distinct buffers in flight, as in a NIC's ring
	MTU = 1500
};

const uint8_t bench_mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
const struct ip_addr bench_address[2] = {
	{.bytes = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}},
	{.bytes = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 2}},
};

void bench_start_eal(const char *core)
{
	char name[] = "bench-net", cores[16], no_huge[] = "--no-huge", no_pci[] = "--no-pci",
	     no_shared[] = "--no-shconf", memory[] = "-m512", quiet[] = "--log-level=error",
	     no_telemetry[] = "--no-telemetry", single_file[] = "--single-file-segments"; // memif's zero copy
	char *arguments[] = {
		name, cores, no_huge, no_pci, no_shared, memory, quiet, no_telemetry, single_file, NULL};

	(void)snprintf(cores, sizeof cores, "-l%s", core);
	SLUICE_ASSERT(rte_eal_init(9, arguments) >= 0);
}

struct rte_mempool *bench_pool(const char *name)
{
	struct rte_mempool *pool = packet_pool_create(name, BENCH_BUFFERS, MTU, 256, 0);

	SLUICE_ASSERT(pool != NULL);
	return pool;
}

void bench_open_station(
	struct bench_station *station, struct port *port, struct rte_mempool *pool, uint32_t idx)
{
	struct net_setup setup = {.config = &station->config,
		.counters = &station->counters,
		.log = &station->log,
		.tx_pool = pool,
		.n_workers = 1};

	memset(station, 0, sizeof *station);
	station->port = port;
	station->pool = pool;
	memcpy(port->info.mac, bench_mac[idx], sizeof port->info.mac);
	station->address = (struct net_address_config){.addr = bench_address[idx], .prefix_len = 120};
	station->config = (struct net_config){
		.n_ports = 1,
		.ports = {{.port = port, .mtu = MTU}},
		.n_addresses = 1,
		.addresses = &station->address,
		.flow_secret = {.nh = {1, 2, 3, 4, 5, 6}, .fold = {7, 8, 9}},
	};
	SLUICE_ASSERT(arena_init(&station->arena, net_footprint(&station->config) + (1 << 20)));
	SLUICE_ASSERT(log_ring_init(&station->log, &station->arena, 64, 0));
	station->net = net_init(&setup, &station->arena, clock_now_us());
	SLUICE_ASSERT(station->net != NULL);
}

static size_t build_ip(uint8_t *out, uint8_t protocol, size_t payload_len)
{
	struct wire_ethernet *ethernet = (struct wire_ethernet *)(void *)out;
	struct wire_ip4 *ip = (struct wire_ip4 *)(void *)(ethernet + 1);

	memcpy(ethernet->destination, bench_mac[0], 6);
	memcpy(ethernet->source, bench_mac[1], 6);
	ethernet->type = be16(ETHERTYPE_IP4);
	*ip = (struct wire_ip4){.version_ihl = IP4_VERSION_IHL,
		.total_len = be16((uint16_t)(sizeof *ip + payload_len)),
		.fragment = be16(IP4_DONT_FRAGMENT),
		.ttl = 64,
		.protocol = protocol,
		.source = ip_addr_v4(&bench_address[1]),
		.destination = ip_addr_v4(&bench_address[0])};
	ip->checksum = checksum_finish(checksum_sum_ip4(ip));
	return sizeof *ethernet + sizeof *ip;
}

size_t bench_build_frame(enum bench_frame kind, uint16_t source_port, uint16_t payload_len, uint8_t *out)
{
	bool is_tcp = kind == BENCH_FRAME_TCP;
	size_t header_len = is_tcp ? sizeof(struct wire_tcp) : sizeof(struct wire_icmp);
	size_t offset = build_ip(out, is_tcp ? IP_PROTOCOL_TCP : IP_PROTOCOL_ICMP, header_len + payload_len);
	uint8_t *transport = out + offset;
	uint32_t len = (uint32_t)(header_len + payload_len);

	memset(transport, 0, header_len);
	memset(transport + header_len, 0x5a, payload_len);
	if (is_tcp) {
		struct wire_tcp *tcp = (struct wire_tcp *)(void *)transport;

		tcp->source_port = be16(source_port);
		tcp->destination_port = be16(443);
		tcp->data_offset = 5 << 4;
		tcp->flags = SEGMENT_ACK;
		tcp->checksum = checksum_finish(checksum_sum(tcp, len,
			checksum_sum_pseudo(&bench_address[0], &bench_address[1], IP_PROTOCOL_TCP, len)));
	} else {
		struct wire_icmp *icmp = (struct wire_icmp *)(void *)transport;

		icmp->type = ICMP_ECHO_REQUEST;
		icmp->rest = source_port;
		icmp->checksum = checksum_finish(checksum_sum(icmp, len, 0));
	}
	return offset + len;
}

void bench_fill_segment(struct rte_mbuf *m, uint16_t payload_len)
{
	struct wire_tcp *tcp = (struct wire_tcp *)(void *)rte_pktmbuf_append(
		m, (uint16_t)(sizeof *tcp + payload_len));

	*tcp = (struct wire_tcp){.source_port = be16(443),
		.destination_port = be16(40000),
		.data_offset = 5 << 4,
		.flags = SEGMENT_ACK};
}

// A port that costs next to nothing: receives the same buffers again and again, and forgets what it sends.
struct stub {
	struct port port;
	struct rte_mbuf *mbufs[N_FRAMES];
	uint16_t frame_len;
	uint64_t verdict;
	uint32_t next;
};

static uint16_t stub_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct stub *stub = (struct stub *)port;

	(void)queue;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = stub->mbufs[stub->next++ % N_FRAMES];

		m->data_off = PACKET_HEADROOM;
		m->data_len = stub->frame_len;
		m->pkt_len = stub->frame_len;
		m->ol_flags = stub->verdict;
		mbufs[i] = m;
	}
	return n;
}

static uint16_t stub_tx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	(void)port;
	(void)queue;
	(void)mbufs;
	return n;
}

static bool stub_link_up(struct port *port)
{
	(void)port;
	return true;
}

static const struct port_ops stub_ops = {
	.rx_burst = stub_rx_burst, .tx_burst = stub_tx_burst, .link_up = stub_link_up};

static struct stub stub = {
	.port = {.ops = &stub_ops,
		.info = {.mtu = MTU, .n_queues = 1, .tx_segments_max = 1, .numa_node = -1}}};
static struct bench_station station;
static struct net_path path;
static uint16_t segment_len;
static volatile uint64_t sink;

static void set_frames(enum bench_frame kind, uint16_t payload_len, uint64_t verdict)
{
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		struct rte_mbuf *m = stub.mbufs[i];

		m->data_off = PACKET_HEADROOM;
		stub.frame_len = (uint16_t)bench_build_frame(
			kind, (uint16_t)(1024 + i), payload_len, rte_pktmbuf_mtod(m, uint8_t *));
	}
	stub.verdict = verdict;
}

static void body_stub_rx(void *context, size_t times)
{
	struct rte_mbuf *mbufs[BENCH_BURST];

	(void)context;
	for (size_t i = 0; i < times; i++)
		(void)port_rx_burst(&stub.port, 0, mbufs, BENCH_BURST);
}

static void body_rx(void *context, size_t times)
{
	struct segment segments[BENCH_BURST];

	(void)context;
	for (size_t i = 0; i < times; i++)
		SLUICE_ASSERT(net_rx_burst(station.net, 1, segments, BENCH_BURST) == BENCH_BURST);
}

static void body_echo(void *context, size_t times)
{
	struct segment segments[BENCH_BURST];

	(void)context;
	for (size_t i = 0; i < times; i++) {
		struct wire_icmp *icmp;

		SLUICE_ASSERT(net_rx_burst(station.net, 1, segments, BENCH_BURST) == 0);
		net_flush(station.net, 1);
		// The answers become questions again: type and addresses; the checksum follows the type.
		for (uint32_t k = 0; k < BENCH_BURST; k++) {
			uint8_t *frame =
				(uint8_t *)stub.mbufs[(stub.next - BENCH_BURST + k) % N_FRAMES]->buf_addr +
				PACKET_HEADROOM;
			struct wire_ip4 *ip = (struct wire_ip4 *)(void *)(frame + WIRE_ETHERNET_LEN);
			uint32_t source = ip->source;

			icmp = (struct wire_icmp *)(void *)(ip + 1);
			ip->source = ip->destination;
			ip->destination = source;
			memcpy(frame, bench_mac[0], 6);
			memcpy(frame + 6, bench_mac[1], 6);
			icmp->type = ICMP_ECHO_REQUEST;
			icmp->checksum = be16((uint16_t)(be16(icmp->checksum) - (ICMP_ECHO_REQUEST << 8)));
		}
	}
}

static struct rte_mbuf *next_segment(void)
{
	struct rte_mbuf *m = stub.mbufs[stub.next++ % N_FRAMES];

	m->data_off = PACKET_HEADROOM;
	m->data_len = segment_len;
	m->pkt_len = segment_len;
	return m;
}

static void body_stub_tx(void *context, size_t times)
{
	(void)context;
	for (size_t i = 0; i < times; i++)
		for (uint32_t k = 0; k < BENCH_BURST; k++)
			sink = next_segment()->data_len;
}

static void body_tx(void *context, size_t times)
{
	struct flow_key key = bench_key();

	(void)context;
	for (size_t i = 0; i < times; i++) {
		for (uint32_t k = 0; k < BENCH_BURST; k++)
			net_output_tcp(station.net, &path, &key, next_segment(), 0, 0);
		net_flush(station.net, 1);
	}
}

// Measures body and stub, and adds the difference as the row that counts.
static void row(struct measure *measure, const char *name, measure_body *body, measure_body *stub_body,
	uint64_t limit)
{
	char with[64], without[64];

	(void)snprintf(with, sizeof with, "%s_with_stub", name);
	(void)snprintf(without, sizeof without, "%s_stub", name);
	if (!measure_wants(measure, name))
		return;
	measure_row(
		measure, &(struct measure_row){
				 .name = without, .lanes = 1, .body = stub_body, .n_per_run = BENCH_BURST});
	measure_row(measure,
		&(struct measure_row){
			.name = with, .lanes = 1, .body = body, .n_per_run = BENCH_BURST, .limit = limit});
	measure_value(measure, name, "tsc per packet",
		measure_median(measure, with, 1) - measure_median(measure, without, 1));
}

// Makes station 1 known by an ARP request of its, so that output has a neighbour.
static void introduce(void)
{
	static const uint8_t request[] = {
		0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1};
	struct flow_key key = bench_key();
	struct segment segments[BENCH_BURST];
	struct rte_mbuf *m = rte_pktmbuf_alloc(station.pool);
	uint8_t *frame = rte_pktmbuf_mtod(stub.mbufs[0], uint8_t *);

	SLUICE_ASSERT(net_path_find(station.net, &key.local, &key.remote, &path));
	bench_fill_segment(m, 0);
	net_output_tcp(station.net, &path, &key, m, 0, 0);
	set_frames(BENCH_FRAME_TCP, 0, 0);
	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		frame = (uint8_t *)stub.mbufs[i]->buf_addr + PACKET_HEADROOM;
		frame[12] = 8;
		frame[13] = 6;
		memcpy(frame + WIRE_ETHERNET_LEN, request, sizeof request);
		rte_mbuf_refcnt_update(stub.mbufs[i], 1); // net frees what it takes in
	}
	stub.next = 0;
	(void)net_rx_burst(station.net, 1, segments, BENCH_BURST);
	net_flush(station.net, 1);
	SLUICE_ASSERT(counter_get(&station.counters, COUNTER_NET_ARP_LEARNED) != 0);
}

static void set_segments(uint16_t payload_len, uint32_t capabilities)
{
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		rte_pktmbuf_reset(stub.mbufs[i]);
		bench_fill_segment(stub.mbufs[i], payload_len);
	}
	segment_len = (uint16_t)(payload_len + WIRE_TCP_LEN);
	path.capabilities = (uint16_t)capabilities;
}

static void body_flow_hash(void *context, size_t times)
{
	struct flow_key key = bench_key();

	(void)context;
	for (size_t i = 0; i < times; i++) {
		key.remote_port = (uint16_t)(key.remote_port + net_flow_hash(station.net, &key));
		sink = key.remote_port;
	}
}

static void body_checksum(void *context, size_t times)
{
	(void)context;
	for (size_t i = 0; i < times; i++)
		sink = checksum_sum(stub.mbufs[i % N_FRAMES]->buf_addr, 1448, i);
}

static void rows_alone(struct measure *measure)
{
	const uint64_t good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

	measure_row(measure, &(struct measure_row){.name = "flow_hash", .lanes = 1, .body = body_flow_hash});
	measure_row(
		measure, &(struct measure_row){.name = "checksum_1448", .lanes = 1, .body = body_checksum});
	set_frames(BENCH_FRAME_TCP, 0, good);
	row(measure, "net_rx_offload", body_rx, body_stub_rx, 60);
	set_frames(BENCH_FRAME_TCP, 0, 0);
	row(measure, "net_rx_0", body_rx, body_stub_rx, 60);
	set_frames(BENCH_FRAME_TCP, 1448, 0);
	row(measure, "net_rx_1448", body_rx, body_stub_rx, 60);
	set_frames(BENCH_FRAME_ECHO, 6, 0);
	row(measure, "net_echo", body_echo, body_stub_rx, 120);
	set_segments(0, NET_PATH_CHECKSUM);
	row(measure, "net_tx_offload", body_tx, body_stub_tx, 60);
	set_segments(0, 0);
	row(measure, "net_tx_0", body_tx, body_stub_tx, 60);
	set_segments(1448, 0);
	row(measure, "net_tx_1448", body_tx, body_stub_tx, 60);
}

// Question, wire, answer, wire: everything that a burst of pings costs, the wire's four copies included.
struct mem_context {
	struct port *ends[2];
	struct bench_station station;
	struct rte_mempool *pool;
	uint8_t frame[128];
	size_t frame_len;
};

static void body_mem_echo(void *context, size_t times)
{
	struct mem_context *mem = context;
	struct segment segments[BENCH_BURST];
	struct rte_mbuf *mbufs[BENCH_BURST];

	for (size_t i = 0; i < times; i++) {
		SLUICE_ASSERT(rte_pktmbuf_alloc_bulk(mem->pool, mbufs, BENCH_BURST) == 0);
		for (uint32_t k = 0; k < BENCH_BURST; k++)
			memcpy(rte_pktmbuf_append(mbufs[k], (uint16_t)mem->frame_len), mem->frame,
				mem->frame_len);
		(void)port_tx_burst(mem->ends[1], 0, mbufs, BENCH_BURST);
		(void)net_rx_burst(mem->station.net, 1, segments, BENCH_BURST);
		net_flush(mem->station.net, 1);
		SLUICE_ASSERT(port_rx_burst(mem->ends[1], 0, mbufs, BENCH_BURST) == BENCH_BURST);
		rte_pktmbuf_free_bulk(mbufs, BENCH_BURST);
	}
}

static void rows_port_mem(struct measure *measure)
{
	static struct mem_context mem;
	struct port_mem_config config = {.seed = 1};

	mem.pool = bench_pool("mem");
	for (uint32_t i = 0; i < 2; i++)
		config.ends[i] = (struct port_mem_end){.mtu = MTU, .n_queues = 1, .rx_pool = mem.pool};
	SLUICE_ASSERT(port_mem_open(&config, mem.ends));
	bench_open_station(&mem.station, mem.ends[0], mem.pool, 0);
	mem.frame_len = bench_build_frame(BENCH_FRAME_ECHO, 1, 22, mem.frame);
	measure_row(measure, &(struct measure_row){.name = "port_mem_echo_64",
				     .lanes = 1,
				     .body = body_mem_echo,
				     .context = &mem,
				     .n_per_run = BENCH_BURST});
	if (measure_wants(measure, "port_mem_echo_64"))
		measure_value(measure, "port_mem_echo_64_rate", "packets/s",
			(double)clock_tsc_hz() / measure_median(measure, "port_mem_echo_64", 1));
}

int main(int argc, char **argv)
{
	struct measure_options options = {.n_samples = SAMPLES};
	struct measure *measure;

	clock_init();
	checksum_init();
	if (argc > 1 && strcmp(argv[1], "--generator") == 0)
		return bench_generator(argc - 2, argv + 2);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			options.json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			options.n_samples = SAMPLES_QUICK;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			options.only = argv[++i];
		} else {
			(void)fprintf(stderr, "usage: %s [--json] [--quick] [--only TEXT]\n", argv[0]);
			return 2;
		}
	}
	bench_start_eal("0");
	station.pool = bench_pool("stub");
	SLUICE_ASSERT(rte_pktmbuf_alloc_bulk(station.pool, stub.mbufs, N_FRAMES) == 0);
	bench_open_station(&station, &stub.port, station.pool, 0);
	measure = measure_create(&options);
	introduce();
	rows_alone(measure);
	rows_port_mem(measure);
	bench_rows_memif(measure);
	measure_finish(measure);
	return 0;
}
