// SPDX-License-Identifier: Apache-2.0
//
// A stream that lies in pieces: what TCP received, in order, as a list of borrowed spans.
#pragma once

#include "base/span.h"

struct tls_stream {
	const struct span *pieces;
	size_t n_pieces;
};

size_t tls_stream_len(struct tls_stream stream);

// Copies up to len bytes from the given offset; returns how many were there.
size_t tls_stream_copy(struct tls_stream stream, size_t offset, void *out, size_t len);

// The pieces of len bytes from the given offset. Returns how many spans were written, or 0 when the stream
// has fewer bytes or more than max pieces are needed.
size_t tls_stream_slice(struct tls_stream stream, size_t offset, size_t len, struct span *out, size_t max);
