// SPDX-License-Identifier: Apache-2.0
//
// All certificates at one time, and the index of their names. A set is never changed: loading, a commit on
// the socket or a fresh staple make a new one, which shares the objects that stayed.
#pragma once

#include "cert.h"
#include "config.h"

struct cert_name {
	const char *name; // lower case, exact or "*.domain"
	uint32_t cert_idx;
};

struct cert_set {
	struct cert **certs;
	size_t n_certs;
	size_t capacity;
	struct cert **by_name;   // the same, sorted by the names of the objects
	struct cert_name *names; // sorted by name, then by the order of the certificates
	size_t n_names;
	struct span *authorities; // for each listener, of its client certificates: DER after DER; or NULL
	size_t n_authorities;
	struct memory_zone zone; // of names and authorities
};

// What the configuration names, parsed by n_threads threads. Certificates of `before` (or NULL) whose files
// did not change are taken over, and those of the socket stay unless a file of their name changed. NULL:
// `errors` names each file that can't be used and why.
struct cert_set *cert_set_load(const struct config *config, const struct cert_set *before, unsigned n_threads,
	struct config_errors *errors);

// The set with one certificate put in place of the one of the same name, or added. Takes a reference.
struct cert_set *cert_set_with(const struct cert_set *set, struct cert *cert);

// The same with several; names that are not there are added.
struct cert_set *cert_set_with_all(const struct cert_set *set, struct cert *const *certs, size_t n_certs);

// The set without the certificate of that name.
struct cert_set *cert_set_without(const struct cert_set *set, const char *name);

// The same certificates, for somebody who must not see them change: references only, no index of names.
struct cert_set *cert_set_copy(const struct cert_set *set);

void cert_set_free(struct cert_set *set);

// By the name of the object; NULL when there is none.
struct cert *cert_set_find(const struct cert_set *set, const char *name);

// The first of the certificates for a server name, exact, then by wildcard, as the TLS engine looks it up;
// *out_n are at names[result]. SIZE_MAX when there is none.
size_t cert_set_lookup(const struct cert_set *set, const char *server_name, size_t *out_n);
