// SPDX-License-Identifier: Apache-2.0
//
// What listens on port 80: reads one request, bounded, and sends the client to https with a 308 (RFC 9110
// 15.4.9), or another status that is configured, to the same host and path. Nothing of the request gets into
// the answer that is not a host name or address of the right form, or a path of visible ASCII; a request that
// is not plainly GET or HEAD with one Host is a 400. Every answer ends the connection.
#pragma once

#include "base/span.h"

struct routing_table;

enum {
	HTTP_REDIRECT_REQUEST_MAX = 4096,
	HTTP_REDIRECT_RESPONSE_MAX = HTTP_REDIRECT_REQUEST_MAX + 512
};

// Of a listener; immutable.
struct http_redirect_config {
	uint16_t port;                     // of https; 443 is not written
	uint16_t status;                   // 301, 302, 307; whatever else is 308
	const struct routing_table *hosts; // only these hosts are redirected to; NULL: any
	uint32_t listener_idx;             // whose routes they are
};

// The request that is coming in, in the owner's pool until it is answered.
struct http_redirect {
	uint16_t len;
	uint16_t line_start; // of the line that is coming in
	uint8_t bytes[HTTP_REDIRECT_REQUEST_MAX];
};

void http_redirect_begin(struct http_redirect *redirect);

// Takes all of the input. The answer's length in `out` (HTTP_REDIRECT_RESPONSE_MAX bytes), after which the
// connection is closed; 0: the request goes on.
size_t http_redirect_feed(struct http_redirect *redirect, const struct http_redirect_config *config,
	struct span input, struct mut_span out) __attribute__((warn_unused_result));

// The answer to a request that takes too long (408).
size_t http_redirect_timeout(struct mut_span out) __attribute__((warn_unused_result));
