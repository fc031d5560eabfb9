// SPDX-License-Identifier: Apache-2.0
//
// A request to port 80, in pieces whose length the first byte says: one answer, of three lines and an empty
// one whatever was asked, and a location that begins with https.
#include "base/assert.h"
#include "proxy/http_redirect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const uint8_t *response, size_t len)
{
	size_t n_lines = 0;

	for (size_t i = 0; i < len; i++) {
		SLUICE_ASSERT(response[i] >= ' ' || response[i] == '\r' || response[i] == '\n');
		SLUICE_ASSERT(response[i] < 0x7f);
		n_lines += response[i] == '\n';
	}
	SLUICE_ASSERT(memcmp(response + len - 4, "\r\n\r\n", 4) == 0);
	if (response[9] == '3') {
		SLUICE_ASSERT(n_lines == 5);
		SLUICE_ASSERT(memcmp(response + 33, "Location: https://", 18) == 0);
	} else {
		SLUICE_ASSERT(n_lines == 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct http_redirect redirect;
	static uint8_t response[HTTP_REDIRECT_RESPONSE_MAX];
	const struct http_redirect_config config = {.port = 443};
	size_t piece = len != 0 ? (size_t)data[0] + 1 : 1;
	size_t n = 0;

	http_redirect_begin(&redirect);
	for (size_t at = 1; at < len && n == 0; at += piece) {
		size_t left = len - at;

		n = http_redirect_feed(&redirect, &config, span_of(data + at, piece < left ? piece : left),
			(struct mut_span){.data = response, .len = sizeof response});
	}
	if (n != 0)
		check(response, n);
	return 0;
}
