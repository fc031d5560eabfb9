// SPDX-License-Identifier: Apache-2.0
//
// Verifies clients' certificate chains: with OpenSSL, which allocates and takes its time, on a thread of its
// own, so that no worker waits (tls/verifier.h, WAIT_VERIFY). One thread serves all workers.
//
//   worker: ask -> a job (the chain copied) --[ ring ]--> thread: parse, build and check the chain
//   worker: chain_verifier_next <-----------[ ring ]----- verdict, the leaf's key and common name
//
// Each worker has so many jobs; when all are out, or a chain is too long to copy, the handshake is refused
// at once: bounded. What a configuration trusts is an object that the configuration owns; a job holds a
// reference to what lies behind it, so that both may end in any order.
#pragma once

#include "base/arena.h"
#include "tls/verifier.h"

#include <stdbool.h>

struct chain_verifier;
struct chain_verifier_client;

enum {
	CHAIN_VERIFIER_JOBS = 64, // of each worker
	CHAIN_VERIFIER_LEN = 16384,
	CHAIN_VERIFIER_NAMES_LEN = 1000, // of the authorities' names that clients are told
};

// What one configuration trusts. The verifier of a tls_common_config is `base`.
struct chain_anchors {
	struct tls_verifier base;
	struct x509_store_st *store;
	int depth; // certificates between a client's and an authority's
	size_t names_len;
	uint8_t names[CHAIN_VERIFIER_NAMES_LEN]; // a list for CertificateRequest
};

// From authorities' certificates, DER after DER. False: `reason`. More names than there is room for are not
// told; clients choose by themselves then.
bool chain_anchors_init(struct chain_anchors *anchors, struct span authorities, uint8_t depth,
	const char **out_reason) __attribute__((warn_unused_result));
void chain_anchors_destroy(struct chain_anchors *anchors);

size_t chain_verifier_footprint(uint32_t n_workers);

// NULL when the arena has no room or no thread is to be had.
struct chain_verifier *chain_verifier_start(struct arena *arena, uint32_t n_workers);
void chain_verifier_stop(struct chain_verifier *verifier);

// The calling worker asks and is answered as this one from now on.
void chain_verifier_use(struct chain_verifier *verifier, uint32_t worker_idx);

// The next answer for the calling worker: for tls_handshake_verified.
bool chain_verifier_next(struct tls_reference *out_who, struct tls_verify_answer *out_answer)
	__attribute__((warn_unused_result));
