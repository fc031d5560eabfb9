// SPDX-License-Identifier: Apache-2.0
//
// The NIC's part of port_mem: what hardware does to frames before they reach the wire and after they leave
// it.
#pragma once

#include "net/port.h"

#include <stddef.h>

// What a transmitted mbuf asks of the NIC, taken from its ol_flags and lengths.
struct mem_offload {
	uint16_t l2_len;
	uint16_t l3_len;
	uint16_t l4_len;
	uint16_t segment_len; // payload of each segment; 0: no cutting
	bool ip_checksum;
	bool tcp_checksum;
};

struct mem_offload mem_offload_of(const struct rte_mbuf *m);

// How many frames a transmitted frame of len bytes becomes.
uint32_t mem_offload_count(const struct mem_offload *offload, size_t len);

// Writes frame number idx of a transmitted one, checksums filled in; returns its length. `out` has room for
// the largest.
size_t mem_offload_cut(
	const struct mem_offload *offload, const uint8_t *frame, size_t len, uint32_t idx, uint8_t *out);

// The receive verdicts of a frame, as ol_flags.
uint64_t mem_offload_verdict(const uint8_t *frame, size_t len);

// The queue that RSS chooses: 0 for what is not TCP.
uint16_t mem_offload_queue(const struct port_info *info, const uint8_t *frame, size_t len);
