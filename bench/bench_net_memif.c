// SPDX-License-Identifier: Apache-2.0
//
// net over memif: the measured process is the copying server, a second process of the same program the client
// that makes or swallows packets in its own memory (zero copy). Rows called memif_client are of the other
// role: the measured process is the client, without zero copy, so that both sides copy. The first core
// measures, the second generates.
#include "bench_net.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/port_dpdk.h"

#include <math.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WARM_UP_US = 300 * 1000,
	WINDOW_US = 50 * 1000,
	WINDOWS = 41,       // short ones, so that some are spared by what else runs
	PREEMPTED_US = 100, // no turn of 64 packets takes this long by itself
	CONNECT_US = 30 * 1000 * 1000,
	FRAME_MAX = 1600
};

enum role {
	ROLE_SERVER,
	ROLE_CLIENT,
	ROLE_CLIENT_ZERO_COPY
};

static struct port *open_memif(enum role role, const char *socket, struct rte_mempool *pool)
{
	static const char *const words[] = {[ROLE_SERVER] = "server",
		[ROLE_CLIENT] = "client",
		[ROLE_CLIENT_ZERO_COPY] = "client,zero-copy=yes"};
	char device[256], reason[256];
	struct port_dpdk_config config = {.device = device, .n_workers = 1, .mtu = 1500, .rx_pool = pool};
	struct port *port;

	(void)snprintf(device, sizeof device, "net_memif0,role=%s,socket=%s,socket-abstract=no,rsize=11",
		words[role], socket);
	port = port_dpdk_open(&config, reason, sizeof reason);
	if (port == NULL) {
		(void)fprintf(stderr, "%s\n", reason);
		exit(1);
	}
	return port;
}

// What the second process sends; nothing where it only swallows.
struct load {
	struct rte_mbuf *mbufs[BENCH_BURST];
	bool sends;
};

static void make_load(struct load *load, struct rte_mempool *pool, const char *kind, uint16_t payload_len)
{
	uint8_t frame[FRAME_MAX];

	load->sends = strcmp(kind, "sink") != 0;
	if (!load->sends)
		return;
	SLUICE_ASSERT(rte_pktmbuf_alloc_bulk(pool, load->mbufs, BENCH_BURST) == 0);
	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		size_t len = bench_build_frame(strcmp(kind, "echo") == 0 ? BENCH_FRAME_ECHO : BENCH_FRAME_TCP,
			(uint16_t)(1024 + i), payload_len, frame);

		memcpy(rte_pktmbuf_append(load->mbufs[i], (uint16_t)len), frame, len);
	}
}

// The frames stay ours: the driver gives its references back once they are copied.
static void send_load(struct load *load, struct port *port)
{
	uint16_t n_sent;

	for (uint32_t i = 0; i < BENCH_BURST; i++)
		rte_mbuf_refcnt_update(load->mbufs[i], 1);
	n_sent = port_tx_burst(port, 0, load->mbufs, BENCH_BURST);
	for (uint32_t i = n_sent; i < BENCH_BURST; i++)
		rte_mbuf_refcnt_update(load->mbufs[i], -1);
}

// Runs until its parent ends it. Its arguments: kind, payload length, role.
int bench_generator(int argc, char **argv)
{
	static struct bench_station station;
	static struct load load;
	struct segment segments[BENCH_BURST];
	pid_t parent = getppid();
	struct rte_mempool *pool;
	struct port *port;

	if (argc != 4)
		return 2;
	bench_start_eal(sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "1" : "0");
	pool = bench_pool("generator");
	port = open_memif((enum role)strtoul(argv[3], NULL, 10), argv[0], pool);
	bench_open_station(&station, port, pool, 1);
	make_load(&load, pool, argv[1], (uint16_t)strtoul(argv[2], NULL, 10));
	while (getppid() == parent)
		for (uint32_t turn = 0; turn < 1000; turn++) {
			uint64_t now_us = clock_now_us();
			uint32_t n = net_rx_burst(station.net, now_us, segments, BENCH_BURST);

			for (uint32_t i = 0; i < n; i++)
				rte_pktmbuf_free(segments[i].mbuf);
			net_timers(station.net, now_us);
			if (load.sends)
				send_load(&load, port);
			net_flush(station.net, now_us);
		}
	return 0;
}

struct memif_row {
	const char *name;
	const char *kind; // what the generator sends
	uint16_t payload_len;
	enum role role; // of the measured process
};

// A server's socket is there before the client opens its end.
static void wait_for_socket(const char *socket)
{
	uint64_t deadline_us = clock_now_us() + CONNECT_US;

	while (access(socket, F_OK) != 0 && clock_now_us() < deadline_us)
		(void)usleep(1000);
}

static pid_t start_generator(const char *socket, const struct memif_row *row)
{
	char len[8], role[8];
	pid_t pid = fork();

	SLUICE_ASSERT(pid >= 0);
	if (pid == 0) {
		(void)snprintf(len, sizeof len, "%u", row->payload_len);
		(void)snprintf(role, sizeof role, "%u",
			row->role == ROLE_SERVER ? ROLE_CLIENT_ZERO_COPY : ROLE_SERVER);
		(void)execl("/proc/self/exe", "bench-net", "--generator", socket, row->kind, len, role,
			(char *)NULL);
		_exit(127);
	}
	return pid;
}

// What is measured: packets in or out of one window; and ticks and packets of the turns that had any and that
// the system did not interrupt for something else.
struct window {
	uint64_t n_packets;
	uint64_t n_busy_packets;
	uint64_t busy_tsc;
	double seconds;
};

static void send_segments(struct bench_station *station, struct net_path *path, uint16_t payload_len)
{
	struct flow_key key = bench_key();
	struct rte_mbuf *mbufs[BENCH_BURST];

	if (!net_mbuf_alloc_burst(station->net, mbufs, BENCH_BURST))
		return;
	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		bench_fill_segment(mbufs[i], payload_len);
		net_output_tcp(station->net, path, &key, mbufs[i], 0, 0);
	}
}

// What counts as a packet of the measured kind.
static uint64_t count_packets(const struct bench_station *station, bool sends)
{
	return counter_get(&station->counters, sends ? COUNTER_NET_TX_PACKETS : COUNTER_NET_RX_PACKETS);
}

static struct window run_window(
	struct bench_station *station, struct net_path *path, uint16_t payload_len, uint64_t us)
{
	struct segment segments[BENCH_BURST];
	uint64_t start_us = clock_now_us(), now_us = start_us;
	struct window window = {0};
	bool sends = path != NULL;
	uint64_t n_start = count_packets(station, sends);
	uint64_t preempted_tsc = clock_tsc_hz() / 1000000 * PREEMPTED_US;

	for (; now_us < start_us + us; now_us = clock_now_us()) {
		uint64_t n_before = count_packets(station, sends);
		uint64_t started_tsc = clock_tsc();
		uint32_t n = net_rx_burst(station->net, now_us, segments, BENCH_BURST);
		struct rte_mbuf *mbufs[BENCH_BURST];
		uint64_t took_tsc, n_moved;

		for (uint32_t i = 0; i < n; i++)
			mbufs[i] = segments[i].mbuf;
		rte_pktmbuf_free_bulk(mbufs, n);
		if (sends)
			send_segments(station, path, payload_len);
		net_timers(station->net, now_us);
		net_flush(station->net, now_us);
		took_tsc = clock_tsc() - started_tsc;
		n_moved = count_packets(station, sends) - n_before;
		if (n_moved != 0 && took_tsc < preempted_tsc) {
			window.busy_tsc += took_tsc;
			window.n_busy_packets += n_moved;
		}
	}
	window.n_packets = count_packets(station, sends) - n_start;
	window.seconds = (double)(now_us - start_us) / 1e6;
	return window;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(struct measure *measure, const char *name, double *rates, double *costs)
{
	char row_name[64];

	qsort(rates, WINDOWS, sizeof rates[0], compare);
	qsort(costs, WINDOWS, sizeof costs[0], compare);
	(void)snprintf(row_name, sizeof row_name, "%s_rate", name);
	measure_value(measure, row_name, "packets/s", rates[WINDOWS / 2]);
	(void)snprintf(row_name, sizeof row_name, "%s_rate_best", name);
	measure_value(measure, row_name, "packets/s", rates[WINDOWS - 1]);
	(void)snprintf(row_name, sizeof row_name, "%s_tsc", name);
	measure_value(measure, row_name, "tsc per packet, memif included", costs[WINDOWS / 2]);
	(void)snprintf(row_name, sizeof row_name, "%s_tsc_best", name);
	measure_value(measure, row_name, "tsc per packet, memif included", costs[0]);
}

// Waits until the other side is there, and for output until its address is resolved.
static void connect(struct bench_station *station, struct net_path *path)
{
	uint64_t deadline_us = clock_now_us() + CONNECT_US;

	while (!port_link_up(station->port) && clock_now_us() < deadline_us)
		(void)run_window(station, NULL, 0, 1000);
	SLUICE_ASSERT(port_link_up(station->port));
	if (path == NULL)
		return;
	SLUICE_ASSERT(net_path_find(station->net, &bench_address[0], &bench_address[1], path));
	while (counter_get(&station->counters, COUNTER_NET_ARP_LEARNED) == 0 &&
		clock_now_us() < deadline_us) {
		send_segments(station, path, 0);
		(void)run_window(station, NULL, 0, 1000);
	}
}

static void measure_memif(
	struct measure *measure, const struct memif_row *row, const char *socket, struct rte_mempool *pool)
{
	static struct bench_station station;
	double rates[WINDOWS], costs[WINDOWS];
	bool sends = strcmp(row->kind, "sink") == 0;
	pid_t generator = 0;
	struct net_path path;

	if (row->role != ROLE_SERVER) {
		generator = start_generator(socket, row);
		wait_for_socket(socket);
	}
	bench_open_station(&station, open_memif(row->role, socket, pool), pool, 0);
	if (row->role == ROLE_SERVER)
		generator = start_generator(socket, row);
	connect(&station, sends ? &path : NULL);
	(void)run_window(&station, sends ? &path : NULL, row->payload_len, WARM_UP_US);
	for (uint32_t i = 0; i < WINDOWS; i++) {
		struct window window = run_window(
			&station, sends ? &path : NULL, row->payload_len, WINDOW_US);

		rates[i] = (double)window.n_packets / window.seconds;
		costs[i] = window.n_busy_packets != 0
				   ? (double)window.busy_tsc / (double)window.n_busy_packets
				   : HUGE_VAL;
	}
	(void)kill(generator, SIGKILL);
	(void)waitpid(generator, NULL, 0);
	report(measure, row->name, rates, costs);
	net_stop(station.net);
	port_close(station.port);
	arena_destroy(&station.arena);
	(void)unlink(socket); // a server that was killed leaves it
}

void bench_rows_memif(struct measure *measure)
{
	static const struct memif_row rows[] = {
		{"memif_echo_64", "echo", 22, ROLE_SERVER},
		{"memif_rx_64", "tcp", 10, ROLE_SERVER},
		{"memif_rx_1500", "tcp", 1448, ROLE_SERVER},
		{"memif_tx_64", "sink", 10, ROLE_SERVER},
		{"memif_tx_1500", "sink", 1448, ROLE_SERVER},
		{"memif_client_echo_64", "echo", 22, ROLE_CLIENT},
		{"memif_client_rx_1500", "tcp", 1448, ROLE_CLIENT},
		{"memif_client_tx_1500", "sink", 1448, ROLE_CLIENT},
	};
	char folder[] = "/tmp/bench-net.XXXXXX", socket[64];
	struct rte_mempool *pool;

	SLUICE_ASSERT(mkdtemp(folder) != NULL);
	(void)snprintf(socket, sizeof socket, "%s/memif.sock", folder);
	pool = bench_pool("memif");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char rate[64];

		(void)snprintf(rate, sizeof rate, "%s_rate", rows[i].name);
		if (measure_wants(measure, rate))
			measure_memif(measure, &rows[i], socket, pool);
	}
	(void)rmdir(folder);
}
