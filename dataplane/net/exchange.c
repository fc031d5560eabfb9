// SPDX-License-Identifier: Apache-2.0
#include "net/exchange.h"

#include "base/assert.h"
#include "base/ring.h"

#include <rte_mbuf.h>

struct exchange {
	uint32_t n_workers;
	struct ring rings[]; // [from * n_workers + to]; the diagonal is unused
};

static size_t header_len(uint32_t n_workers)
{
	return sizeof(struct exchange) + (size_t)n_workers * n_workers * sizeof(struct ring);
}

size_t exchange_footprint(uint32_t n_workers, uint32_t ring_len)
{
	size_t ring_bytes = (size_t)ring_len * sizeof(struct exchange_message) + 64;

	return header_len(n_workers) + 64 + (size_t)n_workers * n_workers * ring_bytes;
}

struct exchange *exchange_init(struct arena *arena, uint32_t n_workers, uint32_t ring_len)
{
	struct exchange *exchange = arena_alloc(arena, header_len(n_workers), 64);

	if (exchange == NULL)
		return NULL;
	exchange->n_workers = n_workers;
	for (uint32_t i = 0; i < n_workers * n_workers; i++)
		if (!ring_init(&exchange->rings[i], arena, ring_len, sizeof(struct exchange_message)))
			return NULL;
	return exchange;
}

static struct ring *ring_between(struct exchange *exchange, uint32_t from, uint32_t to)
{
	SLUICE_ASSERT(from < exchange->n_workers && to < exchange->n_workers && from != to);
	return &exchange->rings[from * exchange->n_workers + to];
}

bool exchange_push(
	struct exchange *exchange, uint32_t from, uint32_t to, const struct exchange_message *message)
{
	return ring_push(ring_between(exchange, from, to), message);
}

uint32_t exchange_pop(
	struct exchange *exchange, uint32_t from, uint32_t to, struct exchange_message *out, uint32_t n)
{
	return ring_pop_burst(ring_between(exchange, from, to), out, n);
}

void exchange_drain(struct exchange *exchange)
{
	struct exchange_message message;

	for (uint32_t i = 0; i < exchange->n_workers * exchange->n_workers; i++)
		while (ring_pop(&exchange->rings[i], &message))
			if (message.kind == EXCHANGE_FRAME || message.kind == EXCHANGE_TRANSMIT)
				rte_pktmbuf_free(message.mbuf);
}
