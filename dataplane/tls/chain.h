// SPDX-License-Identifier: Apache-2.0
//
// A stream that lies in pieces: what TCP received, in order, as a list of borrowed spans.
#pragma once

#include "base/span.h"

struct tls_chain {
	const struct span *pieces;
	size_t n_pieces;
};

size_t tls_chain_len(struct tls_chain chain);

// Copies up to len bytes from the given offset; returns how many were there.
size_t tls_chain_copy(struct tls_chain chain, size_t offset, void *out, size_t len);

// The pieces of len bytes from the given offset. Returns how many spans were written, or 0 when the chain has
// fewer bytes or more than max pieces are needed.
size_t tls_chain_slice(struct tls_chain chain, size_t offset, size_t len, struct span *out, size_t max);
