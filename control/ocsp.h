// SPDX-License-Identifier: Apache-2.0
//
// OCSP (RFC 6960): the request for a certificate of ours, and the check that a response says what a staple
// must say. The check is OpenSSL's, made with the issuer of the chain, before a response is used for
// anything, whether a file or the network brought it.
#pragma once

#include "base/span.h"
#include "text.h"

struct cert;

// Whether the response is signed by the issuer (or whom it delegated), about this certificate, "good", and
// valid at `now`. *out_next_update: when it ends, 0 if it does not say. False: `reason` says what is wrong.
bool ocsp_check(const struct cert *cert, struct span response, int64_t now, int64_t *out_next_update,
	struct text *reason) __attribute__((warn_unused_result));

// The DER of a request without nonce (responders answer those from store), in memory to be freed. NULL when
// the chain has no issuer.
uint8_t *ocsp_request(const struct cert *cert, size_t *out_len);
