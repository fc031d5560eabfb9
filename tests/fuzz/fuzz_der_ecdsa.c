// SPDX-License-Identifier: Apache-2.0
//
// ECDSA signatures in DER: we accept exactly what is the one encoding of two numbers that fit, and agree with
// OpenSSL about them.
#include "base/assert.h"
#include "crypto/der.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// Whether OpenSSL reads two non-negative numbers of at most number_len bytes and would write them just so.
static bool reference(const uint8_t *data, size_t len, size_t number_len, uint8_t *numbers)
{
	const unsigned char *next = data;
	unsigned char *encoded = NULL;
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &next, (long)len);
	bool ok = false;

	if (signature != NULL && next == data + len && !BN_is_negative(ECDSA_SIG_get0_r(signature)) &&
		!BN_is_negative(ECDSA_SIG_get0_s(signature)) &&
		BN_bn2binpad(ECDSA_SIG_get0_r(signature), numbers, (int)number_len) >= 0 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(signature), numbers + number_len, (int)number_len) >= 0) {
		int encoded_len = i2d_ECDSA_SIG(signature, &encoded);

		ok = span_equal(span_of(encoded, (size_t)encoded_len), span_of(data, len));
	}
	OPENSSL_free(encoded);
	ECDSA_SIG_free(signature);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const size_t number_lens[] = {32, 48};

	if (len > 1000)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		size_t number_len = number_lens[i];
		uint8_t numbers[96], expected[96], encoded[DER_ECDSA_MAX_LEN];
		bool ok = der_decode_ecdsa(numbers, number_len, span_of(data, len));

		SLUICE_ASSERT(ok == reference(data, len, number_len, expected));
		if (!ok)
			continue;
		SLUICE_ASSERT(memcmp(numbers, expected, 2 * number_len) == 0);
		SLUICE_ASSERT(span_equal(span_of(encoded, der_encode_ecdsa(encoded, numbers, number_len)),
			span_of(data, len)));
	}
	return 0;
}
