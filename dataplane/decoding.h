// SPDX-License-Identifier: Apache-2.0
//
// What the decoding of a snapshot works with, for the files that decode parts of it: deployment.c (the head,
// listeners, names) and deployment_backends.c. A function that returns false has left its reason.
#pragma once

#include "base/reader.h"
#include "deployment.h"
#include "records.h"
#include "refusal.h"
#include "snapshot.h"
#include "terms_table.h"

struct routing_rule;
struct tls_name;

struct decoding {
	struct deployment *deployment;
	struct credentials *credentials;
	const struct net_config *net;
	struct terms_table *terms;
	struct reader reader;
	struct record record; // the current one
	struct snapshot_head head;
	char *reason;
	uint64_t n_records;
	struct snapshot_backend *backends; // as they came, for the listeners that use them
	uint32_t *pool_idxs;               // which pool each of them is
	struct proxy_backend *places;      // by pool
	struct proxy_listener *listeners;
	uint32_t n_listeners;
	struct routing_rule *rules;
	uint32_t n_rules, rules_max;
	uint32_t *default_certificates; // of each TLS configuration
	struct tls_name *names;
	uint32_t n_names;
};

// n objects of this length in the deployment's arena, zero; NULL: memory is short.
void *decoding_take(struct decoding *decoding, size_t n, size_t len);

// Goes to the next record, which must be of this type with a body of this width.
bool decoding_next(struct decoding *decoding, enum snapshot_record_type type, void *out_body, size_t body_len,
	struct span *out_tail) __attribute__((warn_unused_result));

// A copy in the arena of a name whose end was checked.
const char *decoding_keep_name(struct decoding *decoding, const char *name);

// The backends with their servers and sources.
bool decoding_read_backends(struct decoding *decoding) __attribute__((warn_unused_result));
