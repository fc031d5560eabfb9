// SPDX-License-Identifier: Apache-2.0
//
// Options of a segment: whatever is parsed can be written again and reads the same.
#include "base/assert.h"
#include "tcp/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tcp_options options, again;
	uint8_t bytes[TCP_OPTIONS_LEN_MAX];
	uint32_t n;

	if (len > TCP_OPTIONS_LEN_MAX)
		len = TCP_OPTIONS_LEN_MAX;
	// Well formed or not, what stood in front of the fault holds.
	if (!tcp_options_parse(span_of(data, len), &options))
		SLUICE_ASSERT(len != 0);
	n = tcp_options_write(&options, bytes);
	SLUICE_ASSERT(n % 4 == 0 && n <= TCP_OPTIONS_LEN_MAX);
	SLUICE_ASSERT(tcp_options_parse(span_of(bytes, n), &again));
	// SACK blocks may have found no room beside the rest.
	SLUICE_ASSERT((again.present | TCP_HAS_SACK) == (options.present | TCP_HAS_SACK));
	SLUICE_ASSERT(again.n_sack_blocks <= options.n_sack_blocks);
	if ((options.present & TCP_HAS_TIMESTAMPS) != 0)
		SLUICE_ASSERT(again.ts_value == options.ts_value && again.ts_echo == options.ts_echo);
	return 0;
}
