// SPDX-License-Identifier: Apache-2.0
#include "crypto/stock.h"

#include "base/assert.h"
#include "base/wipe.h"
#include "crypto/random.h"

static void count(const struct stock *stock, enum counter id, uint64_t n)
{
	if (stock->counters != NULL && n != 0)
		counter_add(stock->counters, id, n);
}

size_t stock_footprint(uint32_t capacity, size_t item_len)
{
	return capacity * (item_len + sizeof(uint64_t)) + 2 * 64;
}

bool stock_init(struct stock *stock, struct arena *arena, uint32_t capacity, size_t item_len)
{
	SLUICE_ASSERT(capacity >= STOCK_CAPACITY_MIN);
	*stock = (struct stock){.item_len = item_len, .capacity = capacity};
	stock->items = arena_alloc(arena, capacity * item_len, 64);
	stock->made_us = arena_alloc(arena, capacity * sizeof *stock->made_us, 64);
	return stock->items != NULL && stock->made_us != NULL;
}

static uint8_t *item_at(const struct stock *stock, uint32_t idx)
{
	return stock->items + idx * stock->item_len;
}

static uint32_t wrap(const struct stock *stock, uint32_t idx)
{
	return idx < stock->capacity ? idx : idx - stock->capacity;
}

static void drop_oldest(struct stock *stock)
{
	wipe(item_at(stock, stock->oldest), stock->item_len);
	stock->oldest = wrap(stock, stock->oldest + 1);
	stock->n--;
}

void stock_wipe(struct stock *stock)
{
	wipe(stock->items, stock->capacity * stock->item_len);
	stock->n = 0;
}

void stock_expire(struct stock *stock, uint64_t now_us)
{
	uint32_t epoch = random_epoch(stock->random);
	uint32_t n_before = stock->n;

	if (stock->epoch != epoch) {
		stock_wipe(stock);
		stock->epoch = epoch;
	}
	while (stock->n != 0 && now_us - stock->made_us[stock->oldest] >= STOCK_LIFE_US)
		drop_oldest(stock);
	count(stock, COUNTER_CRYPTO_POOL_EXPIRED, n_before - stock->n);
}

bool stock_take(struct stock *stock, void *out_item)
{
	stock->n_taken++;
	if (stock->n == 0) {
		count(stock, COUNTER_CRYPTO_POOL_EMPTY, 1);
		return false;
	}
	memcpy(out_item, item_at(stock, stock->oldest), stock->item_len);
	drop_oldest(stock);
	return true;
}

// As much as a second takes, but at least the reserve, and at most so much that a whole batch fits on top.
static uint32_t high_mark(struct stock *stock, uint64_t now_us)
{
	uint32_t demand;

	if (now_us - stock->period_us >= STOCK_LIFE_US) {
		stock->n_taken_before = stock->n_taken;
		stock->n_taken = 0;
		stock->period_us = now_us;
	}
	demand = stock->n_taken > stock->n_taken_before ? stock->n_taken : stock->n_taken_before;
	if (demand < stock->reserve)
		return stock->reserve;
	return demand < stock->capacity - STOCK_BATCH ? demand : stock->capacity - STOCK_BATCH;
}

uint32_t stock_wanted(struct stock *stock, uint64_t now_us, bool urgent)
{
	uint32_t mark = high_mark(stock, now_us);

	if (urgent)
		mark /= 4;
	return stock->n < mark ? STOCK_BATCH : 0;
}

void stock_put(struct stock *stock, const void *item, uint64_t now_us)
{
	uint32_t idx = wrap(stock, stock->oldest + stock->n);

	SLUICE_ASSERT(stock->n < stock->capacity);
	memcpy(item_at(stock, idx), item, stock->item_len);
	stock->made_us[idx] = now_us;
	stock->n++;
}

uint64_t stock_expires_us(const struct stock *stock)
{
	return stock->n != 0 ? stock->made_us[stock->oldest] + STOCK_LIFE_US : UINT64_MAX;
}
