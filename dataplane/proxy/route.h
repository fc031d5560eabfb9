// SPDX-License-Identifier: Apache-2.0
//
// Routing: from the listener, the name that the client asked for (SNI) and the protocol that was agreed
// (ALPN) to a number, the backend's. The table is built whole from the configuration, belongs to a snapshot,
// and is never changed.
//
// The most specific rule wins, and the name before the protocol:
//
//   name exact   >  wildcard of one label (*.example.org)  >  any name
//   each with    protocol exact  >  any protocol
//
//   slots   [ hash | rule ]   open addressing, at most half full; keys are (listener, pattern, protocol)
#pragma once

#include "base/arena.h"
#include "base/span.h"

enum {
	ROUTE_HOST_MAX = 253, // RFC 1035 2.3.4, without the final dot
	ROUTE_ALPN_MAX = 255
};

struct route_rule {
	uint32_t listener_idx;
	struct span host; // "" any, "*.example.org", "mail.example.org"; any case
	struct span alpn; // "" any
	uint32_t backend_idx;
};

// The rules of a listener without one for "any name" may refuse unknown names: see route_verdict.
struct route_slot {
	uint64_t hash;
	uint32_t listener_idx;
	uint32_t backend_idx;
	uint32_t key_offset; // of the lower-case pattern and the protocol, one after the other
	uint16_t alpn_len;
	uint8_t host_len;
	bool used;
};

struct route_table {
	struct route_slot *slots;
	uint8_t *keys;
	uint32_t n_slots; // a power of two
};

// Bytes of arena that a table of these rules takes.
size_t route_footprint(const struct route_rule *rules, uint32_t n_rules);

enum route_fault {
	ROUTE_OK,
	ROUTE_BAD_HOST, // not a name, or a wildcard that is not the whole first label
	ROUTE_BAD_ALPN,
	ROUTE_DUPLICATE,
	ROUTE_NO_MEMORY
};

// Builds the table; *out_rule_idx is the rule at fault when there is one.
enum route_fault route_build(struct route_table *table, struct arena *arena, const struct route_rule *rules,
	uint32_t n_rules, uint32_t *out_rule_idx) __attribute__((warn_unused_result));

enum route_verdict {
	ROUTE_FOUND,
	ROUTE_DEFAULT, // found, but by a rule for any name: a listener that rejects unknown names refuses it
	ROUTE_NONE
};

// Finds the backend. `host` and `alpn` are what the client sent and what was agreed, empty when there was
// none; *out_backend_idx is written unless it says NONE.
enum route_verdict route_find(const struct route_table *table, uint32_t listener_idx, struct span host,
	struct span alpn, uint32_t *out_backend_idx) __attribute__((warn_unused_result));

// Whether the span is a host name: labels of letters, digits, hyphens and underscores, 1 to 63 each, at most
// ROUTE_HOST_MAX in all, and not an IPv4 address.
bool route_host_valid(struct span host);
