// SPDX-License-Identifier: Apache-2.0
#include "proxy_world.h"

#include "base/assert.h"
#include "base/writer.h"
#include "seam/clock_virtual.h"

#include <rte_mbuf.h>
#include <stdio.h>

uint64_t sim_random(void)
{
	uint64_t z = sim.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t sim_below(uint32_t n)
{
	return (uint32_t)(sim_random() % n);
}

bool sim_chance(uint32_t percent)
{
	return sim_below(100) < percent;
}

uint32_t sim_one_of(const uint32_t *choices, uint32_t n)
{
	return choices[sim_below(n)];
}

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

static const struct tls_session *session_of(const struct flow *flow)
{
	return flow->slot != NULL && flow->slot->n_kept != 0 ? &flow->slot->session : NULL;
}

static void begin_tls(struct flow *flow)
{
	const struct tls_session *session = session_of(flow);

	tls_end_init(&flow->tls, &sim.world);
	tls_end_connect(&flow->tls, flow->config, "sluice.test", session);
	flow->tls_begun = true;
	flow->offers = session != NULL;
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
		begin_tls(flow);
		flow->has_tls = true;
		flow->mail = MAIL_TLS;
	} else if (flow->mail == MAIL_HELLO_AGAIN && strcmp(flow->line, "250 8BITMIME\r\n") == 0) {
		tls_end_send(&flow->tls, "MAIL\r\n", 6);
		flow->mail = MAIL_DONE;
	} else if (flow->line[0] == '4' && sim.backends_die_us != 0) {
		flow->refused = true;
		give_up(&flow->client, false);
	} else {
		if (strncmp(flow->line, "250-", 4) != 0) {
			fprintf(stderr, "flow %d, mail %d: %s", (int)(flow - sim.flows), flow->mail,
				flow->line);
			workers_describe();
		}
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
			if (!client->alive)
				return;
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
	uint8_t bytes[RECORD_MAX];

	while (streams(flow) && client->n_sent < client->n_to_send) {
		uint32_t left = client->n_to_send - client->n_sent;
		uint32_t len = 1 + sim_below(sim.shuffled && flow->has_tls ? RECORD_MAX : CHUNK_MAX);

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
		sim_chance(5)) {
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
	if (flow->proxied)
		return PORT_PROXIED;
	return flow->has_tls || flow->client.mood == MOOD_GARBAGE ? PORT_TLS : PORT_TCP;
}

static void client_start(struct flow *flow)
{
	struct tcp_connect request = {.local = flow->v6 ? sim.twin.stacks[0].v6 : sim.twin.stacks[0].v4,
		.remote = flow->v6 ? sim.twin.stacks[1].v6 : sim.twin.stacks[1].v4,
		.remote_port = port_of(flow),
		.user = (uint64_t)(flow - sim.flows) << 1};
	struct tcp_conn *conn;

	flow->started = true;
	SLUICE_ASSERT(tcp_connect(world_tcp(), &request, clock_now_us(), &conn) == TCP_CONNECT_STARTED);
	flow->client.handle = tcp_conn_handle(world_tcp(), conn);
	flow->client.alive = true;
	if (flow->has_tls)
		begin_tls(flow);
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
		sim_chance(5)) {
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
		uint32_t len = 1 + sim_below(CHUNK_MAX);

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

static const char proxy_line[] = "PROXY TCP4 192.0.2.7 192.0.2.8 1111 443\r\n";

static void peer_event(struct flow *flow, struct peer *peer, uint16_t events)
{
	bool client = peer == &flow->client;

	if ((events & TCP_EVENT_CONNECTED) != 0 && client && peer->mood == MOOD_GARBAGE)
		(void)send_bytes(peer, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18);
	if ((events & TCP_EVENT_CONNECTED) != 0 && client && flow->proxied)
		SLUICE_ASSERT(send_bytes(peer, (const uint8_t *)proxy_line, sizeof proxy_line - 1));
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

static void listen(void)
{
	SLUICE_ASSERT(tcp_listen(world_tcp(), NULL, PORT_BACKEND, PORT_BACKEND));
	SLUICE_ASSERT(tcp_listen(world_tcp(), NULL, PORT_MAIL_BACKEND, PORT_MAIL_BACKEND));
}

void world_open(void)
{
	listen();
	sim.backends_dead = false;
	sim.backends_die_us = !sim.calm && sim_chance(15) ? clock_now_us() + sim_below(2000000) : 0;
	sim.backends_back_us = sim.backends_die_us + ONE_OF(100000, 2000000);
}

// The machine that all backends are on dies, and comes back.
static void backends_live_and_die(void)
{
	uint64_t now_us = clock_now_us();
	bool dead = sim.backends_die_us != 0 && now_us >= sim.backends_die_us &&
		    now_us < sim.backends_back_us;

	if (dead == sim.backends_dead)
		return;
	sim.backends_dead = dead;
	if (!dead) {
		listen();
		return;
	}
	(void)tcp_unlisten(world_tcp(), NULL, PORT_BACKEND);
	(void)tcp_unlisten(world_tcp(), NULL, PORT_MAIL_BACKEND);
	for (uint32_t i = 0; i < sim.n_flows; i++)
		if (sim.flows[i].backend.alive)
			give_up(&sim.flows[i].backend, false);
}

void world_turn(void)
{
	struct tcp_ready ready[32];
	uint32_t n;

	backends_live_and_die();
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

// --- a router on the way ---

enum {
	LINK_LEN = 14,
	IP4_LEN = 20,
	ICMP_LEN = 8,
	QUOTE_LEN = IP4_LEN + 8, // the quoted packet's header, and as much as RFC 792 asks for
	ERROR_LEN = LINK_LEN + IP4_LEN + ICMP_LEN + QUOTE_LEN
};

static void write_ip4(struct writer *writer, uint16_t len, uint8_t protocol, const struct ip_addr *from,
	const struct ip_addr *to)
{
	writer_u16(writer, 0x4500);
	writer_u16(writer, len);
	writer_u32(writer, 0x4000); // it may not be cut in pieces
	writer_u8(writer, 64);
	writer_u8(writer, protocol);
	writer_u16(writer, 0); // checksum
	writer_bytes(writer, span_of(from->bytes + 12, 4));
	writer_bytes(writer, span_of(to->bytes + 12, 4));
}

// RFC 1071: the checksum of so many bytes, an even number, goes to the field at `at`, which is zero.
static void put_checksum(uint8_t *bytes, uint32_t len, uint32_t at)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	bytes[at] = (uint8_t)(~sum >> 8);
	bytes[at + 1] = (uint8_t)~sum;
}

bool world_tell_too_big(const struct flow_key *key, uint32_t seq)
{
	struct port *port = sim.twin.stacks[0].wire_end;
	struct rte_mbuf *mbuf = twin_app_buffer();
	struct writer writer;
	uint8_t *bytes;

	if (mbuf == NULL)
		return false;
	bytes = (uint8_t *)rte_pktmbuf_append(mbuf, ERROR_LEN);
	writer = writer_over((struct mut_span){.data = bytes, .len = ERROR_LEN});
	writer_bytes(&writer, span_of(sim.twin.stacks[1].wire_end->info.mac, 6));
	writer_bytes(&writer, span_of(port->info.mac, 6));
	writer_u16(&writer, 0x0800);
	write_ip4(&writer, ERROR_LEN - LINK_LEN, 1, &key->remote, &key->local);
	writer_u32(&writer, 0x03040000); // fragmentation needed
	writer_u32(&writer, TOLD_MTU);
	write_ip4(&writer, 1500, 6, &key->local, &key->remote);
	writer_u16(&writer, key->local_port);
	writer_u16(&writer, key->remote_port);
	writer_u32(&writer, seq);
	SLUICE_ASSERT(writer_ok(&writer) && writer.len == ERROR_LEN);
	put_checksum(bytes + LINK_LEN, IP4_LEN, 10);
	put_checksum(bytes + LINK_LEN + IP4_LEN, ICMP_LEN + QUOTE_LEN, 2);
	if (port_tx_burst(port, 0, &mbuf, 1) == 1)
		return true;
	rte_pktmbuf_free(mbuf);
	return false;
}
