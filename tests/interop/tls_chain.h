// SPDX-License-Identifier: Apache-2.0
//
// A verifier for programs: takes a peer's chain apart with OpenSSL, checks what a leaf may be used for, and,
// where roots are trusted, the path. It remembers the staple and the timestamps that came along.
#pragma once

#include "tls/verifier.h"

struct x509_store_st;

enum {
	TLS_CHAIN_EXTRA_MAX = 1024
};

struct tls_chain_verifier {
	struct tls_verifier base;
	struct x509_store_st *trusted; // NULL: any chain will do
	enum tls_verdict verdict;      // on chains that are well-formed
	size_t staple_len, scts_len;   // of the last chain
	uint8_t staple[TLS_CHAIN_EXTRA_MAX], scts[TLS_CHAIN_EXTRA_MAX];
};

void tls_chain_verifier_init(struct tls_chain_verifier *verifier);

// Trusts the certificates of PEM files (names with commas between); false when one can't be read.
bool tls_chain_verifier_trust(struct tls_chain_verifier *verifier, const char *files);
