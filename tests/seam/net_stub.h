// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for net, linked in its place: what tcp sends is kept for the test to look at, and what the test
// says arrives. No ports, no frames, no neighbours; every destination is reachable over one path.
#pragma once

#include "net/net.h"
#include "net/output.h"

struct rte_mempool;

// One segment that tcp sent.
struct net_stub_sent {
	uint64_t at_us; // base/clock's time
	struct flow_key key;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	uint8_t ecn;
	uint16_t tso_mss;
	uint8_t options_len;
	uint8_t options[40];
	uint32_t payload_len;
	uint8_t payload[65536];
};

// Starts EAL (once) and makes a stub whose buffers hold `mtu`; n_buffers bounds how many there are.
struct net *net_stub_open(uint16_t mtu, uint16_t capabilities, uint32_t n_buffers);

// Asserts that every buffer came back.
void net_stub_close(struct net *net);

// Throws away what was sent and asserts that every buffer is back; the stub stays open.
void net_stub_check(struct net *net);

// Takes the oldest segment that was sent; false: none.
bool net_stub_take(struct net *net, struct net_stub_sent *out);

// Builds a received segment around the payload and options that are given. The flow's key and all numbers
// come from `segment`; mbuf, hash, options and lengths are filled in. False: no buffer.
bool net_stub_segment(struct net *net, struct segment *segment, const uint8_t *options, uint8_t options_len,
	const uint8_t *payload, uint16_t payload_len);

// A buffer for tcp_send, from the same pool; NULL when there is none.
struct rte_mbuf *net_stub_buffer(struct net *net);

// While set, net_mbuf_alloc fails.
void net_stub_starve(struct net *net, bool on);

// While set, there is no path to anywhere.
void net_stub_unroute(struct net *net, bool on);
