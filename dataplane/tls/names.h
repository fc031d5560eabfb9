// SPDX-License-Identifier: Apache-2.0
//
// The SNI index of a configuration snapshot: from a host name to the certificates that serve it. Immutable,
// one piece of the caller's memory, read by every worker.
//
//   slots    [ hash -> entry | ... ]          open addressing, power of two, at most half full
//   entries  [ name, certificate, next ]      several certificates of one name form a list, in the order
//   given
//
// Look-up: the exact name, then "*." and what follows the first dot (RFC 6125 6.4.3), then the default list.
// Names are compared without case; the index holds them in lower case.
#pragma once

#include "tls/certificate.h"

struct tls_name_entry {
	struct span name; // "mail.example.org", "*.example.org", or empty for the default
	const struct tls_certificate *certificate;
	uint32_t next; // of the same name, or TLS_NO_NAME
};

enum {
	TLS_NAME_MAX = 255
};
#define TLS_NO_NAME UINT32_MAX

struct tls_names {
	struct tls_name_entry *entries;
	uint32_t *slots; // first entry of a name, or TLS_NO_NAME
	uint32_t mask;
	uint32_t n_entries;
	uint32_t first_default;
};

// What goes in: a name in any case and a certificate, which must outlive the index.
struct tls_name {
	struct span name;
	const struct tls_certificate *certificate;
};

size_t tls_names_footprint(const struct tls_name *names, uint32_t n_names);

// NULL when the memory (aligned to 8) is too short or a name is longer than TLS_NAME_MAX.
const struct tls_names *tls_names_build(
	struct mut_span memory, const struct tls_name *names, uint32_t n_names);

// How a name was found.
enum tls_name_match {
	TLS_NAME_NONE, // not even a default
	TLS_NAME_EXACT,
	TLS_NAME_WILDCARD,
	TLS_NAME_DEFAULT,
};

// The first entry for a name (empty: no SNI); the others follow through tls_names_next.
enum tls_name_match tls_names_find(
	const struct tls_names *names, struct span name, const struct tls_name_entry **out_entry);

static inline const struct tls_name_entry *tls_names_next(
	const struct tls_names *names, const struct tls_name_entry *entry)
{
	return entry->next == TLS_NO_NAME ? NULL : &names->entries[entry->next];
}
