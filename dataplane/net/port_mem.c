// SPDX-License-Identifier: Apache-2.0
//
// The wire is two directions, each a queue of frames in the order of their arrival, and after it a first-in
// first-out queue per receive queue of the end.
//
//   wire:  [ tail ... head )   sorted by deliver_us; a new frame enters at the head and moves back past later
//   ones
//
// A frame counts against the queue's length from its sending to its delivery.
#include "net/port_mem.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/port_mem_offload.h"
#include "net/wire.h"

#include <rte_mbuf.h>
#include <stdlib.h>

enum {
	QUEUE_LEN_DEFAULT = 4096,
	QUEUE_CAPACITY = 1 << 16,
	FRAME_LEN_MAX = WIRE_LINK_LEN_MAX + UINT16_MAX,
	PPM = 1000 * 1000,
	FLIPS_MAX = 3
};

struct mem_frame {
	struct rte_mbuf *mbuf;
	uint64_t deliver_us;
};

struct mem_queue {
	struct mem_frame *frames;
	uint32_t mask;
	uint32_t head; // next to write
	uint32_t tail;
};

struct mem_end {
	struct port port;
	struct port_mem_wire wire; // what happens to what this end sends
	struct mem_end *peer;
	struct mem_link *link;
	struct rte_mempool *rx_pool;
	struct mem_queue arriving;  // on its way to this end
	struct mem_queue *received; // one per receive queue
	uint64_t free_at_us;        // when the wire has sent everything so far (rate), in 2^-10 us
	uint64_t last_deliver_us;
	struct port_mem_stats stats; // of what this end sent
	struct port_stats port_stats;
};

struct mem_link {
	struct mem_end ends[2];
	uint64_t random;
	bool up;
	uint32_t n_closed;
	uint8_t scratch[FRAME_LEN_MAX];
};

static struct mem_end *of(struct port *port)
{
	return (struct mem_end *)port;
}

static uint32_t count(const struct mem_queue *queue)
{
	return queue->head - queue->tail;
}

static bool queue_init(struct mem_queue *queue, uint32_t len)
{
	uint32_t capacity = 1;

	while (capacity < len)
		capacity *= 2;
	*queue = (struct mem_queue){.mask = capacity - 1};
	queue->frames = calloc(capacity, sizeof queue->frames[0]);
	return queue->frames != NULL;
}

static void queue_free(struct mem_queue *queue)
{
	while (count(queue) != 0)
		rte_pktmbuf_free(queue->frames[queue->tail++ & queue->mask].mbuf);
	free(queue->frames);
}

static struct mem_frame *frame_at(struct mem_queue *queue, uint32_t position)
{
	return &queue->frames[position & queue->mask];
}

static void insert(struct mem_queue *queue, struct mem_frame frame)
{
	uint32_t place = queue->head++;

	SLUICE_ASSERT(count(queue) <= queue->mask + 1);
	for (; place != queue->tail && frame_at(queue, place - 1)->deliver_us > frame.deliver_us; place--)
		*frame_at(queue, place) = *frame_at(queue, place - 1);
	*frame_at(queue, place) = frame;
}

// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
static uint64_t draw(struct mem_link *link)
{
	uint64_t z = link->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t draw_below(struct mem_link *link, uint32_t bound)
{
	return (uint32_t)((draw(link) >> 32) * bound >> 32);
}

static bool happens(struct mem_link *link, uint32_t ppm)
{
	return ppm != 0 && draw_below(link, PPM) < ppm;
}

// When a frame that is sent now has passed the wire's bottleneck.
static uint64_t serialize(struct mem_end *from, size_t len)
{
	uint64_t now = clock_now_us() << 10;

	if (from->wire.rate_bps == 0)
		return now >> 10;
	if (from->free_at_us < now)
		from->free_at_us = now;
	from->free_at_us += (uint64_t)len * 8 * PPM * 1024 / from->wire.rate_bps;
	return (from->free_at_us + 1023) >> 10;
}

static uint64_t arrival_us(struct mem_end *from, uint64_t sent_us)
{
	const struct port_mem_wire *wire = &from->wire;
	uint64_t deliver_us = sent_us + wire->delay_us;

	if (wire->jitter_us != 0)
		deliver_us += draw_below(from->link, wire->jitter_us + 1);
	if (deliver_us < from->last_deliver_us)
		deliver_us = from->last_deliver_us;
	from->last_deliver_us = deliver_us;
	if (happens(from->link, wire->reorder_ppm)) {
		deliver_us += wire->reorder_us;
		from->stats.reordered++;
	}
	return deliver_us;
}

static void corrupt(struct mem_end *from, struct rte_mbuf *m)
{
	uint32_t n_flips = 1 + draw_below(from->link, FLIPS_MAX);

	for (uint32_t i = 0; i < n_flips; i++) {
		uint32_t bit = draw_below(from->link, (uint32_t)m->data_len * 8);

		*rte_pktmbuf_mtod_offset(m, uint8_t *, bit / 8) ^= (uint8_t)(1 << bit % 8);
	}
	from->stats.corrupted++;
}

// Puts a finished frame, made for the receiving end, on the wire.
static void put(struct mem_end *from, struct rte_mbuf *m, uint64_t sent_us)
{
	struct mem_frame frame = {.mbuf = m};

	if (!from->link->up || happens(from->link, from->wire.loss_ppm)) {
		from->stats.lost++;
		rte_pktmbuf_free(m);
		return;
	}
	if (count(&from->peer->arriving) >= from->wire.queue_len) {
		from->stats.queue_full++;
		rte_pktmbuf_free(m);
		return;
	}
	if (happens(from->link, from->wire.corrupt_ppm))
		corrupt(from, m);
	frame.deliver_us = arrival_us(from, sent_us);
	insert(&from->peer->arriving, frame);
}

static struct rte_mbuf *copy_for(struct mem_end *from, const struct mem_offload *offload,
	const uint8_t *frame, size_t len, uint32_t idx)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(from->peer->rx_pool);
	size_t copy_len;

	if (copy == NULL) {
		from->stats.no_mbuf++;
		return NULL;
	}
	copy_len = mem_offload_cut(offload, frame, len, idx, rte_pktmbuf_mtod(copy, uint8_t *));
	copy->data_len = (uint16_t)copy_len;
	copy->pkt_len = (uint32_t)copy_len;
	return copy;
}

static void send_one(struct mem_end *from, const struct mem_offload *offload, const uint8_t *frame,
	size_t len, uint32_t idx)
{
	struct rte_mbuf *m = copy_for(from, offload, frame, len, idx);
	uint64_t sent_us;

	if (m == NULL)
		return;
	from->stats.sent++;
	sent_us = serialize(from, m->data_len);
	if (happens(from->link, from->wire.duplicate_ppm)) {
		struct rte_mbuf *twin = copy_for(from, offload, frame, len, idx);

		if (twin != NULL) {
			from->stats.duplicated++;
			put(from, twin, sent_us);
		}
	}
	put(from, m, sent_us);
}

// Whether the sender kept to what the port said it can do.
static bool within_capabilities(const struct mem_end *end, const struct rte_mbuf *m)
{
	uint32_t can = end->port.info.capabilities;

	if (m->nb_segs > end->port.info.tx_segments_max)
		return false;
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		return (can & PORT_CAN_TSO) != 0;
	return (m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM)) == 0 ||
	       (can & PORT_CAN_TX_CHECKSUM) != 0;
}

static uint16_t mem_tx_burst(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct mem_end *end = of(port);

	SLUICE_ASSERT(queue < port->info.n_queues);
	for (uint16_t i = 0; i < n; i++) {
		struct mem_offload offload = mem_offload_of(mbufs[i]);
		const uint8_t *frame = rte_pktmbuf_read(mbufs[i], 0, mbufs[i]->pkt_len, end->link->scratch);
		size_t len = mbufs[i]->pkt_len;

		SLUICE_ASSERT(within_capabilities(end, mbufs[i]) && frame != NULL);
		end->port_stats.tx_packets++;
		end->port_stats.tx_bytes += len;
		if (offload.segment_len == 0 && len > (size_t)port->info.mtu + WIRE_LINK_LEN_MAX)
			end->port_stats.tx_errors++;
		else
			for (uint32_t k = 0; k < mem_offload_count(&offload, len); k++)
				send_one(end, &offload, frame, len, k);
		rte_pktmbuf_free(mbufs[i]);
	}
	return n;
}

// Moves what has arrived to the receive queues.
static void deliver(struct mem_end *end)
{
	uint64_t now_us = clock_now_us();
	struct mem_queue *arriving = &end->arriving;
	const struct port_info *info = &end->port.info;

	while (count(arriving) != 0 && frame_at(arriving, arriving->tail)->deliver_us <= now_us) {
		struct rte_mbuf *m = frame_at(arriving, arriving->tail++)->mbuf;
		const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
		struct mem_queue *queue = &end->received[0];

		if ((info->capabilities & PORT_CAN_RSS) != 0)
			queue = &end->received[mem_offload_queue(info, frame, m->data_len)];
		if ((info->capabilities & PORT_CAN_RX_CHECKSUM) != 0)
			m->ol_flags |= mem_offload_verdict(frame, m->data_len);
		if (count(queue) > queue->mask) {
			end->port_stats.rx_missed++;
			rte_pktmbuf_free(m);
			continue;
		}
		end->peer->stats.delivered++;
		insert(queue, (struct mem_frame){.mbuf = m});
	}
}

static uint16_t mem_rx_burst(struct port *port, uint16_t queue_idx, struct rte_mbuf **mbufs, uint16_t n)
{
	struct mem_end *end = of(port);
	struct mem_queue *queue = &end->received[queue_idx];
	uint16_t n_out = 0;

	SLUICE_ASSERT(queue_idx < port->info.n_queues);
	deliver(end);
	while (n_out < n && count(queue) != 0) {
		mbufs[n_out] = frame_at(queue, queue->tail++)->mbuf;
		end->port_stats.rx_bytes += mbufs[n_out]->data_len;
		n_out++;
	}
	end->port_stats.rx_packets += n_out;
	return n_out;
}

static bool mem_link_up(struct port *port)
{
	return of(port)->link->up;
}

static void mem_stats(struct port *port, struct port_stats *out)
{
	*out = of(port)->port_stats;
}

// The wire goes with its second end.
static void mem_close(struct port *port)
{
	struct mem_end *end = of(port);
	struct mem_link *link = end->link;

	link->up = false;
	queue_free(&end->arriving);
	for (uint16_t i = 0; end->received != NULL && i < port->info.n_queues; i++)
		queue_free(&end->received[i]);
	free(end->received);
	if (++link->n_closed == 2)
		free(link);
}

static const struct port_ops mem_ops = {
	.rx_burst = mem_rx_burst,
	.tx_burst = mem_tx_burst,
	.link_up = mem_link_up,
	.stats = mem_stats,
	.close = mem_close,
};

static void fill_info(struct port_info *info, const struct port_mem_end *config, uint32_t idx)
{
	*info = (struct port_info){
		.name = {'m', 'e', 'm', (char)('0' + idx)},
		.mtu = config->mtu,
		.n_queues = config->n_queues,
		.tx_segments_max = (config->capabilities & PORT_CAN_MULTI_SEGMENT) != 0 ? UINT16_MAX : 1,
		.capabilities = config->capabilities,
		.numa_node = -1,
		.rss_key_len = 40,
		.reta_len = 128,
	};
	memcpy(info->mac, config->mac, sizeof info->mac);
	memcpy(info->rss_key, config->rss_key, sizeof info->rss_key);
	for (uint16_t i = 0; i < info->reta_len; i++)
		info->reta[i] = i % info->n_queues;
}

static bool open_end(struct mem_end *end, const struct port_mem_end *config)
{
	SLUICE_ASSERT(config->n_queues == 1 || (config->capabilities & PORT_CAN_RSS) != 0);
	end->port.ops = &mem_ops;
	end->rx_pool = config->rx_pool;
	end->received = calloc(config->n_queues, sizeof end->received[0]);
	if (end->received == NULL || !queue_init(&end->arriving, QUEUE_CAPACITY))
		return false;
	for (uint16_t i = 0; i < config->n_queues; i++)
		if (!queue_init(&end->received[i], QUEUE_LEN_DEFAULT))
			return false;
	return true;
}

static void set_wire(struct mem_end *end, const struct port_mem_wire *wire)
{
	end->wire = *wire;
	if (end->wire.queue_len == 0)
		end->wire.queue_len = QUEUE_LEN_DEFAULT;
	SLUICE_ASSERT(end->wire.queue_len <= QUEUE_CAPACITY);
}

bool port_mem_open(const struct port_mem_config *config, struct port *out_ends[2])
{
	struct mem_link *link = calloc(1, sizeof *link);

	if (link == NULL)
		return false;
	link->random = config->seed;
	link->up = true;
	for (uint32_t i = 0; i < 2; i++) {
		struct mem_end *end = &link->ends[i];

		end->link = link;
		end->peer = &link->ends[1 - i];
		fill_info(&end->port.info, &config->ends[i], i);
		set_wire(end, &config->ends[i].wire);
		out_ends[i] = &end->port;
	}
	if (open_end(&link->ends[0], &config->ends[0]) && open_end(&link->ends[1], &config->ends[1]))
		return true;
	mem_close(&link->ends[0].port);
	mem_close(&link->ends[1].port);
	return false;
}

void port_mem_set_wire(struct port *end, const struct port_mem_wire *wire)
{
	set_wire(of(end), wire);
}

void port_mem_set_link(struct port *end, bool up)
{
	of(end)->link->up = up;
}

void port_mem_wire_stats(const struct port *end, struct port_mem_stats *out_stats)
{
	*out_stats = ((const struct mem_end *)end)->stats;
}

uint64_t port_mem_next_us(const struct port *port)
{
	const struct mem_end *end = (const struct mem_end *)port;

	for (uint16_t i = 0; i < port->info.n_queues; i++)
		if (count(&end->received[i]) != 0)
			return 0;
	if (count(&end->arriving) == 0)
		return UINT64_MAX;
	return end->arriving.frames[end->arriving.tail & end->arriving.mask].deliver_us;
}
