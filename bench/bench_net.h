// SPDX-License-Identifier: Apache-2.0
//
// What the parts of bench-net share: a station is one net instance on one port, with its pools.
#pragma once

#include "base/arena.h"
#include "base/counters.h"
#include "base/log_ring.h"
#include "measure.h"
#include "net/net.h"
#include "net/output.h"
#include "net/port.h"

#include <stdbool.h>

enum {
	BENCH_BURST = 64,
	BENCH_BUFFERS = 8191
};

struct bench_station {
	struct port *port;
	struct net *net;
	struct rte_mempool *pool;
	struct net_address_config address;
	struct net_config config;
	struct counters counters;
	struct log_ring log;
	struct arena arena;
};

extern const uint8_t bench_mac[2][6];         // of the measured station and of the other
extern const struct ip_addr bench_address[2]; // in one network

// EAL without huge pages on one core.
void bench_start_eal(const char *core);

struct rte_mempool *bench_pool(const char *name);

// Station `idx` (0: the measured one) on a port; the pool is what the port receives into.
void bench_open_station(
	struct bench_station *station, struct port *port, struct rte_mempool *pool, uint32_t idx);

// Complete frames from station 1 to station 0, checksums right.
enum bench_frame {
	BENCH_FRAME_TCP,  // payload_len bytes of payload
	BENCH_FRAME_ECHO, // payload_len bytes behind the ICMP header
};
size_t bench_build_frame(enum bench_frame kind, uint16_t source_port, uint16_t payload_len, uint8_t *out);

// A TCP segment of station 0 to station 1, ready for net_output_tcp.
void bench_fill_segment(struct rte_mbuf *m, uint16_t payload_len);

static inline struct flow_key bench_key(void)
{
	return (struct flow_key){.local = bench_address[0],
		.remote = bench_address[1],
		.local_port = 443,
		.remote_port = 40000};
}

// The rows over memif: two processes. `generator` is what the second one runs (its arguments from argv).
void bench_rows_memif(struct measure *measure);
int bench_generator(int argc, char **argv);
