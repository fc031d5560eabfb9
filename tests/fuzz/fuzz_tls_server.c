// SPDX-License-Identifier: Apache-2.0
//
// A server under a fuzzed client, with crypto that lets everything through.
#include "tls_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	tls_fuzz_server(data, len);
	return 0;
}
