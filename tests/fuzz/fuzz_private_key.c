// SPDX-License-Identifier: Apache-2.0
//
// Private keys in DER: parsed, laid out, and wiped without a trace, whatever the bytes.
#include "base/assert.h"
#include "crypto/keys.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	EVP_PKEY *pkey = private_key_parse_der(span_of(data, len));
	const struct private_key *key;
	size_t footprint;
	uint8_t *memory;

	if (pkey == NULL || (footprint = private_key_footprint(pkey)) == 0) {
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return 0;
	}
	memory = aligned_alloc(64, (footprint + 63) / 64 * 64);
	if (private_key_load((struct mut_span){memory, footprint}, pkey, SELECT_LANES_PLAIN, &key) ==
		KEY_OK) {
		SLUICE_ASSERT(private_key_type(key) < N_KEY_TYPES);
		SLUICE_ASSERT(private_key_signature_max_len(key) <= 512);
		private_key_destroy(key);
	}
	for (size_t i = 0; i < footprint; i++)
		SLUICE_ASSERT(memory[i] == 0);
	free(memory);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return 0;
}
