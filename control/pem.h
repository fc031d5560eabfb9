// SPDX-License-Identifier: Apache-2.0
//
// PEM (RFC 7468): the blocks of a text, one after the other. What is between blocks is passed over. A block's
// content is decoded into memory of the caller's; whether that must be secret is decided by its label, before
// anything is decoded.
#pragma once

#include "base/span.h"

enum {
	PEM_LABEL_MAX = 64
};

struct pem_block {
	char label[PEM_LABEL_MAX]; // "CERTIFICATE"
	struct span encoded;       // base64, white space inside, borrowed
	bool has_headers;          // RFC 1421 headers, as traditional encrypted keys have
};

enum pem_verdict {
	PEM_BLOCK,
	PEM_END,   // no further block
	PEM_BROKEN // a block that has no end, or the end of another
};

// The next block; *text moves on past it.
enum pem_verdict pem_next(struct span *text, struct pem_block *out_block) __attribute__((warn_unused_result));

// Bytes that the content has at most.
size_t pem_decoded_max(const struct pem_block *block);

// Decodes; *out_len is its length. False: not base64.
bool pem_decode(const struct pem_block *block, struct mut_span out, size_t *out_len)
	__attribute__((warn_unused_result));
