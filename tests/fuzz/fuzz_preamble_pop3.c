// SPDX-License-Identifier: Apache-2.0
//
// A whole conversation through the POP3 preamble: preamble_fuzz.h.
#include "preamble_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return fuzz_preamble(PREAMBLE_POP3, data, len);
}
