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
	ROUTING_HOST_MAX = 253, // RFC 1035 2.3.4, without the final dot
	ROUTING_ALPN_MAX = 255
};

struct routing_rule {
	uint32_t listener_idx;
	struct span host; // "" any, "*.example.org", "mail.example.org"; any case
	struct span alpn; // "" any
	uint32_t backend_idx;
};

// The rules of a listener without one for "any name" may refuse unknown names: see routing_verdict.
struct routing_slot {
	uint64_t hash;
	uint32_t listener_idx;
	uint32_t backend_idx;
	uint32_t key_offset; // of the lower-case pattern and the protocol, one after the other
	uint16_t alpn_len;
	uint8_t host_len;
	bool used;
};

struct routing_table {
	struct routing_slot *slots;
	uint8_t *keys;
	uint32_t n_slots; // a power of two
};

enum routing_fault {
	ROUTING_OK,
	ROUTING_BAD_HOST, // not a name, or a wildcard that is not the whole first label
	ROUTING_BAD_ALPN,
	ROUTING_DUPLICATE,
	ROUTING_NO_MEMORY
};

// Builds the table; *out_rule_idx is the rule at fault when there is one.
enum routing_fault routing_build(struct routing_table *table, struct arena *arena,
	const struct routing_rule *rules, uint32_t n_rules, uint32_t *out_rule_idx)
	__attribute__((warn_unused_result));

enum routing_verdict {
	ROUTING_FOUND,
	ROUTING_DEFAULT, // found, but by a rule for any name: a listener that rejects unknown names refuses
			 // it
	ROUTING_NONE
};

// Finds the backend. `host` and `alpn` are what the client sent and what was agreed, empty when there was
// none; *out_backend_idx is written unless it says NONE.
enum routing_verdict routing_find(const struct routing_table *table, uint32_t listener_idx, struct span host,
	struct span alpn, uint32_t *out_backend_idx) __attribute__((warn_unused_result));

// Whether the span is a host name: labels of letters, digits, hyphens and underscores, 1 to 63 each, at most
// ROUTING_HOST_MAX in all, and not an IPv4 address.
bool routing_host_valid(struct span host);
