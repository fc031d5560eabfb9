// SPDX-License-Identifier: Apache-2.0
//
// A port on any device that DPDK drives. The device is named as on EAL's command line, a PCI address or a
// virtual device with its arguments, and is hot-plugged when EAL does not have it yet:
//
//   0000:01:00.0
//   net_tap0,iface=sluice0
//   net_af_packet0,iface=veth0
//   net_af_xdp0,iface=veth0
//   net_memif0,role=server,socket=/run/sluice/memif.sock,socket-abstract=no
//
// Opening asks the driver for what it can do and configures all that Sluice uses of it: one queue per worker
// where RSS exists, otherwise one queue; checksum offload, TSO and multi-segment transmit where offered.
#pragma once

#include "net/port.h"

#include <stddef.h>

struct rte_mempool;

struct port_dpdk_config {
	const char *device; // PCI address, or name with arguments
	uint16_t n_workers;
	uint16_t mtu;         // largest IP packet, without Ethernet and VLAN headers
	uint16_t rx_ring_len; // descriptors; 0: 1024. Both are adjusted to the driver's limits
	uint16_t tx_ring_len;
	struct rte_mempool *rx_pool; // packet_pool.h; its buffers hold a whole frame of that MTU
	// Secret bytes for the RSS key, so that nobody outside can aim flows at one worker.
	uint8_t rss_key[PORT_RSS_KEY_MAX];
	uint32_t disabled_capabilities; // port_capability bits not to use even where the driver has them
};

// Main thread, before workers run. NULL when it can't be opened; `reason` then says what, where and what to
// do.
struct port *port_dpdk_open(const struct port_dpdk_config *config, char *reason, size_t reason_len);
