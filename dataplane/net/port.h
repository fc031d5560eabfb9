// SPDX-License-Identifier: Apache-2.0
//
// The port seam: where packets come from and go to. Bodies: port_dpdk.c (any DPDK device) and port_mem.c (an
// in-process wire for simulations). A port belongs to the process; each of its queues belongs to one worker.
//
// A port says what it can do (`capabilities`, as configured, not as advertised); net uses what is there and
// does the rest in software. What it must do whatever its body: deliver and take whole Ethernet frames, take
// frames of one segment, and never block.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct port;

enum {
	PORT_NAME_MAX = 64,
	PORT_BURST_MAX = 64,
	PORT_QUEUES_MAX = 64,
	PORT_RSS_KEY_MAX = 64,
	PORT_RETA_MAX = 512,
	PORT_MAC_LEN = 6
};

enum port_capability {
	PORT_CAN_RX_CHECKSUM = 1 << 0, // sets mbuf->ol_flags' IP and L4 verdicts; "unknown" is always allowed
	PORT_CAN_TX_CHECKSUM = 1 << 1, // IPv4 header and TCP checksum, given the pseudo-header's sum
	PORT_CAN_TSO =
		1 << 2, // cuts TCP segments of more than tso_segsz; implies TX_CHECKSUM and MULTI_SEGMENT
	PORT_CAN_MULTI_SEGMENT = 1 << 3, // takes chains of mbufs
	PORT_CAN_RSS = 1 << 4 // spreads TCP over queues by Toeplitz hash with rss_key and reta below
};

struct port_info {
	char name[PORT_NAME_MAX];
	uint8_t mac[PORT_MAC_LEN];
	uint16_t mtu;             // largest IP packet, as configured
	uint16_t n_queues;        // receive queues = transmit queues
	uint16_t tx_segments_max; // mbufs in one chain; 1 without PORT_CAN_MULTI_SEGMENT
	uint32_t capabilities;
	int numa_node; // -1: unknown
	// Buffers at most that the driver does not give back when it is closed (AF_XDP's shared memory,
	// memif's rings with zero copy).
	uint32_t n_buffers_kept;
	// With PORT_CAN_RSS: queue = reta[hash % reta_len].
	uint8_t rss_key_len;
	_Alignas(uint32_t) uint8_t rss_key[PORT_RSS_KEY_MAX];
	uint16_t reta_len; // a power of two
	uint16_t reta[PORT_RETA_MAX];
};

struct port_stats {
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_no_mbuf;
	uint64_t tx_packets, tx_bytes, tx_errors;
};

struct port_ops {
	// Fills at most n mbufs; returns how many. They are the caller's then.
	uint16_t (*rx_burst)(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
	// Takes mbufs from the front; returns how many it took, which are the port's then. The rest stays the
	// caller's. What the port can't send at all it takes, frees, and counts in tx_errors.
	uint16_t (*tx_burst)(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
	bool (*link_up)(struct port *port);
	void (*stats)(struct port *port, struct port_stats *out_stats);
	// Stops the device and frees every mbuf that it holds. No queue is in use by then.
	void (*close)(struct port *port);
};

// First member of every body.
struct port {
	const struct port_ops *ops;
	struct port_info info;
};

static inline uint16_t port_rx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return port->ops->rx_burst(port, queue, mbufs, n);
}

static inline uint16_t port_tx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return port->ops->tx_burst(port, queue, mbufs, n);
}

static inline bool port_link_up(struct port *port)
{
	return port->ops->link_up(port);
}

static inline void port_stats(struct port *port, struct port_stats *out_stats)
{
	port->ops->stats(port, out_stats);
}

static inline void port_close(struct port *port)
{
	port->ops->close(port);
}
