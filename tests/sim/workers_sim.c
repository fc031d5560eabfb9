// SPDX-License-Identifier: Apache-2.0
//
// Several workers behind one queue: every flow has one owner, whoever of them takes the frames from the port.
//
//   client ====== lossy wire ====== worker 0 (drives the port) --rings-- worker 1 -- worker 2
//
// Clients connect to the workers' listener and the workers connect to the client's; each connection sends a
// request and gets it back; ICMP errors that quote a flow are put on the wire. Every connection must live at
// its owner, every error reach the owner's connection, every byte arrive, and no buffer be left behind.
//
//   workers_sim [FIRST_SEED [COUNT]]
#include "base/assert.h"
#include "base/writer.h"
#include "net/wire.h"
#include "seam/clock_virtual.h"
#include "twin.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	N_WORKERS = 3,
	N_STACKS = 1 + N_WORKERS,
	N_EACH_WAY = 24, // connections that the client opens, and that each worker opens
	MESSAGE_LEN = 9000,
	SERVER_PORT = 7000,
	END_BOUND_US = 600 * 1000 * 1000
};

// One end of one connection, by its stack's index.
struct end {
	bool used, echoes;
	uint32_t n_received;
};

static struct sim {
	struct twin twin;
	struct twin_options options;
	struct end ends[N_STACKS][256];
	uint32_t n_done;
	uint32_t n_errors_sent;
} sim;

// Stack 0 is the client, the others are workers.
static struct twin_stack *stack_of(uint32_t idx)
{
	return idx == 0 ? &sim.twin.stacks[0] : twin_worker(&sim.twin, idx - 1);
}

static struct end *end_of(uint32_t stack, const struct tcp_conn *conn)
{
	uint32_t idx = tcp_conn_handle(stack_of(stack)->tcp, conn).idx;

	SLUICE_ASSERT(idx < 256);
	return &sim.ends[stack][idx];
}

static void send_bytes(struct tcp *tcp, struct tcp_conn *conn, uint32_t at, uint32_t len)
{
	struct rte_mbuf *m = twin_app_buffer();
	uint8_t *data;

	SLUICE_ASSERT(m != NULL);
	data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)((at + i) * 7);
	SLUICE_ASSERT(tcp_send(tcp, conn, m, 0, len));
}

// Each worker's own opens have a port whose replies reach it.
static void connect_from(uint32_t stack)
{
	struct tcp_connect request = {.local = stack_of(stack)->v4,
		.remote = stack_of(stack == 0 ? 1 : 0)->v4,
		.remote_port = SERVER_PORT};
	struct tcp_conn *conn;

	SLUICE_ASSERT(
		tcp_connect(stack_of(stack)->tcp, &request, clock_now_us(), &conn) == TCP_CONNECT_STARTED);
	*end_of(stack, conn) = (struct end){.used = true};
}

// A router says that a segment of the connection was too large, quoting a number in flight.
static void tell_too_big(uint32_t stack, const struct tcp_conn_info *info)
{
	struct port *port = sim.twin.stacks[0].wire_end;
	struct rte_mbuf *m = twin_app_buffer();
	uint8_t *ip;
	struct writer w;
	uint32_t sum = 0;

	SLUICE_ASSERT(m != NULL && stack != 0);
	w = writer_over(
		(struct mut_span){.data = (uint8_t *)rte_pktmbuf_append(m, 14 + 20 + 8 + 28), .len = 70});
	writer_bytes(&w, span_of(sim.twin.stacks[1].wire_end->info.mac, 6));
	writer_bytes(&w, span_of(port->info.mac, 6));
	writer_u16(&w, 0x0800);
	for (uint32_t i = 0; i < 2; i++) {
		// The error's own header, then the quoted one.
		writer_u16(&w, 0x4500);
		writer_u16(&w, i == 0 ? 56 : 1500);
		writer_u32(&w, 0x4000);
		writer_u8(&w, 64);
		writer_u8(&w, i == 0 ? 1 : 6);
		writer_u16(&w, 0);
		writer_bytes(&w, span_of((i == 0 ? &info->key.remote : &info->key.local)->bytes + 12, 4));
		writer_bytes(&w, span_of((i == 0 ? &info->key.local : &info->key.remote)->bytes + 12, 4));
		if (i == 0) {
			writer_u32(&w, 0x03040000);
			writer_u32(&w, 1300);
		}
	}
	writer_u16(&w, info->key.local_port);
	writer_u16(&w, info->key.remote_port);
	writer_u32(&w, info->snd_una);
	SLUICE_ASSERT(writer_ok(&w) && w.len == 70);
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	for (uint32_t part = 0; part < 2; part++) {
		uint32_t start = part == 0 ? 0 : 20, end = part == 0 ? 20 : 56, at = part == 0 ? 10 : 22;

		sum = 0;
		for (uint32_t i = start; i < end; i += 2)
			sum += (uint32_t)ip[i] << 8 | ip[i + 1];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip[at] = (uint8_t)(~sum >> 8);
		ip[at + 1] = (uint8_t)~sum;
	}
	if (port_tx_burst(port, 0, &m, 1) == 1)
		sim.n_errors_sent++;
	else
		rte_pktmbuf_free(m);
}

static void end_opened(uint32_t stack, const struct tcp_ready *ready)
{
	struct net *net = stack_of(stack)->net;
	struct tcp_conn_info info;

	tcp_conn_info(stack_of(stack)->tcp, ready->conn, &info);
	// The owner, and nobody else, has it.
	SLUICE_ASSERT(net_worker_of(net, 0, &info.key) == net_worker_idx(net));
	if ((ready->events & TCP_EVENT_ACCEPTED) != 0) {
		*end_of(stack, ready->conn) = (struct end){.used = true, .echoes = true};
		return;
	}
	send_bytes(stack_of(stack)->tcp, ready->conn, 0, MESSAGE_LEN);
	if (stack != 0) {
		tcp_output_flush(stack_of(stack)->tcp, clock_now_us());
		tcp_conn_info(stack_of(stack)->tcp, ready->conn, &info);
		tell_too_big(stack, &info);
	}
}

static void end_reads(uint32_t stack, struct tcp_conn *conn)
{
	struct end *end = end_of(stack, conn);
	struct tcp *tcp = stack_of(stack)->tcp;
	struct tcp_piece pieces[64];
	uint32_t n = tcp_peek(conn, pieces, 64), n_read = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < pieces[i].len; k++)
			SLUICE_ASSERT(pieces[i].data[k] == (uint8_t)((end->n_received + n_read + k) * 7));
		n_read += pieces[i].len;
	}
	if (n_read != 0 && end->echoes)
		send_bytes(tcp, conn, end->n_received, n_read);
	tcp_consume(tcp, conn, n_read);
	end->n_received += n_read;
}

static void take_events(uint32_t stack)
{
	struct tcp *tcp = stack_of(stack)->tcp;
	struct tcp_ready ready[64];
	uint32_t n = tcp_ready_burst(tcp, ready, 64);

	for (uint32_t i = 0; i < n; i++) {
		struct end *end = end_of(stack, ready[i].conn);

		SLUICE_ASSERT((ready[i].events & (TCP_EVENT_RESET | TCP_EVENT_TIMED_OUT)) == 0);
		if ((ready[i].events & (TCP_EVENT_ACCEPTED | TCP_EVENT_CONNECTED)) != 0)
			end_opened(stack, &ready[i]);
		end_reads(stack, ready[i].conn);
		if ((end->echoes && (ready[i].events & TCP_EVENT_PEER_FIN) != 0) ||
			(!end->echoes && end->n_received == MESSAGE_LEN)) {
			SLUICE_ASSERT(end->n_received == MESSAGE_LEN);
			sim.n_done++;
			tcp_close(tcp, ready[i].conn);
		}
	}
}

static uint64_t count_all(enum counter id)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < N_WORKERS; i++)
		n += counter_get(&twin_worker(&sim.twin, i)->counters, id);
	return n;
}

static void open_all(uint64_t seed)
{
	memset(&sim, 0, sizeof sim);
	sim.options.seed = seed;
	sim.options.mtu = 1500;
	sim.options.n_workers = N_WORKERS;
	for (uint32_t i = 0; i < 2; i++) {
		sim.options.wire[i] = (struct port_mem_wire){
			.loss_ppm = seed % 2 == 0 ? 20000 : 0, .delay_us = 1000, .jitter_us = 500};
		tcp_config_default(&sim.options.tcp[i], 256);
		sim.options.tcp[i].n_listeners = 4;
		sim.options.tcp[i].n_syn_cache = seed % 3 == 0 ? 4 : 256; // cookies have an owner, too
		sim.options.tcp[i].secret[0] = (uint8_t)(seed + i);
		sim.options.tcp[i].keepalive_idle_ms = 3000;
	}
	twin_open(&sim.twin, &sim.options);
	for (uint32_t i = 0; i < N_STACKS; i++)
		SLUICE_ASSERT(tcp_listen(stack_of(i)->tcp, NULL, SERVER_PORT, 0));
}

static void turn(void)
{
	twin_receive(&sim.twin, 0);
	take_events(0);
	twin_send(&sim.twin, 0);
	tcp_check_invariants(stack_of(0)->tcp);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		twin_worker_receive(&sim.twin, i);
		take_events(1 + i);
		twin_worker_send(&sim.twin, i);
		tcp_check_invariants(stack_of(1 + i)->tcp);
	}
}

static void run_seed(uint64_t seed)
{
	uint64_t start_us;

	open_all(seed);
	start_us = clock_now_us();
	for (uint32_t k = 0; k < N_EACH_WAY; k++)
		for (uint32_t i = 0; i < N_STACKS; i++)
			connect_from(i);
	while (sim.n_done < 2 * N_STACKS * N_EACH_WAY) {
		turn();
		clock_virtual_advance(100);
		SLUICE_ASSERT(clock_now_us() - start_us < END_BOUND_US);
	}
	// Two thirds of the flows belong to workers that never see the port, and so do the errors about them.
	SLUICE_ASSERT(count_all(COUNTER_NET_FORWARDED) > N_EACH_WAY);
	if (sim.options.wire[0].loss_ppm == 0)
		SLUICE_ASSERT(count_all(COUNTER_TCP_MTU_LOWERED) == N_WORKERS * N_EACH_WAY &&
			      sim.n_errors_sent == N_WORKERS * N_EACH_WAY);
	twin_close(&sim.twin);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 10;

	twin_start(8191, 1500, 16384, 0);
	for (uint64_t i = 0; i < n; i++)
		run_seed(first + i);
	printf("%llu seeds from %llu passed\n", (unsigned long long)n, (unsigned long long)first);
	return 0;
}
