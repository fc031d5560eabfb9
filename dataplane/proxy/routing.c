// SPDX-License-Identifier: Apache-2.0
#include "proxy/routing.h"

enum {
	LABEL_MAX = 63,
	ARENA_ALIGN = 64
};

struct key {
	uint32_t listener_idx;
	struct span host; // in lower case
	struct span alpn;
};

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

static bool label_byte(uint8_t byte)
{
	byte = lower(byte);
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

bool routing_host_valid(struct span host)
{
	size_t label_len = 0;
	bool letters = false; // in the last label: without one the name would be an address

	if (host.len == 0 || host.len > ROUTING_HOST_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		uint8_t byte = host.data[i];

		if (byte == '.') {
			if (label_len == 0)
				return false;
			label_len = 0;
			letters = false;
		} else if (!label_byte(byte) || ++label_len > LABEL_MAX) {
			return false;
		} else {
			letters = letters || byte < '0' || byte > '9';
		}
	}
	return label_len != 0 && letters;
}

// FNV-1a. The keys are the operator's, so that nobody can aim collisions at the table; a client's name can
// only miss.
static uint64_t hash_bytes(uint64_t hash, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_key(const struct key *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ key->listener_idx;
	const uint8_t separator = 0;

	hash = hash_bytes(hash * UINT64_C(0x100000001b3), key->host);
	hash = hash_bytes(hash, span_of(&separator, 1));
	hash = hash_bytes(hash, key->alpn);
	return hash ^ hash >> 32;
}

// The slot that holds the key, or the free one where it belongs.
static struct routing_slot *find_slot(const struct routing_table *table, const struct key *key)
{
	uint64_t hash = hash_key(key);
	uint32_t idx = (uint32_t)hash & (table->n_slots - 1);
	struct routing_slot *slot = &table->slots[idx];

	while (slot->used) {
		const uint8_t *bytes = table->keys + slot->key_offset;

		if (slot->hash == hash && slot->listener_idx == key->listener_idx &&
			span_equal(key->host, span_of(bytes, slot->host_len)) &&
			span_equal(key->alpn, span_of(bytes + slot->host_len, slot->alpn_len)))
			break;
		idx = (idx + 1) & (table->n_slots - 1);
		slot = &table->slots[idx];
	}
	return slot;
}

// At least twice as many slots as rules: probes end soon, and always.
static uint32_t slots_for(uint32_t n_rules)
{
	uint32_t n_slots = 4;

	while (n_slots < 2 * (uint64_t)n_rules)
		n_slots *= 2;
	return n_slots;
}

static size_t keys_len(const struct routing_rule *rules, uint32_t n_rules)
{
	size_t len = 1;

	for (uint32_t i = 0; i < n_rules; i++)
		len += rules[i].host.len + rules[i].alpn.len;
	return len;
}

static enum routing_fault check_rule(const struct routing_rule *rule)
{
	struct span host = rule->host;

	if (host.len >= 2 && host.data[0] == '*' && host.data[1] == '.')
		host = span_of(host.data + 2, host.len - 2);
	else if (host.len == 0)
		host = span_of_string("any");
	if (!routing_host_valid(host) || rule->host.len > ROUTING_HOST_MAX)
		return ROUTING_BAD_HOST;
	return rule->alpn.len > ROUTING_ALPN_MAX ? ROUTING_BAD_ALPN : ROUTING_OK;
}

static enum routing_fault add_rule(
	struct routing_table *table, size_t *offset, const struct routing_rule *rule)
{
	enum routing_fault fault = check_rule(rule);
	uint8_t *bytes = table->keys + *offset;
	struct routing_slot *slot;
	struct key key;

	if (fault != ROUTING_OK)
		return fault;
	for (size_t i = 0; i < rule->host.len; i++)
		bytes[i] = lower(rule->host.data[i]);
	if (rule->alpn.len != 0)
		memcpy(bytes + rule->host.len, rule->alpn.data, rule->alpn.len);
	key = (struct key){.listener_idx = rule->listener_idx,
		.host = span_of(bytes, rule->host.len),
		.alpn = span_of(bytes + rule->host.len, rule->alpn.len)};
	slot = find_slot(table, &key);
	if (slot->used)
		return ROUTING_DUPLICATE;
	*slot = (struct routing_slot){.hash = hash_key(&key),
		.listener_idx = rule->listener_idx,
		.backend_idx = rule->backend_idx,
		.key_offset = (uint32_t)*offset,
		.host_len = (uint8_t)rule->host.len,
		.alpn_len = (uint16_t)rule->alpn.len,
		.used = true};
	*offset += rule->host.len + rule->alpn.len;
	return ROUTING_OK;
}

enum routing_fault routing_build(struct routing_table *table, struct arena *arena,
	const struct routing_rule *rules, uint32_t n_rules, uint32_t *out_rule_idx)
{
	enum routing_fault fault = ROUTING_OK;
	size_t offset = 0;

	*out_rule_idx = 0;
	*table = (struct routing_table){.n_slots = slots_for(n_rules)};
	table->slots = arena_alloc(arena, table->n_slots * sizeof(struct routing_slot), ARENA_ALIGN);
	table->keys = arena_alloc(arena, keys_len(rules, n_rules), ARENA_ALIGN);
	if (table->slots == NULL || table->keys == NULL)
		return ROUTING_NO_MEMORY;
	for (uint32_t i = 0; i < n_rules && fault == ROUTING_OK; i++) {
		*out_rule_idx = i;
		fault = add_rule(table, &offset, &rules[i]);
	}
	return fault;
}

static bool find(
	const struct routing_table *table, struct key key, struct span alpn, uint32_t *out_backend_idx)
{
	const struct routing_slot *slot;

	key.alpn = alpn;
	slot = find_slot(table, &key);
	if (!slot->used && alpn.len != 0) {
		key.alpn = span_of(NULL, 0);
		slot = find_slot(table, &key);
	}
	if (slot->used)
		*out_backend_idx = slot->backend_idx;
	return slot->used;
}

enum routing_verdict routing_find(const struct routing_table *table, uint32_t listener_idx, struct span host,
	struct span alpn, uint32_t *out_backend_idx)
{
	uint8_t name[ROUTING_HOST_MAX]; // in lower case; then a star takes the place of the first label's
					// last byte
	struct key key = {.listener_idx = listener_idx};
	size_t dot = 0;

	if (host.len != 0 && host.data[host.len - 1] == '.')
		host.len--;
	if (host.len > ROUTING_HOST_MAX)
		host.len = 0;
	for (size_t i = 0; i < host.len; i++)
		name[i] = lower(host.data[i]);
	// A client that sends a star asks for no rule of ours.
	if (host.len != 0 && memchr(name, '*', host.len) == NULL) {
		key.host = span_of(name, host.len);
		if (find(table, key, alpn, out_backend_idx))
			return ROUTING_FOUND;
		while (dot < host.len && name[dot] != '.')
			dot++;
		if (dot != 0 && dot < host.len) {
			name[dot - 1] = '*';
			key.host = span_of(name + dot - 1, host.len - dot + 1);
			if (find(table, key, alpn, out_backend_idx))
				return ROUTING_FOUND;
		}
	}
	key.host = span_of(NULL, 0);
	return find(table, key, alpn, out_backend_idx) ? ROUTING_DEFAULT : ROUTING_NONE;
}
