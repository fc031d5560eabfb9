// SPDX-License-Identifier: Apache-2.0
//
// The old small services over our own stack, for driving it with anybody's tools:
//
//   tcp-service --device net_tap0,iface=sluice0 --address 192.0.2.1/24 [--address 2001:db8::1/64] ...
//       [--gateway 192.0.2.254] [--relay PORT=ADDRESS,PORT] [--mtu 1500] [--core 0] [--conns 16384] [--mbufs
//       32768]
//       [--without CAPABILITIES]   port_capability bits not to use (4: TSO, 8: chains)
//       [--user-timeout MS] [--cc cubic|newreno]
//
//   7 echo    9 discard    13 accepts and closes at once    19 chargen
//   --relay   what connects to PORT is connected onward, bytes go both ways by reference
//
// Plain TCP over IPv4 and IPv6 on any port that DPDK drives. SIGTERM ends it: counters are printed, and the
// exit status is 3 when a packet buffer has leaked.
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/log_ring.h"
#include "net/net.h"
#include "net/output.h"
#include "net/packet_pool.h"
#include "net/port_dpdk.h"
#include "tcp/tcp.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	ADDRESSES_MAX = 8,
	RELAYS_MAX = 8,
	PORT_ECHO = 7,
	PORT_DISCARD = 9,
	PORT_CLOSE = 13,
	PORT_CHARGEN = 19,
	CHARGEN_LINES = 95,
	CHARGEN_LINE_LEN = 74,
	READY_BURST = 64,
	PIECES = 32,
	IDLE_NS = 20000
};

// What a listener's tag says.
enum service {
	SERVICE_ECHO,
	SERVICE_DISCARD,
	SERVICE_CLOSE,
	SERVICE_CHARGEN,
	SERVICE_RELAY // + index of the relay
};

struct relay {
	uint16_t port;
	struct ip_addr address;
	uint16_t to_port;
};

// One connection of the table below, by the stack's index.
struct session {
	struct tcp_handle peer; // of a relay
	bool has_peer;
	bool peer_fin;
	bool shut;
	bool connecting; // the onward leg is not established yet
};

static struct service_state {
	struct net *net;
	struct tcp *tcp;
	struct port *port;
	struct counters counters;
	struct log_ring log;
	struct arena arena;
	struct net_config net_config;
	struct net_address_config addresses[ADDRESSES_MAX];
	struct net_route_config routes[2];
	struct relay relays[RELAYS_MAX];
	struct session *sessions;
	struct rte_mempool *pool, *tx_pool;
	struct rte_mbuf *chargen;
	const char *device;
	uint32_t n_relays, n_conns, n_mbufs;
	uint32_t without;
	uint32_t user_timeout_ms;
	enum tcp_cc_kind cc;
	uint16_t mtu;
	const char *core;
} state = {.n_conns = 16384, .n_mbufs = 32768, .user_timeout_ms = 180000, .mtu = 1500, .core = "0"};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "tcp-service: %s: %s\n", what, why);
	exit(2);
}

// --- arguments ---

static bool address_of(const char *text, struct ip_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = ip_addr_from_v4(v4.s_addr);
		return true;
	}
	return inet_pton(AF_INET6, text, out->bytes) == 1;
}

static void add_address(char *text)
{
	char *slash = strchr(text, '/');
	struct net_address_config *address = &state.addresses[state.net_config.n_addresses];

	if (slash == NULL || state.net_config.n_addresses == ADDRESSES_MAX)
		die("--address", text);
	*slash = 0;
	if (!address_of(text, &address->addr))
		die("--address", text);
	address->prefix_len = (uint8_t)(atoi(slash + 1) +
					(ip_addr_is_v4(&address->addr) ? IP_ADDR_V4_PREFIX_LEN : 0));
	state.net_config.n_addresses++;
}

static void add_gateway(const char *text)
{
	struct net_route_config *route = &state.routes[state.net_config.n_routes];

	if (state.net_config.n_routes == 2 || !address_of(text, &route->gateway))
		die("--gateway", text);
	if (ip_addr_is_v4(&route->gateway)) {
		route->destination = ip_addr_from_v4(0);
		route->prefix_len = IP_ADDR_V4_PREFIX_LEN;
	}
	state.net_config.n_routes++;
}

static void add_relay(char *text)
{
	struct relay *relay = &state.relays[state.n_relays];
	char *equals = strchr(text, '=');
	char *comma = strrchr(text, ',');

	if (equals == NULL || comma == NULL || state.n_relays == RELAYS_MAX)
		die("--relay", text);
	*equals = 0;
	*comma = 0;
	relay->port = (uint16_t)atoi(text);
	relay->to_port = (uint16_t)atoi(comma + 1);
	if (!address_of(equals + 1, &relay->address))
		die("--relay", equals + 1);
	state.n_relays++;
}

static void take_arguments(int argc, char **argv)
{
	static const struct option options[] = {{"device", 1, NULL, 'd'}, {"address", 1, NULL, 'a'},
		{"gateway", 1, NULL, 'g'}, {"relay", 1, NULL, 'r'}, {"mtu", 1, NULL, 'm'},
		{"core", 1, NULL, 'l'}, {"conns", 1, NULL, 'n'}, {"mbufs", 1, NULL, 'b'},
		{"without", 1, NULL, 'w'}, {"user-timeout", 1, NULL, 't'}, {"cc", 1, NULL, 'c'},
		{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			state.device = optarg;
			break;
		case 'a':
			add_address(optarg);
			break;
		case 'g':
			add_gateway(optarg);
			break;
		case 'r':
			add_relay(optarg);
			break;
		case 'm':
			state.mtu = (uint16_t)atoi(optarg);
			break;
		case 'l':
			state.core = optarg;
			break;
		case 'n':
			state.n_conns = (uint32_t)atoi(optarg);
			break;
		case 'b':
			state.n_mbufs = (uint32_t)atoi(optarg);
			break;
		case 'w':
			state.without = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 't':
			state.user_timeout_ms = (uint32_t)atoi(optarg);
			break;
		case 'c':
			state.cc = strcmp(optarg, "newreno") == 0 ? TCP_CC_NEWRENO : TCP_CC_CUBIC;
			break;
		default:
			die("usage", "see the head of tests/tcp_service.c");
		}
	}
	if (state.device == NULL || state.net_config.n_addresses == 0)
		die("usage", "--device and --address are needed");
}

// --- start ---

static void start_eal(void)
{
	static char name[] = "tcp-service", no_huge[] = "--no-huge", no_shared[] = "--no-shconf",
		    no_telemetry[] = "--no-telemetry", log_level[] = "--log-level=error",
		    no_pci[] = "--no-pci";
	char cores[16], memory[24], prefix[48];
	char *arguments[] = {
		name, cores, memory, no_huge, no_shared, no_telemetry, prefix, log_level, no_pci, NULL};
	int n = 9;

	// Device names of virtual devices begin with their driver's.
	if (strncmp(state.device, "net_", 4) != 0)
		n--;
	(void)snprintf(cores, sizeof cores, "-l%s", state.core);
	(void)snprintf(memory, sizeof memory, "-m%u", 64 + state.n_mbufs / 200);
	(void)snprintf(prefix, sizeof prefix, "--file-prefix=tcp-service-%d", (int)getpid());
	if (rte_eal_init(n, arguments) < 0)
		die("EAL", "did not start");
}

static void open_port(void)
{
	struct port_dpdk_config config = {.device = state.device,
		.n_workers = 1,
		.mtu = state.mtu,
		.disabled_capabilities = state.without};
	char reason[256];

	state.pool = packet_pool_create("service_rx", state.n_mbufs, state.mtu, 256, 0);
	state.tx_pool = packet_pool_create("service_tx", state.n_mbufs, state.mtu, 256, 0);
	if (state.pool == NULL || state.tx_pool == NULL)
		die("packet memory", "use fewer --mbufs");
	config.rx_pool = state.pool;
	if (getrandom(config.rss_key, sizeof config.rss_key, 0) < 0)
		die("getrandom", "failed");
	state.port = port_dpdk_open(&config, reason, sizeof reason);
	if (state.port == NULL)
		die("port", reason);
}

static void open_net(void)
{
	struct net_setup setup = {.config = &state.net_config,
		.counters = &state.counters,
		.log = &state.log,
		.tx_pool = state.tx_pool,
		.n_workers = 1};
	char reason[256];

	state.net_config.n_ports = 1;
	state.net_config.ports[0] = (struct net_port_config){.port = state.port, .mtu = state.mtu};
	state.net_config.addresses = state.addresses;
	state.net_config.routes = state.routes;
	state.net_config.tx_queue_len = 4096;
	if (getrandom(&state.net_config.flow_secret, sizeof state.net_config.flow_secret, 0) < 0)
		die("getrandom", "failed");
	if (!net_config_check(&state.net_config, reason, sizeof reason))
		die("configuration", reason);
	state.net = net_init(&setup, &state.arena, clock_now_us());
	if (state.net == NULL)
		die("net", "no memory");
}

static void open_tcp(void)
{
	struct tcp_config config;

	tcp_config_default(&config, state.n_conns);
	config.receive_memory = (uint64_t)state.n_mbufs / 2 * 2304;
	config.receive_window_max = 1 << 20;
	config.resets_per_s = 100000;
	config.user_timeout_ms = state.user_timeout_ms;
	config.cc = state.cc;
	if (getrandom(config.secret, sizeof config.secret, 0) < 0)
		die("getrandom", "failed");
	if (!arena_init(&state.arena, tcp_footprint(&config) + net_footprint(&state.net_config) + (64 << 10) +
					      64 * sizeof(struct log_event)))
		die("memory", "not enough");
	SLUICE_ASSERT(log_ring_init(&state.log, &state.arena, 64, 0));
	open_net();
	state.tcp = tcp_init(&config, &state.arena, state.net, &state.counters, clock_now_us());
	state.sessions = calloc(state.n_conns, sizeof state.sessions[0]);
	if (state.tcp == NULL || state.sessions == NULL)
		die("tcp", "no memory");
	if (!tcp_listen(state.tcp, NULL, PORT_ECHO, SERVICE_ECHO) ||
		!tcp_listen(state.tcp, NULL, PORT_DISCARD, SERVICE_DISCARD) ||
		!tcp_listen(state.tcp, NULL, PORT_CLOSE, SERVICE_CLOSE) ||
		!tcp_listen(state.tcp, NULL, PORT_CHARGEN, SERVICE_CHARGEN))
		die("listen", "failed");
	for (uint32_t i = 0; i < state.n_relays; i++)
		if (!tcp_listen(state.tcp, NULL, state.relays[i].port, SERVICE_RELAY + i))
			die("--relay", "port in use");
}

// One buffer with the first whole cycles of RFC 864's pattern that fit; it is sent again and again.
static void make_chargen(void)
{
	uint32_t n_lines = 0;

	state.chargen = rte_pktmbuf_alloc(state.tx_pool);
	SLUICE_ASSERT(state.chargen != NULL);
	while (rte_pktmbuf_tailroom(state.chargen) >= CHARGEN_LINE_LEN && n_lines < CHARGEN_LINES) {
		char *line = rte_pktmbuf_append(state.chargen, CHARGEN_LINE_LEN);

		for (uint32_t i = 0; i < CHARGEN_LINE_LEN - 2; i++)
			line[i] = (char)(' ' + (n_lines + i) % CHARGEN_LINES);
		line[CHARGEN_LINE_LEN - 2] = '\r';
		line[CHARGEN_LINE_LEN - 1] = '\n';
		n_lines++;
	}
}

// --- sessions ---

static struct session *session_of(struct tcp_handle handle)
{
	return &state.sessions[handle.idx];
}

// Moves what has arrived on one connection into the send queue of another, or of the same.
static void forward(struct tcp_conn *from, struct tcp_conn *to)
{
	struct tcp_piece pieces[PIECES];
	uint32_t n;

	while ((n = tcp_peek(from, pieces, PIECES)) != 0) {
		uint32_t n_taken = 0;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t space = tcp_send_space(state.tcp, to);
			uint32_t len = pieces[i].len < space ? pieces[i].len : space;
			uint32_t offset = (uint32_t)(pieces[i].data -
						     rte_pktmbuf_mtod(pieces[i].mbuf, uint8_t *));

			if (len == 0)
				break;
			rte_mbuf_refcnt_update(pieces[i].mbuf, 1);
			if (!tcp_send(state.tcp, to, pieces[i].mbuf, offset, len)) {
				rte_mbuf_refcnt_update(pieces[i].mbuf, -1);
				break;
			}
			n_taken += len;
			if (len < pieces[i].len)
				break;
		}
		tcp_consume(state.tcp, from, n_taken);
		if (n_taken == 0)
			return;
	}
}

static void generate(struct tcp_conn *conn)
{
	uint32_t len = state.chargen->data_len;

	while (tcp_send_space(state.tcp, conn) >= len) {
		rte_mbuf_refcnt_update(state.chargen, 1);
		if (!tcp_send(state.tcp, conn, state.chargen, 0, len)) {
			rte_mbuf_refcnt_update(state.chargen, -1);
			return;
		}
	}
}

static void end_session(struct tcp_handle handle, bool abruptly)
{
	struct session *session = session_of(handle);
	struct tcp_conn *conn = tcp_conn_at(state.tcp, handle);

	if (conn == NULL)
		return;
	*session = (struct session){.peer_fin = false};
	if (abruptly)
		tcp_abort(state.tcp, conn);
	else
		tcp_close(state.tcp, conn);
}

static void begin_relay(const struct tcp_ready *ready, const struct relay *relay)
{
	struct tcp_connect request = {
		.remote = relay->address, .remote_port = relay->to_port, .tag = ready->tag};
	struct session *session = session_of(ready->handle);
	struct tcp_conn *onward;

	if (!net_source_find(state.net, &relay->address, &request.local) ||
		tcp_connect(state.tcp, &request, clock_now_us(), &onward) != TCP_CONNECT_STARTED) {
		end_session(ready->handle, true);
		return;
	}
	session->peer = tcp_conn_handle(state.tcp, onward);
	session->has_peer = true;
	*session_of(session->peer) = (struct session){
		.peer = ready->handle, .has_peer = true, .connecting = true};
}

// One direction of a relay: data, then the end of data.
static void relay_direction(struct tcp_handle from, struct tcp_handle to)
{
	struct tcp_conn *source = tcp_conn_at(state.tcp, from);
	struct tcp_conn *sink = tcp_conn_at(state.tcp, to);

	if (source == NULL || sink == NULL || session_of(to)->connecting)
		return;
	forward(source, sink);
	if (session_of(from)->peer_fin && tcp_readable(source) == 0 && !session_of(to)->shut) {
		tcp_shutdown(state.tcp, sink);
		session_of(to)->shut = true;
	}
}

static void relay_ready(const struct tcp_ready *ready)
{
	struct session *session = session_of(ready->handle);
	struct tcp_handle peer;

	if ((ready->events & TCP_EVENT_ACCEPTED) != 0)
		begin_relay(ready, &state.relays[ready->tag - SERVICE_RELAY]);
	if (tcp_conn_at(state.tcp, ready->handle) == NULL)
		return;
	if ((ready->events & TCP_EVENT_CONNECTED) != 0)
		session->connecting = false;
	if (!session->has_peer)
		return;
	peer = session->peer;
	relay_direction(ready->handle, peer);
	relay_direction(peer, ready->handle);
	// Both directions have ended, or one leg has died and takes the other with it.
	if ((ready->events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0) {
		end_session(ready->handle, true);
		end_session(peer, true);
	} else if (session->peer_fin && session->shut && session_of(peer)->peer_fin &&
		   session_of(peer)->shut) {
		end_session(ready->handle, false);
		end_session(peer, false);
	}
}

static void simple_ready(const struct tcp_ready *ready)
{
	struct session *session = session_of(ready->handle);
	struct tcp_conn *conn = ready->conn;

	if ((ready->events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0) {
		end_session(ready->handle, true);
		return;
	}
	switch ((enum service)ready->tag) {
	case SERVICE_ECHO:
		forward(conn, conn);
		break;
	case SERVICE_CHARGEN:
		generate(conn);
		tcp_consume(state.tcp, conn, tcp_readable(conn));
		break;
	case SERVICE_DISCARD:
		tcp_consume(state.tcp, conn, tcp_readable(conn));
		break;
	case SERVICE_CLOSE:
	case SERVICE_RELAY:
		end_session(ready->handle, false);
		return;
	}
	if (session->peer_fin && tcp_readable(conn) == 0)
		end_session(ready->handle, ready->tag == SERVICE_CHARGEN);
}

static void take_events(void)
{
	struct tcp_ready ready[READY_BURST];
	uint32_t n = tcp_ready_burst(state.tcp, ready, READY_BURST);

	for (uint32_t i = 0; i < n; i++) {
		// An earlier one of the burst may have ended this one.
		if (tcp_conn_at(state.tcp, ready[i].handle) == NULL)
			continue;
		if ((ready[i].events & TCP_EVENT_ACCEPTED) != 0)
			*session_of(ready[i].handle) = (struct session){.peer_fin = false};
		if ((ready[i].events & TCP_EVENT_PEER_FIN) != 0)
			session_of(ready[i].handle)->peer_fin = true;
		if (ready[i].tag >= SERVICE_RELAY)
			relay_ready(&ready[i]);
		else
			simple_ready(&ready[i]);
	}
}

// --- the loop ---

// Returns whether anything arrived.
static bool turn(void)
{
	struct segment segments[NET_RX_BURST_MIN];
	struct net_icmp_error errors[16];
	uint64_t now_us = clock_now_us();
	uint32_t n = net_rx_burst(state.net, now_us, segments, NET_RX_BURST_MIN);
	uint32_t n_errors = net_icmp_errors(state.net, errors, 16);

	tcp_input_burst(state.tcp, segments, n, now_us);
	tcp_input_icmp(state.tcp, errors, n_errors, now_us);
	take_events();
	tcp_timers(state.tcp, now_us);
	tcp_output_flush(state.tcp, now_us);
	net_timers(state.net, now_us);
	net_flush(state.net, now_us);
	return n != 0;
}

static void print_counters(void)
{
	for (uint32_t i = 0; i < N_COUNTERS; i++) {
		uint64_t value = counter_get(&state.counters, (enum counter)i);

		if (value != 0)
			printf("%s %llu\n", counter_name((enum counter)i), (unsigned long long)value);
	}
}

static bool leaked(void)
{
	port_close(state.port);
	rte_pktmbuf_free(state.chargen);
	return rte_mempool_avail_count(state.pool) != state.n_mbufs ||
	       rte_mempool_avail_count(state.tx_pool) != state.n_mbufs;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	bool leak;

	take_arguments(argc, argv);
	clock_init();
	start_eal();
	open_port();
	open_tcp();
	make_chargen();
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	printf("ready\n");
	(void)fflush(stdout);
	while (!stop) {
		struct timespec pause = {.tv_nsec = IDLE_NS};

		if (!turn() && tcp_next_timer_us(state.tcp) > clock_now_us())
			(void)nanosleep(&pause, NULL);
	}
	tcp_stop(state.tcp);
	net_stop(state.net);
	print_counters();
	leak = leaked();
	printf("%s\n", leak ? "leaked" : "clean");
	return leak ? 3 : 0;
}
