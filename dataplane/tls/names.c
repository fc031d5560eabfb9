// SPDX-License-Identifier: Apache-2.0
#include "tls/names.h"

static uint32_t slots_for(uint32_t n_names)
{
	uint32_t n_slots = 4;

	while (n_slots < 2 * n_names)
		n_slots *= 2;
	return n_slots;
}

size_t tls_names_footprint(const struct tls_name *names, uint32_t n_names)
{
	size_t len = sizeof(struct tls_names) + n_names * sizeof(struct tls_name_entry) +
		     slots_for(n_names) * sizeof(uint32_t);

	for (uint32_t i = 0; i < n_names; i++)
		len += names[i].name.len;
	return len;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

// FNV-1a, then mixed; names come from the configuration, so nobody can choose them to collide, and a client's
// choice of name to look up costs at most a walk to the next free slot.
static uint32_t hash_name(struct span name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ name.data[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash ^ hash >> 32);
}

// The slot of a name: its own, or the free one where it would go.
static uint32_t *find_slot(const struct tls_names *names, struct span name)
{
	uint32_t idx = hash_name(name) & names->mask;

	while (names->slots[idx] != TLS_NO_NAME && !span_equal(names->entries[names->slots[idx]].name, name))
		idx = (idx + 1) & names->mask;
	return &names->slots[idx];
}

static void append(struct tls_names *names, uint32_t *first, uint32_t idx)
{
	while (*first != TLS_NO_NAME)
		first = &names->entries[*first].next;
	*first = idx;
}

const struct tls_names *tls_names_build(
	struct mut_span memory, const struct tls_name *names, uint32_t n_names)
{
	struct tls_names *index = (struct tls_names *)(void *)memory.data;
	uint32_t n_slots = slots_for(n_names);
	uint8_t *text;

	if (memory.len < tls_names_footprint(names, n_names))
		return NULL;
	index->entries = (struct tls_name_entry *)(void *)(memory.data + sizeof *index);
	index->slots = (uint32_t *)(void *)(index->entries + n_names);
	index->mask = n_slots - 1;
	index->n_entries = n_names;
	index->first_default = TLS_NO_NAME;
	memset(index->slots, 0xff, n_slots * sizeof(uint32_t));
	text = (uint8_t *)(index->slots + n_slots);
	for (uint32_t i = 0; i < n_names; i++) {
		struct span name = span_of(text, names[i].name.len);

		if (name.len > TLS_NAME_MAX)
			return NULL;
		for (size_t k = 0; k < name.len; k++)
			*text++ = lower(names[i].name.data[k]);
		index->entries[i] = (struct tls_name_entry){
			.name = name, .certificate = names[i].certificate, .next = TLS_NO_NAME};
		append(index, name.len == 0 ? &index->first_default : find_slot(index, name), i);
	}
	return index;
}

static bool find(const struct tls_names *names, struct span name, const struct tls_name_entry **out_entry)
{
	uint32_t first = *find_slot(names, name);

	if (first == TLS_NO_NAME)
		return false;
	*out_entry = &names->entries[first];
	return true;
}

enum tls_name_match tls_names_find(
	const struct tls_names *names, struct span name, const struct tls_name_entry **out_entry)
{
	uint8_t text[TLS_NAME_MAX + 1];
	const uint8_t *dot;

	if (name.len != 0 && name.len <= TLS_NAME_MAX) {
		for (size_t i = 0; i < name.len; i++)
			text[i + 1] = lower(name.data[i]);
		if (find(names, span_of(text + 1, name.len), out_entry))
			return TLS_NAME_EXACT;
		dot = memchr(text + 1, '.', name.len);
		if (dot != NULL && dot > text + 1) {
			uint8_t *star = text + (dot - text) - 1;

			*star = '*';
			if (find(names, span_of(star, (size_t)(text + 1 + name.len - star)), out_entry))
				return TLS_NAME_WILDCARD;
		}
	}
	if (names->first_default == TLS_NO_NAME)
		return TLS_NAME_NONE;
	*out_entry = &names->entries[names->first_default];
	return TLS_NAME_DEFAULT;
}
