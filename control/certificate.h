// SPDX-License-Identifier: Apache-2.0
//
// What an X.509 certificate (RFC 5280) says, as far as a TLS server needs to know it: borrowed spans of its
// DER. As with keys, OpenSSL's decoder is too slow for fifty thousand of them (0.1 ms each, and threads wait
// for each other); tests hold this reader against it.
#pragma once

#include "key.h"
#include "text.h"

enum {
	CERTIFICATE_NAME_MAX = 254, // a DNS name with its terminating zero
	CERTIFICATE_LEN_MAX = 64 << 10,
	CHAIN_MAX = 10, // certificates; the TLS engine's own bound
};

struct certificate {
	struct span der;
	struct span serial;
	struct span issuer;  // Name, whole
	struct span subject; // Name, whole
	struct span spki;    // whole
	struct public_key public_key;
	bool key_supported; // otherwise public_key is empty
	int64_t not_before; // seconds since 1970
	int64_t not_after;
	struct span subject_alt_names; // the GeneralNames' content
	struct span common_name;       // the last one of the subject
	struct span subject_key_id;
	struct span authority_key_id;
	struct span ocsp_url;
	bool is_ca;
	bool must_staple; // RFC 7633
	bool has_scts;
};

// NULL, or why it is none that can be used.
const char *certificate_read(struct span der, struct certificate *out_certificate);

// The DNS names that the certificate is for, in lower case, one a call; false at the end. Start with *cursor
// 0. The common name counts when there is no subject alternative name (RFC 6125 6.4.4). What is no DNS name
// is left out.
bool certificate_next_name(
	const struct certificate *certificate, size_t *cursor, char out_name[static CERTIFICATE_NAME_MAX]);

// Whether one could have issued the other, by names and key identifiers; signatures are for clients to
// verify.
bool certificate_issued(const struct certificate *issuer, const struct certificate *subject);

// Puts a chain in order: the leaf, which has the key, first, and each other's issuer after it. False: *reason
// says which certificate does not belong.
//
//   found   [ root | intermediate | leaf ]   -->   [ leaf | intermediate | root ]
//
// A root stays when it was given: DANE-TA needs it (RFC 7671 5.2.2). The same certificate twice is dropped.
bool chain_arrange(struct certificate *certificates, size_t *n_certificates,
	const struct public_key *leaf_key, bool *out_changed, struct text *reason)
	__attribute__((warn_unused_result));
