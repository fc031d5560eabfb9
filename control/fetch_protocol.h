// SPDX-License-Identifier: Apache-2.0
//
// Between sluice-control and sluice-fetch: one SOCK_SEQPACKET message a question, one an answer. The fetcher
// is told an address and what to send there; it never sees a key, a configuration or a certificate.
#pragma once

#include <stdint.h>

enum {
	FETCH_SOCKET_FD = 3, // where sluice-fetch finds its end
	FETCH_URL_MAX = 512,
	FETCH_BODY_MAX = 32 << 10, // of a request, and of an answer
	FETCH_TIMEOUT_S = 15,
};

struct fetch_request {
	uint32_t id;
	uint32_t body_len;
	char url[FETCH_URL_MAX]; // http or https
	uint8_t body[FETCH_BODY_MAX];
};

struct fetch_answer {
	uint32_t id;
	uint32_t body_len; // 0: failed
	char reason[128];  // why
	uint8_t body[FETCH_BODY_MAX];
};
