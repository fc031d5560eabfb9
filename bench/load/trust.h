// SPDX-License-Identifier: Apache-2.0
//
// What the generator makes of a server's certificate. A leaf is parsed, and with --ca judged by OpenSSL, when
// it is first seen; after that it is only compared.
#pragma once

#include "tls/verifier.h"

enum {
	TRUST_LEAVES = 16,
	TRUST_LEAF_MAX = 4096
};

struct trust_leaf {
	size_t len;
	uint8_t der[TRUST_LEAF_MAX];
	struct tls_verify_answer answer;
};

struct trust {
	struct tls_verifier base;
	const char *name;
	struct x509_store_st *store; // NULL: not judged
	struct trust_leaf leaves[TRUST_LEAVES];
	uint32_t n_leaves; // seen; the places are used in turn
	char reason[256];  // why the last chain was refused
};

// False: `trust->reason` says why the file is no use. ca may be NULL.
bool trust_init(struct trust *trust, const char *ca, const char *name) __attribute__((warn_unused_result));
void trust_destroy(struct trust *trust);
