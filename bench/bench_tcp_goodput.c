// SPDX-License-Identifier: Apache-2.0
#include "bench_tcp.h"

#include "base/assert.h"
#include "seam/clock_virtual.h"
#include "twin.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RUNS_MAX = 101,
	RUNS_QUICK = 5,
	PORT = 7000,
	RECORD_LEN = 16384,
	RATE_MBIT = 100,
	ONE_WAY_US = 10000,
	QUEUE_FRAMES = 167 // one product of bandwidth and delay
};

static struct twin twin;
static struct twin_options options;
static struct tcp_handle sender, receiver;
static bool accepted;

static void open_wire(uint64_t seed, uint32_t loss_ppm)
{
	memset(&options, 0, sizeof options);
	options.seed = seed;
	options.mtu = 1500;
	for (uint32_t i = 0; i < 2; i++) {
		options.capabilities[i] = PORT_CAN_MULTI_SEGMENT;
		options.wire[i] = (struct port_mem_wire){.loss_ppm = loss_ppm,
			.delay_us = ONE_WAY_US,
			.rate_bps = (uint64_t)RATE_MBIT * 1000000,
			.queue_len = QUEUE_FRAMES};
		tcp_config_default(&options.tcp[i], 16);
		options.tcp[i].secret[0] = (uint8_t)(i + 1);
	}
	twin_open(&twin, &options);
	accepted = false;
}

static void sender_works(struct rte_mbuf *record)
{
	struct tcp *tcp = twin.stacks[0].tcp;
	struct tcp_conn *conn = tcp_conn_at(tcp, sender);
	struct tcp_ready ready[8];

	(void)tcp_ready_burst(tcp, ready, 8);
	SLUICE_ASSERT(conn != NULL);
	while (tcp_send_space(tcp, conn) >= RECORD_LEN) {
		rte_mbuf_refcnt_update(record, 1);
		SLUICE_ASSERT(tcp_send(tcp, conn, record, 0, RECORD_LEN));
	}
}

static uint64_t receiver_works(void)
{
	struct tcp *tcp = twin.stacks[1].tcp;
	struct tcp_ready ready[8];
	struct tcp_conn *conn;
	uint32_t n = tcp_ready_burst(tcp, ready, 8);
	uint64_t n_bytes;

	for (uint32_t i = 0; i < n; i++) {
		receiver = ready[i].handle;
		accepted = true;
	}
	if (!accepted)
		return 0;
	conn = tcp_conn_at(tcp, receiver);
	n_bytes = tcp_readable(conn);
	tcp_consume(tcp, conn, (uint32_t)n_bytes);
	return n_bytes;
}

static double megabits(uint64_t seed, uint32_t loss_ppm, uint64_t n_bytes)
{
	struct tcp_connect request = {.remote_port = PORT};
	struct rte_mbuf *record = twin_app_buffer();
	uint64_t start_us, n_received = 0;
	struct tcp_conn *conn;
	double seconds;

	SLUICE_ASSERT(record != NULL && rte_pktmbuf_append(record, RECORD_LEN) != NULL);
	open_wire(seed, loss_ppm);
	request.local = twin.stacks[0].v4;
	request.remote = twin.stacks[1].v4;
	SLUICE_ASSERT(tcp_listen(twin.stacks[1].tcp, NULL, PORT, 0));
	start_us = clock_now_us();
	SLUICE_ASSERT(tcp_connect(twin.stacks[0].tcp, &request, start_us, &conn) == TCP_CONNECT_STARTED);
	sender = tcp_conn_handle(twin.stacks[0].tcp, conn);
	while (n_received < n_bytes) {
		uint64_t next_us;

		twin_receive(&twin, 0);
		sender_works(record);
		twin_send(&twin, 0);
		twin_receive(&twin, 1);
		n_received += receiver_works();
		twin_send(&twin, 1);
		next_us = twin_next_us(&twin);
		clock_virtual_set_now(next_us > clock_now_us() ? next_us : clock_now_us() + 1);
	}
	seconds = (double)(clock_now_us() - start_us) / 1e6;
	rte_pktmbuf_free(record);
	tcp_abort(twin.stacks[0].tcp, tcp_conn_at(twin.stacks[0].tcp, sender));
	twin_close(&twin);
	return (double)n_received * 8 / seconds / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void bench_tcp_goodput_rows(struct measure *measure, bool quick)
{
	static const uint32_t losses_ppm[] = {0, 100, 1000, 10000};
	static const uint64_t n_bytes[] = {100000000, 50000000, 25000000, 8000000};
	// The fewer losses there are in a run, the more depends on where they fall.
	static const uint32_t n_runs[] = {1, 25, RUNS_MAX, RUNS_MAX};

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t n = quick && n_runs[i] > RUNS_QUICK ? RUNS_QUICK : n_runs[i];
		double figures[RUNS_MAX];
		char name[64];

		(void)snprintf(name, sizeof name, "tcp_goodput_virtual_loss_%uppm", losses_ppm[i]);
		if (!measure_wants(measure, name))
			continue;
		for (uint32_t run = 0; run < n; run++)
			figures[run] = megabits(run + 1, losses_ppm[i], n_bytes[i]);
		qsort(figures, n, sizeof figures[0], compare);
		measure_value(measure, name, "Mbit/s", figures[n / 2]);
	}
}
