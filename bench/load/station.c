// SPDX-License-Identifier: Apache-2.0
#include "load/station.h"

#include "base/assert.h"
#include "base/clock.h"
#include "load/pattern.h"
#include "load/serve.h"
#include "net/packet_pool.h"
#include "net/port_dpdk.h"
#include "tls/conn.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	CACHE_LEN = 256,
	RECORDS_PER_MBUF = 16, // one record buffer for so many packet buffers
	RECORDS_MIN = 256,
	HANDSHAKES_MAX = 16384,
	TICKET_CLIENTS = 1024,
	AEAD_SLOTS_MIN = 4096,
	AEAD_SLOTS_MAX = 32768,
	EAL_OVERHEAD_MB = 64,
	SEND_BUFFER_MIN = 65536,
	ARGUMENTS_MAX = 24
};

static _Noreturn void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "sluice-load: %s: %s\n", what, why);
	exit(2);
}

static uint32_t record_count(const struct load_options *options)
{
	uint32_t n = options->n_mbufs / RECORDS_PER_MBUF;

	return n < RECORDS_MIN ? RECORDS_MIN : n;
}

static void start_eal(const struct load_options *options)
{
	// EAL keeps pointers to some and changes none.
	static char cores[24], memory[24], prefix[48];
	static const char *arguments[ARGUMENTS_MAX];
	size_t len = 2 * options->n_mbufs * packet_pool_buffer_len(options->mtu) +
		     record_count(options) * packet_pool_buffer_len(PROXY_RECORD_LEN);
	bool any_pci = false;
	int n = 0;

	(void)snprintf(cores, sizeof cores, "0@%u", options->core);
	(void)snprintf(memory, sizeof memory, "%zu", (len >> 20) + EAL_OVERHEAD_MB);
	(void)snprintf(prefix, sizeof prefix, "sluice-load-%d", (int)getpid());
	arguments[n++] = "sluice-load";
	arguments[n++] = "--lcores";
	arguments[n++] = cores;
	arguments[n++] = "-m";
	arguments[n++] = memory;
	arguments[n++] = "--file-prefix";
	arguments[n++] = prefix;
	arguments[n++] = "--no-telemetry";
	arguments[n++] = "--log-level=error";
	arguments[n++] = "--log-level=pmd.net.tap:critical";
	// A memif client with zero copy shows its memory to the server, which maps one file per segment list.
	arguments[n++] = options->huge_pages ? "--in-memory" : "--no-huge";
	arguments[n++] = options->huge_pages ? "--single-file-segments" : "--no-shconf";
	for (uint32_t i = 0; i < options->n_devices; i++)
		if (strncmp(options->devices[i], "net_", 4) != 0) {
			arguments[n++] = "-a";
			arguments[n++] = options->devices[i];
			any_pci = true;
		}
	if (!any_pci)
		arguments[n++] = "--no-pci";
	if (rte_eal_init(n, (char **)(uintptr_t)arguments) < 0)
		die("DPDK", "does not start; its own words are above");
}

static struct rte_mempool *make_pool(const char *name, uint32_t n, uint16_t len)
{
	struct rte_mempool *pool = packet_pool_create(name, n, len, CACHE_LEN, -1);

	if (pool == NULL)
		die("packet memory", "not enough; use fewer --mbufs, or provide more huge pages");
	return pool;
}

static void open_ports(struct station *station)
{
	const struct load_options *options = station->options;
	struct port_dpdk_config config = {.n_workers = 1,
		.mtu = options->mtu,
		.rx_pool = station->rx_pool,
		.disabled_capabilities = options->without};
	char reason[256];

	if (getrandom(config.rss_key, sizeof config.rss_key, 0) < 0)
		die("getrandom", "failed");
	for (uint32_t i = 0; i < options->n_devices; i++) {
		config.device = options->devices[i];
		station->ports[i] = port_dpdk_open(&config, reason, sizeof reason);
		if (station->ports[i] == NULL)
			die("device", reason);
		station->net_config.ports[i] = (struct net_port_config){
			.port = station->ports[i], .mtu = options->mtu};
	}
	station->net_config.n_ports = options->n_devices;
}

struct ip_addr station_address(const struct load_range *range, uint32_t idx)
{
	struct ip_addr addr = range->first;
	uint32_t carry = idx;

	for (int i = IP_ADDR_LEN - 1; i >= 0 && carry != 0; i--) {
		carry += addr.bytes[i];
		addr.bytes[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return addr;
}

static void add_addresses(struct station *station, const struct load_range *ranges, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < ranges[i].n; k++)
			station->addresses[station->net_config.n_addresses++] = (struct net_address_config){
				.addr = station_address(&ranges[i], k),
				.prefix_len = ranges[i].prefix_len,
				.port_idx = ranges[i].device};
}

static void configure_net(struct station *station)
{
	const struct load_options *options = station->options;
	struct net_config *config = &station->net_config;
	char reason[256];

	station->addresses = calloc(NET_ADDRESSES_MAX + 2 * 4096, sizeof station->addresses[0]);
	if (station->addresses == NULL)
		die("memory", "not enough");
	add_addresses(station, options->clients, options->n_clients);
	for (uint32_t i = 0; i < options->n_served; i++) {
		// Several ports of one address are named one by one.
		bool known = false;

		for (uint32_t k = 0; k < i; k++)
			known = known || ip_addr_equal(&options->served[k].first, &options->served[i].first);
		if (!known)
			add_addresses(station, &options->served[i], 1);
	}
	for (uint32_t i = 0; i < options->n_gateways; i++) {
		bool is_v4 = ip_addr_is_v4(&options->gateways[i]);

		station->routes[i] = (struct net_route_config){
			.destination = is_v4 ? ip_addr_from_v4(0) : (struct ip_addr){.words = {0, 0}},
			.gateway = options->gateways[i],
			.prefix_len = is_v4 ? IP_ADDR_V4_PREFIX_LEN : 0,
			.port_idx = options->gateway_devices[i]};
	}
	config->addresses = station->addresses;
	config->routes = station->routes;
	config->n_routes = options->n_gateways;
	config->tx_queue_len = 8192;
	if (getrandom(&config->flow_secret, sizeof config->flow_secret, 0) < 0)
		die("getrandom", "failed");
	if (!net_config_check(config, reason, sizeof reason))
		die("network", reason);
}

// Connections of both sides, and some on their way in or out. What lingers is kept briefly: the generator has
// more flows to come than addresses and ports.
static void tcp_settings(const struct load_options *options, struct tcp_config *out)
{
	uint32_t shared = SERVE_REFERENCES_MAX / options->n_connections * PATTERN_PERIOD;

	tcp_config_default(out, 2 * options->n_connections + options->n_connections / 2 + 1024);
	out->receive_memory = (uint64_t)options->n_mbufs / 2 * 2304;
	out->resets_per_s = options->mode == LOAD_FLOOD && options->flood == LOAD_FLOOD_SYN ? 0 : 1000000;
	out->time_wait_ms = 2000;
	out->connect_timeout_ms = (uint32_t)(options->timeout_s * 1000) + 1000;
	out->connect_port_first = 1024;
	out->connect_port_last = 65535;
	out->keepalive_idle_ms = 0;
	// So that every connection of the backend's has its share of references to the pattern.
	if (out->send_buffer > shared && options->n_served != 0)
		out->send_buffer = shared > SEND_BUFFER_MIN ? shared : SEND_BUFFER_MIN;
	if (options->buffer_len == 0)
		return;
	out->send_buffer = out->receive_window_max = options->buffer_len;
	if (out->receive_window_initial > options->buffer_len)
		out->receive_window_initial = options->buffer_len;
}

static struct tls_engine_settings tls_settings(const struct load_options *options)
{
	uint32_t n = options->n_connections + 64;

	return (struct tls_engine_settings){
		.n_handshakes = n < HANDSHAKES_MAX ? n : HANDSHAKES_MAX, .n_clients = TICKET_CLIENTS};
}

static struct crypto_settings crypto_settings(const struct load_options *options)
{
	uint32_t n = 2 * options->n_connections;

	n = n < AEAD_SLOTS_MIN ? AEAD_SLOTS_MIN : n;
	return (struct crypto_settings){.lanes = {.body = SELECT_LANES_AUTO},
		.n_aead_slots = n < AEAD_SLOTS_MAX ? n : AEAD_SLOTS_MAX};
}

static void open_stack(struct station *station)
{
	const struct load_options *options = station->options;
	struct tls_engine_settings tls = tls_settings(options);
	struct crypto_settings crypto = crypto_settings(options);
	struct net_setup net = {.config = &station->net_config,
		.counters = &station->counters,
		.log = &station->log,
		.tx_pool = station->tx_pool,
		.n_workers = 1};
	struct tcp_config tcp;
	uint32_t n_tls = options->n_connections + 64;
	uint64_t now_us = clock_now_us();

	tcp_settings(options, &tcp);
	if (getrandom(tcp.secret, sizeof tcp.secret, 0) < 0)
		die("getrandom", "failed");
	if (!arena_init(&station->arena,
		    net_footprint(&station->net_config) + tcp_footprint(&tcp) + crypto_footprint(&crypto) +
			    tls_engine_footprint(&tls) + pool_footprint(n_tls, sizeof(struct tls_conn)) +
			    PROXY_PIECES_MAX * (sizeof(struct tcp_piece) + sizeof(struct span)) +
			    64 * sizeof(struct log_event) + (64 << 10)))
		die("memory", "not enough for so many --connections");
	SLUICE_ASSERT(log_ring_init(&station->log, &station->arena, 64, 0));
	station->net = net_init(&net, &station->arena, now_us);
	if (station->net == NULL ||
		!crypto_init(&station->crypto, &station->arena, &crypto, &station->counters) ||
		!tls_engine_init(&station->tls, &station->arena, &tls, &station->crypto))
		die("memory", "the arena is too small");
	station->tcp = tcp_init(&tcp, &station->arena, station->net, &station->counters, now_us);
	station->legs = (struct proxy){.tcp = station->tcp,
		.engine = &station->tls,
		.counters = &station->counters,
		.small_pool = station->tx_pool,
		.record_pool = station->record_pool,
		.pieces = arena_alloc(&station->arena, PROXY_PIECES_MAX * sizeof(struct tcp_piece), 64),
		.spans = arena_alloc(&station->arena, PROXY_PIECES_MAX * sizeof(struct span), 64)};
	if (station->tcp == NULL || station->legs.pieces == NULL || station->legs.spans == NULL ||
		!pool_init(&station->legs.tls_conns, &station->arena, n_tls, sizeof(struct tls_conn)))
		die("memory", "the arena is too small");
}

void station_open(struct station *station, const struct load_options *options)
{
	station->options = options;
	start_eal(options);
	// The records' buffers hold what a small buffer holds, too.
	station->rx_pool = make_pool("load-receive", options->n_mbufs, options->mtu);
	station->tx_pool = make_pool("load-send", options->n_mbufs,
		options->mtu > PROXY_SMALL_LEN ? options->mtu : PROXY_SMALL_LEN);
	station->record_pool = make_pool("load-record", record_count(options), PROXY_RECORD_LEN);
	open_ports(station);
	configure_net(station);
	open_stack(station);
}

uint64_t station_receive(struct station *station)
{
	struct net_icmp_error errors[16];
	uint64_t n_in = counter_get(&station->counters, COUNTER_NET_RX_PACKETS);
	uint32_t n, n_errors;

	station->now_us = clock_now_us();
	station->now_tsc = clock_tsc();
	station->legs.now_us = station->now_us;
	crypto_begin_turn(&station->crypto, station->now_us, station->now_tsc);
	tls_engine_set_wall(&station->tls, clock_wall_us());
	n = net_rx_burst(station->net, station->now_us, station->segments, STATION_BURST);
	tcp_input_burst(station->tcp, station->segments, n, station->now_us);
	while ((n_errors = net_icmp_errors(station->net, errors, 16)) != 0)
		tcp_input_icmp(station->tcp, errors, n_errors, station->now_us);
	n_in = counter_get(&station->counters, COUNTER_NET_RX_PACKETS) - n_in;
	return n_in + lanes_run(station->crypto.lanes, clock_tsc(), n_in == 0);
}

uint64_t station_send(struct station *station)
{
	uint64_t n_out = counter_get(&station->counters, COUNTER_NET_TX_PACKETS);

	tcp_timers(station->tcp, station->now_us);
	tcp_output_flush(station->tcp, station->now_us);
	net_timers(station->net, station->now_us);
	net_flush(station->net, station->now_us);
	return counter_get(&station->counters, COUNTER_NET_TX_PACKETS) - n_out;
}

bool station_is_up(struct station *station)
{
	for (uint32_t i = 0; i < station->net_config.n_ports; i++)
		if (!port_link_up(station->ports[i]))
			return false;
	for (uint32_t i = 0; i < station->net_config.n_addresses; i++)
		if (!net_address_usable(station->net, &station->addresses[i].addr, NULL))
			return false;
	return true;
}

uint64_t station_close(struct station *station)
{
	uint64_t n_missing = 0, n_kept = 0;
	const struct {
		struct rte_mempool *pool;
		uint32_t n;
	} pools[] = {{station->rx_pool, station->options->n_mbufs},
		{station->tx_pool, station->options->n_mbufs},
		{station->record_pool, record_count(station->options)}};

	tcp_stop(station->tcp);
	net_stop(station->net);
	tls_engine_destroy(&station->tls);
	crypto_destroy(&station->crypto);
	for (uint32_t i = 0; i < station->net_config.n_ports; i++) {
		n_kept += station->ports[i]->info.n_buffers_kept;
		port_close(station->ports[i]);
	}
	for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++)
		n_missing += pools[i].n - rte_mempool_avail_count(pools[i].pool);
	arena_destroy(&station->arena);
	free(station->addresses);
	return n_missing > n_kept ? n_missing - n_kept : 0;
}
