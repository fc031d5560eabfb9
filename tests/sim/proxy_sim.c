// SPDX-License-Identifier: Apache-2.0
//
// The deterministic simulation of a whole worker: clients and backends on one stack ("the world"), the proxy
// with its TCP and TLS on the other, a wire with its own kinds of harm for each seed. Every byte that arrives
// must be the right one and in order; a stream that both ends meant to end in order must arrive whole, with
// its end; every connection must come to its end; nothing may be left in any pool.
//
//   proxy_sim [FIRST_SEED [COUNT]]      one seed that failed replays alone: proxy_sim SEED 1
#include "base/assert.h"
#include "net/packet_pool.h"
#include "proxy/pair.h"
#include "seam/clock_virtual.h"
#include "seam/random_seeded.h"
#include "tls_fixture.h"
#include "twin.h"

#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FLOWS_MAX = 8,
	PORT_TLS = 443,
	PORT_TCP = 5000,
	PORT_REDIRECT = 80,
	PORT_MAIL = 25,
	PORT_MAIL_BACKEND = 2525,
	PORT_BACKEND = 8080,
	PORT_DEAD = 8081,
	APP_BUFFER_LEN = 17000,
	N_BUFFERS = 2047,
	CHUNK_MAX = 4000,
	TRICKLE = 60, // bytes of a client's segment: a record in more pieces than an AEAD job takes
	TLS_OUT_MAX = 32 * 1024,
	END_BOUND_S = 1000
};

enum mood {
	MOOD_ORDERLY,  // sends all, ends, waits for the other's end
	MOOD_RESETS,   // gives up in the middle
	MOOD_CUTS,     // TLS client: FIN without close_notify, in the middle
	MOOD_STALLS,   // stops reading for a long time, then goes on
	MOOD_GARBAGE,  // client: bytes that are no TLS, and an alert back
	MOOD_REDIRECT, // client: one request to port 80
	N_MOODS
};

// One end of a flow, in the world.
struct peer {
	struct tcp_handle handle;
	bool alive;  // the handle is ours
	bool gone;   // it ended, in whatever way
	bool broken; // in no order
	bool ended;  // its stream's end has been said
	bool heard_end;
	bool fin_seen;
	enum mood mood;
	uint32_t n_to_send, n_sent, n_received;
	uint64_t hungry_us;
};

// A client that sends mail, and gets to TLS by STARTTLS; then its stream begins.
enum mail_state {
	MAIL_NONE,
	MAIL_GREETING,
	MAIL_HELLO,
	MAIL_STARTTLS,
	MAIL_TLS,
	MAIL_HELLO_AGAIN,
	MAIL_DONE
};

struct flow {
	struct peer client, backend;
	enum mail_state mail;
	bool backend_streams; // MAIL has arrived
	char line[256];       // of text that is coming in
	size_t line_len;
	struct tls_end tls;
	bool has_tls;
	bool tls_begun;
	bool trickles;
	uint64_t trickled_us;
	uint32_t seed;
	uint64_t start_us;
	bool started;
};

struct sim {
	struct twin twin;
	struct twin_options options;
	struct flow flows[FLOWS_MAX];
	uint32_t n_flows;
	uint64_t random;
	struct arena arena;
	struct proxy proxy;
	struct tls_fixture world, worker;
	struct proxy_listener listeners[4];
	struct proxy_backend backends[2];
	struct proxy_config config;
};

static struct sim sim;
static uint64_t current_seed;
static uint64_t totals[N_COUNTERS]; // the proxy's, over all seeds
static struct rte_mempool *small_pool, *record_pool;
static struct tls_fixture_verifier verifier;
static struct tls_client_config client_config;
static struct tls_server_config server_config;

static void on_abort(int signal_number)
{
	char line[64];
	int len = snprintf(line, sizeof line, "failed: proxy_sim %llu 1\n", (unsigned long long)current_seed);

	(void)signal_number;
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

static uint64_t next_random(void)
{
	uint64_t z = sim.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(next_random() % n);
}

static bool chance(uint32_t percent)
{
	return below(100) < percent;
}

static uint32_t one_of(const uint32_t *choices, uint32_t n)
{
	return choices[below(n)];
}

#define ONE_OF(...) \
	one_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

// The byte at a place of a stream. The first four of a client's stream name its flow to the backend.
static uint8_t stream_byte(const struct flow *flow, bool from_client, uint32_t at)
{
	uint32_t x = (at + 1) * 0x9e3779b1u ^ flow->seed ^ (from_client ? 0x85ebca6bu : 0);

	if (from_client && at < 4)
		return (uint8_t)(flow - sim.flows);
	return (uint8_t)(x >> 24 ^ x >> 9);
}

static void fill(const struct flow *flow, bool from_client, uint32_t at, uint8_t *out, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		out[i] = stream_byte(flow, from_client, at + i);
}

static void check(const struct flow *flow, bool from_client, uint32_t at, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		SLUICE_ASSERT(bytes[i] == stream_byte(flow, from_client, at + (uint32_t)i));
}

static struct tcp *world_tcp(void)
{
	return sim.twin.stacks[0].tcp;
}

static struct tcp_conn *conn_of(struct peer *peer)
{
	return peer->alive ? tcp_conn_at(world_tcp(), peer->handle) : NULL;
}

static void give_up(struct peer *peer, bool orderly)
{
	struct tcp_conn *conn = conn_of(peer);

	if (conn != NULL && orderly)
		tcp_close(world_tcp(), conn);
	else if (conn != NULL)
		tcp_abort(world_tcp(), conn);
	peer->alive = false;
	peer->gone = true;
	peer->broken = peer->broken || !orderly;
}

static bool send_bytes(struct peer *peer, const uint8_t *bytes, uint32_t len)
{
	struct tcp_conn *conn = conn_of(peer);
	struct rte_mbuf *mbuf;

	if (conn == NULL || tcp_send_space(world_tcp(), conn) < len || (mbuf = twin_app_buffer()) == NULL)
		return false;
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)len), bytes, len);
	if (tcp_send(world_tcp(), conn, mbuf, 0, len))
		return true;
	rte_pktmbuf_free(mbuf);
	return false;
}

// --- a client ---

static void client_pump_out(struct flow *flow)
{
	struct tls_end *end = &flow->tls;

	while (end->out_len != 0) {
		uint32_t max = flow->trickles ? TRICKLE : CHUNK_MAX;
		uint32_t len = end->out_len < max ? (uint32_t)end->out_len : max;

		if (flow->trickled_us == clock_now_us() || !send_bytes(&flow->client, end->out, len))
			return;
		memmove(end->out, end->out + len, end->out_len - len);
		end->out_len -= len;
		if (flow->trickles)
			flow->trickled_us = clock_now_us();
	}
}

static bool streams(const struct flow *flow)
{
	return flow->mail == MAIL_NONE || flow->mail == MAIL_DONE;
}

static void client_hears_line(struct flow *flow)
{
	char hello[32];
	int len = snprintf(hello, sizeof hello, "EHLO %d\r\n", (int)(flow - sim.flows));

	if (flow->mail == MAIL_GREETING && strcmp(flow->line, "220 mx\r\n") == 0) {
		SLUICE_ASSERT(send_bytes(&flow->client, (const uint8_t *)hello, (uint32_t)len));
		flow->mail = MAIL_HELLO;
	} else if (flow->mail == MAIL_HELLO && strcmp(flow->line, "250 STARTTLS\r\n") == 0) {
		SLUICE_ASSERT(send_bytes(&flow->client, (const uint8_t *)"STARTTLS\r\n", 10));
		flow->mail = MAIL_STARTTLS;
	} else if (flow->mail == MAIL_STARTTLS) {
		SLUICE_ASSERT(strncmp(flow->line, "220 ", 4) == 0);
		tls_end_init(&flow->tls, &sim.world);
		tls_end_connect(&flow->tls, &client_config, "sluice.test", NULL);
		flow->tls_begun = flow->has_tls = true;
		flow->mail = MAIL_TLS;
	} else if (flow->mail == MAIL_HELLO_AGAIN && strcmp(flow->line, "250 8BITMIME\r\n") == 0) {
		tls_end_send(&flow->tls, "MAIL\r\n", 6);
		flow->mail = MAIL_DONE;
	} else {
		SLUICE_ASSERT(strncmp(flow->line, "250-", 4) == 0);
	}
}

static void client_hears(struct flow *flow, const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && !streams(flow)) {
		SLUICE_ASSERT(flow->line_len < sizeof flow->line - 1);
		flow->line[flow->line_len++] = (char)bytes[at];
		if (bytes[at++] != '\n')
			continue;
		flow->line[flow->line_len] = 0;
		flow->line_len = 0;
		client_hears_line(flow);
	}
	if (flow->client.mood == MOOD_GARBAGE)
		SLUICE_ASSERT(flow->client.n_received != 0 || bytes[0] == TLS_CONTENT_ALERT);
	else if (flow->client.mood == MOOD_REDIRECT)
		SLUICE_ASSERT(flow->client.n_received != 0 || memcmp(bytes, "HTTP/1.1 308 ", 13) == 0);
	else
		check(flow, false, flow->client.n_received, bytes + at, len - at);
	flow->client.n_received += (uint32_t)(len - at);
}

static void client_read(struct flow *flow)
{
	struct peer *client = &flow->client;
	struct tcp_conn *conn = conn_of(client);
	struct tcp_piece piece;
	uint32_t n = 0;

	while (conn != NULL && n++ < 20 && clock_now_us() >= client->hungry_us &&
		tcp_peek(conn, &piece, 1) != 0) {
		if (flow->has_tls) {
			if (flow->tls.in_len + piece.len > TLS_OUT_MAX)
				break;
			tls_end_receive(&flow->tls, piece.data, piece.len);
		} else {
			client_hears(flow, piece.data, piece.len);
		}
		tcp_consume(world_tcp(), conn, piece.len);
	}
	if (!flow->has_tls || !flow->tls_begun)
		return;
	while (tls_end_step(&flow->tls))
		continue;
	if (flow->mail == MAIL_TLS && tls_end_up(&flow->tls)) {
		char hello[32];
		int len = snprintf(hello, sizeof hello, "EHLO %d\r\n", (int)(flow - sim.flows));

		tls_end_send(&flow->tls, hello, (size_t)len);
		flow->mail = MAIL_HELLO_AGAIN;
	}
	client_hears(flow, flow->tls.data, flow->tls.data_len);
	flow->tls.data_len = 0;
	client->heard_end = client->heard_end || flow->tls.closed;
	// The proxy may cut only what was cut behind it.
	if (client->fin_seen && conn != NULL && tcp_readable(conn) == 0 && !flow->tls.closed) {
		client->broken = true;
		give_up(client, false);
	}
}

static void client_write(struct flow *flow)
{
	struct peer *client = &flow->client;
	uint8_t bytes[CHUNK_MAX];

	while (streams(flow) && client->n_sent < client->n_to_send) {
		uint32_t left = client->n_to_send - client->n_sent;
		uint32_t len = 1 + below(CHUNK_MAX);

		len = len < left ? len : left;
		fill(flow, true, client->n_sent, bytes, len);
		if (flow->has_tls) {
			if (!tls_end_up(&flow->tls) || flow->tls.out_len > TLS_OUT_MAX)
				return;
			tls_end_send(&flow->tls, bytes, len);
			client_pump_out(flow);
		} else if (!send_bytes(client, bytes, len)) {
			return;
		}
		client->n_sent += len;
	}
}

static void client_end(struct flow *flow)
{
	struct peer *client = &flow->client;
	struct tcp_conn *conn = conn_of(client);

	if (conn == NULL)
		return;
	if (!client->ended && client->n_sent == client->n_to_send &&
		(!flow->has_tls || tls_end_up(&flow->tls))) {
		if (flow->has_tls && client->mood != MOOD_CUTS)
			tls_end_close(&flow->tls);
		client->ended = true;
	}
	if (flow->has_tls)
		client_pump_out(flow);
	if (client->ended && (!flow->has_tls || flow->tls.out_len == 0))
		tcp_shutdown(world_tcp(), conn);
	if (client->ended && client->heard_end && tcp_readable(conn) == 0 &&
		(!flow->has_tls || flow->tls.out_len == 0))
		give_up(client, true);
}

static void client_turn(struct flow *flow)
{
	struct peer *client = &flow->client;

	if (!client->alive)
		return;
	if (client->mood == MOOD_RESETS && client->n_received + client->n_sent > client->n_to_send / 2 &&
		chance(5)) {
		give_up(client, false);
		return;
	}
	if (client->mood == MOOD_STALLS && client->hungry_us == 0 && client->n_received != 0)
		client->hungry_us = clock_now_us() + 20 * 1000 * 1000;
	client_read(flow);
	if (client->alive) {
		if (flow->has_tls)
			client_pump_out(flow);
		client_write(flow);
		client_end(flow);
	}
}

static uint16_t port_of(const struct flow *flow)
{
	if (flow->mail != MAIL_NONE)
		return PORT_MAIL;
	if (flow->client.mood == MOOD_REDIRECT)
		return PORT_REDIRECT;
	return flow->has_tls || flow->client.mood == MOOD_GARBAGE ? PORT_TLS : PORT_TCP;
}

static void client_start(struct flow *flow)
{
	struct tcp_connect request = {.local = sim.twin.stacks[0].v4,
		.remote = sim.twin.stacks[1].v4,
		.remote_port = port_of(flow),
		.user = (uint64_t)(flow - sim.flows) << 1};
	struct tcp_conn *conn;

	flow->started = true;
	SLUICE_ASSERT(tcp_connect(world_tcp(), &request, clock_now_us(), &conn) == TCP_CONNECT_STARTED);
	flow->client.handle = tcp_conn_handle(world_tcp(), conn);
	flow->client.alive = true;
	if (flow->has_tls) {
		tls_end_init(&flow->tls, &sim.world);
		tls_end_connect(&flow->tls, &client_config, "sluice.test", NULL);
		flow->tls_begun = true;
	}
}

// --- a backend ---

// Which flow a new connection is: its first bytes say so.
static struct flow *backend_take(struct tcp_conn *conn, struct tcp_handle handle)
{
	struct tcp_piece piece;
	struct flow *flow;
	uint32_t idx;

	if (tcp_peek(conn, &piece, 1) == 0)
		return NULL;
	idx = piece.data[0];
	if (idx == 'E') { // "EHLO 3": short enough to come whole
		SLUICE_ASSERT(piece.len >= 6);
		idx = (uint32_t)(piece.data[5] - '0');
	}
	SLUICE_ASSERT(idx < sim.n_flows);
	flow = &sim.flows[idx];
	flow->backend.handle = handle;
	flow->backend.alive = true;
	flow->backend_streams = flow->mail == MAIL_NONE;
	tcp_conn_set_user(world_tcp(), conn, (uint64_t)idx << 1 | 1);
	return flow;
}

// Lines before the stream.
static void backend_talk(struct flow *flow, struct tcp_conn *conn)
{
	static const char capabilities[] = "250-mx\r\n250-STARTTLS\r\n250 8BITMIME\r\n";
	struct tcp_piece piece;

	while (!flow->backend_streams && tcp_peek(conn, &piece, 1) != 0) {
		const uint8_t *end = memchr(piece.data, '\n', piece.len);

		SLUICE_ASSERT(end != NULL && memcmp(piece.data, "STARTTLS", 8) != 0);
		if (piece.data[0] == 'M')
			flow->backend_streams = true;
		else
			SLUICE_ASSERT(send_bytes(
				&flow->backend, (const uint8_t *)capabilities, sizeof capabilities - 1));
		tcp_consume(world_tcp(), conn, (uint32_t)(end - piece.data) + 1);
	}
}

static void backend_turn(struct flow *flow)
{
	struct peer *backend = &flow->backend;
	struct tcp_conn *conn = conn_of(backend);
	uint8_t bytes[CHUNK_MAX];
	struct tcp_piece piece;
	bool room = true;

	if (conn == NULL)
		return;
	if (backend->mood == MOOD_RESETS && backend->n_received + backend->n_sent > backend->n_to_send / 2 &&
		chance(5)) {
		give_up(backend, false);
		return;
	}
	if (backend->mood == MOOD_STALLS && backend->hungry_us == 0)
		backend->hungry_us = clock_now_us() + 20 * 1000 * 1000;
	backend_talk(flow, conn);
	if (!flow->backend_streams)
		return;
	while (clock_now_us() >= backend->hungry_us && tcp_peek(conn, &piece, 1) != 0) {
		check(flow, true, backend->n_received, piece.data, piece.len);
		backend->n_received += piece.len;
		tcp_consume(world_tcp(), conn, piece.len);
	}
	while (room && backend->n_sent < backend->n_to_send) {
		uint32_t left = backend->n_to_send - backend->n_sent;
		uint32_t len = 1 + below(CHUNK_MAX);

		len = len < left ? len : left;
		fill(flow, false, backend->n_sent, bytes, len);
		room = send_bytes(backend, bytes, len);
		backend->n_sent += room ? len : 0;
	}
	if (!backend->ended && backend->n_sent == backend->n_to_send) {
		tcp_shutdown(world_tcp(), conn);
		backend->ended = true;
	}
	if (backend->ended && backend->heard_end && tcp_readable(conn) == 0)
		give_up(backend, true);
}

// --- the world's events ---

static void peer_event(struct flow *flow, struct peer *peer, uint16_t events)
{
	bool client = peer == &flow->client;

	if ((events & TCP_EVENT_CONNECTED) != 0 && client && peer->mood == MOOD_GARBAGE)
		(void)send_bytes(peer, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18);
	if ((events & TCP_EVENT_CONNECTED) != 0 && client && peer->mood == MOOD_REDIRECT)
		(void)send_bytes(peer, (const uint8_t *)"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
	if ((events & TCP_EVENT_PEER_FIN) != 0 && !(client && flow->has_tls))
		peer->heard_end = true;
	if ((events & TCP_EVENT_PEER_FIN) != 0)
		peer->fin_seen = true;
	if ((events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0 && peer->alive)
		give_up(peer, false);
	if ((events & TCP_EVENT_PEER_FIN) != 0 && peer->alive && client && peer->mood >= MOOD_GARBAGE) {
		client_read(flow);
		SLUICE_ASSERT(peer->n_received != 0);
		give_up(peer, false);
	}
}

static void backend_accept(struct tcp_ready *ready)
{
	struct peer stranger = {.alive = true, .handle = ready->handle};

	ready->user = UINT64_MAX;
	tcp_conn_set_user(world_tcp(), ready->conn, ready->user);
	if (ready->tag == PORT_MAIL_BACKEND)
		SLUICE_ASSERT(send_bytes(&stranger, (const uint8_t *)"220 mx\r\n", 8));
}

static void world_turn(void)
{
	struct tcp_ready ready[32];
	uint32_t n;

	while ((n = tcp_ready_burst(world_tcp(), ready, 32)) != 0) {
		for (uint32_t i = 0; i < n; i++) {
			struct flow *flow;

			if ((ready[i].events & TCP_EVENT_ACCEPTED) != 0)
				backend_accept(&ready[i]);
			if (ready[i].user == UINT64_MAX) {
				if ((ready[i].events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) != 0) {
					tcp_abort(world_tcp(), ready[i].conn);
					continue;
				}
				flow = backend_take(ready[i].conn, ready[i].handle);
				if (flow != NULL)
					peer_event(flow, &flow->backend, ready[i].events);
				else if ((ready[i].events & TCP_EVENT_PEER_FIN) != 0)
					tcp_close(world_tcp(), ready[i].conn);
				continue;
			}
			flow = &sim.flows[ready[i].user >> 1];
			peer_event(flow, (ready[i].user & 1) != 0 ? &flow->backend : &flow->client,
				ready[i].events);
		}
	}
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		struct flow *flow = &sim.flows[i];

		if (!flow->started && clock_now_us() >= flow->start_us)
			client_start(flow);
		client_turn(flow);
		backend_turn(flow);
	}
	tls_fixture_run_lanes(&sim.world);
}

// --- the run ---

static void worker_turn(void)
{
	struct crypto *crypto = &sim.worker.crypto;

	crypto_begin_turn(crypto, clock_now_us(), clock_tsc());
	tls_engine_begin_turn(&sim.worker.engine, clock_wall_us());
	(void)lanes_run(crypto->lanes, crypto->now_tsc, true);
	proxy_lanes(&sim.proxy);
	(void)proxy_turn(&sim.proxy, clock_now_us());
}

static struct port_mem_wire random_wire(void)
{
	struct port_mem_wire wire = {.delay_us = ONE_OF(20, 100, 1000, 5000, 20000)};

	if (chance(60))
		wire.loss_ppm = ONE_OF(100, 1000, 10000, 50000);
	if (chance(30))
		wire.duplicate_ppm = ONE_OF(1000, 10000);
	if (chance(30)) {
		wire.reorder_ppm = ONE_OF(1000, 20000);
		wire.reorder_us = ONE_OF(50, 500, 5000);
	}
	return wire;
}

static struct tcp_config random_tcp(uint32_t side)
{
	struct tcp_config config;

	tcp_config_default(&config, 64);
	config.n_listeners = 8;
	config.send_buffer = side == 1 ? ONE_OF(40000, 65536, 300000) : ONE_OF(20000, 65536);
	config.receive_window_initial = side == 1 ? ONE_OF(20000, 65535) : ONE_OF(3000, 16384, 65535);
	config.receive_window_max = ONE_OF(65535, 300000);
	config.rto_max_ms = 2000;
	config.user_timeout_ms = 0;
	config.time_wait_ms = 2000;
	config.fin_wait_2_ms = 60000;
	// A reset that was lost is asked for again.
	config.keepalive_idle_ms = side == 0 ? 5000 : 0;
	config.keepalive_interval_ms = 1000;
	config.keepalive_probes = 50;
	config.nagle = false;
	for (uint32_t i = 0; i < sizeof config.secret; i++)
		config.secret[i] = (uint8_t)next_random();
	return config;
}

static void make_flow(struct flow *flow)
{
	memset(flow, 0, sizeof *flow);
	flow->has_tls = chance(70);
	flow->seed = (uint32_t)next_random();
	flow->start_us = clock_now_us() + below(500000);
	flow->client.n_to_send = 4 + (chance(20) ? 0 : below(ONE_OF(10, 3000, 200000)));
	flow->backend.n_to_send = chance(10) ? 0 : below(ONE_OF(10, 3000, 300000));
	if (chance(30))
		flow->client.mood = below(N_MOODS);
	if (chance(30))
		flow->backend.mood = ONE_OF(MOOD_ORDERLY, MOOD_RESETS, MOOD_STALLS);
	if (flow->client.mood == MOOD_CUTS && !flow->has_tls)
		flow->client.mood = MOOD_ORDERLY;
	flow->trickles = flow->has_tls && chance(15);
	if (flow->trickles)
		flow->client.n_to_send = 4 + below(20000);
	if (chance(20) && flow->client.mood < MOOD_CUTS) {
		flow->mail = MAIL_GREETING;
		flow->has_tls = false;
	}
	if (flow->client.mood >= MOOD_GARBAGE) {
		flow->has_tls = false;
		flow->client.n_to_send = 0;
		flow->client.ended = true;
	}
}

static void open_proxy(void)
{
	struct upstream_pool_config pool_config;
	struct upstream_server_config servers[2] = {
		{.addr = sim.twin.stacks[0].v4, .port = PORT_BACKEND, .weight = 1},
		{.addr = sim.twin.stacks[0].v4, .port = PORT_DEAD, .weight = 1}};
	static const struct routing_rule rules[] = {{.listener_idx = 0, .backend_idx = 0}};
	struct proxy_setup setup = {.tcp = sim.twin.stacks[1].tcp,
		.engine = &sim.worker.engine,
		.counters = &sim.twin.stacks[1].counters,
		.small_pool = small_pool,
		.record_pool = record_pool,
		.n_pairs = 32,
		.n_preambles = 8,
		.n_redirects = 4,
		.n_sources = 64,
		.upstream = {.n_pools = 2, .n_servers = 4}};
	uint32_t rule_idx;

	SLUICE_ASSERT(arena_init(&sim.arena, proxy_footprint(&setup) + 65536));
	SLUICE_ASSERT(proxy_init(&sim.proxy, &sim.arena, &setup, clock_now_us()));
	SLUICE_ASSERT(routing_build(&sim.config.routes, &sim.arena, rules, 1, &rule_idx) == ROUTING_OK);
	upstream_pool_config_default(&pool_config);
	pool_config.check_interval_us = chance(30) ? 200000 : 0;
	SLUICE_ASSERT(upstream_set_pool(&sim.proxy.upstream, 0, &pool_config, servers, chance(30) ? 2 : 1));
	servers[0].port = PORT_MAIL_BACKEND;
	SLUICE_ASSERT(upstream_set_pool(&sim.proxy.upstream, 1, &pool_config, servers, 1));
	memset(sim.listeners, 0, sizeof sim.listeners);
	for (uint32_t i = 0; i < 4; i++) {
		static const uint16_t ports[] = {PORT_TLS, PORT_TCP, PORT_MAIL, PORT_REDIRECT};
		static const enum listener_protocol protocols[] = {
			LISTENER_TLS, LISTENER_TCP, LISTENER_MAIL, LISTENER_HTTP_REDIRECT};

		sim.listeners[i].addr = sim.twin.stacks[1].v4;
		sim.listeners[i].port = ports[i];
		sim.listeners[i].protocol = protocols[i];
		sim.listeners[i].pool_idx = protocols[i] == LISTENER_MAIL;
		sim.listeners[i].redirect.port = PORT_TLS;
		preamble_config_default(&sim.listeners[i].preamble, PREAMBLE_SMTP);
		sim.listeners[i].preamble.security = PREAMBLE_ENCRYPT;
		sim.listeners[i].tls = &server_config;
		listener_timeouts_default(&sim.listeners[i].timeouts);
	}
	sim.backends[0].local = sim.twin.stacks[1].v4;
	sim.config.listeners = sim.listeners;
	sim.config.n_listeners = 4;
	sim.config.backends = sim.backends;
	sim.backends[1].local = sim.twin.stacks[1].v4;
	sim.config.n_backends = 2;
	SLUICE_ASSERT(proxy_set_config(&sim.proxy, &sim.config));
	SLUICE_ASSERT(tcp_listen(world_tcp(), NULL, PORT_BACKEND, PORT_BACKEND));
	SLUICE_ASSERT(tcp_listen(world_tcp(), NULL, PORT_MAIL_BACKEND, PORT_MAIL_BACKEND));
}

static bool orderly(const struct flow *flow)
{
	return (flow->client.mood == MOOD_ORDERLY || flow->client.mood == MOOD_STALLS) &&
	       (flow->backend.mood == MOOD_ORDERLY || flow->backend.mood == MOOD_STALLS);
}

static bool all_done(void)
{
	for (uint32_t i = 0; i < sim.n_flows; i++)
		if (!sim.flows[i].client.gone || sim.flows[i].backend.alive)
			return false;
	return sim.proxy.pairs.n_used == 0;
}

static void describe(const char *who, const struct peer *peer)
{
	fprintf(stderr,
		"  %s: alive %d gone %d mood %d sent %u of %u received %u broken %d ended %d heard_end %d\n",
		who, peer->alive, peer->gone, (int)peer->mood, peer->n_sent, peer->n_to_send,
		peer->n_received, peer->broken, peer->ended, peer->heard_end);
}

static void describe_stall(void)
{
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		fprintf(stderr, "flow %u, tls %d\n", i, sim.flows[i].has_tls);
		describe("client", &sim.flows[i].client);
		describe("backend", &sim.flows[i].backend);
	}
	for (uint32_t i = 0; i < sim.proxy.pairs.n_items; i++) {
		const struct pair *pair = pool_at(&sim.proxy.pairs, i);

		if (pool_in_use(&sim.proxy.pairs, i))
			fprintf(stderr, "pair %u: phase %d flags %x %x opened %u %u\n", i, pair->phase,
				pair->legs[0].flags, pair->legs[1].flags, pair->legs[0].opened_len,
				pair->legs[1].opened_len);
	}
}

static void check_flow(const struct flow *flow)
{
	// A clean end is heard only where one was said.
	SLUICE_ASSERT(!flow->backend.heard_end || (flow->client.ended && flow->client.mood != MOOD_CUTS));
	SLUICE_ASSERT(!flow->client.heard_end || flow->backend.ended || flow->client.mood >= MOOD_GARBAGE);
	if (!orderly(flow))
		return;
	if (flow->client.broken || flow->client.n_received != flow->backend.n_to_send) {
		fprintf(stderr, "flow %d, tls %d\n", (int)(flow - sim.flows), flow->has_tls);
		describe("client", &flow->client);
		describe("backend", &flow->backend);
	}
	SLUICE_ASSERT(!flow->client.broken && !flow->backend.broken);
	SLUICE_ASSERT(flow->client.n_received == flow->backend.n_to_send);
	SLUICE_ASSERT(flow->backend.n_received == flow->client.n_to_send);
	SLUICE_ASSERT(flow->client.heard_end && flow->backend.heard_end);
}

static void run(void)
{
	while (!all_done()) {
		uint64_t next_us;

		twin_receive(&sim.twin, 0);
		world_turn();
		twin_send(&sim.twin, 0);
		twin_receive(&sim.twin, 1);
		worker_turn();
		tcp_check_invariants(sim.twin.stacks[1].tcp);
		twin_send(&sim.twin, 1);
		next_us = twin_next_us(&sim.twin);
		if (proxy_next_us(&sim.proxy) < next_us)
			next_us = proxy_next_us(&sim.proxy);
		if (next_us > clock_now_us() + 1000)
			next_us = clock_now_us() + 1000;
		clock_virtual_set_now(next_us > clock_now_us() + 10 ? next_us : clock_now_us() + 10);
		if (clock_now_us() >= UINT64_C(1000000) * END_BOUND_S)
			describe_stall();
		SLUICE_ASSERT(clock_now_us() < UINT64_C(1000000) * END_BOUND_S);
	}
}

static void run_seed(uint64_t seed)
{
	const struct tls_engine_settings settings = {.n_handshakes = 32, .n_clients = 32, .n_sessions = 32};

	current_seed = seed;
	sim.random = seed;
	random_seeded_set(seed);
	sim.options = (struct twin_options){.seed = seed,
		.mtu = (uint16_t)ONE_OF(1280, 1500, 1500),
		.wire = {random_wire(), random_wire()}};
	sim.options.tcp[0] = random_tcp(0);
	sim.options.tcp[1] = random_tcp(1);
	twin_open(&sim.twin, &sim.options);
	tls_fixture_init(&sim.world, &settings);
	tls_fixture_init(&sim.worker, &settings);
	tls_fixture_ticket_keys(&sim.worker, 1, 2, 0);
	open_proxy();
	sim.n_flows = 1 + below(FLOWS_MAX);
	for (uint32_t i = 0; i < sim.n_flows; i++)
		make_flow(&sim.flows[i]);
	run();
	for (uint32_t i = 0; i < sim.n_flows; i++) {
		check_flow(&sim.flows[i]);
		if (sim.flows[i].tls_begun)
			tls_end_destroy(&sim.flows[i].tls);
	}
	for (uint32_t i = 0; i < sim.proxy.upstream.servers.n_items; i++)
		SLUICE_ASSERT(upstream_server_at(&sim.proxy.upstream, i)->n_connections == 0);
	SLUICE_ASSERT(sim.proxy.tls_conns.n_used == 0 && sim.proxy.admission.n_connections == 0);
	SLUICE_ASSERT(sim.worker.engine.handshakes.n_used == 0 && sim.proxy.n_handshakes == 0);
	proxy_stop(&sim.proxy);
	for (uint32_t i = 0; i < N_COUNTERS; i++)
		totals[i] += twin_count(&sim.twin, 1, (enum counter)i);
	tls_fixture_destroy(&sim.worker);
	tls_fixture_destroy(&sim.world);
	twin_close(&sim.twin);
	SLUICE_ASSERT(rte_mempool_avail_count(small_pool) == N_BUFFERS);
	SLUICE_ASSERT(rte_mempool_avail_count(record_pool) == N_BUFFERS);
	arena_destroy(&sim.arena);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;
	struct tls_identity *identity;

	(void)signal(SIGABRT, on_abort);
	twin_start(8191, 1500, APP_BUFFER_LEN, 0);
	small_pool = packet_pool_create("sim_small", N_BUFFERS, PROXY_SMALL_LEN, 0, 0);
	record_pool = packet_pool_create("sim_record", N_BUFFERS, PROXY_RECORD_LEN, 0, 0);
	SLUICE_ASSERT(small_pool != NULL && record_pool != NULL);
	identity = tls_fixture_identity(TLS_FIXTURE_P256);
	server_config = tls_fixture_server_config(tls_fixture_names(&identity, 1));
	tls_fixture_verifier_init(&verifier);
	client_config = tls_fixture_client_config(&verifier);
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed);
	printf("%llu seeds\n", (unsigned long long)count);
	for (uint32_t i = COUNTER_MAIL_SMTP_CONNECTIONS; i < COUNTER_WORKER_TURNS; i++)
		if (totals[i] != 0)
			printf("%8llu %s\n", (unsigned long long)totals[i], counter_name((enum counter)i));
	return 0;
}
