// SPDX-License-Identifier: Apache-2.0
#include "seam/net_stub.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/packet_pool.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SENT_MAX = 4096,
	HEADER_LEN = 20
};

struct sent {
	struct rte_mbuf *mbuf;
	struct flow_key key;
	uint64_t at_us;
	uint16_t tso_mss;
	uint8_t ecn;
};

struct net {
	struct rte_mempool *pool;
	uint32_t n_buffers;
	uint16_t mtu;
	uint16_t capabilities;
	bool starved;
	bool unrouted;
	uint32_t head, tail; // of the ring below
	struct sent sent[SENT_MAX];
};

static struct rte_mempool *pools_of(uint32_t n_buffers)
{
	static char name[] = "stub", cores[] = "-l0", no_huge[] = "--no-huge", no_pci[] = "--no-pci",
		    no_shared[] = "--no-shconf", memory[] = "-m128", no_telemetry[] = "--no-telemetry",
		    log_level[] = "--log-level=error";
	static char *arguments[] = {
		name, cores, no_huge, no_pci, no_shared, memory, no_telemetry, log_level, NULL};
	static bool started;
	static unsigned n_pools;
	char pool_name[24];
	struct rte_mempool *pool;

	if (!started)
		SLUICE_ASSERT(rte_eal_init(8, arguments) >= 0);
	started = true;
	(void)snprintf(pool_name, sizeof pool_name, "stub%u", n_pools++);
	pool = packet_pool_create(pool_name, n_buffers, 1500, 0, 0);
	SLUICE_ASSERT(pool != NULL);
	return pool;
}

struct net *net_stub_open(uint16_t mtu, uint16_t capabilities, uint32_t n_buffers)
{
	struct net *net = calloc(1, sizeof *net);

	SLUICE_ASSERT(net != NULL);
	net->pool = pools_of(n_buffers);
	net->n_buffers = n_buffers;
	net->mtu = mtu;
	net->capabilities = capabilities;
	return net;
}

void net_stub_check(struct net *net)
{
	while (net->tail != net->head)
		rte_pktmbuf_free(net->sent[net->tail++ % SENT_MAX].mbuf);
	SLUICE_ASSERT(rte_mempool_avail_count(net->pool) == net->n_buffers);
}

void net_stub_close(struct net *net)
{
	net_stub_check(net);
	packet_pool_free(net->pool);
	free(net);
}

static uint32_t be32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool net_stub_take(struct net *net, struct net_stub_sent *out)
{
	const struct sent *sent = &net->sent[net->tail % SENT_MAX];
	uint8_t header[HEADER_LEN + 40];
	uint32_t header_len, n;

	if (net->tail == net->head)
		return false;
	net->tail++;
	n = sent->mbuf->pkt_len < sizeof header ? sent->mbuf->pkt_len : (uint32_t)sizeof header;
	memcpy(header, rte_pktmbuf_read(sent->mbuf, 0, n, header), n);
	header_len = header[12] / 16 * 4u;
	// Field by field: clearing the payload's room would cost more than all the rest.
	out->at_us = sent->at_us;
	out->key = sent->key;
	out->seq = be32(header + 4);
	out->ack = be32(header + 8);
	out->window = (uint16_t)(header[14] << 8 | header[15]);
	out->flags = header[13];
	out->ecn = sent->ecn;
	out->tso_mss = sent->tso_mss;
	out->options_len = (uint8_t)(header_len - HEADER_LEN);
	out->payload_len = sent->mbuf->pkt_len - header_len;
	memcpy(out->options, header + HEADER_LEN, out->options_len);
	if (out->payload_len != 0) {
		const void *payload = rte_pktmbuf_read(
			sent->mbuf, header_len, out->payload_len, out->payload);

		if (payload != out->payload)
			memcpy(out->payload, payload, out->payload_len);
	}
	rte_pktmbuf_free(sent->mbuf);
	return true;
}

bool net_stub_segment(struct net *net, struct segment *segment, const uint8_t *options, uint8_t options_len,
	const uint8_t *payload, uint16_t payload_len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net->pool);
	uint8_t *data;

	if (m == NULL)
		return false;
	data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(options_len + payload_len));
	SLUICE_ASSERT(data != NULL);
	if (options_len != 0)
		memcpy(data, options, options_len);
	if (payload_len != 0)
		memcpy(data + options_len, payload, payload_len);
	rte_pktmbuf_adj(m, options_len);
	segment->mbuf = m;
	segment->options = data;
	segment->options_len = options_len;
	segment->payload_len = payload_len;
	segment->hash = net_flow_hash(net, &segment->key);
	return true;
}

struct rte_mbuf *net_stub_buffer(struct net *net)
{
	return rte_pktmbuf_alloc(net->pool);
}

void net_stub_starve(struct net *net, bool on)
{
	net->starved = on;
}

void net_stub_unroute(struct net *net, bool on)
{
	net->unrouted = on;
}

// --- what tcp calls ---

uint32_t net_flow_hash(const struct net *net, const struct flow_key *key)
{
	uint32_t hash = 2166136261u;

	(void)net;
	for (uint32_t i = 0; i < IP_ADDR_LEN; i++)
		hash = (hash ^ key->local.bytes[i]) * 16777619u;
	for (uint32_t i = 0; i < IP_ADDR_LEN; i++)
		hash = (hash ^ key->remote.bytes[i]) * 16777619u;
	hash = (hash ^ key->local_port) * 16777619u;
	hash = (hash ^ key->remote_port) * 16777619u;
	return hash;
}

uint32_t net_worker_of(const struct net *net, uint8_t port_idx, const struct flow_key *key)
{
	(void)net;
	(void)port_idx;
	(void)key;
	return 0;
}

uint32_t net_worker_idx(const struct net *net)
{
	(void)net;
	return 0;
}

bool net_forward(struct net *net, struct segment *segment)
{
	(void)net;
	(void)segment;
	return false;
}

bool net_path_find(
	struct net *net, const struct ip_addr *local, const struct ip_addr *remote, struct net_path *out)
{
	(void)remote;
	if (net->unrouted)
		return false;
	*out = (struct net_path){.mtu = net->mtu,
		.capabilities = net->capabilities,
		.segments_max = (net->capabilities & NET_PATH_MULTI_SEGMENT) != 0 ? 8 : 1,
		.is_v4 = ip_addr_is_v4(local)};
	return true;
}

struct rte_mbuf *net_mbuf_alloc(struct net *net)
{
	return net->starved ? NULL : rte_pktmbuf_alloc(net->pool);
}

void net_output_tcp(struct net *net, struct net_path *path, const struct flow_key *key, struct rte_mbuf *m,
	uint8_t ecn, uint16_t tso_mss)
{
	(void)path;
	SLUICE_ASSERT(
		m->pkt_len >= HEADER_LEN && m->data_len >= HEADER_LEN && net->head - net->tail < SENT_MAX);
	SLUICE_ASSERT(tso_mss != 0 || m->pkt_len + (ip_addr_is_v4(&key->local) ? 20u : 40u) <= net->mtu);
	SLUICE_ASSERT(tso_mss == 0 || (net->capabilities & NET_PATH_TSO) != 0);
	net->sent[net->head++ % SENT_MAX] = (struct sent){
		.mbuf = m, .key = *key, .at_us = clock_now_us(), .tso_mss = tso_mss, .ecn = ecn};
}
