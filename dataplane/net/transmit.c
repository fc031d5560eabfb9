// SPDX-License-Identifier: Apache-2.0
#include "net/transmit.h"

#include "net/instance.h"

#include <rte_mbuf.h>

enum {
	STUCK_US = 100 * 1000
};

bool transmit_init(struct transmit_queue *queue, struct arena *arena, uint32_t capacity)
{
	*queue = (struct transmit_queue){.mask = capacity - 1};
	queue->mbufs = arena_alloc(arena, capacity * sizeof queue->mbufs[0], 64);
	return queue->mbufs != NULL;
}

static uint32_t count(const struct transmit_queue *queue)
{
	return queue->head - queue->tail;
}

void transmit_frame(struct net *net, struct net_port *port, struct rte_mbuf *m)
{
	struct transmit_queue *queue = &port->transmit;

	if (count(queue) > queue->mask) {
		transmit_flush(net, port);
		if (count(queue) > queue->mask) {
			net_drop(net, m, COUNTER_NET_TX_DROP_QUEUE);
			return;
		}
	}
	queue->mbufs[queue->head++ & queue->mask] = m;
}

// Sends frames that lie side by side in the queue; returns how many the NIC took.
static uint32_t send_run(struct net *net, struct net_port *port, struct rte_mbuf **mbufs, uint32_t n)
{
	uint64_t n_bytes = 0;
	uint32_t n_sent;

	// The frames may be freed by the time the call returns, so that their lengths are added before it.
	for (uint32_t i = 0; i < n; i++)
		n_bytes += mbufs[i]->pkt_len;
	n_sent = port_tx_burst(port->device, port->queue, mbufs, (uint16_t)n);
	for (uint32_t i = n_sent; i < n; i++)
		n_bytes -= mbufs[i]->pkt_len;
	counter_add(net->counters, COUNTER_NET_TX_PACKETS, n_sent);
	counter_add(net->counters, COUNTER_NET_TX_BYTES, n_bytes);
	return n_sent;
}

// Hands frames to the worker that drives the port; returns how many its ring took.
static uint32_t pass_run(struct net *net, struct net_port *port, struct rte_mbuf **mbufs, uint32_t n)
{
	struct exchange_message message = {.kind = EXCHANGE_TRANSMIT, .port_idx = port->idx};
	uint32_t i;

	for (i = 0; i < n; i++) {
		message.mbuf = mbufs[i];
		if (!exchange_push(net->exchange, net->worker_idx, port->driver, &message))
			break;
	}
	return i;
}

// Something waits and nothing of it was taken.
static void stuck(struct net *net, struct transmit_queue *queue)
{
	if (queue->stuck_us == 0) {
		queue->stuck_us = net->now_us;
	} else if (net->now_us - queue->stuck_us >= STUCK_US) {
		net_drop(net, queue->mbufs[queue->tail++ & queue->mask], COUNTER_NET_TX_DROP_REFUSED);
		queue->stuck_us = 0;
	}
}

void transmit_flush(struct net *net, struct net_port *port)
{
	struct transmit_queue *queue = &port->transmit;
	uint32_t tail = queue->tail;

	while (count(queue) != 0) {
		uint32_t start = queue->tail & queue->mask;
		uint32_t n = count(queue);
		uint32_t n_sent;

		if (n > queue->mask + 1 - start)
			n = queue->mask + 1 - start;
		if (n > PORT_BURST_MAX)
			n = PORT_BURST_MAX;
		n_sent = port->driver == net->worker_idx ? send_run(net, port, queue->mbufs + start, n)
							 : pass_run(net, port, queue->mbufs + start, n);
		queue->tail += n_sent;
		if (n_sent < n)
			break;
	}
	if (queue->tail != tail)
		queue->stuck_us = 0;
	else if (count(queue) != 0 && port->driver == net->worker_idx)
		stuck(net, queue);
}

void transmit_stop(struct transmit_queue *queue)
{
	while (count(queue) != 0)
		rte_pktmbuf_free(queue->mbufs[queue->tail++ & queue->mask]);
}
