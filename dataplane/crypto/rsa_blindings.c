// SPDX-License-Identifier: Apache-2.0
#include "crypto/rsa_blindings.h"

#include "base/assert.h"
#include "base/wipe.h"

struct rsa_blinding_slot {
	uint64_t serial; // 0: empty
	bool referenced;
	bool pinned;
};

static size_t slot_len_of(enum mb_rsa_size size)
{
	return (MB_RSA_BLINDING_BYTES(size) + 63) / 64 * 64;
}

size_t rsa_blindings_footprint(enum mb_rsa_size size, uint32_t n_slots)
{
	return n_slots * (slot_len_of(size) + sizeof(struct rsa_blinding_slot)) + 2 * 64;
}

bool rsa_blindings_init(
	struct rsa_blindings *blindings, struct arena *arena, enum mb_rsa_size size, uint32_t n_slots)
{
	*blindings = (struct rsa_blindings){.slot_len = slot_len_of(size), .n_slots = n_slots};
	blindings->memory = arena_alloc(arena, n_slots * blindings->slot_len, 64);
	blindings->slots = arena_alloc(arena, n_slots * sizeof *blindings->slots, 64);
	return blindings->memory != NULL && blindings->slots != NULL;
}

static struct mb_rsa_blinding *blinding_at(const struct rsa_blindings *blindings, uint32_t idx)
{
	return (struct mb_rsa_blinding *)(void *)(blindings->memory + idx * blindings->slot_len);
}

static uint32_t free_slot(struct rsa_blindings *blindings)
{
	for (uint32_t step = 0;; step++) {
		uint32_t idx = blindings->hand;
		struct rsa_blinding_slot *slot = &blindings->slots[idx];

		// Two rounds clear every referenced bit; more would mean that all are pinned.
		SLUICE_ASSERT(step <= 2 * blindings->n_slots);
		blindings->hand = idx + 1 < blindings->n_slots ? idx + 1 : 0;
		if (slot->pinned)
			continue;
		if (!slot->referenced)
			return idx;
		slot->referenced = false;
	}
}

struct mb_rsa_blinding *rsa_blindings_pin(struct rsa_blindings *blindings, uint64_t serial)
{
	uint32_t idx = 0;

	while (idx < blindings->n_slots && blindings->slots[idx].serial != serial)
		idx++;
	if (idx == blindings->n_slots) {
		idx = free_slot(blindings);
		wipe(blinding_at(blindings, idx), blindings->slot_len);
		blindings->slots[idx].serial = serial;
	}
	blindings->slots[idx].referenced = true;
	blindings->slots[idx].pinned = true;
	return blinding_at(blindings, idx);
}

void rsa_blindings_unpin(struct rsa_blindings *blindings)
{
	for (uint32_t i = 0; i < blindings->n_slots; i++)
		blindings->slots[i].pinned = false;
}
