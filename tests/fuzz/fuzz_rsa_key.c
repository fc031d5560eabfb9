// SPDX-License-Identifier: Apache-2.0
//
// Preparing a private key from numbers that anyone may have written: n, e, p, q, dp, dq, qinv, each with a
// length of two bytes. Whatever is accepted must hold together, and what is refused must leave nothing
// behind.
#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"
#include "crypto/mb/rsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_refused(const struct mb_rsa_key *key, const struct mb_rsa_parts *parts)
{
	const uint8_t *bytes = (const uint8_t *)key;
	enum mb_rsa_size size;

	if (!mb_rsa_size_of(parts->n, &size))
		return;
	for (size_t i = 0; i < MB_RSA_KEY_BYTES(size); i++)
		SLUICE_ASSERT(bytes[i] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader reader = reader_over(span_of(data, len));
	struct mb_rsa_key *key = calloc(1, MB_RSA_KEY_BYTES(MB_RSA_4096));
	struct mb_rsa_parts parts;

	SLUICE_ASSERT(key != NULL);
	parts.n = reader_vector16(&reader);
	parts.e = reader_vector16(&reader);
	parts.p = reader_vector16(&reader);
	parts.q = reader_vector16(&reader);
	parts.dp = reader_vector16(&reader);
	parts.dq = reader_vector16(&reader);
	parts.qinv = reader_vector16(&reader);
	if (mb_rsa_key_set(key, &parts) == MB_RSA_KEY_OK)
		SLUICE_ASSERT(reader_ok(&reader) && key->e >= 3 && (key->digits[0] & 1) == 1);
	else
		check_refused(key, &parts);
	free(key);
	return 0;
}
