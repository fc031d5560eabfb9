// SPDX-License-Identifier: Apache-2.0
//
// Public keys as certificates carry them: whatever is accepted survives the way to OpenSSL and back.
#include "base/assert.h"
#include "crypto/public_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct public_key key = {0}, again = {0};
	EVP_PKEY *pkey;

	if (public_key_from_spki(&key, span_of(data, len)) != KEY_OK) {
		ERR_clear_error();
		return 0;
	}
	SLUICE_ASSERT(key.type < N_KEY_TYPES && key.len <= PUBLIC_KEY_MAX_LEN && key.len >= 32);
	pkey = public_key_to_pkey(&key);
	SLUICE_ASSERT(pkey != NULL && public_key_from_pkey(&again, pkey) == KEY_OK);
	SLUICE_ASSERT(memcmp(&key, &again, sizeof key) == 0);
	EVP_PKEY_free(pkey);
	return 0;
}
